"""Replays dead letters of messages that the stream's operators have not seen: these judge them first.

The stream's own state takes them up, one epoch of the stream on: a worker that runs is shut out by that, as by
another worker, and goes on from there. In the same transaction the batch of letters is intended, with what was found of
each, so that a replay that is cut off has either changed nothing, or is finished by the next one without asking again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pyarrow as pa

from flowc.errors import TransientError
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.begin import intends
from flowc.runtime.streams.letterbox import places_of, positions_of, ranges_of
from flowc.runtime.streams.lettersrun import LettersRun, by_source
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems.shared.target import DatabaseWriter

Made = TypeVar("Made")
_REPEAT = "repeat"
"""Marks ranges of letters that are taken out and give no rows."""
_TRIES = 20
MET = ("stream-fenced", "write-conflict")
"""The codes of those who met another one at work on the stream."""
_PAUSE = 0.1


@dataclass
class JudgedRun(LettersRun):
    """One replay of such letters. `own` is a run of the stream itself, whose store shares a session with `store`."""

    own: StreamRun | None = None
    decoders: Mapping[str, Decoding] = field(default_factory=dict)
    repeats: int = field(default=0, init=False)
    """Letters that were taken out, for the target has a row of their key."""

    def close(self) -> None:
        """Leaves the stream, too."""
        super().close()
        if self.own is not None:
            self.own.close()

    def _intended(self, intent: Intent, letters: pa.RecordBatch) -> Intent:
        parts = by_source(letters)
        polled = [self._polled(intent, part) for part in parts]
        if not self._with_decoders(lambda own: any(own.compute.reads(each) for each in polled)):
            return super()._intended(intent, letters)  # nothing to judge: nobody is interrupted
        for left in reversed(range(_TRIES)):
            try:
                intent = self._judged(intent, parts, polled)
                self.pause("judged")
                return intent
            except (Fenced, TransientError) as error:
                if not left or error.code not in MET:
                    raise
            time.sleep(_PAUSE)
        raise AssertionError

    def _polled(self, intent: Intent, letters: pa.RecordBatch) -> Polled:
        source = letters.column("source")[0].as_py()
        return Polled(source, self._messages(source, letters), intent.ranges, time.time())

    def _judged(self, intent: Intent, parts: Sequence[pa.RecordBatch], polled: Sequence[Polled]) -> Intent:
        """The intent, stored with the state of the stream behind it."""
        own, made = self.own, list[Intent]()
        assert own is not None
        assert isinstance(self.store, DatabaseStore)
        store = self.store

        def judge() -> Epoch:
            repeats, epoch = self._with_decoders(lambda own: own.judge(polled))
            made.append(replace(intent, ranges=_told(parts, repeats)))
            return epoch

        if intends(own.plan):
            own.stand()
            epoch = judge()
            assert isinstance(own.store, DatabaseStore)
            assert epoch.checkpoint is not None
            own.store.move(epoch.checkpoint, epoch.number - 1, lambda: store.log(made[-1]))
        else:
            self._in_target(own, judge, lambda: store.log(made[-1]))
        return made[-1]

    def _in_target(self, own: StreamRun, judge: Callable[[], Epoch], log: Callable[[], None]) -> None:
        """Where the state is in the transactions of the only target."""
        (writer,) = own.writers
        assert isinstance(writer, DatabaseWriter)
        first = writer.beside

        def beside(epoch: Epoch) -> None:
            first(epoch)
            log()

        def made(held: object) -> Epoch:
            own.restore(writer.held())
            return judge()

        writer.beside = beside
        try:
            writer.move(made)
        finally:
            writer.beside = first

    def _with_decoders(self, work: Callable[[StreamRun], Made]) -> Made:
        """What is made with the decoders of letters, which know the files that were."""
        own = self.own
        assert own is not None
        before, own.compute.decoders = own.compute.decoders, self.decoders
        try:
            return work(own)
        finally:
            own.compute.decoders = before

    def _epoch(self, intent: Intent, letters: pa.RecordBatch) -> Epoch:
        marked = (range_ for range_ in intent.ranges if range_.log == _REPEAT)
        gone = {(*range_.at, position) for range_ in marked for position in positions_of(range_)}
        kept = letters.filter(pa.array([place not in gone for place in places_of(letters)], pa.bool_()))
        self.repeats += letters.num_rows - kept.num_rows
        return super()._epoch(intent, kept)


def _told(parts: Sequence[pa.RecordBatch], repeats: Sequence[pa.Array]) -> tuple[Range, ...]:
    """The ranges of letters, those of repeats marked."""
    ranges: list[Range] = []
    for letters, found in zip(parts, repeats, strict=True):
        gone = {*found.to_pylist()}
        mask = pa.array([place in gone for place in range(letters.num_rows)], pa.bool_())
        ranges += [replace(each, log=_REPEAT) for each in ranges_of(letters.filter(mask))]
        kept = pa.array([place not in gone for place in range(letters.num_rows)], pa.bool_())
        ranges += ranges_of(letters.filter(kept))
    return tuple(ranges)
