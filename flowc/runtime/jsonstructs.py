"""Declared structs in JSON Lines: their texts as values with parts of the types declared, read as messages are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.codecs.json import JsonDecoder
from flowc.types import DataType, Kind

_FIELD = "v"


def is_struct(kind: DataType) -> bool:
    """Whether values of a type have parts that were declared."""
    return bool(kind.fields) if kind.kind is Kind.STRUCT else kind.element is not None and is_struct(kind.element)


def struct_values(texts: pa.StringArray, kind: DataType) -> pa.Array:
    """The values of JSON texts, in the type of `decoded_type`.

    Raises ValueError for a value that does not fit.
    """
    messages = pc.binary_join_element_wise(f'{{"{_FIELD}":', pc.fill_null(texts, "null"), "}", "")
    decoded = JsonDecoder((Column(_FIELD, kind),)).decode(messages.cast(pa.binary()))
    if decoded.bad:
        raise ValueError(decoded.bad[0].message)
    return decoded.batch.column(0)
