"""PostgreSQL's intervals of whole columns: what lies between two times, sums and means, and how they compare.

An interval has months, days and a time, which stay apart; compared, a month has 30 days and a day 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowc.errors import DataError, EngineError

INTERVAL, INSTANT = pa.month_day_nano_interval(), pa.timestamp("us", "+00:00")
_PARTS = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
_DAY = 86_400_000_000
_SMALL, _LARGE = np.iinfo(np.int32), 2**63 // 1000


def parts(array: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Months, days and microseconds of intervals, or of durations, which have days of 24 hours; 0 for NULL.

    Raises EngineError for values of other types.
    """
    if pa.types.is_duration(array.type):
        micros = pc.fill_null(array.cast(pa.duration("us"), safe=False).cast(pa.int64()), 0).to_numpy()
        days = np.trunc(micros / _DAY).astype(np.int64)
        return np.zeros(len(micros), np.int64), days, micros - days * _DAY
    if pa.types.is_null(array.type):
        return (np.zeros(len(array), np.int64),) * 3
    if not pa.types.is_interval(array.type):
        raise EngineError(f"a value of the type {array.type} as an interval", code="query-refused")
    found = np.frombuffer(array.buffers()[1] or b"", _PARTS, len(array), 16 * array.offset)
    found = np.where(array.is_valid().to_numpy(zero_copy_only=False), found, np.zeros(1, _PARTS))
    months, days, nanos = (found[name].astype(np.int64) for name in ("months", "days", "nanos"))
    return months, days, np.sign(nanos) * (np.abs(nanos) // 1000)


def interval(array: pa.Array) -> pa.Array:
    """Durations as the intervals that PostgreSQL's difference of two times is; other values as they are."""
    return _made(*parts(array), array.is_valid()) if pa.types.is_duration(array.type) else array


def span(array: pa.Array) -> pa.Array:
    """The microseconds by which intervals compare."""
    months, days, micros = parts(array)
    return _numbers(array, (months * 30 + days) * _DAY + micros)


def epoch(array: pa.Array) -> pa.Array:
    """The microseconds that EXTRACT(EPOCH …) counts, of times too: a year of an interval has 365.25 days."""
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False).cast(pa.int64())
    if pa.types.is_time(array.type):
        return array.cast(pa.time64("us"), safe=False).cast(pa.int64())
    months, days, micros = parts(array)
    years, rest = np.sign(months) * (np.abs(months) // 12), np.sign(months) * (np.abs(months) % 12)
    return _numbers(array, years * (_DAY * 1461 // 4) + (rest * 30 + days) * _DAY + micros)


def instant(array: pa.Array) -> pa.Array:
    """Instants of UTC. What the engine reads of a column by a format has no zone, though it says that it has."""
    return array.cast(pa.int64()).cast(INSTANT)


def months(array: pa.Array) -> pa.Array:
    """The months of intervals, those of years among them."""
    return _numbers(array, parts(array)[0])


def days(array: pa.Array) -> pa.Array:
    """The days of intervals."""
    return _numbers(array, parts(array)[1])


def clock(array: pa.Array) -> pa.Array:
    """The microseconds of the times of intervals."""
    return _numbers(array, parts(array)[2])


def _numbers(array: pa.Array, numbers: np.ndarray) -> pa.Array:
    return pc.if_else(array.is_valid(), pa.array(numbers), None)


def of_parts(months: pa.Array, days: pa.Array, micros: pa.Array) -> pa.Array:
    """Intervals of sums of their parts. Raises DataError for what no interval holds."""
    return _made(_filled(months), _filled(days), _filled(micros), months.is_valid())


def _filled(part: pa.Array) -> np.ndarray:
    numbers: np.ndarray = pc.fill_null(part, 0).to_numpy(zero_copy_only=False)
    return numbers


def mean(months: pa.Array, days: pa.Array, micros: pa.Array, count: pa.Array) -> pa.Array:
    """Sums of intervals divided by their number: what is left of a month goes into days, of a day into the time."""
    counted = np.maximum(_filled(count), 1)
    of_months, of_days = _cut(_filled(months), counted), _cut(_filled(days), counted)
    left = (_filled(months) - of_months * counted) * 30
    more = _cut(left, counted)
    # Less than two days for each counted interval, in exact integers until they are divided once.
    rest = (_filled(days) - of_days * counted + left - more * counted) * _DAY
    time = _filled(micros) + _nearest(rest, counted) * counted
    return _made(of_months, of_days + more, _nearest(time, counted), months.is_valid())


def _cut(number: np.ndarray, by: np.ndarray) -> np.ndarray:
    whole: np.ndarray = np.sign(number) * (np.abs(number) // by)
    return whole


def _nearest(number: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The quotient, a half of which goes to the even number."""
    whole = _cut(number, by)
    odd = whole % 2
    nearest: np.ndarray = whole - odd + np.rint((number - whole * by) / by + odd).astype(np.int64)
    return nearest


def _made(months: np.ndarray, days: np.ndarray, micros: np.ndarray, valid: pa.Array) -> pa.Array:
    sizes = (np.abs(part).max(initial=0) for part in (months, days, micros))
    if any(size > most for size, most in zip(sizes, (_SMALL.max, _SMALL.max, _LARGE), strict=True)):
        raise DataError("an interval is too large", code="arithmetic-overflow", help="compute with its EPOCH")
    made = np.zeros(len(days), _PARTS)
    made["months"], made["days"], made["nanos"] = months, days, micros * 1000
    # Made anew, for that of a slice may begin within a byte.
    validity = pa.array(valid.to_numpy(zero_copy_only=False)).buffers()[1] if valid.false_count else None
    return pa.Array.from_buffers(INTERVAL, len(made), [validity, pa.py_buffer(made)])


_NUMBER = pa.field("value", pa.int64())
OF_ANY: dict[str, tuple[Callable[[pa.Array], pa.Array], pa.Field | None]] = {
    "": (interval, None),
    **{f"_{part.__name__}": (part, _NUMBER) for part in (span, epoch, months, days, clock)},
}
"""Functions of intervals and durations, by name, and what they give; None for what depends on what they take."""
