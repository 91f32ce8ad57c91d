"""Rows that are written in tests: values by column types, and types where no spec declares them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.compiler.front.spec import Json
from flowc.compiler.front.streamspec import RowsSpec
from flowc.errors import DataError
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.source import Span
from flowc.types import BIGINT, BOOLEAN, TEXT, TIMESTAMPTZ, DataType, Kind

Row = Mapping[str, Json]
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?")


_DAY = 86_400
_FIRST, _LAST = -719_162, 2_932_896
"""The first and the last day of the years 1 to 9999, from 1970-01-01."""
_A_DAY = {"s": _DAY, "ms": _DAY * 10**3, "us": _DAY * 10**6, "ns": _DAY * 10**9}


class Misplaced(DataError):
    """A mistake in a test or in what it runs, at its place in the file."""

    def __init__(self, message: str, span: Span, *, code: str, help: str | None = None) -> None:
        super().__init__(message, code=code, help=help)
        self.span = span


def inferred(given: RowsSpec) -> tuple[Column, ...]:
    """Columns for rows of a table that no spec declares.

    Whole numbers are `bigint`, others `double`; text that is a date or a time everywhere is one.
    """
    rows = [row.values for row in given.rows]
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(Column(name, _type([row[name] for row in rows if row.get(name) is not None])) for name in names)


def _type(values: Sequence[Json]) -> DataType:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return BOOLEAN
    if kinds == {int}:
        return BIGINT
    if kinds and kinds <= {int, float}:
        return DataType(Kind.FLOAT64)
    if kinds == {str}:
        return _text_type([str(value) for value in values])
    return DataType(Kind.JSON) if kinds & {dict, list} else TEXT


def _text_type(values: Sequence[str]) -> DataType:
    if all(_DATE.fullmatch(value) for value in values):
        return DataType(Kind.DATE)
    times = [_TIME.fullmatch(value) for value in values]
    if all(times):
        return TIMESTAMPTZ if all(found and found["zone"] for found in times) else DataType(Kind.TIMESTAMP)
    return TEXT


def encoded(row: Row) -> bytes:
    """A row as a message of JSON."""
    return json.dumps(row, ensure_ascii=False).encode()


def arrow_rows(given: RowsSpec, columns: Sequence[Column]) -> pa.RecordBatch:
    """Rows of a test as rows of columns.

    Raises Misplaced for a column that is none of them, and a value that is none of its column's type.
    """
    check_names(given, columns)
    decoded = JsonDecoder(tuple(columns)).decode(pa.array([encoded(row.values) for row in given.rows], pa.binary()))
    if decoded.bad:
        bad = decoded.bad[0]
        raise Misplaced(bad.message, given.rows[bad.index].span, code=bad.code)
    return decoded.batch


def check_names(given: RowsSpec, columns: Sequence[Column]) -> None:
    """Raises Misplaced for a column of the rows that is none of the columns."""
    known = {column.name for column in columns}
    for row in given.rows:
        for name, span in row.keys.items():
            if name not in known:
                listed = ", ".join(f"`{column.name}`" for column in columns)
                raise Misplaced(f"there is no column `{name}`", span, code="unknown-column", help=f"there is {listed}")


def python_rows(rows: pa.Table) -> list[dict[str, object]]:
    """Rows by the names of columns. A time or date of a year that Python has not is a text."""
    columns = [_values(column) for column in rows.columns]
    return [dict(zip(rows.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[object]:
    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
        return list(column.to_pylist())
    day = 1 if pa.types.is_date32(kind) else _A_DAY[kind.unit]
    counted = column.cast(pa.int32() if day == 1 else pa.int64()).cast(pa.int64())
    low, high = max(_FIRST * day, -(2**63)), min((_LAST + 1) * day, 2**63 - 1)
    known = pc.and_(pc.greater_equal(counted, low), pc.less(counted, high))
    beyond = iter(column.filter(pc.invert(known)).cast(pa.string()).to_pylist())
    values = pc.if_else(known, column, pa.scalar(None, kind)).to_pylist()
    return [next(beyond) if inside is False else v for v, inside in zip(values, known.to_pylist(), strict=True)]
