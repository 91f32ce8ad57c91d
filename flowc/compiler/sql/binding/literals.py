"""Whether a literal can be of a type: only what its engine refuses for certain is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time

_WHOLE = re.compile(r"[+-]?\d+")
_ODD_WHOLE = re.compile(r"[+-]?(0[xob][\da-f_]+|\d[\d_]*)", re.I)
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_MOMENT = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d*)?)?(.*)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d*)?)?")
_WORDS = re.compile(r"[a-z]+", re.I)
_TIMES = frozenset(("now", "today", "tomorrow", "yesterday", "epoch", "infinity", "allballs", "noon", "midnight"))
_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "1", "0")
_RANGES = {"int2": 15, "int4": 31, "int8": 63}
_UUID = re.compile(r"\{?([\da-f]{4}-?){8}\}?", re.I)


def _not_whole(text: str, bits: int) -> bool:
    if _WHOLE.fullmatch(text):
        return not -(2**bits) <= int(text) < 2**bits
    return not _ODD_WHOLE.fullmatch(text)


def _not_number(text: str) -> bool:
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return False
    if _ODD_WHOLE.fullmatch(text):
        return False
    try:
        float(text.replace("_", ""))
    except ValueError:
        return True
    return False


def _not_date(text: str) -> bool:
    if found := _DAY.fullmatch(text):
        return not _is_day(*map(int, found.groups()))
    if found := _MOMENT.fullmatch(text):
        return _not_date(found[1])
    return _is_no_time_word(text)


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _is_no_time_word(text: str) -> bool:
    """A single word that is none of those that stand for a time."""
    return bool(_WORDS.fullmatch(text)) and text.lower().strip() not in _TIMES


def _not_moment(text: str) -> bool:
    if found := _MOMENT.fullmatch(text):
        return _not_date(found[1]) or not _is_clock(found[2], found[3], found[4])
    return _not_date(text)


def _is_clock(hour: str, minute: str, second: str | None) -> bool:
    if int(hour) == 24:
        return int(minute) == 0 and int(second or 0) == 0
    try:
        time(int(hour), int(minute))
    except ValueError:
        return False
    return int(second or 0) <= 60


def _not_clock(text: str) -> bool:
    if found := _CLOCK.fullmatch(text):
        return not _is_clock(found[1], found[2], found[3])
    return _is_no_time_word(text)


def _not_boolean(text: str) -> bool:
    return not any(word.startswith(text.lower()) for word in _BOOLEANS) or text.lower() == "o" or not text


def _not_uuid(text: str) -> bool:
    return not _UUID.fullmatch(text)


def _not_json(text: str) -> bool:
    first = text[:1]
    if first in '{["':
        return False
    return text not in ("true", "false", "null") and not re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text)


def _not_interval(text: str) -> bool:
    return bool(_WORDS.fullmatch(text)) and text.lower() not in ("infinity",)


_REFUSED: Mapping[str, Callable[[str], bool]] = {
    "int2": lambda t: _not_whole(t, 15), "int4": lambda t: _not_whole(t, 31), "int8": lambda t: _not_whole(t, 63),
    "numeric": _not_number, "float4": _not_number, "float8": _not_number,
    "date": _not_date, "timestamp": _not_moment, "timestamptz": _not_moment, "time": _not_clock,
    "bool": _not_boolean, "uuid": _not_uuid, "json": _not_json, "jsonb": _not_json, "interval": _not_interval,
}  # fmt: skip


def refused(text: str, kind: str | None) -> bool:
    """Whether PostgreSQL refuses a text as a value of a type."""
    rule = _REFUSED.get(kind or "")
    return rule is not None and rule(text.strip())


def no_day(text: str) -> bool:
    """Whether a text looks like a day and is none, in any engine."""
    found = _DAY.match(text.strip())
    return found is not None and not _is_day(*map(int, found.groups()))
