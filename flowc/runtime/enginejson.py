"""JSON and texts for queries on the engine: what the compiler's `flowc_json…`, `flowc_document…`, `flowc_text…` mean.

The engine takes functions of exact types only, so each call that takes values of any type has a name of its own, and
is registered for what the engine says that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_field, nests_fields
from flowc.runtime.enginecontext import register
from flowc.runtime.functiontypes import engine_type
from flowc.runtime.jsonparts import NotJson, json_part, json_part_text
from flowc.runtime.jsontext import made_json
from flowc.runtime.postgrestext import joined, output, outputs, to_text
from flowc.types import DataType, Kind

CODE = "invalid-json"

_OF_ANY = r"flowc_(?:json|document|text|joined|output|outputs)_\d+"
_CALLED = re.compile(rf"\b{_OF_ANY}\b")
_ANY = re.compile(rf"\bflowc_json_(?:get|text)\b|\b{_OF_ANY}\b")
_REFUSED = re.compile(rf"call to '({_OF_ANY})' function: coercion from (.*?) to the signature", re.DOTALL)
_NOTHING = pa.binary(77)
"""A type that no value has, and that the engine makes of none: it takes only what is always NULL."""
_JSON = arrow_field(Column("value", DataType(Kind.JSON)))
_ANYTHING, _LIST = "arrow_typeof", "make_array"
"""Functions of the engine that take every type: one gives text, the other a list."""
_TEXT, _TEXTS = pa.field("value", pa.string()), pa.field("value", pa.list_(pa.string()))


def calls_json(sql: str) -> bool:
    """Whether a query calls any of these functions."""
    return _ANY.search(sql) is not None


def without_json(sql: str) -> str:
    """The query with a function of the engine in the place of those whose types are not known: to be planned only."""
    return _CALLED.sub(lambda called: _LIST if called[0].startswith("flowc_outputs") else _ANYTHING, sql)


def register_parts(context: Any, sql: str, fail: Callable[[DataError], None]) -> None:
    """Makes the functions that take JSON apart known to a session. `fail` is told of errors before they are raised."""
    if not calls_json(sql):
        return
    for name, part, gives in (("flowc_json_get", json_part, _JSON), ("flowc_json_text", json_part_text, _TEXT)):
        register(context, name, _caught(part, fail), [pa.string(), pa.string()], gives)


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
    register(context, name, function, [takes], gives)


def _as_it_is(values: pa.Array) -> pa.Array:
    """The text of a document; anything else that JSON has as a whole is its own JSON."""
    kind = values.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return values.cast(pa.string()) if texts else made_json(values)


_FUNCTIONS: Mapping[str, tuple[Callable[[pa.Array], pa.Array], pa.Field]] = {
    "flowc_json": (made_json, _JSON),
    "flowc_document": (_as_it_is, _JSON),
    "flowc_text": (to_text, _TEXT),
    "flowc_joined": (joined, _TEXT),
    "flowc_output": (output, _TEXT),
    "flowc_outputs": (outputs, _TEXTS),
}


def _refused(context: Any, sql: str) -> tuple[str, str] | None:
    try:
        # Types inside conditions are looked at by the optimizer only.
        context.sql(sql).optimized_logical_plan()
    except Exception as error:
        found = _REFUSED.search(str(error))
        return (found[1], found[2]) if found is not None else None
    return None


def _caught(part: Callable[..., pa.Array], fail: Callable[[DataError], None]) -> Callable[..., pa.Array]:
    def called(documents: pa.Array, steps: pa.Array) -> pa.Array:
        try:
            return part(documents, steps)
        except NotJson as error:
            failure = DataError(str(error), code=CODE, help="only JSON has parts that `->` and `->>` give")
            fail(failure)
            raise failure from error

    return called
