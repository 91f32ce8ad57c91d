"""Indexes that PostgreSQL builds beside writers and leaves invalid: tried again, found again, never in the way."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.commands import Inside
from tests.migrate.looking import look
from tests.migrate.meanwhile import before, killed_before
from tests.migrate.projects import specs
from tests.stores import Store

_GIVEN_UP = """SELECT count(*) FROM pg_index WHERE NOT indisvalid AND NOT EXISTS (
  SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE%CONCURRENTLY%' AND state = 'active' AND pid <> pg_backend_pid()
)"""
PLAIN = "columns: { id: bigint not null, a: integer }"


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Store:
    return Store("postgres", tmp_path, postgres)


@pytest.fixture
def project(store: Store) -> Inside:
    made = Inside(store.folder, {"STORE": store.dsn})
    specs(made, store, {"t": PLAIN})
    assert made.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 5), (2, 6)")
    return made


class InTheWay(threading.Thread):
    """A transaction that keeps an index from being built, until an attempt has given it up."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self._dsn, self.ready, self.seen = dsn, threading.Event(), False

    def run(self) -> None:
        with psycopg.connect(self._dsn) as writer, psycopg.connect(self._dsn, autocommit=True) as other:
            writer.execute("INSERT INTO t VALUES (3, 7)")
            self.ready.set()
            while other.execute(_GIVEN_UP).fetchone() != (1,):
                pass
            self.seen = True


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("columns: { id: bigint not null, a: { type: integer, unique: true } }", (("a",), True)),
        ("columns: { id: bigint not null, a: integer }\nindexes: [{ columns: [a] }]", (("a",), False)),
        ("columns: { id: bigint primary key, a: integer }", None),
    ],
    ids=["unique", "index", "key"],
)
def test_an_attempt_that_gave_up_does_not_stop_the_next(
    store: Store, project: Inside, wanted: str, index: tuple[tuple[str, ...], bool] | None
):
    specs(project, store, {"t": wanted})
    busy = InTheWay(store.dsn)
    busy.start()
    assert busy.ready.wait(10)
    done = project.flowc("apply", "--yes", "--table-lock-timeout", "0.2")
    busy.join(10)

    assert done.code == 0, done.err
    assert busy.seen
    seen = look(store, "t")
    assert seen is not None
    assert (seen.key, seen.indexes) == ((), {index}) if index else (("id",), frozenset())
    assert project.flowc("plan", "--detailed-exitcode").code == 0


def _leave(store: Store, name: str, column: str, value: int) -> None:
    """An invalid unique index, as a failed attempt leaves it, over a repeat that is gone afterwards."""
    store.run(f"INSERT INTO t VALUES ({value}, {value}), ({value}, {value})")
    with suppress(psycopg.errors.UniqueViolation):
        store.run(f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON t ({column})')
    store.run(f"DELETE FROM t WHERE id = {value}")
    assert store.raw(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass") == [(False,)]


@pytest.mark.parametrize("name", ["flowc_t_pkey", "t_pkey", "t_pkey_ccnew"])
def test_an_unfinished_index_of_a_key_is_dropped_and_the_key_made(store: Store, project: Inside, name: str):
    _leave(store, name, "id", 9)
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer }"})

    plan = project.flowc("plan").out
    assert "drop unique index on (id), which was left unfinished" in plan
    assert "left alone" not in plan
    done = project.flowc("apply", "--yes")

    assert done.code == 0, done.err
    seen = look(store, "t")
    assert seen is not None
    assert (seen.key, seen.indexes) == (("id",), frozenset())
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(("name", "column"), [("flowc_t_pkey", "id"), ("t_a_idx", "a")])
def test_an_unfinished_index_goes_though_no_spec_wants_it_now(store: Store, project: Inside, name: str, column: str):
    _leave(store, name, column, 9)
    assert f"drop unique index on ({column}), which was left unfinished" in project.flowc("plan").out
    assert project.flowc("apply", "--yes").code == 0
    assert store.raw("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == [(0,)]


@pytest.mark.parametrize("kept", [True, False], ids=["wanted", "taken back"])
def test_an_apply_that_was_killed_before_the_index_became_the_key(store: Store, project: Inside, kept: bool):
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer }"})
    killed_before(project, 'ALTER TABLE "t" ADD CONSTRAINT "t_pkey"')
    assert store.raw("SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = 't'::regclass") == [(0,)]
    if not kept:
        specs(project, store, {"t": PLAIN})

    assert "left alone" not in project.flowc("plan").out
    done = project.flowc("apply", "--yes")

    assert done.code == 0, done.err
    seen = look(store, "t")
    assert seen is not None
    assert (seen.key, seen.indexes) == (("id",) if kept else (), frozenset())
    assert project.flowc("plan", "--detailed-exitcode").code == 0


def test_a_merge_does_not_count_on_an_unfinished_index(store: Store, project: Inside):
    store.run("CREATE TABLE m (id bigint, a integer)", "INSERT INTO m VALUES (9, 9), (9, 9)")
    with suppress(psycopg.errors.UniqueViolation):
        store.run("CREATE UNIQUE INDEX CONCURRENTLY m_id ON m (id)")
    store.run("DELETE FROM m", "INSERT INTO m VALUES (1, 1)")
    specs(project, store, {"t": PLAIN})
    load = '{ from: w, sql: "SELECT id, a FROM t", mode: merge, keys: [id], to: { connection: w, table: m } }'
    project.write("specs/load.yaml", f"pipelines:\n  p: {load}\n")
    done = project.flowc("run", "--once", "p")
    assert done.code == 0, done.err
    assert store.raw("SELECT id, a FROM m ORDER BY id") == [(1, 5), (2, 6)]


def test_an_index_by_hand_on_the_same_columns_is_not_dropped_with_the_applied_one(store: Store, project: Inside):
    specs(project, store, {"t": "columns: { id: bigint not null, a: integer }\nindexes: [{ columns: [a] }]"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE INDEX by_hand ON t (a DESC)")
    specs(project, store, {"t": PLAIN})
    assert (
        "index `by_hand` on (a), an order of its own: no spec knows it, it is left alone" in project.flowc("plan").out
    )
    assert project.flowc("apply", "--yes").code == 0
    assert store.raw("SELECT indexname FROM pg_indexes WHERE tablename = 't'") == [("by_hand",)]


def test_what_goes_with_a_column_is_named(store: Store, project: Inside):
    store.run("ALTER TABLE t ADD CONSTRAINT ordered CHECK (a > id)", "CREATE UNIQUE INDEX pair ON t (id, a)")
    specs(project, store, {"t": "columns: { id: bigint not null }"})
    plan = " ".join(project.flowc("plan").out.split())
    assert "note: what hangs on it goes too, or keeps it from going: constraint ordered on table t, index pair" in plan


def test_an_index_that_fails_for_good_leaves_nothing(store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch):
    specs(project, store, {"t": "columns: { id: bigint not null, a: { type: integer, unique: true } }"})
    asked = before(monkeypatch, "CREATE UNIQUE INDEX CONCURRENTLY", lambda: store.run("INSERT INTO t VALUES (3, 5)"))
    done = project.flowc("apply", "--yes")
    assert asked
    assert done.code == 2
    assert "could not create unique index" in done.err
    assert store.raw("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == [(0,)]


@pytest.mark.parametrize("wanted", ["columns: { id: bigint not null, a: { type: integer, unique: true } }", PLAIN])
def test_an_index_that_somebody_builds_just_now_is_not_dropped(store: Store, project: Inside, wanted: str):
    specs(project, store, {"t": wanted})
    with psycopg.connect(store.dsn) as writer:
        writer.execute("INSERT INTO t VALUES (3, 7)")
        build = "CREATE UNIQUE INDEX CONCURRENTLY theirs ON t (a)"
        builder = threading.Thread(target=lambda: psycopg.connect(store.dsn, autocommit=True).execute(build))
        builder.start()
        while not store.raw("SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'"):
            pass
        found = project.flowc("plan")
        done = project.flowc("apply", "--yes")
        writer.rollback()
        builder.join()
    assert ("another session is building `theirs`, which does the same" in found.out) == (wanted is not PLAIN)
    assert (done.code, "- drop" in found.out) == (2 if wanted is not PLAIN else 0, False), done.err
    assert store.raw("SELECT indisvalid FROM pg_index WHERE indexrelid = 'theirs'::regclass") == [(True,)]
    assert project.flowc("apply", "--yes").code == 0
    assert store.raw("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == [(1,)]
