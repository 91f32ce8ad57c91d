"""Samples epochs for traces: of a share of them, the phases are timed and told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from flowc.runtime.contracts.epoch import Epoch, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.tracing import Span
from flowc.service.daemon.stats import EpochTimes, PhaseTimes


def _nobody(_epoch: EpochTimes) -> None:
    return


@dataclass
class Sampling:
    """Picks one of `1 / share` epochs as its messages are read, and tells of it when it is committed.

    An epoch that time alone brought, without messages, is not picked. The thread that reads, the one that computes and
    the one that writes each do their part.
    """

    share: float = 0.0
    tell: Callable[[EpochTimes], None] = _nobody
    _read: dict[tuple[Range, ...], PhaseTimes] = field(default_factory=dict)
    _phases: dict[int, list[PhaseTimes]] = field(default_factory=dict)

    def begin(self) -> None:
        """A new attempt: what was in hand is read again."""
        self._read.clear()
        self._phases.clear()

    def read(self, polled: Polled, seconds: float) -> None:
        """Messages came, after so long."""
        if self.share and random.random() < self.share:
            self._read[polled.ranges] = _ago("read", seconds)

    def processed(self, polled: Polled, epoch: Epoch, seconds: float) -> None:
        """An epoch was made of them."""
        if self._read and (read := self._read.pop(polled.ranges, None)) is not None:
            self._phases[epoch.number] = [read, _ago("process", seconds)]

    def wrote(self, epoch: Epoch, target: str, seconds: float, commit: float) -> None:
        """A target took the epoch; so many of the seconds were the commit, which came last."""
        if not self._phases or (phases := self._phases.get(epoch.number)) is None:
            return
        write = _ago("write", seconds, target)
        at = write.ended - int(commit * 1e9)
        phases.append(replace(write, ended=at))
        if commit:
            phases.append(PhaseTimes("commit", at, write.ended, target))

    def written(self, epoch: Epoch) -> None:
        """All targets have it."""
        if self._phases and (phases := self._phases.pop(epoch.number, None)) is not None:
            self.tell(EpochTimes(epoch.number, epoch.messages, epoch.rows.num_rows, tuple(phases)))


def _ago(phase: str, seconds: float, target: str | None = None) -> PhaseTimes:
    """A phase that ends now."""
    now = time.time_ns()
    return PhaseTimes(phase, now - int(seconds * 1e9), now, target)


def trace_epoch(span: Span, stream: str, worker: int, epoch: EpochTimes) -> None:
    """Makes spans of an epoch: one of it all, and one of each phase below it."""
    times = epoch.phases
    said: dict[str, str | int] = {"flowc.stream": stream, "flowc.worker": worker, "flowc.epoch": epoch.number}
    own = span.child(f"epoch {stream}", {**said, "flowc.messages": epoch.messages, "flowc.rows": epoch.rows},
                     min(each.began for each in times))  # fmt: skip
    for each in times:
        where = {"flowc.target": each.target} if each.target is not None else {}
        own.child(each.phase, where, each.began).end(ended=each.ended)
    own.end(ended=max(each.ended for each in times))
