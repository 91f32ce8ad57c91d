"""The contract between the runtime and a database.

One `Database` is one open session with one transaction at a time, used by one thread. Constructors only store
arguments; `open` connects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import EngineError, UsageError
from flowc.loadplan import Attach, Stamp
from flowc.migration import TableCommit

if TYPE_CHECKING:
    import pyarrow as pa


class Database(Protocol):
    """A database that loads can read and write.

    Every method may raise `TransientError` (connection lost, lock timeout, serialization failure), `DataError` (a value
    or constraint of the data) or `EngineError` (anything else the engine refused); their messages hold the engine's own
    words and never a secret.
    """

    kind: str

    def open(self) -> None:
        """Connects. A second call does nothing."""

    def forbid_writes(self) -> None:
        """Has the session read only, from now on: the engine refuses statements and functions that write.

        Called before the first transaction.
        """

    def close(self) -> None:
        """Ends the session, rolling back an open transaction. May be called twice, or never."""

    def begin(self) -> None:
        """Starts a transaction."""

    def commit(self) -> None:
        """Commits it. When this raises, nothing of it may be assumed."""

    def rollback(self) -> None:
        """Undoes it; harmless outside a transaction."""

    def lock(self, table: TableName) -> None:
        """Waits for the lock of loads of a table, however that is spelled; held until the transaction ends."""

    def execute(self, sql: str) -> int:
        """Runs one statement; returns the rows it touched (0 where that has no meaning)."""

    def query(self, sql: str) -> pa.Table:
        """The whole result of a small query."""

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Streams a query's result in bounded memory. Types are exact: decimals are decimals, JSON and uuid text.

        The iterator must be used up or closed before the next call on this session.
        """

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        """Bulk-loads batches into the named columns inside the current transaction; returns the rows.

        Batches have the Arrow types of `flowc.runtime.arrow.arrow_type(column.type)`, one column each, in that order.
        """

    def table(self, name: TableName) -> Table | None:
        """The live table, or None."""

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        """Those of the named tables that are there, with all that whoever changes them has to know."""

    def resolved(self, name: TableName) -> Resolved:
        """The table that a name means here, as the engine resolves it: by its schema, its case and its defaults."""

    def names(self) -> tuple[TableName, ...]:
        """All tables of users and of flowc, without the engine's own; those in the default schema without it."""

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Columns and types of a query, without running it."""

    def explain(self, sql: str) -> str:
        """The engine's plan for a query, without running it."""


def stored_name(names: Iterable[str], table: TableName, database: Database) -> str:
    """Under which name flowc's own tables speak of a table: the first of `names`, which are stored, that means it.

    A spelling that was stored stays, so that whoever began with it goes on; else the name is that of the database.
    """
    here = database.resolved(table)
    own = str(here.kept)
    return next((name for name in names if name == own or _means(name, here.table, database)), own)


def stored_target(stored: Iterable[object], connection: str, table: TableName, database: Database) -> str:
    """Under which name flowc's own tables speak of the target of a load: `stored` has the name of a connection first.

    That may be the name that the connection had before: it is this database that holds the rows.
    """
    own = f"{connection}."
    names = sorted(map(str, stored), key=lambda name: not name.startswith(own))
    tables = {name: name.removeprefix(own) if name.startswith(own) else name.partition(".")[2] for name in names}
    called = stored_name(tables.values(), table, database)
    return next((name for name, kept in tables.items() if kept == called), own + called)


def _means(name: str, table: TableName, database: Database) -> bool:
    try:
        return database.resolved(TableName.parse(name)).table == table
    except (ValueError, EngineError):  # a name of which this database can make nothing
        return False


@runtime_checkable
class Rehearsing(Database, Protocol):
    """A database whose tables can be copied without rows in a moment, so that DDL can be tried before it is done."""

    def rehearse(self, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
        """Tries statements, each with its table, on such copies: by their places those that are refused, and why."""


@runtime_checkable
class Attaching(Database, Protocol):
    """A database that can read another file, where flowc itself says so."""

    def attach_file(self, statement: str) -> None:
        """Runs a statement that attaches a file of flowc's own."""


@runtime_checkable
class TableStore(Database, Protocol):
    """A place whose tables are files with a log, beside which a private database runs the SQL of loads.

    A transaction that is attached to a table changes it in one commit, and that fails with `TransientError` when
    another writer came first.
    """

    @property
    def control_file(self) -> Path:
        """The SQLite file for the history and the locks of plans that are applied to these tables."""

    def view(self, table: TableName) -> None:
        """Makes one table, as it is now, readable for queries under its name, until the transaction ends."""

    def alter(self, commit: TableCommit) -> None:
        """Makes the commit, if the table is still as it was viewed in this transaction.

        Raises:
            TransientError: another writer was first.
            DataError: the table refuses rows.
        """

    def attach(self, step: Attach) -> None:
        """Ties the open transaction to a table, as `Attach` says."""

    def watermarks(self, table: TableName) -> pa.Table:
        """What loads remembered with a table: project, pipeline_name, target, column_name, value, loaded_at."""

    def set_watermarks(
        self, table: TableName, rows: Sequence[Mapping[str, Any]], gone: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Commits such rows, if the table is still as `watermarks` has told last; one without `value` is forgotten.

        Loads of those that are `gone` go on under another name.

        Raises:
            TransientError: another writer was first.
        """

    def stamp(self, table: TableName, application: str) -> int | None:
        """The number that an application has last committed with a table, 0 for none; None without the table."""

    def note(self, table: TableName, stamp: Stamp) -> str | None:
        """The note that went with the commit of a stamp, where one of the newest commits has it."""

    def record(self, stamp: Stamp, note: str) -> bool:
        """Lets the commit of the attached table carry a stamp and its note; False where the table has another one."""

    def stamps(self, table: TableName, prefix: str) -> dict[Stamp, str]:
        """The stamps of applications of that prefix, each with its note, as far as the log goes back."""

    def restamp(self, table: TableName, moves: Mapping[Stamp, tuple[str, str]]) -> None:
        """Commits stamps under the names of other applications, each with a note; none under the former names.

        Raises:
            TransientError: another writer was first.
        """

    def dataset(self, table: TableName) -> Any:
        """The table as it is now, as a pyarrow dataset.

        Raises:
            EngineError: there is no such table.
        """


@runtime_checkable
class Guarding(Database, Protocol):
    """A database that can forbid statements to end a transaction."""

    def begin_guarded(self) -> None:
        """Starts a transaction that `commit` and `rollback` alone can end, where the server has such transactions."""


def transaction_ended() -> UsageError:
    """What to say of a statement that has ended the transaction in which it ran."""
    return UsageError(
        "the statement ended the load's transaction: what was written until then stays as the statement left it",
        code="transaction-ended",
        help="look at the table, and run the statement outside of the load",
    )


@runtime_checkable
class StorageEngines(Database, Protocol):
    """A database that keeps tables by several engines, of which some cannot undo what was written."""

    def require_transactions(self, tables: Sequence[TableName]) -> None:
        """Raises UsageError (`no-transactions`) for one of the tables that is kept so. One that is missing is not."""


def require_transactions(target: Database, tables: Sequence[TableName]) -> None:
    """Raises UsageError (`no-transactions`) where what is written into one of the tables could not be undone."""
    if isinstance(target, StorageEngines):
        target.require_transactions(tables)


@runtime_checkable
class WireCopy(Database, Protocol):
    """A database that can hand rows to another of its kind in its own binary form, undecoded.

    What `wire_types` returns is for `takes_wire` of such a database alone.
    """

    def wire_types(self, sql: str) -> Sequence[Any]:
        """The exact types of a query's columns."""

    def takes_wire(self, table: TableName, names: Sequence[str], source: Sequence[Any]) -> bool:
        """Whether every value of those types arrives unchanged in those columns."""

    def wire_out(self, sql: str) -> Iterator[tuple[int, bytes]]:
        """A query's rows in pieces: about how many rows, and their bytes."""

    def wire_in(self, table: TableName, names: Sequence[str], pieces: Iterator[tuple[int, bytes]]) -> int:
        """Loads such pieces inside the current transaction; returns the rows."""
