"""A watched folder for tests: files that are old enough to be whole, and facts in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from flowc.catalog import Column
from flowc.loadplan import FilesRead
from flowc.runtime.stores.files import Files
from flowc.runtime.systems.files.source import FileSource
from tests.memorystore import MemoryStore
from tests.waiting import PATIENCE

_OLD = 1_000_000_000


@dataclass
class Memory:
    """Facts that outlive a source."""

    kept: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        return dict(self.kept)

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.kept[name] for name in names if name in self.kept}

    def remember(self, facts: Mapping[str, str]) -> None:
        self.kept |= facts


Drop = Path | MemoryStore
"""Where a source finds its files."""


def put(folder: Path, name: str, text: str | bytes, age: int = 0) -> Path:
    """Writes a file whose modification is `age` seconds after a day long ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_packed(name, text))
    return aged(path, age)


def drop(into: Drop, name: str, text: str | bytes, age: int = 0) -> None:
    """Does the same in a store of any kind."""
    if isinstance(into, Path):
        put(into, name, text, age)
    else:
        into.put(name, _packed(name, text), (_OLD + age) * 10**9)


def remove(of: Drop, name: str) -> None:
    """Removes a file."""
    if isinstance(of, Path):
        (of / name).unlink()
    else:
        of.delete(name)


def _packed(name: str, text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    packed = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": _zstd}.get(Path(name).suffix)
    return packed(data) if packed else data


def aged(path: Path, age: int = 0) -> Path:
    """A file as if it had been modified then: a stream waits two seconds for one that is new."""
    os.utime(path, (_OLD + age, _OLD + age))
    return path


def _zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


def source(
    folder: Drop, facts: Memory, path: str = "*.csv", columns: tuple[Column, ...] | None = None, *,
    start: str = "earliest", once: bool = True, skips: bool = False, asked: tuple[str, ...] = (), **options: object,
) -> FileSource:  # fmt: skip
    """A source on a folder, or on a store in memory."""
    form = next((form for form in ("jsonl", "parquet") if form in path), "csv")
    read = FilesRead("drop", path, form, options, columns)
    files = Files({"uri": str(folder)}) if isinstance(folder, Path) else Files({}, store=folder)
    return FileSource("source", files, read, facts, columns=asked, start=start, once=once, skips=skips)


def drain(of: FileSource, at: int | None = None, max_rows: int = 1000) -> tuple[pa.Table, int]:
    """All messages from a position on, and the position behind them; ranges follow each other."""
    of.open()
    of.assign({} if at is None else {0: at})
    found, position = [], at or 0
    end = of.end_offsets()[0]
    deadline = time.monotonic() + PATIENCE
    while position < end and time.monotonic() < deadline:
        polled = of.poll(max_rows, 0.01)
        if polled is None:
            continue
        (range_,) = polled.ranges
        start = int(range_.start)
        assert start == position
        position = int(range_.end)
        offsets = polled.messages.column("_offset").to_pylist()
        assert offsets == sorted(set(offsets))
        assert all(start <= offset < position for offset in offsets)
        if polled.messages.num_rows:
            found.append(polled.messages)
    of.close()
    tables = [pa.Table.from_batches([batch]) for batch in found] or [pa.table({"_value": pa.array([], pa.binary())})]
    return pa.concat_tables(tables, promote_options="default"), position
