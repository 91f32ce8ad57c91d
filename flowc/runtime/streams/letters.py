"""Dead letters: what is kept of the messages of an epoch that could not be read, computed with or written."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flowc.runtime.arrow import arrow_schema
from flowc.runtime.badrows import BadRow
from flowc.runtime.jsontext import json_text
from flowc.stream import DEAD_LETTER, SourcePlan

SCHEMA = arrow_schema(DEAD_LETTER)


def letters(
    stream: str, source: SourcePlan, messages: pa.RecordBatch, bad: Sequence[BadRow], failed_at: int
) -> pa.RecordBatch:
    """The dead letters of bad messages, told by their index; `failed_at` is in microseconds since 1970 UTC."""
    dead = messages.take(pa.array([row.index for row in bad], pa.int64()))
    count = len(bad)
    headers = dead.column("_headers")
    given = {
        "stream": _repeated(stream, count),
        "source": _repeated(source.name, count),
        "topic": dead.column("_topic") if "_topic" in dead.schema.names else _repeated(source.address, count),
        "partition_number": dead.column("_partition").cast(pa.int64()),
        "message_offset": dead.column("_offset"),
        "event_time": dead.column("_event_ts"),
        "message_key": dead.column("_key").cast(pa.binary()),
        "headers": json_text(headers),
        "message": _message(dead.column("_value")),
        "error_code": pa.array([row.code for row in bad], pa.string()),
        "error": pa.array([row.message for row in bad], pa.string()),
        "attempt": pa.repeat(pa.scalar(1, pa.int32()), count),
        "failed_at": pa.repeat(pa.scalar(failed_at, pa.timestamp("us", "UTC")), count),
    }
    return pa.RecordBatch.from_arrays([given[field.name] for field in SCHEMA], schema=SCHEMA)


def _message(values: pa.Array) -> pa.Array:
    """The bytes of messages; of rows of Parquet, which have none, JSON."""
    return (json_text(values) if pa.types.is_struct(values.type) else values).cast(pa.binary())


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)
