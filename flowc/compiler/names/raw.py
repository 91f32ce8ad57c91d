"""Reading entries that are carried whole (`RawSpec`): values with their places, by dotted path."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.compiler.front.columndef import source_column
from flowc.compiler.front.spec import Json, Name, RawSpec
from flowc.source import Located, Span


def value_at(spec: RawSpec, path: str) -> Json:
    """The plain value at a dotted path; None where there is none."""
    return _below(spec.value, path)


def name_at(spec: RawSpec, path: str) -> Name | None:
    """The text at a dotted path, with its place."""
    value = value_at(spec, path)
    return Located(value, spec.spans[path]) if isinstance(value, str) and path in spec.spans else None


def column_at(spec: RawSpec, path: str) -> tuple[Name | None, bool, str | None]:
    """The type of a source's column, whether it may be NULL, and a clause that such a column has not."""
    held = value_at(spec, path)
    if isinstance(held, Mapping):
        return name_at(spec, f"{path}.type"), held.get("nullable") is not False, None
    given = name_at(spec, path)
    if given is None:
        return None, True, None
    kind, nullable, strange = source_column(given.value)
    text = Located(given.value[kind.body : kind.end], given.span)
    return text, nullable, strange.clause if strange else None


def names_at(spec: RawSpec, path: str) -> tuple[Name, ...]:
    """The texts of a list, with their places."""
    value = value_at(spec, path)
    found = (name_at(spec, f"{path}.{i}") for i in range(len(value) if isinstance(value, list) else 0))
    return tuple(name for name in found if name)


def keys_at(spec: RawSpec, path: str) -> tuple[Name, ...]:
    """The keys of a mapping, with their places."""
    value = value_at(spec, path)
    keys = value if isinstance(value, Mapping) else ()
    return tuple(Located(key, spec.keys[f"{path}.{key}"]) for key in keys if f"{path}.{key}" in spec.keys)


def place(spec: RawSpec, path: str) -> Span:
    """Where a value stands, or its key where it is a whole mapping."""
    value = value_at(spec, path)
    own = spec.keys.get(path) if isinstance(value, Mapping | list) else spec.spans.get(path)
    return own or spec.name.span


def _below(value: Json, path: str) -> Json:
    """The value at a path below this one. A key, such as a column's name, may hold dots itself."""
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        key = max((key for key in value if path.startswith(f"{key}.")), key=len, default=None)
        return None if key is None else _below(value[key], path[len(key) + 1 :])
    step, dot, rest = path.partition(".")
    found = _item(value, step)
    return _below(found, rest) if dot else found


def _item(value: Json, step: str) -> Json:
    return value[int(step)] if isinstance(value, list) and step.isdigit() and int(step) < len(value) else None
