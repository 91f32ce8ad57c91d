"""The process of a stream in a test: it ends, dies and begins again, and what a process leaves behind outlives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from sys import maxsize
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.arrow import empty
from flowc.runtime.contracts.changes import net, put_there, with_kinds
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.target import TargetOpening, Writer
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.lookups import Lookups
from flowc.runtime.streams.memorytarget import Kept
from flowc.runtime.streams.origins import Origin, fail
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import Memory, MemoryStore
from flowc.runtime.streams.watermark import Watermarks
from flowc.runtime.systems import open_target
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.access.sessions import Sessions
from flowc.service.testing.messages import Feed
from flowc.service.testing.pipelines import Written, columns_of, rows_of
from flowc.stream import StreamPlan, TargetPlan

COMPUTED, INTENDED, ROWS, WRITTEN, CHECKPOINT = "computed", "intended", "rows", "target 0", "checkpoint"
"""The points of an epoch at which a process can die, as the runtime calls them."""


class _Killed(BaseException):
    """The process ends here. Nothing in it may do anything about that."""


@dataclass
class Process:
    """What runs a stream of one target in a test. `feeds` are what has arrived of each source, by their names.

    Feeds, the target, the state and the clock outlive a process. `dies_at` is the point at which the next epoch that
    passes it dies: another process then begins by itself, and goes on with what is stored.
    """

    plan: StreamPlan
    decoders: Mapping[str, Decoding]
    sessions: Sessions
    feeds: Mapping[str, Feed]
    clock: Callable[[], int]
    dies_at: str | None = None
    reached: int | None = None
    """The watermark that rows brought which never were: they do not come again, so that it has to be told again."""
    _memory: Memory = field(default_factory=Memory, init=False)
    _kept: Kept = field(default_factory=Kept, init=False)
    running: bool = field(default=False, init=False)
    _run: StreamRun = field(init=False)
    _columns: tuple[Column, ...] | None = field(default=None, init=False)

    def begin(self) -> None:
        """Starts the stream from what is stored, and has it look around."""
        self._run, self.running = self._built(), True
        self._run.begin()
        if self.reached is not None:
            self.watermarks.reach(self.reached)
        self.look()

    @property
    def watermarks(self) -> Watermarks:
        """Those of the process that runs, or ran last."""
        return self._run.compute.watermarks

    def look(self) -> None:
        """Has the stream take what is there, and what comes of that, until a turn of all sources gives nothing."""
        quiet = 0
        try:
            while quiet < len(self.feeds):
                quiet = 0 if self._run.step() is not None else quiet + 1
        except _Killed:
            self._again()

    def stop(self, *, drain: bool) -> None:
        """Ends the run, which makes all durable; with `drain` the input ends as well."""
        self._run.drain = drain
        try:
            self._run.end()
        except _Killed:
            self._again()
            self.stop(drain=drain)
        else:
            self._run.close()
            self.running = False

    def held(self) -> Written:
        """What the target holds."""
        (target,) = self.plan.targets
        if target.position_sql is not None:
            load = target.loads["load"]
            if self._columns is None:  # they stay: to look at them takes longer than to read the rows
                self._columns = columns_of(load.connection, load.table, self.sessions)
            return Written(self._columns, rows_of(load.connection, load.table, self.sessions))
        return Written(
            target.columns, pa.Table.from_batches([empty(target.columns), *_left(target, self._kept.batches)])
        )

    def _again(self) -> None:
        """What the process that died had not committed is gone."""
        self._run.close()
        (target,) = self.plan.targets
        if target.position_sql is not None:
            self.sessions.target(target.connection).rollback()
        self.begin()

    def _pass(self, point: str) -> None:
        if point == self.dies_at:
            self.dies_at = None
            raise _Killed

    def _built(self) -> StreamRun:
        store = MemoryStore(self.plan.name, self._memory) if self.plan.state is not None else None
        return StreamRun(
            self.plan, self.feeds, self._compute(), [self._writer(store)], store,
            computed=lambda *_: self._pass(COMPUTED), pause=self._pass, clock=self.clock,
        )  # fmt: skip

    def _writer(self, store: MemoryStore | None) -> Writer:
        (target,), state = self.plan.targets, self.plan.state
        if target.position_sql is None:
            self._kept.pause = self._pass
            return self._kept
        session = _Shared(self.sessions.target(target.connection))
        writer = open_target(TargetOpening(target, self.plan.kept, {}, lambda: session, pause=self._pass))
        if store is not None and state is not None and state.shared:
            assert isinstance(writer, DatabaseWriter)
            writer.beside = store.beside
        return writer

    def _compute(self) -> Compute:
        lookups = Lookups(self.plan.lookups, lambda connection: _Shared(self.sessions.target(connection)))
        lookups.open()
        compute = Compute(
            self.plan, self.decoders, fail if self.plan.on_error == "fail" else _nothing,
            lookups=lookups, functions=self.sessions.functions(self.plan.functions),
        )  # fmt: skip
        compute.watermarks.longest = maxsize
        return compute


def _nothing(_rows: Sequence[Origin]) -> None:
    return


class _Shared:
    """The session of a test, which those who use it do not close."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def close(self) -> None:
        """Does nothing."""


def _left(target: TargetPlan, batches: Sequence[pa.RecordBatch]) -> Sequence[pa.RecordBatch]:
    """What is there in the end: of rows that replace each other, the last one of each key."""
    key = target.rules.keys
    if not batches or key is None:
        return batches
    return [put_there(net(one_batch([with_kinds(batch) for batch in batches]), key))]
