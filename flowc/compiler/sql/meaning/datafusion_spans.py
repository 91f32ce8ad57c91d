"""What lies between two times, on DataFusion: it compares none with an interval, and counts hours beyond a day.

PostgreSQL's difference of two times has days and the rest of a day; compared, a month has 30 days.
"""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.sql.meaning.core import (
    COMPARISONS,
    NAIVE_TIMES,
    ZONED_TIMES,
    Pair,
    Rules,
    Untranslatable,
    build,
    text_value,
    type_of,
)

_TYPE = exp.DataType.Type
_TIMES = (*NAIVE_TIMES, *ZONED_TIMES, _TYPE.DATE)
_MICROS = "CAST(arrow_cast(:a, 'Duration(Microsecond)') AS BIGINT)"
_DAY = 86_400_000_000
_SIZES = {
    "microsecond": 1, "millisecond": 1000, "second": 1_000_000, "sec": 1_000_000, "minute": 60_000_000,
    "min": 60_000_000, "hour": 3_600_000_000, "day": _DAY, "week": 7 * _DAY, "month": 30 * _DAY, "mon": 30 * _DAY,
    "year": 360 * _DAY,
}  # fmt: skip
_ONE = re.compile(r"\s*([+-]?\d+)\s+([a-z]+?)s?(?=\s|$)", re.IGNORECASE)
_PARTS = {
    "EPOCH": f"({_MICROS} / 1000000.0)",
    "DAY": f"({_MICROS} / {_DAY})",
    "HOUR": f"({_MICROS} / 3600000000 % 24)",
    "MINUTE": f"({_MICROS} / 60000000 % 60)",
    "SECOND": f"({_MICROS} % 60000000 / 1000000.0)",
    "MILLISECOND": f"({_MICROS} % 60000000 / 1000.0)",
    "MICROSECOND": f"({_MICROS} % 60000000)",
}


def is_span(node: exp.Expression) -> bool:
    """Whether a value is the difference of two times."""
    value = node.unnest()
    if isinstance(value, exp.Column):
        return type_of(value) is None and _is_named_span(value)
    if not isinstance(value, exp.Sub):
        return False
    kinds = [type_of(value.left), type_of(value.right)]
    return all(kind in _TIMES for kind in kinds) and any(kind is not _TYPE.DATE for kind in kinds)


def _is_named_span(column: exp.Column) -> bool:
    """Whether each value that a query within the statement gives this name to is such a difference."""
    found = [one.this for one in column.root().find_all(exp.Alias) if one.alias == column.name]
    given = [value for value in found if not isinstance(value.unnest(), exp.Column)]
    return bool(given) and all(map(is_span, given))


def is_interval(node: exp.Expression) -> bool:
    """Whether a value is known to be an interval."""
    value = node.unnest()
    return isinstance(value, exp.Interval) or type_of(value) is _TYPE.INTERVAL


def _micros(node: exp.Expression) -> exp.Expression:
    if is_span(node):
        return build(_MICROS, a=node)
    value = node.unnest()
    text = None
    if isinstance(value, exp.Interval):
        unit = value.args.get("unit")
        text = " ".join(filter(None, (text_value(value.this), unit.name if unit else "")))
    elif isinstance(value, exp.Cast):
        text = text_value(value.this)
    else:
        text = text_value(value)
    parts = _ONE.findall(text or "")
    if not parts or _ONE.sub("", text or "").strip() or any(unit.lower() not in _SIZES for _, unit in parts):
        raise Untranslatable("a difference of times beside what is no interval of whole units: compare its EPOCH")
    return exp.convert(sum(int(count) * _SIZES[unit.lower()] for count, unit in parts))


def _compared(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if pair.source != "postgres":
        return None
    sides = [key for key in ("this", "expression", "low", "high") if node.args.get(key) is not None]
    columns = any(isinstance(node.args[key].unnest(), exp.Column) for key in sides)
    if columns and not any(is_interval(node.args[key]) for key in sides):
        return None
    spans = [is_span(node.args[key]) for key in sides]
    if all(spans) or not any(spans):
        return None
    new = node.copy()
    for key in sides:
        new.set(key, _micros(node.args[key]))
    return new


def _part(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if pair.source != "postgres" or not is_span(node.expression):
        return None
    part = node.name.upper()
    part = part.removesuffix("S") if part != "S" else part
    if part not in _PARTS:
        raise Untranslatable(f"the part {part.lower()} of a difference of times")
    return build(_PARTS[part], a=node.expression)


SPANS: Rules = {
    **dict.fromkeys((*COMPARISONS, exp.Between), (_compared,)),
    exp.Extract: (_part,),
}
