"""One run of a stream: what is stored decides where it begins, and every epoch is kept in the order that is safe.

Without a state store the only target keeps the positions. With one, an epoch is intended before it takes effect, each
target tells the last epoch it holds, and a checkpoint is kept once every target holds its epoch. A restart takes the
state of the last checkpoint and reads again what was intended after it; a target that has an epoch already skips it.

What is durable is told to the sources last: behind what the slowest target holds, and the checkpoint that covers it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import pyarrow as pa

from flowc.errors import DataError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.epoch import END, Epoch, Intent, Maker, Partition, Range, after, logs_after
from flowc.runtime.contracts.oversize import counted
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint, Restored, StateStore
from flowc.runtime.contracts.target import Fenced, Held, Judge, Publishing, Writer, measured
from flowc.runtime.streams.begin import (
    adoptable,
    beginnings,
    check_held,
    check_log,
    check_lost,
    check_maker,
    check_sources,
    intends,
    keeps_versions,
    named,
    opened,
)
from flowc.runtime.streams.behind import check_behind, check_there, marks_of, warn_of_empty
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.loop import Loop, Reader, Seekable, Standing, Turn
from flowc.runtime.streams.plantext import maker
from flowc.runtime.streams.queues import Unsettled
from flowc.runtime.streams.replay import Replay, between
from flowc.stream import StreamPlan

_log = logging.getLogger("flowc.state")
_LOOK = 2.0
"""Seconds between two looks at what is stored, of a worker to which nothing comes."""
_LOOK_FAR = 30.0
"""The same at targets that keep the number of an epoch alone, whose answer may cost more."""
_LOGGED = 64 << 20
"""Bytes of messages that are kept beside intents: where there are more, targets and state are made durable."""


def _nothing(_: object) -> None:
    return


def _as_it_is(reader: Reader) -> Reader:
    return reader


def _nobody(_polled: Polled, _epoch: Epoch, _seconds: float) -> None:
    return


def _now() -> int:
    return time.time_ns() // 1000


@dataclass
class StreamRun:
    """One run of a stream. `clock` gives microseconds since 1970 UTC; `stopping`, set from outside, ends it."""

    plan: StreamPlan
    readers: Mapping[str, Seekable]
    compute: Compute
    writers: Sequence[Writer]
    store: StateStore | None = None
    written: Callable[[Epoch], None] = _nothing
    """Told of every epoch that is committed."""
    computed: Callable[[Polled, Epoch, float], None] = _nobody
    """Told of every epoch that is made: of what, and in how many seconds. Called by the thread that makes them."""
    reading: Callable[[Reader], Reader] = _as_it_is
    """What stands between a reader and the loop."""
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    clock: Callable[[], int] = _now
    stopping: threading.Event = field(default_factory=threading.Event)
    drain: bool = False
    """Whether the end of a run that ends counts as the end of the input: operators let out all that they hold."""
    former: Callable[[threading.Event], None] = _nothing
    """Called before anything is opened: has what another plan of the stream intended finished by that plan."""
    alone: bool = True
    """Whether no other worker moves positions of the stream beside this one."""
    first: bool = field(default=False, init=False)
    """Whether the stream had read nothing when the run began."""
    _held: list[int] = field(default_factory=list, init=False)
    _pending: list[Checkpoint] = field(default_factory=list, init=False)
    _read: dict[Partition, str] = field(default_factory=dict, init=False)
    """Positions behind what is computed."""
    _stored: dict[Partition, str] = field(default_factory=dict, init=False)
    """Positions behind what is committed."""
    _durable: dict[Partition, str] = field(default_factory=dict, init=False)
    """Positions behind what nothing will be asked of again."""
    _unsettled: Unsettled = field(init=False)
    _unsaved: int = field(default=0, init=False)
    """Bytes of messages that were logged since the last checkpoint."""
    _stepping: Loop | None = field(default=None, init=False)
    _logs: dict[Partition, str] = field(default_factory=dict, init=False)
    """Those that the positions behind what is computed are of."""
    _number: int = field(default=0, init=False)
    _saved_at: float = field(default=0.0, init=False)
    _intended: int = field(default=0, init=False)
    _looked: float = field(default_factory=time.monotonic, init=False)
    _looked_far: float = field(default_factory=time.monotonic, init=False)
    _whole: bool = field(default=True, init=False)
    """Whether all that is remembered is there."""

    def __post_init__(self) -> None:
        self._unsettled = Unsettled.of(self.readers)

    def run(self) -> None:
        """Runs until it is stopped or, in a run that ends, until the ends are reached.

        Raises FlowcError; what was not committed is read again by the next run.
        """
        try:
            self.begin()
            if self._whole:
                self._loop().run()
                self.end()
        except FlowcError as error:
            named(error, self.plan.name)
            raise

    def walk(self) -> None:
        """As `run`, step by step in the caller's thread."""
        self.begin()
        while not (self._stepper.ended or self.stopping.is_set()):
            self.step()
        if self._whole:
            self.end()

    def begin(self) -> None:
        """Finds where the stream is, and does again what was intended and is not in every target."""
        self.former(self.stopping)
        self._whole = not self.stopping.is_set()
        if not self._whole:
            return
        restored, held = opened(self.plan, self.store, self.writers)
        restored = self._restore(restored, held)
        warn_of_empty(self.plan, held, self.writers)
        self._whole = self._remade()
        if not self._whole:
            return
        missing = self._missing(restored.intents)
        if self._intends and missing:
            self._seek({**beginnings(missing), **self._read})
            self._replay(missing)
        self._seek(self._read)
        self._tell()

    def _missing(self, intents: Sequence[Intent]) -> Sequence[Intent]:
        """The intents whose messages are needed once more: without state, those of epochs that a target lacks."""
        if self.plan.stateful or self._unsettled.queues:
            return intents
        written = [intent for intent in intents if intent.number <= min(self._held)]
        for intent in written:
            self._number = intent.number
            self._read, self._logs = after(intent.ranges, self._read), logs_after(intent.ranges, self._logs)
        self._stored = dict(self._read)
        return intents[len(written) :]

    def _remade(self) -> bool:
        """Reads again what edited state is made anew of; whether it came to the end, else it counts for nothing.

        Nothing is written: a run that is cut off leaves all as it was, and the next one begins with this again.
        """
        again, count = self.compute.again, 0
        if not again:
            return True
        try:
            self._seek({**self._read, **again})
            for name, reader in self.readers.items():
                ranges = [Range(*at, start, self._read[at]) for at, start in again.items() if at[0] == name]
                for polled in between(reader, name, [each for each in ranges if each.moves], self.stopping):
                    self.compute.remake(polled, Intent(self._number, self.clock(), polled.ranges))
                    count += polled.messages.num_rows
        except TransientError:
            raise  # it is tried again
        except FlowcError as error:
            error.message = f"what edited windows are made anew of cannot be read again: {error.message}"
            error.help = "; or ".join(filter(None, ("undo the edit, and the stream goes on as it was", error.help)))
            raise
        if not self.stopping.is_set():
            _log.warning("REPLAY: stream `%s` has read %s messages again", self.plan.name, f"{count:,}")
        return not self.stopping.is_set()

    def _is_whole(self) -> bool:
        """Whether the state needs nothing read again; False where that was cut off.

        Raises UsageError where state is to be made anew first.
        """
        if self.compute.again:
            message = f"stream `{self.plan.name}` was edited, and makes what it remembers anew when it runs next"
            raise UsageError(message, code="state-changed", help=f"run it first: `flowc run {self.plan.name}`")
        return True

    def step(self) -> Epoch | None:
        """Reads once of the source whose turn it is, and commits the epoch that is made of that; gives it.

        Behind `begin`. All is done in the caller's thread, at the time that the clock tells.
        """
        return self._stepper.step()

    def end(self) -> None:
        """Makes everything durable; what the last messages, or with `drain` their end, let out comes before."""
        if not self.stopping.is_set():
            name, now = self.plan.sources[0].name, self.clock()
            watermark = END if self.drain else self.compute.watermarks.look(now, name, caught_up=False)
            if watermark is not None and self.compute.due(watermark):
                self._commit(self._made(self._nothing(), watermark))
        self._settle()
        self._tell()

    def stand(self) -> None:
        """Goes on where another worker is, and reads nothing new: what was intended is done, and the state kept.

        For a stream whose store knows the positions. Raises FlowcError, Fenced where the other one goes on.
        """
        assert self.store is not None
        self.former(self.stopping)
        opened(self.plan, self.store, self.writers)
        self.store.shut(self.clock())
        restored = self._restore(*opened(self.plan, self.store, self.writers))
        if not self._is_whole():
            return
        if missing := self._missing(restored.intents):
            self._seek({**beginnings(missing), **self._read})
            self._replay(missing)
        self._settle()
        if self._pending:
            raise Fenced(f"stream `{self.plan.name}`: not every target holds its last epoch")

    def judge(self, polled: Sequence[Polled]) -> tuple[list[pa.Int64Array], Epoch]:
        """Has the operators judge messages that come from elsewhere than the sources.

        Gives the repeats among each, by their index, and the epoch that keeps the state behind them: it has no rows,
        and its ranges stand. Behind `stand`, or `restore`, alone.
        """
        self._number += 1
        none = self._nothing()
        intent = Intent(self._number, self.clock(), none.ranges)
        repeats = [self.compute.repeats(each, intent) for each in polled]
        return repeats, Epoch(intent, none.messages, 0, checkpoint=self._snapshot())

    def restore(self, held: Held) -> None:
        """Takes the state that is stored in the transaction, which is open, of the only target that holds this."""
        assert self.store is not None
        self._restore(self.store.read(), [held])
        self._is_whole()

    @property
    def _intends(self) -> bool:
        return intends(self.plan)

    @property
    def _stepper(self) -> Loop:
        self._stepping = self._stepping or self._loop()
        return self._stepping

    def _loop(self) -> Loop:
        readers = {name: self.reading(reader) for name, reader in self.readers.items()}
        wait, stopping = self.plan.batch.max_wait, self.stopping
        return Loop(readers, self._epoch, self._commit, wait, idle=self._look, stopping=stopping)

    def _look(self) -> None:
        """Now and then while nothing comes: whether targets and store are there, and the stream is where it was left.

        Raises Fenced where it is not, and what failed when the time had come to publish: nothing else would tell a
        worker that has nothing to write.
        """
        if time.monotonic() - self._looked < _LOOK:
            return
        self._published()
        for writer in self.writers:
            if isinstance(writer, Publishing):
                writer.check()
        held = check_there(self._asked(), counted=self._intends)
        moved = self.alone and not self._intends and held[0].positions != self._stored
        if moved or (self.store is not None and self._intends and self.store.last() != self._intended):
            raise Fenced(f"stream `{self.plan.name}` was moved, or another worker goes on with it")
        self._looked = time.monotonic()

    def _asked(self) -> list[Writer]:
        """The targets whose turn it is to be looked at."""
        far = time.monotonic() - self._looked_far >= _LOOK_FAR
        self._looked_far = time.monotonic() if far else self._looked_far
        targets = zip(self.writers, self.plan.targets, strict=False)
        return [writer for writer, target in targets if far or target.keeps_positions]

    def _published(self) -> None:
        """What targets have made durable as time passed may be acknowledged."""
        if self._unsettled.queues and self._pending:
            for number, writer in enumerate(self.writers):
                if isinstance(writer, Publishing):
                    self._held[number] = max(self._held[number], writer.look().epoch)
            self._save()
            self._tell()

    def _replay(self, intents: Sequence[Intent]) -> None:
        replay = Replay(self.readers, intents, self.stopping, max(self._held))
        reader = {"replay": self.reading(replay)}
        Loop(reader, self._again, self._commit, self.plan.batch.max_wait, stopping=self.stopping).run()

    def _restore(self, restored: Restored, held: Sequence[Held]) -> Restored:
        """Takes in where the stream is; gives what the store holds by then."""
        self._held = [there.epoch for there in held]
        self._pending, self._saved_at = [], time.monotonic()
        if self._intends:
            restored = self._adopted(restored, held)
            check_held(restored, held, self.plan)
            check_maker(restored, self._maker, self.plan)
            self._read, self._number = dict(restored.checkpoint.positions), restored.checkpoint.epoch
            self._intended, self._logs = restored.last, dict(restored.logs)
        else:
            check_lost(held[0], self.plan)
            check_behind(self.plan, restored, held)
            self._read, self._number, self._logs = dict(held[0].positions), held[0].epoch, dict(held[0].logs)
        self._stored = self._durable = dict(self._read)
        self.first = not self._read
        self.compute.restore(restored.checkpoint)
        self._unsettled.recall(restored.delivered)
        return restored

    def _adopted(self, restored: Restored, held: Sequence[Held]) -> Restored:
        """What a new store begins with: the position of targets that had no store before, where nothing else counts."""
        assert self.store is not None
        found = adoptable(restored, held, self.plan)
        if found is None:
            return restored
        marks = marks_of(self.plan, self.writers)
        point = Checkpoint(found.epoch, dict(found.positions), logs=dict(found.logs), targets=marks)
        self.store.save(point)
        return Restored(point, (), found.epoch)

    def _seek(self, positions: Mapping[Partition, str]) -> None:
        for name, reader in self.readers.items():
            if isinstance(reader, Standing):
                reader.stand(self._read, self._logs)
            reader.seek(positions)
            check_log(self._logs, name, reader.log)
        check_sources(self.plan, self._read, self._logs, self.readers)

    def _epoch(self, turn: Turn) -> Epoch | None:
        """The worker's part: what becomes of what was polled, or of the time that has passed."""
        now = self.clock()
        epoch = self._of_turn(turn, now)
        self.compute.watermarks.align(now)
        return epoch

    def _of_turn(self, turn: Turn, now: int) -> Epoch | None:
        ranges = turn.polled.ranges if turn.polled is not None else ()
        for source in turn.ended:
            self.compute.watermarks.look(now, source)
        watermark = self.compute.watermarks.look(now, turn.source, ranges, caught_up=turn.caught_up)
        if turn.polled is not None:
            return self._made(turn.polled, watermark)
        due = watermark is not None and self.compute.due(watermark)
        return self._made(self._nothing(), watermark) if due or self._owes else None

    @property
    def _owes(self) -> bool:
        """Whether it is time for a checkpoint that a source which forgets waits for, and no message brings one."""
        every = self.plan.state.every if self.plan.state is not None else 0.0
        return bool(self._unsaved) and time.monotonic() - self._saved_at >= every

    def _again(self, turn: Turn) -> Epoch | None:
        """The worker's part in a replay: time makes no epochs, for those that it made were intended as well."""
        return None if turn.polled is None else self._made(turn.polled, None)

    def _nothing(self) -> Polled:
        """No messages. The positions stand still, but each is looked at, so that a zombie is found out."""
        ranges = tuple(Range(*at, offset, offset, self._logs.get(at, "")) for at, offset in sorted(self._read.items()))
        none = pa.RecordBatch.from_pylist([], schema=pa.schema([]))
        return Polled(self.plan.sources[0].name, none, ranges, time.time())

    def _made(self, polled: Polled, watermark: int | None) -> Epoch:
        if self.plan.state is not None:
            polled = replace(polled, messages=polled.order.in_order(polled.messages))
        intent = polled.intent or self._intent(polled, watermark)
        self._number = intent.number
        self._read, self._logs = after(intent.ranges, self._read), logs_after(intent.ranges, self._logs)
        began = time.perf_counter()
        with counted():
            epoch = self.compute(polled, intent)
        self.computed(polled, epoch, time.perf_counter() - began)
        return replace(epoch, checkpoint=self._checkpoint(intent)) if self.plan.state is not None else epoch

    def _intent(self, polled: Polled, watermark: int | None) -> Intent:
        """What an epoch takes from outside."""
        messages = polled.messages if polled.source in self._unsettled.queues and polled.messages.num_rows else None
        versions = self.compute.versions() if keeps_versions(self.plan) else None
        maker = self._maker if self._intends else None
        count = polled.messages.num_rows
        return Intent(
            self._number + 1,
            self.clock(),
            polled.ranges,
            watermark=watermark,
            messages=messages,
            versions=versions,
            maker=maker,
            count=count,
        )

    @cached_property
    def _maker(self) -> Maker:
        return maker(self.plan)

    def _checkpoint(self, intent: Intent) -> Checkpoint | None:
        """The state behind an epoch, where it is time to keep it.

        A source that forgets waits for that: where there is no state but positions, each of its epochs is kept.
        """
        state = self.plan.state
        self._unsaved += intent.messages.nbytes if intent.messages is not None else 0
        often = bool(self._unsaved) and (not self.plan.stateful or self._unsaved >= _LOGGED)
        if state is None or not (state.shared or often or time.monotonic() - self._saved_at >= state.every):
            return None
        self._saved_at, self._unsaved = time.monotonic(), 0
        return self._snapshot()

    def _snapshot(self) -> Checkpoint:
        return self._marked(self.compute.snapshot(Checkpoint(self._number, dict(self._read), logs=dict(self._logs))))

    def _commit(self, epoch: Epoch) -> None:
        """The caller's part: makes an epoch durable."""
        if self.store is not None and (settled := self._unsettled.settled()):
            self.store.release(settled)
        if self._intends:
            assert self.store is not None
            if epoch.number > self._intended:
                self.store.intend(epoch.intent)
                self._intended = epoch.number
            self.pause("intended")
        with counted():
            epoch = self._written(epoch)
        self._stored = after(epoch.ranges, self._stored)
        self._unsettled.took(epoch.intent)
        if not self._intends:
            self._durable = self._stored
        elif epoch.checkpoint is not None:
            self._pending.append(epoch.checkpoint)
            self._save()
            self._bound()
        self._tell()
        self.written(epoch)

    def _tell(self) -> None:
        """Tells the sources how far the stream is."""
        for reader in self.readers.values():
            reader.committed(self._stored, self._durable)

    def _bound(self) -> None:
        """Has targets that gather epochs make them durable, where too much is kept until they do."""
        if self._pending and self._unsettled.size >= _LOGGED:
            self._flush()
            self._save()

    def _flush(self) -> None:
        for number, writer in enumerate(self.writers):
            self._held[number] = max(self._held[number], writer.flush())

    def _written(self, epoch: Epoch) -> Epoch:
        """Has every target take an epoch; gives it without the rows that one cannot take, or the first one refuses."""
        epoch = measured(epoch, self.writers)
        if epoch.intent.refused and epoch.without is not None:
            kept = epoch.without(epoch.intent.refused)
            epoch = measured(replace(kept, checkpoint=epoch.checkpoint), self.writers)
        try:
            self._write(epoch, range(len(self.writers)))
        except DataError as error:
            epoch = measured(self._reduced(epoch, error), self.writers)
            self._write(epoch, (*range(1, len(self.writers)), 0))
        return epoch

    def _write(self, epoch: Epoch, targets: Iterable[int]) -> None:
        for number in targets:
            if self._held[number] < epoch.number:
                self._held[number] = max(self._held[number], self.writers[number].write(epoch))
                self.pause(f"target {number}")

    def _reduced(self, epoch: Epoch, error: DataError) -> Epoch:
        """The epoch without the rows that its first target refuses, which is where it is written first.

        Raises `error` where no row can be told to be at fault, and what `on_error: fail` says of the first one.
        """
        judge = self.writers[0]
        if epoch.without is None or self._held[0] >= epoch.number or not isinstance(judge, Judge):
            raise error
        bad = judge.refused(epoch, 1 if self.plan.on_error == "fail" else None)
        if not bad:
            raise error
        made = replace(epoch.without(bad), checkpoint=epoch.checkpoint)
        if self._intends and not epoch.intent.refused and len(self.writers) > 1:
            # Another target may get the epoch when this one holds it and judges it no more.
            assert self.store is not None
            self.store.refuse(epoch.number, bad)
            self.pause("refused")
        return made

    def _save(self) -> None:
        """Keeps the last checkpoint that every target holds the epoch of, with all changes up to it."""
        assert self.store is not None
        ripe = [point for point in self._pending if point.epoch <= min(self._held)]
        if ripe:
            self.store.save(self._marked(reduce(Checkpoint.then, ripe)))
            self._durable, self._pending = dict(ripe[-1].positions), self._pending[len(ripe) :]
            self.pause("checkpoint")

    def _marked(self, point: Checkpoint) -> Checkpoint:
        """A checkpoint with what each target holds by now; the epoch whose transaction it is part of is not counted."""
        return replace(point, targets=marks_of(self.plan, self.writers))

    def _settle(self) -> None:
        """At the end of a run, everything is durable and nothing has to be read again."""
        self._flush()
        if self._intends and self._number:
            self._pending.append(self._snapshot())
            self._save()

    def close(self) -> None:
        """Leaves sources, targets and the store. May be called twice."""
        for reader in self.readers.values():
            reader.close()
        for writer in self.writers:
            writer.close()
        if self.store is not None:
            self.store.close()
        self.compute.close()
