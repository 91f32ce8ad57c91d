"""What an engine cannot hold of the values that the types of its columns allow, marked for whole arrays at once.

Loads refuse the first such value; streams set its row aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import first_indices
from flowc.types import DataType, Kind

Limit = tuple[pa.Array, str]
"""Marks on values that cannot be held, and words that complete "the value …"."""
Limits = Callable[[pa.Array, Column], Iterator[Limit]]
"""Gives the limits that a fitted array of a column could break."""

_MAX_INTEGER = 2**63 - 1
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_DAY, _SECOND = 86_400, 10**6
_FLOATS = (Kind.FLOAT32, Kind.FLOAT64)


def limits(kind: str) -> Limits:
    """The limits of a kind of database."""
    return _LIMITS.get(kind, _none)


def _none(_array: pa.Array, _column: Column) -> Iterator[Limit]:
    return iter(())


def _sqlite(array: pa.Array, column: Column) -> Iterator[Limit]:
    kind = column.type.kind
    if kind in _FLOATS:
        yield pc.is_nan(array), "would become NULL in SQLite"
    if kind is Kind.DECIMAL and pa.types.is_string(array.type):
        yield pc.match_substring_regex(array, "^[+-]?[A-Za-z]"), "is no number that SQLite can keep"
    if kind is Kind.UINT64:
        yield pc.greater(array, pa.scalar(_MAX_INTEGER, pa.uint64())), "is greater than SQLite's greatest integer"
    if kind is Kind.TIME:
        late = pc.greater_equal(array.cast(pa.int64()), _DAY * _SECOND)
        yield late, "is after 23:59:59.999999, which SQLite's text form of times ends at"
    if kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        yield _outside_years(array), "is outside the years 1 to 9999, which SQLite's text form of times ends at"


def _outside_years(array: pa.Array) -> pa.Array:
    if pa.types.is_date32(array.type):
        return _outside(array.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
    second = {"us": _SECOND, "ns": 10**9}[array.type.unit]
    low = max(_FIRST_DAY * _DAY * second, -_MAX_INTEGER)
    return _outside(array.cast(pa.int64()), low, min((_LAST_DAY + 1) * _DAY * second - 1, _MAX_INTEGER))


def _outside(numbers: pa.Array, low: int, high: int) -> pa.Array:
    return pc.or_(pc.less(numbers, low), pc.greater(numbers, high))


def _fine(array: pa.Array) -> Iterator[Limit]:
    """Digits of a second that get lost."""
    if (lost := _finer(array)) is not None:
        yield lost, "has digits below the microsecond"


def _finer(array: pa.Array) -> pa.Array | None:
    """Marks on times, or lists of some, that are finer than a microsecond."""
    if pa.types.is_list(array.type):
        return _within(array, _finer(array.flatten()))
    if not pa.types.is_timestamp(array.type) or array.type.unit != "ns":
        return None
    digits = array.cast(pa.int64())
    return pc.not_equal(pc.multiply(pc.divide(digits, 1000), 1000), digits)


def _within(lists: pa.Array, marks: pa.Array | None) -> pa.Array | None:
    """Marks on the lists that hold what is marked."""
    if marks is None:
        return None
    parents = pc.list_parent_indices(lists).filter(marks)
    return pc.is_in(first_indices(len(lists)), parents)


def _mysql(array: pa.Array, column: Column) -> Iterator[Limit]:
    if not pa.types.is_list(array.type):  # of lists it keeps JSON, with all digits
        yield from _fine(array)
    if pa.types.is_floating(array.type):
        yield pc.invert(pc.is_finite(array)), "is no number in MySQL"
    if column.type.kind is Kind.TIMESTAMPTZ:
        # Where a server's TIMESTAMP ends earlier, the server says so.
        micros = array.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
        yield _outside(micros, _SECOND, 2**32 * _SECOND - 1), "is outside of the times that MySQL's TIMESTAMP holds"
    yield from _digits(array, column, 65, 30)


def _duckdb(array: pa.Array, column: Column) -> Iterator[Limit]:
    if _holds(column.type, Kind.TIMESTAMPTZ):
        yield from _fine(array)
    yield from _digits(array, column, 38, 10)


def _holds(kind: DataType, wanted: Kind) -> bool:
    """Whether a type, or what its lists are of, is of a kind."""
    return kind.kind is wanted or (kind.element is not None and _holds(kind.element, wanted))


def _digits(array: pa.Array, column: Column, precision: int, scale: int) -> Iterator[Limit]:
    """Where a decimal without precision becomes one that has some."""
    if column.type.kind is Kind.DECIMAL and pa.types.is_string(array.type):
        fits = pc.match_substring_regex(array, rf"^[+-]?0*\d{{0,{precision - scale}}}(\.\d{{0,{scale}}}0*)?$")
        yield pc.invert(fits), f"does not fit `numeric({precision},{scale})`"


_NUL_IN_JSON = r"(^|[^\\])(\\\\)*\\u0000"


def _postgres(array: pa.Array, column: Column) -> Iterator[Limit]:
    yield from _fine(array)
    if (marks := _nul(array, column.type.kind)) is not None:
        yield marks, "holds a NUL character"


def _nul(array: pa.Array, kind: Kind) -> pa.Array | None:
    """Marks on texts, or lists of some, with a NUL character."""
    if pa.types.is_string(array.type):
        written = kind in (Kind.JSON, Kind.STRUCT)
        return pc.match_substring_regex(array, _NUL_IN_JSON) if written else pc.match_substring(array, "\0")
    return _within(array, _nul(array.flatten(), Kind.TEXT)) if pa.types.is_list(array.type) else None


_LIMITS: Mapping[str, Limits] = {"sqlite": _sqlite, "mysql": _mysql, "duckdb": _duckdb, "postgres": _postgres}
