"""Differences and shifts of dates: boundaries crossed or whole units, as the author's dialect counts."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
    unit_of,
)

_SECONDS = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1, "DAY": 86400}
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def _date(node: exp.Expression) -> exp.Expression:
    return exp.cast(node.this if isinstance(node, exp.TsOrDsToDate) else node, exp.DataType.Type.DATE)


def _instant(node: exp.Expression) -> exp.Expression:
    """A value from which seconds can be counted; zones do not matter where all is UTC."""
    return exp.cast(node, exp.DataType.Type.TIMESTAMP)


def date_difference(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`this - expression` in units."""
    unit = unit_of(node)
    whole = isinstance(node, exp.TimestampDiff) and not node.args.get("date_part_boundary")
    end, start = node.this, node.expression
    if isinstance(start, exp.TsOrDsToDate) or isinstance(end, exp.TsOrDsToDate):
        end, start = _date(end), _date(start)
    if unit in ("MILLISECOND", "MICROSECOND"):
        factor = 1000 if unit == "MILLISECOND" else 1_000_000
        return build(
            f"CAST(ROUND((EXTRACT(EPOCH FROM :a) - EXTRACT(EPOCH FROM :b)) * {factor}) AS BIGINT)",
            a=_instant(end),
            b=_instant(start),
        )
    return _whole(end, start, unit) if whole else _boundaries(end, start, unit)


def _change(of: str) -> str:
    """How much something of a date changes between two."""
    return f"{of.format(':a')} - {of.format(':b')}"


_MONDAY = "CAST(DATE_TRUNC('week', {0}) AS DATE)"
_SUNDAY = "CAST(DATE_TRUNC('week', {0} + INTERVAL '1 day') AS DATE)"
_MONTH = "(EXTRACT(YEAR FROM {0}) * 12 + EXTRACT(MONTH FROM {0}))"
_QUARTER = "(EXTRACT(YEAR FROM {0}) * 4 + EXTRACT(QUARTER FROM {0}))"
_SECOND_OF_DAY = "EXTRACT(EPOCH FROM {0}) - FLOOR(EXTRACT(EPOCH FROM {0}) / 86400) * 86400"
_BOUNDARIES = {
    "DAY": "(:a - :b)",
    "WEEK": f"(({_change(_MONDAY)}) / 7)",
    "WEEK(SUNDAY)": f"(({_change(_SUNDAY)}) / 7)",
    "MONTH": f"CAST({_change(_MONTH)} AS BIGINT)",
    "QUARTER": f"CAST({_change(_QUARTER)} AS BIGINT)",
    "YEAR": f"CAST({_change('EXTRACT(YEAR FROM {0})')} AS BIGINT)",
}
"""Differences of dates in the boundaries between them."""


def _boundaries(end: exp.Expression, start: exp.Expression, unit: str) -> exp.Expression:
    if unit in _BOUNDARIES:
        return build(_BOUNDARIES[unit], a=_date(end), b=_date(start))
    if unit not in _SECONDS:
        raise Untranslatable(f"a difference in {unit}")
    units = f"FLOOR(EXTRACT(EPOCH FROM {{0}}) / {_SECONDS[unit]})"
    return build(f"CAST({_change(units)} AS BIGINT)", a=_instant(end), b=_instant(start))


def _whole(end: exp.Expression, start: exp.Expression, unit: str) -> exp.Expression:
    seconds = 7 * 86400 if unit == "WEEK" else _SECONDS.get(unit)
    a, b = _instant(end), _instant(start)
    if seconds is not None:
        return build(f"CAST(TRUNC(({_change('EXTRACT(EPOCH FROM {0})')}) / {seconds}) AS BIGINT)", a=a, b=b)
    if unit not in MONTHS:
        raise Untranslatable(f"a difference in {unit}")
    rest = f"(EXTRACT(DAY FROM {{0}}) * 86400 + {_SECOND_OF_DAY})"
    months = (
        f"({_change(_MONTH)}"
        f" - CASE WHEN :a >= :b AND {rest.format(':a')} < {rest.format(':b')} THEN 1"
        f" WHEN :a < :b AND {rest.format(':a')} > {rest.format(':b')} THEN -1 ELSE 0 END)"
    )
    return build(f"CAST(TRUNC({months} / {MONTHS[unit]}.0) AS BIGINT)", a=a, b=b)


def months_between(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Spark's: a whole number for equal days of the month and for two month ends, else by thirty-firsts of a month."""
    end = "DATE_TRUNC('month', {0}) + INTERVAL '1 month' - INTERVAL '1 day'"
    last = f"(EXTRACT(DAY FROM {end}) = EXTRACT(DAY FROM {{0}}))"
    day = f"(EXTRACT(DAY FROM {{0}}) + ({_SECOND_OF_DAY}) / 86400.0)"
    same = f"EXTRACT(DAY FROM :a) = EXTRACT(DAY FROM :b) OR {last.format(':a')} AND {last.format(':b')}"
    parts = f"ROUND({_change(_MONTH)} + ({_change(day)}) / 31.0, 8)"
    template = f"CASE WHEN {same} THEN {_change(_MONTH)} ELSE {parts} END"
    return build(template, a=_instant(node.this), b=_instant(node.expression))


BACKWARD = (exp.DateSub, exp.TimestampSub, exp.DatetimeSub)
"""Nodes that move a date to an earlier one."""


def amount_of(node: exp.Expression) -> tuple[int | None, str]:
    """By how many units a date moves, None where that is not a literal, and the unit."""
    amount, unit = node.expression, unit_of(node)
    if isinstance(amount, exp.Interval):
        amount, unit = amount.this, unit_of(amount)
    text = text_value(amount)
    return (int(text) if text is not None and text.lstrip("-").isdigit() else integer_value(amount)), unit


def shifted(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A date or timestamp plus or minus a number of units. A date stays one where the units are days or longer."""
    number, unit = amount_of(node)
    if number is None:
        return None
    is_date = isinstance(node, exp.TsOrDsAdd) or type_of(node.this) is exp.DataType.Type.DATE
    if unit == "QUARTER":
        number, unit = 3 * number, "MONTH"
    sign = "-" if isinstance(node, BACKWARD) else "+"
    moved = build(f"(:a {sign} INTERVAL '{number} {unit.lower()}')", a=_as_time(node))
    return exp.cast(moved, "DATE") if is_date and unit in ("DAY", "WEEK", "MONTH", "YEAR") else moved


def _as_time(node: exp.Expression) -> exp.Expression:
    """What is moved, cast where it is a text."""
    value = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if isinstance(node, exp.TsOrDsAdd):
        return exp.cast(value, "DATE")
    return exp.cast(value, "TIMESTAMP") if type_of(value) in exp.DataType.TEXT_TYPES else value


DIFFERENCES = (exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff, exp.TsOrDsDiff)
"""Nodes that count the units between two dates."""

SHIFTS = (
    exp.DateAdd, exp.DateSub, exp.TsOrDsAdd, exp.TimestampAdd, exp.TimestampSub, exp.DatetimeAdd, exp.DatetimeSub,
)  # fmt: skip
"""Nodes that move a date by units."""

DATES: Rules = {
    **dict.fromkeys(DIFFERENCES, (date_difference,)),
    **dict.fromkeys(SHIFTS, (shifted,)),
    exp.MonthsBetween: (months_between,),
    exp.DateFromParts: (lambda n, p: call("make_date", n.args["year"], n.args["month"], n.args["day"]),),
    exp.TimeToUnix: (lambda n, p: build("EXTRACT(EPOCH FROM :a)", a=n.this),),
    exp.UnixSeconds: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a)) AS BIGINT)", a=n.this),),
    exp.UnixMillis: (lambda n, p: build("CAST(FLOOR(EXTRACT(EPOCH FROM :a) * 1000) AS BIGINT)", a=n.this),),
}
"""Rules of PostgreSQL and of DataFusion, which follows it."""
