"""Details of runs as a run log holds them, which anybody may have written who can write there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

_GREATEST = 1e18
_NULLS = ("reason", "mode", "error", "code", "help", "file", "line", "column")
"""Members that are null where there is nothing to say."""
Shape = Callable[[Any], Any]
"""Gives a value where it has the shape that is expected, and None where it has another one."""


def read_detail(text: object) -> dict[str, Any]:
    """The details of a run. What has not the shape in which flowc writes it is left out, so nobody stumbles over it."""
    try:
        found = msgspec.json.decode(text) if isinstance(text, str | bytes) else None
    except (ValueError, RecursionError):
        return {}
    return _object(_DETAIL)(found) or {}


def _object(shapes: Mapping[str, Shape]) -> Shape:
    """An object; of its members those that have no shape here are as they are."""

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        read = {name: shapes[name](held) if name in shapes else held for name, held in value.items()}
        return {name: held for name, held in read.items() if held is not None or _may_be_null(name, value, shapes)}

    return read


def _may_be_null(name: str, value: Mapping[str, Any], shapes: Mapping[str, Shape]) -> bool:
    return name not in shapes or (name in _NULLS and value[name] is None)


def _list(of: Shape) -> Shape:
    def read(value: Any) -> Any:
        return [each for each in map(of, value) if each is not None] if isinstance(value, list) else None

    return read


def _numbers(value: Any) -> Any:
    found = {name: _number(held) for name, held in value.items()} if isinstance(value, dict) else {}
    return {name: held for name, held in found.items() if held is not None}


def _number(value: Any) -> Any:
    good = isinstance(value, int | float) and not isinstance(value, bool) and -_GREATEST < value < _GREATEST
    return value if good else None


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> Any:
    return value if isinstance(value, bool) else None


def _check(value: Any) -> Any:
    """A check of `expect`, with all that is shown of it."""
    found = _object(_CHECK)(value)
    return found if found is not None and found.keys() >= _CHECK.keys() else None


_CHECK: Mapping[str, Shape] = {
    "name": _text, "severity": _text, "passed": _flag, "failed": _number, "total": _number,
}  # fmt: skip
_ERROR: Mapping[str, Shape] = {"code": _text, "message": _text, "help": _text, "details": _list(_text)}
_DIAGNOSTIC: Mapping[str, Shape] = {
    "code": _text, "message": _text, "help": _text, "file": _text, "line": _number, "column": _number,
    "notes": _list(_object({"message": _text})),
}  # fmt: skip
_TARGET: Mapping[str, Shape] = {
    "target": _text, "mode": _text, "status": _text, "seconds": _number, "counts": _numbers, "phases": _numbers,
    "expects": _list(_check), "notes": _list(_text), "error": _object(_ERROR),
    "diagnostics": _list(_object(_DIAGNOSTIC)),
}  # fmt: skip
_PIPELINE: Mapping[str, Shape] = {
    "reason": _text, "targets": _list(_object(_TARGET)), "error": _object(_ERROR),
    "diagnostics": _list(_object(_DIAGNOSTIC)),
}  # fmt: skip
_DETAIL: Mapping[str, Shape] = {"pipelines": _list(_object(_PIPELINE)), "said": _text}
