"""DataFusion: queries over files and over the rows of several databases.

One `Engine` serves one read. Files are registered where they lie; rows of databases are put aside first, in memory or
in a temporary file. Results stream, and sorts and aggregates spill to disk beyond a share of the machine's memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from flowc.catalog import Column
from flowc.errors import DataError, EngineError, FlowcError
from flowc.plan import EngineRead, FilesRead
from flowc.runtime.arrow import arrow_field, arrow_type, columns_of, plain
from flowc.runtime.connector import Database
from flowc.runtime.connectors.files import Files
from flowc.runtime.convert import convert, parse
from flowc.runtime.csvfiles import Part, fault, register_csv
from flowc.runtime.enginewords import spoken
from flowc.runtime.fit import fit, misfit_in_file
from flowc.runtime.jsonl import read_jsonl
from flowc.runtime.names import quoted
from flowc.runtime.parquet import register_parquet
from flowc.runtime.spool import Spool
from flowc.types import UNKNOWN, DataType, Kind

Sources = Callable[[str], Database | Files]
"""Opens what a connection's name stands for. A database must be a session of its own, used for this read alone."""

_ENGINE_DECIMAL = DataType(Kind.DECIMAL, precision=38, scale=10)
"""What a numeric without precision becomes inside the engine, which has no such type; a value that needs more fails."""
_MEMORY_SHARE = 0.5


class Engine:
    """A DataFusion session and what it put aside. Use as a context manager."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._spool = Spool()
        self._parts: list[Part] = []
        self._failures: list[DataError] = []
        self._functions = 0
        # Imported when first needed: it takes longer to load than most loads take.
        import datafusion

        self._udf = datafusion.udf
        # That parser reads lambdas and struct literals too; the compiler's translations need them.
        settings = datafusion.SessionConfig(
            {"datafusion.execution.time_zone": "+00:00", "datafusion.sql_parser.dialect": "duckdb"}
        )
        runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(_memory())
        self._context = datafusion.SessionContext(settings, runtime)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def read(self, read: EngineRead) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The schema and the rows of a query over its inputs."""
        for name, source in read.inputs:
            self._register(name, source, rows=True)
        return self._query(_text(read))

    def describe(self, read: EngineRead) -> tuple[Column, ...]:
        """The columns of a query, from the schemas of its inputs alone."""
        for name, source in read.inputs:
            self._register(name, source, rows=False)
        return columns_of(self._guard(lambda: self._context.sql(_text(read)).schema()))

    def _register(self, name: str, source: Any, *, rows: bool) -> None:
        if isinstance(source, FilesRead):
            self._guard(lambda: self._register_files(name, source, rows=rows))
            return
        database = self._sources(source.connection)
        if isinstance(database, Files):
            raise EngineError(f"`{source.connection}` is no database", code="query-refused")
        if not rows:
            self._put(name, pa.schema([arrow_field(c) for c in database.describe(source.sql)]), iter(()))
            return
        self._put(name, *database.read(source.sql))

    def _register_files(self, name: str, read: FilesRead, *, rows: bool) -> None:
        files = self._sources(read.connection)
        if not isinstance(files, Files):
            raise EngineError(f"`{read.connection}` is no folder of files", code="query-refused")
        folder = self._spool.folder
        if read.format == "csv":
            self._parts += register_csv(self._context, name, read, files, folder=folder, fitted=self._fitted)
        elif read.format == "parquet":
            register_parquet(self._context, name, read, files, folder=folder, fitted=self._fitted)
        else:
            schema, batches = read_jsonl(read, files)
            self._put(name, schema, batches if rows else iter(()))

    def _put(self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Registers rows from outside the engine, in types that it has."""
        columns = tuple(Column(c.name, _engine_type(c.type)) for c in columns_of(schema))
        fields = pa.schema([pa.field(c.name, arrow_type(c.type)) for c in columns])
        kept = self._spool.put(fields, _fitted_batches(batches, columns, fields))
        if isinstance(kept, Path):
            self._context.register_arrow(name, str(kept))
        else:
            empty = pa.RecordBatch.from_pylist([], schema=fields)
            self._context.register_record_batches(name, [kept or [empty]])

    def _fitted(self, sql: str, source: DataType, column: Column) -> str:
        """SQL that converts one column exactly, from texts of a file when `source` is UNKNOWN.

        What fails is kept here, for the engine tells little of it.
        """

        def check(array: pa.Array) -> pa.Array:
            return parse(array, column.type) if source is UNKNOWN else convert(array, source, column.type, None)

        def exactly(array: pa.Array) -> pa.Array:
            array = plain(array)
            try:
                return check(array)
            except ValueError as error:
                self._failures.append(misfit_in_file(column, array, check, error))
                raise

        self._functions += 1
        name = f"flowc_fit_{self._functions}"
        given = pa.string() if source is UNKNOWN else arrow_type(source)
        self._context.register_udf(self._udf(exactly, [given], arrow_type(column.type), "immutable", name))
        return f"{name}({sql})"

    def _query(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        frame = self._guard(lambda: self._context.sql(sql))
        schema = pa.schema([arrow_field(column) for column in columns_of(frame.schema())])
        return schema, self._stream(frame, schema)

    def _stream(self, frame: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        stream = self._guard(frame.execute_stream)
        while True:
            batch = self._guard(lambda: next(stream, None))
            if batch is None:
                return
            arrays = [plain(array) for array in batch.to_pyarrow().columns]
            yield pa.RecordBatch.from_arrays(
                [a.cast(f.type) if a.type != f.type else a for a, f in zip(arrays, schema, strict=True)], schema=schema
            )

    def _guard(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, with the engine's failures as ours."""
        try:
            return work()
        except FlowcError:
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # A panic of the engine is no Exception.
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> FlowcError:
        if self._failures:
            return self._failures[0]
        words = spoken(error)
        if type(error).__name__ == "PanicException":
            return EngineError(f"the engine broke down: {words}", code="engine-panic")
        if any(sign in str(error) for sign in _FILE_SIGNS) and (found := fault(self._parts, self._spool.folder)):
            return found
        return EngineError(words, code="query-refused")


_FILE_SIGNS = ("Csv error", "Parser error", "Error while parsing", "incorrect number of fields")


def _memory() -> int:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return int(pages * size * _MEMORY_SHARE)


def _text(read: EngineRead) -> str:
    return read.sql if read.sql is not None else f"SELECT * FROM {quoted(read.inputs[0][0])}"


def _engine_type(kind: DataType) -> DataType:
    unbounded = kind.kind is Kind.DECIMAL and (kind.precision is None or kind.precision > 76)
    return _ENGINE_DECIMAL if unbounded else kind


def _fitted_batches(
    batches: Iterator[pa.RecordBatch], columns: tuple[Column, ...], fields: pa.Schema
) -> Iterator[pa.RecordBatch]:
    row = 1
    for batch in batches:
        made = fit(batch, columns, first_row=row)
        yield pa.RecordBatch.from_arrays(made.columns, schema=fields)
        row += batch.num_rows
