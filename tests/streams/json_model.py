"""A second decoder of JSON messages, apart from flowc's: Python's json, Decimal and datetime, a message at a time."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import struct
from decimal import Decimal
from typing import Any

from flowc.types import INTEGER_RANGES, DataType, Kind

SKIPPED = "skipped"
BAD = "bad"
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


class Bad(Exception):
    pass


class Pairs(list):
    """An object, its repeated fields kept."""


class Number(str):
    """A number as it is written."""


class Raw(str):
    """The text of a value."""


def refuse(name: str) -> Any:
    raise Bad(name)


def parse(text: str) -> Any:
    """The document, numbers as text; NaN and infinities are none."""
    return json.loads(text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=refuse)


def decode(message: bytes | None, columns: dict[str, tuple[DataType, bool]]) -> Any:
    """The row as a dict; SKIPPED for a tombstone, BAD for what cannot be decoded."""
    try:
        return _decode(message, columns)
    except (Bad, ValueError, ArithmeticError, TypeError):
        return BAD


def _decode(message: bytes | None, columns: dict[str, tuple[DataType, bool]]) -> Any:
    if message is None:
        return SKIPPED
    found = parse(message.decode("utf-8", errors="strict"))
    if not isinstance(found, Pairs):
        raise Bad("no object")
    names = [name for name, _ in found]
    if any(names.count(name) > 1 for name in columns):
        raise Bad("twice")
    fields = dict(found)
    for name, part in found:
        _demand_readable(name)
        _demand_readable(part, numbers=name in columns)
    row = {name: value(fields.get(name), kind) for name, (kind, _) in columns.items()}
    if any(row[name] is None and not nullable for name, (_, nullable) in columns.items()):
        raise Bad("missing")
    return row


def _demand_readable(found: Any, *, numbers: bool = True) -> None:
    """Arrow refuses a number that no double comes near, in what is read, and half of a pair of surrogates anywhere."""
    if isinstance(found, str):
        found.encode()
    if numbers and isinstance(found, Number) and math.isinf(float(found)) and found[-1:].isdigit():
        raise Bad("too big")
    for part in found if isinstance(found, list) and not isinstance(found, Pairs) else ():
        _demand_readable(part, numbers=numbers)
    for name, part in found if isinstance(found, Pairs) else ():
        _demand_readable(name)
        _demand_readable(part, numbers=numbers)


def value(found: Any, kind: DataType) -> Any:
    if found is None:
        return None
    if kind.kind in INTEGER_RANGES:
        return integer(found, kind.kind)
    return _VALUES[kind.kind](found, kind)


def need(found: Any, kind: type) -> None:
    if type(found) is not kind:
        raise Bad(f"{found!r}")


def integer(found: Any, kind: Kind) -> int:
    need(found, Number)
    if not re.fullmatch(r"-?\d+", found) or (kind.value.startswith("u") and found.startswith("-")):
        raise Bad("no integer")
    low, high = INTEGER_RANGES[kind]
    if not low <= int(found) <= high:
        raise Bad("range")
    return int(found)


def boolean(found: Any, kind: DataType) -> bool:
    need(found, bool)
    return found


def double(found: Any, kind: DataType) -> float:
    need(found, Number)
    made = float(found)
    if kind.kind is Kind.FLOAT32:
        made = struct.unpack("f", struct.pack("f", made))[0]
    if not math.isfinite(made):
        raise Bad("infinite")
    if made == 0 and Decimal(found) != 0:
        raise Bad("vanished")
    return made


def decimal(found: Any, kind: DataType) -> Decimal:
    if not isinstance(found, Number):
        need(found, str)
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", found, re.ASCII):
        raise Bad("no number")
    made = Decimal(found)
    if kind.precision is None:
        return made
    scaled = made.scaleb(kind.scale or 0)
    if scaled != scaled.to_integral_value() or abs(scaled) >= 10**kind.precision:
        raise Bad("digits")
    return made


def text(found: Any, kind: DataType) -> str:
    need(found, str)
    found.encode()
    if kind.length is not None and len(found) > kind.length:
        raise Bad("length")
    return found


def binary(found: Any, kind: DataType) -> bytes:
    need(found, str)
    return base64.b64decode(found.encode("ascii"), validate=True)


def uuid(found: Any, kind: DataType) -> str:
    need(found, str)
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", found):
        raise Bad("no uuid")
    return found.lower()


def date(found: Any, kind: DataType) -> dt.date:
    need(found, str)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", found, re.ASCII):
        raise Bad("no date")
    return dt.date.fromisoformat(found)


def time(found: Any, kind: DataType) -> dt.datetime:
    """A timestamp, with a zone exactly where the type has one."""
    need(found, str)
    match = _TIME.fullmatch(found)
    if not match or bool(match[8]) != (kind.kind is Kind.TIMESTAMPTZ):
        raise Bad("no time")
    fraction = match[7] or ""
    if fraction[6:].strip("0"):
        raise Bad("digits")
    parts = [int(match[i] or 0) for i in range(1, 7)]
    made = dt.datetime(*parts, int(fraction[:6].ljust(6, "0")))
    if not match[8]:
        return made
    return (made - _offset(match[8])).replace(tzinfo=dt.UTC)


def _offset(zone: str) -> dt.timedelta:
    if zone == "Z":
        return dt.timedelta()
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise Bad("zone")
    return (1 if zone[0] == "+" else -1) * dt.timedelta(hours=hours, minutes=minutes)


def array(found: Any, kind: DataType) -> list[Any]:
    if type(found) is not list:
        raise Bad("no array")
    assert kind.element
    return [value(item, kind.element) for item in found]


def struct_(found: Any, kind: DataType) -> dict[str, Any]:
    need(found, Pairs)
    names = [name for name, _ in found]
    if any(names.count(name) > 1 for name, _ in kind.fields):
        raise Bad("twice")
    return {name: value(dict(found).get(name), field) for name, field in kind.fields}


_VALUES = {
    Kind.BOOL: boolean, Kind.FLOAT32: double, Kind.FLOAT64: double, Kind.DECIMAL: decimal, Kind.TEXT: text,
    Kind.BINARY: binary, Kind.UUID: uuid, Kind.DATE: date, Kind.TIMESTAMP: time, Kind.TIMESTAMPTZ: time,
    Kind.ARRAY: array, Kind.STRUCT: struct_,
}  # fmt: skip
