"""Watermarks as SQL literals, as templates put them into a query."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal

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


def _less(text: str, lag: float) -> str | None:
    try:
        return format(Decimal(text) - Decimal(str(lag)), "f")
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
