"""Fitting rows to the columns they go into: exactly, or an error that names the value.

Batches are converted as a whole, column by column; only when that fails is the first offending row looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError, EngineError
from flowc.runtime.arrow import arrow_field, arrow_type, data_type, plain
from flowc.runtime.convert import Misfit, convert
from flowc.runtime.text.json import of_column
from flowc.types import DataType, Kind

CODE = "value-does-not-fit"
_SHOWN = 60

Place = Callable[[int], str]
"""Words for where a row stands, by its number in what is read, from one."""


def in_load(row: int) -> str:
    """A place in a load whose rows come in one order."""
    return f"row {row}"


__all__ = [
    "Place",
    "first_failing",
    "fit",
    "fit_column",
    "guessed_wrong",
    "in_load",
    "misfit",
    "misfit_in_file",
    "refuse_where",
    "shorten",
]


def fit(
    batch: pa.RecordBatch,
    columns: Sequence[Column],
    timezone: str | None = None,
    *,
    first_row: int = 1,
    place: Place | None = in_load,
) -> pa.RecordBatch:
    """The batch's columns, in order, as the types of `columns`, under their names.

    `timezone` is the zone of naive timestamps that go into zoned columns; `first_row` is the number, in the load, of
    the batch's first row, and `place` says where a number stands; None where rows have no order of their own.

    Raises:
        DataError: a value does not fit, or is NULL where the column takes none.
        EngineError: the numbers of columns differ.
    """
    if batch.num_columns != len(columns):
        message = f"{batch.num_columns} columns were read where {len(columns)} are loaded"
        raise EngineError(message, code="source-changed")
    arrays = [
        fit_column(array, data_type(field), column, timezone=timezone, first_row=first_row, place=place)
        for array, field, column in zip(batch.columns, batch.schema, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([arrow_field(column) for column in columns]))


def fit_column(
    array: pa.Array,
    source: DataType,
    column: Column,
    *,
    timezone: str | None,
    first_row: int = 1,
    place: Place | None = in_load,
) -> pa.Array:
    """The values of one column, as those of `fit`."""
    array = of_column(column.name, partial(plain, array))
    if array.null_count and not column.nullable:
        row = pc.index(array.is_null(), True).as_py()
        raise misfit(column, None, source, place(first_row + row) if place else None)
    if source == column.type and array.type == arrow_type(column.type) and source.kind not in _CHECKED:
        return array
    try:
        return convert(array, source, column.type, timezone)
    except ValueError as error:
        row = first_failing(lambda part: convert(part, source, column.type, timezone), array)
        where = place(first_row + row) if place else None
        raise misfit(column, shown_value(array, row), source, where, error) from None


# Equal types whose values may still break a promise: text longer or not UTF-8, digits below the precision.
_CHECKED = (Kind.TEXT, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL, Kind.ARRAY)


def first_failing(check: Callable[[pa.Array], object], array: pa.Array) -> int:
    """The index of the first element that `check` refuses, by bisection."""
    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            check(array.slice(low, middle - low))
        except ValueError:
            high = middle
        else:
            low = middle
    return low


def misfit(
    column: Column,
    value: object,
    source: DataType,
    place: str | None,
    error: ValueError | None = None,
    *,
    help: str | None = None,
) -> DataError:
    """The error for one value of a load and the place of its row, where that is known; `value` None is NULL."""
    reason = error.reason if isinstance(error, Misfit) else ""
    mend = (error.help if isinstance(error, Misfit) else None) or _mend(source, column.type)
    if value is None:
        message = f"column `{column.name}` takes no NULL, but {place or 'a row of the query'} has one"
        return DataError(message, code=CODE, help="leave such rows out, give them a value, or let the column be null")
    shown = shorten(value)
    where = f", in {place}" if place else ""
    message = f"column `{column.name}`: {shown} ({source}) does not fit `{column.type}`{reason}{where}"
    return DataError(message, code=CODE, help=mend)


_DAY = {"us": 86_400 * 10**6, "ns": 86_400 * 10**9}


def shown_value(array: pa.Array, row: int) -> object:
    """One value for a message; what Python cannot hold (text that is not UTF-8, far times) as its raw form."""
    if (special := _special_time(array, row)) is not None:
        return special
    if pa.types.is_time64(array.type) and array.type.unit == "ns":
        return _in_words(array.slice(row, 1))  # Python has no nanoseconds
    try:
        value: object = array[row].as_py()
    except UnicodeDecodeError:
        if pa.types.is_nested(array.type):
            return _in_words(array.slice(row, 1))
        return array[row].cast(pa.binary()).as_py()
    except (ValueError, OverflowError):
        # Far from the years that Python has.
        return _in_words(array.slice(row, 1))
    return value


def _in_words(one: pa.Array) -> object:
    try:
        return one.cast(pa.string())[0].as_py()
    except pa.ArrowException:  # Arrow writes no lists
        return " ".join(one.to_string().split())


def _special_time(array: pa.Array, row: int) -> str | None:
    """DuckDB's times that Arrow takes for others: its infinities, the farthest values, and the end of a day."""
    kind = array.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind) or pa.types.is_time64(kind)):
        return None
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz is not None:
        return None  # DuckDB has none as fine, with a zone
    number = array.slice(row, 1).view(pa.int32() if pa.types.is_date32(kind) else pa.int64())[0].as_py()
    if pa.types.is_time64(kind):
        return "24:00:00" if number == _DAY[kind.unit] else None
    farthest = 2**31 - 1 if pa.types.is_date32(kind) else 2**63 - 1
    return {farthest: "infinity", -farthest: "-infinity"}.get(number)


def misfit_in_file(
    column: Column,
    array: pa.Array,
    check: Callable[[pa.Array], object],
    error: ValueError,
    place: Place | None = None,
    *,
    guessed: bool = False,
) -> DataError:
    """The error for a column of a file; `check` refuses the value, `place` says where the array's rows stand.

    With `guessed`, the column's type is one that flowc inferred.
    """
    row = first_failing(check, array)
    where = f", in {place(row)}" if place else ""
    if array[row].is_valid is False and not column.nullable:
        message = f"column `{column.name}` takes no NULL, and a row has no value for it{where}"
        return DataError(message, code=CODE, help="mend the file, or let the column be null in the source")
    if guessed:
        return guessed_wrong(column, shown_value(array, row), place(row) if place else None)
    shown = shorten(shown_value(array, row))
    reason = error.reason if isinstance(error, Misfit) else ""
    mend = (error.help if isinstance(error, Misfit) else None) or "mend the file, or declare another type"
    message = f"column `{column.name}`: {shown} does not fit its declared type `{column.type}`{reason}{where}"
    return DataError(message, code=CODE, help=mend)


def guessed_wrong(column: Column, value: object, place: str | None) -> DataError:
    """The error for a value that the type inferred for its column does not keep as it is."""
    where = f", in {place}" if place else ""
    message = f"column `{column.name}`: {shorten(value)} does not fit the type inferred for it, `{column.type}`{where}"
    mend = f"declare the columns in the source, this one with a type that fits: columns: {{ {column.name}: text, … }}"
    return DataError(message, code=CODE, help=mend)


def _mend(source: DataType, target: DataType) -> str:
    if source.kind is Kind.DECIMAL and target.is_float:
        return "round it with a CAST in the SQL; for a file, declaring it does: `columns: { …: double }` in the source"
    if source.is_number and target.is_number:
        return "round or CAST it in the SQL, or give the column a wider type"
    if target.kind is Kind.TEXT and target.length is not None:
        return "give the column a greater length, or cut the text in the SQL"
    return "convert it in the SQL, or give the column another type"


def shorten(value: object) -> str:
    """A value as a message shows it: quoted, on one line, not too long."""
    text = value if isinstance(value, str) else str(value)
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}`"


def refuse_where(
    bad: pa.Array, array: pa.Array, column: Column, *, first_row: int, reason: str, help: str | None = None
) -> None:
    """Raises for the first row where `bad` is true: a value that the type allows but an engine cannot hold."""
    row = pc.index(bad, True).as_py()
    if row < 0:
        return
    message = f"column `{column.name}`: {shorten(shown_value(array, row))} {reason}, in row {first_row + row}"
    raise DataError(message, code=CODE, help=help or "convert it or leave it out in the SQL")
