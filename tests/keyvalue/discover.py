"""The columns of messages that nobody has declared: all keys, as text."""

from __future__ import annotations

import pyarrow as pa

from flowc.catalog import Column
from flowc.types import TEXT
from tests.keyvalue.decode import pairs_of


def discover(values: pa.BinaryArray) -> tuple[Column, ...]:
    """The keys of the messages in the order in which they come."""
    rows = (pairs_of(value.decode()) or {} for value in values.to_pylist() if value is not None)
    return tuple(Column(name, TEXT) for name in dict.fromkeys(key for row in rows for key in row))
