"""Rows of JSON files where those that cannot be read are set aside: batch by batch, and bad ones alone one by one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from flowc.catalog import Column
from flowc.plan import FilesRead
from flowc.runtime.aside import Unread
from flowc.runtime.badrows import MISSING, BadRow, isolate
from flowc.runtime.codecs.contract import UNDECODABLE
from flowc.runtime.connectors.files import BROKEN, Bytes, Files, unreadable
from flowc.runtime.fit import CODE, shorten
from flowc.runtime.jsonarray import Lines, json_lines
from flowc.runtime.jsonl import arrays_of, json_shape, parsed, wrong_in
from flowc.runtime.rowpieces import Piece


@dataclass
class JsonRows:
    """The rows of the JSON files of one read; see `flowc.runtime.rowpieces.Rows`."""

    read: FilesRead
    files: Files

    def __post_init__(self) -> None:
        self.paths = self.files.find(self.read.path)
        self._shape = json_shape(self.read, self.files, self.paths)
        self.schema = self._shape.schema
        self.empty: tuple[str, ...] = ()

    def pieces(self, path: Path) -> Iterator[Piece]:
        """The rows of one file, some megabytes of lines at a time."""
        try:
            for lines in json_lines(path):
                yield self._piece(lines)
        except BROKEN as error:
            raise unreadable(path, str(error)) from error

    def _piece(self, lines: Lines) -> Piece:
        try:
            batch = self._batch(lines.data)
            if batch.num_rows == len(lines.numbers):
                return Piece(batch, lines.numbers, ())
        except (ValueError, RecursionError):
            pass
        return self._sifted(lines)

    def _sifted(self, lines: Lines) -> Piece:
        texts, numbers = lines.texts, lines.numbers
        full = [i for i, text in enumerate(texts) if text.strip()]
        array, numbers = pa.array([texts[i] for i in full], pa.binary()), numbers[full]
        bad = sorted(isolate(self._check, array))
        good = np.setdiff1d(np.arange(len(array)), bad)
        batch = self._batch(_together(array.take(pa.array(good)))) if len(good) else self.schema.empty_table()
        unread = tuple(
            Unread(int(numbers[at]), array[at].as_py().strip(), self._why(at, array[at].as_py())) for at in bad
        )
        made = batch if isinstance(batch, pa.RecordBatch) else pa.RecordBatch.from_pylist([], schema=self.schema)
        return Piece(made, numbers[good], unread)

    def _check(self, part: pa.BinaryArray) -> None:
        try:
            batch = self._batch(_together(part))
        except RecursionError as error:
            raise ValueError(str(error)) from None
        if batch.num_rows != len(part):
            raise ValueError("it is not one JSON object")

    def _batch(self, data: bytes) -> pa.RecordBatch:
        stream: Bytes = io.BufferedReader(io.BytesIO(data))
        parts = [
            pa.RecordBatch.from_arrays(arrays_of(batch, self._shape), schema=self.schema)
            for batch in parsed(stream, self._shape.raw, guessed=self._shape.guessed)
        ]
        return pa.concat_batches(parts) if parts else pa.RecordBatch.from_pylist([], schema=self.schema)

    def _why(self, at: int, line: bytes) -> BadRow:
        why = wrong_in(line, self._shape) or "it is not one JSON object"
        return BadRow(at, UNDECODABLE, why) if isinstance(why, str) else _misfit(at, *why)


def _misfit(at: int, column: Column, value: object) -> BadRow:
    if value is None:
        return BadRow(at, MISSING, f"column `{column.name}` takes no NULL, and the row has no value for it")
    return BadRow(at, CODE, f"column `{column.name}`: {shorten(value)} does not fit `{column.type}`")


def _together(lines: pa.BinaryArray) -> bytes:
    return b"\n".join(lines.to_pylist()) + b"\n"
