"""Arrow values as JSON text, however they are nested, column by column.

Numbers keep their digits (`1.50`), and NaN and infinities, which JSON has not, are null. Times are ISO-8601 text, those
with a zone in UTC; bytes are hexadecimal digits; structs are objects, maps too, with text for their keys.

What SQL makes (`made_json`) is what PostgreSQL's `to_jsonb` gives of the same value: NaN and infinities are texts, a
zone is `+00:00`, bytes begin with a backslash and `x`, and a fraction of a second ends with no zero.

A struct whose fields have names of flowc's own is no plain object: `flowc_json` holds JSON text, `flowc_item_0` and so
on are the elements of a list, `flowc_key_0`, `flowc_value_0` and so on pairs of an object, and lists of `flowc_key` and
`flowc_value` are objects.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError
from flowc.runtime.text.decimals import decimal_text
from flowc.runtime.text.hexadecimal import hex_text, uuid_text
from flowc.runtime.text.jsonb import jsonb
from flowc.runtime.text.postgres import output, shortest

Write = Callable[[pa.Array, int], pa.StringArray]
"""The text of every value, in a style."""

_NULL = "null"
_FAR = 950_000_000_000
"""Seconds from 1970 within which Arrow writes the year that it is: it counts years in sixteen bits."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
TYPE = b"flowc.type"
"""The key of a field's metadata under which its exact type stands."""
_SPECIAL = r'["\\\x00-\x1f]'
_CONTROL = r"[\x00-\x1f]"
_NO_FRACTION, _ZEROS = r"\.0+(Z?)$", r"(\.[0-9]*[1-9])0+(Z?)$"
_PLAIN, _JSON, _JSONB = range(3)
"""Styles: values as they are, as `to_jsonb` writes them, and all of them put together as `jsonb` is shown."""
RAW, ITEM, KEY, VALUE = "flowc_json", "flowc_item_0", "flowc_key", "flowc_value"


def json_text(array: pa.Array) -> pa.StringArray:
    """Each value as JSON text, NULLs kept; inside of values they are `null`."""
    return _where_valid(array, _text(array, _PLAIN))


class TooFar(DataError):
    """A time that no text can show."""


def of_column(name: str, write: Callable[[], pa.Array]) -> pa.Array:
    """What `write` makes of a column; a time that no text can show is told with its name."""
    try:
        return write()
    except TooFar as error:
        raise DataError(f"column `{name}`: {error.message}", code=error.code, help=error.help) from None


def made_json(array: pa.Array) -> pa.StringArray:
    """As `json_text`, in the words of PostgreSQL's `to_jsonb`."""
    return _where_valid(_itself(array), _text(array, _JSON))


def made_jsonb(array: pa.Array) -> pa.StringArray:
    """As `made_json`, in the one form that PostgreSQL's `jsonb` has."""
    return _where_valid(_itself(array), _text(array, _JSONB))


def _itself(array: pa.Array) -> pa.Array:
    """The documents, where values are no more than those: NULL is one of none."""
    alone = pa.types.is_struct(array.type) and array.type.num_fields == 1 and array.type.field(0).name == RAW
    return array.flatten()[0] if alone else array


def raw(texts: pa.StringArray) -> pa.StructArray:
    """JSON texts as values that stay the JSON that they are inside of others."""
    marked = pa.StructArray.from_arrays([texts], names=[RAW])
    return pc.if_else(texts.is_valid(), marked, None) if texts.null_count else marked


def quoted(text: pa.StringArray) -> pa.StringArray:
    """Texts as JSON strings, NULLs kept."""
    if pc.any(pc.match_substring_regex(text, _SPECIAL)).as_py():
        text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
        if pc.any(pc.match_substring_regex(text, _CONTROL)).as_py():
            for code in range(32):
                text = pc.replace_substring(text, chr(code), json.dumps(chr(code))[1:-1])
    return pc.binary_join_element_wise('"', text, '"', "")


def _text(array: pa.Array, style: int) -> pa.StringArray:
    """JSON text of every value, `null` for NULL."""
    write = next((write for is_kind, write in _WRITE if is_kind(array.type)), None)
    text = write(array, style) if write is not None else quoted(output(array) if style else interval_text(array))
    return pc.fill_null(text, _NULL) if text.null_count else text


def _extension(array: pa.Array, style: int) -> pa.StringArray:
    if array.type.extension_name == "arrow.json":
        return array.storage.cast(pa.string())
    return (
        quoted(uuid_text(array.storage)) if array.type.extension_name == "arrow.uuid" else _text(array.storage, style)
    )


def _float(array: pa.Array, style: int) -> pa.StringArray:
    wide = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    text = shortest(wide.cast(pa.string()), wide) if style else wide.cast(pa.string())
    if style == _JSONB:
        text = jsonb(pc.if_else(pc.is_finite(wide), text, None))
    if pc.all(pc.is_finite(wide)).as_py() is not False:
        return text
    if not style:
        return pc.if_else(pc.is_finite(wide), text, None)
    for words, number in (('"NaN"', "nan"), ('"Infinity"', "inf"), ('"-Infinity"', "-inf")):
        text = pc.if_else(pc.equal(wide, float(number)) if number != "nan" else pc.is_nan(wide), words, text)
    return text


def _timestamp(array: pa.Array, style: int) -> pa.StringArray:
    if array.type.tz is not None and array.type.tz != "UTC":
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return _time(pc.replace_substring(_written(array), " ", "T", max_replacements=1), style)


def _written(array: pa.Array) -> pa.StringArray:
    """Dates and times as text. Raises TooFar for those far from the years that Arrow knows."""
    days = pa.types.is_date32(array.type)
    numbers = array.cast(pa.int32() if days else pa.int64())
    most = _FAR // 86_400 if days else min(_FAR * _PER_SECOND[array.type.unit], (1 << 63) - 1)
    ends = pc.min_max(numbers).as_py()
    far = next((end for end in (ends["max"], ends["min"]) if end is not None and abs(end) > most), None)
    if far is not None:
        message = f"a `{array.type}` in a value with parts is too far from today for a text: {far}"
        raise TooFar(message, code="value-does-not-fit", help="leave it out of the SQL, or mend the source")
    return array.cast(pa.string())


def _time(text: pa.StringArray, style: int) -> pa.StringArray:
    text = pc.replace_substring_regex(text, _NO_FRACTION, r"\1")
    if style:
        text = pc.replace_substring_regex(pc.replace_substring_regex(text, _ZEROS, r"\1\2"), "Z$", "+00:00")
    return quoted(text)


def _struct(array: pa.StructArray, style: int) -> pa.StringArray:
    fields = [array.type.field(place) for place in range(array.type.num_fields)]
    if fields and fields[0].name.startswith(RAW[:6]) and (own := _own_struct(fields[0].name, array, style)) is not None:
        return _where_valid(array, own)
    comma, colon = (", ", ": ") if style == _JSONB else (",", ":")
    parts = list(zip(fields, array.flatten(), strict=True))
    if style == _JSONB:
        parts.sort(key=lambda part: (len(part[0].name.encode()), part[0].name))
    pieces: list[pa.Array | str] = []
    for field, values in parts:
        key = json.dumps(field.name, ensure_ascii=False)
        pieces += [f"{comma if pieces else '{'}{key}{colon}", _part(field, values, style)]
    if not pieces:
        return _where_valid(array, pa.repeat(pa.scalar("{}"), len(array)))
    return _where_valid(array, pc.binary_join_element_wise(*pieces, "}", ""))


def _part(field: pa.Field, values: pa.Array, style: int) -> pa.StringArray:
    """The text of what a struct or a list holds; a field that is JSON is its own text."""
    if (field.metadata or {}).get(TYPE) == b"json":
        return _document(values, style)
    return _text(values, style)


def _document(values: pa.Array, style: int) -> pa.StringArray:
    texts = values.cast(pa.string())
    return pc.fill_null(jsonb(texts) if style == _JSONB else texts, _NULL)


def _own_struct(first: str, array: pa.StructArray, style: int) -> pa.StringArray | None:
    """What the names of flowc's own make of a struct; None where they are not those."""
    values, comma = array.flatten(), ", " if style == _JSONB else ","
    if first == RAW:
        return _document(values[0], style)
    if first == ITEM:
        return pc.binary_join_element_wise(
            "[", pc.binary_join_element_wise(*(_text(each, style) for each in values), comma), "]", ""
        )
    if first == f"{KEY}_0":
        pairs = [_pair(key, value, style) for key, value in zip(values[::2], values[1::2], strict=True)]
        return _object(pc.binary_join_element_wise("{", pc.binary_join_element_wise(*pairs, comma), "}", ""), style)
    return None


def _pair(keys: pa.Array, values: pa.Array, style: int) -> pa.StringArray:
    if keys.null_count:
        raise ValueError("a key of a JSON object is NULL")
    return pc.binary_join_element_wise(quoted(_bare(keys, style)), _text(values, style), ":")


def _object(text: pa.StringArray, style: int) -> pa.StringArray:
    """An object whose keys come from rows: in any order, and not each once."""
    return jsonb(text) if style == _JSONB else text


def _list(array: pa.Array, style: int) -> pa.StringArray:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_field))
    values = _between(array, array.values)
    if pa.types.is_struct(values.type) and values.type.num_fields == 2 and values.type.field(0).name == KEY:
        keys, items = values.flatten()
        return _object(_joined(array, _pair(keys, items, style), "{", ",", "}"), style)
    return _joined(array, _part(array.type.value_field, values, style), "[", ", " if style == _JSONB else ",", "]")


def _map(array: pa.MapArray, style: int) -> pa.StringArray:
    keys, items = _between(array, array.keys), _between(array, array.items)
    return _object(_joined(array, _pair(keys, items, style), "{", ",", "}"), style)


def _bare(keys: pa.Array, style: int) -> pa.StringArray:
    """The text of keys; of those that are numbers or times, too."""
    kind = keys.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return keys.cast(pa.string()) if texts else pc.utf8_trim(_text(keys, style), '"')


def _between(array: pa.Array, values: pa.Array) -> pa.Array:
    """The part of a list's values that the list, which may be a slice, has."""
    start, end = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
    return values.slice(start, end - start)


def _joined(array: pa.Array, texts: pa.StringArray, before: str, comma: str, after: str) -> pa.StringArray:
    offsets = pc.subtract(array.offsets, array.offsets[0])
    lists = pa.ListArray.from_arrays(offsets, texts)
    return _where_valid(array, pc.binary_join_element_wise(before, pc.binary_join(lists, comma), after, ""))


def _where_valid(array: pa.Array, text: pa.StringArray) -> pa.StringArray:
    return pc.if_else(array.is_valid(), text, None) if array.null_count else text


def interval_text(array: pa.Array) -> pa.StringArray:
    """Intervals and durations in DuckDB's words: Arrow has none for them."""
    with importlib.import_module("duckdb").connect() as connection:
        connection.register("flowc_rows", pa.table({"v": array}))
        made = connection.sql("SELECT CAST(v AS VARCHAR) AS v FROM flowc_rows").to_arrow_table()
    return made.column(0).combine_chunks().cast(pa.string())


def _decoded(array: pa.Array, style: int) -> pa.StringArray:
    plain = array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else pc.run_end_decode(array)
    return _text(plain, style)


def _bytes(array: pa.Array, style: int) -> pa.StringArray:
    digits = hex_text(array.cast(pa.binary()))
    return quoted(pc.binary_join_element_wise("\\x", digits, "") if style else digits)


_TYPES = pa.types
_WRITE: tuple[tuple[Callable[[pa.DataType], bool], Write], ...] = (
    (lambda of: isinstance(of, pa.BaseExtensionType), _extension),
    (lambda of: _TYPES.is_dictionary(of) or _TYPES.is_run_end_encoded(of), _decoded),
    (_TYPES.is_null, lambda array, _: pa.nulls(len(array), pa.string())),
    (lambda of: _TYPES.is_boolean(of) or _TYPES.is_integer(of), lambda array, _: array.cast(pa.string())),
    (_TYPES.is_floating, _float),
    (_TYPES.is_decimal, lambda array, _: decimal_text(array)),
    (
        lambda of: _TYPES.is_string(of) or _TYPES.is_large_string(of) or _TYPES.is_string_view(of),
        lambda array, _: quoted(array.cast(pa.string())),
    ),
    (
        lambda of: _TYPES.is_binary(of) or _TYPES.is_large_binary(of) or _TYPES.is_binary_view(of)
        or _TYPES.is_fixed_size_binary(of),
        _bytes,
    ),
    (_TYPES.is_date, lambda array, _: quoted(_written(array.cast(pa.date32())))),
    (_TYPES.is_time, lambda array, style: _time(array.cast(pa.string()), style)),
    (_TYPES.is_timestamp, _timestamp),
    (_TYPES.is_struct, _struct),
    (_TYPES.is_map, _map),
    (
        lambda of: _TYPES.is_list(of) or _TYPES.is_large_list(of) or _TYPES.is_fixed_size_list(of),
        _list,
    ),
)  # fmt: skip
