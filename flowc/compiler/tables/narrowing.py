"""Whether values of one type fit a column of another, as loads see it: exactly, by value, or never."""

from __future__ import annotations

from enum import Enum

from flowc.types import INTEGER_RANGES, TEMPORAL, DataType, Kind


class Fit(Enum):
    """The verdict."""

    EXACT = "exact"
    NARROWER = "narrower"
    """Some values fit; each is checked."""
    NEVER = "never"


_PARSED = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.UUID, Kind.JSON)
"""What text is parsed into exactly, because some engine has only text for it."""
_FLOAT_DIGITS = {Kind.FLOAT32: 24, Kind.FLOAT64: 53}


def fit(source: DataType, target: DataType, *, has_timezone: bool = False) -> Fit:
    """How values of `source` fit a column of type `target`. An unknown type fits: it is judged when it is known."""
    if Kind.UNKNOWN in (source.kind, target.kind) or source == target:
        return Fit.EXACT
    if source.is_number and target.is_number:
        return Fit.EXACT if _number_fits(source, target) else Fit.NARROWER
    if source.kind is target.kind:
        return _same_kind(source, target)
    if source.kind is Kind.TEXT and target.kind in _PARSED:
        return Fit.EXACT
    if target.kind is Kind.TEXT:
        return Fit.NEVER if source.kind not in (Kind.UUID, Kind.JSON) else _text(target)
    if source.kind in TEMPORAL or source.kind is Kind.DATE:
        return _temporal(source, target, has_timezone=has_timezone)
    if source.kind in (Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64) and target.kind is Kind.BOOL:
        return Fit.NARROWER  # SQLite's booleans
    if target.kind is Kind.JSON and source.kind in (Kind.STRUCT, Kind.ARRAY):
        return Fit.EXACT
    return Fit.NEVER


def _text(target: DataType) -> Fit:
    return Fit.EXACT if target.length is None else Fit.NARROWER


def _same_kind(source: DataType, target: DataType) -> Fit:
    if source.kind is Kind.TEXT:
        shorter = target.length is not None and (source.length is None or source.length > target.length)
        return Fit.NARROWER if shorter else Fit.EXACT
    if source.kind in TEMPORAL:
        return Fit.NARROWER if target.places < source.places else Fit.EXACT
    if source.kind is Kind.ARRAY and source.element and target.element:
        return fit(source.element, target.element)
    return Fit.EXACT


def _temporal(source: DataType, target: DataType, *, has_timezone: bool) -> Fit:
    if source.kind is Kind.DATE and target.kind is Kind.TIMESTAMP:
        return Fit.EXACT
    if source.kind is Kind.TIMESTAMP and target.kind is Kind.DATE:
        return Fit.NARROWER
    if target.kind is Kind.TIMESTAMPTZ and source.kind in (Kind.TIMESTAMP, Kind.DATE):
        return Fit.EXACT if has_timezone else Fit.NEVER
    return Fit.NEVER


def _number_fits(source: DataType, target: DataType) -> bool:
    if source.is_integer:
        low, high = INTEGER_RANGES[source.kind]
        return _holds_integers(target, low, high)
    if source.is_float:
        return source.kind is target.kind or target.kind is Kind.FLOAT64
    if target.kind is not Kind.DECIMAL:
        return False
    if target.precision is None:
        return True
    if source.precision is None:
        return False
    scale, wanted = source.scale or 0, target.scale or 0
    return wanted >= scale and target.precision - wanted >= source.precision - scale


def _holds_integers(target: DataType, low: int, high: int) -> bool:
    if target.is_integer:
        least, greatest = INTEGER_RANGES[target.kind]
        return least <= low and high <= greatest
    if target.is_float:
        return bool(max(-low, high) <= 2 ** _FLOAT_DIGITS[target.kind])
    return target.precision is None or bool(10 ** (target.precision - (target.scale or 0)) > max(-low, high))
