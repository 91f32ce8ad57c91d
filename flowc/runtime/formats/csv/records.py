"""The bytes of a text file as records, block by block: lines, but for the rows of CSV that reach over several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.badrows import first_indices
from flowc.runtime.contracts.store import File
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.csv.quotes import Quoting, Split, count_lines
from flowc.runtime.stores.files import csv_bytes, unreadable, without_mark
from flowc.runtime.stores.lines import TooLong, lines_of, pieces

Pieces = Iterator[bytes | TooLong]

_BLANK = r"^[ \t\r]*$"
_EMPTY = r"^\r?$"


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


def records(
    found: Pieces, path: File, quoting: Quoting | None, begin: int = 0, *, first: int = 0, blanks: bool = False
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


def splits(found: Pieces, quoting: Quoting | None) -> Iterator[tuple[bytes | TooLong, Split]]:
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


def _split(data: bytes, quoting: Quoting | None, *, last: bool) -> Split:
    return quoting.split(data, last=last) if quoting else Split(None, count_lines(data), len(data))


def _joined(
    lines: pa.BinaryArray, starts: pa.Int64Array | None, whole: int, line: int
) -> tuple[pa.BinaryArray, pa.Int64Array]:
    if starts is None or len(starts) == whole:
        return lines.slice(0, whole), pc.add(first_indices(whole), line)
    offsets = pa.concat_arrays([starts, pa.array([whole], pa.int64())]).cast(pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, lines), b"\n"), pc.add(starts, line)


def _wanted(found: Records, quoting: Quoting | None, begin: int, *, blanks: bool) -> Records:
    values, left = found.values, pc.less(found.lines, begin)
    if not blanks:
        left = pc.or_(left, pc.match_substring_regex(values, _BLANK if quoting is None else _EMPTY))
    if quoting is not None and quoting.remark:
        left = pc.or_(left, pc.match_substring_regex(values, quoting.remark))
    if not left.true_count:
        return found
    kept = pc.invert(left)
    return Records(values.filter(kept), found.lines.filter(kept), found.end)


def csv_records(
    path: File, options: CsvOptions, quoting: Quoting, names: Sequence[str], begin: int = 0
) -> Iterator[Records]:
    """The rows of a CSV file with columns of these names from line `begin` on, without its header.

    Of one column, a blank line is a row without a value.
    """
    stream = without_mark(lambda: csv_bytes(path, options))
    text, blanks = pieces(stream, options.max_line), len(names) == 1
    found = records(text, path, quoting, begin, first=options.skip_rows, blanks=blanks)
    return _without_header(found, begin) if options.header else found


def _without_header(found: Iterator[Records], line: int) -> Iterator[Records]:
    """The first record that is not blank is the header, when it is among them."""
    for block in found if not line else ():
        header = pc.index(pc.match_substring_regex(block.values, _EMPTY), False).as_py()
        if header >= 0:
            yield Records(block.values.slice(header + 1), block.lines.slice(header + 1), block.end)
            break
    yield from found
