"""Tables whose columns somebody gives another type while a worker runs, or drops: no value is written into those."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import psycopg
import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.errors import FlowcError, TransientError
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.types import BIGINT, parse_type
from tests.commands import Inside
from tests.services.mysql import ask
from tests.stores import Store
from tests.streams.epochs import epoch
from tests.streams.filefolder import put
from tests.streams.test_targets_delta import _plan, _rows, _writer
from tests.streams.test_targets_recreated import opened_writer

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox }}
  out: {connection}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, v: "{type}" }} }}
    sql: SELECT id, v FROM source
    to: {{ connection: out, table: events, {mode} }}
"""
NOON = datetime(2026, 1, 1, 12, 13, 14, 623456)
NARROWED: dict[str, tuple[str, str, Any, pa.DataType]] = {
    "digits": ("numeric(10,2)", "NUMERIC(10,1)", Decimal("1.25"), pa.decimal128(10, 2)),
    "fraction": ("double", "INT", 1.25, pa.float64()),
    "precision": ("double", "REAL", 1.23456789012345, pa.float64()),
    "day": ("timestamp", "DATE", NOON, pa.timestamp("us")),
}
"""A type, one that holds less, a value that it does not hold, and how Arrow has that."""
MODES = ("mode: append", "mode: merge, keys: [id]")
SERVERS = pytest.mark.parametrize("store", ["postgres", "mysql"], indirect=True)


def _alter(store: Store, type_: str) -> None:
    if store.kind == "mysql":
        store.run(f"ALTER TABLE events MODIFY v {type_.replace('REAL', 'FLOAT')}")
    else:
        store.run(f"ALTER TABLE events ALTER COLUMN v TYPE {type_}")


def _project(store: Store, type_: str, mode: str) -> Inside:
    """A project whose stream has written one row."""
    project = Inside(store.folder)
    project.write("specs/s.yaml", PROJECT.format(connection=store.connection, type=type_, mode=mode))
    put(store.folder / "inbox", "1.jsonl", '{"id": 1, "v": null}\n', 1)
    done = project.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    return project


def _ask_postgres(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as session:
        for statement in statements:
            session.execute(statement)


def _next(writer: Any, rows: pa.RecordBatch) -> None:
    """Writes the next epoch."""
    held = writer.held()
    ((source, partition), at), *_ = held.positions.items()
    moved = Range(source, partition, at, at + " ")
    writer.write(Epoch(Intent(held.epoch + 1, 0, (moved,)), rows, rows.num_rows))


def _row(value: Any, kind: pa.DataType) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([2], pa.int64()), pa.array([value], kind)], ["id", "v"])


@SERVERS
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", NARROWED)
def test_a_column_that_holds_less_under_its_worker_gets_no_values(store: Store, mode: str, case: str) -> None:
    type_, narrower, value, kind = NARROWED[case]
    with opened_writer(_project(store, type_, mode)) as writer:
        writer.open()
        _alter(store, narrower)
        for _ in range(2):
            with pytest.raises(TransientError) as told:
                _next(writer, _row(value, kind))
            assert told.value.code == "table-differs"
            assert "`v` was" in told.value.message
    assert store.rows("SELECT id, v FROM events") == [(1, None)]


@SERVERS
def test_a_column_that_is_altered_while_an_epoch_is_written_waits_for_it(store: Store) -> None:
    """Somebody else's statement gets the table behind the transaction, or before its rows."""
    tried, asked = [], ask if store.kind == "mysql" else _ask_postgres

    def alter(point: str) -> None:
        if point == "rows":
            tried.append(point)
            alteration = "ALTER TABLE events ADD COLUMN w INT"
            wait = "SET lock_timeout = '100ms'" if store.kind == "postgres" else "SET SESSION lock_wait_timeout = 1"
            with pytest.raises(Exception, match=r"(?i)timeout"):
                asked(store.dsn, wait, alteration)

    with opened_writer(_project(store, "double", MODES[0])) as writer:
        writer.open()
        writer.pause = alter
        _next(writer, _row(1.25, pa.float64()))
    assert (tried, store.rows("SELECT id, v FROM events")) == (["rows"], [(1, None), (2, 1.25)])


@SERVERS
def test_a_worker_goes_on_where_other_columns_come_and_the_next_attempt_where_one_holds_more(store: Store) -> None:
    project = _project(store, "integer", MODES[0])
    with opened_writer(project) as writer:
        writer.open()
        store.run("ALTER TABLE events ADD COLUMN w INT")
        _next(writer, _row(7, pa.int32()))
        _alter(store, "BIGINT")
        with pytest.raises(TransientError):
            _next(writer, _row(8, pa.int32()))
    with opened_writer(project) as writer:
        writer.open()
        _next(writer, _row(9, pa.int32()))
    assert store.rows("SELECT v FROM events") == [(7,), (9,), (None,)]


def test_a_table_of_sqlite_that_is_made_again_with_another_type(tmp_path: Path) -> None:
    """A column of integers makes a number of a text of digits."""
    store = Store("sqlite", tmp_path)
    made = ("CREATE TABLE other (id BIGINT, v INTEGER)", "DROP TABLE events", "ALTER TABLE other RENAME TO events")
    with opened_writer(_project(store, "text", MODES[0])) as writer:
        writer.open()
        store.run(*made)
        with pytest.raises(TransientError, match=r"`v` was TEXT, and is INTEGER"):
            _next(writer, _row("007", pa.string()))
    assert store.rows("SELECT id FROM events") == []


LAKE: dict[str, tuple[str, Any, pa.DataType, pa.DataType]] = {
    "text": ("text", "007", pa.string(), pa.int64()),
    "day": ("timestamp", NOON, pa.timestamp("us"), pa.date32()),
    "precision": ("double", 1.23456789012345, pa.float64(), pa.float32()),
    "zone": ("timestamptz", NOON.replace(tzinfo=UTC), pa.timestamp("us", "UTC"), pa.timestamp("us")),
    "digits": ("numeric(10,2)", Decimal("1.25"), pa.decimal128(10, 2), pa.decimal128(10, 1)),
}


@pytest.mark.parametrize("keys", [(), ("id",)], ids=["append", "merge"])
@pytest.mark.parametrize("case", LAKE)
def test_a_delta_table_that_is_overwritten_with_another_type_gets_no_values(
    tmp_path: Path, case: str, keys: tuple[str, ...]
) -> None:
    type_, value, kind, other = LAKE[case]
    writer = _writer(tmp_path, _plan(keys, columns=(Column("id", BIGINT), Column("v", parse_type(type_)))))
    writer.open()
    writer.write(epoch(1, _row(value, kind)))
    assert writer.flush() == 1
    rows = pa.table({"id": pa.array([1], pa.int64()), "v": pa.array([None], other)})
    deltalake.write_deltalake(str(tmp_path / "events"), rows, mode="overwrite", schema_mode="overwrite")
    writer.write(epoch(2, _row(value, kind)))
    with pytest.raises(FlowcError) as told:
        writer.flush()
    writer.close()
    assert (told.value.code, "`v` was" in told.value.message) == ("table-differs", True), told.value.message
    assert [row["id"] for row in _rows(tmp_path)] == [1]
