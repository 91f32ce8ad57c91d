"""Where alerts and telemetry go: addresses and headers that are none fail when they are needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from flowc.compiler.names.lookup import Lookup
from flowc.diagnostics import Reporter
from flowc.masking import REFERENCE
from flowc.source import Span

_ANY = "1"
"""What stands for a reference: it is a host, a port and a part of a path."""
_LEAST_EVERY = 1.0
"""Seconds: all metrics are made anew each time."""
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def check_sent(lookup: Lookup) -> None:
    """Reports addresses and headers of alerts and telemetry that are none, without telling what they are.

    Of telemetry also what would be told without a pause.
    """
    for alert in lookup.project.alerts.values():
        owner = f"alert `{alert.name.value}`"
        _check_address("url", alert.options.get("url"), owner, alert.spans, lookup.reporter)
        _check_headers(alert.options.get("headers"), owner, alert.spans, lookup.reporter)
    for owner, sink in lookup.project.telemetry.sinks():
        _check_address("endpoint", sink.endpoint, owner, sink.spans, lookup.reporter)
        _check_headers(sink.headers, owner, sink.spans, lookup.reporter)
        _check_every(sink.every, owner, sink.spans, lookup.reporter)


def _check_every(every: float | None, owner: str, spans: Mapping[str, Span], reporter: Reporter) -> None:
    if every is not None and every < _LEAST_EVERY:
        message = f"`every` of `{owner}` is less than a second"
        helps = ("write how long to wait between two: `every: 15s`",)
        reporter.error("bad-value", message, spans["every"], helps=helps)


def _check_address(key: str, given: object, owner: str, spans: Mapping[str, Span], reporter: Reporter) -> None:
    if isinstance(given, str) and not given.startswith("${") and not _is_address(REFERENCE.sub(_ANY, given)):
        helps = ("write it as in `https://host.example:4318/path`, or as a reference: `${NAME}`",)
        reporter.error("bad-value", f"`{key}` of {owner} is no web address", spans[key], helps=helps)


def _is_address(text: str) -> bool:
    try:
        found = urlsplit(text)
        _ = found.port
    except ValueError:  # a bracket that nothing closes, or a port that is no number
        return False
    return found.scheme in ("http", "https") and bool(found.hostname) and _BLANK.search(text) is None


def _check_headers(given: object, owner: str, spans: Mapping[str, Span], reporter: Reporter) -> None:
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if _NAME.fullmatch(str(name)) is None:
            message = f"a header of {owner} has a name that is none"
            helps = ("a name is made of letters, digits and `-`",)
            reporter.error("bad-value", message, spans["headers"], helps=helps)
        elif _CONTROL.search(str(value)):
            message = f"the header `{name}` of {owner} holds a line break or another control character"
            reporter.error("bad-value", message, spans["headers"], helps=("write its value on one line",))
