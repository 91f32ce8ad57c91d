"""From messages to rows: decoded, and joined with what the broker says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from flowc.formats import columnar
from flowc.nodes import TIME
from flowc.runtime.arrow import empty_of
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.formats.parquet.decode import ParquetDecoder
from flowc.runtime.streams.eventtime import event_times, timed
from flowc.stream import SourcePlan

_BESIDE = (TIME, "_key", "_headers")
"""What a reader gives of a message only when it is asked for."""


def read(
    source: SourcePlan, decoding: Decoding, messages: pa.RecordBatch, *, needed: bool, latest: int | None = None
) -> tuple[Decoded, pa.RecordBatch]:
    """The messages as rows, with the columns beside them; of no messages, whose columns may be unknown, no rows.

    With `needed`, rows without an event time are bad, and so are those behind `latest` (microseconds).
    """
    unread = _unread(messages)
    if len(unread) == messages.num_rows:
        rows = empty_of(schema_of(decoding.schema, _wanted(source), numbered=source.numbered))
        none = pa.array([], pa.int64())
        return Decoded(rows, none, unread, none), rows
    decoded = _decoded(source, decoding, messages, unread) if unread else _rows(source, decoding, messages)
    if TIME in _wanted(source):
        decoded = timed(source, messages, decoded, needed=needed, latest=latest)
    return decoded, _beside(source, messages, decoded)


def schema_of(decoded: pa.Schema, extras: Sequence[str], *, numbered: bool = True) -> pa.Schema:
    """What the SQL reads: the decoded columns and those beside them."""
    types = _EXTRA_TYPES if numbered else {**_EXTRA_TYPES, "_partition": pa.string(), "_offset": pa.string()}
    return pa.schema([*decoded, *(pa.field(name, types[name]) for name in extras)])


def columns_of(source: SourcePlan, *, letters: bool = False) -> tuple[str, ...]:
    """What has to be read of each message: its value, where it stood, and what the SQL asks for.

    With `letters`, all that a dead letter tells of it.
    """
    beside = [name for name in _BESIDE if letters or name in _wanted(source)]
    return ("_value", "_partition", "_offset", *beside, *(("_event_ms",) if TIME in beside else ()))


_EXTRA_TYPES = {
    TIME: pa.timestamp("us", "UTC"),
    "_key": pa.binary(),
    "_headers": pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())])),
    "_partition": pa.int32(),
    "_offset": pa.int64(),
    "_topic": pa.string(),
}


def _beside(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.RecordBatch:
    """The decoded rows with the columns beside the messages' own."""
    batch = decoded.batch
    for name in _wanted(source):
        array = _extra(name, source, messages, decoded)
        batch = batch.append_column(pa.field(name, array.type), array)
    return batch


def _wanted(source: SourcePlan) -> tuple[str, ...]:
    return *source.extras, *source.beside


def _extra(name: str, source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.Array:
    if name == "_topic" and source.holds != "files":
        return pa.repeat(pa.scalar(source.address, pa.string()), decoded.batch.num_rows)
    if name == TIME:
        return event_times(source, messages, decoded)
    return messages.column(name).take(decoded.rows)


def _unread(messages: pa.RecordBatch) -> tuple[BadRow, ...]:
    """Messages whose bytes could not be read at all."""
    if "_unread" not in messages.schema.names:
        return ()
    told = messages.column("_unread")
    places = pc.indices_nonzero(told.is_valid())  # few: most messages of files can be read
    found = zip(places.to_pylist(), told.take(places).to_pylist(), strict=True)
    return tuple(BadRow(at, each["code"], each["message"]) for at, each in found)


def _rows(source: SourcePlan, decoding: Decoding, messages: pa.RecordBatch) -> Decoded:
    """The rows of messages, some of which were never bytes: structs are fitted to the columns as they are."""
    place = messages.schema.get_field_index("_value")
    if columnar(source.format) or place < 0 or not pa.types.is_struct(messages.schema.field(place).type):
        return decoding.decode(messages)
    found = ParquetDecoder(source.columns or ()).decode(messages.column(place))
    return replace(found, batch=found.batch.cast(decoding.schema))


def _decoded(source: SourcePlan, decoding: Decoding, messages: pa.RecordBatch, unread: Sequence[BadRow]) -> Decoded:
    """Messages of which some could not be read."""
    there = pc.indices_nonzero(messages.column("_unread").is_null()).cast(pa.int64())
    found = _rows(source, decoding, messages.take(there))
    bad = (*unread, *(replace(row, index=there[row.index].as_py()) for row in found.bad))
    return Decoded(found.batch, there.take(found.rows), bad, there.take(found.skipped))
