"""Marks the secrets that stand in a file, so that no diagnostic ever shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from flowc.compiler.front.kinds import may_name_secret, secret_names
from flowc.compiler.front.schemas import load
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.masking import Place, places_in_prose, secret_places, written_out
from flowc.source import SourceFile

_ALERTS = "alerts"
_SECRET = ("url", "routing_key", "password")
"""The options of alerts that are secrets, or may be."""
_NEAR = 0.6
"""How much a misspelled option resembles the one that is meant."""
_LINE = re.compile(r"[^\n]+")


def hide_secrets(file: SourceFile, root: Node | None) -> None:
    """Hides passwords in URLs, and the values of secret options; by their names alone in a file that is no YAML."""
    found = set(places_in_prose(file.text))
    if root is None:
        names = "|".join(map(re.escape, sorted(secret_names())))
        pattern = re.compile(rf"(?:{names})['\"]?\s*:\s*(?P<secret>[^\s,}}][^,}}\n]*)")
        found |= {match.span("secret") for match in pattern.finditer(file.text)}
        lines = (match.span() for match in _LINE.finditer(file.text))
        found |= {place for line in lines for place in _within(file.text, line)}
    else:
        found |= set(_options(root))
    file.hidden.extend(sorted(place for place in found if written_out(file.text[slice(*place)])))
    file.secrets.update(file.text[slice(*place)] for place in file.hidden)


def _within(text: str, part: Place) -> Iterator[Place]:
    """The places of secrets in a part of the text."""
    start, end = part
    yield from ((start + first, start + last) for first, last in secret_places(text[start:end]))


def _options(root: Node) -> Iterator[Place]:
    """The places of secret options below every `connections` and `alerts`, and below what may be a misspelled one."""
    if not isinstance(root, TreeMap):
        yield from _below(root, "")
        return
    environments = root.get("environments")
    holders = [root]
    if isinstance(environments, TreeMap):
        holders += [e.value for e in environments.entries.values() if isinstance(e.value, TreeMap)]
    others = load("project.json")["properties"].keys() - {"connections", "alerts"}
    for holder in holders:
        for key, entry in holder.entries.items():
            if key not in others:
                yield from _below(entry.value, key)
            if key == "telemetry":
                yield from _headers(entry.value)
            if key == _ALERTS:
                yield from _of_alerts(entry.value)


def _headers(telemetry: Node) -> Iterator[Place]:
    """The values of headers, whatever these are called, and passwords in addresses."""
    for sink in telemetry.entries.values() if isinstance(telemetry, TreeMap) else ():
        for key, entry in sink.value.entries.items() if isinstance(sink.value, TreeMap) else ():
            yield from _below(entry.value, key)
            values = entry.value.entries.values() if key == "headers" and isinstance(entry.value, TreeMap) else ()
            for held in values:
                if isinstance(held.value, Scalar):
                    yield held.value.span.start, held.value.span.end
                    held.value.span.file.secrets.update({held.value.text} if written_out(held.value.text) else ())


def _of_alerts(node: Node) -> Iterator[Place]:
    """Addresses, which tell who may write there, keys and headers; of a mail server none of its options but these."""
    for entry in node.entries.values() if isinstance(node, TreeMap) else ():
        options = entry.value.entries if isinstance(entry.value, TreeMap) else {}
        headers = options["headers"].value if "headers" in options else None
        held = [each.value for key, each in options.items() if get_close_matches(key.lower(), _SECRET, 1, _NEAR)]
        held += [each.value for each in headers.entries.values()] if isinstance(headers, TreeMap) else []
        for value in held:
            if isinstance(value, Scalar):
                yield value.span.start, value.span.end
                value.span.file.secrets.update({value.text} if written_out(value.text) else ())


def _below(node: Node, key: str) -> Iterator[Place]:
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _below(item, key)
    elif isinstance(node, TreeMap):
        for name, entry in node.entries.items():
            yield from _below(entry.value, name)
    elif isinstance(node, Scalar):
        text, start, end = node.span.file.text, node.span.start, node.span.end
        if may_name_secret(key):
            yield start, end
            node.span.file.secrets.update({node.text} if written_out(node.text) else ())
        quoted = node.style in ("'", '"')
        yield from _within(text, (start + quoted, end - quoted))
        written = (node.text[slice(*place)] for place in secret_places(node.text))
        node.span.file.secrets.update(filter(written_out, written))
