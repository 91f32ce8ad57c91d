"""Streams over rows in memory: compiled from a spec as any other, and run by the loop that runs all streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.contracts.epoch import Epoch, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.target import Writer
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.memorytarget import Kept
from flowc.runtime.streams.origins import fail
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.service.streams.run import planned
from flowc.service.testing.messages import Feed
from flowc.stream import StreamPlan


@dataclass
class Discarding(Kept):
    """A target that counts the rows and forgets them."""

    rows: int = field(default=0, init=False)
    checkpoints: int = field(default=0, init=False)

    def write(self, epoch: Epoch) -> int:
        """Takes the rows."""
        number = super().write(epoch)
        self.rows += epoch.rows.num_rows
        self.checkpoints += epoch.checkpoint is not None
        self.batches.clear()
        return number


def plan_of(spec: str, folder: Path) -> StreamPlan:
    """The plan of the only stream of a project of one source, `source`."""
    specs, reporter = folder / "specs.yaml", Reporter()
    specs.write_text(spec, "utf-8")
    checked = stages.check_project([specs], reporter, env={})
    assert checked is not None, reporter.sorted()
    ir = lower(checked, reporter)
    assert ir.streams, reporter.sorted()
    return planned(ir.streams[0])


def compute_of(plan: StreamPlan) -> Compute:
    """What makes epochs of rows, which need no decoding: a message has its columns beside where it stands."""
    decoder = JsonDecoder(plan.sources[0].columns or ())
    names = decoder.schema.names

    def decode(messages: pa.RecordBatch) -> Decoded:
        rows = pa.array(np.arange(messages.num_rows))
        return Decoded(messages.select(names), rows, (), rows.slice(0, 0))

    return Compute(plan, {"source": Decoding(decoder.schema, decode)}, fail)


def store_of(plan: StreamPlan, folder: Path) -> DatabaseStore:
    """A store that is a file, as a stream has it that names none."""
    assert plan.state is not None
    path = folder / "state.sqlite"
    path.touch()
    return DatabaseStore(plan.name, plan.state.sql, open_database("sqlite", {"path": str(path)}))


def whole(plan: StreamPlan, rows: Sequence[pa.RecordBatch], target: Writer, folder: Path) -> StreamRun:
    """A run over all the rows, whose end is that of the input."""
    feed = Feed(list(_polled(rows)), once=True)
    return StreamRun(plan, {"source": feed}, compute_of(plan), [target], store_of(plan, folder), drain=True)


def _polled(rows: Sequence[pa.RecordBatch]) -> Iterator[Polled]:
    """Rows as a source of one partition hands them on, an epoch for each batch."""
    start = 0
    for batch in rows:
        end = start + batch.num_rows
        offsets, partition = pa.array(np.arange(start, end)), pa.array(np.zeros(batch.num_rows, np.int32))
        messages = batch.append_column("_partition", partition).append_column("_offset", offsets)
        yield Polled("source", messages, (Range.numbered("source", 0, start, end),), 0.0)
        start = end
