"""In what a spec is not of the language's shape: the library's errors, of alternatives those of the one meant."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jsonschema_rs import ValidationError

from flowc.compiler.front.cutvalues import cut_item
from flowc.compiler.front.schemas import PROJECT, Schema, schema_at, validator
from flowc.compiler.front.yamltree import Node, Scalar, Sequence, TreeMap
from flowc.diagnostics import did_you_mean

Path = tuple[str | int, ...]
"""The keys, and the numbers of items, that lead to a value."""

NAMES = "propertyNames"
"""The keyword that a key breaks, and not a value."""
_MARK, _NUMERIC = "\0", "+0123456789"
"""What a key begins with that would be lost from a path if it is empty, and read as an item's if it is a number."""


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


_Option = tuple[Schema, list[Fault]]
"""An alternative, and what keeps the value from being it."""


Broken = Mapping[tuple[str, ...], tuple[Fault, ...]]
"""What is wrong in the entries of a file, each as `(section, name)`."""


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
        yield from _chosen(_fault(error))


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


def _fault(error: ValidationError) -> Fault:
    keyword, value = error.kind.name, error.kind.value
    if keyword in ("anyOf", "oneOf"):
        value = [[_fault(below) for below in branch] for branch in value]
    elif keyword == "required":
        value = (value,)
    elif keyword == "additionalProperties":
        value = tuple(map(_key, value))
    elif keyword == "x-whole":
        keyword = "type"
    path = tuple(_key(step) if isinstance(step, str) else step for step in error.instance_path)
    if keyword == NAMES:
        path, error = (*path, _key(value.instance)), value
    schema = schema_at(str(error.absolute_keyword_location).rpartition("/")[0])
    ways = [step for step in error.evaluation_path if step in ("properties", "additionalProperties", "items")]
    return Fault(path, keyword, value, (schema,), named=ways[-1:] == ["additionalProperties"])


def _key(given: str) -> str:
    return given.removeprefix(_MARK)


def _chosen(fault: Fault) -> Iterator[Fault]:
    """The fault itself; of alternatives what keeps the value from being the one that the author evidently meant."""
    if fault.keyword not in ("anyOf", "oneOf"):
        yield fault
        return
    options = list(_options(fault))
    typed = [option for option in options if not any(f.keyword == "type" and f.path == fault.path for f in option[1])]
    schemas = tuple(schema for schema, _ in typed or options)
    unfit = [_unfit(fault.path, option) for option in typed]
    discriminator = fault.schemas[0].says.get("discriminator")
    if not typed:
        yield replace(fault, keyword="type", value=None, schemas=schemas)
    elif discriminator:
        yield from _of_kind(fault, discriminator["propertyName"], typed)
    elif (lacking := _lacking(fault.path, typed)) and (strange := _strange(unfit)):
        yield replace(fault, keyword="additionalProperties", value=strange, schemas=schemas)
    elif lacking and not all(unfit):
        yield replace(fault, keyword="required", value=lacking, schemas=schemas)
    else:
        meant = min(zip(unfit, typed, strict=True), key=lambda each: len(each[0]))[1]
        for below in meant[1]:
            yield from _chosen(below)


def _of_kind(fault: Fault, key: str, typed: list[_Option]) -> Iterator[Fault]:
    """Where a key says which alternative is meant."""
    at = (*fault.path, key)
    chosen = [found for _, found in typed if not any(f.keyword == "const" and f.path == at for f in found)]
    schemas = tuple(schema for schema, _ in typed)
    if not chosen:
        yield Fault(at, "const", None, tuple(schema.properties[key] for schema in schemas))
    elif len(chosen) > 1:
        yield replace(fault, keyword="required", value=(key,), schemas=schemas)
    else:
        for below in chosen[0]:
            yield from _chosen(below)


def _options(fault: Fault) -> Iterator[_Option]:
    """The alternatives, and those of an alternative that is nothing but a choice itself."""
    for schema, found in zip(fault.schemas[0].branches, fault.value, strict=True):
        if schema.branches and "type" not in schema.says:
            yield from _options(found[0])
        else:
            yield schema, found


def _strange(unfit: list[set[str]]) -> tuple[str, ...]:
    """The keys that no alternative knows, where all know the same."""
    return tuple(sorted(unfit[0])) if unfit[0] and all(each == unfit[0] for each in unfit) else ()


def _lacking(at: Path, options: list[_Option]) -> tuple[str, ...] | None:
    """The keys of which one is missing, where each alternative has one of its own and the value has none of them."""
    keys = [[f.value[0] for f in found if f.keyword == "required" and f.path == at] for _, found in options]
    if any(len(own) != 1 for own in keys) or len({own[0] for own in keys}) < 2:
        return None
    return tuple(own[0] for own in keys)


def _unfit(at: Path, option: _Option) -> set[str]:
    """The keys that an alternative does not know, and whose values it cannot take for names' either."""
    schema, faults = option
    found: set[str] = set()
    for fault in faults:
        if fault.keyword == "additionalProperties" and fault.path == at:
            found.update(fault.value)
        elif fault.keyword == "type" and len(fault.path) == len(at) + 1:
            found.add(str(fault.path[-1]))
    return found - schema.properties.keys()
