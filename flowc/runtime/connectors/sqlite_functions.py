"""The SQL functions that flowc's statements call on SQLite, which lacks them.

Each is deterministic and returns NULL for NULL, and for a text that it cannot read.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

Value = str | int | float | bytes | None
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SPACES = " \t\n\r\f\v"
_INT64 = 2**63
_EXACT_DIGITS = 15


def register(connection: sqlite3.Connection) -> None:
    """Makes all of `FUNCTIONS` known to a connection."""
    for name, function in FUNCTIONS.items():
        arguments = function.__code__.co_argcount
        connection.create_function(name, arguments, function, deterministic=True)


def md5(text: Value) -> Value:
    """Hexadecimal MD5 of a text."""
    return None if text is None else hashlib.md5(str(text).encode(), usedforsecurity=False).hexdigest()


def lower(text: Value) -> Value:
    """Lower case of all letters."""
    return text.lower() if isinstance(text, str) else text


def upper(text: Value) -> Value:
    """Upper case of all letters."""
    return text.upper() if isinstance(text, str) else text


def regexp_replace(text: Value, pattern: Value, replacement: Value) -> Value:
    r"""A text with every match replaced; `\1` names a group."""
    if text is None or pattern is None or replacement is None:
        return None
    return re.sub(str(pattern), str(replacement), str(text))


def parse_int(text: Value) -> Value:
    """A whole number; one beyond 64 bits stays text, which no integer column takes."""
    if text is None or not _WHOLE.fullmatch(trimmed := str(text).strip(_SPACES)):
        return None
    number = int(trimmed)
    return number if -_INT64 <= number < _INT64 else str(number)


def parse_numeric(text: Value) -> Value:
    """A number, as text where a REAL would not hold all its digits."""
    if text is None or not _NUMBER.fullmatch(trimmed := str(text).strip(_SPACES)):
        return None
    return _number(Decimal(trimmed), _EXACT_DIGITS)


def fit_decimal(value: Value, precision: Value, scale: Value) -> Value:
    """A number as its column stores it, NULL when it has more digits than the column."""
    number = _decimal(value)
    if number is None:
        return None
    if precision is None:
        return format(number, "f")
    width, places = int(precision), int(scale or 0)
    rounded = round(number, places)
    if rounded != number or abs(number) >= Decimal(10) ** (width - places):
        return None
    return _number(rounded, _EXACT_DIGITS) if width <= _EXACT_DIGITS else format(rounded, "f")


def _decimal(value: Value) -> Decimal | None:
    if value is None or isinstance(value, bytes):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _number(number: Decimal, digits: int) -> Value:
    if number == number.to_integral_value() and abs(number) < _INT64:
        return int(number)
    return float(number) if len(number.normalize().as_tuple().digits) <= digits else format(number, "f")


def parse_timestamp(text: Value, template: Value) -> Value:
    """A text in a strptime format as canonical timestamp, with `+00:00` when the format reads an offset."""
    if text is None or template is None:
        return None
    try:
        return _canonical(datetime.strptime(str(text), str(template)))
    except ValueError:
        return None


def _canonical(moment: datetime) -> str:
    zone = "" if moment.tzinfo is None else "+00:00"
    local = moment if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{local.year:04}-{local:%m-%d %H:%M:%S.%f}{zone}"


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def at_zone(text: Value, zone: Value) -> Value:
    """A local timestamp in a zone as an instant; NULL for one that the zone's clocks skip."""
    moment = _iso(text)
    if moment is None or moment.tzinfo is not None:
        return None
    instant = moment.replace(tzinfo=_zone(str(zone))).astimezone(UTC)
    back = instant.astimezone(_zone(str(zone))).replace(tzinfo=None)
    return _canonical(instant) if back == moment else None


def _iso(text: Value) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def add_seconds(text: Value, seconds: Value) -> Value:
    """A date, timestamp or instant, later by so many seconds; a date moves by whole days."""
    moment = _iso(text)
    if moment is None or seconds is None:
        return None
    later = moment + timedelta(seconds=float(seconds))
    return later.date().isoformat() if len(str(text)) == len("2000-01-01") else _canonical(later)


def json_canonical(text: Value) -> Value:
    """JSON with sorted keys and no spaces; what is no JSON stays as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.dumps(_plain(json.loads(text)), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return text


def _plain(value: object) -> object:
    """JSON knows one kind of number, so 1.0 and 1 are the same."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def temporal(text: Value, kind: Value) -> Value:
    """An ISO text as canonical date, time, timestamp or timestamptz."""
    try:
        return _TEMPORAL[str(kind)](text) if isinstance(text, str) else None
    except ValueError:
        return None


def _timestamp(text: str) -> str | None:
    moment = datetime.fromisoformat(text)
    return _canonical(moment) if moment.tzinfo is None else None


def _instant(text: str) -> str | None:
    moment = datetime.fromisoformat(text)
    return None if moment.tzinfo is None else _canonical(moment)


def _date(text: str) -> str | None:
    moment = datetime.fromisoformat(text)
    return moment.date().isoformat() if moment.time() == time() and moment.tzinfo is None else None


def _time(text: str) -> str:
    return time.fromisoformat(text).isoformat(timespec="microseconds")


_TEMPORAL: Mapping[str, Callable[[str], str | None]] = {
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _instant,
}


def uuid(text: Value) -> Value:
    """The canonical text of a uuid."""
    try:
        return str(UUID(text)) if isinstance(text, str) else None
    except ValueError:
        return None


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "flowc_md5": md5,
    "flowc_lower": lower,
    "flowc_upper": upper,
    "flowc_regexp_replace": regexp_replace,
    "flowc_parse_int": parse_int,
    "flowc_parse_numeric": parse_numeric,
    "flowc_decimal": fit_decimal,
    "flowc_parse_timestamp": parse_timestamp,
    "flowc_at_zone": at_zone,
    "flowc_add_seconds": add_seconds,
    "flowc_json_canonical": json_canonical,
    "flowc_temporal": temporal,
    "flowc_uuid": uuid,
}
