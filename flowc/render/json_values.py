"""Any of flowc's values as plain JSON values, readable and stable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

from flowc.catalog import TableName
from flowc.controls import json_text
from flowc.source import Located, MappedText, Span
from flowc.types import DataType

_KINDS = (bool, int, float, str)


def json_value(value: object) -> object:
    """`value` as dicts, lists and scalars. Where something was written is left out, and so is what is empty."""
    if value is None or (isinstance(value, _KINDS) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return json_value(value.value)
    if isinstance(value, (DataType, TableName)):
        return str(value)
    if isinstance(value, MappedText):
        return value.text
    if isinstance(value, Located):
        return json_value(value.value)
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((json_value(item) for item in value), key=str)
    return str(value)


def _fields(value: object) -> dict[str, object]:
    shown: dict[str, object] = {}
    for field in fields(value):  # type: ignore[arg-type]
        item = getattr(value, field.name)
        if isinstance(item, MappedText) or _is_place(item) or item is None or item in ((), {}):
            continue
        shown[field.name] = json_value(item)
    return shown


def _is_place(item: object) -> bool:
    """Whether this says only where something was written."""
    held = item.values() if isinstance(item, Mapping) else item if isinstance(item, tuple) and item else (item,)
    return all(isinstance(part, Span | range) for part in held)


def as_json(value: object) -> str:
    """Indented JSON of `json_value(value)`."""
    return json_text(json_value(value))
