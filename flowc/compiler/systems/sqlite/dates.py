"""Dates and times on SQLite, which stores them as text."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    NAIVE_TIMES,
    Pair,
    Untranslatable,
    build,
    call,
    text_value,
    type_of,
    unit_of,
)
from flowc.compiler.sql.rewrite.dates import BACKWARD, MONTHS, amount_of, date_difference
from flowc.compiler.sql.rewrite.formats import strftime
from flowc.compiler.systems.sqlite.casts import canonical

_DIALECT = "sqlite"
_TYPE = exp.DataType.Type
_PARTS = {
    "YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M", "DOW": "%w", "DOY": "%j",
}  # fmt: skip

_FRACTION = "CAST('0' || SUBSTR(:a, 20, 7) AS REAL)"

_THURSDAY = "DATE(:a, '-3 days', 'weekday 4')"

_COMPUTED = {
    "SECOND": f"CAST(STRFTIME('%S', :a) AS INTEGER) + {_FRACTION}",
    "EPOCH": f"CAST(STRFTIME('%s', :a) AS INTEGER) + {_FRACTION}",
    "ISODOW": "(CAST(STRFTIME('%w', :a) AS INTEGER) + 6) % 7 + 1",
    "QUARTER": "(CAST(STRFTIME('%m', :a) AS INTEGER) + 2) / 3",
    "WEEK": f"(CAST(STRFTIME('%j', {_THURSDAY}) AS INTEGER) - 1) / 7 + 1",
    "ISOYEAR": f"CAST(STRFTIME('%Y', {_THURSDAY}) AS INTEGER)",
}

_TRUNCATED = {
    "YEAR": "STRFTIME('%Y-01-01 00:00:00.000000', :a)",
    "MONTH": "STRFTIME('%Y-%m-01 00:00:00.000000', :a)",
    "DAY": "STRFTIME('%Y-%m-%d 00:00:00.000000', :a)",
    "HOUR": "STRFTIME('%Y-%m-%d %H:00:00.000000', :a)",
    "MINUTE": "STRFTIME('%Y-%m-%d %H:%M:00.000000', :a)",
    "SECOND": "STRFTIME('%Y-%m-%d %H:%M:%S.000000', :a)",
    "WEEK": "STRFTIME('%Y-%m-%d 00:00:00.000000', :a, 'weekday 0', '-6 days')",
    "QUARTER": "STRFTIME('%Y-', :a) || PRINTF('%02d-01 00:00:00.000000', (CAST(STRFTIME('%m', :a) AS INTEGER) + 2) / 3 * 3 - 2)",  # noqa: E501
}

_DATE_UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}

_FORMATS = frozenset(("%Y", "%m", "%d", "%H", "%M", "%S", "%j", "%w", "%%"))


def extracted(name: str, value: exp.Expression) -> exp.Expression:
    """A part of a date, by its name."""
    if name in _PARTS:
        return build(f"CAST(STRFTIME('{_PARTS[name]}', :a) AS INTEGER)", _DIALECT, a=value)
    if name not in _COMPUTED:
        raise Untranslatable(f"{name} of a date, which SQLite lacks")
    return exp.paren(build(_COMPUTED[name], _DIALECT, a=value), copy=False)


def extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """EXTRACT."""
    return extracted(node.name.upper(), node.expression)


def truncate(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A time cut to a unit."""
    unit = unit_of(node)
    if unit not in _TRUNCATED:
        raise Untranslatable(f"a time cut to {unit}, which SQLite lacks")
    return build(_TRUNCATED[unit], _DIALECT, a=node.this)


def _interval(node: exp.Expression) -> tuple[int, str] | None:
    """An interval's number and unit."""
    if not isinstance(node, exp.Interval):
        return None
    unit = node.args.get("unit")
    number = node.this.name if node.this is not None else ""
    if unit is None or not number.lstrip("-").isdigit():
        raise Untranslatable("such an interval, which SQLite lacks")
    return int(number), unit.name.upper().removesuffix("S")


def arithmetic(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Plus and minus of dates."""
    left, right = node.left.unnest(), node.right.unnest()
    interval = _interval(right)
    sign = -1 if isinstance(node, exp.Sub) else 1
    kind = type_of(left)
    if interval is None:
        if kind is _TYPE.DATE and type_of(right) is _TYPE.DATE and sign < 0:
            return build("CAST(JULIANDAY(:a) - JULIANDAY(:b) AS INTEGER)", _DIALECT, a=left, b=right)
        if kind is _TYPE.DATE:
            return build(f"DATE(:a, ({'-' if sign < 0 else ''}(:b)) || ' days')", _DIALECT, a=left, b=right)
        if (
            kind in exp.DataType.TEMPORAL_TYPES
            or type_of(right) in exp.DataType.TEMPORAL_TYPES
            or isinstance(left, exp.Interval)
        ):
            raise Untranslatable("arithmetic of times, which SQLite lacks")
        return None
    return _shifted(left, sign * interval[0], interval[1], pair)


def _shifted(value: exp.Expression, number: int, unit: str, pair: Pair) -> exp.Expression:
    """A date or time later by an interval; what that makes of a date depends on the dialect."""
    kind = type_of(value)
    if unit not in _SECONDS and unit not in MONTHS:
        raise Untranslatable(f"an interval in {unit.lower()}s, which SQLite lacks")
    if kind is _TYPE.DATE and unit in _DATE_UNITS and pair.source not in ("postgres", "duckdb"):
        return _moved(value, number, unit)
    if kind is _TYPE.DATE:
        value = build(":a || ' 00:00:00.000000'", _DIALECT, a=value)
    elif kind not in NAIVE_TIMES:
        raise Untranslatable("an interval added to what is not known to be a date or timestamp")
    return _moved(value, number, unit)


def _moved(value: exp.Expression, number: int, unit: str) -> exp.Expression:
    """What is later stays a date or a time. Months later is no later than the end of its month."""
    if unit in MONTHS:
        return call("flowc_add_months", value, exp.Literal.number(number * MONTHS[unit]))
    return call("flowc_add_seconds", value, exp.Literal.number(number * _SECONDS[unit]))


def date_add(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A date plus units."""
    number, unit = amount_of(node)
    if number is None:
        raise Untranslatable("a date plus a number of units that is not a literal")
    number = -number if isinstance(node, BACKWARD) else number
    value = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if isinstance(node, exp.TsOrDsAdd) and type_of(value) is not _TYPE.DATE:
        value = exp.cast(value, "DATE")
    if type_of(value) is _TYPE.DATE and unit in _DATE_UNITS:
        return _moved(value, number, unit)
    return _shifted(value, number, unit, pair)


def difference(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Counted from whole seconds and days."""
    for side in ("this", "expression"):
        value = node.args[side]
        inner = value.this if isinstance(value, exp.TsOrDsToDate) else value
        if type_of(inner) in exp.DataType.TEXT_TYPES and (text := text_value(inner)) is not None:
            kind = _TYPE.DATE if len(text) == 10 else _TYPE.TIMESTAMP
            inner.replace(exp.cast(canonical(text, kind), kind))
    return date_difference(node, pair)


def compare(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A timestamp compared with a text: the text in the form in which times are stored."""
    for side, other in (("this", "expression"), ("expression", "this")):
        kind, text = type_of(node.args[side]), text_value(node.args[other])
        if text is not None and (kind in NAIVE_TIMES or kind is _TYPE.DATE):
            node.set(other, canonical(text, kind))
        if kind in NAIVE_TIMES and type_of(node.args[other]) is _TYPE.DATE and text is None:
            node.set(other, build(":a || ' 00:00:00.000000'", _DIALECT, a=node.args[other]))
    return None


def format(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A date as text, by the marks that every SQLite has."""
    form = strftime(node, pair)
    for mark in re.findall(r"%-?.", form):
        if mark not in _FORMATS:
            raise Untranslatable(f"`{mark}` in a format, which SQLite lacks")
    return call("STRFTIME", exp.Literal.string(form), node.this)


def date_only(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The date of a time."""
    return None if node.args.get("format") else call("DATE", node.this)
