"""`secret-literal`: a password, token or key that stands in the spec itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.kinds import names_secret, password_word, secret_options
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter

_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@]*?:(?P<password>[^/@]+)@", re.IGNORECASE)


def secret_literal(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Warns of secrets that are written out: `url: postgres://u:hunter2@host/db`."""
    for connection in checked.project.connections.values():
        paths = {*secret_options(connection.kind.value), *_named(connection.options, "")}
        for path in sorted(paths):
            key = path.split(".")[0]
            if key in connection.spans and _is_literal(path, _at(connection.options, path)):
                name = connection.name.value
                message = f"`{path}` of connection `{name}` holds a secret in plain text"
                variable = re.sub(r"[^A-Z0-9]", "_", f"{name}_{path.split('.')[-1]}".upper())
                helps = (f"put it into the environment and write `${{{variable}}}` in its place",)
                reporter.warning("secret-literal", message, connection.spans[key], helps=helps)


def _named(options: Mapping[str, object], path: str) -> Iterator[str]:
    """Options that only their own name shows to be secret: `properties.sasl.password`."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{path}{key}.")
        elif names_secret(key):
            yield path + key


def _at(options: object, path: str) -> object:
    """The value at a dotted path; a key may hold dots itself."""
    if not isinstance(options, Mapping):
        return None
    if path in options:
        return options[path]
    step, _, rest = path.partition(".")
    return _at(options.get(step), rest) if rest else None


def _is_literal(path: str, value: object) -> bool:
    """Whether the value is a secret that is written out, not a reference to one."""
    if not isinstance(value, str):
        return False
    if path.rpartition(".")[2] != "url":
        return "${" not in value
    if password_word(value):
        return True
    found = _PASSWORD.match(value)
    return found is not None and "${" not in found["password"]
