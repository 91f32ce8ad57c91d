"""In what a spec is not of the language's shape: the library's errors, of alternatives those of the one meant."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import ValidationError

from flowc.compiler.front.cutvalues import cut_item
from flowc.compiler.front.schemas import PROJECT, Schema, schema_at, validator
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import did_you_mean

Path = tuple[str | int, ...]
"""The keys, and the numbers of items, that lead to a value."""

_MARK, _NUMERIC = "\0", "+0123456789"
"""What a key begins with that would be lost from a path if it is empty, and read as an item's if it is a number."""
_ALTERNATIVES = ("anyOf", "oneOf")
_Option = tuple[Schema, list[ValidationError]]
"""An alternative, and what keeps the value from being it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One keyword of a schema that a value breaks."""

    path: Path
    keyword: str
    value: Any
    """What the keyword says; of `required` the keys that one is missing of, of `additionalProperties` the unknown."""
    schemas: tuple[Schema, ...]
    """What the value was to be: one schema, or several where any of them would do."""
    named: bool = False
    """Whether the last key of the path is a name of the author's, and not a key of the language."""


def judged(node: Node) -> Any:
    """The node as plain values for the library, with keys that it can name. A list that a comma cut is nothing."""
    if isinstance(node, Scalar):
        return _finite(node.value) if isinstance(node.value, float) else node.value
    if isinstance(node, Sequence):
        return [judged(item) for item in node.items] if cut_item(node) is None else None
    return {_MARK + k if k[:1] in _NUMERIC else k: judged(entry.value) for k, entry in node.entries.items()}


def _finite(number: float) -> float:
    """The nearest number that JSON knows; `.nan` fits no bound from below."""
    most = sys.float_info.max
    return -most if math.isnan(number) else max(-most, min(number, most))


def pieces(value: Any) -> Iterator[Any]:
    """A file as files that hold one entry each, behind one without any: no more than the errors of one are held."""
    if not isinstance(value, dict):
        yield value
        return
    known = Schema(PROJECT).properties
    held = {key: below for key, below in value.items() if key in known and isinstance(below, dict)}
    yield {key: {} if key in held else below for key, below in value.items()}
    for key, below in held.items():
        yield from ({key: {name: entry}} for name, entry in below.items())


def faults(value: Any) -> Iterator[Fault]:
    """In what the plain value of a file is not of the language's shape."""
    for error in validator().iter_errors(value):
        yield from _told(error)


def node_at(node: Node, path: Path) -> Node:
    """What a path leads to."""
    for step in path:
        if isinstance(node, TreeMap):
            node = node.entries[str(step)].value
        elif isinstance(node, Sequence):
            node = node.items[int(step)]
    return node


def meant_key(key: str, known: Iterable[str]) -> str | None:
    """The known key that an unknown one resembles."""
    near = did_you_mean(key, known)
    return next((name for name in known if near and near == did_you_mean(key, (name,))), None)


def _told(error: ValidationError) -> Iterator[Fault]:
    name, value = error.kind.name, error.kind.value
    if name in _ALTERNATIVES:
        yield from _meant(error)
        return
    keyword = "type" if name == "x-whole" else name
    if keyword == "required":
        value = (value,)
    elif keyword == "additionalProperties":
        value = tuple(map(_key, value))
    yield Fault(_path(error), keyword, value, (_schema(error),), _is_named(error))


def _meant(error: ValidationError) -> Iterator[Fault]:
    """What keeps a value from being the alternative that the author evidently meant."""
    at, options = _path(error), list(_options(error))
    typed = [option for option in options if not any(_is_type(e) and _path(e) == at for e in option[1])]
    schemas = tuple(schema for schema, _ in typed)
    if not typed:
        yield Fault(at, "type", None, tuple(schema for schema, _ in options), _is_named(error))
    elif "discriminator" in (says := _schema(error).says):
        yield from _of_kind(at, says["discriminator"]["propertyName"], error.instance, typed)
    elif lacking := _lacking(at, typed):
        yield Fault(at, "required", lacking, schemas)
    else:
        for found in min(typed, key=lambda option: len(_unfit(at, option)))[1]:
            yield from _told(found)


def _of_kind(at: Path, key: str, value: Any, typed: list[_Option]) -> Iterator[Fault]:
    """Where a key says which alternative is meant."""
    first, kinds = typed[0][0], tuple(schema.properties[key] for schema, _ in typed)
    chosen = [errors for schema, errors in typed if schema.properties[key].allowed == (value.get(key),)]
    if key not in value:
        near = tuple(name for name in value if name not in first.properties and did_you_mean(name, (key,)))
        yield Fault(at, "required", (key,), kinds)
        yield Fault(at, "additionalProperties", near, (first,))
    elif not chosen:
        yield Fault((*at, key), "enum" if isinstance(value[key], str) else "type", None, kinds)
    for errors in chosen:
        for error in errors:
            yield from _told(error)


def _options(error: ValidationError) -> Iterator[_Option]:
    """The alternatives, and those of an alternative that is nothing but a choice itself."""
    for schema, errors in zip(_schema(error).branches, error.kind.value, strict=True):
        if schema.branches and "type" not in schema.says:
            yield from _options(errors[0])
        else:
            yield schema, errors


def _lacking(at: Path, options: list[_Option]) -> tuple[str, ...] | None:
    """The keys of which one is missing, where each alternative has one of its own and knows all that is there."""
    keys = [[e.kind.value for e in errors if e.kind.name == "required" and _path(e) == at] for _, errors in options]
    if len({key for own in keys for key in own}) < 2 or any(len(own) != 1 for own in keys):
        return None
    return None if all(_unfit(at, option) for option in options) else tuple(own[0] for own in keys)


def _unfit(at: Path, option: _Option) -> set[str]:
    """The keys that an alternative does not know, and whose values it cannot take for names' either."""
    schema, errors = option
    found: set[str] = set()
    for error in errors:
        if error.kind.name == "additionalProperties" and _path(error) == at:
            found.update(error.kind.value)
        elif _is_type(error) and len(error.instance_path) == len(at) + 1:
            found.add(str(error.instance_path[-1]))
    return found - schema.properties.keys()


def _is_type(error: ValidationError) -> bool:
    return error.kind.name in ("type", "x-whole")


def _path(error: ValidationError) -> Path:
    return tuple(_key(step) if isinstance(step, str) else step for step in error.instance_path)


def _key(given: str) -> str:
    return given.removeprefix(_MARK)


def _schema(error: ValidationError) -> Schema:
    return schema_at(str(error.absolute_keyword_location).rpartition("/")[0])


def _is_named(error: ValidationError) -> bool:
    """Whether the value's key is one of `additionalProperties`, by the way through the schemas."""
    steps, last = iter(error.evaluation_path), ""
    for step in steps:
        if step in ("properties", "anyOf", "oneOf"):
            next(steps, None)
        if step in ("properties", "additionalProperties", "items"):
            last = str(step)
    return last == "additionalProperties"
