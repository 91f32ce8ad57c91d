"""`unknown-reference`: a `${…}` that no resolver knows, seen before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.references import VARIABLE, own_schemes, package_of, references, texts, variables
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter, did_you_mean
from flowc.masking import REFERENCE
from flowc.source import Span

SCHEMES = ("env", "file", "vault", "aws", "gcp")


def unset_references(checked: CheckedSpec, env: Mapping[str, str], reporter: Reporter) -> None:
    """Warns of variables that are named and not set; for whoever lints where the project runs."""
    for owner, value, span in _options(checked):
        for name in variables(value):
            if name not in env:
                message = f"`{name}` of {owner} is not set"
                helps = (f"set the variable `{name}` where this environment runs",)
                reporter.warning("unset-variable", message, span, helps=helps)


def secret_reference(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Reports references in connections, alerts and telemetry that can never be resolved."""
    for owner, value, place in _options(checked):
        for reference in references(value):
            if fault := _fault(reference):
                message = f"`${{{reference}}}` of {owner} {fault}"
                reporter.error("unknown-reference", message, place, helps=_helps(reference))
        for span in _open(value, place):
            message = f"a reference of {owner} has no end"
            reporter.error("unknown-reference", message, span, helps=["write `${NAME}`, with a `}` behind it"])


def _options(checked: CheckedSpec) -> Iterator[tuple[str, object, Span]]:
    """The values that may hold references: whose they are, in words, and where they stand."""
    for connection in checked.project.connections.values():
        owner = f"connection `{connection.name.value}`"
        yield from ((owner, value, connection.spans[key]) for key, value in connection.options.items())
    for alert in checked.project.alerts.values():
        owner = f"alert `{alert.name.value}`"
        yield from ((owner, value, alert.spans[key]) for key, value in alert.options.items())
    for owner, sink in checked.project.telemetry.sinks():
        options = {"endpoint": sink.endpoint, "headers": sink.headers}
        yield from ((owner, value, sink.spans[key]) for key, value in options.items() if value)
    telemetry = checked.project.telemetry
    if telemetry.resource:
        yield "telemetry.resource", dict(telemetry.resource), telemetry.spans["resource"]


def _open(value: object, span: Span) -> Iterator[Span]:
    """Where references begin that nothing ends; `span` is where the value stands."""
    if not any("${" in REFERENCE.sub("", text) for text in texts(value)):
        return
    written = span.file.text[span.start : span.end]
    for at in (found.start() for found in re.finditer(r"\$\{", written)):
        if REFERENCE.match(written, at) is None:
            yield Span(span.file, span.start + at, span.start + at + 2)


def _fault(reference: str) -> str | None:
    scheme, colon, rest = reference.partition(":")
    if not colon:
        return None if VARIABLE.fullmatch(reference) else "names no variable"
    if scheme not in SCHEMES and scheme not in own_schemes():
        return "is no known kind of reference"
    if scheme == "vault" and not rest.partition("#")[2]:
        return "names no key of the secret"
    return None if rest else "names nothing"


def _helps(reference: str) -> tuple[str, ...]:
    scheme, colon, _ = reference.partition(":")
    if colon and scheme in SCHEMES:
        return (f"write `${{{scheme}:path#key}}`" if scheme == "vault" else f"write `${{{scheme}:NAME}}`",)
    schemes = (*SCHEMES, *own_schemes())
    known = ", ".join(f"`${{{name}:…}}`" for name in schemes)
    written = (f"write `${{NAME}}` or one of {known}",)
    return (*(did_you_mean(scheme, schemes) or written), f"or {package_of(scheme)}") if colon else written
