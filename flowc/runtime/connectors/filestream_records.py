"""The bytes of a text file as records, block by block: lines, but for the rows of CSV that reach over several."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.badrows import first_indices
from flowc.runtime.connectors.files import Bytes, CsvOptions, unreadable

_BLOCK = 1 << 22
_MOST = 1 << 26
"""So many bytes may one record have; a quote that is never closed must not take the memory."""
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


class Quoting:
    """Where a quoted value reaches over the end of a line, by the rules of one CSV dialect."""

    def __init__(self, options: CsvOptions) -> None:
        self.quote = options.quote
        self.comment = options.comment
        shapes, more = _Shapes.of(options), re.escape(options.delimiter)
        fields = f"(?:{more}{shapes.field})*$"
        self._whole = f"^{shapes.field}{fields}"
        self._closes = f"^{shapes.inside}{re.escape(options.quote)}{shapes.tail}{fields}"

    def whole(self, records: pa.BinaryArray) -> pa.BooleanArray:
        """Whether each record closes every quote that it opens."""
        return pc.match_substring_regex(records, self._whole)

    def quoted(self, records: pa.BinaryArray) -> bool:
        """Whether there is any quote in them."""
        return bool(pc.any(pc.match_substring(records, self.quote)).as_py())

    def starts(self, lines: pa.BinaryArray) -> tuple[pa.Int64Array, int]:
        """The lines that begin records, and how many of the lines stand in records that end here."""
        opening = pc.invert(self.whole(lines))
        if self.comment:
            opening = pc.and_(opening, pc.invert(pc.starts_with(lines, self.comment)))
        opens = pc.indices_nonzero(opening).to_pylist()
        if not opens:
            return first_indices(len(lines)), len(lines)
        closes = pc.indices_nonzero(pc.match_substring_regex(lines, self._closes)).to_pylist()
        return _starts(opens, closes, len(lines))


def _starts(opens: list[int], closes: list[int], count: int) -> tuple[pa.Int64Array, int]:
    begins: list[int] = []
    at = 0
    while (next_ := bisect_left(opens, at)) < len(opens):
        first = opens[next_]
        begins += range(at, first + 1)
        last = bisect_left(closes, first + 1)
        if last == len(closes):
            return pa.array(begins[:-1], pa.int64()), first
        at = closes[last] + 1
    return pa.array([*begins, *range(at, count)], pa.int64()), count


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Regular expressions of one dialect: what stands inside of quotes, what follows a closing quote, a field."""

    inside: str
    tail: str
    field: str

    @classmethod
    def of(cls, options: CsvOptions) -> _Shapes:
        quote, delimiter, escape = re.escape(options.quote), re.escape(options.delimiter), options.escape
        kept = re.escape(escape) if escape and escape != options.quote else ""
        escaped = rf"|{kept}[\s\S]" if kept else ""
        inside = rf"(?:[^{quote}{kept}]|{quote}{quote}{escaped})*"
        bare = f"[^{quote}{delimiter}][^{delimiter}]*"
        return cls(inside, f"(?:{bare})?", f"(?:{quote}{inside}{quote}(?:{bare})?|{bare}|)")


def records(stream: Bytes, path: Path, quoting: Quoting | None, begin: int = 0) -> Iterator[Records]:
    """The records of a file from line `begin` on, without blank ones and comments.

    Raises:
        DataError: a record has more than 64 MiB.
    """
    line, kept = 0, b""
    while block := _block(stream, kept, path, line):
        data, last = block
        lines = _lines(data)
        starts, whole = _split(lines, quoting, last)
        kept = data[_bytes(lines, whole) :]
        found = Records(*_joined(lines, starts, whole, line), line + whole)
        line = found.end
        if found.end > begin:
            yield _wanted(found, quoting, begin)


def _block(stream: Bytes, kept: bytes, path: Path, line: int) -> tuple[bytes, bool] | None:
    """What was kept and the next bytes, up to the end of a line; whether they are the last ones."""
    more = stream.read(_BLOCK)
    if not more:
        return (kept, True) if kept else None
    if not more.endswith(b"\n"):
        more += stream.readline(_MOST)
    if len(kept) + len(more) > _BLOCK + _MOST:
        raise unreadable(path, f"the row on line {line + 1} has more than 64 MiB; is a quote not closed?")
    return kept + more, False


def _lines(data: bytes) -> pa.BinaryArray:
    data = data.removesuffix(b"\n")
    return pc.split_pattern(pa.array([data], pa.binary()), "\n").values


def _bytes(lines: pa.BinaryArray, count: int) -> int:
    """How many bytes the first lines have, with their ends."""
    return (pc.sum(pc.binary_length(lines.slice(0, count))).as_py() or 0) + count


def _split(lines: pa.BinaryArray, quoting: Quoting | None, last: bool) -> tuple[pa.Int64Array | None, int]:
    if quoting is None or not quoting.quoted(lines):
        return None, len(lines)
    starts, whole = quoting.starts(lines)
    if last and whole < len(lines):
        # A quote that is never closed: the rest of the file is one record, and a bad one.
        return pa.concat_arrays([starts, pa.array([whole], pa.int64())]), len(lines)
    return starts, whole


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


def without_mark(stream: Bytes) -> Bytes:
    """The stream behind the mark that a UTF-8 file may begin with."""
    if stream.peek(3)[:3] == _MARK:
        stream.read(3)
    return stream
