"""The rows of files piece by piece, with those among them that cannot be read: the contract of what reads them so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.aside import Unread
from flowc.types import DataType

Numbers = npt.NDArray[np.int64]
"""Numbers of lines or of elements, from one."""
CELLS = 8_000_000
"""So many values are held at once, with the NULLs of rows that lack a column."""
_ROWS = 65_536


def most_rows(columns: Iterable[Column]) -> int:
    """How many rows of these columns are held at once, counted with the fields within others."""
    return CELLS // max(1, sum(_width(column.type) for column in columns)) or 1


def at_once(columns: Iterable[Column]) -> int:
    """How many rows of a file are read together: any of them may be bad, and of a bad one much is told."""
    return min(_ROWS, most_rows(columns))


def _width(kind: DataType) -> int:
    return 1 + sum(_width(field) for _, field in kind.fields) + (_width(kind.element) if kind.element else 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file, the lines on which they begin, from one, and the rows among them that cannot be read.

    `elements` are the numbers of the rows in the array that the file is.
    """

    batch: pa.RecordBatch
    lines: Numbers
    bad: tuple[Unread, ...]
    elements: Numbers | None = None


class Rows(Protocol):
    """The rows of the files of one read."""

    schema: pa.Schema
    paths: tuple[File, ...]
    empty: tuple[str, ...]
    """The columns in which no file has a value, so that they fit any type."""

    def pieces(self, path: File) -> Iterator[Piece]:
        """The rows of one file, some megabytes at a time.

        Raises:
            DataError: the file itself cannot be read.
        """
