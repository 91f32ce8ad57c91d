"""Rows of a test as those of a Parquet file: written as JSON, and of the types that a stream has of Parquet."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from flowc.runtime.contracts.decoder import Decoded, Decoding
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.formats.parquet.decode import ParquetDecoder
from flowc.stream import SourcePlan


def parquet_decoding(source: SourcePlan) -> Decoding:
    """How rows of a source are read, each as one of a file with all of its columns."""
    columns = source.columns or ()
    texts, rows = JsonDecoder(tuple(replace(c, nullable=True) for c in columns)), ParquetDecoder(columns)

    def decode(messages: pa.RecordBatch) -> Decoded:
        written = texts.decode(messages.column("_value"))
        found = rows.decode(written.batch.to_struct_array())
        bad = (replace(row, index=written.rows[row.index].as_py()) for row in found.bad)
        return Decoded(found.batch, written.rows.take(found.rows), (*written.bad, *bad), written.skipped)

    return Decoding(rows.schema, decode)
