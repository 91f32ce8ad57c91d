"""JSON, texts and numbers for queries on the engine: what `flowc_json…`, `flowc_text…`, `flowc_numeric…` … mean.

The engine takes functions of exact types only, so each call that takes values of any type has a name of its own, and
is registered for what the engine says that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_field, nests_fields
from flowc.runtime.engine import decimals, floats
from flowc.runtime.engine.context import register
from flowc.runtime.engine.functiontypes import engine_type
from flowc.runtime.engine.numbers import numeric, rounded, whole
from flowc.runtime.text.decimals import plain_digits
from flowc.runtime.text.intervals import INSTANT, INTERVAL, OF_ANY, instant, mean, of_parts
from flowc.runtime.text.json import made_json, made_jsonb
from flowc.runtime.text.jsonb import contains, has_all, has_any, has_key, jsonb, key, with_value
from flowc.runtime.text.jsonparts import (
    NotJson,
    json_element_texts,
    json_elements,
    json_keys,
    json_kind,
    json_length,
    json_part,
    json_part_text,
    json_valid,
)  # fmt: skip
from flowc.runtime.text.postgres import joined, output, outputs, to_text
from flowc.types import DataType, Kind

_SHARP_S = "ß"
"""Has a capital letter in Arrow, and none in PostgreSQL."""


def lower(texts: pa.Array) -> pa.Array:
    """Texts in small letters as PostgreSQL makes them: each letter becomes one other, whatever stands around it."""
    return pc.utf8_lower(texts)


def upper(texts: pa.Array) -> pa.Array:
    """Texts in capital letters."""
    if not pc.any(pc.match_substring(texts, _SHARP_S)).as_py():
        return pc.utf8_upper(texts)
    parts = pc.split_pattern(texts, _SHARP_S)
    capital = pa.ListArray.from_arrays(parts.offsets, pc.utf8_upper(parts.values), mask=parts.is_null())
    return pc.binary_join(capital, _SHARP_S)


CODE = "invalid-json"

_KINDS = "json|jsonb|document|text|joined|output|outputs|whole|numeric|round|interval(?:_[a-z]+)?"
_OF_ANY = rf"flowc_(?:{_KINDS})_\d+"
_CALLED, _OPENED = re.compile(rf"\b{_OF_ANY}\b"), re.compile(rf"\b({_OF_ANY})\(")
_ANY = re.compile(rf"\bflowc_(?:(?:{_KINDS}|decimal|float|interval|time)_\w+|lower|upper)\b")
_REFUSED = re.compile(rf"call to '({_OF_ANY})' function: coercion from (.*?) to the signature", re.DOTALL)
_NOTHING = pa.binary(77)
"""A type that no value has, and that the engine makes of none: it takes only what is always NULL."""
_JSON = arrow_field(Column("value", DataType(Kind.JSON)))
_ANYTHING, _LIST, _COUNT = "arrow_typeof(", "make_array(", "date_part('day', "
"""Functions of the engine that take every type, or every interval: they give a text, a list, a whole number."""
_INSTEAD = {
    "flowc_outputs": _LIST, "flowc_whole": "(", "flowc_numeric": "(", "flowc_round": "round(", "flowc_interval": "(",
    **{f"flowc_interval{part}": _COUNT for part in OF_ANY if part},
}  # fmt: skip
"""In the place of others; what is cast to a number is one without a function."""
_TEXT, _TEXTS = pa.field("value", pa.string()), pa.field("value", pa.list_(pa.string()))


def calls_json(sql: str) -> bool:
    """Whether a query calls any of these functions."""
    return _ANY.search(sql) is not None


def without_json(sql: str) -> str:
    """The query with a function of the engine in the place of those whose types are not known: to be planned only."""
    return _OPENED.sub(lambda called: _INSTEAD.get(called[1].rpartition("_")[0], _ANYTHING), sql)


def register_parts(context: Any, sql: str, fail: Callable[[DataError], None]) -> None:
    """Makes the functions that take JSON apart known to a session. `fail` is told of errors before they are raised."""
    if not calls_json(sql):
        return
    called = set(_ANY.findall(sql))
    for name, (part, takes, gives) in _PARTS.items():
        if name in called:
            register(context, name, _caught(part, fail), list(takes), gives)


def register_json(context: Any, sql: str) -> None:
    """Makes the functions of any type known to a session, for the types that a query gives them."""
    called, known = dict.fromkeys(_CALLED.findall(sql)), set[str]()
    for name in called:
        _register(context, name, _NOTHING)
    while called and (refused := _refused(context, sql)) is not None and refused[0] not in known:
        kind = engine_type(refused[1])
        if kind is None:
            return  # the engine says so when it plans the query
        known.add(refused[0])
        _register(context, refused[0], kind)


def _register(context: Any, name: str, takes: pa.DataType) -> None:
    kind = name.rpartition("_")[0]
    if kind == "flowc_document" and (nests_fields(takes) or pa.types.is_list(takes)):
        kind = "flowc_json"
    function, gives = _FUNCTIONS[kind]
    made = takes
    if takes != _NOTHING:
        made = function(pa.array([], takes)).type  # raises for a type that it has nothing for, before any row is read
    register(context, name, function, [takes], gives or made)


def _as_it_is(values: pa.Array) -> pa.Array:
    """The text of a document; anything else that JSON has as a whole is its own JSON."""
    kind = values.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return values.cast(pa.string()) if texts else made_json(values)


def _jsonb_part(documents: pa.Array, steps: pa.Array) -> pa.Array:
    return jsonb(json_part(documents, steps))


def _jsonb_part_text(documents: pa.Array, steps: pa.Array) -> pa.Array:
    return json_part_text(_jsonb_part(documents, steps), pa.repeat(pa.scalar("."), len(steps)))


def _elements(documents: pa.Array) -> pa.Array:
    return json_elements(documents).cast(_DOCUMENTS.type)


_S, _KEYS = pa.string(), pa.list_(pa.string())
_BOOL, _LENGTH = pa.field("value", pa.bool_()), pa.field("value", pa.int32())
_DOCUMENTS = pa.field("value", pa.list_(_JSON.with_name("item")))
_DOUBLE = pa.field("value", pa.float64())
_ONE, _DECIMAL = (decimals.TAKES,), pa.field("value", decimals.GIVES)
_PARTS: Mapping[str, tuple[Callable[..., pa.Array], tuple[pa.DataType, ...], pa.Field]] = {
    "flowc_json_get": (json_part, (_S, _S), _JSON),
    "flowc_json_text": (json_part_text, (_S, _S), _TEXT),
    "flowc_jsonb_get": (_jsonb_part, (_S, _S), _JSON),
    "flowc_jsonb_text": (_jsonb_part_text, (_S, _S), _TEXT),
    "flowc_json_valid": (json_valid, (_S,), _JSON),
    "flowc_jsonb_of": (jsonb, (_S,), _JSON),
    "flowc_jsonb_contains": (contains, (_S, _S), _BOOL),
    "flowc_jsonb_key": (key, (_S,), _TEXT),
    "flowc_jsonb_has": (has_key, (_S, _S), _BOOL),
    "flowc_jsonb_has_any": (has_any, (_S, _KEYS), _BOOL),
    "flowc_jsonb_has_all": (has_all, (_S, _KEYS), _BOOL),
    "flowc_jsonb_set": (with_value, (_S, _KEYS, _S, pa.bool_()), _JSON),
    "flowc_lower": (lower, (_S,), _TEXT),
    "flowc_upper": (upper, (_S,), _TEXT),
    "flowc_text_digits": (plain_digits, (_S,), _TEXT),
    "flowc_json_typeof": (json_kind, (_S,), _TEXT),
    "flowc_json_length": (json_length, (_S,), _LENGTH),
    "flowc_json_elements": (_elements, (_S,), _DOCUMENTS),
    "flowc_json_element_texts": (json_element_texts, (_S,), _TEXTS),
    "flowc_json_keys": (json_keys, (_S,), _TEXTS),
    **{f"flowc_decimal_{part.__name__}": (part, _ONE, _DECIMAL)
       for part in (decimals.sqrt, decimals.exp, decimals.ln, decimals.log10)},
    "flowc_decimal_micros": (decimals.micros, (pa.int64(),), pa.field("value", decimals.MICROS)),
    "flowc_decimal_millis": (decimals.millis, (pa.int64(),), pa.field("value", decimals.MILLIS)),
    "flowc_time_read": (instant, (INSTANT,), pa.field("value", INSTANT)),
    "flowc_interval_sum": (of_parts, (pa.int64(),) * 3, pa.field("value", INTERVAL)),
    "flowc_interval_mean": (mean, (pa.int64(),) * 4, pa.field("value", INTERVAL)),
    **{f"flowc_decimal_{part.__name__}": (part, _ONE * 2, _DECIMAL) for part in (decimals.log, decimals.power)},
    "flowc_float_power": (floats.power, (pa.float64(), pa.float64()), _DOUBLE),
    "flowc_float_real": (floats.real, (pa.float64(),), pa.field("value", pa.float32())),
    "flowc_float_finite": (floats.finite, (pa.float64(),), _DOUBLE),
}  # fmt: skip
"""Functions of documents, texts and numbers, by name: what they take and give."""

_FUNCTIONS: Mapping[str, tuple[Callable[[pa.Array], pa.Array], pa.Field | None]] = {
    "flowc_json": (made_json, _JSON),
    "flowc_jsonb": (made_jsonb, _JSON),
    "flowc_document": (_as_it_is, _JSON),
    "flowc_text": (to_text, _TEXT),
    "flowc_joined": (joined, _TEXT),
    "flowc_output": (output, _TEXT),
    "flowc_outputs": (outputs, _TEXTS),
    "flowc_whole": (whole, _TEXT),
    "flowc_numeric": (numeric, None),
    "flowc_round": (rounded, None),
    **{f"flowc_interval{part}": (function, gives) for part, (function, gives) in OF_ANY.items()},
}
"""Functions of any type, by name: the function, and what it gives where that is the same whatever it takes."""


def _refused(context: Any, sql: str) -> tuple[str, str] | None:
    try:
        # Types inside conditions are looked at by the optimizer only.
        context.sql(sql).optimized_logical_plan()
    except Exception as error:
        found = _REFUSED.search(str(error))
        return (found[1], found[2]) if found is not None else None
    return None


def _caught(part: Callable[..., pa.Array], fail: Callable[[DataError], None]) -> Callable[..., pa.Array]:
    def called(*arrays: pa.Array) -> pa.Array:
        try:
            return part(*arrays)
        except NotJson as error:
            failure = DataError(str(error), code=CODE, help="functions and operators of JSON take documents alone")
            fail(failure)
            raise failure from error
        except DataError as error:
            fail(error)
            raise

    return called
