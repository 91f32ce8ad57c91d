"""MySQL (from 8.0.19) and MariaDB (from 10.6): one transaction per load, rows in by LOAD DATA, out by binary results.

Every session speaks with `"` around names, `||` for joining texts, in UTC, and strictly: what does not fit is an error.
Large reads have a session of their own, so they do not see what this session has not committed; inside a transaction
they go through this session. Where the server allows no LOAD DATA LOCAL, rows go in by INSERT, three times slower.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.database import transaction_ended
from flowc.runtime.contracts.violations import Violation
from flowc.runtime.extras import driver
from flowc.runtime.names import literal, qualified, without_end
from flowc.runtime.options import text
from flowc.runtime.pump import Pump
from flowc.runtime.systems.mysql import engines, types, wire
from flowc.runtime.systems.mysql.address import connect_arguments, connected
from flowc.runtime.systems.mysql.borne import with_borne
from flowc.runtime.systems.mysql.errors import failure, numbered, refused, unreachable
from flowc.runtime.systems.mysql.rehearsal import rehearse
from flowc.runtime.systems.mysql.rows import batch
from flowc.runtime.systems.mysql.text import inserts, lines, load_statement, slices
from flowc.runtime.systems.shared import constraints

_MODE = (
    "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    # A 0 that is loaded into a key that counts by itself is a value, not the wish for a new one.
    "NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'"
)
_SETTINGS = (
    _MODE,
    "time_zone = '+00:00'",
    # Names of days and months are the same on every engine, and GROUP_CONCAT cuts nothing off.
    "lc_time_names = 'en_US'",
    "group_concat_max_len = 4294967295",
    # The other side of a load may be slower than a server waits by itself.
    "net_read_timeout = 86400",
    "net_write_timeout = 86400",
    "wait_timeout = 86400",
    # What a bulk load could not take is told in warnings alone.
    "max_error_count = 64",
    "sql_notes = 1",
)
_READ_ONLY = "SET SESSION TRANSACTION READ ONLY"
_LOCK_SECONDS = 31_536_000
_IN_TRANSACTION = 1
_LOCAL_FORBIDDEN = (1148, 1235, 2068, 3948, 4166)
_INSERT_BYTES = 1 << 20
_NO_LOCAL = "`LOAD DATA LOCAL` of a statement's own reads no files: flowc gives the server none of this machine's"
_NO_LOCAL_HELP = "load the file by a pipeline that reads it, with a connection of kind `files`"
_TOUCHING = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class MySQL:
    """One session of a database."""

    kind = "mysql"
    keeps_transaction = True

    def __init__(self, options: Mapping[str, object]) -> None:
        self._url = text(options, "url") or ""
        self._connection: Any = None
        self._locks: list[str] = []
        self._began = False
        self._branch: str | None = None
        self._local = True

    def open(self) -> None:
        if self._connection is None or not self._connection.open:
            self._connection, self._locks, self._began, self._branch = self._connect(), [], False, None

    def _connect(self) -> Any:
        pymysql = driver("pymysql", "mysql")
        arguments, secrets = connect_arguments(self._url)
        try:
            more = {"charset": "utf8mb4", "autocommit": True, "local_infile": False, "client_flag": _flags()}
            connection = connected(pymysql, {**arguments, **more})
            connection.query("SET SESSION " + ", ".join(_SETTINGS))
            connection.query("SELECT @@explicit_defaults_for_timestamp")
            if not int(connection._result.rows[0][0]):
                # Else the first instant of a table would change with every update of its row.
                connection.query("SET SESSION explicit_defaults_for_timestamp = 1")
        except (pymysql.Error, OSError, RuntimeError) as error:
            raise unreachable(error, secrets) from None
        return connection

    def forbid_writes(self) -> None:
        self._run(_READ_ONLY)

    @property
    def _session(self) -> Any:
        self.open()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            if self._connection.open:
                self._connection._force_close()
            self._connection = None

    def begin(self) -> None:
        self._run("START TRANSACTION")
        self._began = True

    def begin_guarded(self) -> None:
        """A transaction by its other name: in one of XA, the server refuses what would end it, in a procedure too."""
        branch = literal(f"flowc:{uuid.uuid4().hex}", plain_backslash=False)
        try:
            if self._ask("SHOW SESSION VARIABLES WHERE variable_name = 'xa_detach_on_prepare' AND value = 'ON'"):
                self._run("SET SESSION xa_detach_on_prepare = 0")  # MySQL 8 allows no temporary tables with it
            self._run(f"XA START {branch}")
        except (EngineError, UsageError):
            self.begin()  # not every server has them, nor every user the right: then what ends it is noticed after it
            return
        self._began, self._branch = True, branch

    def commit(self) -> None:
        if not self._began or not self._alive or not self._in_transaction:
            self._began = False
            raise EngineError("the transaction had ended before it could be committed", code="query-refused")
        if self._branch is None:
            self._run("COMMIT")
        else:
            self._run(f"XA END {self._branch}")
            self._run(f"XA COMMIT {self._branch} ONE PHASE")
        self._began, self._branch = False, None
        self._unlock()

    def rollback(self) -> None:
        began, branch = self._began, self._branch
        self._began, self._branch = False, None
        if not (self._alive and began):
            return
        if branch is not None:
            with suppress(FlowcError):
                self._run(f"XA END {branch}")  # it may have ended already, by an error or on the way to a commit
        undone = self._run("ROLLBACK" if branch is None else f"XA ROLLBACK {branch}")
        warned = undone.warning_count and self._ask("SHOW WARNINGS")
        self._unlock()
        if any(int(code) == engines.NOT_UNDONE for _, code, _ in warned or ()):
            raise engines.not_undone()

    @property
    def _alive(self) -> bool:
        return self._connection is not None and bool(self._connection.open)

    @property
    def _in_transaction(self) -> bool:
        return bool(self._connection.server_status & _IN_TRANSACTION)

    def lock(self, table: TableName) -> None:
        """Locks have names of 64 characters at most, and are the server's, as the names of tables then are."""
        short = "flowc:" + hashlib.sha256(str(self.resolved(table).table).encode()).hexdigest()[:48]
        if self._ask(f"SELECT GET_LOCK({literal(short, plain_backslash=False)}, {_LOCK_SECONDS})")[0][0] != 1:
            raise TransientError("the lock of this load could not be had", code="write-conflict")
        self._locks.append(short)

    def _unlock(self) -> None:
        while self._locks:
            self._ask(f"SELECT RELEASE_LOCK({literal(self._locks.pop(), plain_backslash=False)})")

    def execute(self, sql: str) -> int:
        result = self._run(sql)
        if self._began and not self._in_transaction:
            self._began = False
            raise transaction_ended()
        touched = sql.lstrip().upper().startswith(_TOUCHING)
        return max(int(result.affected_rows or 0), 0) if touched else 0

    def query(self, sql: str) -> pa.Table:
        schema, batches = self._rows_of(self._session, sql)
        return pa.Table.from_batches(list(batches), schema)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        if self._began:
            return self._rows_of(self._session, sql)
        return arrow_schema(self.describe(sql)), self._read_apart(sql)

    def _read_apart(self, sql: str) -> Iterator[pa.RecordBatch]:
        other = MySQL({"url": self._url})
        try:
            other.forbid_writes()
            yield from other._rows_of(other._session, sql)[1]
        finally:
            other.close()

    def _rows_of(self, session: Any, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        with _ours():
            prepared = wire.prepare(session, without_end(sql))
        fields = types.fields(prepared.fields, self._ask)
        schema = arrow_schema(field.column for field in fields)
        return schema, self._fetched(session, prepared, fields, schema)

    def _fetched(
        self, session: Any, prepared: wire.Prepared, fields: Sequence[types.Field], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        row = 1
        with _ours():
            sent = wire.run(session, prepared)
            # Their types may be told anew; the values come as these say.
            fields = [types.sent_as(field, d) for field, d in zip(fields, sent, strict=True)]
            pieces = wire.rows(session)
            try:
                for data, starts in pieces:
                    yield batch(data, starts, fields, schema, row)
                    row += len(starts)
            except BaseException:
                # Rows are still on their way: nothing else can be asked of this session.
                session._force_close()
                raise
            wire.release(session, prepared)

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        self._run(f"SET SESSION {_MODE}")  # a hook may have changed what a backslash means, or what is refused
        bits = frozenset[str]() if temporary else self._examined(table)
        if self._local:
            try:
                return self._load(table, columns, batches, bits)
            except _LocalForbidden:
                self._local = False
        return self._insert(table, columns, batches)

    def _examined(self, table: TableName) -> frozenset[str]:
        """The columns of type bit, of a table that can undo a load."""
        self.require_transactions((table,))
        return types.bits(self._ask, table)

    def require_transactions(self, tables: Sequence[TableName]) -> None:
        engines.require_transactions(self._ask, tables)

    def _load(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], bits: frozenset[str]
    ) -> int:
        count = _Count()
        statement = load_statement(qualified(table), wire.NAME, columns, bits)
        with _ours():
            try:
                # The rows are written as text while the server works on those before.
                with Pump(count.lines(batches, columns)) as texts:
                    done = wire.load(self._session, statement, texts)
            except driver("pymysql", "mysql").Error as error:
                if numbered(error)[0] in _LOCAL_FORBIDDEN and not count.rows:
                    raise _LocalForbidden from None
                raise
        if done.warnings or done.rows != count.rows:
            self._refuse_warnings(table)
        if done.rows != count.rows:
            message = f"`{table}` took {done.rows} of {count.rows} rows"
            raise DataError(message, code="value-refused", help="look for rows that its triggers or keys refuse")
        return done.rows

    def _refuse_warnings(self, table: TableName) -> None:
        """What the last statement changed in silence, as an error."""
        warnings = self._ask("SHOW WARNINGS")
        if warnings:
            raise refused([(str(w[0]), int(w[1]), str(w[2])) for w in warnings], str(table))

    def _insert(self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch]) -> int:
        count = 0
        for coming in batches:
            for rows, statement in inserts(qualified(table), coming, columns, count + 1, _INSERT_BYTES):
                if self._run(statement).warning_count:
                    self._refuse_warnings(table)
                count += rows
        return count

    def table(self, name: TableName) -> Table | None:
        return types.read_table(self._ask, name)

    def violated(self, table: TableName, words: str) -> tuple[Violation, ...]:
        return constraints.of_mysql(self._ask, self.table(table), words)

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        return {name: with_borne(self._ask, found) for name in names if (found := self.table(name)) is not None}

    def resolved(self, name: TableName) -> Resolved:
        place, folds = self._ask("SELECT database(), @@lower_case_table_names")[0]
        found = TableName(name.schema or place, name.name)
        if int(folds):
            found = TableName((found.schema or "").lower() or None, found.name.lower())
        here = str(place or "").lower() if int(folds) else place
        return Resolved(found, TableName(None if found.schema == here else found.schema, found.name))

    def names(self) -> tuple[TableName, ...]:
        return types.names(self._ask)

    def rehearse(self, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
        other = MySQL({"url": self._url})
        try:
            return rehearse(other._run, statements)
        finally:
            other.close()

    def describe(self, sql: str) -> tuple[Column, ...]:
        with _ours():
            prepared = wire.prepare(self._session, without_end(sql))
            wire.release(self._session, prepared)
        return tuple(field.column for field in types.fields(prepared.fields, self._ask))

    def explain(self, sql: str) -> str:
        result = self._run(f"EXPLAIN {sql}")
        names = [field.name for field in result.fields]
        return "\n".join(
            ", ".join(f"{n}: {v}" for n, v in zip(names, row, strict=True) if v is not None) for row in result.rows
        )

    def _ask(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """The rows of a small query of flowc's own."""
        return tuple(self._run(sql).rows or ())

    def _run(self, sql: str) -> Any:
        with _ours():
            session = self._session
            try:
                session.query(sql)
            except RuntimeError:
                session._force_close()  # the server waits for a file, and would take the next statement for it
                raise EngineError(_NO_LOCAL, code="query-refused", help=_NO_LOCAL_HELP) from None
            return session._result


class _LocalForbidden(Exception):
    """The server takes no rows from its clients."""


class _Count:
    """Counts the rows of a bulk load as they are sent."""

    def __init__(self) -> None:
        self.rows = 0

    def lines(self, batches: Iterator[pa.RecordBatch], columns: Sequence[Column]) -> Iterator[memoryview]:
        for coming in batches:
            for part in slices(coming):
                yield lines(part, columns, self.rows + 1)
                self.rows += part.num_rows


@contextmanager
def _ours() -> Iterator[None]:
    """Turns the driver's errors into flowc's."""
    try:
        yield
    except (driver("pymysql", "mysql").Error, OSError) as error:
        raise failure(error) from error


def _flags() -> int:
    """What the session can do: an UPDATE counts the rows it found, also where they had the values already.

    It can load from the client, but the driver itself must not: it would send any file that the server asks for.
    """
    flags = driver("pymysql.constants.CLIENT", "mysql")
    return int(flags.FOUND_ROWS | flags.LOCAL_FILES)


SESSION = MySQL
