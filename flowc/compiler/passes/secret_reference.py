"""`unknown-reference`: a `${…}` that no resolver knows, seen before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Span

SCHEMES = ("env", "file", "vault", "aws", "gcp")
_REFERENCE = re.compile(r"\$\{(?P<name>[^{}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def unset_references(checked: CheckedSpec, env: Mapping[str, str], reporter: Reporter) -> None:
    """Warns of variables that connections name and that are not set; for whoever lints where the project runs."""
    for connection in checked.project.connections.values():
        for key, value in connection.options.items():
            for name in (reference.removeprefix("env:") for reference in _references(value)):
                if _VARIABLE.fullmatch(name) and name not in env:
                    message = f"`{name}` of connection `{connection.name.value}` is not set"
                    helps = (f"set the variable `{name}` where this environment runs",)
                    reporter.warning("unset-variable", message, connection.spans[key], helps=helps)


def secret_reference(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Reports references in connections that can never be resolved."""
    for connection in checked.project.connections.values():
        for key, value in connection.options.items():
            for reference in _references(value):
                if fault := _fault(reference):
                    message = f"`${{{reference}}}` of connection `{connection.name.value}` {fault}"
                    reporter.error("unknown-reference", message, connection.spans[key], helps=_helps(reference))
            for span in _open(value, connection.spans[key]):
                message = f"a reference of connection `{connection.name.value}` has no end"
                reporter.error("unknown-reference", message, span, helps=["write `${NAME}`, with a `}` behind it"])


def _references(value: object) -> Iterator[str]:
    for text in _texts(value):
        yield from (match["name"] for match in _REFERENCE.finditer(text))


def _open(value: object, span: Span) -> Iterator[Span]:
    """Where references begin that nothing ends; `span` is where the value stands."""
    if not any("${" in _REFERENCE.sub("", text) for text in _texts(value)):
        return
    written = span.file.text[span.start : span.end]
    for at in (found.start() for found in re.finditer(r"\$\{", written)):
        if _REFERENCE.match(written, at) is None:
            yield Span(span.file, span.start + at, span.start + at + 2)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _fault(reference: str) -> str | None:
    scheme, colon, rest = reference.partition(":")
    if not colon:
        return None if _VARIABLE.fullmatch(reference) else "names no variable"
    if scheme not in SCHEMES:
        return "is no known kind of reference"
    if scheme == "vault" and not rest.partition("#")[2]:
        return "names no key of the secret"
    return None if rest else "names nothing"


def _helps(reference: str) -> tuple[str, ...]:
    scheme, colon, _ = reference.partition(":")
    if colon and scheme in SCHEMES:
        return (f"write `${{{scheme}:path#key}}`" if scheme == "vault" else f"write `${{{scheme}:NAME}}`",)
    known = ", ".join(f"`${{{name}:…}}`" for name in SCHEMES)
    return (did_you_mean(scheme, SCHEMES) if colon else ()) or (f"write `${{NAME}}` or one of {known}",)
