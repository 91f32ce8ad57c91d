"""The private DuckDB in which a load of a Delta table works. Nothing of it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from flowc.catalog import TableName
from flowc.errors import EngineError
from flowc.runtime.names import literal
from flowc.runtime.scratch import Scratch
from flowc.runtime.systems.delta.words import missing_words, plain_words
from flowc.runtime.systems.duckdb.session import DuckDB

_SHARE, _MOST = 0.25, 1 << 30
"""Memory that it may use: a share of the machine's, and no more than this. Beyond it, it works on the disk."""
_BATCH = 131_072


class Bench(DuckDB):
    """A database in memory, and beyond its share of that in a temporary folder."""

    kind = "delta"

    def __init__(self) -> None:
        super().__init__({"path": ":memory:"})
        self._spill = Scratch()

    def open(self) -> None:
        super().open()
        memory = min(_MOST, int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE))
        self._connection.execute(f"SET memory_limit = '{memory >> 20}MiB'")
        self._connection.execute(f"SET temp_directory = {literal(str(self._spill.path))}")

    def close(self) -> None:
        super().close()
        self._spill.close()

    def show(self, name: str, rows: Any) -> None:
        """Makes an Arrow dataset or table readable under a name."""
        self._connection.register(name, rows)

    def has(self, table: str, schema: str | None = None) -> bool:
        """Whether a load has made such a table."""
        return self.table(TableName(schema, table)) is not None

    def number(self, sql: str) -> int:
        """The number that a query returns."""
        value = self._rows(sql)[0][0]
        return int(value or 0)

    def values(self, sql: str) -> list[tuple[Any, ...]]:
        """The few rows of a query, as Python's values."""
        return [tuple(row) for row in self._rows(sql)]

    def schema(self, sql: str) -> pa.Schema:
        """The Arrow types of a query."""
        try:
            schema: pa.Schema = self._connection.sql(sql).to_arrow_reader(1).schema
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise _refused(error) from error
        return schema

    def stream(self, sql: str, schema: pa.Schema) -> pa.RecordBatchReader:
        """The rows of a query in the types of `schema`."""
        return pa.RecordBatchReader.from_batches(schema, self._batches(sql, schema))

    def _batches(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._connection.sql(sql).to_arrow_reader(_BATCH):
                arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise _refused(error) from error


def _refused(error: Exception) -> EngineError:
    """Why a query failed, which may do so at any of its batches, also with an error of Arrow or of the system."""
    missing = missing_words(error)
    if missing is None:
        return EngineError(plain_words(error), code="query-refused")
    message = f"a table of the lake cannot be read: {missing}"
    return EngineError(message, code="unreadable-file", help="bring the files back from a copy of the table")
