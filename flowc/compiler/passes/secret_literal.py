"""`secret-literal`: a password, token or key that stands in the spec itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.connectors import secret_options
from flowc.compiler.ir import Ir
from flowc.diagnostics import Reporter

_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@]*?:(?P<password>[^/@]+)@", re.IGNORECASE)


def secret_literal(checked: CheckedSpec, _ir: Ir | None, reporter: Reporter) -> None:
    """Warns of secrets that are written out: `url: postgres://u:hunter2@host/db`."""
    for connection in checked.project.connections.values():
        for path in sorted(secret_options(connection.kind.value)):
            key = path.split(".")[0]
            if key in connection.spans and _is_literal(path, _at(connection.options, path)):
                name = connection.name.value
                message = f"`{path}` of connection `{name}` holds a secret in plain text"
                variable = re.sub(r"[^A-Z0-9]", "_", f"{name}_{path.split('.')[-1]}".upper())
                helps = (f"put it into the environment and write `${{{variable}}}` in its place",)
                reporter.warning("secret-literal", message, connection.spans[key], helps=helps)


def _at(options: object, path: str) -> object:
    for step in path.split("."):
        options = options.get(step) if isinstance(options, Mapping) else None
    return options


def _is_literal(path: str, value: object) -> bool:
    """Whether the value is a secret that is written out, not a reference to one."""
    if not isinstance(value, str):
        return False
    if path.rpartition(".")[2] != "url":
        return "${" not in value
    found = _PASSWORD.match(value)
    return found is not None and "${" not in found["password"]
