"""How the files of a format split into records, block by block, and the splitting of text by lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.badrows import first_indices
from flowc.runtime.contracts.store import File
from flowc.runtime.stores.files import unreadable
from flowc.runtime.stores.lines import TooLong, lines_of

Pieces = Iterator[bytes | TooLong]

_BLANK = r"^[ \t\r]*$"
EMPTY = r"^\r?$"


@dataclass(frozen=True, slots=True)
class Stray:
    """A quote that opens a value which does not end as it has to: the line of its row, and why, for people.

    Lines are counted from nought in the bytes that were looked at; `opens` is the line of the quote itself.
    """

    line: int
    opens: int
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """The lines on which rows begin (None: each one), and how many lines and bytes those rows have that end here."""

    starts: pa.Int64Array | None
    lines: int
    size: int
    strays: tuple[Stray, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one file that stand one after the other: their bytes, and the number of the line on which each begins.

    `end` is the number of the line behind them; lines are counted from nought. With a `fault`, they are one record
    without bytes, in place of the rest of a file that cannot be read, or of the line that is `long`.
    """

    values: pa.BinaryArray
    lines: pa.Int64Array
    end: int
    fault: DataError | None = None
    long: TooLong | None = None


class Framing(Protocol):
    """How the files of one source split into records. A framing is made of the source's read and its files."""

    def header(self, path: File) -> tuple[str, ...]:
        """The names of the columns of a file whose records alone do not tell them; else nothing.

        Raises:
            DataError: the file has no such header as it needs.
        """

    def records(self, path: File, begin: int, header: tuple[str, ...]) -> Iterator[Records]:
        """The records of a file from the line, or the row, of number `begin` on.

        Raises:
            DataError: the file cannot be read.
        """

    def damage(self, path: File) -> tuple[str, ...] | None:
        """Why the file is none of its format, and the mend, as far as its bytes show it."""

    def rows(self, path: File) -> int | None:
        """How many rows a file has; None where it would have to be read for that."""


class Splitter(Protocol):
    """Where rows begin, in text whose rows may reach over several lines."""

    @property
    def remark(self) -> str | None:
        """The pattern of a comment."""

    def split(self, data: bytes, *, last: bool) -> Split:
        """The rows that end in bytes; with `last`, nothing follows these."""


class Unframed:
    """What a framing of text says of files, where nothing else is known."""

    def header(self, path: File) -> tuple[str, ...]:
        """The records tell the names."""
        return ()

    def damage(self, path: File) -> tuple[str, ...] | None:
        """Nothing shows."""
        return None

    def rows(self, path: File) -> int | None:
        """Text would have to be read."""
        return None


def records(
    found: Pieces, path: File, quoting: Splitter | None, begin: int = 0, *, first: int = 0, blanks: bool = False
) -> Iterator[Records]:
    """The records of a file from line `begin` on, without comments. Its bytes begin with line `first`.

    A line that is too long is one record with a fault. Blank lines are records with `blanks` alone.
    """
    line = first
    for data, split in splits(found, quoting):
        if isinstance(data, TooLong):
            made = unread(path, line, data)
        else:
            lines = lines_of(data[: split.size])
            made = Records(*_joined(lines, split.starts, split.lines, line), line + split.lines)
        line = made.end
        if made.end > begin:
            yield made if made.fault else _wanted(made, quoting, begin, blanks=blanks)


def unread(path: File, line: int, what: TooLong) -> Records:
    """The record that stands for a line which is too long."""
    fault = unreadable(path, f"line {line + 1}: {what.why}")
    return Records(pa.nulls(1, pa.binary()), pa.array([line], pa.int64()), line + 1, fault, what)


def splits(found: Pieces, quoting: Splitter | None) -> Iterator[tuple[bytes | TooLong, Split]]:
    """The bytes of a file piece by piece, with the rows that end in each; what is left is in the next one again."""
    kept, fresh = b"", b""
    for piece in found:
        if isinstance(piece, TooLong):  # no row reaches over a line that nobody has
            if data := kept + fresh:
                yield data, _split(data, quoting, last=True)
            yield piece, Split(None, 1, 0)
            kept = fresh = b""
            continue
        fresh += piece
        if len(fresh) >= len(kept):  # what is kept is not to be looked at again for each few bytes
            data, fresh = kept + fresh, b""
            split = _split(data, quoting, last=False)
            yield data, split
            kept = data[split.size :]
    if data := kept + fresh:
        yield data, _split(data, quoting, last=True)


def _split(data: bytes, quoting: Splitter | None, *, last: bool) -> Split:
    return quoting.split(data, last=last) if quoting else Split(None, count_lines(data), len(data))


def _joined(
    lines: pa.BinaryArray, starts: pa.Int64Array | None, whole: int, line: int
) -> tuple[pa.BinaryArray, pa.Int64Array]:
    if starts is None or len(starts) == whole:
        return lines.slice(0, whole), pc.add(first_indices(whole), line)
    offsets = pa.concat_arrays([starts, pa.array([whole], pa.int64())]).cast(pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, lines), b"\n"), pc.add(starts, line)


def _wanted(found: Records, quoting: Splitter | None, begin: int, *, blanks: bool) -> Records:
    values, left = found.values, pc.less(found.lines, begin)
    if not blanks:
        left = pc.or_(left, pc.match_substring_regex(values, _BLANK if quoting is None else EMPTY))
    if quoting is not None and quoting.remark:
        left = pc.or_(left, pc.match_substring_regex(values, quoting.remark))
    if not left.true_count:
        return found
    kept = pc.invert(left)
    return Records(values.filter(kept), found.lines.filter(kept), found.end)


def count_lines(data: bytes) -> int:
    """How many lines bytes have, of which the last need not be ended."""
    return data.count(b"\n") + (not data.endswith(b"\n"))
