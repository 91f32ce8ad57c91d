"""JSON for queries on the engine, which has none: what the compiler's `flowc_json…` and `flowc_document…` mean.

The engine takes functions of exact types only, so each call that takes values of any type has a name of its own, and
is registered for what the engine says that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError
from flowc.runtime.arrow import arrow_field, nests_fields
from flowc.runtime.enginecontext import register
from flowc.runtime.functiontypes import engine_type
from flowc.runtime.jsonparts import NotJson, json_part, json_part_text
from flowc.runtime.jsontext import made_json
from flowc.types import DataType, Kind

CODE = "invalid-json"

_CALLED = re.compile(r"\bflowc_(?:json|document)_\d+\b")
_ANY = re.compile(r"\bflowc_json_(?:\d+|get|text)\b|\bflowc_document_\d+\b")
_REFUSED = re.compile(
    r"call to '(flowc_(?:json|document)_\d+)' function: coercion from (.*?) to the signature", re.DOTALL
)
_NOTHING = pa.binary(77)
"""A type that no value has, and that the engine makes of none: it takes only what is always NULL."""
_JSON = arrow_field(Column("value", DataType(Kind.JSON)))
_ANYTHING = "arrow_typeof"
"""A function of the engine that gives text and takes every type."""


def calls_json(sql: str) -> bool:
    """Whether a query calls any of these functions."""
    return _ANY.search(sql) is not None


def without_json(sql: str) -> str:
    """The query with a function of the engine in the place of those whose types are not known: to be planned only."""
    return _CALLED.sub(_ANYTHING, sql)


def register_parts(context: Any, sql: str, fail: Callable[[DataError], None]) -> None:
    """Makes the functions that take JSON apart known to a session. `fail` is told of errors before they are raised."""
    if not calls_json(sql):
        return
    text = pa.field("value", pa.string())
    for name, part, gives in (("flowc_json_get", json_part, _JSON), ("flowc_json_text", json_part_text, text)):
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
    bare = name.startswith("flowc_document") and not nests_fields(takes) and not pa.types.is_list(takes)
    function = _as_it_is if bare else made_json
    register(context, name, function, [takes], _JSON)


def _as_it_is(values: pa.Array) -> pa.Array:
    """The text of a document; anything else that JSON has as a whole is its own JSON."""
    kind = values.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return values.cast(pa.string()) if texts else made_json(values)


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
