"""Values at the edges of every type, and whether a value is still the same after its column's type has changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from math import isnan
from typing import Any
from uuid import UUID

import numpy as np

from flowc.types import INTEGER_RANGES, DataType, Kind, parse_type

TYPES = tuple(
    map(
        parse_type,
        (
            "boolean", "tinyint", "integer", "bigint", "uinteger", "ubigint", "real", "double", "numeric",
            "numeric(10,0)", "numeric(10,2)", "numeric(12,4)", "numeric(38,10)", "text", "varchar(4)", "varchar(40)",
            "binary", "date", "time", "time(0)", "timestamp", "timestamp(0)", "timestamp(3)", "timestamptz",
            "timestamptz(0)", "timestamptz(3)", "uuid", "json",
        ),
    )
)  # fmt: skip

_EXACT = Context(prec=80)
_FLOATS = (0.0, 0.1, -1.5, 1 / 3, 123456.789, 16777217.0, 2.0**53, 1e22, 1.7976931348623157e308, 5e-324)
_TEXTS = ("", "x", "a ", "true", "5", "-7.25", "2026-01-31", "12:30:00", "2026-01-31 23:59:59.5", "é€𝄞",
          "7f0e2a4c-0d6e-4b7e-9a65-0c2f6a1c9f11", '{"b": 1, "a": [2]}', "123456789012345678901234567890",
          " 5 ", "1e3", "1_0", "\u0663", "0x10", "1700000000", "24:00", "12:30:00+02:00", "12:30:00.1234567",
          "2026-01-31 23:59:59.1234567", "2026-01-31T10:00:00Z",
          "7F0E2A4C0D6E4B7E9A650C2F6A1C9F12")  # fmt: skip
_TIMES = (time(0), time(12, 30, 1), time(23, 59, 59), time(1, 2, 3, 500_000), time(23, 59, 59, 999_999))
_MOMENTS = (
    datetime(1970, 1, 2), datetime(2026, 1, 31, 23, 59, 59), datetime(2026, 1, 31, 23, 59, 59, 500_000),
    datetime(2026, 6, 1, 12, 0, 0, 400), datetime(2031, 12, 31, 23, 59, 59, 999_999),
)  # fmt: skip
_FAR = (datetime(1, 1, 1), datetime(1890, 3, 4, 5, 6, 7), datetime(9999, 12, 31, 23, 59, 59, 999_999))
_PLAIN: Mapping[Kind, Sequence[object]] = {
    Kind.BOOL: (True, False),
    Kind.FLOAT64: _FLOATS,
    Kind.FLOAT32: [float(np.float32(value)) for value in (*_FLOATS[:8], 3.4028234e38, 1e-45)],
    Kind.TEXT: _TEXTS,
    Kind.BINARY: (b"", b"\x00\xff", b"text"),
    Kind.DATE: (date(1, 1, 1), date(1970, 1, 1), date(2026, 1, 31), date(9999, 12, 31)),
    Kind.UUID: ("7f0e2a4c-0d6e-4b7e-9a65-0c2f6a1c9f11", "00000000-0000-0000-0000-000000000000"),
    Kind.JSON: ('{"a": [1, null]}', '"text"', "5", "12345678901234567890"),
}


def edges(kind: DataType, engine: str) -> list[object]:
    """Values of a type that changes of it find hard, each of which the type holds exactly."""
    if kind.kind in INTEGER_RANGES:
        return _integers(*INTEGER_RANGES[kind.kind])
    if kind.kind is Kind.DECIMAL:
        return _decimals(kind)
    if kind.kind is Kind.TIME:
        return [value for value in _TIMES if _in_places(value, kind)]
    if kind.kind is Kind.TIMESTAMP:
        return [value for value in (*_MOMENTS, *_FAR) if _in_places(value, kind)]
    if kind.kind is Kind.TIMESTAMPTZ:
        far = () if engine == "mysql" else _FAR  # its instants are of 1970 to 2038
        return [value.replace(tzinfo=UTC) for value in (*_MOMENTS, *far) if _in_places(value, kind)]
    return [v for v in _PLAIN[kind.kind] if kind.length is None or len(str(v)) <= kind.length]


def _integers(low: int, high: int) -> list[object]:
    found = (low, low + 1, -1, 0, 1, 127, 128, 255, 2**24 + 1, 2**31, 2**53 + 1, high - 1, high)
    return [value for value in dict.fromkeys(found) if low <= value <= high]


def _decimals(kind: DataType) -> list[object]:
    precision, scale = (30, 8) if kind.precision is None else (kind.precision, kind.scale or 0)
    step = Decimal(1).scaleb(-scale)
    most = Decimal("9" * precision).scaleb(-scale, _EXACT)
    return [*dict.fromkeys((Decimal(0), step, -step, Decimal(1), Decimal(99999999), most, most.copy_negate()))]


def _in_places(value: time | datetime, kind: DataType) -> bool:
    """Whether a time has no more fractional digits than its type."""
    places = 6 if kind.precision is None else kind.precision
    return value.microsecond % 10 ** (6 - places) == 0


def same(was: Any, now: Any, old: DataType, new: DataType) -> bool:
    """Whether `now`, of the new type, says what `was`, of the old one, said."""
    if was is None or now is None:
        return was is now
    try:
        return _same(was, now, old, new)
    except (ValueError, ArithmeticError):
        return False


def _same(was: Any, now: Any, old: DataType, new: DataType) -> bool:
    if _is_numeric(old) and _is_numeric(new):
        return _same_number(was, now, old, new)
    read_old, read_new = (_READ.get(kind.kind, str) for kind in (old, new))
    if new.kind is Kind.UUID and now != str(UUID(str(now))):
        return False  # loads compare uuids by their canonical text
    if Kind.TEXT in (old.kind, new.kind):  # a text says what it says when it is read as the other type
        read = read_old if new.kind is Kind.TEXT else read_new
        return bool(read(was) == read(now))
    return bool(_moment(read_old(was)) == _moment(read_new(now)))


def _is_numeric(kind: DataType) -> bool:
    return kind.is_number or kind.kind is Kind.BOOL


def _same_number(was: Any, now: Any, old: DataType, new: DataType) -> bool:
    """A float becomes the shortest number that is read as it, or all of its own digits, and the other way around."""
    if old.is_float and not new.is_float:
        return bool(_READ[old.kind](now) == was)
    if new.is_float and not old.is_float:
        shortest = str(np.float32(now) if new.kind is Kind.FLOAT32 else now)
        return _number(was) in (Decimal(shortest), Decimal(now))
    if old.is_float and isnan(was):
        return isnan(now)
    return bool(_number(was) == _number(now))


def _number(value: Any) -> Any:
    if isinstance(value, float):
        return value
    text = str(int(value) if isinstance(value, bool) else value).strip()
    if not text.isascii() or "_" in text:
        raise ValueError(text)  # Python alone reads these
    return Decimal(text)


def _moment(value: Any) -> Any:
    """A date is its midnight, and a time without a zone is one in UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _float(value: Any) -> float:
    return float(value)


def _read_moment(value: Any) -> Any:
    return _moment(datetime.fromisoformat(_no_finer(value)) if isinstance(value, str) else value)


def _read_time(value: Any) -> Any:
    return time.fromisoformat(_no_finer(value)) if isinstance(value, str) else value


def _no_finer(text: str) -> str:
    """The text, unless Python would cut a fraction of a second short."""
    if re.search(r"\.[0-9]{6}[0-9]*[1-9]", text):
        raise ValueError(text)
    return text


_READ: Mapping[Kind, Callable[[Any], Any]] = {
    **dict.fromkeys(INTEGER_RANGES, _number),
    Kind.DECIMAL: _number,
    Kind.FLOAT64: _float,
    Kind.FLOAT32: lambda value: np.float32(value),
    Kind.BOOL: lambda value: {"true": True, "false": False}[str(value).lower()],
    Kind.DATE: lambda value: date.fromisoformat(value) if isinstance(value, str) else value,
    Kind.TIME: _read_time,
    Kind.TIMESTAMP: _read_moment,
    Kind.TIMESTAMPTZ: _read_moment,
    Kind.UUID: lambda value: UUID(str(value)),
    Kind.JSON: lambda value: json.loads(value, parse_float=Decimal),
    Kind.BINARY: bytes,
}
"""How a value of a type, or the text of one, is read."""
