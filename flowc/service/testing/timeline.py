"""What happens to a stream in its test, step by step, on a clock that moves when the test says so.

A test with `given` alone is one whose rows arrive one after the other, and whose input then ends. Each row is a message
and an epoch of its own, so that what comes late is late; behind each, the stream looks around until nothing more comes
of it, as it does in the silence between two messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from flowc.compiler.front.streamspec import RowsSpec, StepSpec, TestSpec
from flowc.compiler.names.teststeps import INSTANT, Silent
from flowc.durations import instant_text, parse_instant
from flowc.errors import FlowcError
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.streams.begin import intends
from flowc.service.access.sessions import Sessions
from flowc.service.testing.messages import Arrivals
from flowc.service.testing.pipelines import Moment, Written
from flowc.service.testing.process import CHECKPOINT, COMPUTED, INTENDED, ROWS, WRITTEN, Process
from flowc.service.testing.rows import Misplaced, python_rows
from flowc.service.testing.seed import UNTESTABLE
from flowc.stream import StreamPlan

POINTS: Mapping[str, str] = {
    "after_compute": COMPUTED, "after_intent": INTENDED, "during_write": ROWS, "after_write": WRITTEN,
    "after_checkpoint": CHECKPOINT,
}  # fmt: skip
"""Where an epoch can die, by the runtime's name of the point."""
_STORED = ("after_intent", "after_checkpoint")
"""The points that an epoch does not pass which the target takes whole, with positions and state."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Timeline:
    """One test of a stream. `decoders` and `csv`, the options of those that are CSV, are by the names of the sources.

    Raises Misplaced for rows that are no messages.
    """

    test: TestSpec
    plan: StreamPlan
    decoders: Mapping[str, Decoding]
    csv: Mapping[str, CsvOptions]
    sessions: Sessions
    now: datetime
    _arrivals: Mapping[str, Arrivals] = field(init=False)
    _process: Process = field(init=False)
    _crash: StepSpec | None = field(default=None, init=False)
    """The last step that had the stream crash."""

    def __post_init__(self) -> None:
        self._arrivals = {
            source.name: Arrivals(source, self.csv.get(source.name), self._rows(source.name))
            for source in self.plan.sources
        }
        feeds = {name: each.feed for name, each in self._arrivals.items()}
        self._process = Process(self._checkpointing(), self.decoders, self.sessions, feeds, self._clock)

    def _rows(self, source: str) -> list[RowsSpec]:
        """All rows of a source in the test."""
        given = (self.test.given, *(step.rows for step in self.test.steps))
        return [rows for each in given for name, rows in each.items() if name in (source, "")]

    def _checkpointing(self) -> StreamPlan:
        """The plan; with a checkpoint in every epoch where one is to die behind that. Else there is none for long."""
        state, points = self.plan.state, {step.text for step in self.test.steps}
        often = state is not None and "crash: after_checkpoint" in points
        return replace(self.plan, state=replace(state, every=0.0)) if state is not None and often else self.plan

    def play(self) -> Written:
        """Has all happen; gives what the target holds by then and got by each step, and the error that came in one.

        Raises FlowcError for what the stream fails with outside of a step.
        """
        self._process.begin()
        for name, rows in self.test.given.items():
            if name in self._arrivals:
                self._arrive(name, rows)
        held = self._process.held()
        for number, step in enumerate(self.test.steps, 1):
            held = self._played(number, step, held)
            if held.error is not None:
                return held
        if self._process.running:
            self._process.stop(drain=not self.test.steps)
        return replace(self._process.held(), emitted=held.emitted, error=self._not_crashed())

    def _played(self, number: int, step: StepSpec, before: Written) -> Written:
        """What the target holds behind a step, or before the one that the stream fails in."""
        try:
            self._play(step)
        except FlowcError as error:
            return replace(before, error=error, failed=self._moment(number, step))
        after = self._process.held()
        emitted = self._moment(number, step), _added(before.rows, after.rows)
        return replace(after, emitted=(*before.emitted, emitted))

    def _moment(self, number: int, step: StepSpec) -> Moment:
        value = self._process.watermarks.value
        return Moment(number, step, self.now, None if value is None else _instant(value))

    def _clock(self) -> int:
        return (self.now - _EPOCH) // _MICROSECOND

    def _play(self, step: StepSpec) -> None:
        if not self._process.running:  # the input had ended, and goes on after all
            self._process.begin()
        match step.action.value:
            case "rows":
                for name, rows in step.rows.items():
                    self._arrive(name or next(iter(self._arrivals)), rows)
            case "advance":
                self._advance(step)
            case "idle":
                self._process.watermarks.set_aside(self._silent(step))
            case "watermark":
                self._reach(step)
            case "crash":
                self._die_next(step)
            case "restart":
                self._process.stop(drain=False)
                self._process.begin()
            case "drain":
                self._process.stop(drain=True)
                return
        self._process.look()

    def _arrive(self, source: str, rows: RowsSpec) -> None:
        for row in rows.rows:
            self._arrivals[source].put(row, self.now)
            self._process.look()

    def _advance(self, step: StepSpec) -> None:
        try:
            self.now += timedelta(seconds=step.seconds)
        except OverflowError as error:
            message = "the clock would go beyond the year 9999"
            raise Misplaced(message, step.action.span, code=UNTESTABLE) from error

    def _silent(self, step: StepSpec) -> list[Partition]:
        """The partitions that an `idle` step names."""
        assert step.value is not None
        named = Silent.of(step.value.value)
        feed = self._arrivals[named.source or next(iter(self._arrivals))].feed
        return [each.at for each in feed.beginnings if named.partition in (None, each.partition)]

    def _reach(self, step: StepSpec) -> None:
        """Raises Misplaced for a time that the watermark is past."""
        assert step.value is not None
        to, at = parse_instant(step.value.value), self._process.watermarks.value
        if to is None:
            raise Misplaced(
                f"`watermark` is no time: `{step.value.value}`", step.value.span, code=UNTESTABLE, help=INSTANT
            )
        reached = (to - _EPOCH) // _MICROSECOND
        if at is not None and at > reached:
            message = f"the watermark is at {instant_text(_instant(at))} by then, and never goes back"
            raise Misplaced(message, step.value.span, code=UNTESTABLE)
        self._process.reached = reached
        self._process.watermarks.reach(reached)

    def _die_next(self, step: StepSpec) -> None:
        """Raises Misplaced for a point that no epoch of the stream passes."""
        assert step.value is not None
        if (missed := self._not_crashed()) is not None:
            raise missed
        point = step.value.value
        if point in _STORED and not intends(self.plan):
            free = ", ".join(f"`{each}`" for each in POINTS if each not in _STORED)
            message = (
                f"no epoch of stream `{self.plan.name}` passes `{point}`: its target takes positions and state too"
            )
            raise Misplaced(message, step.value.span, code=UNTESTABLE, help=f"it can crash at {free}")
        self._crash, self._process.dies_at = step, POINTS[point]

    def _not_crashed(self) -> Misplaced | None:
        """What is to be told where a crash was to come, and did not."""
        if self._crash is None or self._process.dies_at is None:
            return None
        message, help = "no epoch came behind this step, and so none died", "let a step follow that brings rows"
        return Misplaced(message, self._crash.action.span, code=UNTESTABLE, help=help)


def _instant(microseconds: int) -> datetime:
    """A watermark as a time; it may be beyond all times that there are."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _added(before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows of a table that were not in it before, each as often as there are more of it."""
    known, new = Counter(map(repr, python_rows(before))), list[bool]()
    for row in map(repr, python_rows(after)):
        known[row] -= 1
        new.append(known[row] < 0)
    return after.filter(pa.array(new, pa.bool_()))
