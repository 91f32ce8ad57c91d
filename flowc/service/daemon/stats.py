"""What a worker counts, and what it tells the daemon: lines of JSON over a pipe.

All counting is per epoch, never per row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowc.runtime.contracts.state import Saved

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of times, in seconds; one more bucket has none."""
PHASES = ("read", "process", "write", "commit")
"""What an epoch's time goes into. `read` holds the wait for messages, `process` decoding, operators and SQL."""


@dataclass
class Histogram:
    """Counts of times by bucket (not added up), and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one."""
        self.counts[next((i for i, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))] += 1
        self.total += seconds

    def plus(self, other: Histogram) -> Histogram:
        """Both together."""
        return Histogram([a + b for a, b in zip(self.counts, other.counts, strict=True)], self.total + other.total)

    def minus(self, other: Histogram) -> Histogram:
        """What came since `other`, an earlier state of this one."""
        return Histogram([a - b for a, b in zip(self.counts, other.counts, strict=True)], self.total - other.total)

    def quantile(self, share: float) -> float | None:
        """The upper bound of the bucket in which that share of the times ends; None without any, or beyond all."""
        left = share * sum(self.counts)
        if left == 0:
            return None
        for count, bound in zip(self.counts, BOUNDS, strict=False):
            left -= count
            if left <= 0:
                return bound
        return None


@dataclass
class Counts:
    """What only grows. `errors` counts attempts that failed and `retries` those that were begun again in the worker."""

    rows: int = 0
    messages: int = 0
    bytes: int = 0
    epochs: int = 0
    bad: int = 0
    dead: int = 0
    late: int = 0
    """Rows that came too late and were dropped."""
    late_letters: int = 0
    """Rows that came too late and went to dead letters."""
    errors: int = 0
    retries: int = 0
    phases: dict[str, Histogram] = field(default_factory=lambda: {phase: Histogram() for phase in PHASES})
    latency: Histogram = field(default_factory=Histogram)
    emitted: dict[str, int] = field(default_factory=dict)
    """Rows that came out of each window and join."""

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        numbers = {name: getattr(self, name) + getattr(other, name) for name in NUMBERS}
        phases = {phase: self.phases[phase].plus(other.phases[phase]) for phase in PHASES}
        emitted = dict(Counter(self.emitted) + Counter(other.emitted))
        return Counts(**numbers, phases=phases, latency=self.latency.plus(other.latency), emitted=emitted)


NUMBERS = ("rows", "messages", "bytes", "epochs", "bad", "dead", "late", "late_letters", "errors", "retries")
"""The plain numbers among the counts."""


@dataclass
class Report:
    """The state of a worker as it tells it: `running`, `degraded`, or `starting` while it connects.

    `lag` is the number of messages, per source and partition, that are in the log and not committed yet. `marks` are
    the watermarks of partitions, in microseconds since 1970, and `held` those that are paused until others catch up.
    """

    status: str = "starting"
    counts: Counts = field(default_factory=Counts)
    lag: dict[str, dict[int, int]] = field(default_factory=dict)
    watermark: int | None = None
    """That of the stream, where it keeps one."""
    marks: dict[str, dict[str, int]] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)
    behind: float = 0.0
    """Seconds that messages have waited for their commit, as far as the stream has seen them come."""
    trouble: str | None = None
    saved: Saved | None = None
    """What the stream remembers, and its last checkpoint; None where it has no store."""
    age: float = 0.0
    """How many seconds ago that was."""


@dataclass(frozen=True)
class InHand:
    """What a worker has read and not written: source, partition, log, start and end of each range; how many messages.

    `first` is where the first of them stands: source, partition, log and offset.
    """

    ranges: tuple[tuple[str, str, str, int, int], ...] = ()
    rows: int = 0
    first: tuple[str, str, str, int] | None = None
    written: tuple[tuple[str, str, str, int, int], ...] = ()
    """Ranges, the last that were in hand before, of which all is written now."""
    spared: bool = False
    """Whether it is a single message that is set aside, which nobody processes."""


@dataclass(frozen=True)
class Failure:
    """Why a worker gave up: a failure that starting again does not mend."""

    code: str
    message: str
    help: str | None = None
    details: tuple[str, ...] = ()
    data: bool = False
    """Whether its words may hold what is in messages, which operators alone may see."""


@dataclass(frozen=True)
class Event:
    """Something worth a line in the log. `level` is debug, info, warning or error."""

    level: str
    message: str
    stream: str | None = None
    worker: int | None = None
    fields: Mapping[str, str | int | float | None] = field(default_factory=dict)
    pipeline: str | None = None


@dataclass(frozen=True)
class PhaseTimes:
    """When a phase of an epoch began and ended, in nanoseconds since 1970. `write` and `commit` are of one target."""

    phase: str
    began: int
    ended: int
    target: str | None = None


@dataclass(frozen=True)
class EpochTimes:
    """An epoch that was sampled for a trace."""

    number: int
    messages: int
    rows: int
    phases: tuple[PhaseTimes, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of a process; `job` is the number of the worker in it that all but an event is of."""

    job: int | None = None
    report: Report | None = None
    event: Event | None = None
    failure: Failure | None = None
    hand: InHand | None = None
    epoch: EpochTimes | None = None
