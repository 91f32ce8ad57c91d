"""Parts of dates, their truncation to a unit and the ends of months, as dialects count them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, build, integer_value, type_of, unit_of
from flowc.compiler.sql.rewrite.named import SUNDAY_IS_ONE

_NAMES = {
    "ISOWEEK": "WEEK", "DAYOFYEAR": "DOY", "EPOCH_SECOND": "EPOCH", "DAYOFWEEKISO": "ISODOW",
    "DAYOFWEEK_ISO": "ISODOW", "WEEKISO": "WEEK", "YEAROFWEEKISO": "ISOYEAR",
}  # fmt: skip
"""Parts by names that only some dialects have, and by the usual one."""

WHOLE_SECONDS = ("duckdb", "mysql", "bigquery", "snowflake")
"""Dialects whose seconds of a time are without their fraction."""

_SUNDAY_WEEK = "CAST(FLOOR((EXTRACT(DOY FROM :a) + 6 - EXTRACT(DOW FROM :a)) / 7) AS INT)"
"""The week counted from Sunday, 0 before the first one."""


def named_by_node(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A part that has a node of its own."""
    value = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    return _part(_OF_NODES[type(node)], value if type_of(value) in exp.DataType.TEMPORAL_TYPES else node.this)


_OF_NODES: Mapping[type[exp.Expression], str] = {
    exp.Year: "YEAR", exp.Quarter: "QUARTER", exp.Month: "MONTH", exp.Day: "DAY", exp.DayOfMonth: "DAY",
    exp.Hour: "HOUR", exp.Minute: "MINUTE", exp.DayOfYear: "DOY", exp.DayOfWeekIso: "ISODOW",
}  # fmt: skip


def week_day(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The day of the week from 0 for Sunday, or from 1 where the dialect counts so."""
    first = " + 1" if pair.source in SUNDAY_IS_ONE else ""
    return build(f"CAST(EXTRACT(DOW FROM :a) AS INT){first}", a=_plain_date(node.this))


def _plain_date(node: exp.Expression) -> exp.Expression:
    """A date without the wrapper that sqlglot puts around it; a text is cast."""
    if isinstance(node, exp.TsOrDsToDate):
        node = node.this
    return exp.cast(node, exp.DataType.Type.DATE) if type_of(node) in exp.DataType.TEXT_TYPES else node


def extract(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Parts by names that only some dialects have."""
    part, value = node.name.upper(), node.expression
    if part == "DATE":
        return exp.cast(value, exp.DataType.Type.DATE)
    if part == "DAYOFWEEK":
        return week_day(exp.DayOfWeek(this=value), pair)
    if part == "WEEK" and pair.source == "bigquery":
        return build(_SUNDAY_WEEK, a=value)
    if part in ("SECOND", "SECONDS") and pair.source in WHOLE_SECONDS:
        return _part("SECOND", build("DATE_TRUNC('second', :a)", a=value))
    return _part(_NAMES[part], value) if part in _NAMES else None


def _part(name: str, value: exp.Expression) -> exp.Expression:
    return exp.Extract(this=exp.var(name), expression=value.copy())


def week(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Weeks counted from Sunday (MySQL's default), or the ISO week."""
    value = _plain_date(node.this)
    mode = 3 if isinstance(node, exp.WeekOfYear) else integer_value(node.args.get("mode"))
    if pair.source == "mysql" and mode in (None, 0):
        return build(_SUNDAY_WEEK, a=value)
    if pair.source == "mysql" and mode != 3:
        raise Untranslatable(f"WEEK with mode {mode}")
    return _part("WEEK", value)


def truncate_unit(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Units of date_trunc by their full names; weeks from Sunday through a shift by a day."""
    unit = unit_of(node)
    value = node.this.this if isinstance(node.this, exp.TsOrDsToDate) else node.this
    if unit == "WEEK(SUNDAY)" or (unit == "WEEK" and _starts_on_sunday(node, pair)):
        day = "(DATE_TRUNC('week', :a + INTERVAL '1 day') - INTERVAL '1 day')"
        return build(f"CAST({day} AS DATE)" if isinstance(node, exp.DateTrunc) else day, a=value)
    if "(" in unit:
        raise Untranslatable(f"weeks that start on {unit[5:-1].title()}")
    cut = exp.TimestampTrunc(this=value.copy(), unit=exp.var(unit))
    return exp.cast(cut, exp.DataType.Type.DATE) if _gives_date(node, value, pair) else cut


def _starts_on_sunday(node: exp.Expression, pair: Pair) -> bool:
    """BigQuery's WEEK without a day, where ISOWEEK is the week from Monday."""
    unit = node.args.get("unit")
    return (
        pair.source == "bigquery" and not isinstance(unit, exp.WeekStart) and node.args["unit"].name.upper() == "WEEK"
    )


def _gives_date(node: exp.Expression, value: exp.Expression, pair: Pair) -> bool:
    """Whether the dialect's function cuts to a date and not to a timestamp."""
    if not isinstance(node, exp.DateTrunc):
        return False
    if pair.source in ("bigquery", "spark", "databricks"):
        return True
    return type_of(value) is exp.DataType.Type.DATE and pair.source in ("snowflake", "duckdb")


def last_day(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The last day of a month, quarter or year."""
    unit = unit_of(node) if node.args.get("unit") else "MONTH"
    value = _plain_date(node.this)
    step = {"MONTH": "1 month", "QUARTER": "3 months", "YEAR": "1 year", "WEEK": "7 days"}.get(unit)
    if step is None:
        raise Untranslatable(f"LAST_DAY of {unit}")
    return build(f"CAST(DATE_TRUNC('{unit.lower()}', :a) + INTERVAL '{step}' - INTERVAL '1 day' AS DATE)", a=value)


def add_months(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Months later, kept to the end of the month where the dialect does so."""
    months = integer_value(node.expression)
    if months is None:
        return None
    value = _plain_date(node.this)
    later = f"CAST(:a + INTERVAL '{months} months' AS DATE)"
    if not node.args.get("preserve_end_of_month"):
        return build(later, a=value)
    end = "CAST(DATE_TRUNC('month', {}) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)"
    return build(f"CASE WHEN :a = {end.format(':a')} THEN {end.format(later)} ELSE {later} END", a=value)


DATE_PARTS: Rules = {
    **dict.fromkeys(_OF_NODES, (named_by_node,)),
    exp.DayOfWeek: (week_day,),
    exp.Extract: (extract,),
    exp.Week: (week,),
    exp.WeekOfYear: (week,),
    exp.DateTrunc: (truncate_unit,),
    exp.TimestampTrunc: (truncate_unit,),
    exp.DatetimeTrunc: (truncate_unit,),
    exp.LastDay: (last_day,),
    exp.AddMonths: (add_months,),
}
