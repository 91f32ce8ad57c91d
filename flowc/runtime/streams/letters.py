"""Dead letters: what is kept of the messages of an epoch that could not be read, computed with or written."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.arrow import arrow_schema
from flowc.runtime.badrows import BadRow, brief
from flowc.runtime.contracts.letternotes import BY, JUDGED, LEFT_OUT, TIME, noted
from flowc.runtime.instants import FIRST, LAST, outside
from flowc.runtime.text.json import TooFar, json_text
from flowc.stream import DEAD_LETTER, SourcePlan, StreamPlan
from flowc.systems import SYSTEMS

SCHEMA = arrow_schema(DEAD_LETTER)


def letters(
    plan: StreamPlan, source: SourcePlan, messages: pa.RecordBatch, bad: Sequence[BadRow], failed_at: int
) -> pa.RecordBatch:
    """The dead letters of bad messages, told by their index; `failed_at` is in microseconds since 1970 UTC."""
    dead = messages.take(pa.array([row.index for row in bad], pa.int64()))
    count = len(bad)
    told = dead.column("_event_ms") if "_event_ms" in dead.schema.names else pa.nulls(count, pa.int64())
    headers = _left_out(dead, json_text(dead.column("_headers")))
    times, headers = timed(dead.column("_event_ts"), told, headers, *_instants(plan))
    given = {
        "stream": _repeated(plan.kept, count),
        "source": _repeated(source.name, count),
        "topic": dead.column("_topic") if "_topic" in dead.schema.names else _repeated(source.address, count),
        "partition_name": dead.column("_partition").cast(pa.string()),
        "message_position": dead.column("_offset").cast(pa.string()),
        "event_time": times,
        "message_key": dead.column("_key").cast(pa.binary()),
        "headers": headers,
        "message": _message(dead.column("_value")),
        "error_code": pa.array([row.code for row in bad], pa.string()),
        "error": pa.array([brief(row.message) for row in bad], pa.string()),
        "attempt": pa.repeat(pa.scalar(1, pa.int32()), count),
        "failed_at": pa.repeat(pa.scalar(failed_at, pa.timestamp("us", "UTC")), count),
    }
    return pa.RecordBatch.from_arrays([given[field.name] for field in SCHEMA], schema=SCHEMA)


def marked(dead: pa.RecordBatch, judged: Sequence[int], by: int) -> pa.RecordBatch:
    """Letters with a note on each that says whether nodes that keep state, which `by` tells, have seen its message."""
    pairs = zip(dead.column("headers").to_pylist(), judged, strict=True)
    headers = pa.array([noted(text, {JUDGED: seen, BY: by}) for text, seen in pairs], pa.string())
    return dead.set_column(dead.schema.get_field_index("headers"), SCHEMA.field("headers"), headers)


def _instants(plan: StreamPlan) -> tuple[int, int]:
    """The first and the last instant that what keeps the dead letters of a stream holds."""
    place = plan.letter_place
    kind = place.kind if place is not None and place.table is not None else None
    return (SYSTEMS[kind].instants if kind is not None else None) or (FIRST, LAST)


def timed(times: pa.Array, told: pa.Array, headers: pa.Array, low: int, high: int) -> tuple[pa.Array, pa.Array]:
    """The times of letters and their headers, in which times are noted that no column keeps.

    Those are the times beyond `low` and `high`, in microseconds, and what the broker `told` in milliseconds instead.
    """
    beyond = outside(times.cast(pa.int64()), low, high)
    odd = pc.if_else(beyond, pc.divide(times.cast(pa.int64()), 1000), told)
    if odd.null_count == len(odd):
        return times, headers
    pairs = zip(headers.to_pylist(), odd.to_pylist(), strict=True)
    kept = [text if number is None else noted(text, {TIME: number}) for text, number in pairs]
    return pc.if_else(beyond, pa.scalar(None, times.type), times), pa.array(kept, pa.string())


def _left_out(dead: pa.RecordBatch, headers: pa.Array) -> pa.Array:
    """The headers of letters, with a note on those whose bytes could not be read: others were only not to be."""
    if "_unread" not in dead.schema.names:
        return headers
    pairs = zip(headers.to_pylist(), dead.column("_unread").to_pylist(), strict=True)
    kept = [
        text if unread is None or unread["size"] is None else noted(text, {LEFT_OUT: unread["size"]})
        for text, unread in pairs
    ]
    return pa.array(kept, pa.string())


def _message(values: pa.Array) -> pa.Array:
    """The bytes of messages; of rows of Parquet, which have none, JSON."""
    return (_rows(values) if pa.types.is_struct(values.type) else values).cast(pa.binary())


def _rows(values: pa.StructArray) -> pa.Array:
    try:
        return json_text(values)
    except TooFar:
        # One by one, for only what no text can show is to be a number.
        return pa.concat_arrays([_row(values.slice(place, 1)) for place in range(len(values))])


def _row(value: pa.StructArray) -> pa.Array:
    try:
        return json_text(value)
    except TooFar:
        parts, names = [_number(part) for part in value.flatten()], [field.name for field in value.type]
    try:
        return json_text(pa.StructArray.from_arrays(parts, names))
    except TooFar:
        return pa.array([None], pa.string())


def _number(values: pa.Array) -> pa.Array:
    """Days and instants as the numbers that they are kept as."""
    if pa.types.is_date32(values.type):
        return values.cast(pa.int32())
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)
