"""Rows as JSON objects, one text each: what `flowc.runtime.formats.json.decode` reads comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flowc.catalog import Column
from flowc.runtime.formats.encoding import Encoding, TextEncoding
from flowc.runtime.text.jsonvalues import json_values


def encoding(columns: Sequence[Column], write: Mapping[str, object], compression: str) -> Encoding:
    """How files of JSON lines hold rows that are fitted to the columns."""
    return TextEncoding(lambda rows: json_rows(rows, columns), compression)


def messages(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.BinaryArray:
    """One object for each row, as bytes. `rows` are fitted to the columns.

    Raises:
        DataError: a number that JSON has not, such as NaN.
    """
    return json_rows(rows, columns).cast(pa.binary())


def json_rows(rows: pa.RecordBatch, columns: Sequence[Column]) -> pa.StringArray:
    """One object for each row, on one line. `rows` are fitted to `columns`.

    Raises:
        DataError: a number that JSON has not, such as NaN.
    """
    pieces: list[pa.Array | str] = []
    for column, array in zip(columns, rows.columns, strict=True):
        pieces += [
            f"{',' if pieces else '{'}{json.dumps(column.name, ensure_ascii=False)}:",
            json_values(array, column),
        ]
    if not pieces:
        return pa.repeat(pa.scalar("{}"), rows.num_rows)
    return pc.binary_join_element_wise(*pieces, "}", "")
