"""Where the rows of CSV begin: lines, but for quoted values that reach over several.

A value over several lines has to end before a delimiter or the end of a line, and its row within `max_line`. Where it
does not, its quote is a stray one, and only the line on which its row begins is bad: the next row begins on the line
behind. So a stray quote takes no other rows along, and the rows are the same however the bytes come in pieces.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flowc.durations import size_text
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.framing import Split, Stray, count_lines
from flowc.runtime.stores.lines import line_ends, lines_of

_LF, _CR = 10, 13

Places = npt.NDArray[np.int64]


class Quoting:
    """Where a quoted value reaches over the end of a line, by the rules of one CSV dialect."""

    def __init__(self, options: CsvOptions) -> None:
        self.quote, self.comment, self.most = options.quote, options.comment, options.max_line
        self.remark = rf"^{re.escape(options.comment)}[^\r]*\r?$" if options.comment else None
        """The pattern of a comment: behind a carriage return within a line may be a row, as others write it."""
        shapes, more = _Shapes.of(options), re.escape(options.delimiter)
        fields = f"(?:{more}{shapes.field})"
        closed = f"^{shapes.inside}{re.escape(options.quote)}"
        self._whole = f"^{shapes.field}{fields}*$"
        self._closes = rf"{closed}(?:\r?$|{fields}+$)"
        self._breaks = rf"{closed}(?:[^{re.escape(options.quote + options.delimiter)}\r]|\r[\s\S])"
        self._opening = f"{closed}[{re.escape(options.delimiter)}].*{re.escape(options.quote)}"
        self._quote, self._delimiter = ord(options.quote), ord(options.delimiter)
        self._slow = tuple(mark for mark in (options.escape,) if mark and mark != options.quote)

    def whole(self, rows: pa.BinaryArray) -> pa.BooleanArray:
        """Whether each row closes every quote that it opens, one that reaches over a line end where it has to."""
        return pc.match_substring_regex(rows, self._whole)

    def quoted(self, rows: pa.BinaryArray) -> bool:
        """Whether there is any quote in them."""
        return bool(pc.any(pc.match_substring(rows, self.quote)).as_py())

    def split(self, data: bytes, *, last: bool) -> Split:
        """The rows in bytes that begin with one, and end with a line; with `last`, nothing follows them."""
        found = self._strictly(data, last=last)
        return found if found is not None else self._by_lines(lines_of(data), len(data), last=last)

    def _strictly(self, data: bytes, *, last: bool) -> Split | None:
        """The rows where every quote stands around a value, or twice within; None where one may not, or is stray."""
        marks = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(marks == self._quote)
        if not len(quotes):
            return Split(None, count_lines(data), len(data))
        if self._is_special(data) or not self._all_around(marks, quotes) or (last and len(quotes) % 2):
            return None
        ends = line_ends(data)
        closed = np.searchsorted(quotes, ends) % 2 == 0
        rows = np.flatnonzero(closed) + 1
        if last and not data.endswith(b"\n"):
            rows = np.append(rows, len(ends) + 1)
        if not len(rows):
            return Split(pa.array([], pa.int64()), 0, 0) if len(data) <= self.most else None
        if len(data) > self.most and _longest(ends, rows, len(data)) > self.most:
            return None
        starts = None if len(rows) == rows[-1] else pa.array(np.concatenate(([0], rows[:-1])))
        return Split(starts, int(rows[-1]), len(data) if rows[-1] > len(ends) else int(ends[rows[-1] - 1]) + 1)

    def _is_special(self, data: bytes) -> bool:
        """Whether a quote may stand behind an escape, or in a comment."""
        begins = self.comment.encode() if self.comment else None
        comments = begins is not None and (data.startswith(begins) or b"\n" + begins in data)
        return comments or any(mark.encode() in data for mark in self._slow)

    def _all_around(self, marks: npt.NDArray[np.uint8], quotes: Places) -> bool:
        """Whether the quotes, which open and close by turns, do so at the ends of values."""
        opens, closes = quotes[::2], quotes[1::2]
        padded = np.append(
            marks, np.array((_LF, _LF), np.uint8)
        )  # by which what stands before the first is a line's end
        after = padded[closes + 1]
        line_end = (after == _LF) | ((after == _CR) & (padded[closes + 2] == _LF))
        begins, ends = self._borders(padded[opens - 1]), self._borders(after)
        return bool((begins | (padded[opens - 1] == _LF)).all() and (ends | line_end).all())

    def _borders(self, marks: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (marks == self._quote) | (marks == self._delimiter)
        return found

    def _by_lines(self, lines: pa.BinaryArray, size: int, *, last: bool) -> Split:
        """The same by patterns, line by line, for quotes that stand in other places too."""
        opening = pc.invert(self.whole(lines))
        if self.comment:
            opening = pc.and_(opening, pc.invert(pc.starts_with(lines, self.comment)))
        opens = pc.indices_nonzero(opening).to_pylist()
        if not opens:
            return Split(None, len(lines), size)
        found = _Search(self, lines, opens, last)
        starts = list(found.starts())
        return Split(pa.array(starts, pa.int64()), found.end, min(size, found.offset(found.end)), tuple(found.strays))

    def closing(self, lines: pa.BinaryArray) -> tuple[list[int], list[int]]:
        """Of lines that begin within a value: those that end the row, and those on which a value ends amid text."""
        return _where(lines, self._closes), _where(lines, self._breaks)

    def opening(self, lines: pa.BinaryArray) -> list[int]:
        """Of lines that begin within a value: those on which that ends and another one may open."""
        return _where(lines, self._opening)


@dataclass
class _Search:
    """The rows among lines of which `opens` open a value that does not end on them."""

    quoting: Quoting
    lines: pa.BinaryArray
    opens: list[int]
    last: bool
    end: int = 0
    """The line behind the last row that ends here."""

    def __post_init__(self) -> None:
        self.strays: list[Stray] = []
        self.closes, self.breaks = self.quoting.closing(self.lines)

    @cached_property
    def _ends(self) -> npt.NDArray[np.int32]:
        return np.frombuffer(self.lines.buffers()[1], np.int32)[self.lines.offset :][: len(self.lines) + 1]

    def offset(self, line: int) -> int:
        """The bytes before a line."""
        return int(self._ends[line] - self._ends[0]) + line

    def starts(self) -> Iterator[int]:
        """The lines on which rows begin; `end` and `strays` are right when all were taken."""
        at, count = 0, len(self.lines)
        while (next_ := bisect_left(self.opens, at)) < len(self.opens):
            first = self.opens[next_]
            yield from range(at, first)
            close = _next(self.closes, first, count)
            why = self._fault(first, close, min(_next(self.breaks, first, count), close))
            if why is None and close == count:
                self.end = first
                return
            yield first
            at = close + 1 if why is None else first + 1
        yield from range(at, count)
        self.end = count

    def _fault(self, first: int, close: int, breaks: int) -> str | None:
        """Why the value that opens in the row of line `first` does not end on line `close`; None where it may."""
        count = len(self.lines)
        stop = min(close, breaks, count - 1)
        if breaks < close:
            why = f"ends amid text, {breaks - first} lines below"
        elif self.offset(stop + 1) - self.offset(first) - 1 - self._returns(stop) > self.quoting.most:
            why = f"has more than {size_text(self.quoting.most)}, its `max_line`"
        elif close == count and self.last:
            why = "never ends"
        else:
            return None
        self.strays.append(Stray(first, self._opened(first, stop), why))
        return why

    def _returns(self, line: int) -> bool:
        """Whether a line ends in a carriage return, which is no part of a row."""
        return bool(self.lines[line].as_py().endswith(b"\r"))

    def _opened(self, first: int, stop: int) -> int:
        within = self.quoting.opening(self.lines.slice(first + 1, stop - first - 1)) if stop > first + 1 else []
        return first + 1 + within[-1] if within else first


def _longest(ends: Places, rows: Places, size: int) -> int:
    """The bytes of the longest row, or of what is left behind the last one."""
    begins = np.concatenate(([0], ends[rows[rows <= len(ends)] - 1] + 1, [size + 1]))
    return int(np.diff(begins).max()) - 1


def _next(places: list[int], after: int, none: int) -> int:
    at = bisect_left(places, after + 1)
    return places[at] if at < len(places) else none


def _where(lines: pa.BinaryArray, pattern: str) -> list[int]:
    return list(pc.indices_nonzero(pc.match_substring_regex(lines, pattern)).to_pylist())


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Regular expressions of one dialect: what stands inside of quotes, and a field."""

    inside: str
    field: str

    @classmethod
    def of(cls, options: CsvOptions) -> _Shapes:
        quote, delimiter, escape = re.escape(options.quote), re.escape(options.delimiter), options.escape
        kept = re.escape(escape) if escape and escape != options.quote else ""
        escaped, on_line = (rf"|{kept}[\s\S]", rf"|{kept}.") if kept else ("", "")
        inside = rf"(?:[^{quote}{kept}]|{quote}{quote}{escaped})*"
        one_line = rf"(?:[^\n{quote}{kept}]|{quote}{quote}{on_line})*"
        bare = f"[^{quote}{delimiter}][^{delimiter}]*"
        # Only on one line may text stand behind the quote that closes a value: over several, it tells a stray quote.
        field = rf"(?:{quote}{inside}{quote}\r?|{quote}{one_line}{quote}(?:{bare})?|{bare}|)"
        return cls(inside, field)
