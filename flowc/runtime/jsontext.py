"""Arrow values as JSON text, however they are nested, column by column.

Numbers keep their digits (`1.50`), and NaN and infinities, which JSON has not, are null. Times are ISO-8601 text, those
with a zone in UTC; bytes are hexadecimal digits; structs are objects, maps too, with text for their keys.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from flowc.runtime.decimaltext import decimal_text
from flowc.runtime.hexadecimal import hex_text, uuid_text

Write = Callable[[pa.Array], pa.StringArray]

_NULL = "null"
_SPECIAL = r'["\\\x00-\x1f]'
_CONTROL = r"[\x00-\x1f]"
_NO_FRACTION = r"\.0+(Z?)$"


def json_text(array: pa.Array) -> pa.StringArray:
    """Each value as JSON text, NULLs kept; inside of values they are `null`."""
    text = _text(array)
    return pc.if_else(array.is_valid(), text, None) if array.null_count else text


def quoted(text: pa.StringArray) -> pa.StringArray:
    """Texts as JSON strings, NULLs kept."""
    if pc.any(pc.match_substring_regex(text, _SPECIAL)).as_py():
        text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
        if pc.any(pc.match_substring_regex(text, _CONTROL)).as_py():
            for code in range(32):
                text = pc.replace_substring(text, chr(code), json.dumps(chr(code))[1:-1])
    return pc.binary_join_element_wise('"', text, '"', "")


def _text(array: pa.Array) -> pa.StringArray:
    """JSON text of every value, `null` for NULL."""
    write = next((write for is_kind, write in _WRITE if is_kind(array.type)), None)
    text = write(array) if write is not None else quoted(interval_text(array))
    return pc.fill_null(text, _NULL) if text.null_count else text


def _extension(array: pa.Array) -> pa.StringArray:
    if array.type.extension_name == "arrow.json":
        return array.storage.cast(pa.string())
    return quoted(uuid_text(array.storage)) if array.type.extension_name == "arrow.uuid" else _text(array.storage)


def _float(array: pa.Array) -> pa.StringArray:
    wide = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    return pc.if_else(pc.is_finite(wide), wide.cast(pa.string()), None)


def _timestamp(array: pa.Array) -> pa.StringArray:
    if array.type.tz is not None and array.type.tz != "UTC":
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    return _time(pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1))


def _time(text: pa.StringArray) -> pa.StringArray:
    return quoted(pc.replace_substring_regex(text, _NO_FRACTION, r"\1"))


def _struct(array: pa.StructArray) -> pa.StringArray:
    fields = [array.type.field(place) for place in range(array.type.num_fields)]
    pieces: list[pa.Array | str] = []
    for field, values in zip(fields, array.flatten(), strict=True):
        pieces += [f"{',' if pieces else '{'}{json.dumps(field.name, ensure_ascii=False)}:", _text(values)]
    if not pieces:
        return _where_valid(array, pa.repeat(pa.scalar("{}"), len(array)))
    return _where_valid(array, pc.binary_join_element_wise(*pieces, "}", ""))


def _list(array: pa.Array) -> pa.StringArray:
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_field))
    return _joined(array, _text(_between(array, array.values)), "[", "]")


def _map(array: pa.MapArray) -> pa.StringArray:
    keys, items = _between(array, array.keys), _between(array, array.items)
    named = keys if pa.types.is_string(keys.type) or pa.types.is_large_string(keys.type) else _bare(_text(keys))
    pairs = pc.binary_join_element_wise(quoted(named.cast(pa.string())), _text(items), ":")
    return _joined(array, pairs, "{", "}")


def _bare(text: pa.StringArray) -> pa.StringArray:
    """The text of keys that are numbers or times, without the quotes of the latter."""
    return pc.utf8_trim(text, '"')


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


def _decoded(array: pa.Array) -> pa.StringArray:
    return _text(array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else pc.run_end_decode(array))


_TYPES = pa.types
_WRITE: tuple[tuple[Callable[[pa.DataType], bool], Write], ...] = (
    (lambda of: isinstance(of, pa.BaseExtensionType), _extension),
    (lambda of: _TYPES.is_dictionary(of) or _TYPES.is_run_end_encoded(of), _decoded),
    (_TYPES.is_null, lambda array: pa.nulls(len(array), pa.string())),
    (lambda of: _TYPES.is_boolean(of) or _TYPES.is_integer(of), lambda array: array.cast(pa.string())),
    (_TYPES.is_floating, _float),
    (_TYPES.is_decimal, decimal_text),
    (
        lambda of: _TYPES.is_string(of) or _TYPES.is_large_string(of) or _TYPES.is_string_view(of),
        lambda array: quoted(array.cast(pa.string())),
    ),
    (
        lambda of: _TYPES.is_binary(of) or _TYPES.is_large_binary(of) or _TYPES.is_binary_view(of)
        or _TYPES.is_fixed_size_binary(of),
        lambda array: quoted(hex_text(array.cast(pa.binary()))),
    ),
    (_TYPES.is_date, lambda array: quoted(array.cast(pa.date32()).cast(pa.string()))),
    (_TYPES.is_time, lambda array: _time(array.cast(pa.string()))),
    (_TYPES.is_timestamp, _timestamp),
    (_TYPES.is_struct, _struct),
    (_TYPES.is_map, _map),
    (
        lambda of: _TYPES.is_list(of) or _TYPES.is_large_list(of) or _TYPES.is_fixed_size_list(of),
        _list,
    ),
)  # fmt: skip
