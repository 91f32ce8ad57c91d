"""Rows of files of pairs in a load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from flowc.loadplan import FilesRead
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.aside import Unread
from flowc.runtime.formats.pieces import Piece, Rows
from flowc.runtime.stores.files import Files
from tests.keyvalue.decode import KeyValueDecoder
from tests.keyvalue.discover import discover
from tests.keyvalue.framing import KeyValueFraming


def rows(read: FilesRead, files: Files) -> Rows:
    """The rows of the files of a read; without declared columns, all keys of the first file are text."""
    return KeyValueRows(read, files)


@dataclass
class KeyValueRows:
    """The rows of the files of one read; see `flowc.runtime.formats.pieces.Rows`."""

    read: FilesRead
    files: Files
    empty: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.paths = self.files.find(self.read.path)
        self.columns = self.read.columns or discover(next(KeyValueFraming().records(self.paths[0], 0, ())).values)
        self.schema = arrow_schema(self.columns)

    def pieces(self, path: File) -> Iterator[Piece]:
        """The rows of one file, some megabytes at a time."""
        decoder = KeyValueDecoder(tuple(self.columns), {})
        for block in KeyValueFraming().records(path, 0, ()):
            decoded = decoder.decode(block.values)
            lines, values = block.lines.to_pylist(), block.values.to_pylist()
            bad = tuple(Unread(lines[row.index] + 1, values[row.index], row) for row in decoded.bad)
            arrays = [array.cast(of.type) for array, of in zip(decoded.batch.columns, self.schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            yield Piece(batch, block.lines.take(decoded.rows).to_numpy() + 1, bad)
