"""What the compiler knows of each kind of connection, read from `schemas/connectors/<kind>.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from flowc.compiler.front.schemarules import load

LOAD_SOURCE = "load-source"
LOAD_TARGET = "load-target"
STREAM_SOURCE = "stream-source"
STREAM_TARGET = "stream-target"
LOOKUP = "lookup"
STATE = "state"
DEAD_LETTER = "dead-letter"

_SECRET_WORD = re.compile(r"(?:^|[._-])(?:password|passwd|passphrase|secret|token|secret_key)$", re.IGNORECASE)
_PASSWORD_WORD = re.compile(r"\bpassword=(?P<secret>(?!\$\{)[^\s'\"&]+)")


@cache
def kinds() -> tuple[str, ...]:
    """Every kind of connection."""
    branches = load("project.json")["$defs"]["connection"]["oneOf"]
    return tuple(branch["$ref"].removeprefix("connectors/").removesuffix(".json") for branch in branches)


def _schema(kind: str) -> Mapping[str, Any]:
    return load(f"connectors/{kind}.json")


def can(kind: str, capability: str) -> bool:
    """Whether connections of that kind can be used so."""
    return capability in _schema(kind)["x-capabilities"]


def able(capability: str) -> tuple[str, ...]:
    """The kinds that can be used so."""
    return tuple(kind for kind in kinds() if can(kind, capability))


def dialect(kind: str) -> str | None:
    """The sqlglot dialect of a kind of database; None for what is no database."""
    found: str | None = _schema(kind).get("x-dialect")
    return found


def is_database(kind: str) -> bool:
    """Whether SQL can run there."""
    return dialect(kind) is not None


@cache
def secret_options(kind: str) -> frozenset[str]:
    """The options whose values are secrets, by dotted path (`security.password`)."""
    return frozenset(_secrets(_schema(kind), ""))


def _secrets(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if schema.get("x-secret"):
        yield path
    for key, value in schema.get("properties", {}).items():
        yield from _secrets(value, f"{path}.{key}" if path else key)


@cache
def secret_names() -> frozenset[str]:
    """The names of all secret options but `url`, of which only the password is secret."""
    names = {path.rpartition(".")[2] for kind in kinds() for path in secret_options(kind)}
    return frozenset(names - {"url"})


def names_secret(key: str) -> bool:
    """Whether an option that no schema describes is secret by its name, as in `sasl.password`."""
    return _SECRET_WORD.search(key) is not None


@cache
def may_name_secret(key: str) -> bool:
    """As `names_secret`, also for what may be a secret option's name with a typing error."""
    names = secret_names()
    return names_secret(key) or key in names or bool(get_close_matches(key.lower(), names, n=1, cutoff=0.8))


def password_word(value: str) -> tuple[int, int] | None:
    """Where a DSN of words or a URL's query holds a written-out password: `host=h password=…`."""
    match = _PASSWORD_WORD.search(value)
    return match.span("secret") if match else None
