"""Types of what SQL gives to functions of a project: the engine tells them, and values go on exactly or not at all.

The engine takes a function of exact types, and refuses a decimal of another scale or a time of another unit. What it
refuses tells what it has; the function is then registered for that, and gets the types that were declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from flowc.runtime.arrow import TYPE, arrow_type, data_type
from flowc.types import DataType, Kind, computed, goes_into

_REFUSED = re.compile(r"call to '(flowc_fn_\w+)' function: coercion from (.*?) to the signature", re.DOTALL)
_BETWEEN = re.compile(r", (?![^(]*\))")
_LIST = re.compile(r"(?:Large)?List\((.*)\)", re.DOTALL)
_STRUCT = re.compile(r"Struct\((.*)\)", re.DOTALL)
_MAP = re.compile(r'Map\("\w+": non-null Struct\((.*)\), (?:un)?sorted\)', re.DOTALL)
_FIELD = re.compile(r'"((?:[^"\\]|\\.)*)": (.*)', re.DOTALL)
_ESCAPED = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))", re.DOTALL)
_METADATA, _JSON_PART = "metadata: ", '"flowc.type": "json"'
_SHOWN = 60
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_PLAIN: Mapping[str, pa.DataType] = {
    "Null": pa.null(), "Boolean": pa.bool_(), "Int8": pa.int8(), "Int16": pa.int16(), "Int32": pa.int32(),
    "Int64": pa.int64(), "UInt8": pa.uint8(), "UInt16": pa.uint16(), "UInt32": pa.uint32(), "UInt64": pa.uint64(),
    "Float16": pa.float16(), "Float32": pa.float32(), "Float64": pa.float64(), "Utf8": pa.string(),
    "LargeUtf8": pa.large_string(), "Utf8View": pa.string_view(), "Binary": pa.binary(),
    "LargeBinary": pa.large_binary(), "BinaryView": pa.binary_view(), "Date32": pa.date32(), "Date64": pa.date64(),
}  # fmt: skip
_WITH_PARTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], pa.DataType]], ...] = (
    (re.compile(r"Decimal128\((\d+), (-?\d+)\)"), lambda found: pa.decimal128(int(found[1]), int(found[2]))),
    (re.compile(r"Decimal256\((\d+), (-?\d+)\)"), lambda found: pa.decimal256(int(found[1]), int(found[2]))),
    (re.compile(r"Interval\(MonthDayNano\)"), lambda found: pa.month_day_nano_interval()),
    (re.compile(r"Duration\((s|ms|µs|ns)\)"), lambda found: pa.duration(_unit(found[1]))),
    (re.compile(r"FixedSizeBinary\((\d+)\)"), lambda found: pa.binary(int(found[1]))),
    (re.compile(r"Time64\((µs|ns)\)"), lambda found: pa.time64(_unit(found[1]))),
    (re.compile(r'Timestamp\((s|ms|µs|ns)(?:, "(.*)")?\)'), lambda found: pa.timestamp(_unit(found[1]), found[2])),
)


def _unit(written: str) -> str:
    return written.replace("µ", "u")


def declared_type(kind: DataType) -> pa.DataType:
    """The Arrow type in which a function gets or gives values of a declared type."""
    return arrow_type(computed(kind))


def refused_call(error: BaseException) -> tuple[str, str] | None:
    """The function whose call an engine does not plan, and the types that it is given; None for another failure."""
    found = _REFUSED.search(str(error))
    return (found[1], found[2]) if found is not None else None


def given_types(words: str, declared: Sequence[DataType]) -> list[pa.DataType]:
    """The types that an engine names; where a name is not known, what is declared stands for it."""
    pairs = zip(_BETWEEN.split(words), declared, strict=True)
    return [engine_type(word) or declared_type(kind) for word, kind in pairs]


def spoken_types(words: str) -> str:
    """The types that an engine names, as flowc's; what is not known in its own words."""
    kinds = ((engine_type(word), word) for word in _BETWEEN.split(words))
    return ", ".join(word if kind is None else str(data_type(kind)) for kind, word in kinds)


def engine_type(word: str) -> pa.DataType | None:
    """The Arrow type that an engine names; None for a name that is not known."""
    word = word.removeprefix("non-null ")
    if found := _LIST.fullmatch(word):
        first, *more = _parts(found[1])
        kind = engine_type(first)
        if kind is None:
            return None
        element: pa.DataType | pa.Field = _as_json(pa.field("item", kind)) if any(map(_is_json, more)) else kind
        return pa.large_list(element) if word.startswith("Large") else pa.list_(element)
    if found := _STRUCT.fullmatch(word):
        fields = _fields(found[1])
        return pa.struct(fields) if fields is not None else None
    if found := _MAP.fullmatch(word):
        fields = _fields(found[1])
        return pa.map_(fields[0].type, fields[1].type) if fields is not None else None
    matches = ((pattern.fullmatch(word), make) for pattern, make in _WITH_PARTS)
    return _PLAIN.get(word) or next((make(found) for found, make in matches if found is not None), None)


def _is_json(word: str) -> bool:
    """Whether the engine says of the part before that flowc knows it as JSON."""
    return word.startswith(_METADATA) and _JSON_PART in word


def _as_json(field: pa.Field) -> pa.Field:
    return field.with_metadata({TYPE: b"json"})


def _fields(words: str) -> list[pa.Field] | None:
    """The named parts of a struct."""
    fields = list[pa.Field]()
    for word in _parts(words):
        if _is_json(word) and fields:
            fields[-1] = _as_json(fields[-1])
        if word.startswith(_METADATA):
            continue
        found = _FIELD.fullmatch(word)
        kind = engine_type(found[2]) if found is not None else None
        if found is None or kind is None:
            return None
        fields.append(pa.field(_ESCAPED.sub(_unescaped, found[1]), kind, not found[2].startswith("non-null ")))
    return fields


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _ESCAPES.get(found[2], found[2])


def _parts(words: str) -> list[str]:
    """What stands between the commas that are in no parentheses and no quotes."""
    parts, depth, start, in_quotes, escaped = [], 0, 0, False, False
    for place, letter in enumerate(words):
        if escaped or (in_quotes and letter == "\\"):
            escaped = not escaped
        elif letter == '"':
            in_quotes = not in_quotes
        elif not in_quotes:
            depth += (letter in "({") - (letter in ")}")
            if letter == "," and depth == 0:
                parts.append(words[start:place].strip())
                start = place + 1
    parts.append(words[start:].strip())
    return [part for part in parts if part]


def taken(declared: DataType, given: pa.DataType) -> pa.DataType | None:
    """The Arrow type in which a function gets values of a type that it is given; None where it does not take them.

    Each value then has to be in that type, exactly. A decimal goes into `numeric` as it is.
    """
    kind, wanted = data_type(given), declared_type(declared)
    if declared.kind is Kind.DECIMAL and declared.precision is None and kind.kind is Kind.DECIMAL:
        return given
    numeric_text = declared.kind is Kind.DECIMAL and declared.precision is None and kind.kind is Kind.TEXT
    return wanted if goes_into(kind, declared) or numeric_text or pa.types.is_null(given) else None


def scalar(value: Any, kind: pa.DataType, method: str) -> pa.Scalar:
    """What a method of an aggregate gave as a value of the type declared: plain, an Arrow scalar or an array of one.

    Raises TypeError, with the method's name, for another number of values and for what does not fit the type.
    """
    one = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
    if isinstance(one, pa.Array):
        if pa.types.is_list(kind) and not pa.types.is_list(one.type):
            one = one.to_pylist()
        elif len(one) != 1:
            raise TypeError(f"`{method}` returned an array of {len(one)} values, and has to give one")
        else:
            one = one[0]
    if isinstance(one, float) and pa.types.is_integer(kind):
        one = pa.scalar(one)  # which is cast only where nothing is lost
    try:
        return one.cast(kind) if isinstance(one, pa.Scalar) else pa.scalar(one, kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        shown = repr(one.as_py() if isinstance(one, pa.Scalar) else one)[:_SHOWN]
        message = f"`{method}` returned {shown}, which is no value of the type `{data_type(kind)}` that is declared"
        raise TypeError(message) from error
