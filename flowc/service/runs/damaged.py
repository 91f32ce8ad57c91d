"""Rows of a run log that hold values of other types than their columns declare, as SQLite takes them from anybody.

They are read as bytes, which is what every value is, so that one damaged row keeps nobody from seeing the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flowc.catalog import Column
from flowc.compiler.quote import ident
from flowc.durations import parse_instant
from flowc.runtime.contracts.database import Database
from flowc.types import Kind

DAMAGED = "damaged"
"""The key under which a row names its damaged columns; the status of a run whose row is damaged."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def read_damaged(database: Database, query: str) -> list[dict[str, Any]]:
    """The rows of a query on SQLite. In the place of a damaged value stands 0, 1970, or its text."""
    columns = database.describe(query)
    each = ", ".join(f"CASE WHEN {name} IS NOT NULL THEN {_bytes(name)} END AS {name}" for name in _names(columns))
    return [_row(row, columns) for row in database.query(f"SELECT {each} FROM ({query})").to_pylist()]


def _names(columns: tuple[Column, ...]) -> list[str]:
    return [ident(column.name) for column in columns]


def _bytes(name: str) -> str:
    return f"typeof({name}) || ':' || hex(CAST({name} AS BLOB))"


def _row(row: Mapping[str, str | None], columns: tuple[Column, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    damaged = []
    for column in columns:
        storage, _, held = (row[column.name] or "null:").partition(":")
        data = bytes.fromhex(held)
        read = _READERS.get(column.type.kind, _text)
        try:
            found[column.name] = None if storage == "null" and column.nullable else read(storage, data)
        except (ValueError, OverflowError):
            damaged.append(column.name)
            found[column.name] = _DEFAULTS.get(column.type.kind, data.decode(errors="replace").replace("\0", "␀"))
    return {**found, DAMAGED: tuple(damaged)}


def _text(storage: str, data: bytes) -> str:
    return _of("text", storage, data).decode()


def _number(storage: str, data: bytes) -> int:
    return int(_of("integer", storage, data))


def _instant(storage: str, data: bytes) -> datetime:
    at = parse_instant(_text(storage, data))
    if at is None:
        raise ValueError
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _of(wanted: str, storage: str, data: bytes) -> bytes:
    if storage != wanted:
        raise ValueError
    return data


_READERS: Mapping[Kind, Callable[[str, bytes], Any]] = {Kind.INT64: _number, Kind.TIMESTAMPTZ: _instant}
_DEFAULTS: Mapping[Kind, Any] = {Kind.INT64: 0, Kind.TIMESTAMPTZ: _NEVER}
