"""Rows of CSV files, read as streams read them: where bad ones are set aside, or bytes are not rows as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from flowc.catalog import Column
from flowc.loadplan import FilesRead
from flowc.runtime.arrow import arrow_field
from flowc.runtime.badrows import BadRow
from flowc.runtime.contracts.decoder import UNDECODABLE, Decoded
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.aside import Unread
from flowc.runtime.formats.csv.decode import CsvDecoder
from flowc.runtime.formats.csv.framing import csv_records
from flowc.runtime.formats.csv.header import csv_names
from flowc.runtime.formats.csv.options import csv_options
from flowc.runtime.formats.csv.quotes import Quoting
from flowc.runtime.formats.csv.types import Sample, inferred
from flowc.runtime.formats.framing import Records
from flowc.runtime.formats.pieces import Piece, Rows, at_once
from flowc.runtime.stores.files import Files, intact, no_columns
from flowc.types import TEXT, UNKNOWN


def rows(read: FilesRead, files: Files) -> Rows:
    """The rows of the CSV files of a read.

    Raises:
        EngineError: there is no file.
        UsageError: an option that CSV has not.
    """
    return CsvRows(read, files)


@dataclass
class CsvRows:
    """The rows of the CSV files of one read; see `flowc.runtime.formats.pieces.Rows`."""

    read: FilesRead
    files: Files

    def __post_init__(self) -> None:
        self.paths = self.files.find(self.read.path)
        self._options = csv_options(self.read, self.files)
        self._quoting = Quoting(self._options)
        self._guessed = self.read.inferred or self.read.columns is None
        columns = self._inferred() if self.read.columns is None else self.read.columns
        self._columns = tuple(replace(c, type=TEXT) if c.type == UNKNOWN else c for c in columns)
        self.schema = pa.schema([arrow_field(column) for column in self._columns])
        self.empty = tuple(column.name for column in columns if column.type == UNKNOWN)

    def pieces(self, path: File) -> Iterator[Piece]:
        """The rows of one file, some megabytes of lines at a time."""
        names = csv_names(path, self._options, self.read)
        if not names:
            return
        decoder = CsvDecoder(self._columns, self._options, {0: names}, self._guessed)
        for block, done in self._decoded(path, decoder, names):
            if block.long is not None:
                bad = Unread(block.end, b"", BadRow(0, UNDECODABLE, block.long.why))
                yield Piece(pa.RecordBatch.from_pylist([], schema=self.schema), np.array([], np.int64), (bad,))
                continue
            unread = tuple(
                Unread(block.lines[bad.index].as_py() + 1, block.values[bad.index].as_py(), bad) for bad in done.bad
            )
            arrays = [array.cast(field.type) for array, field in zip(done.batch.columns, self.schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            yield Piece(batch, block.lines.take(done.rows).to_numpy() + 1, unread)

    def _decoded(self, path: File, decoder: CsvDecoder, names: Sequence[str]) -> Iterator[tuple[Records, Decoded]]:
        for found in intact(path, csv_records(path, self._options, self._quoting, names)):
            for block in _apart(found, at_once(decoder.columns)):
                messages = pa.RecordBatch.from_arrays([block.values, block.lines], names=["_value", "_offset"])
                yield block, decoder.decode(messages.slice(0, 0) if block.long else messages)

    def _inferred(self) -> Sequence[Column]:
        """From the first rows of the files that can be read.

        Raises:
            DataError: the files disagree about a type, or none of them has a column.
        """
        samples, left = list[Sample](), self._options.infer_rows
        for path in self.paths:
            names = csv_names(path, self._options, self.read)
            if names and left > 0:
                rows = self._texts(path, names, left)
                samples.append(Sample(path, rows))
                left -= rows.num_rows
        if not samples:
            raise no_columns(self.paths[0])
        return inferred(samples, whole=left > 0)

    def _texts(self, path: File, names: Sequence[str], count: int) -> pa.Table:
        decoder = CsvDecoder(tuple(Column(name, TEXT) for name in names), self._options, {0: tuple(names)})
        kept, rows = list[pa.RecordBatch](), 0
        for _, done in self._decoded(path, decoder, names):
            kept.append(done.batch)
            rows += done.batch.num_rows
            if rows >= count:
                break
        return pa.Table.from_batches(kept, decoder.schema).slice(0, count)


def _apart(block: Records, count: int) -> Iterator[Records]:
    """All records of a block, so many at a time."""
    if len(block.values) <= count:
        yield block
        return
    for start in range(0, len(block.values), count):
        yield Records(block.values.slice(start, count), block.lines.slice(start, count), block.end)
