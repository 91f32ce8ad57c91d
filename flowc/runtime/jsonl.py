"""JSON Lines, read strictly: a number is never cut to fit, a field that nobody expected is an error.

Types are inferred from the first `infer_rows` lines unless they are declared; times stay text, for JSON has none.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.json as arrow_json

from flowc.catalog import Column
from flowc.errors import DataError, UsageError
from flowc.plan import FilesRead
from flowc.runtime.arrow import arrow_field, arrow_type, data_type, plain
from flowc.runtime.connectors.files import Bytes, Files, opened, unreadable
from flowc.runtime.convert import convert
from flowc.types import INTEGER_RANGES, TEXT, DataType, Kind

_BLOCK = 4 << 20
_INFER_ROWS = 10_000
_NATIVE = (Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, Kind.TEXT, *INTEGER_RANGES)


def read_jsonl(read: FilesRead, files: Files) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema and the rows of JSON Lines files, in order.

    Raises:
        DataError: a line is not a JSON object, or a value not of its field's type; names file and line.
    """
    paths = files.find(read.path)
    infer_rows = _infer_rows({**files.options, **read.options})
    raw = _declared(read.columns) if read.columns else _inferred(paths, infer_rows)
    columns = read.columns or tuple(_text_for_times(field) for field in raw)
    schema = pa.schema([arrow_field(column) for column in columns])
    return schema, _rows(paths, raw, columns, exact=not read.columns)


def _infer_rows(options: dict[str, object]) -> int:
    unknown = [name for name in options if name != "infer_rows"]
    if unknown:
        raise UsageError(f"JSON has no option `{unknown[0]}`", code="unusable-option", help="infer_rows: 10000")
    rows = options.get("infer_rows", _INFER_ROWS)
    return rows if isinstance(rows, int) else _INFER_ROWS


def _declared(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(column.name, _raw_type(column.type)) for column in columns])


def _raw_type(kind: DataType) -> pa.DataType:
    if kind.kind is Kind.ARRAY and kind.element is not None:
        return pa.list_(_raw_type(kind.element))
    decimal = kind.kind is Kind.DECIMAL and kind.precision is not None and kind.precision <= 38
    return arrow_type(kind) if decimal or (kind.kind in _NATIVE and kind.kind is not Kind.INT128) else pa.string()


def _inferred(paths: Sequence[Path], infer_rows: int) -> pa.Schema:
    """From the first lines of the files together, as if they were one."""
    first: list[bytes] = []
    for path in paths:
        with opened(path) as stream:
            first.extend(itertools.islice(stream, infer_rows - len(first)))
        if len(first) >= infer_rows:
            break
    sample = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in first)
    try:
        options = arrow_json.ReadOptions(block_size=max(len(sample) + 1, _BLOCK))
        return _as_text(arrow_json.read_json(io.BytesIO(sample), options).schema)
    except pa.ArrowInvalid as error:
        raise _located(paths, None, error) from None


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
    return Column(field.name, DataType(Kind.JSON) if kind.kind is Kind.STRUCT else kind)


def _rows(paths: Sequence[Path], raw: pa.Schema, columns: Sequence[Column], *, exact: bool) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([arrow_field(column) for column in columns])
    for path in paths:
        try:
            with opened(path) as stream:
                for batch in _parsed(stream, raw, exact=exact):
                    arrays = [_exact(plain(batch.column(c.name)), c, raw.field(c.name)) for c in columns]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (pa.ArrowInvalid, ValueError, OSError, EOFError) as error:
            raise _located([path], raw, error, exact=exact) from None


def _exact(array: pa.Array, column: Column, raw: pa.Field) -> pa.Array:
    wanted = arrow_type(column.type)
    if array.type == wanted and raw.type == wanted and not pa.types.is_string(wanted):
        return array
    source = TEXT if pa.types.is_string(raw.type) else data_type(raw)
    if source is TEXT and column.type.kind in (Kind.DECIMAL, Kind.INT128):
        source = DataType(Kind.DECIMAL)
    return convert(array, source, column.type, None)


def _parsed(stream: Bytes, raw: pa.Schema, *, exact: bool) -> Iterator[pa.RecordBatch]:
    if not stream.peek(1):
        return
    unexpected = "error" if exact else "ignore"
    options = arrow_json.ParseOptions(explicit_schema=raw, unexpected_field_behavior=unexpected)
    yield from arrow_json.open_json(pa.PythonFile(stream, mode="r"), arrow_json.ReadOptions(block_size=_BLOCK), options)


def _located(paths: Sequence[Path], raw: pa.Schema | None, error: Exception, *, exact: bool = False) -> DataError:
    """The error with the file and the line that it is about; looking for it reads the file again."""
    for path in paths:
        try:
            with opened(path) as stream:
                for number, line in enumerate(stream, start=1):
                    if why := _wrong(line, raw, exact=exact):
                        return unreadable(path, f"line {number}: {why}")
        except (OSError, EOFError) as broken:
            return unreadable(path, str(broken))
    return unreadable(paths[0], str(error))


def _wrong(line: bytes, raw: pa.Schema | None, *, exact: bool) -> str | None:
    if not line.strip():
        return None
    try:
        if not isinstance(json.loads(line), dict):
            return "it is not a JSON object"
        if raw is not None:
            options = arrow_json.ParseOptions(
                explicit_schema=raw, unexpected_field_behavior="error" if exact else "ignore"
            )
            arrow_json.read_json(io.BytesIO(line), parse_options=options)
    except (ValueError, RecursionError) as error:
        return str(error)
    return None
