"""Dates from parts, names of days, epochs and zones, in terms that more than one engine has."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    Pair,
    Rules,
    Untranslatable,
    build,
    integer_value,
    text_value,
    type_of,
    unit_of,
)
from flowc.compiler.sql.rewrite.core import mark as ours

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def named_part(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The name of a day or month, short in Snowflake."""
    mark = "a" if isinstance(node, exp.Dayname) else "b"
    mark = mark if node.args.get("abbreviated") else mark.upper()
    return ours(exp.TimeToStr(this=node.this.copy(), format=exp.Literal.string(f"%{mark}")))


def next_day(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The next of a day of the week after a date."""
    return build(f"(:a + {days_to_next(node)})", a=exp.cast(node.this.copy(), "DATE"))


def days_to_next(node: exp.Expression) -> str:
    """How many days there are from a date, `:a`, to its NEXT_DAY."""
    day = (text_value(node.expression) or "").upper()[:2]
    if day not in _DAYS:
        raise Untranslatable("NEXT_DAY of a day that is not a literal")
    return f"CAST((({_DAYS.index(day) + 1} - CAST(EXTRACT(ISODOW FROM :a) AS INT) + 6) % 7 + 1) AS INT)"


def time_slice(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Snowflake's TIME_SLICE, for units whose length does not change."""
    return build(f"date_bin({slice_width(node)}, :a, TIMESTAMP '1970-01-01 00:00:00')", a=node.this)


def slice_width(node: exp.Expression) -> str:
    """The interval of a TIME_SLICE."""
    unit, count = unit_of(node), integer_value(node.expression)
    if unit not in ("SECOND", "MINUTE", "HOUR") or count is None or node.args.get("kind"):
        raise Untranslatable(f"TIME_SLICE of {unit}")
    return f"INTERVAL '{count} {unit.lower()}'"


def plain_date(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The date of a timestamp."""
    if node.expressions or node.args.get("zone"):
        return None
    return exp.cast(node.this.copy(), "DATE")


def to_unix(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Spark's unix_timestamp takes texts and timestamps."""
    if type_of(node.this) in exp.DataType.TEMPORAL_TYPES:
        return exp.UnixSeconds(this=node.this.copy())
    parsed = exp.StrToTime(this=node.this.copy(), format=node.args["format"].copy())
    return exp.UnixSeconds(this=parsed)


def unix_to_text(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Spark's from_unixtime, a text."""
    form = node.args.get("format") or exp.Literal.string("%Y-%m-%d %H:%M:%S")
    return exp.TimeToStr(this=exp.UnixToTime(this=node.this.copy()), format=form.copy())


def unix_to_time(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DuckDB's epoch_ms goes both ways."""
    if pair.source == "duckdb" and type_of(node.this) in exp.DataType.TEMPORAL_TYPES:
        return exp.UnixMillis(this=node.this.copy()) if integer_value(node.args.get("scale")) == 3 else None
    return None


def zone_of_spark(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """from_utc_timestamp, which sqlglot reads as AT TIME ZONE: a naive timestamp in UTC as one elsewhere."""
    if pair.source not in ("spark", "databricks"):
        return None
    value = node.this.this if isinstance(node.this, exp.Cast) else node.this
    return exp.ConvertTimezone(
        source_tz=exp.Literal.string("UTC"), target_tz=node.args["zone"].copy(), timestamp=value.copy()
    )


def convert_zone(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A naive timestamp of one zone as one of another."""
    source, target, value = node.args.get("source_tz"), node.args["target_tz"], node.args["timestamp"]
    if source is None:
        raise Untranslatable("CONVERT_TIMEZONE without the zone it comes from")
    instant = exp.AtTimeZone(this=exp.cast(value.copy(), "TIMESTAMP"), zone=source.copy())
    return exp.AtTimeZone(this=exp.paren(instant, copy=False), zone=target.copy())


def to_number(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Snowflake's TO_NUMBER(x, precision, scale)."""
    if node.args.get("format"):
        return None
    precision, scale = integer_value(node.args.get("precision")) or 38, integer_value(node.args.get("scale")) or 0
    if not 0 <= scale <= precision:
        raise Untranslatable(f"a number of {precision} digits, {scale} of them behind the point")
    kind = exp.DataType.build(f"DECIMAL({precision}, {scale})", dialect="postgres")
    return (exp.TryCast if node.args.get("safe") else exp.Cast)(this=node.this.copy(), to=kind)


def to_char(node: exp.Expression, pair: Pair) -> exp.Expression:
    """TO_CHAR and TO_VARCHAR: without a format a cast, with one the text of a date."""
    if node.args.get("format") is None:
        return exp.cast(node.this.copy(), "TEXT")
    if type_of(node.this) in exp.DataType.TEMPORAL_TYPES:
        return exp.TimeToStr(this=node.this.copy(), format=node.args["format"].copy())
    raise Untranslatable("TO_CHAR of what is not known to be a date or timestamp")


CALENDAR: Rules = {
    exp.Dayname: (named_part,),
    exp.Monthname: (named_part,),
    exp.NextDay: (next_day,),
    exp.TimeSlice: (time_slice,),
    exp.Date: (plain_date,),
    exp.StrToUnix: (to_unix,),
    exp.UnixToStr: (unix_to_text,),
    exp.UnixToTime: (unix_to_time,),
    exp.AtTimeZone: (zone_of_spark,),
    exp.ToNumber: (to_number,),
    exp.ToChar: (to_char,),
    exp.EqualNull: (lambda n, p: exp.NullSafeEQ(this=n.this.copy(), expression=n.expression.copy()),),
    exp.ParseDatetime: (
        lambda n, p: (
            exp.StrToTime(this=n.this.copy(), format=n.args["format"].copy()) if n.args.get("format") else None
        ),
    ),
    exp.ToBoolean: (lambda n, p: exp.cast(n.this.copy(), "BOOLEAN"),),
}
"""Rules that do not depend on the engine."""

ZONES: Rules = {exp.ConvertTimezone: (convert_zone,)}
