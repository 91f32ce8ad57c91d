"""What the compiler knows of each kind of connection, read from `schemas/connectors/<kind>.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from flowc.compiler.front.schemas import load
from flowc.masking import Place, names_secret, public_in_address, secret_places

LOAD_SOURCE = "load-source"
LOAD_TARGET = "load-target"
STREAM_SOURCE = "stream-source"
STREAM_TARGET = "stream-target"
LOOKUP = "lookup"
STATE = "state"
DEAD_LETTER = "dead-letter"


@cache
def kinds() -> tuple[str, ...]:
    """Every kind of connection."""
    branches = load("project.json")["$defs"]["connection"]["oneOf"]
    return tuple(branch["$ref"].removeprefix("connectors/").removesuffix(".json") for branch in branches)


def schema_of(kind: str) -> Mapping[str, Any]:
    """The schema of a kind of connection."""
    return load(f"connectors/{kind}.json")


def can(kind: str, capability: str) -> bool:
    """Whether connections of that kind can be used so."""
    return capability in schema_of(kind)["x-capabilities"]


def able(capability: str) -> tuple[str, ...]:
    """The kinds that can be used so."""
    return tuple(kind for kind in kinds() if can(kind, capability))


def dialect(kind: str) -> str | None:
    """The sqlglot dialect of a kind of database; None for what is no database."""
    found: str | None = schema_of(kind).get("x-dialect")
    return found


@dataclass(frozen=True, slots=True)
class Address:
    """How connections of a kind say where their system is."""

    form: str = ""
    """`file` or `folder` of this machine, `server` with databases, `schema` of a server, whose schemas are databases,
    or `brokers`; empty for what is compared with no other."""
    schemes: tuple[str, ...] = ()
    """What its URLs begin with."""
    port: str = ""
    """Where its server listens unless the address says otherwise."""
    of: tuple[str, ...] = ()
    """Other kinds whose URLs it takes too."""


@cache
def address(kind: str) -> Address:
    """How connections of a kind say where their system is."""
    declared: dict[str, Any] = schema_of(kind).get("x-address", {}) if kind in kinds() else {}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in declared.items()}
    return Address(**values)


def is_file(kind: str) -> bool:
    """Whether a database of that kind is a file of this machine."""
    return address(kind).form == "file"


def is_database(kind: str) -> bool:
    """Whether SQL can run there."""
    return dialect(kind) is not None


@cache
def secret_options(kind: str) -> frozenset[tuple[str, ...]]:
    """The paths of the options whose values are secrets as a whole: `("security", "password")`."""
    return frozenset(path for path, marked in _declared(kind).items() if marked is True)  # of an "address" only a part


@cache
def _declared(kind: str) -> Mapping[tuple[str, ...], object]:
    """The paths of the declared options, each with its `x-secret`: True, "address", or None."""
    return dict(_options(schema_of(kind), ()))


def _options(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, schema.get("x-secret")
    for key, value in schema.get("properties", {}).items():
        yield from _options(value, (*path, key))


def is_public(kind: str, path: tuple[str, ...], text: str, place: Place) -> bool:
    """Whether what stands at that place of an option's text is known to be no secret.

    So are a host, a user, a path or a database: options that the schema declares and does not mark, and of addresses
    what neither `@` nor `?` makes perhaps a secret. What no schema declares may be one.
    """
    marked = _declared(kind).get(path, True)
    if any(map(names_secret, path)) or marked is True:
        return False
    return public_in_address(text, place)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret among the options of a connection: the whole text at a path, or a place in it."""

    path: tuple[str, ...]
    text: str
    place: Place

    @property
    def value(self) -> str:
        """The secret itself."""
        return self.text[slice(*self.place)]


def secrets_of(kind: str, options: Mapping[str, Any]) -> Iterator[Secret]:
    """All secrets in the options: what the schema marks, what a name tells, and passwords in addresses."""
    return _secrets_in(options, (), secret_options(kind))


def _secrets_in(value: object, path: tuple[str, ...], marked: frozenset[tuple[str, ...]]) -> Iterator[Secret]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets_in(item, (*path, str(key)), marked)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item, path, marked)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value)
        whole = path in marked or any(map(names_secret, path))
        places = [(0, len(text))] if whole else secret_places(text)
        yield from (Secret(path, text, place) for place in places)


@cache
def public_names() -> frozenset[str]:
    """The names of options that no kind has as a secret."""
    return frozenset(path[-1] for kind in kinds() for path in _declared(kind) if path) - secret_names()


@cache
def secret_names() -> frozenset[str]:
    """The names of all secret options."""
    return frozenset(path[-1] for kind in kinds() for path in secret_options(kind))


@cache
def may_name_secret(key: str) -> bool:
    """Whether this is the name of a secret option of any kind, perhaps with a typing error."""
    names = secret_names()
    return names_secret(key) or key in names or bool(get_close_matches(key.lower(), names, n=1, cutoff=0.8))
