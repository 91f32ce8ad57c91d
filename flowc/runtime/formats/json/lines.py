"""JSON Lines, read strictly: a number is never cut to fit, a field that nobody expected is an error.

Types are inferred from the first `infer_rows` lines unless they are declared; times stay text, for JSON has none. A
field that is a json column, declared or because it holds objects, is the very text of the file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import FilesRead
from flowc.runtime.arrow import MAX_DECIMAL, arrow_field, arrow_type, data_type, plain
from flowc.runtime.contracts.store import File
from flowc.runtime.convert import convert
from flowc.runtime.fit import guessed_wrong, shorten
from flowc.runtime.formats.aside import place
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.formats.json.framing import Lines, json_lines
from flowc.runtime.formats.json.kinds import Line, at_odds, schema_of
from flowc.runtime.formats.json.numbers import (
    decimal_fields,
    demand_kept,
    demand_none_vanish,
    double_fields,
    exact_types,
    spelling,
)
from flowc.runtime.formats.json.odd import Pairs, demand_no_constant, demand_no_constants, demand_once, odd_in
from flowc.runtime.formats.json.options import JsonOptions
from flowc.runtime.formats.shapes import decoded_field
from flowc.runtime.formats.values import demand_finite
from flowc.runtime.stores.files import ASIDE, MARK, MARKED, intact, no_columns, too_many, unreadable
from flowc.runtime.stores.lines import lines_of
from flowc.runtime.text.jsonstrings import TOO_BIG, Texts
from flowc.runtime.text.spelled import DOUBLE
from flowc.types import INTEGER_RANGES, TEXT, DataType, Kind, computed

_BLOCK = 1 << 20
_SAMPLE = 64 << 20
"""Bytes of lines, more than which are not looked at for their types."""
_KEYS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ODD = re.compile(rb"\n(?:(?<!}\n)(?<!}\r\n)|(?![ \t]*\{|\Z))")
"""A line that does not begin and end as an object does. Where none is odd, as many rows as lines are one in each."""
_JSON = pa.json_()
"""Stands in a raw schema for a field that is kept as text."""
_NATIVE = (Kind.BOOL, Kind.FLOAT32, Kind.FLOAT64, Kind.TEXT, *INTEGER_RANGES)
_FIELD = "v"
_DIGITS = 4000


@dataclass(frozen=True, slots=True)
class JsonShape:
    """How lines are read: the fields as Arrow reads them, and the columns that they become.

    With `guessed`, the types were inferred: a field beside them, and a number that a double changes, is an error.
    """

    raw: pa.Schema
    columns: tuple[Column, ...]
    guessed: bool
    schema: pa.Schema
    """Of the rows."""


def json_shape(read: FilesRead, options: JsonOptions, paths: Sequence[File]) -> JsonShape:
    """How the lines of files are read: as declared, or as the first of them are.

    Raises:
        DataError: a line of the first ones is not a JSON object, or they have too many columns; names file and line.
    """
    found = _declared(read.columns) if read.columns else _inferred(paths, options, skips=read.skips)
    columns = read.columns or tuple(_text_for_times(field) for field in found)
    raw = pa.schema([pa.field(field.name, _roomy(field.type)) for field in found])
    guessed = read.inferred or not read.columns
    return JsonShape(raw, tuple(columns), guessed, pa.schema(list(map(_field, columns))))


def _declared(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([pa.field(column.name, _raw_type(column.type)) for column in columns])


def _raw_type(kind: DataType, depth: int = 0) -> pa.DataType:
    if _is_struct(kind):
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


def _inferred(paths: Sequence[File], options: JsonOptions, *, skips: bool) -> pa.Schema:
    """From the first lines of the files together, as if they were one; with `skips`, without those that are no rows."""
    first = _first(paths, options)
    sample = b"".join(lines.data if lines.data.endswith(b"\n") else lines.data + b"\n" for _, lines in first)
    _demand_few(sample, first[0][0] if first else paths[0], options.max_columns)
    if not sample or sample.isspace():
        raise no_columns(paths[0], "it has no row that can be read")
    if skips and not _is_sample(sample):
        sample = b"".join(line for line in sample.splitlines(keepends=True) if not wrong_in(line, None))
        if not sample or sample.isspace():
            raise _located(first, skips=False) or no_columns(paths[0])
    try:
        return _exact_numbers(_as_text(schema_of(sample)), sample)
    except ValueError as error:
        raise _located(first, skips=skips) or unreadable(paths[0], str(error)) from None


def _first(paths: Sequence[File], options: JsonOptions) -> list[tuple[File, Lines]]:
    """The first lines of files, as many as are looked at, and no more than some megabytes of them."""
    found, rows, size = list[tuple[File, Lines]](), 0, 0
    for path in paths:
        for lines in intact(path, json_lines(path, options.max_line)):
            part = lines.first(options.infer_rows - rows)
            found.append((path, part))
            rows, size = rows + len(part.numbers), size + len(part.data)
            if rows >= options.infer_rows or size >= _SAMPLE:
                return found
    return found


def _demand_few(sample: bytes, path: File, most: int) -> None:
    """Raises DataError where lines have too many fields: before any of them becomes a column."""
    names = set[str]()
    for line in sample.splitlines():
        try:
            names.update(_KEYS.decode(line))
        except (ValueError, RecursionError):
            continue
        if len(names) > most:
            raise too_many(path, f"its first rows have {len(names)} fields and more", most)


def _exact_numbers(schema: pa.Schema, sample: bytes) -> pa.Schema:
    """Doubles only where they keep every number of the sample, else decimals, else the numbers as JSON."""
    found = exact_types(sample, tuple(double_fields(schema)))
    return pa.schema([_exact_number(field, found.get(field.name, DOUBLE)) for field in schema])


def _exact_number(field: pa.Field, found: DataType | None) -> pa.Field:
    if found == DOUBLE:
        return field
    kind = arrow_type(found) if found else _JSON
    return field.with_type(_relisted(field.type, kind) if found or pa.types.is_list(field.type) else kind)


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


def rows_of(lines: bytes, shape: JsonShape) -> pa.RecordBatch:
    """The rows of whole lines. Raises ValueError where a line is no object, or a value does not fit its column."""
    found = parsed(lines, shape.raw, guessed=shape.guessed)
    arrays = [_given(_plain(found.column(c.name)), c, shape.raw.field(c.name)) for c in shape.columns]
    demand_no_constants(lines)
    return pa.RecordBatch.from_arrays(arrays, schema=shape.schema)


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return plain(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)


def _given(array: pa.Array, column: Column, raw: pa.Field) -> pa.Array:
    """The column's values. Raises ValueError where one does not fit, or none is there and there has to be one."""
    if array.null_count and not column.nullable:
        raise ValueError(f"column `{column.name}` takes no NULL")
    return _exact(array, column, raw)


def _field(column: Column) -> pa.Field:
    return decoded_field(column.name, computed(column.type)) if _is_struct(column.type) else arrow_field(column)


def _exact(array: pa.Array, column: Column, raw: pa.Field) -> pa.Array:
    if _is_struct(column.type):
        return _struct_values(array, computed(column.type))
    values = pc.list_flatten(array, recursive=True) if pa.types.is_list(array.type) else array
    if pa.types.is_floating(values.type):
        demand_finite(values)
    wanted = arrow_type(column.type)
    if array.type == wanted and _is_json(raw.type):
        return array
    if array.type == wanted and raw.type == wanted and not pa.types.is_string(wanted):
        return array
    source = TEXT if pa.types.is_string(raw.type) else data_type(raw)
    if source is TEXT and column.type.kind in (Kind.DECIMAL, Kind.INT128):
        source = DataType(Kind.DECIMAL)
    return convert(array, source, column.type, None)


def parsed(lines: bytes, raw: pa.Schema, *, guessed: bool, strict: bool = True) -> pa.RecordBatch | pa.Table:
    """The rows of whole lines, each of which is to be one object.

    With `strict`, a field that a guessed schema has not is an error.

    Raises ValueError (ArrowInvalid among them) for a line that is not as it should be.
    """
    if _ODD.search(b"}\n" + lines):
        raise ValueError("it is not a JSON object")
    if fields := decimal_fields(raw) | (double_fields(raw) if guessed else {}):
        demand_kept(lines, fields)
    found = _read(lines, raw, exact=guessed and strict)
    demand_none_vanish(lines, found)
    return found


def _read(lines: bytes, raw: pa.Schema, *, exact: bool) -> pa.RecordBatch | pa.Table:
    texts = _texts(raw, exact=exact)
    if texts is None:
        try:
            return _table(lines, _options(raw, exact=exact))
        except pa.ArrowInvalid as error:
            if exact or TOO_BIG not in str(error):
                raise
            texts = Texts(raw, (), frozenset(), exact)
    found = texts.read(lines)
    messages = lines_of(lines)
    for name in raw.names:
        demand_once(messages, name)
    return found


def _table(lines: bytes, options: arrow_json.ParseOptions) -> pa.Table:
    """Parsed in blocks by several threads; where that fails, perhaps for a line longer than one, as one block."""
    try:
        return arrow_json.read_json(pa.BufferReader(lines), arrow_json.ReadOptions(block_size=_BLOCK), options)
    except pa.ArrowInvalid:
        if len(lines) <= _BLOCK:
            raise
    read = arrow_json.ReadOptions(use_threads=False, block_size=len(lines) + 1)
    return arrow_json.read_json(pa.BufferReader(lines), read, options)


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


def _located(first: Sequence[tuple[File, Lines]], *, skips: bool) -> DataError | None:
    """The error with the file and the line that it is about; None where that is not found."""
    whole = list[Line]()
    for path, part in first:
        lines = [(i, text) for i, text in enumerate(part.texts) if text.strip()]
        own = [(path, place(int(part.numbers[i]), part.nth(i)), text) for i, text in lines]
        if not _is_sample(part.data):
            wrong = [(where, wrong_in(line, None)) for _, where, line in own]
            if not skips and (bad := next(((where, why) for where, why in wrong if why), None)):
                return told(path, *bad, None)
            own = [line for line, (_, why) in zip(own, wrong, strict=True) if not why]
        whole += own
    return at_odds(whole)


def _is_sample(lines: bytes) -> bool:
    try:
        schema_of(lines)
    except (ValueError, RecursionError):
        return False
    return True


def told(path: File, place: str, why: str | tuple[Column, object], shape: JsonShape | None) -> DataError:
    """The error for a line, with what is wrong with it. `place` says where it is."""
    if isinstance(why, str):
        return unreadable(path, f"{place}: {why}", ASIDE)
    column, value = why
    if value is None and not column.nullable:
        words = f"{place}: column `{column.name}` takes no NULL, and the row has no value for it"
        return unreadable(path, words, ASIDE)
    if shape is not None and shape.guessed:
        return guessed_wrong(column, value, f"{place} of `{path}`")
    words = f"{place}: column `{column.name}`: {shorten(value)} does not fit its type `{column.type}`"
    return unreadable(path, words, ASIDE)


def wrong_in(line: bytes, shape: JsonShape | None) -> str | tuple[Column, object] | None:
    """What is wrong with a line: words, or the column and its value."""
    if line.startswith(MARK):
        return f"it is no JSON: {MARKED}"
    try:
        # Decoded here: of bytes, the module guesses another encoding by their NULs.
        held = json.loads(line.decode("utf-8-sig", "surrogatepass"), object_pairs_hook=Pairs, parse_int=_whole)
        if not isinstance(held, dict):
            return "it is not a JSON object"
    except json.JSONDecodeError as error:
        return f"it is no JSON: {error.msg}, at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return _words(error)
    try:
        schema_of(line) if shape is None else _read_line(line, shape.raw, guessed=shape.guessed)
    except (ValueError, RecursionError) as error:
        with suppress(RecursionError):
            if odd := odd_in(held):
                return odd
        return (_misfit(line, held, shape) if shape else None) or _words(error)
    return (_misfit(line, held, shape) if shape else None) or _not_finite(line)


def _whole(digits: str) -> int | float:
    """A whole number; one of so many digits that Python makes none of them is beyond all doubles."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _words(error: ValueError | RecursionError) -> str:
    """What is wrong with a line, without the words that are for those who write Python."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error).removesuffix(" in row 0")


def _not_finite(line: bytes) -> str | None:
    try:
        demand_no_constant(line)
    except ValueError as error:
        return str(error)
    return None


def _read_line(line: bytes, raw: pa.Schema, *, guessed: bool, strict: bool = True) -> pa.RecordBatch | pa.Table:
    return parsed(line.strip() + b"\n", raw, guessed=guessed, strict=strict)


def _misfit(line: bytes, held: dict[str, object], shape: JsonShape) -> tuple[Column, object] | None:
    """The first column whose value in a line does not fit, with the value."""
    for column in shape.columns:
        field = shape.raw.field(column.name)
        try:
            batch = _read_line(line, pa.schema([field]), guessed=shape.guessed, strict=False)
            _given(_plain(batch.column(column.name)), column, field)
        except (ValueError, RecursionError):
            # For a number beyond all doubles the whole line is refused, whichever column is asked for.
            column = next((c for c in shape.columns if _is_beyond(line, held, c.name)), column)
            value = held.get(column.name)
            # Only where a kind is read without quotes these may be what is wrong, and are shown.
            kept = value is None or (isinstance(value, str) and column.type.kind not in _NATIVE)
            return column, value if kept else _spelled(line, column.name, value)
    return None


def _is_beyond(line: bytes, held: dict[str, object], name: str) -> bool:
    value = held.get(name)
    return _holds_infinity(value) and any(sign.isdigit() for sign in str(_spelled(line, name, value)))


def _holds_infinity(value: object) -> bool:
    parts = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part
        elif isinstance(part, float) and math.isinf(part):
            return True
    return False


def _spelled(line: bytes, name: str, value: object) -> object:
    try:
        return spelling(line, name)
    except ValueError:
        return value  # such as NaN, which is no JSON


def _is_struct(kind: DataType) -> bool:
    """Whether values of a type have parts that were declared."""
    return bool(kind.fields) if kind.kind is Kind.STRUCT else kind.element is not None and _is_struct(kind.element)


def _struct_values(texts: pa.StringArray, kind: DataType) -> pa.Array:
    """The values of JSON texts, in the type of `decoded_type`.

    Raises ValueError for a value that does not fit.
    """
    messages = pc.binary_join_element_wise(f'{{"{_FIELD}":', pc.fill_null(texts, "null"), "}", "")
    decoded = JsonDecoder((Column(_FIELD, kind),)).decode(messages.cast(pa.binary()))
    if decoded.bad:
        raise ValueError(decoded.bad[0].message)
    return decoded.batch.column(0)
