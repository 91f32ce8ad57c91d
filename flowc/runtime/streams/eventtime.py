"""The event time of messages: a column of theirs, or the time that the broker gives."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.decoder import Decoded
from flowc.runtime.fit import CODE, shown_value
from flowc.runtime.instants import times_of
from flowc.stream import SourcePlan

MISSING = "missing-event-time"
AHEAD = "event-time-ahead"
_BEYOND = "is outside of the years 1 to 9999"


def event_times(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> pa.Array:
    """The event time of each decoded row, in microseconds; a time without a zone is in UTC."""
    if source.event_time is None:
        return messages.column("_event_ts").take(decoded.rows)
    return times_of(decoded.batch.column(source.event_time))[0]


def timed(
    source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded, *, needed: bool, latest: int | None = None
) -> Decoded:
    """The rows whose event time is one; the others are bad, and so are those behind `latest` (microseconds).

    With `needed`, those without any are bad too.
    """
    times = event_times(source, messages, decoded)
    ahead = [*_ahead(source, times, decoded, latest)] if latest is not None else []
    if not times.null_count and not ahead:
        return decoded
    beyond = list(_beyond(source, messages, decoded))
    odd = {row.index for row in beyond}
    lost = [index for index in decoded.rows.filter(times.is_null()).to_pylist() if index not in odd] if needed else []
    named = f"`{source.event_time}`" if source.event_time else "the broker's time"
    missing = (BadRow(index, MISSING, f"the message has no event time: {named} is NULL") for index in lost)
    bad = (*beyond, *missing, *ahead)
    kept = pc.invert(pc.is_in(decoded.rows, pa.array([row.index for row in bad], pa.int64())))
    return Decoded(decoded.batch.filter(kept), decoded.rows.filter(kept), (*decoded.bad, *bad), decoded.skipped)


def _ahead(source: SourcePlan, times: pa.Array, decoded: Decoded, latest: int) -> Iterator[BadRow]:
    """Rows of a time that is too far ahead: they would end all that is open, and make late what comes behind them."""
    numbers = times.cast(pa.int64())
    named = f"`{source.event_time}`" if source.event_time else "the broker's time"
    for at in pc.indices_nonzero(pc.greater(numbers, latest)).to_pylist():
        shown = shown_value(times, at)
        message = f"the event time {named}: {shown} is further ahead of the clock than `max_ahead`"
        yield BadRow(decoded.rows[at].as_py(), AHEAD, message)


def _beyond(source: SourcePlan, messages: pa.RecordBatch, decoded: Decoded) -> Iterator[BadRow]:
    """Rows whose event time is so far away that nothing can compute with it."""
    if source.event_time is not None:
        times = decoded.batch.column(source.event_time)
        for at in pc.indices_nonzero(times_of(times)[1]).to_pylist():
            message = f"the event time `{source.event_time}`: {shown_value(times, at)} {_BEYOND}"
            yield BadRow(decoded.rows[at].as_py(), CODE, message)
    elif "_event_ms" in messages.schema.names:
        odd = messages.column("_event_ms").take(decoded.rows)
        for at in pc.indices_nonzero(odd.is_valid()).to_pylist():
            message = f"the broker's time {odd[at]} (milliseconds since 1970) {_BEYOND}"
            yield BadRow(decoded.rows[at].as_py(), CODE, message)
