"""What running daemons tell of streams: asked every few seconds, and kept for a while, for lines over time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

import msgspec

from flowc.durations import parse_instant
from flowc.errors import TransientError, UsageError

Status = Callable[[], Mapping[str, Any]]
"""Gives what `/status` of a daemon says. May raise TransientError."""
_EVERY = 5.0
_KEPT = 120
"""Moments that are kept of each stream: ten minutes."""
_KEYS = {
    "stream", "worker", "status", "rows", "messages", "epochs", "bad_rows", "late_rows", "dead_letters", "restarts",
    "trouble", "error", "lag", "latency_p50", "latency_p99", "watermarks",
}  # fmt: skip
"""What pages show of a worker."""
_MOST_BYTES = 16 << 20
_WAIT = 3.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A stream at one time: messages that are not read yet, and within how many seconds half and 99 of 100 were."""

    lag: int
    p50: float | None
    p99: float | None
    rows: int


@dataclass
class Daemons:
    """Asks daemons in a thread. What none of them runs by now has no workers."""

    sources: Sequence[Status]
    workers: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """What was told last, by stream."""
    troubles: tuple[str, ...] = ()
    """Why daemons did not answer."""
    _moments: dict[str, deque[Moment]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Asks from now on."""
        if self.sources:
            threading.Thread(target=self._run, name="flowc-web-daemons", daemon=True).start()

    def stop(self) -> None:
        """Asks no more."""
        self._stop.set()

    def moments(self, stream: str) -> list[Moment]:
        """A stream over time, the newest last."""
        return list(self._moments.get(stream, ()))

    def ask(self) -> None:
        """Asks all of them once."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        troubles = []
        for source in self.sources:
            try:
                for worker in _workers(source()):
                    found.setdefault(worker["stream"], []).append(worker)
            except TransientError as error:
                troubles.append(error.message)
        for stream, workers in found.items():
            self._moments.setdefault(stream, deque(maxlen=_KEPT)).append(_moment(workers))
        self.workers, self.troubles = found, tuple(troubles)

    def _run(self) -> None:
        self.ask()
        while not self._stop.wait(_EVERY):
            self.ask()


def _workers(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The workers of a daemon. Raises TransientError for what is no status, or one of another version."""
    found = status.get("workers") if isinstance(status, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) and each.keys() >= _KEYS for each in found):
        raise TransientError("a daemon answers what no `/status` of this version is", code="connection-failed")
    return found


def _moment(workers: Sequence[Mapping[str, Any]]) -> Moment:
    lag = sum(sum(partitions.values()) for worker in workers for partitions in worker["lag"].values())
    p50 = [worker["latency_p50"] for worker in workers if worker["latency_p50"] is not None]
    p99 = [worker["latency_p99"] for worker in workers if worker["latency_p99"] is not None]
    rows = sum(worker["rows"] for worker in workers)
    return Moment(lag, max(p50, default=None), max(p99, default=None), rows)


def watermarks(workers: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[tuple[str, str, str, timedelta | None]]:
    """Source, partition, watermark, and how far that is behind now."""
    for worker in workers:
        for source, partitions in worker.get("watermarks", {}).items():
            for partition, mark in partitions.items():
                at = parse_instant(mark) if mark else None
                yield source, str(partition), mark or "-", None if at is None else now - at


def status_at(url: str) -> Status:
    """Asks the daemon at an address, such as `http://127.0.0.1:9464`. Raises UsageError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        shown = f"{parts.scheme}:…" if "@" in url else url
        message = f"`{shown}` is no address of a daemon"
        raise UsageError(message, code="unusable-option", help="--daemon http://127.0.0.1:9464, as `--http` of its run")
    opener = build_opener(ProxyHandler({}))  # daemons are near, and no proxy is told of them

    def ask() -> Mapping[str, Any]:
        try:
            with opener.open(f"{url.rstrip('/')}/status", timeout=_WAIT) as answer:
                found: Mapping[str, Any] = msgspec.json.decode(answer.read(_MOST_BYTES))
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error)
            message = f"the daemon at {parts.netloc.rpartition('@')[2]} does not answer: {reason}"
            raise TransientError(message, code="connection-failed") from None
        return found

    return ask
