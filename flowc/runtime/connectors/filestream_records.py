"""The bytes of a text file as records, block by block: lines, but for the rows of CSV that reach over several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.badrows import first_indices
from flowc.runtime.connectors.files import Bytes, CsvOptions, csv_bytes, unreadable
from flowc.runtime.csvquotes import MOST, Quoting, Split, count_lines, lines_of

_BLOCK = 1 << 22
_BLANK = r"^[ \t\r]*$"
_EMPTY = r"^\r?$"
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one file that stand one after the other: their bytes, and the number of the line on which each begins.

    `end` is the number of the line behind them; lines are counted from nought. With a `fault`, the file cannot be read
    from there on, and they are one record without bytes in its place.
    """

    values: pa.BinaryArray
    lines: pa.Int64Array
    end: int
    fault: DataError | None = None


def records(stream: Bytes, path: Path, quoting: Quoting | None, begin: int = 0, *, first: int = 0) -> Iterator[Records]:
    """The records of a file from line `begin` on, without blank ones and comments. Its bytes begin with line `first`.

    Raises:
        DataError: a line has more than 64 MiB.
    """
    line = first
    for data, found in splits(stream, path, quoting):
        lines = lines_of(data[: found.size])
        made = Records(*_joined(lines, found.starts, found.lines, line), line + found.lines)
        line = made.end
        if made.end > begin:
            yield _wanted(made, quoting, begin)


def splits(stream: Bytes, path: Path, quoting: Quoting | None) -> Iterator[tuple[bytes, Split]]:
    """The bytes of a file piece by piece, with the rows that end in each; what is left is in the next one again."""
    line, kept = 0, b""
    while block := _block(stream, kept, path, line):
        data, last = block
        found = quoting.split(data, last=last) if quoting else Split(None, count_lines(data), len(data))
        yield data, found
        line, kept = line + found.lines, data[found.size :]


def _block(stream: Bytes, kept: bytes, path: Path, line: int) -> tuple[bytes, bool] | None:
    """What was kept and the next bytes, up to the end of a line; whether they are the last ones."""
    more = stream.read(_BLOCK)
    if not more:
        return (kept, True) if kept else None
    if not more.endswith(b"\n"):
        rest = stream.readline(MOST)
        if len(rest) == MOST:
            at = line + (kept + more).count(b"\n") + 1
            raise unreadable(path, f"line {at} has more than 64 MiB")
        more += rest
    return kept + more, False


def _joined(
    lines: pa.BinaryArray, starts: pa.Int64Array | None, whole: int, line: int
) -> tuple[pa.BinaryArray, pa.Int64Array]:
    if starts is None or len(starts) == whole:
        return lines.slice(0, whole), pc.add(first_indices(whole), line)
    offsets = pa.concat_arrays([starts, pa.array([whole], pa.int64())]).cast(pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, lines), b"\n"), pc.add(starts, line)


def _wanted(found: Records, quoting: Quoting | None, begin: int) -> Records:
    values = found.values
    empty = pc.match_substring_regex(values, _BLANK if quoting is None else _EMPTY)
    left = pc.or_(empty, pc.less(found.lines, begin))
    if quoting is not None and quoting.comment:
        left = pc.or_(left, pc.starts_with(values, quoting.comment))
    if not left.true_count:
        return found
    kept = pc.invert(left)
    return Records(values.filter(kept), found.lines.filter(kept), found.end)


def csv_records(path: Path, options: CsvOptions, quoting: Quoting, begin: int = 0) -> Iterator[Records]:
    """The rows of a CSV file from line `begin` on, without its header.

    Raises:
        DataError: a line has more than 64 MiB, or lines do not end in line feeds.
    """
    stream = without_mark(csv_bytes(path, options))
    found = records(stream, path, quoting, begin, first=options.skip_rows)
    return _without_header(found, path, begin, options.quote) if options.header else found


def _without_header(found: Iterator[Records], path: Path, line: int, quote: str) -> Iterator[Records]:
    """The first record is the header, when it is among them."""
    if not line:
        first = next((block for block in found if len(block.values)), None)
        if first is None:
            return
        names = first.values[0].as_py().rstrip(b"\r")
        if b"\r" in names and quote.encode() not in names:
            raise unreadable(path, "its header holds a carriage return, and lines end in line feeds")
        yield Records(first.values.slice(1), first.lines.slice(1), first.end)
    yield from found


def without_mark(stream: Bytes) -> Bytes:
    """The stream behind the mark that a UTF-8 file may begin with."""
    if stream.peek(3)[:3] == _MARK:
        stream.read(3)
    return stream
