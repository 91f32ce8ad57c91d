"""Writes epochs into files of a folder: rows of many epochs in one file, each row in one file once.

A file counts when `log` says so, and that it says of all files up to an epoch at once. What was not published is
gone after a crash and is replayed from the intents of the epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flowc.catalog import Column
from flowc.locations import local_path
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.marks import Mark
from flowc.runtime.contracts.store import Store
from flowc.runtime.contracts.target import Held, TargetOpening, Writer
from flowc.runtime.fit import fit
from flowc.runtime.formats.encoding import OpenFile
from flowc.runtime.rolling import Rolling
from flowc.runtime.stores.local import LocalStore, sync
from flowc.runtime.systems.files.formats import extension, maker
from flowc.runtime.systems.files.hive import split
from flowc.runtime.systems.files.log import FileLog, speaking
from flowc.stream import FilesTarget

_OPEN_FILES = 100
_HELD_BYTES = 64 << 20
"""Memory for rows that wait for their row group, over all files."""


def _nothing(_: object) -> None:
    return


@dataclass
class FilesWriter:
    """One folder of one stream; see `flowc.runtime.contracts.target.Writer`. `uri` is the connection's."""

    plan: FilesTarget
    stream: str
    uri: str
    pause: Callable[[str], None] = _nothing
    """Called with the name of each point between two steps; campaigns of crashes hook in here."""
    was: str = ""
    """The name under which the stream was stored before its project was renamed."""
    store: Store | None = None
    """Where the connection's files are, where that is no folder of this machine."""
    _log: FileLog = field(init=False)
    _rolling: Rolling = field(init=False)
    _growing: dict[str, tuple[Path, OpenFile]] = field(default_factory=dict, init=False)
    _finished: list[tuple[Path, str]] = field(default_factory=list, init=False)
    """Files that are whole and not published: the draft, and the folder of its partition."""
    _first: int = field(default=0, init=False)
    _full: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        store = self.store or LocalStore(Path(local_path(self.uri, "`uri`")))
        self._log = FileLog(store, self.plan.address, self.stream, self.pause, self.was)
        self._rolling = Rolling(self._publish, self.plan.roll.age)
        self._columns = tuple(c for c in self.plan.columns if c.name not in self.plan.partition_by)
        self._make = maker(self.plan, self._columns)

    _columns: tuple[Column, ...] = field(init=False)
    _make: Callable[[Path], OpenFile] = field(init=False)

    @property
    def mark(self) -> Mark:
        """The last durable epoch."""
        return Mark(self._log.epoch)

    def open(self) -> Held:
        """Takes the folder over; gives the last durable epoch."""
        with self._rolling.lock:
            self._forget()
            held = self._log.open()
            self._first = held + 1
            self._rolling.begin(held)
            return Held(held)

    def fence(self) -> None:
        """Takes the folder over, where a worker has opened it."""
        if self._log.is_begun:
            self.open()

    def look(self) -> Held:
        """The last durable epoch; the folder stays whose it is."""
        with speaking(self._log.place):
            return Held(self._log.look())

    def write(self, epoch: Epoch) -> int:
        """Takes an epoch, and publishes it with those before it when a file is full."""
        with self._rolling.taking(), speaking(self._log.place):
            for folder, rows in split(fit(epoch.rows, self.plan.columns), self.plan.partition_by):
                for piece in self._pieces(folder, rows):
                    self._growing[folder][1].write(piece)
            self._limit()
            self.pause("taken")
            return self._rolling.took(epoch.number, rows=epoch.rows.num_rows, full=self._is_full())

    def flush(self) -> int:
        """Publishes what was taken."""
        with speaking(self._log.place):
            return self._rolling.flush()

    def check(self) -> None:
        """Raises what failed since the last call."""
        self._rolling.check()

    def close(self) -> None:
        """Leaves; what was not published is forgotten."""
        with self._rolling.lock:
            self._rolling.stop()
            self._forget()
            self._log.leave()

    def _pieces(self, folder: str, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows in pieces, each for the file that is open then: none becomes longer than `roll.rows`."""
        start, limit = 0, self.plan.roll.rows
        while start < rows.num_rows:
            _, file = self._growing.get(folder) or self._begin(folder)
            room = rows.num_rows if limit is None else limit - file.rows
            yield rows.slice(start, room)
            start += room
            if limit is not None and file.rows >= limit:
                self._finish(folder)
                self._full = True

    def _begin(self, folder: str) -> tuple[Path, OpenFile]:
        if len(self._growing) >= _OPEN_FILES:
            self._finish(max(self._growing, key=lambda name: self._growing[name][1].size))
        draft = self._log.draft()
        self._growing[folder] = draft, self._make(draft)
        return self._growing[folder]

    def _finish(self, folder: str) -> None:
        draft, file = self._growing.pop(folder)
        file.finish()
        sync(draft)
        self._log.finish(draft)
        self._finished.append((draft, folder))

    def _limit(self) -> None:
        """Keeps memory within its bounds."""
        if sum(file.held for _, file in self._growing.values()) > _HELD_BYTES:
            for _, file in self._growing.values():
                file.spill()

    def _is_full(self) -> bool:
        size = self.plan.roll.bytes
        return self._full or (size is not None and any(file.size >= size for _, file in self._growing.values()))

    def _publish(self, number: int) -> None:
        with speaking(self._log.place):
            for folder in list(self._growing):
                self._finish(folder)
            self._log.commit(number, list(self._named(number)))
        self._finished, self._first, self._full = [], number + 1, False

    def _named(self, last: int) -> Iterator[tuple[Path, str]]:
        """The finished files with their names: the stream, the epochs, and their number among those."""
        for part, (draft, folder) in enumerate(self._finished):
            name = f"{self._log.label}-{self._first:010}-{last:010}-{part:04}{extension(self.plan)}"
            yield draft, f"{folder}/{name}" if folder else name

    def _forget(self) -> None:
        for _, file in self._growing.values():
            file.abandon()
        self._growing, self._finished, self._full = {}, [], False


def open_target(opening: TargetOpening) -> Writer:
    """A folder of files."""
    assert isinstance(opening.plan, FilesTarget)
    uri = str(opening.options.get("uri", "."))
    return FilesWriter(opening.plan, opening.stream, uri, opening.pause, opening.former)
