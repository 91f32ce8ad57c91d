"""Replays dead letters: through the stream's decoding and SQL into its targets, and out of where they were kept.

Each batch of letters is an epoch of its own row of numbers. Where the letters are beside the only target, its rows come
in the transaction in which the letters go. Else a batch is intended before it takes effect: each target takes it once,
the place of the letters last, and a run that was cut off is finished by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, UsageError
from flowc.runtime.arrow import empty
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.epoch import Epoch, Intent, Maker, Partition, Range, after
from flowc.runtime.contracts.letternotes import SEEN
from flowc.runtime.contracts.oversize import one_batch
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint, StateStore
from flowc.runtime.contracts.target import Judge, Writer, measured
from flowc.runtime.streams.begin import check_held, opened
from flowc.runtime.streams.behind import marks_of
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.letterbox import Batch, Fetch, failed_again, found_again, messages_of
from flowc.runtime.streams.letters import marked
from flowc.runtime.streams.plantext import maker
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import DEAD_LETTER, StreamPlan


class Box(Protocol):
    """Where dead letters are."""

    def begin(self, positions: Mapping[Partition, str]) -> None:
        """Goes to where the last replay ended, where letters stay after they were replayed."""

    def next(self) -> Batch | None:
        """The next letters; None at the end."""

    def at(self, ranges: Sequence[Range]) -> pa.RecordBatch:
        """The letters of a batch that was given before."""

    def close(self) -> None:
        """Leaves. May be called twice."""


def _nothing(_: object) -> None:
    return


def _gone(*_: object) -> None:
    return None


@dataclass
class TakingWriter(DatabaseWriter):
    """A table that takes replayed rows. `first` is called in the transaction before anything else."""

    first: Callable[[Epoch], None] = _nothing

    def _advance(self, epoch: Epoch) -> None:
        self.first(epoch)
        super()._advance(epoch)


@dataclass
class LettersRun:
    """One replay of the letters kept as those of `stream`. `plan` is the stream's own, under a name of its own.

    Of `writers` the last one takes the letters out, where they do not stay; it asks for those of `taken`.
    """

    plan: StreamPlan
    stream: str
    box: Box
    compute: Compute
    writers: Sequence[Writer]
    store: StateStore | None = None
    fetch: Fetch = _gone
    """Reads the message of a letter again that does not hold it."""
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    passed: bool = False
    """Whether the stream's operators have let all of these letters through before."""
    taken: tuple[Range, ...] = field(default=(), init=False)
    """The messages of the letters in hand."""
    replayed: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    rows: int = field(default=0, init=False)
    _held: list[int] = field(default_factory=list, init=False)
    _read: dict[Partition, str] = field(default_factory=dict, init=False)

    def run(self) -> None:
        """Replays everything that there is when it begins. Raises FlowcError; the next run goes on from there."""
        number = self._begin()
        while (batch := self.box.next()) is not None:
            number += 1
            versions = self.compute.versions() if self.store is not None and len(self.writers) > 1 else None
            made_by = self._maker if self.store is not None else None
            intent = Intent(number, time.time_ns() // 1000, batch.ranges, versions=versions, maker=made_by)
            self._replay(self._intended(intent, batch.letters), batch.letters)

    def _intended(self, intent: Intent, letters: pa.RecordBatch) -> Intent:
        """The intent of these letters, as it is stored where there is a store."""
        if self.store is not None:
            self.store.intend(intent)
            self.pause("intended")
        return intent

    def close(self) -> None:
        """Leaves targets, lookups and the store."""
        self.compute.close()
        self.box.close()
        for writer in self.writers:
            writer.close()
        if self.store is not None:
            self.store.close()

    def _begin(self) -> int:
        """Finishes what was intended before; gives the number of the last epoch."""
        restored, held = opened(self.plan, self.store, self.writers)
        self._held = [there.epoch for there in held]
        if self.store is None:
            self.box.begin({})
            return self._held[0]
        check_held(restored, held, self.plan)
        self._read = dict(restored.checkpoint.positions)
        for intent in restored.intents:
            self._check_maker(intent)
            self._replay(intent, self.box.at(intent.ranges))
        self.box.begin(self._read)
        return max(restored.last, restored.checkpoint.epoch)

    @cached_property
    def _maker(self) -> Maker:
        return maker(self.plan)

    def _check_maker(self, intent: Intent) -> None:
        """Raises UsageError where a target holds a batch of another plan: the others would get other rows of it."""
        if intent.maker not in (self._maker, None) and max(self._held) >= intent.number:
            name = self.plan.state.stream if self.plan.state is not None else self.plan.name
            message = f"stream `{name}` was edited while a replay was cut off: some targets hold its last batch"
            help = f"undo the edit, finish the replay with `flowc dlq replay {name}`, and edit the stream then"
            raise UsageError(message, code="unfinished-epochs", help=help)

    def _replay(self, intent: Intent, letters: pa.RecordBatch) -> None:
        self.taken = intent.ranges
        if min(self._held) < intent.number:
            epoch = self._written(self._epoch(intent, letters))
            failed = epoch.dead.num_rows if epoch.dead is not None else 0
            self.replayed, self.failed = self.replayed + letters.num_rows - failed, self.failed + failed
            self.rows += epoch.rows.num_rows
        if self.store is not None:
            self._read = after(intent.ranges, self._read)
            self.store.save(Checkpoint(intent.number, self._read, targets=marks_of(self.plan, self.writers)))
            self.pause("checkpoint")

    def _written(self, epoch: Epoch) -> Epoch:
        """Has every target take an epoch; gives it without the rows that a database refuses which keeps the letters."""
        epoch = measured(epoch, self.writers)
        try:
            self._write_all(epoch)
        except DataError:
            judge = self.writers[0]
            if self.store is not None or epoch.without is None or not isinstance(judge, Judge):
                raise
            bad = judge.refused(epoch)
            if not bad:
                raise
            epoch = epoch.without(bad)
            self._write_all(epoch)
        return epoch

    def _write_all(self, epoch: Epoch) -> None:
        for index, writer in enumerate(self.writers):
            self._write(index, writer, epoch)

    def _write(self, index: int, writer: Writer, epoch: Epoch) -> None:
        """Has a target take an epoch that it does not hold, durably."""
        if self._held[index] < epoch.number:
            self._held[index] = max(writer.write(epoch), writer.flush())
            self.pause(f"target {index}")

    def _epoch(self, intent: Intent, letters: pa.RecordBatch) -> Epoch:
        """What becomes of letters. To targets, an epoch is one step of one partition."""
        step = Range.numbered(self.plan.sources[0].name, 0, intent.number - 1, intent.number)
        own = replace(intent, ranges=(step,))
        made = [self._made(own, part) for part in by_source(letters)] or [self._made(own, letters)]
        return _whole(own, made)

    def _made(self, intent: Intent, letters: pa.RecordBatch) -> Epoch:
        source = letters.column("source")[0].as_py() if letters.num_rows else self.plan.sources[0].name
        messages = self._messages(source, letters)
        epoch = self.compute(Polled(source, messages, intent.ranges, time.time()), intent)
        return self._again(epoch, letters)

    def _messages(self, source: str, letters: pa.RecordBatch) -> pa.RecordBatch:
        """The messages of the letters of a source."""
        numbered = all(plan.numbered for plan in self.plan.sources if plan.name == source)
        return found_again(messages_of(letters, numbered=numbered), letters, self.fetch)

    def _again(self, epoch: Epoch, letters: pa.RecordBatch) -> Epoch:
        """The epoch whose dead letters are those that failed again."""
        first = epoch.without
        without = (lambda bad: self._again(first(bad), letters)) if first is not None else None
        dead = failed_again(epoch.dead, letters, self.stream) if epoch.dead is not None else None
        if dead is not None and self.passed:
            dead = marked(dead, [SEEN] * dead.num_rows, self.compute.graph.judges)
        return replace(epoch, dead=dead, without=without)


def _whole(intent: Intent, parts: Sequence[Epoch]) -> Epoch:
    """One epoch of the letters of each source."""

    def without(bad: Sequence[BadRow]) -> Epoch:
        made, start = list[Epoch](), 0
        for part in parts:
            end = start + part.rows.num_rows
            own = [replace(row, index=row.index - start) for row in bad if start <= row.index < end]
            made.append(part.without(own) if own and part.without is not None else part)
            start = end
        return _whole(intent, made)

    dead = [part.dead for part in parts if part.dead is not None] or [empty(DEAD_LETTER)]
    known = all(part.without is not None for part in parts)
    return Epoch(
        intent, one_batch([part.rows for part in parts]), sum(part.messages for part in parts), dead=one_batch(dead),
        without=without if known else None,
    )  # fmt: skip


def by_source(letters: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Letters, those of each source apart."""
    sources = letters.column("source")
    return [letters.filter(pc.equal(sources, name)) for name in pc.unique(sources).to_pylist()]
