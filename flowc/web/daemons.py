"""What running daemons tell of streams: asked every few seconds, and kept for a while, for lines over time."""

from __future__ import annotations

import http.client
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from flowc.durations import parse_instant
from flowc.errors import TransientError, UsageError
from flowc.service.access.deadline import Deadline

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
_NUMBERS = ("rows", "messages", "epochs", "bad_rows", "late_rows", "dead_letters", "restarts")
_MOST_BYTES = 16 << 20
_LARGEST = 1e18
_WAIT = 3.0
"""Seconds that a daemon may be silent."""
_LONGEST = 10.0
"""Seconds that its whole answer may take."""
_STRANGE = "a daemon answers what no `/status` of this version is"


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
        by_stream: dict[str, list[Mapping[str, Any]]] = {}
        troubles = []
        for source in self.sources:
            try:
                for worker in _workers(source()):
                    by_stream.setdefault(worker["stream"], []).append(worker)
            except TransientError as error:
                troubles.append(error.message)
            except Exception as error:  # whatever it is, it is told by its name, and asked again
                troubles.append(f"{_STRANGE} ({type(error).__name__})")
        for stream, workers in by_stream.items():
            self._moments.setdefault(stream, deque(maxlen=_KEPT)).append(_moment(workers))
        self.workers, self.troubles = by_stream, tuple(troubles)

    def _run(self) -> None:
        self.ask()
        while not self._stop.wait(_EVERY):
            self.ask()


def _workers(status: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The workers of a daemon. Raises TransientError for what is no status, or one of another version."""
    workers = status.get("workers") if isinstance(status, dict) else None
    if not isinstance(workers, list) or not all(map(_is_worker, workers)):
        raise TransientError(_STRANGE, code="connection-failed")
    return workers


def _is_worker(worker: Any) -> bool:
    if not isinstance(worker, dict) or not worker.keys() >= _KEYS:
        return False
    texts = (worker["stream"], worker["status"], worker["trouble"] or "")
    latencies = [worker[name] for name in ("latency_p50", "latency_p99") if worker[name] is not None]
    error = worker["error"] or {"message": ""}
    return (
        all(isinstance(text, str) for text in texts)
        and all(map(_is_number, (*(worker[name] for name in _NUMBERS), *latencies)))
        and _is_by_partition(worker["lag"], _is_number)
        and _is_by_partition(worker["watermarks"], lambda mark: mark is None or isinstance(mark, str))
        and isinstance(error, dict) and isinstance(error.get("message"), str)
    )  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _is_by_partition(value: Any, good: Callable[[Any], bool]) -> bool:
    """Whether this is an object of sources, each with what is good of every partition."""
    return isinstance(value, dict) and all(
        isinstance(partitions, dict) and all(map(good, partitions.values())) for partitions in value.values()
    )


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
                instant = parse_instant(mark) if mark else None
                yield (
                    source,
                    str(partition),
                    mark if instant is not None else "-",
                    None if instant is None else now - instant,
                )


def status_at(url: str) -> Status:
    """Asks the daemon at an address, such as `http://127.0.0.1:9464`. Raises UsageError for what is none."""
    parts = _address(url)

    def ask() -> Mapping[str, Any]:
        try:
            status: Mapping[str, Any] = msgspec.json.decode(_read(parts))
        except (OSError, ValueError, http.client.HTTPException) as error:
            message = f"the daemon at {parts.netloc} does not answer: {str(error)[:200] or type(error).__name__}"
            raise TransientError(message, code="connection-failed") from None
        return status

    return ask


def _address(url: str) -> SplitResult:
    help = "--daemon http://127.0.0.1:9464, as `--http` of its run"
    try:
        parts = urlsplit(url)
        good = parts.port != 0 and bool(parts.hostname) and parts.scheme in ("http", "https")
    except ValueError:
        parts, good = SplitResult("", "", "", "", ""), False
    if not good or parts.query or parts.fragment or re.search(r"[^!-~]", url):
        shown = "`--daemon`" if "@" in url else f"`{url}`"
        raise UsageError(f"{shown} is no address of a daemon", code="unusable-option", help=help)
    if "@" in parts.netloc:
        message = "a daemon takes no user and no password, and the address in `--daemon` has them"
        raise UsageError(message, code="unusable-option", help=help)
    return parts


def _read(parts: SplitResult) -> bytes:
    """What a daemon answers, and nobody else: no proxy is asked, and no redirect gone after.

    Raises OSError, ValueError or HTTPException where that is nothing, too long, or takes too long.
    """
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    deadline = Deadline()
    link = deadline.minded(kind)(parts.hostname or "", parts.port, timeout=_WAIT)
    with deadline.within(_LONGEST), closing(link) as connection:
        connection.request("GET", f"{parts.path.rstrip('/')}/status")
        answer = connection.getresponse()
        body: bytes = answer.read(_MOST_BYTES + 1)
    if answer.status != 200 or len(body) > _MOST_BYTES:
        raise ValueError(f"it answers {answer.status}" if answer.status != 200 else "it answers too much")
    return body
