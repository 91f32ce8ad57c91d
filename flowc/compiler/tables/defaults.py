"""A plain default as the value that it is: engines that keep values write them in their own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from uuid import UUID

from flowc.types import DataType, Kind

_EXACT = Context(prec=1000)
"""No digit of a default is rounded away."""


def default_value(text: str, kind: DataType) -> str:
    """The canonical text of a literal for a column of that type; the literal as it is where it is no such value."""
    read = _number if kind.is_number else _READ.get(kind.kind)
    try:
        return read(text, kind) if read else text
    except (ValueError, ArithmeticError):
        return text


def _number(text: str, kind: DataType) -> str:
    number = Decimal(text)
    if kind.kind is Kind.DECIMAL and kind.precision is not None:
        number = number.quantize(Decimal(1).scaleb(-(kind.scale or 0)), ROUND_HALF_UP, _EXACT)
    return plain_number(number)


def plain_number(number: Decimal) -> str:
    """All digits of a number, without an exponent, a sign of zero, and zeros that say nothing."""
    return format(_EXACT.add(number.normalize(_EXACT), Decimal(0)), "f")


def _date(text: str, _: DataType) -> str:
    moment = datetime.fromisoformat(text)
    return str(moment.date()) if moment.timetz() == time() else text


def _time(text: str, _: DataType) -> str:
    return time.fromisoformat(text).isoformat("microseconds")


def _moment(text: str, kind: DataType) -> str:
    """A session's zone is UTC; a zone in the text of a type that has none means what the engine says."""
    moment = datetime.fromisoformat(text)
    if kind.kind is Kind.TIMESTAMPTZ:
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    elif moment.tzinfo is not None:
        return text
    return moment.isoformat(" ", "microseconds")


def _bytes(text: str, _: DataType) -> str:
    return text if text.startswith("\\x") else "\\x" + text.encode().hex()


_READ: Mapping[Kind, Callable[[str, DataType], str]] = {
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.TIMESTAMP: _moment,
    Kind.TIMESTAMPTZ: _moment,
    Kind.UUID: lambda text, _: str(UUID(text)),
    Kind.BINARY: _bytes,
}
"""How a literal of a type that is no number is read."""
