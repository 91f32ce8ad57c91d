"""Arrow batches into PostgreSQL's binary COPY, and out of the driver's Arrow again.

What the encoder has no binary form for (intervals, decimals without precision or of more than 38 digits, arrays of most
types, and types that flowc has no word for) travels as text in a temporary table, and PostgreSQL casts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_schema, arrow_type, data_type, decimal_text, json_text, plain, relist
from flowc.runtime.extras import driver
from flowc.runtime.fit import first_failing, misfit, refuse_where, shown_value
from flowc.runtime.systems.postgres.types import PgColumn
from flowc.runtime.text.hexadecimal import hex_text, uuid_bytes
from flowc.types import DataType, Kind

_CHUNK_ROWS = 10_000
_FIRST_DAY = -2_440_588
"""4713 BC, PostgreSQL's first day; the driver turns both infinities into values before it."""
_FIRST_MICROSECOND = _FIRST_DAY * 86_400 * 10**6
_FAR_DAYS = 2**31 - 11_000
"""PostgreSQL counts days from 2000, so that days this far from 1970 are beyond its count."""
_INFINITY = 2**63 - 1
"""What DuckDB keeps for it."""

# The Arrow types that the encoder writes for each type of PostgreSQL.
_SENT: dict[str, pa.DataType] = {
    "bool": pa.bool_(), "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(),
    "float8": pa.float64(), "text": pa.string(), "varchar": pa.string(), "bpchar": pa.string(), "name": pa.string(),
    "bytea": pa.binary(), "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"), "uuid": pa.binary(16), "json": pa.string(), "jsonb": pa.string(),
}  # fmt: skip
_ARRAYS = frozenset({"_bool", "_int2", "_int4", "_int8", "_float4", "_float8", "_text"})


@dataclass(frozen=True, slots=True)
class Sent:
    """How one column travels: its Arrow type, what makes it, and whether PostgreSQL gets it as text to cast."""

    target: PgColumn
    arrow: pa.DataType
    make: Callable[[pa.Array], pa.Array]
    as_text: bool

    @property
    def cast(self) -> str:
        """The SQL that turns the travelling column `{0}` into the target's type."""
        if not self.as_text:
            return "{0}"
        whole = f"CAST({{0}} AS {self.target.spelled})"
        if self.target.spelled.endswith("[]"):
            elements = "ARRAY(SELECT jsonb_array_elements_text(CAST({0} AS jsonb)))"
            listed = f"CASE WHEN {{0}} IS NOT NULL THEN CAST({elements} AS {self.target.spelled}) END"
            # As JSON, or as PostgreSQL itself writes an array.
            return f"CASE WHEN right({{0}}, 1) = chr(125) THEN {whole} ELSE {listed} END"
        return whole


def how_sent(column: Column, target: PgColumn) -> Sent:
    """How a fitted column travels into its live column.

    Raises DataError for arrays in arrays, whose lengths PostgreSQL wants to be the same.
    """
    if column.type.element is not None and column.type.element.kind is Kind.ARRAY:
        raise DataError(
            f"column `{column.name}` of type {column.type}: arrays in arrays do not travel to PostgreSQL",
            code="incompatible-types",
            help=f"make it JSON in the SQL, as `to_json({column.name})`, and declare the column as json",
        )
    arrow = arrow_type(column.type)
    if target.base == "numeric" and pa.types.is_decimal128(arrow):
        return Sent(target, arrow, _same, as_text=False)
    if target.base == "uuid":
        return Sent(target, pa.binary(16), uuid_bytes, as_text=False)
    if target.base in _SENT and column.type.kind is not Kind.ARRAY:
        wanted = _SENT[target.base]
        return Sent(target, wanted, lambda array: array.cast(wanted), as_text=False)
    if target.base in _ARRAYS and _fits_array(column.type, target):
        wanted = pa.list_(_SENT[target.base[1:]])
        return Sent(target, wanted, lambda array: array.cast(wanted), as_text=False)
    return Sent(target, pa.string(), lambda array: _as_text(array, column.type), as_text=True)


def _fits_array(kind: DataType, target: PgColumn) -> bool:
    element = kind.element.kind if kind.element else Kind.UNKNOWN
    return kind.kind is Kind.ARRAY and element is not Kind.ARRAY and (target.base != "_text" or element is Kind.TEXT)


def _same(array: pa.Array) -> pa.Array:
    return array


def _as_text(array: pa.Array, kind: DataType) -> pa.Array:
    if kind.kind is Kind.INTERVAL:
        return _interval_text(array)
    if kind.kind is Kind.ARRAY:
        return json_text(_spelled_elements(array))
    return array.cast(pa.string())


def _spelled_elements(array: pa.Array) -> pa.Array:
    """A list of bytes or of wide decimals as a list of PostgreSQL's spelling of them; other lists as they are."""
    if pa.types.is_decimal(array.type.value_type):
        return relist(array, decimal_text(array.values))
    if not pa.types.is_binary(array.type.value_type):
        return array
    return relist(array, hex_text(array.values, "\\x"))


def _interval_text(array: pa.Array) -> pa.Array:
    size = array.offset + len(array)
    whole = pa.Array.from_buffers(pa.int32(), 4 * size, [None, array.buffers()[1]])
    halves = pa.Array.from_buffers(pa.int64(), 2 * size, [None, array.buffers()[1]])
    rows = pa.FixedSizeListArray.from_arrays(whole, 4).slice(array.offset)
    times = pa.FixedSizeListArray.from_arrays(halves, 2).slice(array.offset)
    months = pc.list_element(rows, 0).cast(pa.string())
    days = pc.list_element(rows, 1).cast(pa.string())
    micros = pc.divide(pc.list_element(times, 1), 1000).cast(pa.string())
    words = pc.binary_join_element_wise(months, " mons ", days, " days ", micros, " microseconds", "")
    return pc.if_else(array.is_valid(), words, None)


def encoded(batches: Iterator[pa.RecordBatch], sent: Sequence[Sent]) -> Iterator[tuple[int, bytes]]:
    """The rows of each chunk and its bytes of binary COPY."""
    pgpq = driver("pgpq", "postgres")
    schema = pa.schema([pa.field(f"c{i}", column.arrow) for i, column in enumerate(sent)])
    builders = {field.name: _builder(field, column) for field, column in zip(schema, sent, strict=True)}
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)
    yield 0, encoder.write_header()
    row = 1
    for batch in batches:
        arrays = [_made(column, array, row) for column, array in zip(sent, batch.columns, strict=True)]
        row += batch.num_rows
        made = pa.RecordBatch.from_arrays(arrays, schema=schema)
        for start in range(0, made.num_rows, _CHUNK_ROWS):
            chunk = made.slice(start, _CHUNK_ROWS)
            yield chunk.num_rows, encoder.write_batch(chunk)
    yield 0, encoder.finish()


def _made(column: Sent, array: pa.Array, first_row: int) -> pa.Array:
    """The values as they travel.

    Raises DataError for one that PostgreSQL cannot hold.
    """
    target = Column(column.target.name, column.target.type)
    try:
        made = column.make(array)
    except ValueError as error:
        row = first_failing(column.make, array)
        raise misfit(target, shown_value(array, row), data_type(array.type), f"row {first_row + row}", error) from None
    if pa.types.is_timestamp(made.type):
        micros = made.cast(pa.int64())
        beyond = pc.or_(pc.less(micros, _FIRST_MICROSECOND), pc.equal(micros, _INFINITY))
        reason = "is before 4713 BC, or an infinity of another database"
        refuse_where(beyond, array, target, first_row=first_row, reason=reason)
    if pa.types.is_date32(made.type):
        far = pc.greater_equal(pc.abs(made.cast(pa.int32())), _FAR_DAYS)
        refuse_where(far, array, target, first_row=first_row, reason="is an infinity of another database, or too far")
    return made


def _builder(field: pa.Field, column: Sent) -> Any:
    pgpq = driver("pgpq", "postgres")
    if column.target.base == "jsonb" and not column.as_text:
        encoders, schema = driver("pgpq.encoders", "postgres"), driver("pgpq.schema", "postgres")
        return encoders.StringEncoderBuilder.new_with_output(field, schema.Jsonb())
    return pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)


# Reading ------------------------------------------------------------------------------------------------------------


def decoded(
    reader: Iterator[pa.RecordBatch], columns: Sequence[Column], checked: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """The driver's batches in the exact types of `columns`.

    After the columns come as many booleans as `checked` has places: whether the array there has several dimensions,
    which Arrow has not.
    """
    schema, row = arrow_schema(columns), 1
    for batch in reader:
        for extra, place in enumerate(checked, start=len(columns)):
            reason = "has several dimensions, which flowc does not carry"
            refuse_where(batch.column(extra), batch.column(place), columns[place], first_row=row, reason=reason)
        arrays = [
            _exact(array, column, field.type, row)
            for array, column, field in zip(batch.columns, columns, schema, strict=False)
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        row += batch.num_rows


def _exact(array: pa.Array, column: Column, wanted: pa.DataType, first_row: int) -> pa.Array:
    array = plain(array)
    if (column.type.element or column.type).kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        _refuse_infinity(array, column, first_row)
    if array.type == wanted:
        return array
    try:
        return array.cast(wanted)
    except ValueError:
        return _undecodable(array, column, wanted, first_row)


def _undecodable(array: pa.Array, column: Column, wanted: pa.DataType, first_row: int) -> pa.Array:
    """Says which value it is; numeric columns may hold NaN, which no decimal is."""
    for row, value in enumerate(array.to_pylist()):
        try:
            pa.array([value], array.type).cast(wanted)
        except ValueError:
            message = f"column `{column.name}`: `{value}` is no `{column.type}`, in row {first_row + row}"
            help = "convert it in the SQL, for instance with nullif(…, 'NaN')"
            raise DataError(message, code="value-does-not-fit", help=help) from None
    return array.cast(wanted)


def _refuse_infinity(array: pa.Array, column: Column, first_row: int) -> None:
    listed = pa.types.is_list(array.type)
    infinite = pc.index(_infinite(array.flatten() if listed else array), True).as_py()
    row = pc.list_parent_indices(array)[infinite].as_py() if listed and infinite >= 0 else infinite
    if row >= 0:
        message = f"column `{column.name}` holds `infinity`, which only PostgreSQL has, in row {first_row + row}"
        raise DataError(message, code="value-does-not-fit", help="convert it in the SQL, for instance to NULL")


def _infinite(array: pa.Array) -> pa.Array:
    number = array.cast(pa.int32() if pa.types.is_date32(array.type) else pa.int64())
    return pc.less(number, _FIRST_DAY if pa.types.is_date32(array.type) else _FIRST_MICROSECOND)
