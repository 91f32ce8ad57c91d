"""The search for what a batch cannot be parsed with: a scan first, halves of the batch for what it lets pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import BadRow, Findings, first_indices, isolate
from flowc.runtime.contracts.decoder import UNDECODABLE
from flowc.runtime.fit import CODE
from flowc.runtime.formats.json.read import cut_texts, read_objects
from flowc.runtime.formats.json.scan import describe, scan, shown, value_text
from flowc.runtime.formats.shapes import Fields, is_decimal, raw_type
from flowc.runtime.text.spelled import to_decimal
from flowc.types import DataType

Columns = tuple[Column, ...]
_NUMBER = r'^(null|-?\d[^"]*|"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")$'

_TWICE = re.compile(r"Column\(/(?P<path>.*)\) was specified twice", re.DOTALL)


def fields_of(columns: Columns) -> Fields:
    """Names and types."""
    return tuple((column.name, column.type) for column in columns)


def read_good(
    rows: pa.Array, texts: pa.Array, columns: Columns, found: Findings, *, suspect: bool
) -> tuple[pa.Array, list[pa.Array]]:
    """The rows that can be read, and their raw values; the others become findings. `rows` are the texts' indices.

    Where a batch is `suspect`, the scan comes first, which saves the parse that would fail. The result is the same.
    """
    if suspect:
        rows, texts = _left(rows, texts, list(scan(texts, columns)), found)
    for bad_rows in (_bad_decimals,) if suspect else (scan, _bad_decimals):
        try:
            return rows, read_objects(texts, fields_of(columns))
        except (ValueError, RecursionError):
            rows, texts = _left(rows, texts, list(bad_rows(texts, columns)), found)
    return _by_halves(rows, texts, columns, found)


def _left(rows: pa.Array, texts: pa.Array, bad: list[BadRow], found: Findings) -> tuple[pa.Array, pa.Array]:
    for row in bad:
        found.add(rows[row.index].as_py(), row.code, row.message)
    whole = first_indices(len(rows))
    kept = whole.filter(pc.invert(pc.is_in(whole, pa.array([row.index for row in bad], pa.int64()))))
    return rows.take(kept), texts.take(kept)


def _bad_decimals(texts: pa.Array, columns: Columns) -> Iterator[BadRow]:
    """Decimals that are none, or have digits too many: the scan does not look into them."""
    decimals = [column for column in columns if is_decimal(column.type)]
    try:
        cut = cut_texts(texts, fields_of(tuple(decimals))) if decimals else []
    except (ValueError, RecursionError):
        return
    for column, numbers in zip(decimals, cut, strict=True):
        for at in isolate(partial(_as_decimal, column.type), numbers, _strange):
            yield BadRow(at, CODE, describe(column, numbers[at].as_py().encode()))


def _as_decimal(kind: DataType, numbers: pa.Array) -> pa.Array:
    plain = pc.if_else(pc.equal(numbers, "null"), None, pc.ascii_trim(numbers, '"'))
    return to_decimal(plain, raw_type(kind))


def _strange(numbers: pa.Array) -> pa.Array:
    return pc.invert(pc.match_substring_regex(numbers, _NUMBER))


def _by_halves(rows: pa.Array, texts: pa.Array, columns: Columns, found: Findings) -> tuple[pa.Array, list[pa.Array]]:
    spans, read = [(0, len(rows))], []
    while spans:
        start, stop = spans.pop()
        part = texts.slice(start, stop - start)
        try:
            read.append((rows.slice(start, stop - start), read_objects(part, fields_of(columns))))
        except (ValueError, RecursionError) as error:
            middle = (start + stop) // 2
            if stop - start > 1:
                spans += [(middle, stop), (start, middle)]
            else:
                found.add(rows[start].as_py(), *_blame(part, columns, error))
    return _together(read, columns)


def _together(read: list[tuple[pa.Array, list[pa.Array]]], columns: Columns) -> tuple[pa.Array, list[pa.Array]]:
    if not read:
        return pa.array([], pa.int64()), read_objects(pa.array([], pa.string()), fields_of(columns))
    rows = pa.concat_arrays([part for part, _ in read])
    return rows, [pa.concat_arrays(parts) for parts in zip(*(arrays for _, arrays in read), strict=True)]


def _blame(text: pa.Array, columns: Columns, error: Exception) -> tuple[str, str]:
    """The code and the words for one message: of the column that cannot be read alone, if that is what is wrong."""
    message, words = text[0].as_py().encode(), str(error)
    if "Failed to convert" in words or "changed from" in words or "number of that type" in words:
        for column in columns:
            try:
                read_objects(text, fields_of((column,)))
            except (ValueError, RecursionError):
                return CODE, describe(column, value_text(message, column.name))
    return UNDECODABLE, f"{shown(message)} is not a JSON object that can be read: {_plainly(error)}"


def _plainly(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    words = str(error).removeprefix("JSON parse error: ").removesuffix(" in row 0").rstrip(".")
    if twice := _TWICE.fullmatch(words):
        words = f"the field `{twice['path'].replace('/', '.')}` stands in it twice"
    return words[:120]
