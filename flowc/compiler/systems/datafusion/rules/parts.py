"""Parts of times on DataFusion as PostgreSQL has them: EXTRACT gives exact decimals, `date_part` floats.

Seconds and what is counted in them are made of whole microseconds, for the engine has floats or cuts them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rules,
    Untranslatable,
    build,
    type_of,
)
from flowc.compiler.sql.rewrite.numbers import EXACT
from flowc.compiler.sql.text.clocks import is_date_part
from flowc.compiler.systems.datafusion.rules.spans import CLOCK, DAY, DAYS, MICROS, MONTHS, of_difference
from flowc.compiler.systems.datafusion.rules.zones import of_no_type

_TYPE = exp.DataType.Type
_SHORT = {
    short: part
    for part, words in {
        "YEAR": "Y YR YRS YEARS", "QUARTER": "QTR", "MONTH": "MON MONS MONTHS", "WEEK": "W WEEKS", "DAY": "D DAYS",
        "HOUR": "H HR HRS HOURS", "MINUTE": "M MIN MINS MINUTES", "SECOND": "S SEC SECS SECONDS",
        "MILLISECOND": "MS MSEC MSECS MSECOND MSECONDS MILLISECONDS",
        "MICROSECOND": "US USEC USECS USECOND USECONDS MICROSECONDS", "CENTURY": "C CENT CENTURIES",
        "DECADE": "DEC DECS DECADES", "MILLENNIUM": "MIL MILS MILLENNIA",
    }.items()
    for short in words.split()
}  # fmt: skip
"""PostgreSQL's short names and plurals, some of which mean another part in DataFusion."""

_MINUTE = 60_000_000
_OF_TIMES = {
    "CENTURY": "((EXTRACT(YEAR FROM :a) + 99) / 100)",
    "DECADE": "(EXTRACT(YEAR FROM :a) / 10)",
    "MILLENNIUM": "((EXTRACT(YEAR FROM :a) + 999) / 1000)",
    **{part: f"EXTRACT({part} FROM :a)" for part in (
        "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "DOW", "DOY", "ISODOW", "ISOYEAR", "MICROSECOND",
    )},
    **dict.fromkeys(("SECOND", "MILLISECOND"), "EXTRACT(MICROSECOND FROM :a)"),
    "EPOCH": "flowc_interval_epoch(:a)",
}  # fmt: skip
_OF_INTERVALS = {
    "EPOCH": "flowc_interval_epoch(:a)",
    "MILLENNIUM": f"({MONTHS}(:a) / 12000)",
    "CENTURY": f"({MONTHS}(:a) / 1200)",
    "DECADE": f"({MONTHS}(:a) / 120)",
    "YEAR": f"({MONTHS}(:a) / 12)",
    "QUARTER": f"({MONTHS}(:a) % 12 / 3 + 1)",
    "MONTH": f"({MONTHS}(:a) % 12)",
    "DAY": f"{DAYS}(:a)",
    "HOUR": f"({CLOCK}(:a) / 3600000000)",
    "MINUTE": f"({CLOCK}(:a) / {_MINUTE} % 60)",
    **dict.fromkeys(("SECOND", "MILLISECOND", "MICROSECOND"), f"({CLOCK}(:a) % {_MINUTE})"),
}
_OF_DIFFERENCES = {
    "EPOCH": MICROS,
    "DAY": f"({MICROS} / {DAY})",
    "HOUR": f"({MICROS} / 3600000000 % 24)",
    "MINUTE": f"({MICROS} / {_MINUTE} % 60)",
    **dict.fromkeys(("SECOND", "MILLISECOND", "MICROSECOND"), f"({MICROS} % {_MINUTE})"),
}
_EPOCHS: Mapping[object, str] = {
    **dict.fromkeys((*NAIVE_TIMES, *ZONED_TIMES), "CAST(arrow_cast(:a, 'Timestamp(Microsecond, None)') AS BIGINT)"),
    _TYPE.DATE: "CAST(arrow_cast(:a, 'Timestamp(Second, None)') AS BIGINT)",
    _TYPE.TIME: "CAST(arrow_cast(:a, 'Time64(Microsecond)') AS BIGINT)",
}
"""Microseconds of what is known to be a time, and whole seconds of a date."""

_EXACTLY = {
    "EPOCH": ("flowc_decimal_micros(:n)", "DECIMAL(20, 6)"),
    "SECOND": ("flowc_decimal_micros(:n)", "DECIMAL(8, 6)"),
    "MILLISECOND": ("flowc_decimal_millis(:n)", "DECIMAL(8, 3)"),
}
_IN_FLOATS = {
    "EPOCH": ":n / 1000000.0",
    "SECOND": "CAST(:n / 1000000 AS DOUBLE PRECISION) + :n % 1000000 / 1000000.0",
    "MILLISECOND": "CAST(:n / 1000000 * 1000 AS DOUBLE PRECISION) + :n % 1000000 / 1000.0",
}
"""Of microseconds, added in PostgreSQL's order: it shows in their last digits."""
_WITHIN_DAY = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")


def _part(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if pair.source not in EXACT or pair.source == "redshift":
        return None
    part, value = _SHORT.get(node.name.upper(), node.name.upper()), node.expression.unnest()
    if part in _WITHIN_DAY and isinstance(value, exp.Sub) and type_of(value) is None:
        # The engine counts all of them that are in the whole difference.
        what = f"the {part.lower()} of a difference of what is not known to be times"
        return of_no_type(node, what, "say what both are: `CAST(… AS timestamp)`")
    number = _counted(part, value)
    whole = part == "EPOCH" and type_of(value) is _TYPE.DATE
    if is_date_part(node.parent):
        return exp.cast(build(":n" if whole else _IN_FLOATS.get(part, ":n"), a=number, n=number), "DOUBLE")
    form, kind = _EXACTLY.get(part, ("", "")) if not whole else ("", "")
    return exp.cast(build(form, n=number), kind) if form else exp.cast(number, "DECIMAL(20, 0)" if whole else _WHOLE)


_WHOLE = "DECIMAL(10, 0)"


def _counted(part: str, value: exp.Expression) -> exp.Expression:
    """A part in whole numbers: in microseconds where it has a fraction."""
    kind = type_of(value)
    known = _OF_INTERVALS if kind is _TYPE.INTERVAL else _OF_TIMES
    if part not in known:
        what = "an interval" if kind is _TYPE.INTERVAL else "a date"
        raise Untranslatable(f"the part {part.lower()} of {what}", f"the parts are {', '.join(sorted(known)).lower()}")
    if kind is _TYPE.INTERVAL and part in _OF_DIFFERENCES and (difference := of_difference(value)) is not None:
        return build(_OF_DIFFERENCES[part], a=difference)
    return build(_EPOCHS.get(kind, known[part]) if part == "EPOCH" else known[part], a=value)


PARTS: Rules = {exp.Extract: (_part,)}
