"""SQLite, by the standard library: one `BEGIN IMMEDIATE` transaction per load.

The file's journal mode is left as it is. SQLite's own typing is dynamic, so declared types are checked when rows are
read, and the types of expressions, which declare none, are found by looking at their values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import DataError, EngineError, FlowcError, TransientError
from flowc.runtime.arrow import TYPE, arrow_field
from flowc.runtime.contracts.violations import Violation
from flowc.runtime.names import listed, qualified, quoted, without_end
from flowc.runtime.options import database_path, demand_file, mend_of
from flowc.runtime.stores.databasefiles import note_closed, note_open
from flowc.runtime.systems.shared import constraints
from flowc.runtime.systems.sqlite import catalog
from flowc.runtime.systems.sqlite import failures as sqlite_failures
from flowc.runtime.systems.sqlite.functions import register
from flowc.runtime.systems.sqlite.guard import guard
from flowc.runtime.systems.sqlite.values import load, read_type, store
from flowc.types import BIGINT, TEXT, UNKNOWN, DataType, Kind, parse_type

_BATCH = 20_000
_BUSY_SECONDS = 30.0
_VIEW = "flowc_described"
_BACK = "check the path, or bring the file back"
_UNUSABLE = {
    sqlite3.SQLITE_CORRUPT: _BACK, sqlite3.SQLITE_NOTADB: _BACK,
    sqlite3.SQLITE_FULL: "make room on its disk", sqlite3.SQLITE_IOERR: "check its disk and its folder",
}  # fmt: skip
"""What SQLite says of a file as a whole, by its codes, and the mend."""
_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)

# What the values of an expression are, by SQLite's names of their storage classes.
_STORED = {"integer": BIGINT, "real": DataType(Kind.FLOAT64), "text": TEXT, "blob": DataType(Kind.BINARY)}


class SQLite:
    """One session of an SQLite file, or of a database in memory."""

    kind = "sqlite"
    keeps_transaction = True

    def __init__(self, options: Mapping[str, object]) -> None:
        self._path = database_path(options, "sqlite")
        self._connection: sqlite3.Connection | None = None
        self._real = ""

    def open(self) -> None:
        if self._connection is not None:
            return
        demand_file(self._path)
        try:
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            message = f"cannot open `{self._path}`: {error}"
            raise EngineError(message, code="connection-failed", help=mend_of(self._path)) from error
        register(connection)
        guard(connection)
        self._connection = connection
        self._real = note_open(self._path)

    def forbid_writes(self) -> None:
        guard(self._session, reads_only=True)

    def attach_file(self, statement: str) -> None:
        """Attaches a file of flowc's own, which no statement of a spec can do."""
        guard(self._session, attaches=True)
        try:
            self._run(statement)
        finally:
            guard(self._session)

    @property
    def _session(self) -> sqlite3.Connection:
        if self._connection is None:
            self.open()
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            note_closed(self._real)

    def begin(self) -> None:
        self._run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._run("COMMIT")

    def rollback(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._run("ROLLBACK")

    def lock(self, table: TableName) -> None:
        """Nothing more to do: the transaction is the only writer of the file."""

    def execute(self, sql: str) -> int:
        before = self._session.total_changes
        self._run(sql)
        # `changes()` leaves out what triggers did, but keeps its number until the next change.
        return int(self._run("SELECT changes()").fetchone()[0]) if self._session.total_changes != before else 0

    def query(self, sql: str) -> pa.Table:
        schema, batches = self.read(sql)
        return pa.Table.from_batches(list(batches), schema)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        columns = self.describe(sql)
        schema = pa.schema([_read_field(column) for column in columns])
        return schema, self._stream(sql, columns, schema)

    def _stream(self, sql: str, columns: Sequence[Column], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        cursor, row = self._run(sql), 1
        try:
            while rows := cursor.fetchmany(_BATCH):
                values = zip(*rows, strict=True)
                arrays = [load(v, column, first_row=row) for v, column in zip(values, columns, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                row += len(rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        finally:
            cursor.close()

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        marks = ", ".join("?" * len(columns))
        insert = f"INSERT INTO {qualified(table)} ({listed(c.name for c in columns)}) VALUES ({marks})"
        count = 0
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH):
                part = batch.slice(start, _BATCH)
                values = [
                    store(array, column, first_row=count + 1)
                    for array, column in zip(part.columns, columns, strict=True)
                ]
                try:
                    self._session.executemany(insert, zip(*values, strict=True))
                except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
                    raise self._failed(error) from error
                count += part.num_rows
        return count

    def table(self, name: TableName) -> Table | None:
        return catalog.read_table(self._ask, name, _declared)

    def violated(self, table: TableName, words: str) -> tuple[Violation, ...]:
        return constraints.of_sqlite(self._ask, self.table(table), words)

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        return {name: found for name in names if (found := self.table(name)) is not None}

    def resolved(self, name: TableName) -> Resolved:
        return catalog.resolved(self._ask, name)

    def names(self) -> tuple[TableName, ...]:
        return catalog.names(self._ask)

    def rehearse(self, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
        return rehearse(self._ask, [sql for _, sql in statements])

    def _ask(self, sql: str) -> Sequence[tuple[Any, ...]]:
        return list(self._run(sql).fetchall())

    def describe(self, sql: str) -> tuple[Column, ...]:
        # Python does not tell declared types, but a view's columns have those of the columns they come from.
        self._run(f"CREATE TEMP VIEW {_VIEW} AS {without_end(sql)}")
        try:
            rows = self._run(f"PRAGMA temp.table_info({_VIEW})").fetchall()
            declared = {row[1]: _declared(row[2]) for row in rows}
            found = self._by_values([name for name, kind in declared.items() if kind is None])
        finally:
            self._run(f"DROP VIEW IF EXISTS temp.{_VIEW}")
        return tuple(Column(name, kind or found[name]) for name, kind in declared.items())

    def _by_values(self, names: Sequence[str]) -> dict[str, DataType]:
        """The types of expressions, from all of their values: no sample can promise what comes after it."""
        if not names:
            return {}
        each = ", ".join(f"group_concat(DISTINCT typeof({quoted(name)}))" for name in names)
        row = self._run(f"SELECT {each} FROM temp.{_VIEW}").fetchone()
        found = {name: set((classes or "null").split(",")) for name, classes in zip(names, row, strict=True)}
        self._refuse_overflow([name for name, classes in found.items() if {"integer", "real"} <= classes])
        return {name: _one_type(name, classes) for name, classes in found.items()}

    def _refuse_overflow(self, names: Sequence[str]) -> None:
        """Among integers, a real that is too great for one is an integer that overflowed: SQLite does not say so."""
        for name in names:
            large = f"typeof({quoted(name)}) = 'real' AND abs({quoted(name)}) >= {2**63}.0"
            row = self._run(f"SELECT {quoted(name)} FROM temp.{_VIEW} WHERE {large} LIMIT 1").fetchone()
            if row is not None:
                message = f"column `{name}` of the query holds integers, and {row[0]!r}, which is too great for one"
                raise DataError(message, code="arithmetic-overflow", help="CAST an operand AS REAL if floats are meant")

    def explain(self, sql: str) -> str:
        return "\n".join(str(row[3]) for row in self._run(f"EXPLAIN QUERY PLAN {sql}").fetchall())

    def _run(self, sql: str) -> sqlite3.Cursor:
        try:
            return self._session.execute(sql)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._failed(error) from error
        except UnicodeDecodeError as error:  # what SQLite says of a damaged file quotes what stands in it
            message = f"cannot use `{self._path}`: {error.object.decode('utf-8', errors='replace')}"
            raise EngineError(message, code="connection-failed", help=_BACK) from error

    def _failed(self, error: Exception) -> FlowcError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if mend := mend_of(self._path) if code in _UNWRITABLE else _UNUSABLE.get(code):
            return EngineError(f"cannot use `{self._path}`: {error}", code="connection-failed", help=mend)
        return _failure(error)


def _read_field(column: Column) -> pa.Field:
    field = arrow_field(column)
    if not column.type.is_integer:
        return field
    return field.with_type(read_type(column.type)).with_metadata({TYPE: str(column.type).encode()})


def _declared(spelled: str) -> DataType | None:
    """The type that a declaration names, None where it says nothing exact."""
    if spelled.upper() in ("", "NUM", "ANY"):
        return None
    # `INT` is how newer SQLites call the type of any whole expression.
    if spelled == "INT":
        return BIGINT
    try:
        kind = parse_type(spelled)
    except ValueError:
        return None
    # SQLite's REAL has 8 bytes, whatever it is called.
    return DataType(Kind.FLOAT64) if kind.kind is Kind.FLOAT32 else kind


def _one_type(name: str, classes: set[str]) -> DataType:
    classes.discard("null")
    if classes == {"integer", "real"}:
        return _STORED["real"]
    if len(classes) > 1:
        kinds = " and ".join(sorted(classes))
        message = f"column `{name}` of the query holds {kinds} values"
        raise DataError(message, code="mixed-types", help=f"CAST it in the SQL, for instance CAST({name} AS TEXT)")
    return _STORED[classes.pop()] if classes else UNKNOWN


_DENIED = (
    "a source is only read, and no statement attaches another file, loads code or writes the schema as a table: "
    "declare another file as a connection of its own"
)


def _failure(error: Exception) -> FlowcError:
    """SQLite's error as ours, in its own words."""
    words = str(error)
    if "user-defined function" in words and (told := sqlite_failures.words()) is not None:
        return DataError(told, code="value-refused")
    if isinstance(error, sqlite3.IntegrityError):
        return DataError(words, code="constraint-violated")
    if isinstance(error, sqlite3.OperationalError) and "locked" in words:
        return TransientError(f"{words}: another process is writing it", code="write-conflict")
    if isinstance(error, sqlite3.DataError | OverflowError) or "decode to UTF-8" in words:
        return DataError(words, code="value-refused")
    help = _DENIED if "not authorized" in words or "prohibited" in words else None
    return EngineError(words, code="query-refused", help=help)


_MADE = """
SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid
"""


def rehearse(ask: Callable[[str], Sequence[Any]], statements: Sequence[str]) -> dict[int, str]:
    """Tries statements on an empty copy of the database in memory: by their places, those that it refuses, and why.

    Nothing where the database cannot be copied.
    """
    made = [row[0] for row in ask(_MADE)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        register(copy)
        guard(copy)
        try:
            for statement in made:
                copy.execute(statement)
        except sqlite3.Error:
            return {}
        return _refused(copy, statements)


def _refused(copy: sqlite3.Connection, statements: Sequence[str]) -> dict[int, str]:
    refused = {}
    for place, statement in enumerate(statements):
        try:
            copy.execute(statement)
        except sqlite3.Error as error:
            refused[place] = str(error)
    return refused


SESSION = SQLite
