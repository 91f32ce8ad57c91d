"""Dates and times on DataFusion as PostgreSQL has them: in microseconds, and read as PostgreSQL reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import (
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    call,
    integer_value,
    mark,
    text_value,
    type_of,
    typed,
    with_part,
)
from flowc.compiler.sql.text.clocks import with_named_clock
from flowc.compiler.systems.datafusion.rules.zones import of_no_type

_TYPE = exp.DataType.Type
_CLOCKS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_OFFSET = "(Z|UTC|GMT|[+-][0-9]{1,2}(:?[0-9]{2})?)"
_ZONE = rf"(?i)(:[0-9]{{2}}([.][0-9]+)?)[ ]*{_OFFSET}[ ]*$"
_ZONES = (
    (r"(?i)(:[0-9]{2}([.][0-9]+)?)[ ]*(Z|UTC|GMT)[ ]*$", "${1}Z"),
    (r"(:[0-9]{2}([.][0-9]+)?)[ ]*([+-])([0-9](:?[0-9]{2})?)[ ]*$", "${1}${3}0${4}"),
)
"""Zones as the engine reads them: by one letter, or with two digits for their hours."""
_DAY = (
    "(?i)^[ ]*([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})[ T]+([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?[ ]*"
    f"{_OFFSET}?[ ]*$"
)
"""A text of a date with a time behind it, which the engine does not read."""
_MINUTES = rf"(?i)^[ ]*([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T][0-9]{{2}}:[0-9]{{2}})[ ]*{_OFFSET}?[ ]*$"
"""A text of a time without seconds, which the engine does not read."""
_BARE = re.compile(r"\s*[+-]?\d+(?:\.\d+)?\s*")
_INTERVAL = re.compile(r"(?:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*[a-z]+)+\s*", re.IGNORECASE)


def now() -> exp.Expression:
    """The time of the query in microseconds; DataFusion's has nanoseconds, which no column takes."""
    return typed(mark(exp.cast(call("now"), "TIMESTAMPTZ")), "TIMESTAMPTZ")


def _clock(kind: str) -> Rewrite:
    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        return now() if kind == "TIMESTAMPTZ" else exp.cast(now(), kind)

    return rewrite


def _named_clock(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if marks.GENERATED.has(node) or node.name.lower() not in _CLOCKS or node.expressions:
        return None
    return now()


def _read(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A text as a date or time. What DataFusion reads otherwise is written out, or refused."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType):
        return None
    if to.this in (_TYPE.TIME, _TYPE.INTERVAL):
        return _read_clock(node) if to.this is _TYPE.TIME else _read_interval(node)
    if to.this not in (_TYPE.DATE, *NAIVE_TIMES, *ZONED_TIMES):
        return None
    if (text := text_value(value)) is not None:
        return with_part(node, this=exp.Literal.string(_canonical(text.strip(), to.this)))
    if type_of(value) not in exp.DataType.TEXT_TYPES:
        return None
    if to.this is _TYPE.DATE:
        return _with_text(node, ((_DAY, r"\1"),))
    return _with_text(node, ((_MINUTES, r"\1:00\2"), *([(_ZONE, r"\1")] if to.this in NAIVE_TIMES else _ZONES)))


def _with_text(node: exp.Expression, spelled: Sequence[tuple[str, str]]) -> exp.Expression:
    """A cast of the text that is left when patterns are replaced, one after the other."""
    new, value = node.copy(), node.this
    for pattern, instead in spelled:
        value = call("regexp_replace", value, exp.Literal.string(pattern), exp.Literal.string(instead))
    new.set("this", value)
    return new


def _read_clock(node: exp.Expression) -> exp.Expression | None:
    """A text as a time of day; DataFusion takes `0930` for no time at all."""
    new, text = node.copy(), text_value(node.this)
    if text is not None:
        found = _CLOCK.fullmatch(text.strip())
        if found is None or int(found["hour"]) > 23:
            raise Untranslatable(f"`{text}` as a time", "write it as `hh:mm:ss`")
        new.set("this", exp.Literal.string(_clock_of(found)))
        return new
    if type_of(node.this) not in exp.DataType.TEXT_TYPES:
        return None
    return _with_text(node, _BARE_CLOCKS)


def _read_interval(node: exp.Expression) -> exp.Expression | None:
    """A text as an interval: a number alone is one of seconds, and of months to DataFusion."""
    if text_value(node.this) is not None or type_of(node.this) not in exp.DataType.TEXT_TYPES:
        return None
    return _with_text(node, ((r"^\s*([+-]?[0-9]+([.][0-9]+)?)\s*$", r"\1 seconds"),))


_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,6})?))?")
_BARE_CLOCKS = (
    (r"^\s*([0-9]{2})([0-9]{2})\s*$", r"\1:\2"),
    (r"^\s*([0-9]{2})([0-9]{2})([0-9]{2}([.][0-9]+)?)\s*$", r"\1:\2:\3"),
    (r"^\s*([0-9]+)\s*$", r"\1 as a time"),  # which is none, and so fails
)


def _clocked(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The hours, minutes and seconds of an interval, which DataFusion reads by their names alone."""
    text, unit = text_value(node.this), node.args.get("unit")
    to = node.args.get("to")
    if text is None or unit is not None or (to is not None and to.this is not _TYPE.INTERVAL):
        return None
    named = with_named_clock(text)
    if _BARE.fullmatch(named):
        named = f"{named.strip()} seconds"
    if not _INTERVAL.fullmatch(named):
        raise Untranslatable(f"`{text}` as an interval", "write it in numbers and units: `interval '1 day 2 hours'`")
    return with_part(node, this=exp.Literal.string(named))


def _canonical(text: str, kind: exp.DataType.Type) -> str:
    """A literal in ISO's form; a zone is left out of what has none, as PostgreSQL does."""
    found = _MOMENT.fullmatch(text)
    try:
        if found is None or (not found["between"] and len(found["month"] + found["day"]) < 4):
            raise ValueError(text)
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        moment = datetime.fromisoformat(f"{day.isoformat()} {_clock_of(found)}{_offset_of(found)}")
    except ValueError:
        mend = _CLOCKED.get(text.lower()) or _FORMS.get(kind, _MOMENTS)
        raise Untranslatable(f"`{text}` as a {kind.value.lower()}", f"write {mend}") from None
    if kind is _TYPE.DATE:
        return moment.date().isoformat()
    if kind in NAIVE_TIMES:
        return moment.replace(tzinfo=None).isoformat(" ")
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).isoformat(" ")


def _clock_of(found: re.Match[str]) -> str:
    return f"{int(found['hour'] or 0):02}:{found['minute'] or '00'}:{found['second'] or '00'}"


def _offset_of(found: re.Match[str]) -> str:
    zone, sign = found["zone"] or "", found["sign"]
    return f"{sign}{int(found['hours']):02}:{found['minutes'] or '00'}" if sign else "+00:00" if zone else ""


_MOMENT = re.compile(
    r"(?P<year>\d{4})(?P<between>[-/.]?)(?P<month>\d{1,2})(?P=between)(?P<day>\d{1,2})"
    r"(?:(?:T|[ ]+T?)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,6})?))?"
    r"[ ]*(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?)?)?",
    re.IGNORECASE,
)
_MOMENTS = "it as `YYYY-MM-DD hh:mm:ss`, a zone behind it as `+hh:mm`"
_FORMS = {_TYPE.DATE: "it as `YYYY-MM-DD`"}
_CLOCKED = {
    "now": "`now()`", "today": "`current_date`", "tomorrow": "`current_date + 1`", "yesterday": "`current_date - 1`",
}  # fmt: skip
_UNITS = frozenset(
    ("MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
)


def _truncated_there(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DATE_TRUNC in a zone: of what a clock there shows."""
    zone, value = node.args.get("zone"), node.this
    if zone is None:
        return None
    if node.text("unit").upper().rstrip("S") not in _OF_DAYS:
        raise Untranslatable("DATE_TRUNC to less than a day in a zone")
    if type_of(value) not in (_TYPE.DATE, *NAIVE_TIMES, *ZONED_TIMES):
        mend = "say what it is: `CAST(… AS timestamptz)`"
        return of_no_type(node, "DATE_TRUNC in a zone of a value whose type is not known", mend)
    instant = typed(exp.cast(value.copy(), "TIMESTAMPTZ"), "TIMESTAMPTZ")
    local = typed(exp.AtTimeZone(this=instant, zone=zone.copy()), "TIMESTAMP")
    cut = typed(exp.TimestampTrunc(this=local, unit=node.args["unit"].copy()), "TIMESTAMP")
    return typed(exp.AtTimeZone(this=cut, zone=zone.copy()), "TIMESTAMPTZ")


_OF_DAYS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")


def _truncate(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """What DATE_TRUNC gives is a timestamp; that of a date too."""
    unit = node.text("unit").upper().rstrip("S")
    if unit not in _UNITS:
        raise Untranslatable(f"DATE_TRUNC to {unit.lower()}")
    if type_of(node.this) is not _TYPE.DATE:
        return None
    return with_part(node, this=exp.cast(node.this.copy(), "TIMESTAMP"))


def _moved(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A date plus or minus an interval is a timestamp."""
    for side, other in (("this", "expression"), ("expression", "this")):
        value, moves = node.args[side], node.args[other].unnest()
        if type_of(value) is _TYPE.DATE and (isinstance(moves, exp.Interval) or type_of(moves) is _TYPE.INTERVAL):
            new = node.copy()
            new.set(side, exp.cast(value.copy(), "TIMESTAMP"))
            return typed(new, "TIMESTAMP")
    return None


def _binned(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DATE_BIN with where its first bin begins, which would be left out."""
    origin = node.args.get("origin") or node.args.get("unit")  # where the parser puts what is third
    if origin is None:
        return None
    return call("date_bin", node.this, node.expression, origin)


def _rounded(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A time with fewer digits of its seconds, halves away from the year 2000; the engine cuts it, or leaves all."""
    to = node.args["to"]
    if not isinstance(to, exp.DataType) or not to.expressions:
        return None
    digits = integer_value(to.expressions[0].this)
    if to.this not in (*NAIVE_TIMES, *ZONED_TIMES) or digits is None or digits >= 6:
        return None
    if digits not in _CUT:
        raise Untranslatable(
            f"a timestamp of {digits} digits", "round to seconds or milliseconds, or cut it: DATE_TRUNC"
        )
    unit, half = _CUT[digits]
    kind = "TIMESTAMP" if to.this in NAIVE_TIMES else "TIMESTAMPTZ"
    later = f"(CASE WHEN :a < CAST('2000-01-01 00:00:00' AS {kind}) THEN :a + INTERVAL '{half - 1} microseconds'"
    whole = build(f"DATE_TRUNC('{unit}', {later} ELSE :a + INTERVAL '{half} microseconds' END))", a=_read(
        exp.cast(node.this.copy(), kind), pair) or exp.cast(node.this.copy(), kind))  # fmt: skip
    return typed(whole, kind)


_CUT = {0: ("second", 500_000), 3: ("millisecond", 500)}
_COUNTED = {"YEAR": "year", "MONTH": "month", "WEEK": "week", "DAY": "day", "HOUR": "hour", "MINUTE": "minute",
            "SECOND": "second"}  # fmt: skip


def _times(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A whole number times an interval of one unit; DataFusion multiplies none."""
    for interval, count in ((node.left.unnest(), node.right), (node.right.unnest(), node.left)):
        if not isinstance(interval, exp.Interval):
            continue
        unit = _COUNTED.get(interval.text("unit").upper().rstrip("S"))
        each = (text_value(interval.this) or "").strip()
        what = "an interval times what is no whole number, or an interval of several units"
        if type_of(count) is None and unit is not None and each.isdigit():
            return of_no_type(node, what, "say that it is one: `CAST(… AS bigint)`")
        if unit is None or not each.isdigit() or type_of(count) not in exp.DataType.INTEGER_TYPES:
            raise Untranslatable(what)
        words = build(f"CAST(:n * {int(each)} AS VARCHAR) || ' {unit}s'", n=exp.cast(count.copy(), "BIGINT"))
        return typed(exp.cast(words, "INTERVAL"), "INTERVAL")
    return None


CLOCKS: Rules = {
    exp.Anonymous: (_named_clock,),
    exp.CurrentTimestamp: (_clock("TIMESTAMPTZ"),),
    exp.Localtimestamp: (_clock("TIMESTAMP"),),
    exp.Localtime: (_clock("TIME"),),
    exp.Mul: (_times,),
}

ZONED: Rules = dict.fromkeys((exp.TimestampTrunc, exp.DateTrunc), (_truncated_there,))
"""Before zones are reworded."""

TIMES: Rules = {
    exp.Cast: (_rounded, _read, _clocked),
    exp.DateBin: (_binned,),
    exp.Interval: (_clocked,),
    **dict.fromkeys((exp.Add, exp.Sub), (_moved,)),
    **dict.fromkeys((exp.TimestampTrunc, exp.DateTrunc), (_truncate,)),
}
