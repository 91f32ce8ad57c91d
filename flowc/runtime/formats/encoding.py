"""Files that grow batch by batch in bounded memory, and the encoding of text files."""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

TextRows = Callable[[pa.RecordBatch], pa.StringArray]
"""Returns one text for each row, without a line end."""
_CODECS = {"bzip2": "bz2"}


class OpenFile(Protocol):
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
        """Writes the end of the file, and closes its stream."""

    def abandon(self) -> None:
        """Closes the stream of a file that is not to be used."""


class Encoding(Protocol):
    """How the files of one target hold rows."""

    def begin(self, stream: BinaryIO) -> OpenFile:
        """Begins a file in a stream, which the file closes."""


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """Files with one line for each row. `first` is what a file begins with."""

    rows: TextRows
    compression: str
    first: bytes = b""

    def begin(self, stream: BinaryIO) -> OpenFile:
        """Begins a file."""
        return TextFile(stream, self)


class TextFile:
    """A file of lines."""

    def __init__(self, stream: BinaryIO, encoding: TextEncoding) -> None:
        self.rows = 0
        self._text = encoding.rows
        self._raw = stream
        self._stream: Any = self._compressed(encoding.compression)
        self._stream.write(encoding.first)

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
        self._stream.write(lines(self._text(rows)))

    def spill(self) -> None:
        """Nothing is kept in memory."""

    def finish(self) -> None:
        self._stream.close()
        self._raw.close()

    def abandon(self) -> None:
        discard(self._raw)
        with suppress(pa.ArrowException):  # some cannot end what they failed to write
            self._stream.close()
        self._raw.close()


def lines(text: pa.StringArray) -> pa.Buffer:
    """The bytes of texts, each with a line end."""
    ended = pc.binary_join_element_wise(text, "", "\n")
    start, stop = ended.offset, ended.offset + len(ended)
    ends = pa.Array.from_buffers(pa.int32(), stop + 1, [None, ended.buffers()[1]])
    first, last = ends[start].as_py(), ends[stop].as_py()
    return ended.buffers()[2].slice(first, last - first)


def discard(file: BinaryIO) -> None:
    """Has all that is yet written to a file go nowhere: on a full disk, its end would fail as well."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), file.fileno())
