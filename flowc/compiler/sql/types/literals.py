"""Watermarks as SQL literals, as templates put them into a query."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Context, Decimal
from math import inf, nextafter

from flowc.types import DataType, Kind

_EXACT = Context(prec=1000)
"""Arithmetic that rounds no number that a database holds; Python's own stops at 28 digits."""

_TIME = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})[ T](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})(?P<fraction>\.\d+)?")


def sql_literal(
    value: object, lag: float = 0, *, number: bool = False, terse: bool = False, escapes: bool = False
) -> str:
    """A watermark as a SQL literal, `lag` seconds earlier when it is a time, so much less when it is a `number`.

    `terse` leaves out zeros at the end of a time, for an engine that compares times as texts: the shortest spelling of
    an instant comes before every other one, so rows at the bound are read however their column is written. Where a
    backslash `escapes`, it is written twice, and an instant in UTC has no offset.
    """
    if isinstance(value, bool) or value is None:
        return "NULL" if value is None else str(value).upper()
    if isinstance(value, int | float):
        return repr(value)
    if number and (less := _less(str(value), lag)) is not None:
        return less
    text = _earlier(str(value), lag) if lag else str(value)
    text = _terse(text) if terse else text
    if escapes:
        text = (text.removesuffix("+00:00") if _TIME.match(text) else text).replace("\\", "\\\\")
    return "'" + text.replace("'", "''") + "'"


def typed_literal(value: str, kind: DataType, *, untyped: bool = False, escapes: bool = False, order: str = "") -> str:
    """The canonical text of a cursor's value as a literal of its type, which no engine reads as a greater one.

    `untyped` is an engine that has no types for times and decimals, and reads some doubles as the one beside; `order`
    makes texts compare as decimals where it keeps them as such.
    """
    if kind.is_float:
        number = repr(nextafter(float(value), -inf) if untyped else float(value))
        return number if "e" in number else number + "e0"
    if kind.kind is Kind.DECIMAL and untyped:
        return f"'{value}'{order}"
    if kind.kind is Kind.DECIMAL and kind.precision is not None:
        return f"CAST('{value}' AS DECIMAL({kind.precision},{kind.scale or 0}))"
    return value if kind.is_number else sql_literal(value, terse=untyped, escapes=escapes)


def _less(text: str, lag: float) -> str | None:
    try:
        return format(_EXACT.subtract(Decimal(text), Decimal(str(lag))), "f")
    except ArithmeticError:
        return None


def _terse(text: str) -> str:
    """A time without the zeros at its end, or its offset in UTC: `2026-01-02 10:30:00.000000` is `2026-01-02 10:30`."""
    found = _TIME.fullmatch(text.removesuffix("+00:00"))
    if found is None:
        return text
    fraction = (found["fraction"] or "").rstrip("0").rstrip(".")
    second = found["second"] if fraction or found["second"] != ":00" else ""
    minute = f" {found['minute']}" if second or found["minute"] != "00:00" else ""
    return found["date"] + minute + second + fraction


def _earlier(text: str, lag: float) -> str:
    try:
        return (datetime.fromisoformat(text) - timedelta(seconds=lag)).isoformat(" ")
    except (ValueError, OverflowError):
        return text
