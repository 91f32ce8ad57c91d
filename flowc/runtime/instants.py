"""The instants that are told exactly: those of the years 1 to 9999, which every engine and format writes alike."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

MICROS = pa.timestamp("us", "UTC")
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""In microseconds since 1970 UTC."""
_DAY = 86_400_000_000
_IN_SECOND: Mapping[str, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def outside(numbers: pa.Array, low: int, high: int) -> pa.Array:
    """Marks on numbers beyond bounds; NULL is not beyond."""
    return pc.fill_null(pc.or_(pc.less(numbers, low), pc.greater(numbers, high)), False)


def instants(numbers: pa.Array, unit: str) -> tuple[pa.Array, pa.Array]:
    """Whole numbers since 1970 UTC as instants, and marks on those outside of the years 1 to 9999, which are NULL.

    `unit` is `day`, or one of Arrow's.
    """
    numbers = numbers.cast(pa.int64())
    if unit == "ns":
        return _instants(pc.divide(numbers, 1000), outside(numbers, -(2**63), 2**63 - 1))
    factor = _DAY if unit == "day" else 10**6 // _IN_SECOND[unit]
    odd = outside(numbers, -(-FIRST // factor), LAST // factor)
    kept = pc.if_else(odd, pa.scalar(None, pa.int64()), numbers) if odd.true_count else numbers
    return _instants(kept if factor == 1 else pc.multiply(kept, factor), odd)


def _instants(micros: pa.Array, odd: pa.Array) -> tuple[pa.Array, pa.Array]:
    return micros.cast(MICROS), odd


def times_of(times: pa.Array) -> tuple[pa.Array, pa.Array]:
    """As `instants`, of dates and timestamps; what has no zone is in UTC."""
    unit = "day" if pa.types.is_date32(times.type) else times.type.unit
    return instants(times.cast(pa.int32()) if unit == "day" else times, unit)
