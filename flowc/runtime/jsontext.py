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

from flowc.runtime.decimaltext import decimal_text
from flowc.runtime.hexadecimal import hex_text, uuid_text

Write = Callable[[pa.Array, bool], pa.StringArray]
"""The text of every value; told whether as PostgreSQL writes it."""

_NULL = "null"
TYPE = b"flowc.type"
"""The key of a field's metadata under which its exact type stands."""
_SPECIAL = r'["\\\x00-\x1f]'
_CONTROL = r"[\x00-\x1f]"
_NO_FRACTION, _ZEROS = r"\.0+(Z?)$", r"(\.[0-9]*[1-9])0+(Z?)$"
RAW, ITEM, KEY, VALUE = "flowc_json", "flowc_item_0", "flowc_key", "flowc_value"


def json_text(array: pa.Array) -> pa.StringArray:
    """Each value as JSON text, NULLs kept; inside of values they are `null`."""
    return _where_valid(array, _text(array, False))


def made_json(array: pa.Array) -> pa.StringArray:
    """As `json_text`, in the words of PostgreSQL's `to_jsonb`."""
    return _where_valid(array, _text(array, True))


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


def _text(array: pa.Array, made: bool) -> pa.StringArray:
    """JSON text of every value, `null` for NULL."""
    write = next((write for is_kind, write in _WRITE if is_kind(array.type)), None)
    text = write(array, made) if write is not None else quoted(interval_text(array))
    return pc.fill_null(text, _NULL) if text.null_count else text


def _extension(array: pa.Array, made: bool) -> pa.StringArray:
    if array.type.extension_name == "arrow.json":
        return array.storage.cast(pa.string())
    return quoted(uuid_text(array.storage)) if array.type.extension_name == "arrow.uuid" else _text(array.storage, made)


def _float(array: pa.Array, made: bool) -> pa.StringArray:
    wide = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    text = wide.cast(pa.string())
    if pc.all(pc.is_finite(wide)).as_py() is not False:
        return text
    if not made:
        return pc.if_else(pc.is_finite(wide), text, None)
    for words, value in (('"NaN"', "nan"), ('"Infinity"', "inf"), ('"-Infinity"', "-inf")):
        text = pc.if_else(pc.equal(text, value), words, text)
    return text


def _timestamp(array: pa.Array, made: bool) -> pa.StringArray:
    if array.type.tz is not None and array.type.tz != "UTC":
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return _time(pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1), made)


def _time(text: pa.StringArray, made: bool) -> pa.StringArray:
    text = pc.replace_substring_regex(text, _NO_FRACTION, r"\1")
    if made:
        text = pc.replace_substring_regex(pc.replace_substring_regex(text, _ZEROS, r"\1\2"), "Z$", "+00:00")
    return quoted(text)


def _struct(array: pa.StructArray, made: bool) -> pa.StringArray:
    fields = [array.type.field(place) for place in range(array.type.num_fields)]
    if fields and fields[0].name.startswith(RAW[:6]) and (own := _own_struct(fields[0].name, array, made)) is not None:
        return _where_valid(array, own)
    pieces: list[pa.Array | str] = []
    for field, values in zip(fields, array.flatten(), strict=True):
        pieces += [f"{',' if pieces else '{'}{json.dumps(field.name, ensure_ascii=False)}:", _part(field, values, made)]
    if not pieces:
        return _where_valid(array, pa.repeat(pa.scalar("{}"), len(array)))
    return _where_valid(array, pc.binary_join_element_wise(*pieces, "}", ""))


def _part(field: pa.Field, values: pa.Array, made: bool) -> pa.StringArray:
    """The text of what a struct or a list holds; a field that is JSON is its own text."""
    if (field.metadata or {}).get(TYPE) == b"json":
        return pc.fill_null(values.cast(pa.string()), _NULL)
    return _text(values, made)


def _own_struct(first: str, array: pa.StructArray, made: bool) -> pa.StringArray | None:
    """What the names of flowc's own make of a struct; None where they are not those."""
    values = array.flatten()
    if first == RAW:
        return pc.fill_null(values[0].cast(pa.string()), _NULL)
    if first == ITEM:
        return pc.binary_join_element_wise(
            "[", pc.binary_join_element_wise(*(_text(each, made) for each in values), ","), "]", ""
        )
    if first == f"{KEY}_0":
        pairs = [_pair(key, value, made) for key, value in zip(values[::2], values[1::2], strict=True)]
        return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*pairs, ","), "}", "")
    return None


def _pair(keys: pa.Array, values: pa.Array, made: bool) -> pa.StringArray:
    if keys.null_count:
        raise ValueError("a key of a JSON object is NULL")
    return pc.binary_join_element_wise(quoted(_bare(keys, made)), _text(values, made), ":")


def _list(array: pa.Array, made: bool) -> pa.StringArray:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_field))
    values = _between(array, array.values)
    if pa.types.is_struct(values.type) and values.type.num_fields == 2 and values.type.field(0).name == KEY:
        keys, items = values.flatten()
        return _joined(array, _pair(keys, items, made), "{", "}")
    return _joined(array, _part(array.type.value_field, values, made), "[", "]")


def _map(array: pa.MapArray, made: bool) -> pa.StringArray:
    keys, items = _between(array, array.keys), _between(array, array.items)
    return _joined(array, _pair(keys, items, made), "{", "}")


def _bare(keys: pa.Array, made: bool) -> pa.StringArray:
    """The text of keys; of those that are numbers or times, too."""
    kind = keys.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return keys.cast(pa.string()) if texts else pc.utf8_trim(_text(keys, made), '"')


def _between(array: pa.Array, values: pa.Array) -> pa.Array:
    """The part of a list's values that the list, which may be a slice, has."""
    start, end = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
    return values.slice(start, end - start)


def _joined(array: pa.Array, texts: pa.StringArray, before: str, after: str) -> pa.StringArray:
    offsets = pc.subtract(array.offsets, array.offsets[0])
    lists = pa.ListArray.from_arrays(offsets, texts)
    return _where_valid(array, pc.binary_join_element_wise(before, pc.binary_join(lists, ","), after, ""))


def _where_valid(array: pa.Array, text: pa.StringArray) -> pa.StringArray:
    return pc.if_else(array.is_valid(), text, None) if array.null_count else text


def interval_text(array: pa.Array) -> pa.StringArray:
    """Intervals and durations in DuckDB's words: Arrow has none for them."""
    with importlib.import_module("duckdb").connect() as connection:
        connection.register("flowc_rows", pa.table({"v": array}))
        made = connection.sql("SELECT CAST(v AS VARCHAR) AS v FROM flowc_rows").to_arrow_table()
    return made.column(0).combine_chunks().cast(pa.string())


def _decoded(array: pa.Array, made: bool) -> pa.StringArray:
    plain = array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else pc.run_end_decode(array)
    return _text(plain, made)


def _bytes(array: pa.Array, made: bool) -> pa.StringArray:
    digits = hex_text(array.cast(pa.binary()))
    return quoted(pc.binary_join_element_wise("\\x", digits, "") if made else digits)


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
    (_TYPES.is_date, lambda array, _: quoted(array.cast(pa.date32()).cast(pa.string()))),
    (_TYPES.is_time, lambda array, made: _time(array.cast(pa.string()), made)),
    (_TYPES.is_timestamp, _timestamp),
    (_TYPES.is_struct, _struct),
    (_TYPES.is_map, _map),
    (
        lambda of: _TYPES.is_list(of) or _TYPES.is_large_list(of) or _TYPES.is_fixed_size_list(of),
        _list,
    ),
)  # fmt: skip
