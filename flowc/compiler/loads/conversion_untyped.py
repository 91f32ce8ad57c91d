"""Conversions on SQLite, which judges each value by what it is and not by its column's type."""

from __future__ import annotations

from flowc.compiler.loads.conversion_pair import Conversion, Pair
from flowc.compiler.quote import text
from flowc.types import INTEGER_RANGES, Kind

_TEMPORAL = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
_CONDITIONS = {
    Kind.BOOL: "typeof({x}) = 'integer' AND {x} IN (0, 1)",
    Kind.TEXT: "typeof({x}) = 'text'",
    Kind.BINARY: "typeof({x}) = 'blob'",
    Kind.JSON: "typeof({x}) = 'text' AND json_valid({x})",
}


def convert_untyped(pair: Pair) -> Conversion | None:
    """The value as the target's kind is stored; None where it can never be meant."""
    x, kind = pair.x, pair.target.kind
    if kind in _TEMPORAL:
        return _temporal(pair)
    if kind in (Kind.UINT64, Kind.INT128):
        return _wide_integer(pair)
    if pair.target.is_integer:
        return _integer(pair)
    if pair.target.is_float:
        return _fitted(x, f"flowc_float({x}, {text(str(kind), pair.dialect)})")
    if kind is Kind.UUID:
        return _fitted(x, f"flowc_uuid({x})")
    if kind is Kind.DECIMAL:
        return _fitted(x, f"flowc_decimal({x}, {pair.target.precision or 'NULL'}, {pair.target.scale or 0})")
    return _plain(pair)


def _fitted(x: str, fitted: str) -> Conversion:
    """A value that a function fits to its column, or makes NULL."""
    return Conversion(fitted, f"({x} IS NOT NULL AND {fitted} IS NULL)")


def _temporal(pair: Pair) -> Conversion | None:
    naive = pair.source.kind in (Kind.TIMESTAMP, Kind.DATE)
    if pair.target.kind is Kind.TIMESTAMPTZ and naive:
        return _instant(pair)
    if pair.source.kind in (Kind.TIMESTAMPTZ, Kind.JSON):
        return None
    return _fitted(pair.x, f"flowc_temporal({pair.x}, {text(str(pair.target.kind), pair.dialect)})")


def _instant(pair: Pair) -> Conversion | None:
    if pair.timezone is None:
        return None
    return _fitted(pair.x, pair.dialect.function("at_zone", pair.x, text(pair.timezone, pair.dialect)))


def _integer(pair: Pair) -> Conversion:
    x, (low, high) = pair.x, INTEGER_RANGES[pair.target.kind]
    number = f"typeof({x}) IN ('integer', 'real') AND {x} = CAST({x} AS INTEGER)"
    # An integer that overflows becomes a real of 2^63 or more, which has lost digits; -2^63 would still look like one.
    exact = f" AND (typeof({x}) = 'integer' OR {x} > {low}.0)" if pair.target.kind is Kind.INT64 else ""
    whole = f"({number} AND {x} BETWEEN {low} AND {min(high, 2**63 - 1)}{exact})"
    return Conversion(f"CAST({x} AS INTEGER)", f"({x} IS NOT NULL AND NOT {whole})")


def _wide_integer(pair: Pair) -> Conversion:
    """Whole numbers that 64 bits do not hold are stored as decimal text."""
    x, (low, high) = pair.x, INTEGER_RANGES[pair.target.kind]
    fitted = f"flowc_decimal({x}, {len(str(high))}, 0)"
    size, limit = f"ltrim({fitted}, '-')", f"CASE WHEN {fitted} LIKE '-%' THEN '{-low}' ELSE '{high}' END"
    # Of two numbers without leading zeros the longer is the greater; of equal length, the later text.
    within = f"(length({size}) < length({limit}) OR (length({size}) = length({limit}) AND {size} <= {limit}))"
    return Conversion(fitted, f"({x} IS NOT NULL AND ({fitted} IS NULL OR NOT {within}))")


def _plain(pair: Pair) -> Conversion:
    x, condition = pair.x, _CONDITIONS.get(pair.target.kind)
    if condition is None:
        return Conversion(x)
    misfit = f"({x} IS NOT NULL AND NOT ({condition.format(x=x)}))"
    if pair.target.kind is Kind.TEXT and pair.target.length is not None:
        misfit = f"({misfit} OR length({x}) > {pair.target.length})"
    return Conversion(x, misfit)
