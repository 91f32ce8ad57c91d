"""Columns of messages that the sample systems do not have."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

_TYPES = {"_key": pa.binary(), "_headers": pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))}


def with_columns(messages: pa.RecordBatch, asked: Sequence[str]) -> pa.RecordBatch:
    """Messages with the columns that are asked for, NULL in each."""
    for name, kind in _TYPES.items():
        if name in asked:
            messages = messages.append_column(pa.field(name, kind), pa.nulls(messages.num_rows, kind))
    return messages
