"""What streams can do with each kind of system: the one registry, read from `x-stream` in `schemas/connectors/`.

A kind that has no `x-stream` and is a database is written as tables; anything else streams neither read nor write.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from flowc.compiler.front.kinds import is_database, kinds, schema_of
from flowc.formats import readable

_TRANSACTION = "each message is written exactly once: rows, and how far the stream is, are one commit"
_EPOCHS = "each message is written exactly once: rows, and the number of their epoch, are one commit"
_AGAIN = "each message is written at least once: without transactions some are there twice after a failure"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """How streams read a kind of system."""

    address: str = "table"
    """The key that says what of a connection is read."""
    reads: str = ""
    """`files` or `messages`; nothing where this version cannot read such systems yet."""
    replayable: bool = False
    """What was read once can be read again."""
    counted: bool = False
    """Positions count messages."""
    numbered: bool = True
    """Partitions and positions are whole numbers; else text that the source alone can order."""
    shared: bool = False
    """Several workers can read parts of it."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that this version reads."""
        return readable(self.reads)


@dataclass(frozen=True, slots=True)
class TargetKind:
    """How streams write a kind of system: `table`, `files`, `topic`, or None where this version cannot."""

    writes: str | None = None
    addresses: tuple[str, ...] = ()
    """The keys that say what of a connection is written, of which one is needed."""
    options: tuple[str, ...] = ()
    """What a target may say beside them; anything else says nothing, where something is written."""
    transactions: bool = False
    """Writing without transactions is possible, and faster: `delivery: at_least_once`."""
    promise: str = _TRANSACTION
    """What is promised of each message."""

    def promised(self, delivery: str, *, stored: bool = False) -> str:
        """What is promised with a `delivery`. What is no faster for it keeps more than `at_least_once` asks for.

        With `stored`, a store beside the target knows how far the stream is.
        """
        if self.transactions and delivery == "at_least_once":
            return _AGAIN
        return _EPOCHS if stored and self.promise == _TRANSACTION else self.promise


_TABLES = TargetKind("table", ("table",), ("mode", "keys", "primary_key"))


@cache
def source_kind(kind: str) -> SourceKind:
    """How streams read systems of a kind, if they do; pipelines name what they read by the same key."""
    return SourceKind(**_values(_said(kind).get("source", {})))


@cache
def target_kind(kind: str) -> TargetKind:
    """How streams write systems of a kind."""
    said = _said(kind).get("target")
    return TargetKind(**_values(said)) if said else _TABLES if is_database(kind) else TargetKind()


@cache
def noun(kind: str) -> str:
    """What a system of that kind holds: messages, files, or rows."""
    return str(_said(kind).get("noun", "rows"))


def is_folder(kind: str) -> bool:
    """Whether systems of a kind are folders of files."""
    return noun(kind) == "files"


@cache
def address_keys() -> frozenset[str]:
    """The keys that name something of a connection, of any kind."""
    return frozenset(key for kind in kinds() for key in (source_kind(kind).address, *target_kind(kind).addresses))


def _said(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = schema_of(kind).get("x-stream", {}) if kind in kinds() else {}
    return found  # flowc's own engine is asked for, too, and is no kind of connection


def _values(said: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
