"""What a connector is opened with: the options of a connection with secrets resolved and paths made absolute."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowc.compiler.front.kinds import names_secret, password_word, secret_options
from flowc.compiler.front.references import REFERENCE
from flowc.compiler.front.spec import ConnectionSpec
from flowc.service.secrets import MASK, Resolver, redact_url

_PATHS = frozenset({"path", "uri", "ca_file", "cert_file", "key_file", "credentials_file", "private_key_file"})
_FILE_URL = re.compile(r"^(?:duckdb|sqlite):(?://)?/?(?P<path>.*)$")


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """A connection, ready to be opened. The values are never shown."""

    kind: str
    values: Mapping[str, Any] = field(repr=False)


def open_options(connection: ConnectionSpec, resolver: Resolver) -> OpenOptions:
    """Resolves the options of a connection. Raises FlowcError when a secret cannot be resolved."""
    values = {key: resolver.resolve_all(value) for key, value in connection.options.items()}
    kind = connection.kind.value
    for path in secret_options(kind):
        if isinstance(found := _at(values, path), str):
            resolver.remember(found)
    if kind in ("sqlite", "duckdb") and isinstance(values.get("url"), str):
        match = _FILE_URL.match(str(values.pop("url")))
        values["path"] = match["path"] if match and match["path"] else ":memory:"
    for key in values.keys() & _PATHS:
        values[key] = absolute(str(values[key]), resolver.root)
    return OpenOptions(kind, values)


def absolute(path: str, root: Path) -> str:
    """A local path, starting at the project root; `:memory:` and addresses (`s3://…`) stay as they are."""
    if path.startswith(":") or "://" in path:
        return path.removeprefix("file://") if path.startswith("file:///") else path
    return os.path.normpath(root / Path(path).expanduser())


def shown_options(connection: ConnectionSpec) -> Mapping[str, Any]:
    """The options as they may be shown: references stay, literal secrets are masked."""
    secret = secret_options(connection.kind.value)
    return {key: _shown(key, value, secret) for key, value in connection.options.items()}


def _shown(path: str, value: Any, secret: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _shown(f"{path}.{key}", item, secret) for key, item in value.items()}
    hidden = path in secret or names_secret(path)
    if not hidden or not isinstance(value, str) or REFERENCE.fullmatch(value):
        return value
    as_url = path.rpartition(".")[2] == "url" and "://" in value and not password_word(value)
    return redact_url(value) if as_url else MASK


def _at(values: object, path: str) -> object:
    for step in path.split("."):
        values = values.get(step) if isinstance(values, Mapping) else None
    return values
