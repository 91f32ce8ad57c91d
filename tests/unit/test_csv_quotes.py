"""Rows of CSV among quotes: as a plain reading of the rules has them, and Python's csv module; in any pieces."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.csv.quotes import Quoting
from flowc.runtime.formats.framing import records
from flowc.runtime.stores import lines

_TEXT = st.lists(
    st.sampled_from(['"', '""', ",", "\n", "\r\n", "a", "\\", "#", '"a"', '"\n', "b\n", ',"x,y"\n']), max_size=25
).map("".join)


def _expected(text: str, options: CsvOptions, most: int) -> Iterator[tuple[int, bytes, bool]]:
    """The line on which each row begins, its bytes, and whether its quote is a stray one."""
    lines = text.removesuffix("\n").split("\n") if text else []
    at = 0
    while at < len(lines):
        comment = options.comment and lines[at].startswith(options.comment)
        end = at if comment else _end(lines, at, options, most)
        row = "\n".join(lines[at : (at if end is None else end) + 1])
        if row not in ("", "\r") and not comment:
            yield at, row.encode(), end is None
        at = (at if end is None else end) + 1


def _end(lines: list[str], first: int, options: CsvOptions, most: int) -> int | None:
    """The line on which the row ends that begins on line `first`; None where its quote is a stray one."""
    state, opened, size = "start", first, 0
    for number in range(first, len(lines)):
        size += len(lines[number].encode()) + 1
        signs = iter(lines[number])
        for sign in signs:
            if state == "quoted":
                if sign == options.escape:
                    next(signs, None)
                elif sign == options.quote:
                    state = "closed"
            elif sign == options.quote and state in ("start", "closed"):
                opened = number if state == "start" else opened
                state = "quoted"
            elif sign == options.delimiter:
                state = "start"
            elif state == "closed" and opened < number:
                if sign != "\r" or next(signs, None) is not None:
                    return None
            else:
                state = "bare"
        if number > first and size - 1 - lines[number].endswith("\r") > most:
            return None
        if state != "quoted":
            return number
    return None


def _found(text: str, options: CsvOptions, block: int, most: int) -> list[tuple[int, bytes, bool]]:
    quoting = Quoting(replace(options, max_line=most))
    with mock.patch.object(lines, "BLOCK", block):
        blocks = list(records(lines.pieces(io.BytesIO(text.encode()), 1 << 26), Path("f"), quoting))
    return [
        (line, row, not whole)
        for part in blocks
        for line, row, whole in zip(
            part.lines.to_pylist(), part.values.to_pylist(), quoting.whole(part.values).to_pylist(), strict=True
        )
    ]


@settings(max_examples=200, deadline=None)
@given(
    _TEXT,
    st.sampled_from([1, 2, 7, 1 << 22]),
    st.sampled_from([CsvOptions(), CsvOptions(comment="#"), CsvOptions(escape="\\"), CsvOptions(delimiter="a")]),
)
@example('1,"a\n2,"b"\n3,c\n', 1, CsvOptions())
@example('"a\r\nb"\r\n"c', 1 << 22, CsvOptions())
def test_rows_are_the_same_in_any_pieces(text: str, block: int, options: CsvOptions) -> None:
    assert _found(text, options, block, 1 << 26) == list(_expected(text, options, 1 << 26))


@settings(max_examples=150, deadline=None)
@given(_TEXT, st.sampled_from([1, 3, 1 << 22]), st.integers(4, 30))
def test_a_row_over_several_lines_has_a_limit(text: str, block: int, most: int) -> None:
    found, expected = _found(text, CsvOptions(), block, most), list(_expected(text, CsvOptions(), most))
    assert [(line, row) for line, row, _ in found] == [(line, row) for line, row, _ in expected]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 2, 5, 6, 7, 1 << 22])
def test_the_end_of_a_line_does_not_count(end: str, block: int) -> None:
    """Nor where the file ends in a carriage return, or with no line end."""
    inner = end if end.endswith("\n") else "\n"
    sizes = [5, 6, 4, 0, 7, 5]
    for last in ("x" * 5 + end, "x" * 5, "x" * 6 + end, "x" * 6, end):
        text = "".join("x" * size + inner for size in sizes) + last
        with mock.patch.object(lines, "BLOCK", block):
            found = list(lines.pieces(io.BytesIO(text.encode()), 5))
        told = [piece.size for piece in found if isinstance(piece, lines.TooLong)]
        assert told == [6, 7, *([6] if "x" * 6 in last else [])], last
        kept = "".join("x" * size + inner for size in sizes if size <= 5) + ("" if told[2:] else last)
        assert b"".join(piece for piece in found if isinstance(piece, bytes)).decode() == kept


@settings(max_examples=150, deadline=None)
@given(_TEXT, st.sampled_from([1, 5, 1 << 22]))
def test_where_no_quote_is_stray_the_csv_module_agrees(text: str, block: int) -> None:
    found = _found(text, CsvOptions(), block, 1 << 26)
    if not any(stray for _, _, stray in found):
        rows = [next(csv.reader(io.StringIO(row.decode(), newline=""))) for _, row, _ in found]
        assert rows == [row for row in csv.reader(io.StringIO(text, newline="")) if row]


@given(st.lists(st.lists(st.text(st.sampled_from('a,"\n\r é'), max_size=6), min_size=2, max_size=2), max_size=9))
def test_what_the_csv_module_writes_has_no_stray_quote(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    found = _found(out.getvalue(), CsvOptions(), 5, 1 << 26)
    assert not any(stray for _, _, stray in found)
    assert [next(csv.reader(io.StringIO(row.decode(), newline=""))) for _, row, _ in found] == rows


@pytest.mark.parametrize(("text", "line", "opens", "why"), [
    ('1,x\n2,"oops\n3,x\n', 1, 1, "never ends"),
    ('1,"a\nb","c\n3,x\n', 0, 1, "never ends"),
    ('1,x\n2,"oops\n3,x\n4,"fine"\n', 1, 1, "ends amid text, 2 lines below"),
])  # fmt: skip
def test_a_stray_quote_is_told_by_its_line(text: str, line: int, opens: int, why: str) -> None:
    stray = Quoting(CsvOptions()).split(text.encode(), last=True).strays[0]
    assert (stray.line, stray.opens, stray.why) == (line, opens, why)
