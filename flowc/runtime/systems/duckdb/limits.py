"""What DuckDB cannot hold of the values that the types of its columns allow."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.systems.shared.limits import Limit, digits, fine
from flowc.types import DataType, Kind


def limits(array: pa.Array, column: Column) -> Iterator[Limit]:
    """The limits that a fitted array of a column could break."""
    if _holds(column.type, Kind.TIMESTAMPTZ):
        yield from fine(array)
    yield from digits(array, column, 38, 10)


def _holds(kind: DataType, wanted: Kind) -> bool:
    """Whether a type, or what its lists are of, is of a kind."""
    return kind.kind is wanted or (kind.element is not None and _holds(kind.element, wanted))
