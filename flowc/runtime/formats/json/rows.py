"""Rows of JSON files, batch by batch; those that cannot be read are found alone, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa

from flowc.catalog import Column
from flowc.loadplan import FilesRead
from flowc.runtime.badrows import MISSING, BadRow, isolate, refused
from flowc.runtime.contracts.decoder import UNDECODABLE
from flowc.runtime.contracts.store import File
from flowc.runtime.fit import CODE, shorten
from flowc.runtime.formats.aside import Unread, place
from flowc.runtime.formats.json.framing import Lines, json_lines
from flowc.runtime.formats.json.lines import json_shape, rows_of, told, wrong_in
from flowc.runtime.formats.json.options import json_options
from flowc.runtime.formats.pieces import Piece, Rows, at_once
from flowc.runtime.stores.files import Files, intact


def rows(read: FilesRead, files: Files) -> Rows:
    """The rows of the JSON files of a read.

    Raises:
        EngineError: there is no file.
        UsageError: an option that JSON has not.
    """
    return JsonRows(read, files)


@dataclass
class JsonRows:
    """The rows of the JSON files of one read; see `flowc.runtime.formats.pieces.Rows`."""

    read: FilesRead
    files: Files

    def __post_init__(self) -> None:
        self.paths = self.files.find(self.read.path)
        self._options = json_options(self.read, self.files)
        self._shape = json_shape(self.read, self._options, self.paths)
        self.schema = self._shape.schema
        self.empty: tuple[str, ...] = ()

    def pieces(self, path: File) -> Iterator[Piece]:
        """The rows of one file, some megabytes of lines at a time."""
        for lines in intact(path, json_lines(path, self._options.max_line)):
            for part in lines.apart(at_once(self._shape.columns)):
                yield self._piece(path, part)

    def _piece(self, path: File, lines: Lines) -> Piece:
        if lines.long is not None:
            bad = Unread(int(lines.numbers[0]), b"", BadRow(0, UNDECODABLE, lines.long.why), element=lines.nth(0))
            return Piece(self._none(), lines.numbers[:0], (bad,))
        try:
            return Piece(self._batch(lines.data, len(lines.numbers)), lines.numbers, (), lines.elements)
        except (ValueError, RecursionError):
            return self._sifted(path, lines)

    def _sifted(self, path: File, lines: Lines) -> Piece:
        texts = [text.strip() for text in lines.texts]
        full = [i for i, text in enumerate(texts) if text]
        array = pa.array([texts[i] for i in full], pa.binary())
        bad = sorted(isolate(self._check, array)) if self.read.skips else self._first_bad(array)
        unread = tuple(self._unread(path, lines, full[at], at, array[at].as_py()) for at in bad)
        if bad and not self.read.skips:
            return Piece(self._none(), lines.numbers[:0], unread)
        good = np.setdiff1d(np.arange(len(array)), bad)
        batch = self._batch(_together(array.take(pa.array(good))), len(good)) if len(good) else self._none()
        kept = np.array(full, np.int64)[good]
        return Piece(batch, lines.numbers[kept], unread, None if lines.elements is None else lines.elements[kept])

    def _none(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([], schema=self.schema)

    def _first_bad(self, array: pa.BinaryArray) -> list[int]:
        """The one that ends the load: of others nobody asks."""
        if not len(array):
            return []
        return [at for at, _ in islice(refused(self._check, array), 1)]

    def _check(self, part: pa.BinaryArray) -> None:
        try:
            self._batch(_together(part), len(part))
        except RecursionError as error:
            raise ValueError(str(error)) from None

    def _batch(self, data: bytes, count: int) -> pa.RecordBatch:
        batch = rows_of(data if data.endswith(b"\n") else data + b"\n", self._shape)
        if batch.num_rows != count:
            raise ValueError("it is not one JSON object")
        return batch

    def _unread(self, path: File, lines: Lines, index: int, at: int, line: bytes) -> Unread:
        why = wrong_in(line, self._shape) or "it is not one JSON object"
        row = BadRow(at, UNDECODABLE, why) if isinstance(why, str) else _misfit(at, *why)
        number, element = int(lines.numbers[index]), lines.nth(index)
        return Unread(number, line, row, told(path, place(number, element), why, self._shape), element)


def _misfit(at: int, column: Column, value: object) -> BadRow:
    if value is None:
        return BadRow(at, MISSING, f"column `{column.name}` takes no NULL, and the row has no value for it")
    return BadRow(at, CODE, f"column `{column.name}`: {shorten(value)} does not fit `{column.type}`")


def _together(lines: pa.BinaryArray) -> bytes:
    return b"\n".join(lines.to_pylist()) + b"\n"
