"""One apply at a time, a lease that is renewed, and locks on tables that are waited for."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pymysql
import pytest

from flowc.errors import FlowcError, UsageError
from flowc.runtime.systems import open_database
from flowc.runtime.systems.sqlite.session import SQLite
from flowc.service.access import locks
from tests.commands import Done, Folder, Inside
from tests.migrate.projects import specs
from tests.stores import SERVERS, Store
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.turns("store", 2)

BEFORE = "columns: { id: bigint primary key, a: integer, b: integer }"
AFTER = BEFORE + "\nindexes: [{ columns: [a] }, { columns: [b] }]"


@pytest.fixture
def project(store: Store) -> Inside:
    made = Inside(store.folder, {"STORE": store.dsn})
    specs(made, store, {"t": BEFORE})
    assert made.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 5, 6)")
    specs(made, store, {"t": AFTER})
    return made


def _locks(store: Store) -> str:
    return "flowc.locks" if store.kind in ("postgres", "duckdb") else "flowc_locks"


def _hold(store: Store, owner: str, seconds: float) -> None:
    """Gives the lock to an owner, for so long."""
    now = datetime.now(UTC)
    zone = "" if store.kind == "mysql" else "+00:00"
    times = [moment.strftime("%Y-%m-%d %H:%M:%S.%f") + zone for moment in (now, now + timedelta(seconds=seconds))]
    store.run(f"INSERT INTO {_locks(store)} VALUES ('apply', '{owner}', '{times[0]}', '{times[1]}')")


def test_the_lock_of_a_live_owner_is_respected_and_a_dead_one_s_is_taken_over(store: Store, project: Inside):
    with subprocess.Popen(["sleep", "3600"]) as sleeper:
        shown = f"{socket.gethostname()}:{sleeper.pid}:{locks._started(sleeper.pid)}"
        owner = ":".join((shown, *locks._realm()))
        try:
            _hold(store, owner, 3600)
            refused = project.flowc("apply", "--yes", "--lock-timeout", "0.3")
        finally:
            sleeper.kill()
    assert refused.code == 2
    assert "error[apply-locked]" in refused.err
    assert f"another apply is at work here: {shown}, since " in refused.err
    assert "with a lease until " in refused.err
    assert store.raw(f"SELECT owner FROM {_locks(store)}") == [(owner,)]
    assert store.raw("SELECT count(*) FROM t") == [(1,)]

    done = project.flowc("apply", "--yes", "--lock-timeout", "60")
    assert done.code == 0, f"the lease of a dead owner was waited for: {done.err}"
    assert store.raw(f"SELECT count(*) FROM {_locks(store)}") == [(0,)]


def test_a_lease_of_another_machine_ends_by_itself(store: Store, project: Inside):
    _hold(store, "elsewhere:1:1", 2)
    done = project.flowc("apply", "--yes", "--lock-timeout", "120")
    assert done.code == 0, done.err


_PLANNED = 5.0
"""Seconds that a plan may take on a busy machine."""
_BUSY = "SELECT timeout FROM pragma_busy_timeout"
servers = pytest.mark.parametrize("store", SERVERS, indirect=True)


@contextmanager
def _busy(store: Store) -> Iterator[Any]:
    """Another session that holds the table in an open transaction."""
    if store.kind == "postgres":
        other: psycopg.Connection | pymysql.Connection = psycopg.connect(store.dsn)
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")  # type: ignore[union-attr]
    else:
        parts = psycopg.conninfo.conninfo_to_dict(store.dsn.replace("mysql:", "postgres:"))
        other = pymysql.connect(
            host=str(parts["host"]), port=int(str(parts["port"])), user="flowc", password="flowc",
            database=str(parts["dbname"]),
        )  # fmt: skip
        other.cursor().execute("UPDATE t SET a = a")
    try:
        yield other
    finally:
        other.close()


@servers
def test_an_owner_whose_transaction_goes_on_is_not_waited_for_longer_than_was_said(store: Store, project: Inside):
    """Its process is gone and its lease has ended, and its last statement still holds the lock's row."""
    _hold(store, "elsewhere:1:1", -5)
    with _busy(store) as other:
        kept = "FOR KEY SHARE" if store.kind == "postgres" else "FOR UPDATE"
        other.cursor().execute(f"SELECT * FROM {_locks(store)} {kept}")
        done = _meanwhile(project, "apply", "--yes", "--lock-timeout", "2")()
        other.rollback()
    assert (done.code, "error[apply-locked]" in done.err) == (2, True), done.err
    done = project.flowc("apply", "--yes", "--lock-timeout", "2")
    assert done.code == 0, done.err


@pytest.mark.covering
@servers
@pytest.mark.parametrize("table", ["flowc.migrations", "t"])
def test_no_look_at_a_table_that_another_session_holds_waits_for_ever(store: Store, project: Inside, table: str):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: smallint, b: integer }"})
    name, begun = table if store.kind == "postgres" else table.replace(".", "_"), time.monotonic()
    with _busy(store) as other:
        other.rollback()
        modes = {"postgres": f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE", "mysql": f"LOCK TABLES {name} WRITE"}
        other.cursor().execute(modes[store.kind])
        done = project.flowc("apply", "--yes", "--table-lock-timeout", "0.2", "--lock-timeout", "0.5")
    assert (done.code, "error[write-conflict]" in done.err) == (2, True), done.err
    told = "w.t.a" if table == "t" else name.replace("flowc", "***")  # which is the password too
    assert f"is in the way of `{told}`" in done.err
    assert "--table-lock-timeout" in done.err
    assert time.monotonic() - begun < PATIENCE
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err


def test_what_was_waited_for_one_lock_is_not_waited_for_the_next(store: Store, project: Inside):
    _hold(store, "elsewhere:1:1", 3600)
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"{store.file}.{store.kind}")}
    patience, begun = locks.Patience(0.5), time.monotonic()
    with closing(open_database(store.kind, options)) as database:
        for _ in range(2):
            with pytest.raises(UsageError) as refused, locks.shared_lock(database, store.kind, patience):
                pass
            assert refused.value.code == "apply-locked"
            assert patience.left == 0
    assert time.monotonic() - begun >= 0.5


@servers
def test_a_lock_that_is_free_is_taken_however_long_it_may_be_waited_for(store: Store, project: Inside):
    with closing(open_database(store.kind, {"url": store.dsn})) as database:
        for seconds in (2_592_000.0, 1e12, float("inf")):
            with locks.apply_lock(database, store.kind, locks.Patience(seconds), None):
                pass


@servers
def test_a_table_of_locks_that_is_somebody_s_is_not_waited_for_longer_than_was_said(store: Store, project: Inside):
    with _busy(store) as other:
        all_of_it = "TABLE {} IN ACCESS EXCLUSIVE MODE" if store.kind == "postgres" else "TABLES {} WRITE"
        other.cursor().execute(f"LOCK {all_of_it.format(_locks(store))}")
        with closing(open_database(store.kind, {"url": store.dsn})) as database:
            database.open()
            begun = time.monotonic()
            with pytest.raises(UsageError) as refused, locks.apply_lock(database, store.kind, locks.Patience(3), None):
                pass
            assert time.monotonic() - begun < 5  # one statement alone may wait for all of it
        other.rollback()
    assert refused.value.code == "apply-locked"
    assert refused.value.message.startswith(f"a transaction of somebody else holds `{_locks(store)}`")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_file_that_somebody_writes_is_not_waited_for_longer_than_was_said(store: Store, project: Inside):
    with closing(sqlite3.connect(store.folder / "store.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        done = project.flowc("apply", "--yes", "--lock-timeout", "0.5")
    assert time.monotonic() - begun < 1 + _PLANNED
    assert "a transaction of somebody else holds `flowc_locks`" in done.err
    with closing(open_database("sqlite", {"path": str(store.folder / "store.sqlite")})) as database:
        before = database.query(_BUSY).to_pylist()
        with locks.shared_lock(database, "sqlite", locks.Patience(1)):
            pass
        assert database.query(_BUSY).to_pylist() == before


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_what_keeps_the_lock_from_being_taken_is_said_where_nobody_has_it(store: Store, project: Inside):
    store.run(
        "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER full_up BEFORE INSERT ON flowc.locks FOR EACH ROW EXECUTE FUNCTION full_up()",
    )
    done = project.flowc("apply", "--yes", "--lock-timeout", "0.3")
    assert (done.code, "no space left on device" in done.err) == (2, True), done.err
    assert "another apply" not in done.err


class Freed(SQLite):
    """A database of which the lock is given back as soon as somebody asks whose it is."""

    def query(self, sql: str) -> pa.Table:
        if "flowc_locks" in sql:
            self.execute("DELETE FROM flowc_locks")
        return super().query(sql)


def test_a_lock_that_is_given_back_at_the_last_moment_was_another_apply_s():
    with closing(Freed({"path": ":memory:"})) as database:
        with locks.shared_lock(database, "sqlite", locks.Patience(0)):
            pass
        database.execute("INSERT INTO flowc_locks VALUES ('apply', 'elsewhere:1:1', '2026-01-01', '2999-01-01')")
        with pytest.raises(UsageError) as refused, locks.shared_lock(database, "sqlite", locks.Patience(0)):
            pass
        assert refused.value.code == "apply-locked"
        with locks.shared_lock(database, "sqlite", locks.Patience(0)):
            pass


@pytest.mark.parametrize("made", [False, True], ids=["no table", "a table"])
def test_who_may_not_take_the_lock_is_told_at_once(postgres: str, made: bool):
    with closing(open_database("postgres", {"url": postgres})) as database:
        if made:
            with locks.shared_lock(database, "postgres", locks.Patience(0)):
                pass
        database.execute("SET ROLE pg_read_all_data")
        begun = time.monotonic()
        with pytest.raises(FlowcError) as denied, locks.shared_lock(database, "postgres", locks.Patience(60)):
            pass
    assert (denied.value.code, time.monotonic() - begun < 30) == ("access-denied", True)


@servers
def test_a_table_that_is_busy_is_waited_for_and_tried_again(store: Store, project: Inside):
    with _busy(store) as other:
        process = Folder(project.path, project.env).start("apply", "--yes", "--table-lock-timeout", "1")
        assert process.stderr is not None
        assert any("then again: " in line for line in process.stderr)
        other.rollback()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@servers
def test_a_value_that_comes_while_a_change_of_type_waits_is_not_cut(store: Store, project: Inside):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer, b: smallint }"})
    with _busy(store) as other:
        result = _meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")
        waiting = _WAITING if store.kind == "postgres" else _METADATA
        until(lambda: bool(store.raw(waiting)))
        other.cursor().execute("INSERT INTO t VALUES (2, 5, 70000)")
        other.commit()
        done = result()
    assert done.code == 2
    assert "1 row holds a `b` that is no smallint" in done.err
    assert store.raw("SELECT b FROM t ORDER BY id") == [(6,), (70000,)]


@servers
def test_a_second_apply_is_refused_while_the_first_one_works(store: Store, project: Inside):
    first = Folder(project.path, project.env)
    with _busy(store) as other:
        process = first.start("apply", "--yes", "--table-lock-timeout", "60")
        until(lambda: store.raw(f"SELECT count(*) FROM {_locks(store)}")[0][0] == 1)
        second = project.flowc("apply", "--yes", "--lock-timeout", "0.5")
        other.rollback()
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    assert second.code == 2
    assert f"another apply is at work here: {socket.gethostname()}:{process.pid}:" in second.err


@servers
def test_the_lease_is_renewed_while_a_statement_runs(store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "LEASE", 1.5)
    seen = set()
    with _busy(store) as other:
        result = _meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")

        def is_renewed() -> bool:
            seen.update(store.raw(f"SELECT expires_at FROM {_locks(store)}"))
            return len(seen) >= 4

        until(is_renewed)
        other.rollback()
        done = result()
    assert done.code == 0, done.err


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_an_apply_that_lost_its_lock_stops(store: Store, project: Inside):
    with _busy(store) as other:
        result = _meanwhile(project, "apply", "--yes", "--table-lock-timeout", "60")
        until(lambda: bool(store.raw(_WAITING)))
        store.run("UPDATE flowc.locks SET owner = 'somebody:1:1'")
        other.rollback()
        done = result()
    assert done.code == 2
    assert "error[apply-lock-lost]" in done.err
    assert store.raw("SELECT owner FROM flowc.locks") == [("somebody:1:1",)]
    # Only the statement that was running ended.
    assert store.raw("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND NOT indisprimary") == [(1,)]
    store.run("DELETE FROM flowc.locks")
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0


_METADATA = (
    "SELECT 1 FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock%' "
    "AND db = database()"
)
_WAITING = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def _meanwhile(project: Inside, *arguments: str) -> Callable[[], Done]:
    """The command in a thread; gives what waits for its end."""
    found: list[Done] = []
    thread = threading.Thread(target=lambda: found.append(project.flowc(*arguments)))
    thread.start()

    def result() -> Done:
        thread.join()
        return found[0]

    return result
