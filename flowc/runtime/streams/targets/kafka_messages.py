"""Rows and dead letters as messages of Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.codecs.jsonwrite import json_rows
from flowc.runtime.fit import fit
from flowc.runtime.streams.letternotes import parted
from flowc.runtime.streams.targets.filetext import plain_text
from flowc.types import Kind

Message = dict[str, Any]
Headers = list[tuple[str, bytes | None]]
_HEADERS = (
    ("stream", "stream"), ("source", "source"), ("topic", "topic"), ("partition", "partition_number"),
    ("offset", "message_offset"), ("event_time", "event_time"), ("error_code", "error_code"), ("error", "error"),
    ("attempt", "attempt"), ("failed_at", "failed_at"),
)  # fmt: skip
"""What is told of a dead letter, as `flowc_…`, and the column that it is in."""


def messages(rows: pa.RecordBatch, columns: Sequence[Column], key: Sequence[str]) -> list[Message]:
    """A message for each row: the row as a JSON object, and its key.

    A single key column is its text, or its bytes; several are a JSON object of them. NULL in a single one is no key.
    """
    fitted = fit(rows, columns)
    values = json_rows(fitted, columns).cast(pa.binary()).to_pylist()
    if not key:
        return [{"value": value} for value in values]
    keys = _keys(fitted, [column for column in columns if column.name in key], key)
    return [{"value": value, "key": own} for value, own in zip(values, keys.cast(pa.binary()).to_pylist(), strict=True)]


def _keys(rows: pa.RecordBatch, columns: Sequence[Column], key: Sequence[str]) -> pa.Array:
    if len(key) > 1:
        by_name = {column.name: column for column in columns}
        return json_rows(rows.select(list(key)), [by_name[name] for name in key])
    array = rows.column(key[0])
    return array if columns[0].type.kind is Kind.BINARY else plain_text(array, columns[0])


def letters(dead: pa.RecordBatch) -> Iterator[tuple[bytes | None, bytes | None, Headers]]:
    """Value, key and headers of each dead letter: those it came with, and where it stood and why it is dead."""
    for row in dead.to_pylist():
        given, notes = parted(row["headers"])
        found: Headers = [(h["key"], _bytes(h["value"])) for h in given if not h["key"].startswith("flowc_")]
        found += [(name, str(number).encode()) for name, number in notes.items()]
        told = [(f"flowc_{name}", _told(row[column])) for name, column in _HEADERS if row[column] is not None]
        yield row["message"], row["message_key"], [*found, *told]


def _told(value: Any) -> bytes:
    return (value.isoformat() if hasattr(value, "isoformat") else str(value)).encode()


def _bytes(hexadecimal: str | None) -> bytes | None:
    return None if hexadecimal is None else bytes.fromhex(hexadecimal)
