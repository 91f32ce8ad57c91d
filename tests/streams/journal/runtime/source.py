"""Reads a journal: each of its rows is a message, whose position is the number of rows before it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flowc.errors import EngineError
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.opening import Opened, Opening
from flowc.runtime.contracts.source import Membership, NumberedSource, Polled, start_time
from flowc.stream import MAX_BYTES
from tests.streams.samples.columns import with_columns


@dataclass
class JournalSource:
    """One journal, which is one partition; see `flowc.runtime.contracts.source.PlacedSource`."""

    name: str
    path: Path
    start: str
    columns: tuple[str, ...]
    log: str = ""
    _at: int = field(default=0, init=False)
    _unread: bool = field(default=True, init=False)
    """Whether no range was returned yet."""

    def read_by(self, former: str, position: str, log: str) -> frozenset[str]:
        """Nothing tells one journal from another."""
        return frozenset()

    def open(self) -> None:
        """Nothing stays open."""

    def close(self) -> None:
        """Nothing is open."""

    def assign(self, positions: Mapping[int, int]) -> None:
        """Reads on behind a number of rows."""
        self._at, self._unread = (positions or self.starting(self.start))[0], not positions
        if self._at > len(_rows(self.path)):
            raise EngineError(f"`{self.path.name}` has no row {self._at} yet", code="position-beyond-end")

    def join(self, membership: Membership[int]) -> None:
        """One member has all there is."""
        self.assign(membership.stored())

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        """The next rows."""
        rows = _rows(self.path)[self._at : self._at + max_rows]
        if not rows and not self._unread:
            time.sleep(min(max_wait, 0.1))
            return None
        start, self._at, self._unread = self._at, self._at + len(rows), False
        columns = {
            "_value": pa.array(rows, pa.binary()),
            "_partition": pa.array([0] * len(rows), pa.int32()),
            "_offset": pa.array(range(start, self._at), pa.int64()),
            "_event_ts": pa.nulls(len(rows), pa.timestamp("us", "UTC")),
        }
        messages = with_columns(pa.RecordBatch.from_pydict(columns), self.columns)
        return Polled(self.name, messages, (Range(self.name, "0", str(start), str(self._at)),), time.time())

    @property
    def caught_up(self) -> bool:
        """Whether no more is there."""
        return not self.behind

    @property
    def behind(self) -> frozenset[int]:
        """The partition, where it has more."""
        return frozenset({0} if self._at < len(_rows(self.path)) else ())

    def pause(self, partitions: Iterable[int]) -> None:
        """Nothing is read ahead."""

    def resume(self, partitions: Iterable[int]) -> None:
        """Nothing was paused."""

    def positions(self) -> Mapping[int, int]:
        """How many rows were read."""
        return {0: self._at}

    def starting(self, start: str) -> Mapping[int, int]:
        """Rows have no time: an instant is where the journal begins."""
        start_time(start)
        return self.end_offsets() if start == "latest" else {0: 0}

    def end_offsets(self) -> Mapping[int, int]:
        """How many rows there are."""
        return {0: len(_rows(self.path))}

    def commit(self, written: Mapping[int, int], durable: Mapping[int, int]) -> None:
        """Nothing is forgotten."""


def _rows(path: Path) -> list[bytes]:
    """The rows of all whole lines."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.dumps(row).encode() for line in whole.splitlines() for row in json.loads(line)["rows"]]


def open_source(opening: Opening) -> Opened:
    """A journal below the folder of its connection."""
    path = Path(str(opening.options["uri"])) / opening.plan.address
    return Opened(NumberedSource(JournalSource(opening.plan.name, path, opening.start, opening.columns)))


def reach(options: Mapping[str, object]) -> str:
    """How many journals there are."""
    return f"{len(list(Path(str(options['uri'])).glob('*')))} journals"
