"""Rows as stripes of ORC."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.runtime.formats.columnar import GROUP_BYTES, ColumnarEncoding, Wider
from flowc.runtime.formats.encoding import Encoding
from flowc.types import Kind

_WIDER: Wider = {
    Kind.UINT8: pa.int16(), Kind.UINT16: pa.int32(), Kind.UINT32: pa.int64(), Kind.UINT64: pa.decimal128(20, 0),
    Kind.TIME: pa.string(),
}  # fmt: skip
_CODECS = {"none": "uncompressed", "gzip": "zlib"}


def encoding(columns: Sequence[Column], write: Mapping[str, object], compression: str) -> Encoding:
    """How files of ORC hold rows that are fitted to the columns."""
    orc, codec = importlib.import_module("pyarrow.orc"), _CODECS.get(compression, compression)
    return ColumnarEncoding(
        columns, _WIDER,
        lambda stream, schema: _Writer(orc.ORCWriter(stream, compression=codec, stripe_size=GROUP_BYTES), schema),
    )  # fmt: skip


@dataclass
class _Writer:
    inner: Any
    schema: pa.Schema
    is_empty: bool = True

    def write(self, table: pa.Table) -> None:
        self.is_empty = False
        self.inner.write(table)

    def close(self) -> None:
        if self.is_empty:
            self.inner.write(self.schema.empty_table())  # the schema is that of the first table
        self.inner.close()

    def abandon(self) -> None:
        self.inner.is_open = False  # else its end writes a footer into the closed file
