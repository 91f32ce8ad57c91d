"""Changes of PostgreSQL tables that are in use: what is left halfway, and what others write meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.commands import Inside
from tests.migrate.looking import look
from tests.migrate.projects import specs
from tests.stores import Store

_SHADOWED = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a__flowc'"
_SIZE = 120_000


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Store:
    return Store("postgres", tmp_path, postgres)


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def test_an_index_that_was_left_invalid_is_made_again(store: Store, project: Inside):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer }"})
    project.flowc("apply", "--yes")
    store.run("INSERT INTO t VALUES (1, 5), (2, 5)")
    with suppress(psycopg.errors.UniqueViolation):
        store.run('CREATE UNIQUE INDEX CONCURRENTLY "t_a_idx" ON t (a)')
    assert store.raw("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a_idx'::regclass") == [(False,)]
    store.run("UPDATE t SET a = 6 WHERE id = 2")
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer unique }"})

    plan = project.flowc("plan").out
    assert "drop unique index on (a), which was left unfinished" in plan
    done = project.flowc("apply", "--yes")

    assert done.code == 0, done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    seen = look(store, "t")
    assert seen is not None
    assert seen.indexes == {(("a",), True)}


class Writer(threading.Thread):
    """Inserts and updates for as long as it is let; `e` always holds the number that `a` is to hold."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self._dsn, self.done, self.failures, self.written = dsn, threading.Event(), list[str](), 0

    def run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as session:
            while not self.done.is_set():
                self._write(session)

    def _write(self, session: psycopg.Connection) -> None:
        number = self.written = self.written + 1
        row, new = number * 7919 % _SIZE, _SIZE + number
        try:
            session.execute(f"UPDATE t SET a = '{number}', e = {number} WHERE id = {row}")
            session.execute(f"INSERT INTO t (id, a, e) VALUES ({new}, '{-number}', {-number})")
        except psycopg.Error as error:
            self.failures.append(str(error))


def _begin(store: Store, project: Inside) -> None:
    specs(project, store, {"t": "columns: { id: bigint primary key, a: text not null, e: bigint }"})
    project.flowc("apply", "--yes")
    store.run(f"INSERT INTO t SELECT n, n::text, n FROM generate_series(1, {_SIZE}) AS n", "ANALYZE t")
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer not null, e: bigint }"})


def _check(store: Store, project: Inside) -> None:
    assert store.raw("SELECT count(*) FILTER (WHERE a <> e OR a IS NULL), count(*) >= 120000 FROM t") == [(0, True)]
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert store.raw("SELECT count(*) FROM pg_proc WHERE proname LIKE 'flowc%'") == [(0,)]
    assert store.raw("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 't'::regclass") == [(0,)]
    seen = look(store, "t")
    assert seen is not None
    assert seen.columns["a"] == (False, None, None)


def test_the_type_of_a_large_table_changes_beside_its_writers(store: Store, project: Inside):
    _begin(store, project)
    writer = Writer(store.dsn)
    writer.start()
    done = project.flowc("apply", "--yes")
    time.sleep(0.1)
    writer.done.set()
    writer.join()

    assert done.code == 0, done.err
    assert "fill it piece by piece" in done.err
    assert writer.failures == []
    assert store.raw(f"SELECT count(*) FROM t WHERE id > {_SIZE}") == [(writer.written,)]
    _check(store, project)


def test_a_column_that_is_half_filled_is_filled_by_the_next_apply(store: Store, project: Inside):
    _begin(store, project)
    killer = threading.Thread(target=_cut, args=(store.dsn,), daemon=True)
    killer.start()
    cut = project.flowc("apply", "--yes")
    killer.join()
    assert cut.code == 2, cut.err
    assert store.raw(_SHADOWED) == [(1,)]
    # What is written between the two is kept as well.
    store.run("UPDATE t SET a = '-1', e = -1 WHERE id = 7", f"INSERT INTO t VALUES ({_SIZE + 1}, '-2', -2)")

    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    _check(store, project)


def _cut(dsn: str) -> None:
    """Ends the session that fills the column; a reader's lock keeps the new column from taking its place before."""
    filling = "pid <> pg_backend_pid() AND (query LIKE 'DO %' OR wait_event_type = 'Lock')"
    ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {filling}"
    with psycopg.connect(dsn) as session:
        while not _holds(session):
            session.rollback()
            time.sleep(0.001)
        with psycopg.connect(dsn, autocommit=True) as other:
            while not other.execute(ending).fetchall():
                time.sleep(0.01)


def _holds(session: psycopg.Connection) -> bool:
    """Whether the second column is there, seen under a lock that lets nobody take it away."""
    session.execute("LOCK TABLE t IN ACCESS SHARE MODE")
    return session.execute(_SHADOWED).fetchone() == (1,)


def test_a_counter_goes_on_past_the_end_of_the_old_type(store: Store, project: Inside):
    store.run("CREATE TABLE t (id serial PRIMARY KEY)")
    specs(project, store, {"t": "columns: { id: bigint primary key }"})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    store.run("SELECT setval('t_id_seq', 2147483647)", "INSERT INTO t DEFAULT VALUES")
    assert store.raw("SELECT id FROM t") == [(2147483648,)]
    assert project.flowc("plan", "--detailed-exitcode").code == 0
