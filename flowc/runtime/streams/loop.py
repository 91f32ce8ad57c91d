"""The loop of a stream: read, compute, write, commit. Reading and computing the next epochs overlap with writing one.

```
reader of each source ──polled──▶ worker ──epoch──▶ commit (the caller's thread)
                        a slot            2 deep
                        for each
```

The worker takes from the sources in turn. A reader goes on polling until it has messages in hand, so that a source is
silent only while nothing of it is waiting anywhere here.

The parts that take time are native and let other threads run. What fails anywhere ends the loop with that error; what
was not committed is read again from what is stored.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flowc.runtime.contracts.epoch import Epoch, Partition
from flowc.runtime.contracts.source import Polled
from flowc.runtime.threads import thread

if TYPE_CHECKING:
    pass

_DEPTH = 2
_TICK = 0.05


@dataclass(frozen=True, slots=True)
class Turn:
    """What the worker takes of one source: messages, or none."""

    source: str
    polled: Polled | None = None
    caught_up: bool = False
    """Whether all that was there is taken, so that what gave nothing is silent."""
    ended: tuple[str, ...] = ()
    """The sources of which all is taken that this run reads."""


class Reader(Protocol):
    """Where messages of one source come from, from the position it was given on."""

    def poll(self, wait: float) -> Polled | None:
        """What is there, as soon as there is something; None when nothing came within `wait` seconds."""

    @property
    def ended(self) -> bool:
        """Whether all is read that there was when a run that ends began."""

    @property
    def caught_up(self) -> bool:
        """Whether the last poll handed on all that was there. Not while the source cannot be read."""


class Seekable(Reader, Protocol):
    """A reader of one source that can be put anywhere."""

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name, as in `Range`; known after `seek`."""

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """What it reads that the source of that name, which may be itself, has read up to a position.

        Each item identifies the same content in all sources. Empty where `log` identifies what is read.
        """

    def seek(self, positions: Mapping[Partition, str]) -> None:
        """Goes to the stored positions; partitions without one begin where the stream starts."""

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        """Tells how far the stream is: behind what targets were given, and behind what will never be read again.

        Only what is durable may be acknowledged to a broker that forgets it then.
        """

    def close(self) -> None:
        """Leaves. May be called twice."""


@runtime_checkable
class Standing(Protocol):
    """A reader whose source depends on how the stream came to where it stands."""

    def stand(self, positions: Mapping[Partition, str], logs: Mapping[Partition, str]) -> None:
        """Learns where the stream stands. Called before `seek`, which may go to an earlier position."""

    @property
    def unedited(self) -> bool:
        """Whether it goes on to read by the `path` of the last epoch, and so nothing that it did not read before."""


def _nothing() -> None:
    return


@dataclass
class _Slot:
    """What one reader has for the worker."""

    source: str
    polled: deque[tuple[Polled, bool]] = field(default_factory=deque)
    """Messages, and whether the source was caught up behind them."""
    holds: bool = False
    """Whether its reader has more messages, for which there is no room here yet."""
    silent: bool | None = None
    """Whether the source was caught up in polls that gave nothing, where the worker has not taken that."""
    ended: bool = False


class _Inbox:
    """What the readers have for the worker, each in a slot of its own. All that is read here is read under its lock."""

    def __init__(self, sources: Iterable[str], broken: threading.Event) -> None:
        self._slots = {source: _Slot(source) for source in sources}
        self._room = max(_DEPTH // len(self._slots), 1)
        self._turns, self._broken, self._changed = deque(self._slots.values()), broken, threading.Condition()

    def put(self, source: str, polled: Polled | None, caught_up: bool) -> None:
        """Hands on what a poll gave; waits for room, but with nothing in hand."""
        slot = self._slots[source]
        with self._changed:
            if polled is None:
                slot.silent = caught_up
            else:
                slot.silent, slot.holds = None, True
                self._changed.wait_for(lambda: len(slot.polled) < self._room or self._broken.is_set())
                slot.polled.append((polled, caught_up))
                slot.holds = False
            self._changed.notify_all()

    def end(self, source: str) -> None:
        """No more comes of a source."""
        with self._changed:
            self._slots[source].ended = True
            self._changed.notify_all()

    def wake(self) -> None:
        """Ends all waiting, once the run is broken."""
        with self._changed:
            self._changed.notify_all()

    def take(self) -> Turn | None:
        """What there is of the source whose turn it is; None when all have ended, or the run is broken."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._broken.is_set() or len(self._over()) == len(self._turns) or self._next() is not None
            )
            slot = None if self._broken.is_set() else self._next()
            if slot is None:
                return None
            while self._turns[-1] is not slot:
                self._turns.rotate(-1)
            turn = self._taken(slot)
            self._changed.notify_all()
            return turn

    def _over(self) -> tuple[str, ...]:
        return tuple(slot.source for slot in self._turns if slot.ended and not slot.polled)

    def _next(self) -> _Slot | None:
        return next((slot for slot in self._turns if slot.polled or (slot.silent is not None and not slot.ended)), None)

    def _taken(self, slot: _Slot) -> Turn:
        if slot.polled:
            polled, caught_up = slot.polled.popleft()
            return Turn(slot.source, polled, caught_up and not slot.polled and not slot.holds, self._over())
        caught_up, slot.silent = bool(slot.silent), None
        return Turn(slot.source, None, caught_up, self._over())


@dataclass
class Loop:
    """One run of one stream. `readers` are told by the names of their sources.

    `compute` makes an epoch of what was polled, or of time that has passed; `commit` makes it durable.
    """

    readers: Mapping[str, Reader]
    compute: Callable[[Turn], Epoch | None]
    commit: Callable[[Epoch], None]
    wait: float = 0.02
    idle: Callable[[], None] = _nothing
    """Called again and again by the caller's thread while it has nothing to commit."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set from outside, it ends the run: reading stops at once, and what was read is written."""
    _broken: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)
    _turns: deque[str] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = deque(self.readers)

    @property
    def ended(self) -> bool:
        """Whether all is read, in a run that ends."""
        return all(reader.ended for reader in self.readers.values())

    def step(self) -> Epoch | None:
        """Does by itself what the threads of a run share: reads of the source whose turn it is, computes and commits.

        Gives the epoch that was made of that, if there was one.
        """
        source = self._turns[0]
        self._turns.rotate(-1)
        reader = self.readers[source]
        polled = None if reader.ended else reader.poll(self.wait)
        ended = tuple(name for name, each in self.readers.items() if each.ended)
        epoch = self.compute(Turn(source, polled, reader.caught_up, ended))
        if epoch is None:
            self.idle()
        else:
            self.commit(epoch)
        return epoch

    def run(self) -> int:
        """Runs until it is stopped or, in a run that ends, until the ends are reached; returns the number of epochs.

        Raises what failed in any of its threads.
        """
        inbox, ready = _Inbox(self.readers, self._broken), queue.Queue[Epoch | None](_DEPTH)
        reading = [thread("read", self._guard, self._read, source, inbox) for source in self.readers]
        threads = [*reading, thread("work", self._guard, self._work, inbox, ready)]
        for each in threads:
            each.start()
        try:
            count = self._commit(ready)
        finally:
            self._broken.set()
            inbox.wake()
            for each in threads:
                each.join()
        if self._failures:
            raise self._failures[0]
        return count

    def _guard(self, work: Callable[..., None], *given: Any) -> None:
        try:
            work(*given)
        except BaseException as error:  # of any sort: the caller's thread raises it
            self._failures.append(error)
            self._broken.set()

    def _read(self, source: str, inbox: _Inbox) -> None:
        reader = self.readers[source]
        while not (self._broken.is_set() or self.stopping.is_set()):
            polled = reader.poll(self.wait)
            ended = reader.ended
            if polled is not None or not ended:
                inbox.put(source, polled, reader.caught_up)
            if ended:
                break  # what comes behind the end is not waited for
        inbox.end(source)

    def _work(self, inbox: _Inbox, ready: queue.Queue[Epoch | None]) -> None:
        while (turn := inbox.take()) is not None:
            epoch = self.compute(turn)
            if epoch is not None:
                self._put(ready, epoch)
        self._put(ready, None)

    def _commit(self, ready: queue.Queue[Epoch | None]) -> int:
        count = 0
        while (epoch := self._take(ready)) is not None:
            self.commit(epoch)
            count += 1
        return count

    def _put(self, into: queue.Queue[Epoch | None], item: Epoch | None) -> None:
        """Puts, unless the run is broken: then nobody takes any more."""
        while not self._broken.is_set():
            try:
                into.put(item, timeout=_TICK)
                return
            except queue.Full:
                continue

    def _take(self, ready: queue.Queue[Epoch | None]) -> Epoch | None:
        while not self._broken.is_set():
            try:
                return ready.get(timeout=_TICK)
            except queue.Empty:
                self.idle()
        return None
