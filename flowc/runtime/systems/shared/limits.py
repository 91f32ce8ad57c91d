"""What the limits of several engines share: marks, for whole arrays at once, on values that an engine cannot hold.

Each system has a `limits` of its own. Loads refuse the first value that breaks one; streams set its row aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.badrows import first_indices
from flowc.types import Kind

Limit = tuple[pa.Array, str]
"""Marks on values that cannot be held, and words that complete "the value …"."""
Limits = Callable[[pa.Array, Column], Iterator[Limit]]
"""Gives the limits that a fitted array of a column could break."""


def unlimited(_array: pa.Array, _column: Column) -> Iterator[Limit]:
    """The limits of an engine that holds every value of its types."""
    return iter(())


def outside(numbers: pa.Array, low: int, high: int) -> pa.Array:
    """Marks on numbers outside of the bounds."""
    return pc.or_(pc.less(numbers, low), pc.greater(numbers, high))


def fine(array: pa.Array) -> Iterator[Limit]:
    """Digits of a second that get lost."""
    if (lost := _finer(array)) is not None:
        yield lost, "has digits below the microsecond"


def _finer(array: pa.Array) -> pa.Array | None:
    """Marks on times, or lists of some, that are finer than a microsecond."""
    if pa.types.is_list(array.type):
        return within(array, _finer(array.flatten()))
    if not pa.types.is_timestamp(array.type) or array.type.unit != "ns":
        return None
    digits = array.cast(pa.int64())
    return pc.not_equal(pc.multiply(pc.divide(digits, 1000), 1000), digits)


def within(lists: pa.Array, marks: pa.Array | None) -> pa.Array | None:
    """Marks on the lists that hold what is marked."""
    if marks is None:
        return None
    parents = pc.list_parent_indices(lists).filter(marks)
    return pc.is_in(first_indices(len(lists)), parents)


def digits(array: pa.Array, column: Column, precision: int, scale: int) -> Iterator[Limit]:
    """Where a decimal without precision becomes one that has some."""
    if column.type.kind is Kind.DECIMAL and pa.types.is_string(array.type):
        fits = pc.match_substring_regex(array, rf"^[+-]?0*\d{{0,{precision - scale}}}(\.\d{{0,{scale}}}0*)?$")
        yield pc.invert(fits), f"does not fit `numeric({precision},{scale})`"
