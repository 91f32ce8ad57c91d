"""Rows as row groups of Parquet."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.formats.columnar import ColumnarEncoding
from flowc.runtime.formats.encoding import Encoding


def encoding(columns: Sequence[Column], write: Mapping[str, object], compression: str) -> Encoding:
    """How files of Parquet hold rows that are fitted to the columns."""
    parquet = importlib.import_module("pyarrow.parquet")
    return ColumnarEncoding(
        columns, {}, lambda stream, schema: _Writer(parquet.ParquetWriter(stream, schema, compression=compression))
    )


@dataclass
class _Writer:
    inner: Any

    def write(self, table: pa.Table) -> None:
        self.inner.write_table(table, table.num_rows)

    def close(self) -> None:
        self.inner.close()

    def abandon(self) -> None:
        self.inner.is_open = False  # else its end writes a footer into the closed file
