"""Segments: what changed in one key group since the segment before, as bytes, and several of them made into one.

A segment is read in the order in which it was written: rows before its `floor` leave, then those that are `gone`, and
then its own rows come. So any neighbours can be made one without knowing what the rows mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from flowc.errors import EngineError
from flowc.runtime.streams.keyed.runs import Run

NEVER = -(2**63)
"""A floor before which there is nothing."""
_MAGIC = b"fks2"
"""What a segment begins with; another format begins with something else."""
_HEAD = struct.Struct("<4sII4xq")
"""That, how many rows, how many that are gone, and the floor. Columns of 64 bits follow, then values as Arrow."""
_COLUMNS = ("<u8", "<u8", "<i8", "<i8")


@dataclass(frozen=True)
class Piece:
    """One segment: rows with their values, the numbers of rows that are gone, and the time before which all are."""

    rows: Run
    values: pa.RecordBatch | None = None
    gone: Any = field(default_factory=lambda: np.empty(0, np.int64))
    floor: int = NEVER

    def __len__(self) -> int:
        return len(self.rows)

    def data(self) -> bytes:
        """The segment as bytes: a few more than its rows take, for many segments are small."""
        columns = (c.astype(kind, copy=False).tobytes() for c, kind in zip(self.rows.columns, _COLUMNS, strict=True))
        head = _HEAD.pack(_MAGIC, len(self), len(self.gone), self.floor)
        return b"".join((head, *columns, self.gone.astype("<i8", copy=False).tobytes(), self._values()))

    def _values(self) -> bytes:
        if self.values is None:
            return b""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.values.schema) as writer:
            writer.write_batch(self.values)
        return bytes(sink.getvalue())

    def where(self, chosen: Any) -> Piece:
        """Some of its rows."""
        values = self.values.filter(pa.array(chosen)) if self.values is not None else None
        return Piece(self.rows.where(chosen), values, self.gone, self.floor)

    def then(self, later: Piece) -> Piece:
        """Both as one segment."""
        stays = (self.rows.at >= later.floor) & ~_are(self.rows.row, later.gone)
        kept = self if stays.all() else self.where(stays)
        # What is gone of the earlier one's own rows is told by their absence.
        gone = np.concatenate([self.gone, later.gone[~_are(later.gone, self.rows.row)]])
        values = None if self.values is None else pa.concat_batches([kept.values, later.values])
        return Piece(Run.together(kept.rows, later.rows), values, gone, max(self.floor, later.floor))


Change = tuple[int, Piece, int]
"""What changed in a key group: its number, the segment, and how many rows more there are with it, or less."""


def _are(rows: Any, among: Any) -> Any:
    """Which numbers are among others; most often there are none."""
    return np.isin(rows, among) if len(rows) and len(among) else np.zeros(len(rows), bool)


def read(data: bytes, node: str = "") -> Piece:
    """The segment of some bytes, which a node has written.

    Raises EngineError (`unreadable-state`) for those of another format.
    """
    if not readable(data):
        raise unreadable(node)
    _, count, gone, floor = _HEAD.unpack_from(data)
    size = 8 * count
    columns = [np.frombuffer(data, kind, count, _HEAD.size + size * place) for place, kind in enumerate(_COLUMNS)]
    end = _HEAD.size + size * len(_COLUMNS)
    values = None
    if len(data) > end + 8 * gone:
        with pa.ipc.open_stream(pa.py_buffer(data)[end + 8 * gone :]) as reader:
            values = reader.read_next_batch()
    return Piece(Run(*columns), values, np.frombuffer(data, "<i8", gone, end), floor)


def readable(data: bytes) -> bool:
    """Whether bytes are a segment of this format: operators may have others, which nobody else understands."""
    return data.startswith(_MAGIC)


def unreadable(node: str) -> EngineError:
    """What is told of state that this version does not read."""
    message = f"the state of `{node}` has a format that this version does not read"
    return EngineError(message, code="unreadable-state", help="run the version of flowc that wrote it")


def joined(parts: Iterable[bytes], node: str, *, whole: bool) -> Piece:
    """Neighbours, in their order, as one; `whole` where nothing is before the first of them."""
    made = reduce(Piece.then, (read(part, node) for part in parts))
    return Piece(made.rows, made.values) if whole else made
