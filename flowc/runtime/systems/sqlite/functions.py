"""The SQL functions that flowc's statements call on SQLite, which lacks them.

Each is deterministic and returns NULL for NULL, and for a text that it cannot read.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite
from struct import pack, unpack
from time import strptime
from uuid import UUID
from zoneinfo import ZoneInfo

from flowc.runtime.systems.sqlite.failures import cast, digits, fail
from flowc.runtime.systems.sqlite.numbers import (
    decimal_order,
    double,
    encoded_decimal,
    encoded_float,
    number_text,
)
from flowc.runtime.systems.sqlite.patterns import regexp_extract, regexp_like, regexp_replace, regexp_replace_first

Value = str | int | float | bytes | None
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SPACES = " \t\n\r\f\v"
_FINER = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
"""A fraction of a second that microseconds do not hold."""
_INT64 = 2**63
_EXACT_DIGITS, _EXACT_EXPONENT = 15, 300
_PLAIN = frozenset("0123456789+-.eE" + _SPACES)
_PLAIN_DIGITS = 40
"""Whole numbers of JSON of so many digits are compared without an exponent."""
_EXACT = Context(prec=200_000)
"""Arithmetic of decimals that rounds nothing that a database holds."""


def register(connection: sqlite3.Connection) -> None:
    """Makes all of `FUNCTIONS` known to a connection, and the order of decimals that are kept as texts."""
    connection.create_collation("flowc_decimal", decimal_order)
    for name, function in FUNCTIONS.items():
        arguments = function.__code__.co_argcount
        connection.create_function(name, arguments, function, deterministic=True)


def md5(text: Value) -> Value:
    """Hexadecimal MD5 of a text."""
    return None if text is None else hashlib.md5(str(text).encode(), usedforsecurity=False).hexdigest()


def lower(text: Value) -> Value:
    """Lower case of all letters, each by itself, as other databases have it: no text becomes longer."""
    if not isinstance(text, str):
        return text
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


def upper(text: Value) -> Value:
    """Upper case of all letters, each by itself; one that has none of a single letter, as ß, stays."""
    if not isinstance(text, str):
        return text
    if text.isascii():
        return text.upper()
    return "".join(one if len(one := letter.upper()) == 1 else letter for letter in text)


def parse_int(text: Value) -> Value:
    """A whole number; one beyond 64 bits stays text, which no integer column takes."""
    if text is None or not _WHOLE.fullmatch(trimmed := str(text).strip(_SPACES)):
        return None
    number = Decimal(trimmed)  # an int is read of so many digits only
    return int(number) if -_INT64 <= number < _INT64 else str(number)


def parse_numeric(text: Value, kind: Value) -> Value:
    """A number, as text where a REAL would not hold all its digits; for `real` and `double` as one, or NULL."""
    if text is None or not _NUMBER.fullmatch(trimmed := str(text).strip(_SPACES)):
        return None
    number = Decimal(trimmed)
    return _float(number, str(kind)) if kind in ("real", "double") else _number(number)


def fit_float(value: Value, kind: Value) -> Value:
    """A number as `real` or `double`; NULL where that has another value."""
    if not isinstance(value, int | float):
        return None
    return value if isinstance(value, float) and kind == "double" else _float(Decimal(value), str(kind))


def _float(number: Decimal, kind: str) -> float | None:
    """The nearest float, where the number is its exact value or the shortest text that means it; an infinity."""
    try:
        nearest = float(number) if kind == "double" else _single(float(number))
    except OverflowError:
        return None
    return nearest if number in (Decimal(nearest), Decimal(_shortest(nearest, kind))) else None


def _single(number: float) -> float:
    single: float = unpack("f", pack("f", number))[0]
    return single


def _shortest(number: float, kind: str) -> str:
    if kind == "double" or not isfinite(number):
        return repr(number)
    texts = (f"{number:.{digits}g}" for digits in range(1, 10))
    return next(text for text in texts if _single(float(text)) == number)


def fit_decimal(value: Value, precision: Value, scale: Value) -> Value:
    """A number as its column stores it, NULL when it has more digits than the column."""
    number = _decimal(value)
    if number is None:
        return None
    if precision is None:
        return format(number or number.copy_abs(), "f")
    width, places = int(precision), int(scale or 0)
    if number.copy_abs() >= Decimal(1).scaleb(width - places):
        return None
    rounded = number.quantize(Decimal(1).scaleb(-places), context=_EXACT)
    if rounded != number:
        return None
    rounded = rounded or rounded.copy_abs()  # Zero has no sign here.
    return _number(rounded) if width <= _EXACT_DIGITS else format(rounded, "f")


def _decimal(value: Value) -> Decimal | None:
    if value is None or isinstance(value, bytes):
        return None
    if isinstance(value, str) and not _PLAIN.issuperset(value):
        return None  # Python reads digits of other scripts, and underscores between digits
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _number(number: Decimal) -> Value:
    """The number as INTEGER or REAL where that is exact, else as text."""
    if number == number.to_integral_value() and number.copy_abs() < _INT64:
        return int(number)
    short = len(number.normalize(_EXACT).as_tuple().digits) <= _EXACT_DIGITS
    return float(number) if short and abs(number.adjusted()) < _EXACT_EXPONENT else format(number, "f")


def parse_timestamp(text: Value, template: Value, pattern: Value) -> Value:
    """A text in a strptime format as canonical timestamp, with `+00:00` when the format reads an offset.

    NULL for a text that the pattern, which is stricter than strptime, does not match.
    """
    if text is None or template is None or not re.fullmatch(str(pattern), str(text)):
        return None
    try:
        moment = datetime.strptime(str(text), str(template))
        # strptime reads the 366th day of any year.
        late = "%j" in str(template) and strptime(str(text), str(template)).tm_yday != moment.timetuple().tm_yday
        return None if late else _canonical(moment)
    except (ValueError, OverflowError):
        return None


def _canonical(moment: datetime) -> str:
    zone = "" if moment.tzinfo is None else "+00:00"
    local = moment if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{local.year:04}-{local:%m-%d %H:%M:%S.%f}{zone}"


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def at_zone(text: Value, zone: Value) -> Value:
    """A local timestamp in a zone as an instant; NULL for one that the zone's clocks skip or show twice."""
    moment = _iso(text)
    if moment is None or moment.tzinfo is not None:
        return None
    local = moment.replace(tzinfo=_zone(str(zone)))
    try:
        return _canonical(local.astimezone(UTC)) if _is_unambiguous(local) else None
    except OverflowError:
        return None


def in_zone(text: Value, zone: Value) -> Value:
    """An instant as the local timestamp in a zone; NULL for one whose local timestamp the zone's clocks show twice."""
    moment = _iso(text)
    if moment is None or moment.tzinfo is None:
        return None
    try:
        local = moment.astimezone(_zone(str(zone)))
    except OverflowError:
        return None
    return _canonical(local.replace(tzinfo=None)) if _is_unambiguous(local) else None


def _is_unambiguous(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


def _iso(text: Value) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and not _FINER.search(text) else None
    except ValueError:
        return None


def add_seconds(text: Value, seconds: Value) -> Value:
    """A date, timestamp or instant, later by so many seconds; a date moves by whole days."""
    moment = _iso(text)
    if moment is None or seconds is None:
        return None
    return _like(text, moment + timedelta(seconds=float(seconds)))


def add_months(text: Value, months: Value) -> Value:
    """A date, timestamp or instant, later by so many months; on the last day of its month where that is shorter."""
    moment = _iso(text)
    if moment is None or months is None:
        return None
    year, month = divmod(moment.year * 12 + moment.month - 1 + int(months), 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return _like(text, moment.replace(year=year, month=month + 1, day=day))


def _like(text: Value, moment: datetime) -> str:
    """A moment as a date where the text is one, else as a time."""
    return moment.date().isoformat() if len(str(text)) == len("2000-01-01") else _canonical(moment)


def json_canonical(text: Value) -> Value:
    """JSON with sorted keys, no spaces, and each number in one spelling; what is no JSON stays as it is."""
    return _canonical_json(text) if isinstance(text, str) else text


@lru_cache(maxsize=4)
def _canonical_json(text: str) -> str:
    """Kept for a moment: a row that did not change has the text on both sides of a comparison."""
    try:
        return _written(json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_no_number))
    except (ValueError, RecursionError):
        return text


class _Number(str):
    """The text of a number: a double would not keep its digits."""


def _no_number(name: str) -> object:
    raise ValueError(f"JSON has no {name}")


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_written(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return _one_spelling(value) if isinstance(value, _Number) else json.dumps(value)


def _one_spelling(number: str) -> str:
    """JSON knows one kind of number, so 1.0, 1 and 10e-1 are the same, and -0 is 0."""
    if number.isdecimal() and len(number) <= _PLAIN_DIGITS:
        return number
    mantissa, _, power = number.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("-").partition(".")
    digits = (whole + fraction).rstrip("0")
    exponent = int(power or 0) + len(whole) - len(digits)
    digits = digits.lstrip("0")
    sign = "-" if digits and number.startswith("-") else ""
    if not digits or 0 <= exponent <= _PLAIN_DIGITS - len(digits):
        return f"{sign}{digits or '0'}{'0' * exponent if digits else ''}"
    return f"{sign}{digits}e{exponent}"


def temporal(text: Value, kind: Value) -> Value:
    """An ISO text as canonical date, time, timestamp or timestamptz; NULL for one that is more precise than those."""
    if not isinstance(text, str) or _FINER.search(text):
        return None
    try:
        return _TEMPORAL[str(kind)](text)
    except (ValueError, OverflowError):
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


def _time(text: str) -> str | None:
    """A time of day with colons, for Python reads some other numbers as one; none with an offset."""
    moment = time.fromisoformat(text)
    return moment.isoformat(timespec="microseconds") if ":" in text and moment.tzinfo is None else None


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
    "flowc_regexp_replace_first": regexp_replace_first,
    "flowc_regexp_like": regexp_like,
    "flowc_regexp_extract": regexp_extract,
    "flowc_parse_int": parse_int,
    "flowc_parse_numeric": parse_numeric,
    "flowc_decimal": fit_decimal,
    "flowc_float": fit_float,
    "flowc_parse_timestamp": parse_timestamp,
    "flowc_at_zone": at_zone,
    "flowc_in_zone": in_zone,
    "flowc_add_seconds": add_seconds,
    "flowc_add_months": add_months,
    "flowc_json_canonical": json_canonical,
    "flowc_temporal": temporal,
    "flowc_uuid": uuid,
    "flowc_double": double,
    "flowc_encoded_decimal": encoded_decimal,
    "flowc_encoded_float": encoded_float,
    "flowc_number_text": number_text,
    "flowc_cast": cast,
    "flowc_digits": digits,
    "flowc_fail": fail,
}
