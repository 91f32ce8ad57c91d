"""Dates and times on MySQL, whose sessions are in UTC."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.meaning.core import (
    Pair,
    Rewrite,
    Untranslatable,
    call,
    integer_value,
    text_value,
    type_of,
    unit_of,
)
from flowc.compiler.sql.meaning.dates import BACKWARD
from flowc.compiler.sql.meaning.formats import strftime
from flowc.compiler.sql.meaning.mysql_casts import literal_time, sure
from flowc.compiler.sql.meaning.mysql_words import Kind, kind_of, said

_TYPE = exp.DataType.Type
_PARTS = {
    "YEAR": "YEAR(:a)",
    "MONTH": "MONTH(:a)",
    "DAY": "DAYOFMONTH(:a)",
    "HOUR": "HOUR(:a)",
    "MINUTE": "MINUTE(:a)",
    "SECOND": "(SECOND(:a) + MICROSECOND(:a) / 1e6)",
    "DOW": "(DAYOFWEEK(:a) - 1)",
    "DOY": "DAYOFYEAR(:a)",
    "EPOCH": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', :a) / 1e6)",
    "ISODOW": "(WEEKDAY(:a) + 1)",
    "QUARTER": "QUARTER(:a)",
    "WEEK": "WEEK(:a, 3)",
    "ISOYEAR": "(YEARWEEK(:a, 3) DIV 100)",
    "MICROSECOND": "(SECOND(:a) * 1000000 + MICROSECOND(:a))",
    "MILLISECOND": "(SECOND(:a) * 1000 + MICROSECOND(:a) DIV 1000)",
}
_PARTS |= {f"{name}S": text for name, text in _PARTS.items() if name in ("MICROSECOND", "MILLISECOND", "SECOND")}
_TRUNCATED = {
    "YEAR": "MAKEDATE(YEAR(:a), 1)",
    "QUARTER": "MAKEDATE(YEAR(:a), 1) + INTERVAL (3 * QUARTER(:a) - 3) MONTH",
    "MONTH": "DATE_FORMAT(:a, '%Y-%m-01')",
    "WEEK": "DATE(:a) - INTERVAL (WEEKDAY(:a)) DAY",
    "DAY": "DATE(:a)",
    "HOUR": "DATE_FORMAT(:a, '%Y-%m-%d %H:00:00')",
    "MINUTE": "DATE_FORMAT(:a, '%Y-%m-%d %H:%i:00')",
    "SECOND": "DATE_FORMAT(:a, '%Y-%m-%d %H:%i:%s')",
    "MILLISECOND": "LEFT(DATE_FORMAT(:a, '%Y-%m-%d %H:%i:%s.%f'), 23)",
}
_UNITS = ("MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
_LETTERS = {
    "%Y": "%Y", "%y": "%y", "%m": "%m", "%d": "%d", "%H": "%H", "%I": "%h", "%M": "%i", "%S": "%s", "%f": "%f",
    "%6f": "%f", "%p": "%p", "%j": "%j", "%b": "%b", "%B": "%M", "%a": "%a", "%A": "%W", "%%": "%%", "%e": "%e",
    "%-d": "%e", "%-m": "%c", "%-H": "%k", "%-I": "%l", "%T": "%T", "%F": "%Y-%m-%d", "%V": "%v", "%G": "%x",
    "%w": "%w",
}  # fmt: skip


def part(name: str) -> Rewrite:
    """A part of a date, by its node."""
    return lambda node, pair: extracted(name, node.this)


def extracted(name: str, value: exp.Expression) -> exp.Expression:
    """A part of a date, by its name."""
    value = moment(value)
    if name not in _PARTS:
        raise Untranslatable(f"{name} of a date, which MySQL lacks")
    new = said(_PARTS[name], a=value)
    new.unnest().type = exp.DataType.build("DOUBLE" if " / " in _PARTS[name] else "INT")
    return new


def moment(value: exp.Expression) -> exp.Expression:
    """A date or time; a literal's text is read now."""
    value = value.this if isinstance(value, exp.TsOrDsToDate) and not value.args.get("format") else value
    if (text := text_value(value)) is not None:
        return literal_time(text, value)
    if kind_of(value) is not Kind.TIME:
        raise Untranslatable("a part of what is not known to be a date or timestamp")
    return value


def extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    """EXTRACT."""
    return extracted(node.name.upper(), node.expression)


def truncate(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A time cut to a unit."""
    unit = unit_of(node)
    if unit not in _TRUNCATED:
        raise Untranslatable(f"a time cut to {unit}, which MySQL lacks")
    return said(f"CAST({_TRUNCATED[unit]} AS DATETIME(6))", a=moment(node.this))


def arithmetic(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Plus and minus of dates and of numbers."""
    left, right = node.left.unnest(), node.right.unnest()
    if isinstance(node, exp.Add) and isinstance(left, exp.Interval):
        left, right = right, left
    sign = -1 if isinstance(node, exp.Sub) else 1
    if isinstance(right, exp.Interval):
        return _by_interval(left, right, sign)
    kinds = kind_of(left), kind_of(right)
    if set(kinds) <= {Kind.NUMBER, Kind.BOOLEAN}:
        return None
    if type_of(left) is _TYPE.DATE and type_of(right) is _TYPE.DATE and sign < 0:
        return said("DATEDIFF(:a, :b)", a=left, b=right)
    if type_of(left) is _TYPE.DATE and kinds[1] is Kind.NUMBER:
        return said(f"(:a {'-' if sign < 0 else '+'} INTERVAL :b DAY)", a=left, b=right)
    raise Untranslatable("arithmetic with what are not known to be numbers, or a date and days")


def _by_interval(value: exp.Expression, interval: exp.Expression, sign: int) -> exp.Expression:
    unit, amount = interval.args.get("unit"), interval.this
    if unit is None or isinstance(unit, exp.IntervalSpan):
        raise Untranslatable("such an interval")
    text = text_value(amount)
    if text is not None and not re.fullmatch(r"-?\d+", text):
        raise Untranslatable("such an interval")
    number = exp.Literal.number(int(text)) if text is not None else amount
    if text is None and integer_value(amount) is None and type_of(amount.unnest()) not in exp.DataType.INTEGER_TYPES:
        raise Untranslatable("an interval of what is not known to be an integer")
    return moved(value, number, unit.name.upper().removesuffix("S"), sign)


def moved(value: exp.Expression, number: exp.Expression, unit: str, sign: int) -> exp.Expression:
    """A date or time later, or earlier where the sign is negative."""
    value = moment(value)
    if unit == "MILLISECOND":
        number, unit = said(":a * 1000", a=number), "MICROSECOND"
    if unit not in _UNITS:
        raise Untranslatable(f"an interval in {unit.lower()}s, which MySQL lacks")
    new = said(f"(:a {'-' if sign < 0 else '+'} INTERVAL :n {unit})", a=value, n=number)
    is_date = type_of(value) is _TYPE.DATE and unit in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    new.type = exp.DataType.build("DATE" if is_date else "TIMESTAMP")
    return new


def date_add(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A date plus units."""
    amount, unit = node.expression, unit_of(node)
    if isinstance(amount, exp.Interval):
        amount, unit = amount.this, unit_of(amount)
    if (text := text_value(amount)) is not None and re.fullmatch(r"-?\d+", text):
        amount = exp.Literal.number(int(text))
    if integer_value(amount) is None and type_of(amount.unnest()) not in exp.DataType.INTEGER_TYPES:
        raise Untranslatable("a date plus what is not known to be an integer")
    value = node.this
    if isinstance(node, exp.TsOrDsAdd):
        value = value.this if isinstance(value, exp.TsOrDsToDate) else value
        value = day(value)
    return moved(value, amount, unit, -1 if isinstance(node, BACKWARD) else 1)


def day(value: exp.Expression) -> exp.Expression:
    """The date of a time, or of a literal."""
    if (text := text_value(value)) is not None:
        return literal_time(text, value, _TYPE.DATE)
    if type_of(value) is _TYPE.DATE:
        return value
    new = said("DATE(:a)", a=moment(value))
    new.type = exp.DataType.build("DATE")
    return new


def to_date(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The date of a time, or a text read as one."""
    return parsed("DATE")(node, pair) if node.args.get("format") else day(node.this)


def as_moment(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A value as a timestamp, where sqlglot says that it is taken for one."""
    return moment(node.this).copy()


def _format(node: exp.Expression, pair: Pair) -> str:
    form = strftime(node, pair)
    parts = re.split(r"(%-?\d?[a-zA-Z%])", form)
    unknown = next((p for p in parts if p.startswith("%") and p not in _LETTERS), None)
    if unknown is not None:
        raise Untranslatable(f"`{unknown}` in a format, which MySQL lacks")
    return "".join(_LETTERS.get(p, p) for p in parts)


def format(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A date as text."""
    return call("DATE_FORMAT", moment(node.this), exp.Literal.string(_format(node, pair)))


_SURE = ("postgres", "redshift", "duckdb", "snowflake", "bigquery")
"""Dialects in which a text that is no date is an error, and not NULL."""


def parsed(kind: str) -> Rewrite:
    """A text as a date or timestamp."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        read = call("STR_TO_DATE", node.this, exp.Literal.string(_format(node, pair)))
        to = "DATE" if kind == "DATE" else "DATETIME(6)"
        new = said(f"CAST(:a AS {to})", a=read)
        if pair.source in _SURE and not node.args.get("safe"):
            new = sure(new, node.this, to)
        new.type = exp.DataType.build(kind)
        return new

    return rewrite


def from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Seconds since 1970, or parts of them."""
    scale = integer_value(node.args.get("scale")) or 0
    if scale not in (0, 3, 6) or kind_of(node.this) is not Kind.NUMBER:
        raise Untranslatable("such an instant, which MySQL lacks")
    factor = 10 ** (6 - scale)
    new = said(f"(CAST('1970-01-01' AS DATETIME(6)) + INTERVAL (:a * {factor}) MICROSECOND)", a=node.this)
    new.type = exp.DataType.build("TIMESTAMP")
    return new


def at_zone(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Only UTC: a server may have no tables of other zones, and gives NULL then."""
    if (text_value(node.args.get("zone")) or "").upper() not in ("UTC", "ETC/UTC", "GMT", "Z", "+00:00"):
        raise Untranslatable("a time zone other than UTC, which not every MySQL knows")
    return moment(node.this).copy()


def from_parts(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A date from its parts."""
    year, month, of_month = (node.args[k] for k in ("year", "month", "day"))
    form = exp.Literal.string("%Y-%m-%d")
    text = said("CONCAT(:y, '-', :m, '-', :d)", y=year, m=month, d=of_month)
    new = call("STR_TO_DATE", text, form)
    if pair.source in _SURE:
        new = sure(new, text, "DATE")
    new.type = exp.DataType.build("DATE")
    return new


def now(node: exp.Expression, pair: Pair) -> exp.Expression:
    """The time of the statement."""
    return said("NOW(6)")


def bucket(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A time cut to a number of units of a fixed length."""
    raise Untranslatable("buckets of time, which MySQL lacks")
