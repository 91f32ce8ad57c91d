"""DuckDB: one transaction per load, Arrow both ways.

Reads stream; a load is `INSERT … SELECT` over the batches themselves. Several sessions of one file share one engine
within the process, and a named lock is a lock of this process, for DuckDB lets no other process write the file.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import duckdb
import pyarrow as pa

from flowc.catalog import Column, Index, Table, TableName
from flowc.errors import DataError, EngineError, FlowcError, TransientError
from flowc.runtime.arrow import arrow_field, arrow_schema
from flowc.runtime.fit import fit
from flowc.runtime.names import derived, listed, literal, qualified, quoted
from flowc.runtime.options import database_path
from flowc.types import DataType, Kind, parse_type

_BATCH = 65_536
_LOCKS: dict[tuple[str, str], threading.Lock] = {}
_LOCKS_GUARD = threading.Lock()
# Four bytes here, eight elsewhere; not inside a quoted name.
_FLOAT = re.compile(r'\bFLOAT\b(?=[^"]*(?:"[^"]*"[^"]*)*$)')

# Kinds that travel as text and that DuckDB itself turns into its own.
_FROM_TEXT = {Kind.UUID: "CAST({} AS UUID)", Kind.JSON: "CAST({} AS JSON)", Kind.INT128: "CAST({} AS HUGEINT)"}
_AS_TEXT, _AS_JSON = "CAST({} AS VARCHAR)", "CAST(to_json({}) AS VARCHAR)"
_NOT_IN_ARROW = ("MAP(", "UNION(")
_TO_TEXT = {
    **dict.fromkeys((Kind.UUID, Kind.TEXT, Kind.JSON, Kind.INT128, Kind.UNKNOWN), _AS_TEXT),
    Kind.STRUCT: _AS_JSON,
}


class DuckDB:
    """One session of a DuckDB file, or of a database in memory."""

    kind = "duckdb"

    def __init__(self, options: Mapping[str, object]) -> None:
        self._path = database_path(options, "duckdb")
        self._connection: Any = None
        self._open_transaction = False
        self._held: list[threading.Lock] = []

    def open(self) -> None:
        if self._connection is not None:
            return
        try:
            self._connection = duckdb.connect(self._path)
            self._connection.execute("SET TimeZone = 'UTC'")
            # A bar of the engine's own would mix with what flowc prints.
            self._connection.execute("SET enable_progress_bar = false")
        except duckdb.Error as error:
            raise _cannot_open(self._path, error) from error

    def close(self) -> None:
        if self._connection is None:
            return
        self.rollback()
        self._connection.close()
        self._connection = None

    def begin(self) -> None:
        self._run("BEGIN TRANSACTION")
        self._open_transaction = True

    def commit(self) -> None:
        try:
            self._run("COMMIT")
        finally:
            self._ended()

    def rollback(self) -> None:
        if not self._open_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            pass  # A statement that failed may have ended it already.
        finally:
            self._ended()

    def _ended(self) -> None:
        self._open_transaction = False
        while self._held:
            self._held.pop().release()

    def lock(self, name: str) -> None:
        with _LOCKS_GUARD:
            lock = _LOCKS.setdefault((self._path, name), threading.Lock())
        if lock not in self._held:
            lock.acquire()
            self._held.append(lock)

    def execute(self, sql: str) -> int:
        result = self._run(sql)
        shape = [column[0] for column in result.description or ()]
        if shape != ["Count"]:
            return 0
        row = result.fetchone()
        return int(row[0]) if row else 0

    def query(self, sql: str) -> pa.Table:
        schema, batches = self.read(sql)
        return pa.Table.from_batches(list(batches), schema)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        described = self._described(sql)
        columns = [Column(name, _type(spelled)) for name, spelled in described]
        names = [f"c{i}" for i in range(len(columns))]
        chosen = [
            _AS_JSON.format(name) if spelled.startswith(_NOT_IN_ARROW) else _chosen(name, column.type)
            for name, column, (_, spelled) in zip(names, columns, described, strict=True)
        ]
        return arrow_schema(columns), self._stream(derived(sql, names, chosen), columns)

    def _stream(self, sql: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        # A cursor of its own would not see what the open transaction wrote, so the session's own connection it is.
        try:
            yield from _as_read(self._connection.sql(sql).to_arrow_reader(_BATCH), columns)
        except duckdb.Error as error:
            raise _failure(error) from error

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        live = self._live(table, columns, temporary=temporary)
        counted = _Counted(batches, live)
        reader = pa.RecordBatchReader.from_batches(counted.schema, counted)
        chosen = ", ".join(_stored(quoted(f"c{i}"), column) for i, column in enumerate(live))
        into = f"INSERT INTO {qualified(table)} ({listed(column.name for column in columns)})"
        try:
            self._connection.register("flowc_batches", reader)
            self._run(f"{into} SELECT {chosen} FROM flowc_batches")
        except FlowcError:
            if counted.failure is not None:
                raise counted.failure from None
            raise
        finally:
            # After a failure the transaction, and the name with it, is as good as gone.
            with suppress(duckdb.Error):
                self._connection.unregister("flowc_batches")
        return counted.rows

    def _live(self, table: TableName, columns: Sequence[Column], *, temporary: bool) -> tuple[Column, ...]:
        """The columns as the table has them where they travel in more than one form."""
        if not any(_loose(column.type) for column in columns):
            return tuple(columns)
        found = {column.name: column for column in self._columns(table, temporary=temporary)}
        return tuple(
            found.get(column.name, column) if column.type.kind is Kind.DECIMAL else column for column in columns
        )

    def table(self, name: TableName) -> Table | None:
        columns = self._columns(name, temporary=False)
        if not columns:
            return None
        keys, indexes = self._constraints(name), self._indexes(name)
        where = f"schema_name = {literal(name.schema or 'main')} AND table_name = {literal(name.name)}"
        comment = self._rows(f"SELECT comment FROM duckdb_tables() WHERE {where} AND NOT temporary")
        return Table(name, columns, keys, indexes, comment[0][0] if comment else None)

    def _columns(self, name: TableName, *, temporary: bool) -> tuple[Column, ...]:
        where = f"table_name = {literal(name.name)} AND " + (
            "database_name = 'temp'"
            if temporary
            else f"schema_name = {literal(name.schema or 'main')} AND database_name = current_database()"
        )
        rows = self._rows(
            "SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns() "
            f"WHERE {where} ORDER BY column_index"
        )
        return tuple(Column(r[0], _type(r[1]), bool(r[2]), r[3], r[4]) for r in rows)

    def _constraints(self, name: TableName) -> tuple[str, ...]:
        rows = self._rows(
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' AND "
            f"schema_name = {literal(name.schema or 'main')} AND table_name = {literal(name.name)} "
            "AND database_name = current_database()"
        )
        return tuple(rows[0][0]) if rows else ()

    def _indexes(self, name: TableName) -> tuple[Index, ...]:
        rows = self._rows(
            "SELECT index_name, is_unique, expressions FROM duckdb_indexes() WHERE "
            f"schema_name = {literal(name.schema or 'main')} AND table_name = {literal(name.name)} "
            "AND database_name = current_database() ORDER BY index_name"
        )
        return tuple(Index(_index_columns(r[2]), bool(r[1]), r[0]) for r in rows)

    def describe(self, sql: str) -> tuple[Column, ...]:
        return tuple(Column(name, _type(spelled)) for name, spelled in self._described(sql))

    def _described(self, sql: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._rows(f"DESCRIBE {sql}")]

    def explain(self, sql: str) -> str:
        return "\n".join(str(row[-1]) for row in self._rows(f"EXPLAIN {sql}"))

    def _rows(self, sql: str) -> list[Any]:
        rows: list[Any] = self._run(sql).fetchall()
        return rows

    def _run(self, sql: str) -> Any:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise _failure(error) from error


class _Counted:
    """The batches for DuckDB to pull, renamed by position; keeps the failure that DuckDB would turn into text."""

    def __init__(self, batches: Iterator[pa.RecordBatch], columns: Sequence[Column]) -> None:
        named = [Column(f"c{i}", column.type) for i, column in enumerate(columns)]
        self.schema = pa.schema([_sent(arrow_field(column)) for column in named])
        self.rows = 0
        self.failure: BaseException | None = None
        self._batches = batches
        self._columns = named
        self._refit = any(_loose(column.type) for column in columns)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                fitted = fit(batch, self._columns, first_row=self.rows + 1) if self._refit else batch
                self.rows += fitted.num_rows
                arrays = [array.cast(field.type) for array, field in zip(fitted.columns, self.schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        except BaseException as failure:
            self.failure = failure
            raise


def _sent(field: pa.Field) -> pa.Field:
    """The field as DuckDB takes it: it reads no 256-bit decimals."""
    return pa.field(field.name, pa.string() if pa.types.is_decimal256(field.type) else field.type)


def _loose(kind: DataType) -> bool:
    """Whether DuckDB has no exact type for it, so that the live column decides."""
    return kind.kind is Kind.DECIMAL and (kind.precision is None or kind.precision > 38)


def _stored(name: str, column: Column) -> str:
    if column.type.kind is Kind.STRUCT:
        fields = ", ".join(f"{quoted(field)} {kind}" for field, kind in column.type.fields)
        return f"CAST(CAST({name} AS JSON) AS STRUCT({fields}))"
    return _FROM_TEXT.get(column.type.kind, "{}").format(name)


def _chosen(name: str, kind: DataType) -> str:
    """The SQL that reads a value in the form in which it travels."""
    if kind.kind is not Kind.ARRAY or kind.element is None:
        return _TO_TEXT.get(kind.kind, "{}").format(name)
    inside = _chosen("e", kind.element)
    return name if inside == "e" else f"[{inside} FOR e IN {name}]"


def _as_read(reader: pa.RecordBatchReader, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    schema = arrow_schema(columns)
    for batch in reader:
        arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _type(spelled: str) -> DataType:
    """The type that DuckDB's own words name; what flowc has no word for is read as text."""
    if spelled.startswith(_NOT_IN_ARROW):
        return DataType(Kind.JSON)
    if spelled == '"NULL"':
        return DataType(Kind.UNKNOWN)
    if spelled == "BIT":
        return DataType(Kind.TEXT)
    try:
        return parse_type(_FLOAT.sub("REAL", spelled))
    except ValueError:
        return DataType(Kind.TEXT)


def _index_columns(expressions: str) -> tuple[str, ...]:
    inner = expressions.strip("[]")
    return tuple(part.strip().strip("'").strip('"') for part in inner.split(",")) if inner else ()


def _cannot_open(path: str, error: duckdb.Error) -> FlowcError:
    if "lock" in str(error).lower():
        message = f"cannot open `{path}`: another process has it open"
        return TransientError(message, code="connection-failed", details=(str(error),))
    return EngineError(f"cannot open `{path}`: {error}", code="connection-failed", help="check the path")


def _failure(error: duckdb.Error) -> FlowcError:
    """DuckDB's error as ours, in its own words."""
    words = str(error).strip()
    if isinstance(error, duckdb.ConstraintException):
        return DataError(words, code="constraint-violated")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return DataError(words, code="value-refused")
    if isinstance(error, duckdb.TransactionException) and "onflict" in words:
        return TransientError(words, code="write-conflict")
    return EngineError(words, code="query-refused")
