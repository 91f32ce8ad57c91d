"""DuckDB: one transaction per load, Arrow both ways.

Reads stream; a load is `INSERT … SELECT` over the batches themselves. Several sessions of one file share one engine
within the process, and a named lock is a lock of this process, for DuckDB lets no other process write the file.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any

import duckdb
import pyarrow as pa

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import DataError, EngineError, FlowcError, TransientError
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.violations import Violation
from flowc.runtime.names import derived, listed, literal, qualified, quoted
from flowc.runtime.options import database_path, demand_file, mend_of, text
from flowc.runtime.stores.databasefiles import note_closed, note_open, opened_by
from flowc.runtime.systems.duckdb import catalog
from flowc.runtime.systems.duckdb.names import makes_schema_of, opened, refuse_database_as_schema
from flowc.runtime.systems.duckdb.values import (
    Counted,
    as_read,
    is_loose,
    read_as,
    stored_as,
    type_of,
)
from flowc.runtime.systems.shared import constraints
from flowc.types import Kind

_BATCH = 65_536
_HELD = re.compile(r"Could not set lock on file|being used by another process")
_HOLDER = re.compile(r"\(PID (\d+)\)")
_EXCERPT = re.compile(r"\n+LINE \d+: .*\n *\^+")
_BROKEN = re.compile(r"Corrupt database file|IO Error: Could not read enough bytes from file")
_FORBIDDEN = re.compile(r'Cannot open file ".*": Permission denied')
_FULL = re.compile(r'Could not write file ".*": (?:No space left on device|File too large|Disk quota exceeded)')
_WAIT = "wait for its end; where it is a worker of a daemon (`flowc run`), stop the daemon"
_CONFLICT = re.compile(r"onflict|constraint violat")
"""Words of transactions that met another one: in a row, in the catalog, or, found when they commit, in a key."""
_ALONE = ""
_NOTHING = re.compile(r"(?!)")
_LOCKS: dict[tuple[str, str], threading.Lock] = {}
_LOCKS_GUARD = threading.Lock()


class DuckDB:
    """One session of a DuckDB file, or of a database in memory."""

    kind = "duckdb"
    keeps_transaction = False

    def __init__(self, options: Mapping[str, object]) -> None:
        self._path = database_path(options, "duckdb")
        self._files = text(options, "files")
        self._connection: Any = None
        self._real = self._name = ""
        self._qualifies = _NOTHING
        self._open_transaction = self._reads_only = self._begun = self._moves = False
        self._held: list[threading.Lock] = []
        self._tables: dict[TableName, str] = {}

    def open(self) -> None:
        if self._connection is not None:
            return
        demand_file(self._path)
        try:
            self._connection, self._name = opened(self._path)
            self._qualifies = re.compile(re.escape(quoted(self._name)[1:-1]) + r'"?\s*(?:\.|/\*|--)', re.IGNORECASE)
            self._real = note_open(self._path)
            self._connection.execute("SET TimeZone = 'UTC'")
            if self._files is not None:  # where relative paths in SQL start that the working folder does not have
                self._connection.execute(f"SET file_search_path = {literal(self._files)}")
            # A name that no table has is no variable of this program.
            self._connection.execute("SET python_enable_replacements = false")
            # A bar of the engine's own would mix with what flowc prints. In a notebook that cannot draw it, there is
            # none, and the engine refuses to be told.
            with suppress(duckdb.InvalidInputException):
                self._connection.execute("SET enable_progress_bar = false")
        except duckdb.Error as error:
            raise _cannot_open(self._path, error) from error

    def forbid_writes(self) -> None:
        self._reads_only = True

    def close(self) -> None:
        if self._connection is None:
            return
        self.rollback()
        self._connection.close()
        self._connection = None
        note_closed(self._real)

    def begin(self) -> None:
        self._run("BEGIN TRANSACTION")
        self._open_transaction = self._begun = True

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
        except duckdb.Error:
            pass  # A statement that failed may have ended it already, or the engine itself.
        finally:
            self._ended()
        if self._moves:
            self._reopen()

    def _ended(self) -> None:
        self._open_transaction = False
        while self._held:
            self._held.pop().release()

    def lock(self, table: TableName) -> None:
        if table not in self._tables:  # streams lock the same one again and again
            self._tables[table] = f"flowc:{self._resolved_beside(table).table}"
        lock = self._named(self._tables[table])
        if lock not in self._held:
            lock.acquire()
            self._held.append(lock)

    def _resolved_beside(self, table: TableName) -> Resolved:
        """By a session beside this one: a transaction that has read sees nothing that is committed later."""
        with self._beside() as beside:
            try:
                return catalog.resolved(lambda sql: beside.execute(sql).fetchall(), table)
            except duckdb.Error as error:
                raise self._failed(error) from error

    @contextmanager
    def _beside(self) -> Iterator[Any]:
        """A session beside this one, of the same database."""
        with closing(self._connection.cursor()) as beside:
            beside.execute(f"USE {quoted(self._name)}")
            yield beside

    def _named(self, name: str) -> threading.Lock:
        with _LOCKS_GUARD:
            return _LOCKS.setdefault((self._path, name), threading.Lock())

    def execute(self, sql: str) -> int:
        # Statements that commit by themselves take turns: of two that make one table at once, one would fail.
        with nullcontext() if self._open_transaction else self._named(_ALONE):
            return self._execute(sql)

    def _execute(self, sql: str) -> int:
        if makes_schema_of(sql, self._name):
            self._make_own_schema(sql)
        self._begun = False
        result = self._run(sql)
        # Of a text without a statement there is no result at all.
        shape = [column[0] for column in (result and result.description) or ()]
        try:
            row = result.fetchone() if shape else None
            while row is not None and result.fetchmany(_BATCH):
                pass  # a result that is not read to its end blocks the connection
        except duckdb.Error as error:
            raise self._failed(error) from error
        return int(row[0]) if row is not None and shape == ["Count"] else 0

    def _make_own_schema(self, sql: str) -> None:
        """Makes the schema that has the name of its file, and opens the file under another one."""
        with self._beside() as beside:
            beside.execute(sql)
        if self._open_transaction and not self._begun:
            message = f"the schema `{self._name}` was made, and the file of that name has to be opened anew"
            self._moves = True
            raise TransientError(message, code="write-conflict", help="nothing else was written; do it again")
        held, self._held, began = self._held, [], self._open_transaction
        self._reopen()
        self._held = held
        if began:
            self.begin()

    def _reopen(self) -> None:
        self._moves = False
        self.close()
        self.open()

    def query(self, sql: str) -> pa.Table:
        schema, batches = self.read(sql)
        return pa.Table.from_batches(list(batches), schema)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        described = self._described(sql)
        columns = [Column(name, type_of(spelled)) for name, spelled in described]
        names = [f"c{i}" for i in range(len(columns))]
        chosen = [read_as(name, spelled) for name, (_, spelled) in zip(names, described, strict=True)]
        return arrow_schema(columns), self._stream(derived(sql, names, chosen), columns)

    def _stream(self, sql: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        self._refuse(sql)
        # A cursor of its own would not see what the open transaction wrote, so the session's own connection it is.
        try:
            with self._reading():
                yield from as_read(self._connection.sql(sql).to_arrow_reader(_BATCH), columns)
        except (duckdb.Error, OSError, pa.ArrowException) as error:  # Arrow's reader gives those of later batches so
            raise self._failed(error) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A transaction that can only read, in a session that only reads."""
        if not self._reads_only or self._open_transaction:
            yield
            return
        self._run("BEGIN TRANSACTION READ ONLY")
        try:
            yield
        finally:
            with suppress(duckdb.Error):  # an error of the engine may have ended it
                self._connection.execute("ROLLBACK")

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        live = self._live(table, columns, temporary=temporary)
        counted = Counted(batches, live, refit=live != tuple(columns))
        reader = pa.RecordBatchReader.from_batches(counted.schema, counted)
        chosen = ", ".join(stored_as(quoted(f"c{i}"), column.type) for i, column in enumerate(live))
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
        if not any(is_loose(column.type) for column in columns):
            return tuple(columns)
        table = table if temporary else catalog.found_name(self._rows, table)
        found = {column.name: column for column in catalog.read_columns(self._rows, table, temporary=temporary)}
        return tuple(
            found.get(column.name, column) if column.type.kind is Kind.DECIMAL else column for column in columns
        )

    def table(self, name: TableName) -> Table | None:
        return catalog.read_table(self._rows, name)

    def violated(self, table: TableName, words: str) -> tuple[Violation, ...]:
        return constraints.of_duckdb(self._rows, self.table(table), words)

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        return {name: found for name in names if (found := self.table(name)) is not None}

    def resolved(self, name: TableName) -> Resolved:
        return catalog.resolved(self._rows, name)

    def rehearse(self, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
        self.open()
        texts = [sql for _, sql in statements]
        # Beside a database of that name, the names in the copy would be ambiguous.
        own = any(makes_schema_of(sql, self._name) for sql in texts)
        return {} if own else rehearse(self._connection, self._name, texts)

    def names(self) -> tuple[TableName, ...]:
        return catalog.names(self._rows)

    def describe(self, sql: str) -> tuple[Column, ...]:
        return tuple(Column(n, type_of(own), spelled=own) for n, own in self._described(sql))

    def _described(self, sql: str) -> list[tuple[str, str]]:
        with self._reading():
            return [(row[0], row[1]) for row in self._rows(f"DESCRIBE {sql}")]

    def explain(self, sql: str) -> str:
        with self._reading():
            return "\n".join(str(row[-1]) for row in self._rows(f"EXPLAIN {sql}"))

    def _rows(self, sql: str) -> list[Any]:
        rows: list[Any] = self._run(sql).fetchall()
        return rows

    def _run(self, sql: str) -> Any:
        self._refuse(sql)
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _refuse(self, sql: str) -> None:
        """Refuses a statement that would read another table than it names, or a file that flowc has open."""
        self._refuse_open_files(sql)
        if not self._qualifies.search(sql):
            return
        # An error would end the transaction of the session. A statement that DuckDB refuses fails by itself.
        with self._beside() as beside, suppress(duckdb.Error):
            refuse_database_as_schema(beside, sql, self._name)

    def _refuse_open_files(self, sql: str) -> None:
        """To read any file, and to attach one of SQLite, drops the locks that this process has on it."""
        if (path := opened_by(sql, self._real)) is not None:
            message = f"DuckDB cannot read `{path}`: it belongs to a database that flowc has open"
            raise EngineError(message, code="query-refused", help="read it through a connection of its own kind")

    def _failed(self, error: Exception) -> FlowcError:
        if _BROKEN.match(str(error)):
            message = f"cannot use `{self._path}`: {error}"
            return EngineError(message, code="connection-failed", help="check the path, or bring the file back")
        if _FORBIDDEN.search(str(error)):  # of the log beside the file, which is made when something is written
            message = f"cannot write `{self._path}`: {error}"
            return EngineError(message, code="connection-failed", help=mend_of(self._path))
        if _FULL.search(str(error)):
            message = f"cannot write `{self._path}`: {error}"
            return EngineError(message, code="connection-failed", help="make room on its disk")
        return _failure(error)


_VALUE = re.compile(r"(?:Conversion|Out of Range) Error: ")
"""What an error is about whose class Arrow has hidden."""


def _cannot_open(path: str, error: duckdb.Error) -> FlowcError:
    if _HELD.search(str(error)):
        holder = _HOLDER.search(str(error))
        who = f"process {holder[1]}" if holder is not None else "another process"
        message = f"cannot open `{path}`: {who} has it open, and a DuckDB file is open in one process at a time"
        return TransientError(message, code="connection-failed", help=_WAIT)
    return EngineError(f"cannot open `{path}`: {error}", code="connection-failed", help=mend_of(path))


def _failure(error: Exception) -> FlowcError:
    """DuckDB's error as ours, in its own words."""
    words = str(error).strip()
    if isinstance(error, duckdb.ConstraintException):
        return DataError(words, code="constraint-violated")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException) or _VALUE.match(words):
        return DataError(words, code="value-refused")
    if isinstance(error, duckdb.TransactionException) and _CONFLICT.search(words):
        return TransientError(words, code="write-conflict")
    found = _EXCERPT.search(words)
    details = tuple(found[0].strip().splitlines()) if found else ()
    return EngineError(_EXCERPT.sub("", words).strip(), code="query-refused", details=details)


_COPY = "flowc_rehearsal"


def rehearse(connection: Any, name: str, statements: Sequence[str]) -> dict[int, str]:
    """Tries statements on an empty copy of the database in memory: by their places, those that it refuses, and why.

    Nothing where the database cannot be copied.
    """
    try:
        with closing(connection.cursor()) as beside:
            return _rehearsed(beside, name, statements)
    except duckdb.Error:
        return {}
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH DATABASE IF EXISTS {_COPY}")


def _rehearsed(beside: Any, name: str, statements: Sequence[str]) -> dict[int, str]:
    beside.execute(f"ATTACH ':memory:' AS {_COPY}")
    beside.execute(f"COPY FROM DATABASE {quoted(name)} TO {_COPY} (SCHEMA)")
    beside.execute(f"USE {_COPY}")
    refused = {}
    for place, statement in enumerate(statements):
        try:
            if len(beside.extract_statements(statement)) > 1:
                refused[place] = "it holds more than one statement"
            else:
                beside.execute(statement)
        except duckdb.Error as error:
            refused[place] = str(error).splitlines()[0]
    return refused


SESSION = DuckDB
