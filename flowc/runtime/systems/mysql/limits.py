"""What MySQL cannot hold of the values that the types of its columns allow."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.systems.shared.limits import Limit, digits, fine, outside
from flowc.types import Kind

_SECOND = 10**6


def limits(array: pa.Array, column: Column) -> Iterator[Limit]:
    """The limits that a fitted array of a column could break."""
    if not pa.types.is_list(array.type):  # of lists it keeps JSON, with all digits
        yield from fine(array)
    if pa.types.is_floating(array.type):
        yield pc.invert(pc.is_finite(array)), "is no number in MySQL"
    if column.type.kind is Kind.TIMESTAMPTZ:
        # Where a server's TIMESTAMP ends earlier, the server says so.
        micros = array.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
        yield outside(micros, _SECOND, 2**32 * _SECOND - 1), "is outside of the times that MySQL's TIMESTAMP holds"
    yield from digits(array, column, 65, 30)
