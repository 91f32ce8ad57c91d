"""Files that grow batch by batch in bounded memory, one class for each family of formats."""

from __future__ import annotations

import importlib
import lzma
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.formats.native import native, native_type
from flowc.runtime.formats.valuetext import CsvWords, Lines, json_lines
from flowc.runtime.stores.local import sync
from flowc.stream import FilesTarget

_GROUP_ROWS, _GROUP_BYTES = 122_880, 16 << 20
"""A row group is written when so much has come together."""
_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "lz4": ".lz4", "xz": ".xz", "brotli": ".br"}
_CODECS = {"bzip2": "bz2"}
_DEFAULTS = {"parquet": "zstd", "orc": "zstd", "csv": "none", "jsonl": "none"}


class Growing(Protocol):
    """One file that is being written. `held` are the bytes in memory, `size` those and what is in the file."""

    rows: int

    @property
    def held(self) -> int: ...

    @property
    def size(self) -> int: ...

    def write(self, rows: pa.RecordBatch) -> None:
        """Takes rows, fitted to the columns of the file."""

    def spill(self) -> None:
        """Writes what is in memory."""

    def finish(self) -> None:
        """Ends the file; it is on the disk."""

    def abandon(self) -> None:
        """Lets go of a file that nobody wants."""


class TextFile:
    """CSV or JSON lines."""

    def __init__(self, path: Path, lines: Lines, first: bytes, compression: str) -> None:
        self.rows = 0
        self._path, self._lines = path, lines
        self._raw = path.open("wb")
        self._stream: Any = self._compressed(compression)
        self._stream.write(first)

    def _compressed(self, how: str) -> Any:
        if how == "none":
            return self._raw
        if how == "xz":
            return lzma.LZMAFile(self._raw, "wb")
        return pa.CompressedOutputStream(pa.PythonFile(self._raw, "w"), _CODECS.get(how, how))

    @property
    def held(self) -> int:
        return 0

    @property
    def size(self) -> int:
        return self._raw.tell()

    def write(self, rows: pa.RecordBatch) -> None:
        self.rows += rows.num_rows
        self._stream.write(self._lines(rows))

    def spill(self) -> None:
        """Nothing is kept in memory."""

    def finish(self) -> None:
        self._stream.close()
        self._raw.close()
        sync(self._path)

    def abandon(self) -> None:
        _discard(self._raw)
        with suppress(pa.ArrowException):  # some cannot end what they failed to write
            self._stream.close()
        self._raw.close()


class ColumnFile:
    """Parquet or ORC, whose rows are written in groups."""

    def __init__(self, path: Path, columns: Sequence[Column], form: str, compression: str) -> None:
        self.rows = 0
        self._path, self._columns, self._form = path, columns, form
        self._schema = pa.schema([pa.field(c.name, native_type(c.type, form)) for c in columns])
        self._stream = path.open("wb")
        self._writer: Any = self._opened(compression)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def _opened(self, how: str) -> Any:
        if self._form == "parquet":
            return importlib.import_module("pyarrow.parquet").ParquetWriter(self._stream, self._schema, compression=how)
        named = {"none": "uncompressed", "gzip": "zlib"}.get(how, how)
        return importlib.import_module("pyarrow.orc").ORCWriter(
            self._stream, compression=named, stripe_size=_GROUP_BYTES
        )

    @property
    def held(self) -> int:
        return self._bytes

    @property
    def size(self) -> int:
        return self._stream.tell() + self._bytes

    def write(self, rows: pa.RecordBatch) -> None:
        arrays = [native(a, c, c.type, self._form) for a, c in zip(rows.columns, self._columns, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._waiting.append(batch)
        self.rows += batch.num_rows
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self.spill()

    def spill(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).combine_chunks()
            self._waiting, self._rows, self._bytes = [], 0, 0
            self._writer.write(table) if self._form == "orc" else self._writer.write_table(table, table.num_rows)

    def finish(self) -> None:
        self.spill()
        if self._form == "orc" and not self.rows:
            self._writer.write(self._schema.empty_table())
        self._writer.close()
        self._stream.close()
        sync(self._path)

    def abandon(self) -> None:
        self._waiting = []
        self._writer.is_open = False  # else its end writes a footer into the closed file
        _discard(self._stream)
        self._stream.close()


def _discard(file: BinaryIO) -> None:
    """Has all that is yet written to a file go nowhere: on a full disk, its end would fail as well."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), file.fileno())


def maker(plan: FilesTarget, columns: Sequence[Column]) -> Callable[[Path], Growing]:
    """What begins a file with the rows of `columns`."""
    how = str(plan.write.get("compression", _DEFAULTS[plan.format]))
    if plan.format in ("parquet", "orc"):
        return lambda path: ColumnFile(path, columns, plan.format, how)
    if plan.format == "jsonl":
        return lambda path: TextFile(path, json_lines(columns), b"", how)
    words = CsvWords.of(plan.write)
    return lambda path: TextFile(path, words.lines(columns), words.first_line(columns), how)


def extension(plan: FilesTarget) -> str:
    """How the names of the files end."""
    how = str(plan.write.get("compression", _DEFAULTS[plan.format]))
    return f".{plan.format}" + (_EXTENSIONS.get(how, "") if plan.format in ("csv", "jsonl") else "")
