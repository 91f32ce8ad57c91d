"""Looks at streams: some messages of each source, what they become, and why some become nothing. Nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, time_ns

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.runtime.arrow import columns_of
from flowc.runtime.connectors.filestream_registry import Passing
from flowc.runtime.fit import shown_value
from flowc.runtime.postgrestext import output
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.epoch import Intent
from flowc.runtime.streams.loop import Polled
from flowc.runtime.streams.origins import Origin
from flowc.runtime.streams.reader import SourceReader
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import discovered
from flowc.service.streams.run import lowered_stream, planned
from flowc.service.streams.sides import opened_lookups
from flowc.service.streams.sources import opened_sources
from flowc.stream import BatchLimits, StreamPlan

_PATIENCE = 10.0
"""Seconds after which a look at a source ends, whatever came."""
_WAIT = 0.1


@dataclass
class StreamPreview:
    """What some messages of a stream become: the columns of its sources and of its output, rows, and bad messages."""

    name: str
    sources: dict[str, tuple[Column, ...]]
    columns: tuple[Column, ...] = ()
    messages: int = 0
    rows: list[tuple[object, ...]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def preview_stream(checked: CheckedSpec, ir: Ir, name: str, sessions: Sessions, limit: int) -> StreamPreview:
    """Reads up to `limit` messages of each source from where the stream would start, or from the first ones.

    No position is stored, no group is joined, no target and no state is opened. Raises FlowcError where a source or a
    lookup cannot be read, or the stream cannot run.
    """
    stream = discovered(checked, lowered_stream(ir, name), sessions, Passing())
    plan = planned(stream)
    # There is nothing behind the end of a topic to look at.
    start = "earliest" if plan.start == "latest" else plan.start
    plan = replace(plan, start=start, on_error="drop", batch=BatchLimits(limit), state=None)
    return _looked(plan, sessions, limit)


def _looked(plan: StreamPlan, sessions: Sessions, limit: int) -> StreamPreview:
    found = StreamPreview(plan.name, {source.name: source.columns or () for source in plan.sources})
    readers, decoders = opened_sources(plan, sessions, once=True, facts=Passing())
    lookups = opened_lookups(plan, sessions)
    try:
        compute = Compute(
            plan, decoders, lambda rows: _told(found, rows),
            lookups=lookups, functions=sessions.functions(plan.functions),
        )  # fmt: skip
        for reader in readers.values():
            for polled in _read(reader, limit):
                _add(found, compute, polled)
    finally:
        lookups.close()
        for reader in readers.values():
            reader.close()
    return found


def _read(reader: SourceReader, limit: int) -> list[Polled]:
    """The first messages that come, at most `limit` of them."""
    reader.seek({})
    left, until, batches = limit, monotonic() + _PATIENCE, list[Polled]()
    while left > 0 and monotonic() < until:
        polled = reader.poll(_WAIT)
        if polled is not None and polled.messages.num_rows:
            batches.append(replace(polled, messages=polled.messages.slice(0, left)))
            left -= batches[-1].messages.num_rows
        if reader.ended:
            break
    return batches


def _add(found: StreamPreview, compute: Compute, polled: Polled) -> None:
    now = time_ns() // 1000
    watermark = compute.watermarks.look(now, polled.source, polled.ranges)
    epoch = compute(polled, Intent(1, now, polled.ranges, watermark))
    found.columns = compute.typed(columns_of(epoch.rows.schema))
    found.messages += epoch.messages
    found.rows += _tuples(epoch.rows)


def _tuples(rows: pa.RecordBatch) -> list[tuple[object, ...]]:
    return list(zip(*(_values(column) for column in rows.columns), strict=True))


def _values(column: pa.Array) -> list[object]:
    """The values of a column; times that Python has not are their text, as intervals are."""
    if pa.types.is_interval(column.type):
        return list(output(column).to_pylist())
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return [shown_value(column, row) for row in range(len(column))]


def _told(found: StreamPreview, rows: Sequence[Origin]) -> None:
    found.bad += [str(row) for row in rows]
