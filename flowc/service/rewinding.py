"""Moves a stream to other positions: in its targets, and in its store with the state that belongs to them.

The move is an epoch of its own that has no rows. It has the next number, so that targets that know only the number of
their last epoch skip nothing afterwards; positions move by compare-and-set, so that a running worker is fenced and goes
on from there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.streamplan.letters import Chosen
from flowc.errors import UsageError
from flowc.runtime.streams.begin import beginnings, check_held, check_shared
from flowc.runtime.streams.epoch import Epoch, Intent, Partition, Range
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.source import Source
from flowc.runtime.streams.state.contract import Checkpoint, Restored
from flowc.runtime.streams.targets.contract import Fenced, Held
from flowc.service.deadletters import DeadLetters, kept_by
from flowc.service.sessions import Sessions
from flowc.service.streams import Pause, StreamReport, assembled, no_pause, plan_of
from flowc.stream import StreamPlan, TableTarget

_DATE = re.compile(r"\d{4}-\d\d")
_TRIES = 20
_BEYOND = 1000
_OFFSETS = re.compile(r"(?:(?P<source>[^:,]+):)?(?P<partition>\d+):(?P<offset>\d+)")


@dataclass(frozen=True, slots=True)
class Move:
    """One partition: the offset that is read next, now and after the move."""

    source: str
    partition: int
    before: int
    after: int
    counted: bool = True
    """Whether offsets count messages; in files they do not."""
    log: str = ""
    """The log that is read after the move, as in `Range`."""
    replaced: bool = False
    """Whether that is another one than before: then the offset before is not one of this log."""

    @property
    def at(self) -> Partition:
        """The partition."""
        return self.source, self.partition

    @property
    def again(self) -> int:
        """About how many messages will be read again; none of a log that was not read."""
        return 0 if self.replaced else max(0, self.before - self.after)

    @property
    def skipped(self) -> int:
        """About how many messages will not be read at all."""
        return max(0, self.after - (0 if self.replaced else self.before))


@dataclass
class Rewind:
    """A move of a stream that can be made. `close` it in any case."""

    plan: StreamPlan
    run: StreamRun = field(repr=False)
    sessions: Sessions = field(repr=False)
    restored: Restored
    held: Sequence[Held]
    moves: tuple[Move, ...]

    @property
    def again(self) -> int:
        """About how many messages will be read again."""
        return sum(move.again for move in self.moves if move.counted)

    @property
    def skipped(self) -> int:
        """About how many messages will not be read at all."""
        return sum(move.skipped for move in self.moves if move.counted)

    @property
    def forward(self) -> bool:
        """Whether a partition is moved on, over what was not read."""
        return any(move.skipped for move in self.moves)

    @property
    def doubling(self) -> tuple[str, ...]:
        """The targets that will hold rows of what is read again twice."""
        merging = (isinstance(target, TableTarget) and target.load.mode != "append" for target in self.plan.targets)
        return tuple(target.name for target, once in zip(self.plan.targets, merging, strict=True) if not once)

    def make(self) -> None:
        """Makes the move, however a running worker goes on meanwhile.

        Raises FlowcError; a move that was cut off is finished by making it again.
        """
        for attempt in range(_TRIES):
            began = datetime.now(UTC)
            try:
                self._move()
                self._remove_letters(began)
                return
            except Fenced:
                if attempt == _TRIES - 1:
                    raise
                self.restored, self.held = _look(self.run)

    def _move(self) -> None:
        number = self._number()
        positions = {**_positions(self.plan, self.restored, self.held), **{move.at: move.after for move in self.moves}}
        logs = {**self.restored.logs, **{move.at: move.log for move in self.moves if move.log}}
        # A group without bytes is one that is removed.
        groups = tuple(replace(group, data=b"") for group in self.restored.checkpoint.groups)
        checkpoint = Checkpoint(number, positions, groups=groups, logs=logs)
        if _intends(self.plan):
            assert self.run.store is not None
            self.run.store.save(checkpoint)
            self.run.pause("moved in the store")
        for writer, held in zip(self.run.writers, self.held, strict=True):
            if held.positions or not _intends(self.plan):
                intent = Intent(number, time.time_ns() // 1000, tuple(self._ranges(held)))
                writer.write(Epoch(intent, _NO_ROWS, 0, checkpoint=checkpoint))

    def _number(self) -> int:
        """The number of the move. In a store it lies beyond all that a worker may intend meanwhile."""
        known = [self.restored.last, self.restored.checkpoint.epoch, *(there.epoch for there in self.held)]
        return max(known) + (_BEYOND if _intends(self.plan) else 1)

    def close(self) -> None:
        """Leaves everything."""
        self.run.close()

    def _ranges(self, held: Held) -> Iterator[Range]:
        for move in self.moves:
            before = held.positions.get(move.at, move.before)
            if before != move.after or move.replaced:
                yield Range(move.source, move.partition, before, move.after, move.log)

    def _remove_letters(self, before: datetime) -> None:
        """Dead letters of messages that are read again would come twice."""
        kept = kept_by(self.plan)
        if kept is None or kept.table is None:
            return
        letters = DeadLetters(self.plan.name, self.plan, kept, 0, self.sessions)
        sql = letters.sql(Chosen(before=before))
        for move in self.moves if sql is not None else ():
            if move.replaced:
                continue  # what the letters are of is gone
            assert sql is not None
            source = dict(sql.sources)[move.source]
            letters.database().execute(
                sql.overtaken.format(source=source, partition=move.partition, start=move.after, end=move.before)
            )


_NO_ROWS = pa.RecordBatch.from_pylist([], schema=pa.schema([]))


def prepare_rewind(
    checked: CheckedSpec, ir: Ir, stream: str, sessions: Sessions, to: str, pause: Pause = no_pause
) -> Rewind:
    """Looks where a stream is, and where it is to go; moves nothing. A running worker may have to begin again.

    `to` is `earliest`, `latest`, an instant with its zone, or offsets: `0:1500,1:1400`, or `source:0:1500`. Partitions
    that are not named stay where they are.

    Raises UsageError for a stream that has read nothing, and for a place that is none; EngineError for one that the
    topic no longer has.
    """
    plan = plan_of(checked, ir, stream, sessions)
    run = assembled(plan, sessions, StreamReport(stream), pause=pause)
    try:
        restored, held = _look(run)
        (check_held(restored, held, plan) if _intends(plan) else check_shared(restored.checkpoint, held[0], plan))
        stored = _positions(plan, restored, held)
        if not stored:
            message = f"stream `{stream}` has read nothing yet"
            raise UsageError(message, code="unknown-selection", help="`start` says where it begins")
        moves = tuple(_moves(plan, run, stored, _logs(plan, restored, held), to))
        _check_pending(plan, restored, held, moves)
        return Rewind(plan, run, sessions, restored, held, moves)
    except BaseException:
        run.close()
        raise


def _look(run: StreamRun) -> tuple[Restored, list[Held]]:
    """What the store and the targets hold now."""
    restored = run.store.open() if run.store is not None else Restored()
    return restored, [writer.open() for writer in run.writers]


def _intends(plan: StreamPlan) -> bool:
    """Whether the store knows the positions, and not the only target."""
    return plan.state is not None and not plan.state.shared


def _positions(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Mapping[Partition, int]:
    return restored.positions if _intends(plan) else held[0].positions


def _logs(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Mapping[Partition, str]:
    return restored.logs if _intends(plan) else held[0].logs


def _moves(
    plan: StreamPlan, run: StreamRun, stored: Mapping[Partition, int], logs: Mapping[Partition, str], to: str
) -> Iterator[Move]:
    asked = _offsets(to, plan) if ":" in to and not _DATE.match(to) else None
    if asked is not None and (unknown := asked.keys() - stored.keys()):
        name, number = min(unknown)
        message = f"stream `{plan.name}` has no position in partition {number} of `{name}`"
        raise UsageError(message, code="unreadable-argument", help="`flowc status` shows the positions")
    for source in plan.sources:
        reading = _opened(run, source.name)
        places = {at[1]: offset for at, offset in (asked or {}).items() if at[0] == source.name}
        found = reading.starting(to) if asked is None else places
        goal = {partition: offset for partition, offset in found.items() if (source.name, partition) in stored}
        if goal:
            reading.assign(goal)  # says so where the log has no such place
        for partition, offset in sorted(goal.items()):
            at, log = (source.name, partition), reading.log
            other = bool(log) and logs.get(at, log) != log
            yield Move(*at, stored[at], offset, source.kind == "kafka", log, other)


def _opened(run: StreamRun, name: str) -> Source:
    reader = run.readers[name]
    assert isinstance(reader, SourceReader)
    reader.source.open()
    return reader.source


def _offsets(to: str, plan: StreamPlan) -> dict[Partition, int]:
    found: dict[Partition, int] = {}
    names = [source.name for source in plan.sources]
    for part in to.split(","):
        match = _OFFSETS.fullmatch(part.strip())
        source = (match["source"] or (names[0] if len(names) == 1 else None)) if match else None
        if match is None or source not in names:
            message = f"`{part.strip()}` is no place in a source of stream `{plan.name}`"
            form = "0:1500,1:1400" if len(names) == 1 else f"{names[0]}:0:1500,{names[1]}:0:1400"
            raise UsageError(message, code="unreadable-argument", help=f"PARTITION:OFFSET, for instance {form}")
        found[source, int(match["partition"])] = int(match["offset"])
    return found


def _check_pending(plan: StreamPlan, restored: Restored, held: Sequence[Held], moves: Sequence[Move]) -> None:
    """What some targets hold and others do not must be read again, or it would be lost in those.

    Raises UsageError where it is not.
    """
    pending = [intent for intent in restored.intents if intent.number > min(there.epoch for there in held)]
    goals = {move.at: move.after for move in moves}
    if any(goals.get(at, start + 1) > start for at, start in beginnings(pending).items()):
        message = f"not every target of stream `{plan.name}` holds its last epoch"
        raise UsageError(message, code="not-runnable-yet", help=f"run it first: `flowc run {plan.name} --once`")
