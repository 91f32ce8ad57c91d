"""Rows and dead letters as messages of Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.nodes import KIND
from flowc.runtime.badrows import first_indices
from flowc.runtime.contracts.changes import last_indices, removes, with_kinds
from flowc.runtime.contracts.letternotes import LEFT_OUT, parted
from flowc.runtime.fit import fit
from flowc.runtime.formats import encoded
from flowc.runtime.formats.json.encode import json_rows
from flowc.runtime.systems.kafka.sizes import size_of, sizes_of
from flowc.runtime.text.jsonvalues import plain_text
from flowc.stream import TopicTarget
from flowc.types import Kind

Message = dict[str, Any]
Headers = list[tuple[str, bytes | None]]
_SHORT = 100
_HEADERS = (
    ("stream", "stream"), ("source", "source"), ("topic", "topic"), ("partition", "partition_name"),
    ("offset", "message_position"), ("event_time", "event_time"), ("error_code", "error_code"), ("error", "error"),
    ("attempt", "attempt"), ("failed_at", "failed_at"),
)  # fmt: skip
"""What is told of a dead letter, as `flowc_…`, and the column that it is in."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages as the client takes them, the bytes that each of them has, and the index of the row that it is of."""

    made: list[Message]
    sizes: pa.Int64Array
    rows: pa.Int64Array


def messages(rows: pa.RecordBatch, plan: TopicTarget) -> Messages:
    """A message for each row: the row in the format of the plan, and its key.

    A single key column is its text, or its bytes; several are a JSON object of them. NULL in a single one is no key.
    """
    columns, key = plan.columns, plan.key
    fitted = fit(rows, columns)
    values, every = encoded(plan.format, fitted, columns), first_indices(rows.num_rows)
    if not key:
        return Messages([{"value": value} for value in values.to_pylist()], sizes_of(values, None), every)
    return _keyed(values, _keys(fitted.select(list(key)), _own(columns, key)), every)


def changed(rows: pa.RecordBatch, plan: TopicTarget) -> Messages:
    """A message for the last change of each key: what `messages` makes of the row, or a tombstone, without a value.

    Raises DataError for a change without a key: nothing tells which row it is about.
    """
    columns, key = plan.columns, plan.key
    kinds, rows = with_kinds(rows).column(KIND), rows.select([column.name for column in columns])
    keys = _keys(fit(rows.select(list(key)), _own(columns, key)), _own(columns, key))
    if keys.null_count:
        raise DataError(f"a row has no value for `{key[0]}`, which is the key of the message", code="null-key")
    last = last_indices([keys], rows.num_rows)
    stays = pc.invert(removes(kinds.take(last)))
    values = encoded(plan.format, fit(rows.take(last.filter(stays)), columns), columns)
    places = pc.if_else(stays, pc.subtract(pc.cumulative_sum(stays.cast(pa.int64())), 1), None)
    return _keyed(values.take(places), keys.take(last), last)


def _keyed(values: pa.BinaryArray, keys: pa.BinaryArray, rows: pa.Int64Array) -> Messages:
    pairs = zip(values.to_pylist(), keys.to_pylist(), strict=True)
    return Messages([{"value": value, "key": own} for value, own in pairs], sizes_of(values, keys), rows)


def _own(columns: Sequence[Column], key: Sequence[str]) -> list[Column]:
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in key]


def _keys(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.BinaryArray:
    """The keys of rows that are fitted to the columns of the key."""
    if len(columns) > 1:
        return json_rows(rows, columns).cast(pa.binary())
    array = rows.column(0)
    return array if columns[0].type.kind is Kind.BINARY else plain_text(array, columns[0]).cast(pa.binary())


Letter = tuple[bytes | None, bytes | None, Headers]


def letters(dead: pa.RecordBatch, most: int) -> Iterator[Letter]:
    """Value, key and headers of each dead letter: those it came with, and where it stood and why it is dead.

    Of one that has more than `most` bytes, only what tells where it stood, and how large it was there.
    """
    for row in dead.to_pylist():
        given, notes = parted(row["headers"])
        own: Headers = [(h["key"], _bytes(h["value"])) for h in given]
        made = _letter(row, own, notes)
        if size_of(*made) > most:
            size = notes.get(LEFT_OUT) or size_of(row["message"], row["message_key"], own)
            left = {**row, "message": None, "message_key": None, "error": row["error"][:_SHORT]}
            made = _letter(left, [], {**notes, LEFT_OUT: size})
        yield made


def _letter(row: Mapping[str, Any], own: Headers, notes: Mapping[str, int]) -> Letter:
    found = [(key, value) for key, value in own if not key.startswith("flowc_")]
    found += [(name, str(number).encode()) for name, number in notes.items()]
    told = [(f"flowc_{name}", _told(row[column])) for name, column in _HEADERS if row[column] is not None]
    return row["message"], row["message_key"], [*found, *told]


def _told(value: Any) -> bytes:
    return (value.isoformat() if hasattr(value, "isoformat") else str(value)).encode()


def _bytes(hexadecimal: str | None) -> bytes | None:
    return None if hexadecimal is None else bytes.fromhex(hexadecimal)
