"""What PostgreSQL cannot hold of the values that the types of its columns allow."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.systems.shared.limits import Limit, fine, within
from flowc.types import Kind

_NUL_IN_JSON = r"(^|[^\\])(\\\\)*\\u0000"


def limits(array: pa.Array, column: Column) -> Iterator[Limit]:
    """The limits that a fitted array of a column could break."""
    yield from fine(array)
    if (marks := _nul(array, column.type.kind)) is not None:
        yield marks, "holds a NUL character"


def _nul(array: pa.Array, kind: Kind) -> pa.Array | None:
    """Marks on texts, or lists of some, with a NUL character."""
    if pa.types.is_string(array.type):
        written = kind in (Kind.JSON, Kind.STRUCT)
        return pc.match_substring_regex(array, _NUL_IN_JSON) if written else pc.match_substring(array, "\0")
    return within(array, _nul(array.flatten(), Kind.TEXT)) if pa.types.is_list(array.type) else None
