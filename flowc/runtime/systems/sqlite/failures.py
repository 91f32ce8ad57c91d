"""Functions on SQLite that fail where SQL of another dialect does, and what they found: SQLite keeps no words of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from math import isfinite, isnan
from threading import local

Value = str | int | float | bytes | None

_RANGES: Mapping[str, int] = {"tinyint": 2**7, "smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
_NUMBER = re.compile(
    r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*|\s*[+-]?(?:inf|infinity|nan)\s*", re.I
)
_found = local()


class Failed(ValueError):
    """What SQL found wrong with a value."""


def words() -> str | None:
    """What the last failure in this thread was about, told once; None where there was none."""
    told: str | None = getattr(_found, "words", None)
    _found.words = None
    return told


def refused(message: str) -> Failed:
    """The failure of a function, whose words are kept for who runs the SQL."""
    _found.words = message
    return Failed(message)


def fail(message: Value, value: Value) -> Value:
    """NULL for NULL. Raises Failed with the message for any other value."""
    if value is None:
        return None
    raise refused(str(message))


def cast(value: Value, kind: Value) -> Value:
    """A value as `smallint`, `integer`, `bigint`, `double`, `date` or `time`. Raises Failed where it is none."""
    if value is None:
        return None
    if kind in _READS:
        return _read(value, str(kind))
    return _double(value) if kind == "double" else _integer(value, str(kind))


def digits(value: Value, most: Value) -> Value:
    """A number. Raises Failed where it has more digits before its point than `most`."""
    if isinstance(value, int | float) and isinstance(most, int) and isfinite(value) and abs(value) >= 10**most:
        raise refused(f"numeric field overflow: {value} has more than {most} digits before its point")
    return value


def _integer(value: Value, kind: str) -> int:
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise refused(f"invalid input for type {kind}: '{value}'")
        value = int(value)
    if not isinstance(value, int | float) or isnan(value) or not -_RANGES[kind] <= value < _RANGES[kind]:
        raise refused(f"{kind} out of range: {value!r}")
    number = round(value)
    if number == _RANGES[kind]:
        raise refused(f"{kind} out of range: {value!r}")
    return number


def _double(value: Value) -> float:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise refused(f"invalid input for type double: '{value}'")
    if not isinstance(value, str | int | float):
        raise refused("bytes are no number")
    return float(value)


_READS: Mapping[str, Callable[[str], str]] = {
    "date": lambda text: datetime.fromisoformat(text).date().isoformat(),
    "time": lambda text: time.fromisoformat(text).isoformat(),
}


def _read(value: Value, kind: str) -> str:
    try:
        return _READS[kind](str(value).strip())
    except ValueError:
        raise refused(f"invalid input for type {kind}: {value!r}") from None
