"""An object store in memory, as bad as its contract allows: slow, late, and failing before and after it has acted."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowc.errors import TransientError
from flowc.runtime.contracts.store import Capabilities, Changed, Content, Entry
from flowc.runtime.stores.objects import ObjectStore


@dataclass(frozen=True)
class _Version:
    written: float
    """When it was written, by the clock of `time.monotonic`."""
    entry: Entry | None
    """None where the object was deleted."""
    data: bytes = b""


@dataclass
class Bucket:
    """Objects with all their versions, the last one of each at the end."""

    versions: dict[str, list[_Version]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)


@dataclass
class Failing:
    """Fails the n-th call that writes (of all, or of one name), before or after it has its effect; then no more."""

    after: int = 0
    effect: bool = False
    calls: str = ""

    def __call__(self, call: str, *, effect: bool) -> None:
        if effect == self.effect and self.calls in ("", call):
            self.after -= 1
            if self.after == -1:
                raise TransientError(f"the store failed in `{call}`", code="connection-lost")


@dataclass(eq=False)
class MemoryStore(ObjectStore):
    """A store on a bucket, which other stores share.

    With a `lag`, lists and reads answer at random from some moment in the last `lag` seconds; writes always know the
    last version. `latency` is added to each call.
    """

    bucket: Bucket = field(default_factory=Bucket)
    lag: float = 0.0
    latency: float = 0.0
    failing: Failing | None = None
    seed: int = 0
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def twin(self, failing: Failing | None = None) -> MemoryStore:
        """The store of another worker, on the same bucket."""
        return MemoryStore(self.bucket, self.lag, self.latency, failing, self.seed + 1)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(lag=self.lag)

    def shown(self, key: str = "") -> str:
        return f"memory://bucket/{key}"

    def _called(self, call: str, *, effect: bool = False, writes: bool = True) -> None:
        if not effect:
            self.calls.append(call)
            time.sleep(self.latency)
        if writes and self.failing is not None:
            self.failing(call, effect=effect)

    def _last(self, key: str) -> _Version | None:
        version = self.bucket.versions.get(key, [None])[-1]
        return version if version is not None and version.entry is not None else None

    def _seen(self, key: str) -> _Version | None:
        """The version that a read answers with."""
        now = time.monotonic() - (self._random.random() * self.lag if self._random.random() < 0.5 else 0)
        seen = [version for version in self.bucket.versions.get(key, []) if version.written <= now]
        return seen[-1] if seen and seen[-1].entry is not None else None

    def _found(self, key: str) -> tuple[Entry, bytes]:
        with self.bucket.lock:
            version = self._seen(key)
        if version is None or version.entry is None:
            raise FileNotFoundError(key)
        return version.entry, version.data

    def _add(self, key: str, data: bytes, mtime: int | None = None) -> str:
        etag = hashlib.md5(data).hexdigest()  # as S3 has it
        entry = Entry(key, len(data), time.time_ns() if mtime is None else mtime, etag)
        self.bucket.versions.setdefault(key, []).append(_Version(time.monotonic(), entry, data))
        return etag

    def put(self, key: str, data: bytes, mtime: int) -> None:
        """Writes an object as somebody else does, who changed it at that time."""
        with self.bucket.lock:
            self._add(key, data, mtime)

    def names(self) -> list[str]:
        """The keys of all objects that there are by now."""
        with self.bucket.lock:
            return sorted(key for key in self.bucket.versions if self._last(key))

    def data(self, key: str) -> bytes:
        """What is in an object by now."""
        version = self._last(key)
        assert version is not None
        return version.data

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        self._called("list", writes=False)
        with self.bucket.lock:
            seen = [self._seen(key) for key in sorted(self.bucket.versions) if key.startswith(prefix) and key > after]
        yield from (version.entry for version in seen if version is not None and version.entry is not None)

    def head(self, key: str) -> Entry:
        self._called("head", writes=False)
        return self._found(key)[0]

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        self._called("read", writes=False)
        with self.bucket.lock:
            versions = self.bucket.versions.get(entry.key, [])
            last = self._last(entry.key)
            if self.lag:  # a late answer is of the version that was asked for
                last = next((each for each in versions if each.entry == entry), last)
        if last is None:
            raise FileNotFoundError(entry.key)
        if last.entry != entry:
            raise Changed(self.shown(entry.key))
        return last.data[start:end]

    def get(self, key: str) -> Content:
        self._called("get", writes=False)
        entry, data = self._found(key)
        return Content(data, entry.etag)

    def create(self, key: str, data: bytes) -> str:
        self._called("create")
        with self.bucket.lock:
            if self._last(key) is not None:
                raise FileExistsError(key)
            etag = self._add(key, data)
        self._called("create", effect=True)
        return etag

    def upload(self, key: str, path: Path) -> None:
        self._called("upload")
        with self.bucket.lock:
            self._add(key, path.read_bytes())
        self._called("upload", effect=True)

    def replace(self, key: str, data: bytes, version: str) -> str:
        self._called("replace")
        with self.bucket.lock:
            last = self._last(key)
            if last is None or last.entry is None or last.entry.etag != version:
                raise Changed(self.shown(key))
            etag = self._add(key, data)
        self._called("replace", effect=True)
        return etag

    def delete(self, prefix: str) -> None:
        self._called("delete")
        with self.bucket.lock:
            for key, versions in self.bucket.versions.items():
                if (key == prefix or key.startswith(f"{prefix}/")) and self._last(key) is not None:
                    versions.append(_Version(time.monotonic(), None))
        self._called("delete", effect=True)

    def move(self, moves: Sequence[tuple[str, str]]) -> None:
        for former, key in moves:
            self._called("move")
            with self.bucket.lock:
                version = self._last(former)
                if version is not None and self._last(key) is None:
                    self._add(key, version.data)
            self._called("move", effect=True)
            self.delete(former)
