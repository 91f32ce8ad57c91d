"""Time zones on DataFusion as PostgreSQL reads their names, and what a clock in one shows as an instant."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Untranslatable, build, call

_ABBREVIATIONS = {
    "UTC": "+00:00", "GMT": "+00:00", "Z": "+00:00", "ZULU": "+00:00", "WET": "+00:00", "CET": "+01:00",
    "MET": "+01:00", "EET": "+02:00", "EST": "-05:00", "MST": "-07:00", "HST": "-10:00",
}  # fmt: skip
"""Names that are those of zones with summer time too: PostgreSQL takes them for what has none."""
_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?")
_LOCAL = "to_local_time(arrow_cast(CAST({} AS TIMESTAMPTZ), :z))"
_BEFORE, _AFTER = (
    f"({_LOCAL.format(f'(:x {sign} INTERVAL {day})')} - (:x {sign} INTERVAL {day}))"
    for sign, day in (("-", "'1 day'"), ("+", "'1 day'"))
)
_INSTANT = f"CASE WHEN {_LOCAL.format(f'(:x - {_AFTER})')} = :x THEN :x - {_AFTER} ELSE :x - {_BEFORE} END"
"""By what a clock is ahead a day later where it then shows that time, and else by what it was ahead a day earlier.

So a time that summer time leaves out is one of winter time, and of two such times the later one is meant.
"""


def of_no_type(node: exp.Expression, what: str, mend: str) -> exp.Expression:
    """In the place of what hangs on a type that is found when a source is read, and the query translated anew.

    Raises Untranslatable where no type will be found. The engine lacks the function.
    """
    if not any(marks.OPEN.has(column) for column in node.root().find_all(exp.Column)):
        raise Untranslatable(what, mend)
    return call("flowc_untyped", node.args.get("expression") or node.this)


def zone_of(name: str) -> str:
    """A zone of PostgreSQL as one of the engine: a name with `/`, or what clocks there are ahead (`+01:00`).

    An offset counts to the west in PostgreSQL.
    """
    if (fixed := _ABBREVIATIONS.get(name.upper())) is not None:
        return fixed
    if (offset := _OFFSET.fullmatch(name)) is not None:
        return f"{'-' if offset[1] == '+' else '+'}{int(offset[2]):02}:{offset[3] or '00'}"
    try:
        known = "/" in name and ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        known = ""
    if not known:
        raise Untranslatable(f"the time zone `{name}`", "write it as `Europe/Berlin`: by a region and a city")
    return name


def instant_of(local: exp.Expression, zone: str) -> exp.Expression:
    """The instant in UTC at which a clock of a zone shows a time, as a timestamp without a zone."""
    shown = call("arrow_cast", local, exp.Literal.string("Timestamp(Microsecond, None)"))
    return build(_INSTANT, x=shown, z=exp.Literal.string(f'Timestamp(Microsecond, Some("{zone}"))'))
