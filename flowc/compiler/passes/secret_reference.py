"""`unknown-reference`: a `${…}` that no resolver knows, seen before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter, did_you_mean

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


def _references(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (match["name"] for match in _REFERENCE.finditer(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)


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
