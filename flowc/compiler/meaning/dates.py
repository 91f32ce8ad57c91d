"""Differences and shifts of dates: boundaries crossed or whole units, as the author's dialect counts."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.meaning.core import Pair, Untranslatable, build, integer_value, text_value, type_of, unit_of

_SECONDS = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1, "DAY": 86400}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


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


def _boundaries(end: exp.Expression, start: exp.Expression, unit: str) -> exp.Expression:
    if unit == "DAY":
        return build("(:a - :b)", a=_date(end), b=_date(start))
    if unit in _SECONDS:
        n = _SECONDS[unit]
        return build(
            f"CAST(FLOOR(EXTRACT(EPOCH FROM :a) / {n}) - FLOOR(EXTRACT(EPOCH FROM :b) / {n}) AS BIGINT)",
            a=_instant(end),
            b=_instant(start),
        )
    if unit == "WEEK":
        return build(
            "((CAST(DATE_TRUNC('week', :a) AS DATE) - CAST(DATE_TRUNC('week', :b) AS DATE)) / 7)",
            a=_date(end),
            b=_date(start),
        )
    if unit == "WEEK(SUNDAY)":
        day = "CAST(DATE_TRUNC('week', {} + INTERVAL '1 day') AS DATE)"
        return build(f"(({day.format(':a')} - {day.format(':b')}) / 7)", a=_date(end), b=_date(start))
    if unit == "MONTH":
        month = "(EXTRACT(YEAR FROM {0}) * 12 + EXTRACT(MONTH FROM {0}))"
        return build(f"CAST({month.format(':a')} - {month.format(':b')} AS BIGINT)", a=_date(end), b=_date(start))
    if unit == "QUARTER":
        quarter = "(EXTRACT(YEAR FROM {0}) * 4 + EXTRACT(QUARTER FROM {0}))"
        return build(f"CAST({quarter.format(':a')} - {quarter.format(':b')} AS BIGINT)", a=_date(end), b=_date(start))
    if unit == "YEAR":
        return build("CAST(EXTRACT(YEAR FROM :a) - EXTRACT(YEAR FROM :b) AS BIGINT)", a=_date(end), b=_date(start))
    raise Untranslatable(f"a difference in {unit}")


def _whole(end: exp.Expression, start: exp.Expression, unit: str) -> exp.Expression:
    seconds = 7 * 86400 if unit == "WEEK" else _SECONDS.get(unit)
    a, b = _instant(end), _instant(start)
    if seconds is not None:
        return build(f"CAST(TRUNC((EXTRACT(EPOCH FROM :a) - EXTRACT(EPOCH FROM :b)) / {seconds}) AS BIGINT)", a=a, b=b)
    if unit not in _MONTHS:
        raise Untranslatable(f"a difference in {unit}")
    month = "(EXTRACT(YEAR FROM {0}) * 12 + EXTRACT(MONTH FROM {0}))"
    rest = "(EXTRACT(DAY FROM {0}) * 86400 + EXTRACT(EPOCH FROM {0}) - FLOOR(EXTRACT(EPOCH FROM {0}) / 86400) * 86400)"
    months = (
        f"({month.format(':a')} - {month.format(':b')}"
        f" - CASE WHEN :a >= :b AND {rest.format(':a')} < {rest.format(':b')} THEN 1"
        f" WHEN :a < :b AND {rest.format(':a')} > {rest.format(':b')} THEN -1 ELSE 0 END)"
    )
    return build(f"CAST(TRUNC({months} / {_MONTHS[unit]}.0) AS BIGINT)", a=a, b=b)


def months_between(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Spark's: a whole number for equal days of the month and for two month ends, else by thirty-firsts of a month."""
    a, b = _instant(node.this), _instant(node.expression)
    month = "(EXTRACT(YEAR FROM {0}) * 12 + EXTRACT(MONTH FROM {0}))"
    last = (
        "(EXTRACT(DAY FROM DATE_TRUNC('month', {0}) + INTERVAL '1 month' - INTERVAL '1 day') = EXTRACT(DAY FROM {0}))"
    )
    day = (
        "(EXTRACT(DAY FROM {0}) + (EXTRACT(EPOCH FROM {0}) - FLOOR(EXTRACT(EPOCH FROM {0}) / 86400) * 86400) / 86400.0)"
    )
    whole = f"{month.format(':a')} - {month.format(':b')}"
    return build(
        f"CASE WHEN EXTRACT(DAY FROM :a) = EXTRACT(DAY FROM :b) OR {last.format(':a')} AND {last.format(':b')} THEN {whole}"  # noqa: E501
        f" ELSE ROUND({whole} + ({day.format(':a')} - {day.format(':b')}) / 31.0, 8) END",
        a=a, b=b,
    )  # fmt: skip


def shifted(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A date or timestamp plus or minus a number of units. A date stays one where the units are days or longer."""
    unit = unit_of(node)
    amount = node.expression
    if isinstance(amount, exp.Interval):
        unit = (amount.args.get("unit") or exp.var("DAY")).name.upper()
        amount = amount.this
    value = node.this
    sign = "-" if isinstance(node, exp.DateSub | exp.TimestampSub | exp.DatetimeSub) else "+"
    number = integer_value(amount)
    if number is None and (text := text_value(amount)) is not None and text.lstrip("-").isdigit():
        number = int(text)
    is_date = isinstance(node, exp.TsOrDsAdd) or type_of(value) is exp.DataType.Type.DATE
    if isinstance(value, exp.TsOrDsToDate):
        value = value.this
    if isinstance(node, exp.TsOrDsAdd) or type_of(value) in exp.DataType.TEXT_TYPES:
        value = exp.cast(value, "DATE" if isinstance(node, exp.TsOrDsAdd) else "TIMESTAMP")
    if number is None:
        return None
    plus = build(f"(:a {sign} INTERVAL '{number} {unit.lower()}')", a=value)
    days = unit in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    if unit == "QUARTER":
        plus = build(f"(:a {sign} INTERVAL '{3 * number} month')", a=value)
    return exp.cast(plus, "DATE") if is_date and days else plus
