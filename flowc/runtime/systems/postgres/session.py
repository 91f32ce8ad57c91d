"""PostgreSQL: one transaction per load, rows in by binary COPY, out by Arrow.

Large reads have a session of their own, so they do not see what this session has not committed; inside a transaction
reads go through a cursor of it instead. Between two PostgreSQL servers, rows of equal types are handed on as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from flowc.catalog import Column, Resolved, Table, TableName
from flowc.errors import EngineError, UsageError
from flowc.masker import redact
from flowc.runtime.arrow import arrow_schema, arrow_type
from flowc.runtime.contracts.violations import Violation
from flowc.runtime.extras import driver
from flowc.runtime.names import derived, listed, literal, qualified, without_end
from flowc.runtime.options import text
from flowc.runtime.systems.postgres import catalog, types
from flowc.runtime.systems.postgres.copy import Sent, decoded, encoded, how_sent
from flowc.runtime.systems.postgres.errors import failure, unreachable
from flowc.runtime.systems.postgres.rehearsal import rehearse
from flowc.runtime.systems.shared import constraints
from flowc.types import TEXT, DataType, Kind

_FETCH = 10_000
_PIECE = 1 << 18
_SETTINGS = "SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET standard_conforming_strings = on"
"""Instants in UTC, and floats as texts with all of their digits, whatever the database or its user is set to."""
_READ_ONLY = "BEGIN READ ONLY"
"""For each transaction: a setting of the session would outlive its client where a pool hands the session on."""
_TRAVEL = TableName("pg_temp", "flowc_travel")
_TOUCHING = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")


def _unusable(what: str) -> UsageError:
    help = "url: postgres://user:${PASSWORD}@host:5432/database"
    return UsageError(f"the connection's `url` {what}", code="unusable-option", help=help)


class Postgres:
    """One session of a PostgreSQL database."""

    kind = "postgres"
    keeps_transaction = False

    def __init__(self, options: Mapping[str, object]) -> None:
        self._url = text(options, "url") or ""
        self._connection: Any = None
        self._reads_only = False

    def open(self) -> None:
        if self._connection is not None:
            return
        psycopg = driver("psycopg", "postgres")
        address, secrets = self._address()
        try:
            self._connection = psycopg.connect(address, autocommit=True, prepare_threshold=None)
            self._connection.execute(_SETTINGS)
        except psycopg.Error as error:
            raise unreachable(error, secrets) from None
        except UnicodeError as error:
            if "idna" not in str(error):
                raise
            raise _unusable("names a host that no machine can be called") from None

    def _address(self) -> tuple[str, tuple[str, ...]]:
        """The connection string for both drivers, and what of it must not be shown."""
        psycopg, conninfo = driver("psycopg", "postgres"), driver("psycopg.conninfo", "postgres")
        try:
            parts = conninfo.conninfo_to_dict(self._url)
        except psycopg.Error:
            raise _unusable("is not a PostgreSQL address") from None
        parts.setdefault("application_name", "flowc")
        parts.setdefault("connect_timeout", "15")
        secrets = tuple(str(parts[name]) for name in ("password", "sslpassword") if parts.get(name))
        return conninfo.make_conninfo("", **parts), (self._url, *secrets)

    def forbid_writes(self) -> None:
        self._reads_only = True

    @property
    def _session(self) -> Any:
        if self._connection is None:
            self.open()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def begin(self) -> None:
        self._run(_READ_ONLY if self._reads_only else "BEGIN")

    def commit(self) -> None:
        status = self._run("COMMIT").statusmessage
        if status != "COMMIT":
            raise EngineError("the transaction had failed and was rolled back", code="query-refused")

    def rollback(self) -> None:
        if self._connection is not None and not self._connection.closed and self._in_transaction:
            self._run("ROLLBACK")

    @property
    def _in_transaction(self) -> bool:
        idle = driver("psycopg.pq", "postgres").TransactionStatus.IDLE
        return bool(self._session.info.transaction_status != idle)

    def lock(self, table: TableName) -> None:
        name = literal(f"flowc:{self.resolved(table).table}")
        self._run(f"SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))")

    def execute(self, sql: str) -> int:
        with self._reading():
            cursor = self._run(sql)
        touched = (cursor.statusmessage or "").startswith(_TOUCHING)
        return max(cursor.rowcount, 0) if touched else 0

    def query(self, sql: str) -> pa.Table:
        schema, batches = self._read_here(sql)
        return pa.Table.from_batches(list(batches), schema)

    def read(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        if self._in_transaction:
            return self._read_here(sql)
        found = self._describe(sql)
        columns = tuple(column.column for column in found)
        checked = [i for i, column in enumerate(found) if column.type.kind is Kind.ARRAY]
        return arrow_schema(columns), self._read_apart(_readable(sql, found, checked), columns, checked)

    def _read_apart(self, sql: str, columns: Sequence[Column], checked: Sequence[int]) -> Iterator[pa.RecordBatch]:
        adbc = driver("adbc_driver_postgresql.dbapi", "postgres")
        address, secrets = self._address()
        try:
            with adbc.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
                cursor.execute(_READ_ONLY)
                cursor.execute("SET LOCAL TimeZone = 'UTC'")
                cursor.execute(sql)
                yield from decoded(cursor.fetch_record_batch(), columns, checked)
        except (adbc.Error, pa.ArrowException, OSError) as error:
            raise _scrubbed(error, secrets) from None

    def _read_here(self, sql: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """By this session's cursor. Intervals come as text, which Python's own type would not hold."""
        found = self._describe(sql)
        columns = tuple(Column(column.name, _without_intervals(column.type)) for column in found)
        names = [f"c{i}" for i in range(len(found))]
        chosen = [name + _as_text(column) for name, column in zip(names, found, strict=True)]
        query = derived(sql, names, chosen) if found else without_end(sql)
        raw = [_fetched_type(own, column.type) for own, column in zip(found, columns, strict=True)]
        return arrow_schema(columns), decoded(self._fetched(query, raw), columns, ())

    def _fetched(self, sql: str, kinds: Sequence[pa.DataType]) -> Iterator[pa.RecordBatch]:
        names = [f"c{i}" for i in range(len(kinds))]
        with _told(), self._session.cursor() as cursor:
            with self._reading():
                cursor.execute(sql)
            while rows := cursor.fetchmany(_FETCH):
                values = zip(*rows, strict=True)
                arrays = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, names=names)

    def ingest(
        self, table: TableName, columns: Sequence[Column], batches: Iterator[pa.RecordBatch], *, temporary: bool
    ) -> int:
        live = {column.name: column for column in self._live(table)}
        unknown = [column.name for column in columns if column.name not in live]
        if unknown:
            raise EngineError(f"`{table}` has no column `{unknown[0]}`", code="query-refused")
        sent = [how_sent(column, live[column.name]) for column in columns]
        names = [column.name for column in columns]
        if not any(column.as_text for column in sent):
            return self._copy(qualified(table), names, encoded(batches, sent))
        return self._by_way_of_text(table, names, sent, batches)

    def _live(self, table: TableName) -> tuple[types.PgColumn, ...]:
        with _told():
            oid = types.relation(self._session, table)
            if oid is None:
                raise EngineError(f"there is no table `{table}`", code="query-refused")
            return types.columns_of(self._session, oid)

    def _by_way_of_text(
        self, table: TableName, names: Sequence[str], sent: Sequence[Sent], batches: Iterator[pa.RecordBatch]
    ) -> int:
        travel, own = qualified(_TRAVEL), [f"c{i}" for i in range(len(sent))]
        kinds = ", ".join(
            f"{name} {'text' if column.as_text else column.target.spelled}"
            for name, column in zip(own, sent, strict=True)
        )
        self._run(f"CREATE TEMP TABLE {_TRAVEL.name} ({kinds}) ON COMMIT DROP")
        self._copy(travel, own, encoded(batches, sent))
        casts = ", ".join(column.cast.format(name) for name, column in zip(own, sent, strict=True))
        count = self.execute(f"INSERT INTO {qualified(table)} ({listed(names)}) SELECT {casts} FROM {travel}")
        self._run(f"DROP TABLE {travel}")
        return count

    def _copy(self, table: str, names: Sequence[str], chunks: Iterable[tuple[int, bytes]]) -> int:
        statement = f"COPY {table} ({listed(names)}) FROM STDIN (FORMAT BINARY)"
        with _told(), self._session.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for _, chunk in chunks:
                    copy.write(chunk)
            return max(int(cursor.rowcount), 0)

    def wire_types(self, sql: str) -> tuple[types.PgColumn, ...]:
        """The types of a query's columns, for `takes_wire` of another session."""
        return self._describe(sql)

    def takes_wire(self, table: TableName, names: Sequence[str], source: Sequence[types.PgColumn]) -> bool:
        """Whether rows of those types can be handed on into the table as they are."""
        live = {column.name: column for column in self._live(table)}
        return len(names) == len(source) and all(
            name in live and types.same_on_the_wire(column, live[name])
            for name, column in zip(names, source, strict=True)
        )

    def wire_out(self, sql: str) -> Iterator[tuple[int, bytes]]:
        """A query's rows in binary COPY form, in pieces: how many rows, and their bytes."""
        error_type = driver("psycopg", "postgres").Error
        piece, rows = bytearray(), 0
        try:
            copied = f"COPY (\n{without_end(sql)}\n) TO STDOUT (FORMAT BINARY)"
            with self._reading(), self._session.cursor() as cursor, cursor.copy(copied) as copy:
                # One message of the server is one row, but for the header before them and the trailer after.
                for message in copy:
                    piece += message
                    rows += 1
                    if len(piece) >= _PIECE:
                        yield rows, bytes(piece)
                        piece, rows = bytearray(), 0
        except error_type as error:
            raise failure(error) from error
        yield rows, bytes(piece)

    def wire_in(self, table: TableName, names: Sequence[str], pieces: Iterable[tuple[int, bytes]]) -> int:
        """Loads such pieces inside the current transaction; returns the rows."""
        return self._copy(qualified(table), names, pieces)

    def table(self, name: TableName) -> Table | None:
        with _told():
            return catalog.read_tables(self._session, (name,)).get(name)

    def _ask(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with _told():
            return list(self._session.execute(sql).fetchall())

    def violated(self, table: TableName, words: str) -> tuple[Violation, ...]:
        return constraints.of_postgres(self._ask, self.table(table), words)

    def tables(self, names: Sequence[TableName]) -> dict[TableName, Table]:
        with _told():
            return catalog.read_tables(self._session, names, borne=True)

    def resolved(self, name: TableName) -> Resolved:
        with _told():
            found = catalog.resolved(self._session, name)
        return Resolved(found, found)

    def names(self) -> tuple[TableName, ...]:
        with _told():
            return catalog.names(self._session)

    def rehearse(self, statements: Sequence[tuple[TableName, str]]) -> dict[int, str]:
        with _told():
            return rehearse(self._session, statements)

    def describe(self, sql: str) -> tuple[Column, ...]:
        return tuple(column.column for column in self._describe(sql))

    def _describe(self, sql: str) -> tuple[types.PgColumn, ...]:
        psycopg, pq = driver("psycopg", "postgres"), driver("psycopg.pq", "postgres")
        session = self._session
        try:
            result = session.pgconn.prepare(b"", without_end(sql).encode())
            if result.status == pq.ExecStatus.COMMAND_OK:
                result = session.pgconn.describe_prepared(b"")
            if result.status != pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
            given = [(result.fname(i).decode(), result.ftype(i), result.fmod(i)) for i in range(result.nfields)]
            return types.resolve(session, given)
        except psycopg.Error as error:
            raise failure(error) from error

    def explain(self, sql: str) -> str:
        with self._reading():
            return "\n".join(row[0] for row in self._run(f"EXPLAIN {sql}").fetchall())

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Has what runs inside write nothing, where the session only reads."""
        if not self._reads_only or self._in_transaction:
            yield
            return
        self._run(_READ_ONLY)
        try:
            yield
        finally:
            self.rollback()

    def _run(self, sql: str) -> Any:
        with _told():
            return self._session.execute(sql)


@contextmanager
def _told() -> Iterator[None]:
    """What the driver raises, in flowc's words."""
    error_type = driver("psycopg", "postgres").Error
    try:
        yield
    except error_type as error:
        raise failure(error) from error


def _readable(sql: str, found: Sequence[types.PgColumn], checked: Sequence[int]) -> str:
    """The query with what the driver cannot read exactly turned into text, and the checks of arrays after it."""
    if not checked and not any(column.as_text for column in found):
        return without_end(sql)
    names = [f"c{i}" for i in range(len(found))]
    chosen = [name + column.as_text for name, column in zip(names, found, strict=True)]
    chosen += [f"coalesce(array_ndims({names[i]}) > 1, false)" for i in checked]
    return derived(sql, names, chosen)


# What Python's own types would change or refuse, so a cursor fetches it as text.
_TEXTUAL = (Kind.JSON, Kind.UUID, Kind.INTERVAL, Kind.DECIMAL)


def _without_intervals(kind: DataType) -> DataType:
    """A type with text in the place of intervals."""
    if kind.element is not None:
        return replace(kind, element=_without_intervals(kind.element))
    return TEXT if kind.kind is Kind.INTERVAL else kind


def _as_text(column: types.PgColumn) -> str:
    """The cast with which a cursor fetches a column."""
    kind = column.type
    if kind.element is not None:
        return column.as_text or ("::text[]" if kind.element.kind in _TEXTUAL else "")
    return column.as_text or ("::text" if kind.kind in _TEXTUAL else "")


def _fetched_type(column: types.PgColumn, kind: DataType) -> pa.DataType:
    cast = _as_text(column)
    return arrow_type(kind) if not cast else pa.list_(pa.string()) if cast.endswith("[]") else pa.string()


def _scrubbed(error: Exception, secrets: tuple[str, ...]) -> Exception:
    made = failure(error)
    made.message = redact(made.message, secrets)
    return made


SESSION = Postgres
