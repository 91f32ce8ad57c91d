"""The loop of a stream: read, compute, write, commit. Reading and computing the next epochs overlap with writing one.

```
reader of each source ──polled──▶ worker ──epoch──▶ commit (the caller's thread)
                        2 deep            2 deep
```

The parts that take time are native and let other threads run. What fails anywhere ends the loop with that error; what
was not committed is read again from what is stored.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from flowc.runtime.streams.epoch import Epoch, Intent, Partition, Range
from flowc.runtime.threads import thread

if TYPE_CHECKING:
    import pyarrow as pa

_DEPTH = 2
_TICK = 0.05


@dataclass(frozen=True, slots=True)
class Polled:
    """Messages of one source as they came, and the ranges that they are of.

    `intent` is there when they are read again for an epoch that was intended before.
    """

    source: str
    messages: pa.RecordBatch
    ranges: tuple[Range, ...]
    read_at: float
    intent: Intent | None = None
    oldest: float | None = None
    """When the first of the messages came to be, in seconds since 1970, where the source tells it cheaply."""


class Reader(Protocol):
    """Where messages of one source come from, from the position it was given on."""

    def poll(self, wait: float) -> Polled | None:
        """What is there, as soon as there is something; None when nothing came within `wait` seconds."""

    @property
    def ended(self) -> bool:
        """Whether all is read that there was when a run that ends began."""


class Seekable(Reader, Protocol):
    """A reader of one source that can be put anywhere."""

    @property
    def log(self) -> str:
        """What tells the log that is read from another of its name, as in `Range`; known after `seek`."""

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Goes to the stored positions; partitions without one begin where the stream starts."""

    def committed(self, positions: Mapping[Partition, int]) -> None:
        """Tells the broker what is stored, for those who watch lag."""

    def close(self) -> None:
        """Leaves. May be called twice."""


def _nothing() -> None:
    return


@dataclass
class Loop:
    """One run of one stream.

    `compute` makes an epoch of what was polled (None: of time that has passed); `commit` makes it durable.
    """

    readers: Sequence[Reader]
    compute: Callable[[Polled | None], Epoch | None]
    commit: Callable[[Epoch], None]
    wait: float = 0.02
    idle: Callable[[], None] = _nothing
    """Called again and again by the caller's thread while it has nothing to commit."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set from outside, it ends the run: reading stops at once, and what was read is written."""
    _broken: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)

    def run(self) -> int:
        """Runs until it is stopped or, in a run that ends, until the ends are reached; returns the number of epochs.

        Raises what failed in any of its threads.
        """
        raw: queue.Queue[Any] = queue.Queue(_DEPTH)
        ready: queue.Queue[Any] = queue.Queue(_DEPTH)
        reading = [thread("read", self._guard, self._read, reader, raw) for reader in self.readers]
        threads = [*reading, thread("work", self._guard, self._work, raw, ready, len(reading))]
        for each in threads:
            each.start()
        try:
            count = self._commit(ready)
        finally:
            self._broken.set()
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

    def _read(self, reader: Reader, raw: queue.Queue[Any]) -> None:
        while not (self._broken.is_set() or self.stopping.is_set()):
            polled = reader.poll(self.wait)
            ended = reader.ended
            if polled is not None or not ended:
                self._put(raw, (polled,))
            if ended:
                break  # what comes behind the end is not waited for
        self._put(raw, None)

    def _work(self, raw: queue.Queue[Any], ready: queue.Queue[Any], readers: int) -> None:
        while readers and not self._broken.is_set():
            taken = self._take(raw)
            if taken is None:
                readers -= 1
                continue
            epoch = self.compute(taken[0])
            if epoch is not None:
                self._put(ready, epoch)
        self._put(ready, None)

    def _commit(self, ready: queue.Queue[Any]) -> int:
        count = 0
        while (epoch := self._take(ready, self.idle)) is not None:
            self.commit(epoch)
            count += 1
        return count

    def _put(self, into: queue.Queue[Any], item: object) -> None:
        """Puts, unless the run is broken: then nobody takes any more."""
        while not self._broken.is_set():
            try:
                into.put(item, timeout=_TICK)
                return
            except queue.Full:
                continue

    def _take(self, source: queue.Queue[Any], idle: Callable[[], None] = _nothing) -> Any:
        while not self._broken.is_set():
            try:
                return source.get(timeout=_TICK)
            except queue.Empty:
                idle()
        return None
