"""The event time of messages: a column of theirs, or the time that the broker gives."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.badrows import BadRow
from flowc.runtime.codecs.contract import Decoded
from flowc.stream import SourcePlan

MISSING = "missing-event-time"
_TYPE = pa.timestamp("us", "UTC")


def event_times(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.Array:
    """The event time of each decoded row, in microseconds; a time without a zone is in UTC."""
    if source.event_time is None:
        return messages.column("_event_ts").take(decoded.rows)
    times = decoded.batch.column(source.event_time)
    return times.cast(pa.timestamp("us")).cast(_TYPE) if pa.types.is_date(times.type) else times.cast(_TYPE, safe=False)


def timed(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> Decoded:
    """The rows that have an event time; the others are bad."""
    times = event_times(source, messages, decoded)
    if not times.null_count:
        return decoded
    named = f"`{source.event_time}`" if source.event_time else "the broker's time"
    there = pc.is_valid(times)
    missing = decoded.rows.filter(pc.invert(there)).to_pylist()
    bad = (BadRow(index, MISSING, f"the message has no event time: {named} is NULL") for index in missing)
    rows = decoded.rows.filter(there)
    return Decoded(decoded.batch.filter(there), rows, (*decoded.bad, *bad), decoded.skipped)
