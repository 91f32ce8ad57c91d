"""What is looked at every few seconds: memory, lag, latency; and what they come to at the end."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowc.service.daemon.stats import Histogram
from tests.daemons import Running, metrics

FLAT_MIB = 25.0
"""So much may memory grow over the second half, by its trend."""
_JUDGED = 120.0
"""Seconds that a run takes at least whose memory says something."""


@dataclass(frozen=True)
class Sample:
    """One look. Memory in MiB, times in seconds; latencies are upper bounds of the messages since the look before."""

    at: float
    status: str
    pid: int | None
    daemon_mib: float
    worker_mib: float | None
    sent: int
    rows: int
    lag: int
    restarts: int
    p50: float | None
    p99: float | None
    faults: str


@dataclass
class Sampler:
    """Looks at a daemon that runs one stream."""

    running: Running
    stream: str
    _latency: Histogram | None = None

    def look(self, at: float, sent: int, faults: str) -> Sample:
        """How it is now."""
        worker = self.running.worker(self.stream)
        lag = sum(sum(partitions.values()) for partitions in worker.get("lag", {}).values())
        before, self._latency = self._latency, self._latencies() or self._latency
        since = self._latency.minus(before) if self._latency and before else self._latency or Histogram()
        return Sample(
            round(at, 1), worker["status"], worker.get("pid"), resident(self.running.process.pid) or 0.0,
            resident(worker.get("pid")), sent, worker["rows"], lag, worker.get("restarts", 0),
            since.quantile(0.5), since.quantile(0.99), faults,
        )  # fmt: skip

    def _latencies(self) -> Histogram | None:
        """The daemon's own histogram, from its page for Prometheus."""
        status, text = self.running.page("/metrics")
        found = {key: value for key, value in metrics(text).items() if key[0].startswith("flowc_latency_seconds")}
        if status != 200 or not found:
            return None
        bounds = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
        added = [int(bounds[le]) for le in sorted(bounds, key=float)]
        counts = [count - before for count, before in zip(added, [0, *added], strict=False)]
        return Histogram(counts, 0.0)


def resident(pid: int | None) -> float | None:
    """The resident memory of a process in MiB; None when there is none."""
    status = Path(f"/proc/{pid}/status")
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return None
    kibibytes = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), None)
    return None if kibibytes is None else round(kibibytes / 1024, 1)


@dataclass(frozen=True)
class Memory:
    """The memory of one process over the second half of a run."""

    name: str
    peak_mib: float
    growth_mib: float
    """From the half to the end, by the trend: the slope of the line of least squares, times the time between."""
    flat: bool | None
    """None where the run was too short to tell."""


def memory(name: str, at: Sequence[float], mib: Sequence[float | None]) -> Memory:
    """Whether memory grew over the second half."""
    points = [(when, size) for when, size in zip(at, mib, strict=True) if size is not None]
    late = [(when, size) for when, size in points if when >= at[-1] / 2]
    peak = max((size for _, size in points), default=0.0)
    if at[-1] < _JUDGED or len(late) < 2:
        return Memory(name, peak, 0.0, None)
    times, sizes = zip(*late, strict=True)
    growth = statistics.linear_regression(times, sizes).slope * (times[-1] - times[0])
    return Memory(name, peak, round(growth, 1), growth < FLAT_MIB)
