"""A session of PostgreSQL that the server ends: whatever is asked next fails with words, and may be tried again."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.errors import TransientError
from flowc.runtime.systems.postgres.session import Postgres
from flowc.types import BIGINT

TABLE, COLUMNS = TableName(None, "t"), (Column("a", BIGINT),)
ROWS = pa.RecordBatch.from_pylist([{"a": 1}], schema=pa.schema([("a", pa.int64())]))


@pytest.mark.parametrize(
    "asked",
    [
        lambda session: session.ingest(TABLE, COLUMNS, iter([ROWS]), temporary=False),
        lambda session: session.takes_wire(TABLE, ["a"], ()),
        lambda session: session.table(TABLE),
        lambda session: session.names(),
        lambda session: session.describe("SELECT a FROM t"),
        lambda session: session.query("SELECT a FROM t"),
        lambda session: session.execute("DELETE FROM t"),
        lambda session: session.explain("SELECT a FROM t"),
        lambda session: session.lock(TableName(None, "t")),
        lambda session: session.commit(),
    ],
    ids=["ingest", "takes_wire", "table", "names", "describe", "query", "execute", "explain", "lock", "commit"],
)
def test_every_call_tells_that_the_connection_is_lost(postgres: str, asked: Callable[[Postgres], object]) -> None:
    session = Postgres({"url": postgres})
    session.open()
    session.execute("CREATE TABLE t (a bigint)")
    session.begin()
    session.execute("INSERT INTO t VALUES (0)")
    with psycopg.connect(postgres, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(TransientError):
        asked(session)
    session.rollback()
    session.close()
