"""What a connector is opened with: the options of a connection with secrets resolved and paths made absolute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from flowc.compiler.dialects import dialect_of
from flowc.compiler.front.kinds import is_file, secret_options, secrets_of
from flowc.compiler.front.spec import ConnectionSpec
from flowc.errors import UsageError
from flowc.locations import PATH_OPTIONS, absolute, local_path, url_path
from flowc.masking import MASK, REFERENCE, is_password, mask_address, names_secret, secret_places
from flowc.service.access.secrets import Resolver

_STRANGE = re.compile(r"[@/?#\[\]\s]|%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """A connection, ready to be opened. The values are never shown."""

    kind: str
    values: Mapping[str, Any] = field(repr=False)


def open_options(connection: ConnectionSpec, resolver: Resolver) -> OpenOptions:
    """Resolves the options of a connection.

    Raises FlowcError when a secret cannot be resolved, and where an address cannot be read for what is in it.
    """
    kind = connection.kind.value
    values = {key: resolver.resolve_options(kind, value, (key,)) for key, value in connection.options.items()}
    for secret in secrets_of(kind, values):
        resolver.masker.remember_secret(secret.value)
    if isinstance(url := values.get("url"), str):
        _check_address(url, connection.name.value)
    if is_file(kind) and isinstance(url, str):
        path = url_path(url, _called("url", connection))
        if path is None:  # one in memory would take all rows, and forget them
            message = f"the `url` of connection `{connection.name.value}` is no address of {kind}"
            raise UsageError(message, code="unusable-option", help=f"url: {kind}:///app.db")
        values["path"] = local_path(path, _called("url", connection))
        del values["url"]
    for key in values.keys() & PATH_OPTIONS:
        values[key] = absolute(local_path(str(values[key]), _called(key, connection)), resolver.root)
    if dialect_of(kind).reads_files:
        values["files"] = str(resolver.root)
    return OpenOptions(kind, values)


def _called(option: str, connection: ConnectionSpec) -> str:
    return f"`{option}` of connection `{connection.name.value}`"


def _check_address(url: str, connection: str) -> None:
    """Every driver would cut an address elsewhere whose password holds what an address is made of."""
    if "://" not in url:
        return
    words = f"the `url` of connection `{connection}`"
    for start, end in secret_places(url):
        secret = url[start:end]
        strange = _STRANGE.search(secret) if url[end : end + 1] == "@" and is_password(secret) else None
        if strange is not None:
            message = f"{words} has a password with `{strange[0]}`, which means something else in an address"
            help = f"write it as `{quote(strange[0], safe='')}` in the password, and so every other such character"
            raise UsageError(message, code="unusable-option", help=help)
    try:
        urlsplit(url)
    except ValueError:
        help = "url: scheme://user:${PASSWORD}@host:port/database"
        raise UsageError(f"{words} is no address", code="unusable-option", help=help) from None


def shown_options(connection: ConnectionSpec) -> Mapping[str, Any]:
    """The options as they may be shown: references stay, literal secrets are masked."""
    secret = secret_options(connection.kind.value)
    return {key: _shown((key,), value, secret) for key, value in connection.options.items()}


def _shown(path: tuple[str, ...], value: Any, secret: frozenset[tuple[str, ...]]) -> Any:
    if isinstance(value, Mapping):
        return {key: _shown((*path, key), item, secret) for key, item in value.items()}
    if path in secret or any(map(names_secret, path)):
        return value if isinstance(value, str) and REFERENCE.fullmatch(value) else MASK
    if isinstance(value, list):
        return [_shown(path, item, secret) for item in value]
    return mask_address(value) if isinstance(value, str) else value
