"""Looks at streams: what a run would make of some messages of each source, and why of some nothing. Nothing is kept.

It is that run, step by step, with its state and what it writes in memory, of readers that end after some messages and
tell their source nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

import pyarrow as pa

from flowc.catalog import Column
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.runtime.arrow import columns_of
from flowc.runtime.contracts.changes import put_there
from flowc.runtime.contracts.epoch import Epoch, Partition
from flowc.runtime.contracts.source import Polled
from flowc.runtime.fit import shown_value
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.memorytarget import Kept
from flowc.runtime.streams.origins import Origin
from flowc.runtime.streams.queues import QueueReader
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import MemoryStore
from flowc.runtime.systems.files.registry import Passing
from flowc.runtime.text.postgres import output
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import discovered
from flowc.service.streams.run import lowered_stream, planned
from flowc.service.streams.sides import opened_lookups
from flowc.service.streams.sources import opened_sources
from flowc.stream import StreamPlan

_PATIENCE = 10.0
"""Seconds after which a look at a source ends, whatever came."""


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
    batch = replace(plan.batch, max_rows=min(limit, plan.batch.max_rows))
    state = replace(plan.state, shared=False) if plan.state is not None else None
    plan = replace(plan, start=start, on_error="drop", batch=batch, state=state, letters=None)
    found = StreamPreview(plan.name, {source.name: source.columns or () for source in plan.sources})
    run = _run(plan, found, sessions, limit)
    try:
        run.walk()
    finally:
        run.close()
    return found


def _run(plan: StreamPlan, found: StreamPreview, sessions: Sessions, limit: int) -> StreamRun:
    readers, decoders = opened_sources(plan, sessions, once=True, facts=Passing())
    compute = Compute(
        plan, decoders, lambda rows: _told(found, rows),
        lookups=opened_lookups(plan, sessions), functions=sessions.functions(plan.functions),
    )  # fmt: skip

    def written(epoch: Epoch) -> None:
        rows = put_there(epoch.rows)
        found.columns = compute.typed(columns_of(rows.schema))
        found.messages += epoch.messages
        found.rows += _tuples(rows)

    few = {name: Few(reader, limit) for name, reader in readers.items()}
    store = MemoryStore(plan.name) if plan.state is not None else None
    return StreamRun(plan, few, compute, [Kept() for _ in plan.targets], store, written=written)


@dataclass
class Few:
    """A reader of the first messages that come; see `flowc.runtime.streams.loop.Seekable`."""

    inner: SourceReader | QueueReader
    left: int
    _until: float = field(default=0.0, init=False)

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name."""
        return self.inner.log

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name has read."""
        return self.inner.read_by(former, position, log)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to where the stream starts."""
        self.inner.seek(positions)
        self._until = monotonic() + _PATIENCE

    def poll(self, wait: float) -> Polled | None:
        """The next messages, at most those that are left to look at."""
        self.inner.limits = replace(self.inner.limits, max_rows=min(self.left, self.inner.limits.max_rows))
        polled = self.inner.poll(wait)
        self.left -= polled.messages.num_rows if polled is not None else 0
        return polled

    @property
    def ended(self) -> bool:
        """Whether all that was there is read, or enough."""
        return self.left <= 0 or monotonic() > self._until or self.inner.ended

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there."""
        return self.inner.caught_up

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Nothing is told to the source: it would forget, or others would see, what nobody has written."""

    def close(self) -> None:
        """Leaves."""
        self.inner.close()


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
