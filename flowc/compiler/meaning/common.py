"""What dialects mean, in terms that every engine has: functions without a common name, units, NULL, rounding."""

from __future__ import annotations

from typing import cast

from sqlglot import exp

from flowc.compiler.meaning.core import (
    INTEGERS,
    Pair,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    is_integer,
    text_value,
    type_of,
    unit_of,
)
from flowc.compiler.meaning.named import SUNDAY_IS_ONE, named

_CUTS = ("spark", "databricks", "sqlite", "datafusion")
"""Dialects whose cast of a fraction to an integer cuts; the others round."""


def window(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Functions that only exist over a window; and Snowflake's frames, which are whole where others stop at the row."""
    function = node.this
    name = function.name.upper() if isinstance(function, exp.Anonymous) else ""
    if name == "RATIO_TO_REPORT":
        value = function.expressions[0]
        over = node.copy()
        over.set("this", exp.Sum(this=value.copy()))
        return build("(:a * 1.0) / :b", a=value, b=over)
    if name == "CONDITIONAL_TRUE_EVENT":
        over = node.copy()
        over.set("this", build("SUM(CASE WHEN :a THEN 1 ELSE 0 END)", a=function.expressions[0]))
        return over
    inner = function.this if isinstance(function, exp.IgnoreNulls | exp.RespectNulls) else function
    if (
        pair.source == "snowflake"
        and isinstance(inner, exp.LastValue | exp.FirstValue | exp.NthValue)
        and not node.args.get("spec")
    ):
        over = node.copy()
        over.set(
            "spec",
            exp.WindowSpec(
                kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="UNBOUNDED", end_side="FOLLOWING"
            ),
        )
        return over
    return None


def sum_of_condition(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL and SQLite count conditions by adding them."""
    if pair.source in ("mysql", "sqlite") and isinstance(node.this, exp.Predicate | exp.Not | exp.Connector):
        return build("SUM(CASE WHEN :a THEN 1 WHEN NOT :a THEN 0 END)", a=node.this)
    return None


def substring(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Positions from the end, at zero and before the start, as the author's dialect counts them."""
    text, start, length = node.this, node.args.get("start"), node.args.get("length")
    if text_value(start) is not None:
        return exp.RegexpExtract(
            this=text, expression=start, group=_first_group(cast(exp.Expression, start)), nullable=exp.true()
        )
    value = integer_value(start)
    if value is None or value > 0:
        return None
    counted = pair.engine in ("duckdb", "sqlite")
    if pair.source in ("postgres", "datafusion"):
        size = integer_value(length)
        if not counted:
            return None
        if length is not None and size is None:
            raise Untranslatable("a substring that starts before the text with a length that is not a number")
        rest = None if size is None else exp.Literal.number(max(0, size + value - 1))
        return exp.Substring(this=text, start=exp.Literal.number(1), length=rest)
    if value == 0:
        if pair.source == "mysql":
            return exp.Literal.string("")
        if pair.source == "duckdb":
            return None
        return exp.Substring(this=text, start=exp.Literal.number(1), length=length)
    if counted:
        return None
    begin = build("LENGTH(:a) + 1 - :n", a=text, n=-value)
    return exp.Substring(this=text, start=begin, length=length)


def _first_group(pattern: exp.Expression) -> exp.Expression:
    text = (text_value(pattern) or "").replace("\\(", "").replace("(?", "")
    return exp.Literal.number(1 if "(" in text else 0)


def week_day(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The day of the week from 0 for Sunday, or from 1 where the dialect counts so."""
    value = _plain_date(node.this)
    template = (
        "CAST(EXTRACT(DOW FROM :a) AS INT) + 1" if pair.source in SUNDAY_IS_ONE else "CAST(EXTRACT(DOW FROM :a) AS INT)"
    )
    return build(template, a=value)


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
    if part in ("SECOND", "SECONDS") and pair.source in ("duckdb", "mysql", "bigquery", "snowflake"):
        return _part("SECOND", build("DATE_TRUNC('second', :a)", a=value), pair)
    if part in ("SECOND", "SECONDS") and pair.engine == "duckdb":
        return build("EXTRACT(MICROSECOND FROM :a) / 1000000.0", "duckdb", a=value)
    name = {
        "ISOWEEK": "WEEK",
        "DAYOFYEAR": "DOY",
        "EPOCH_SECOND": "EPOCH",
        "DAYOFWEEKISO": "ISODOW",
        "DAYOFWEEK_ISO": "ISODOW",
        "WEEKISO": "WEEK",
        "YEAROFWEEKISO": "ISOYEAR",
    }.get(part)
    return _part(name, value, pair) if name else None


_SUNDAY_WEEK = "CAST(FLOOR((EXTRACT(DOY FROM :a) + 6 - EXTRACT(DOW FROM :a)) / 7) AS INT)"


def _part(name: str, value: exp.Expression, pair: Pair) -> exp.Expression:
    return exp.Extract(this=exp.var(name), expression=value.copy())


def week(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Weeks counted from Sunday (MySQL's default), or the ISO week."""
    value = _plain_date(node.this)
    mode = integer_value(node.args.get("mode"))
    if pair.source == "mysql" and mode in (None, 0):
        return build(_SUNDAY_WEEK, a=value)
    if pair.source == "mysql" and mode != 3:
        raise Untranslatable(f"WEEK with mode {mode}")
    return _part("WEEK", value, pair)


def truncate_unit(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Units of date_trunc by their full names; weeks from Sunday through a shift by a day."""
    unit = unit_of(node)
    value = node.this
    if isinstance(value, exp.TsOrDsToDate):
        value = value.this
    if unit == "WEEK(SUNDAY)" or (
        unit == "WEEK"
        and pair.source == "bigquery"
        and not isinstance(node.args.get("unit"), exp.WeekStart)
        and node.args["unit"].name.upper() == "WEEK"
    ):
        day = "(DATE_TRUNC('week', :a + INTERVAL '1 day') - INTERVAL '1 day')"
        cast_back = isinstance(node, exp.DateTrunc)
        return build(f"CAST({day} AS DATE)" if cast_back else day, a=value)
    if "(" in unit:
        raise Untranslatable(f"weeks that start on {unit[5:-1].title()}")
    is_date = isinstance(node, exp.DateTrunc) and (
        pair.source == "bigquery"
        or (type_of(value) is exp.DataType.Type.DATE and pair.source in ("snowflake", "spark", "duckdb"))
    )
    new = exp.TimestampTrunc(this=value.copy(), unit=exp.var(unit))
    return (
        exp.cast(new, exp.DataType.Type.DATE)
        if is_date
        or (
            pair.source in ("spark", "databricks")
            and isinstance(node, exp.DateTrunc)
            and not isinstance(node, exp.TimestampTrunc)
        )
        else new
    )


def greatest(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """NULL makes the result NULL in some dialects and is skipped in others."""
    arguments = [node.this, *node.expressions]
    skips = node.args.get("ignore_nulls")
    if pair.engine == "sqlite":
        name = "MAX" if isinstance(node, exp.Greatest) else "MIN"
        if not skips or len(arguments) < 2:
            return call(name, *arguments)
        rotated = [arguments[i:] + arguments[:i] for i in range(len(arguments))]
        return call(name, *[exp.Coalesce(this=r[0].copy(), expressions=[a.copy() for a in r[1:]]) for r in rotated])
    if skips or pair.engine not in ("postgres", "datafusion"):
        return None
    nulls = exp.or_(*[exp.Is(this=a.copy(), expression=exp.null()) for a in arguments])
    bare = type(node)(this=node.this.copy(), expressions=[a.copy() for a in node.expressions], ignore_nulls=True)
    return exp.Case(ifs=[exp.If(this=nulls, true=exp.null())], default=bare)


def cast_to_integer(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A fraction becomes an integer by rounding or by cutting, as the author's dialect does it."""
    to = node.args["to"]
    if not isinstance(to, exp.DataType) or to.this not in INTEGERS or (pair.source in _CUTS) == (pair.engine in _CUTS):
        return _half_even(node, pair)
    kind = type_of(node.this)
    if kind is None or kind not in exp.DataType.REAL_TYPES:
        return None
    new = node.copy()
    if pair.source in _CUTS:
        new.set("this", exp.Trunc(this=node.this.copy()))
    elif kind in exp.DataType.FLOAT_TYPES and pair.source in ("postgres", "duckdb"):
        new.set(
            "this", build("CASE WHEN ABS(:x - TRUNC(:x)) = 0.5 THEN ROUND(:x / 2) * 2 ELSE ROUND(:x) END", x=node.this)
        )
    else:
        new.set("this", exp.Round(this=node.this.copy()))
    return new


def _half_even(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Between two engines that round: a half of a float goes to the even number or away from zero."""
    to = node.args["to"]
    if (
        not isinstance(to, exp.DataType)
        or to.this not in INTEGERS
        or pair.source not in ("bigquery", "snowflake", "mysql")
    ):
        return None
    if pair.engine in ("postgres", "duckdb") and type_of(node.this) in exp.DataType.FLOAT_TYPES:
        new = node.copy()
        new.set("this", build("SIGN(:x) * FLOOR(ABS(:x) + 0.5)", x=node.this))
        return new
    return None


def divide(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Integers divide to an integer in some dialects."""
    if not node.args.get("typed") or pair.engine != "duckdb":
        return None
    if is_integer(node.left) and is_integer(node.right):
        return exp.IntDiv(this=node.left.copy(), expression=node.right.copy())
    if type_of(node.left) is None or type_of(node.right) is None:
        raise Untranslatable(
            "a division of values whose types are not known: cast them to say whether they are integers"
        )
    return None


def straight_join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A hint for MySQL's planner."""
    if (
        node.args.get("kind") == "STRAIGHT_JOIN"
        or node.args.get("method") == "STRAIGHT_JOIN"
        or node.args.get("side") == "STRAIGHT_JOIN"
    ):
        return exp.Join(this=node.this.copy(), on=node.args.get("on") and node.args["on"].copy())
    return None


def rollup(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL's WITH ROLLUP."""
    marks = [r for r in node.args.get("rollup") or [] if not r.expressions]
    if not marks:
        return None
    new = node.copy()
    new.set("rollup", [exp.Rollup(expressions=[e.copy() for e in node.expressions])])
    new.set("expressions", [])
    return new


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


def width_bucket(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The number of the bucket of equal widths."""
    if pair.engine == "postgres":
        return None
    x, low, high, count = node.this, node.args["min_value"], node.args["max_value"], node.args["num_buckets"]
    return build(
        "CASE WHEN :x < :low THEN 0 WHEN :x >= :high THEN :n + 1 ELSE CAST(FLOOR((:x - :low) * :n / (:high - :low)) AS INT) + 1 END",  # noqa: E501
        x=x, low=low, high=high, n=count,
    )  # fmt: skip


def escaped_like(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Casts of a condition that sqlglot adds for aggregates of booleans."""
    return None


def length_of_list(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DuckDB's len of a list."""
    return exp.ArraySize(this=node.this.copy()) if isinstance(node.this, exp.Split | exp.Array) else None


def first_value(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`first` and `last` over a window."""
    around = node.parent.parent if isinstance(node.parent, exp.IgnoreNulls) else node.parent
    if not isinstance(around, exp.Window):
        return None
    return (exp.FirstValue if isinstance(node, exp.First) else exp.LastValue)(this=node.this.copy())


def no_text_number(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL counts with the number that a text starts with."""
    if pair.source == "mysql" and any(type_of(node.args[s]) in exp.DataType.TEXT_TYPES for s in ("this", "expression")):
        raise Untranslatable("a text used as a number")
    return None


COMMON: Rules = {
    exp.Anonymous: (named,),
    exp.Length: (length_of_list,),
    exp.First: (first_value,),
    exp.Last: (first_value,),
    exp.Add: (no_text_number,),
    exp.Sub: (no_text_number,),
    exp.Mul: (no_text_number,),
    exp.Window: (window,),
    exp.Sum: (sum_of_condition,),
    exp.Substring: (substring,),
    exp.DayOfWeek: (week_day,),
    exp.Extract: (extract,),
    exp.Week: (week,),
    exp.WeekOfYear: (week,),
    exp.DateTrunc: (truncate_unit,),
    exp.TimestampTrunc: (truncate_unit,),
    exp.DatetimeTrunc: (truncate_unit,),
    exp.Greatest: (greatest,),
    exp.Least: (greatest,),
    exp.Cast: (cast_to_integer,),
    exp.TryCast: (cast_to_integer,),
    exp.Div: (divide,),
    exp.Join: (straight_join,),
    exp.Group: (rollup,),
    exp.LastDay: (last_day,),
    exp.AddMonths: (add_months,),
    exp.WidthBucket: (width_bucket,),
}
