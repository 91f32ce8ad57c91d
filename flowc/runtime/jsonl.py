"""JSON Lines, read strictly: a number is never cut to fit, a field that nobody expected is an error.

Types are inferred from the first `infer_rows` lines unless they are declared; times stay text, for JSON has none. A
field that is a json column, declared or because it holds objects, is the very text of the file.
"""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.json as arrow_json

from flowc.catalog import Column
from flowc.errors import DataError, UsageError
from flowc.plan import FilesRead
from flowc.runtime.arrow import MAX_DECIMAL, arrow_field, arrow_type, data_type, plain
from flowc.runtime.codecs.shapes import decoded_field
from flowc.runtime.connectors.files import Bytes, Files, unreadable
from flowc.runtime.convert import convert
from flowc.runtime.fit import guessed_wrong, shorten
from flowc.runtime.jsonarray import Objects, demand_no_null, json_stream, numbered
from flowc.runtime.jsonnumbers import Watched, decimal_fields, double_fields, exact_type, spelling
from flowc.runtime.jsonstructs import is_struct, struct_values
from flowc.runtime.jsontexts import Texts
from flowc.runtime.spelled import DOUBLE
from flowc.types import INTEGER_RANGES, TEXT, DataType, Kind, computed

_BLOCK = 4 << 20
_INFER_ROWS = 10_000
_PIECE = 1000
"""Lines that are looked at together where one of them is wrong."""
_JSON = pa.json_()
"""Stands in a raw schema for a field that is kept as text."""
_NATIVE = (Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, Kind.TEXT, *INTEGER_RANGES)


@dataclass(frozen=True, slots=True)
class JsonShape:
    """How lines are read: the fields as Arrow reads them, and the columns that they become.

    With `guessed`, the types were inferred: a field beside them, and a number that a double changes, is an error.
    """

    raw: pa.Schema
    columns: tuple[Column, ...]
    guessed: bool

    @property
    def schema(self) -> pa.Schema:
        """The schema of the rows."""
        return pa.schema(list(map(_field, self.columns)))


def read_jsonl(read: FilesRead, files: Files) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the rows of JSON files, in order.

    Raises:
        DataError: a line is not a JSON object, or a value not of its field's type; names file and line.
    """
    paths = files.find(read.path)
    shape = json_shape(read, files, paths)
    return shape.schema, _rows(paths, shape)


def json_shape(read: FilesRead, files: Files, paths: Sequence[Path]) -> JsonShape:
    """How the lines of files are read: as declared, or as the first of them are."""
    infer_rows = _infer_rows({**files.options, **read.options})
    found = _declared(read.columns) if read.columns else _inferred(paths, infer_rows, skips=read.skips)
    columns = read.columns or tuple(_text_for_times(field) for field in found)
    raw = pa.schema([pa.field(field.name, _roomy(field.type)) for field in found])
    return JsonShape(raw, tuple(columns), guessed=read.inferred or not read.columns)


def _infer_rows(options: dict[str, object]) -> int:
    unknown = [name for name in options if name != "infer_rows"]
    if unknown:
        raise UsageError(f"JSON has no option `{unknown[0]}`", code="unusable-option", help="infer_rows: 10000")
    rows = options.get("infer_rows", _INFER_ROWS)
    return rows if isinstance(rows, int) else _INFER_ROWS


def _declared(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(column.name, _raw_type(column.type)) for column in columns])


def _raw_type(kind: DataType, depth: int = 0) -> pa.DataType:
    if is_struct(kind):
        return _JSON
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return pa.list_(_raw_type(kind.element, depth + 1))
    if kind.kind is Kind.JSON and depth < 2:
        return _JSON
    decimal = kind.kind is Kind.DECIMAL and kind.precision is not None and kind.precision <= 38
    return arrow_type(kind) if decimal or (kind.kind in _NATIVE and kind.kind is not Kind.INT128) else pa.string()


def _roomy(kind: pa.DataType) -> pa.DataType:
    """Decimals as Arrow is to read them: it does not look at their precision, but the conversion from more does."""
    if pa.types.is_list(kind):
        return pa.list_(_roomy(kind.value_type))
    return pa.decimal256(MAX_DECIMAL, kind.scale) if pa.types.is_decimal(kind) else kind


def _inferred(paths: Sequence[Path], infer_rows: int, *, skips: bool) -> pa.Schema:
    """From the first lines of the files together, as if they were one; with `skips`, without those that are no rows."""
    first: list[bytes] = []
    for path in paths:
        with json_stream(path) as stream:
            first.extend(itertools.islice(stream, infer_rows - len(first)))
        if len(first) >= infer_rows:
            break
    sample = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in first)
    if skips and not _readable(sample, None):
        sample = b"".join(line for line in sample.splitlines(keepends=True) if not wrong_in(line, None))
    try:
        return _exact_numbers(_as_text(_schema(sample)), sample)
    except ValueError as error:
        raise _located(paths, None, error) from None


def _schema(lines: bytes) -> pa.Schema:
    demand_no_null(b"\n" + lines)
    options = arrow_json.ReadOptions(block_size=max(len(lines) + 1, _BLOCK))
    return arrow_json.read_json(io.BytesIO(lines), options).schema


def _exact_numbers(schema: pa.Schema, sample: bytes) -> pa.Schema:
    """Doubles only where they keep every number of the sample, else decimals, else the numbers as JSON."""
    for name in double_fields(schema):
        found = exact_type(sample, name)
        if found != DOUBLE:
            kind = arrow_type(found) if found else _JSON
            field = schema.field(name)
            made = _relisted(field.type, kind) if found or pa.types.is_list(field.type) else kind
            schema = schema.set(schema.get_field_index(name), pa.field(name, made))
    return schema


def _relisted(kind: pa.DataType, element: pa.DataType) -> pa.DataType:
    return pa.list_(_relisted(kind.value_type, element)) if pa.types.is_list(kind) else element


def _as_text(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, _text_type(field.type)) for field in schema])


def _text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_text_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _text_type(field.type)) for field in kind.fields])
    return kind


def _text_for_times(field: pa.Field) -> Column:
    kind = data_type(field)
    if kind.element is not None and kind.element.kind is Kind.STRUCT:
        kind = DataType(Kind.ARRAY, element=DataType(Kind.JSON))
    return Column(field.name, DataType(Kind.JSON) if kind.kind is Kind.STRUCT else kind)


def _rows(paths: Sequence[Path], shape: JsonShape) -> Iterator[pa.RecordBatch]:
    schema = shape.schema
    for path in paths:
        try:
            with json_stream(path) as stream:
                for batch in parsed(stream, shape.raw, guessed=shape.guessed):
                    yield pa.RecordBatch.from_arrays(arrays_of(batch, shape), schema=schema)
        except (pa.ArrowInvalid, ValueError, OSError, EOFError) as error:
            raise _located([path], shape, error) from None


def arrays_of(batch: pa.RecordBatch, shape: JsonShape) -> list[pa.Array]:
    """The columns of parsed rows. Raises ValueError where a value does not fit its column."""
    return [_given(plain(batch.column(c.name)), c, shape.raw.field(c.name)) for c in shape.columns]


def _given(array: pa.Array, column: Column, raw: pa.Field) -> pa.Array:
    """The column's values. Raises ValueError where one does not fit, or none is there and there has to be one."""
    if array.null_count and not column.nullable:
        raise ValueError(f"column `{column.name}` takes no NULL")
    return _exact(array, column, raw)


def _field(column: Column) -> pa.Field:
    return decoded_field(column.name, computed(column.type)) if is_struct(column.type) else arrow_field(column)


def _exact(array: pa.Array, column: Column, raw: pa.Field) -> pa.Array:
    if is_struct(column.type):
        return struct_values(array, computed(column.type))
    wanted = arrow_type(column.type)
    if array.type == wanted and _is_json(raw.type):
        return array
    if array.type == wanted and raw.type == wanted and not pa.types.is_string(wanted):
        return array
    source = TEXT if pa.types.is_string(raw.type) else data_type(raw)
    if source is TEXT and column.type.kind in (Kind.DECIMAL, Kind.INT128):
        source = DataType(Kind.DECIMAL)
    return convert(array, source, column.type, None)


def parsed(stream: Bytes, raw: pa.Schema, *, guessed: bool, strict: bool = True) -> Iterator[pa.RecordBatch]:
    """The rows; with `strict`, a field that a guessed schema has not is an error."""
    if not stream.peek(1):
        return
    stream = cast("Bytes", Objects(stream))
    if fields := decimal_fields(raw) | (double_fields(raw) if guessed else {}):
        stream = cast("Bytes", Watched(stream, fields))
    if texts := _texts(raw, exact=guessed and strict):
        yield from texts.batches(stream, _BLOCK)
        return
    options = _options(raw, exact=guessed and strict)
    yield from arrow_json.open_json(pa.PythonFile(stream, mode="r"), arrow_json.ReadOptions(block_size=_BLOCK), options)


def _options(raw: pa.Schema, *, exact: bool) -> arrow_json.ParseOptions:
    return arrow_json.ParseOptions(explicit_schema=raw, unexpected_field_behavior="error" if exact else "ignore")


def _texts(raw: pa.Schema, *, exact: bool) -> Texts | None:
    """How the fields that are JSON text are read; None where there are none, so that Arrow reads everything."""
    typed = pa.schema([field for field in raw if not _is_json(field.type)])
    names = tuple(field.name for field in raw if _is_json(field.type))
    lists = frozenset(name for name in names if pa.types.is_list(raw.field(name).type))
    return Texts(typed, names, lists, exact) if names else None


def _is_json(kind: pa.DataType) -> bool:
    """Whether a field of that type is kept as text, or as a list of texts."""
    held = kind.value_type if pa.types.is_list(kind) else kind
    return bool(held == _JSON or pa.types.is_struct(held))


def _located(paths: Sequence[Path], shape: JsonShape | None, error: Exception) -> DataError:
    """The error with the file and the line that it is about; looking for it reads the file again."""
    for path in paths:
        try:
            for number, line in _suspects(numbered(path), shape):
                if line.strip() and (why := wrong_in(line, shape)):
                    return _told(path, number, why, shape)
        except (OSError, EOFError) as broken:
            return unreadable(path, str(broken))
    return unreadable(paths[0], str(error))


def _suspects(lines: Iterator[tuple[int, bytes]], shape: JsonShape | None) -> Iterator[tuple[int, bytes]]:
    """Lines that may be wrong: those of pieces that cannot be read as a whole. One by one takes far longer."""
    while piece := list(itertools.islice(lines, _PIECE)):
        if not _readable(b"".join(line for _, line in piece), shape):
            yield from piece


def _readable(lines: bytes, shape: JsonShape | None) -> bool:
    try:
        if shape is None:
            _schema(lines)
            return True
        for batch in parsed(io.BufferedReader(io.BytesIO(lines)), shape.raw, guessed=shape.guessed):
            arrays_of(batch, shape)
    except (ValueError, RecursionError):
        return False
    return True


def _told(path: Path, line: int, why: str | tuple[Column, object], shape: JsonShape | None) -> DataError:
    if isinstance(why, str):
        return unreadable(path, f"line {line}: {why}")
    column, value = why
    if value is None and not column.nullable:
        return unreadable(path, f"line {line}: column `{column.name}` takes no NULL, and the row has no value for it")
    if shape is not None and shape.guessed:
        return guessed_wrong(column, value, f"line {line} of `{path}`")
    return unreadable(
        path, f"line {line}: column `{column.name}`: {shorten(value)} does not fit its type `{column.type}`"
    )


def wrong_in(line: bytes, shape: JsonShape | None) -> str | tuple[Column, object] | None:
    """What is wrong with a line: words, or the column and its value."""
    try:
        held = json.loads(line)
        if not isinstance(held, dict):
            return "it is not a JSON object"
    except json.JSONDecodeError as error:
        return f"it is no JSON: {error.msg}, at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return str(error)
    try:
        _schema(line) if shape is None else _read_line(line, shape.raw, guessed=shape.guessed)
    except (ValueError, RecursionError) as error:
        return (_misfit(line, held, shape) if shape else None) or str(error).removesuffix(" in row 0")
    return _misfit(line, held, shape) if shape else None


def _read_line(line: bytes, raw: pa.Schema, *, guessed: bool, strict: bool = True) -> pa.RecordBatch | None:
    return next(parsed(io.BufferedReader(io.BytesIO(line)), raw, guessed=guessed, strict=strict), None)


def _misfit(line: bytes, held: dict[str, object], shape: JsonShape) -> tuple[Column, object] | None:
    """The first column whose value in a line does not fit, with the value."""
    for column in shape.columns:
        field = shape.raw.field(column.name)
        try:
            if batch := _read_line(line, pa.schema([field]), guessed=shape.guessed, strict=False):
                _given(plain(batch.column(column.name)), column, field)
        except (ValueError, RecursionError):
            # For a number beyond all doubles the whole line is refused, whichever column is asked for.
            column = next((c for c in shape.columns if _is_beyond(line, held, c.name)), column)
            value = held.get(column.name)
            kept = value is None or isinstance(value, str)
            return column, value if kept else _spelled(line, column.name, value)
    return None


def _is_beyond(line: bytes, held: dict[str, object], name: str) -> bool:
    value = held.get(name)
    beyond = isinstance(value, float) and math.isinf(value)
    return beyond and any(sign.isdigit() for sign in str(_spelled(line, name, value)))


def _spelled(line: bytes, name: str, value: object) -> object:
    try:
        return spelling(line, name)
    except ValueError:
        return value  # such as NaN, which is no JSON
