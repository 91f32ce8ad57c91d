"""Watches a run of a stream: counts epochs, times their phases, and keeps what the daemon is to know."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Epoch, Partition
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.positions import numbers
from flowc.runtime.contracts.source import NumberedSource, Polled
from flowc.runtime.contracts.state import StateStore
from flowc.runtime.contracts.target import Held, Judge, Measuring, Publishing, Writer
from flowc.runtime.streams.loop import Seekable, Standing
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.watermark import Watermarks
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.daemon.behind import Behind
from flowc.service.daemon.sampling import Sampling
from flowc.service.daemon.stats import Report
from flowc.service.streams.run import StreamReport, no_pause

_EVERY = 0.5
_PATIENCE = 2.0
"""Seconds of trouble with a source before it counts."""
_SILENCE = 15.0
"""Seconds that a target may take to answer."""


@runtime_checkable
class Telling(Protocol):
    """A source that can tell, for those who watch, how far behind it is and what troubles it."""

    trouble: str | None

    def lag(self, stored: Mapping[int, int]) -> Mapping[int, int]:
        """Messages of each partition behind what is stored, as far as is known without asking."""


@dataclass
class Watch:
    """What one worker tells of itself. Outlives the runs of its stream; each attempt attaches a new one."""

    report: Report = field(default_factory=Report)
    progressed: bool = False
    """Whether the current attempt has committed something."""
    examples: deque[str] = field(default_factory=deque)
    """Bad rows that were dropped and nobody was told of yet: the first few of each attempt."""
    sampling: Sampling = field(default_factory=Sampling)
    behind: Behind = field(default_factory=Behind)
    _born: dict[int, float] = field(default_factory=dict)
    _begun: dict[int, float] = field(default_factory=dict)
    """When epochs were computed that are not written yet, by the monotonic clock."""
    _unopened: int = 0
    _asked: float | None = None
    _silent: bool = False
    _store: StateStore | None = None
    _watermarks: Watermarks | None = None

    def attach(self, run: StreamRun, counted: StreamReport) -> None:
        """Watches a run, which has not begun; its bad rows are counted in `counted`."""
        self.progressed = False
        self.report.lag.clear()
        self._born.clear()
        self.sampling.begin()
        self._begun.clear()
        self.behind.clear()
        self._unopened = len(run.readers)
        self._store, self._watermarks = run.store, run.compute.watermarks
        run.readers = {name: WatchedReader(reader, name, self) for name, reader in run.readers.items()}
        targets = {number: target.name for number, target in enumerate(run.plan.targets)}
        run.writers = [
            WatchedWriter(writer, self, targets.get(number, "")) for number, writer in enumerate(run.writers)
        ]
        run.computed = self._computed
        run.written = self._also(run.written, counted)

    def opened(self) -> None:
        """A reader stands where it begins."""
        self._unopened -= 1
        if self._unopened <= 0:
            self.report.status, self.report.trouble = "running", None

    def degraded(self, reason: str) -> None:
        """Something outside does not work, and is waited for."""
        self.report.status, self.report.trouble = "degraded", reason

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While a target is asked, which may not answer."""
        self._asked = time.monotonic()
        try:
            yield
        finally:
            self._asked = None
            if self._silent:
                self._silent = False
                self.report.status, self.report.trouble = "running", None

    def mind(self) -> None:
        """Called now and then: what is kept is told, and a target that takes too long to answer is out of reach."""
        saved = self._store.saved if self._store is not None else None
        self.report.saved, self.report.age = saved, time.monotonic() - saved.at if saved is not None else 0.0
        self._mind_time()
        now, begun = time.monotonic(), min(tuple(self._begun.values()), default=None)
        self.report.behind = max(self.behind.seconds(now), 0.0 if begun is None else now - begun)
        asked = self._asked
        if asked is not None and time.monotonic() - asked > _SILENCE:
            self._silent = True
            self.degraded(f"a target has not answered for {_SILENCE:g} s")

    def _mind_time(self) -> None:
        """Where time is in each partition."""
        told = self._watermarks
        if told is None:
            return
        marks: dict[str, dict[str, int]] = {}
        for (source, partition), mark in told.known().items():
            marks.setdefault(source, {})[partition] = mark
        held: dict[str, list[str]] = {}
        for source, partition in sorted(told.alignment.paused if told.alignment is not None else ()):
            held.setdefault(source, []).append(partition)
        self.report.watermark, self.report.marks, self.report.held = told.value, marks, held

    def timed(self, phase: str, seconds: float) -> None:
        """A phase of an epoch is over."""
        self.report.counts.phases[phase].observe(seconds)

    def _computed(self, polled: Polled, epoch: Epoch, seconds: float) -> None:
        self._born[epoch.number] = polled.oldest or polled.read_at
        self._begun[epoch.number] = time.monotonic()
        self.report.counts.bytes += polled.messages.nbytes
        self.timed("process", seconds)
        self.sampling.processed(polled, epoch, seconds)

    def _also(self, before: Callable[[Epoch], None], counted: StreamReport) -> Callable[[Epoch], None]:
        bad, told = self.report.counts.bad, list[str]()

        def written(epoch: Epoch) -> None:
            before(epoch)
            counts = self.report.counts
            counts.bad = bad + counted.bad
            self.examples.extend(counted.examples[len(told) :])
            told.extend(counted.examples[len(told) :])
            counts.rows += epoch.rows.num_rows
            counts.messages += epoch.messages
            counts.epochs += 1
            counts.dead += epoch.dead.num_rows if epoch.dead is not None else 0
            counts.late += epoch.late
            counts.late_letters += epoch.late_letters
            for node, rows in epoch.emitted.items():
                counts.emitted[node] = counts.emitted.get(node, 0) + rows
            born = self._born.pop(epoch.number, None)
            self._begun.pop(epoch.number, None)
            if born is not None and epoch.messages:
                counts.latency.observe(max(0.0, time.time() - born))
            self.progressed = True
            self.sampling.written(epoch)

        return written


@dataclass
class WatchedReader:
    """A reader whose time and lag are kept."""

    inner: Seekable
    name: str
    watch: Watch
    _stored: dict[str, str] = field(default_factory=dict)
    _looked: float = 0.0
    _troubled: float | None = None

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name."""
        return self.inner.log

    def stand(self, positions: Mapping[Partition, str], logs: Mapping[Partition, str]) -> None:
        """Tells the reader where the stream stands, if it asks for that."""
        if isinstance(self.inner, Standing):
            self.inner.stand(positions, logs)

    @property
    def unedited(self) -> bool:
        """Whether the reader goes on to read by the same path."""
        return isinstance(self.inner, Standing) and self.inner.unedited

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name has read."""
        return self.inner.read_by(former, position, log)

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the stored positions."""
        self.inner.seek(positions)
        self._store(positions)
        self.watch.opened()

    def poll(self, wait: float) -> Polled | None:
        """The next messages."""
        began = time.perf_counter()
        polled = self.inner.poll(wait)
        if polled is not None:
            seconds = time.perf_counter() - began
            self.watch.timed("read", seconds)
            self.watch.sampling.read(polled, seconds)
        if began - self._looked >= _EVERY:
            self._looked = began
            self._look()
        return polled

    @property
    def ended(self) -> bool:
        """Whether all is read that is to be."""
        return self.inner.ended

    @property
    def caught_up(self) -> bool:
        """Whether nothing more was there."""
        return self.inner.caught_up

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Passes on how far the stream is."""
        self._store(written)
        self.inner.committed(written, durable)

    def close(self) -> None:
        """Leaves."""
        self.inner.close()

    def _store(self, positions: Mapping[Partition, str]) -> None:
        self._stored = {partition: at for (name, partition), at in positions.items() if name == self.name}
        if isinstance(self._source, Telling):
            self.watch.behind.stored(self.name, numbers(self._stored))

    @property
    def _source(self) -> object:
        reading = getattr(self.inner, "source", None)
        return reading.inner if isinstance(reading, NumberedSource) else None

    def _look(self) -> None:
        """Lag and trouble, as the source knows them without asking anybody."""
        source = self._source
        if not isinstance(source, Telling):
            return
        stored = numbers(self._stored)
        lag = self.watch.report.lag[self.name] = dict(source.lag(stored))
        self.watch.behind.see(self.name, stored, lag, time.monotonic())
        if source.trouble is None:
            if self._troubled is not None and self.watch.report.status == "degraded":
                self.watch.report.status, self.watch.report.trouble = "running", None
            self._troubled = None
        else:
            self._troubled = self._troubled or self._looked
            if self._looked - self._troubled >= _PATIENCE:
                self.watch.degraded(source.trouble)


@dataclass
class WatchedWriter:
    """A writer whose time is kept; that of a database tells when its commit begins."""

    inner: Writer
    watch: Watch
    name: str = ""
    _commit: float = 0.0
    _before: Callable[[str], None] = no_pause

    def __post_init__(self) -> None:
        if isinstance(self.inner, DatabaseWriter):
            self._before, self.inner.pause = self.inner.pause, self._point

    @property
    def mark(self) -> Mark:
        """What the target has recorded."""
        return self.inner.mark

    def open(self) -> Held:
        """Connects."""
        return self.inner.open()

    def look(self) -> Held:
        """What is held."""
        with self.watch.asking():
            return self.inner.look()

    def write(self, epoch: Epoch) -> int:
        """Takes an epoch."""
        began, self._commit = time.perf_counter(), 0.0
        with self.watch.asking():
            held = self.inner.write(epoch)
        seconds = time.perf_counter() - began
        self.watch.timed("write", seconds - self._commit)
        if self._commit:
            self.watch.timed("commit", self._commit)
        self.watch.sampling.wrote(epoch, self.name, seconds, self._commit)
        return held

    def refused(self, epoch: Epoch, most: int | None = None) -> Sequence[BadRow]:
        """The rows that the target refuses."""
        return self.inner.refused(epoch, most) if isinstance(self.inner, Judge) else ()

    def oversized(self, epoch: Epoch) -> Sequence[BadRow]:
        """The rows that are too large for the target."""
        return self.inner.oversized(epoch) if isinstance(self.inner, Measuring) else ()

    def check(self) -> None:
        """Raises what failed between two calls."""
        if isinstance(self.inner, Publishing):
            self.inner.check()

    def flush(self) -> int:
        """Makes durable what was taken."""
        return self.inner.flush()

    def close(self) -> None:
        """Leaves."""
        self.inner.close()

    def _point(self, name: str) -> None:
        self._before(name)
        if name == "state":
            self._commit = -time.perf_counter()
        elif name == "committed":
            self._commit += time.perf_counter()
