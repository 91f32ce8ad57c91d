"""Rows as lines of pairs; NULL has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.formats.encoding import Encoding, TextEncoding
from flowc.runtime.text.jsonvalues import plain_text


def encoding(columns: Sequence[Column], write: Mapping[str, object], compression: str) -> Encoding:
    """How files hold rows that are fitted to the columns."""
    return TextEncoding(lambda rows: _lines(rows, columns), compression)


def messages(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.BinaryArray:
    """The bytes of a message for each row."""
    return _lines(rows, columns).cast(pa.binary())


def _lines(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.StringArray:
    pairs = [
        pc.binary_join_element_wise(f"{column.name}=", plain_text(array, column), "")
        for array, column in zip(rows.columns, columns, strict=True)
    ]
    return pc.binary_join_element_wise(*pairs, " ", null_handling="skip")
