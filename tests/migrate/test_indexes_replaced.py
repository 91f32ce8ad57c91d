"""An index that takes another one's place is made first and gets its roles: on every engine, and after any crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flowc.runtime.systems.postgres.session import Postgres
from tests.commands import Inside
from tests.migrate.looking import look
from tests.migrate.projects import specs
from tests.stores import Store

pytestmark = pytest.mark.turns("any_store", 2)

_COLUMNS = "columns: { id: bigint primary key, a: integer not null, b: integer not null, c: integer }\n"
_SAME_NAME = "indexes: [{{ columns: [{}], unique: true, name: u }}]"
_ROLES = (
    "SELECT c.relname, i.indisunique, i.indisvalid, i.indisreplident, i.indisclustered, i.indkey::text "
    "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 't'::regclass AND NOT i.indisprimary"
)


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Store:
    return Store("postgres", tmp_path, postgres)


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def _published(project: Inside, store: Store) -> None:
    specs(project, store, {"t": _COLUMNS + _SAME_NAME.format("a")})
    assert project.flowc("apply", "--yes").code == 0
    store.run(
        "INSERT INTO t VALUES (1, 5, 1, 1), (2, 6, 1, 1)", "ALTER TABLE t REPLICA IDENTITY USING INDEX u",
        "ALTER TABLE t CLUSTER ON u", "CREATE PUBLICATION p FOR TABLE t",
    )  # fmt: skip


def _between(patch: pytest.MonkeyPatch, dsn: str, wrong: list[str]) -> None:
    """Another session updates and repeats a key before each statement of DDL."""
    original = Postgres.execute

    def execute(self: Any, sql: str) -> int:
        if sql.startswith(("CREATE UNIQUE", 'ALTER TABLE "t"', "DROP INDEX", "ALTER INDEX")):
            wrong.extend(_tried(dsn, sql))
        return original(self, sql)

    patch.setattr(Postgres, "execute", execute)


def _tried(dsn: str, sql: str) -> Iterator[str]:
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("SET lock_timeout = '100ms'")
        try:
            other.execute("UPDATE t SET c = c + 1")
        except psycopg.errors.LockNotAvailable:
            return  # in the transaction of statements before, which nobody sees yet
        except psycopg.Error as error:
            yield f"before {sql}: {error}"
        try:
            other.execute("INSERT INTO t VALUES (9, 5, 1, 1)")
            yield f"before {sql}: the key was there twice"
        except psycopg.errors.UniqueViolation:
            pass


def test_the_identity_of_a_published_table_moves_to_the_new_index(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    _published(project, store)
    specs(project, store, {"t": _COLUMNS + _SAME_NAME.format("a, b")})
    plan = project.flowc("plan")
    assert "replication identifies rows by (a, b) from then on" in plan.out, plan.out
    wrong: list[str] = []
    _between(monkeypatch, store.dsn, wrong)
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert wrong == []
    assert store.raw(_ROLES) == [("u", True, True, True, True, "2 3")]
    store.run("UPDATE t SET c = 7")
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
def test_an_apply_that_is_cut_off_anywhere_goes_on_in_either_direction(store: Store, project: Inside, back: bool):
    _published(project, store)
    before, after = ({"t": _COLUMNS + _SAME_NAME.format(columns)} for columns in ("a", "a, b"))
    for words in ("DROP INDEX", "ALTER INDEX") if back else ('ALTER TABLE "t" REPLICA', "DROP INDEX", "ALTER INDEX"):
        specs(project, store, after)
        _killed(project, words)
        store.run("UPDATE t SET c = 8")
        if back:
            specs(project, store, before)
        done = project.flowc("apply", "--yes")
        assert done.code == 0, (words, done.err)
        assert store.raw(_ROLES) == [("u", True, True, True, True, "2" if back else "2 3")], words
        specs(project, store, before)
        done = project.flowc("apply", "--yes")
        assert done.code == 0, (words, done.err)


def test_applies_of_other_versions_are_cut_off_one_after_the_other(store: Store, project: Inside):
    _published(project, store)
    for columns, words in [("a, b", "DROP INDEX"), ("b, id", 'ALTER TABLE "t" REPLICA'), ("id", "ALTER INDEX")]:
        specs(project, store, {"t": _COLUMNS + _SAME_NAME.format(columns)})
        _killed(project, words)
        store.run("UPDATE t SET c = 8")
    specs(project, store, {"t": _COLUMNS + _SAME_NAME.format("b, a, id")})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.out + done.err
    assert store.raw(_ROLES) == [("u", True, True, True, True, "3 2 1")]
    assert project.flowc("plan", "--detailed-exitcode").code == 0


def _killed(project: Inside, words: str) -> None:
    """An apply in a process of its own, killed before the first such statement from the first CREATE INDEX on."""
    child = os.fork()
    if child == 0:
        _die_before(words)
        os._exit(project.flowc("apply", "--yes").code)
    os.waitpid(child, 0)


def _die_before(words: str) -> None:
    original, made = Postgres.execute, []

    def execute(self: Any, sql: str) -> int:
        made.extend([sql] if sql.startswith("CREATE UNIQUE INDEX") else [])
        if made and sql.startswith(words):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, sql)

    Postgres.execute = execute  # type: ignore[method-assign]


REFUSED = {
    "dropped": _COLUMNS,
    "no longer unique": _COLUMNS + "indexes: [{ columns: [a, b], name: u }]",
    "over a column that may be NULL": _COLUMNS + _SAME_NAME.format("c"),
    "its column may be NULL": _COLUMNS.replace("a: integer not null", "a: integer") + _SAME_NAME.format("a"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_replica_identity_does_not_go_without_a_successor(store: Store, project: Inside, what: str):
    _published(project, store)
    specs(project, store, {"t": REFUSED[what]})
    refused = project.flowc("apply", "--yes")
    assert refused.code == 2
    assert "REPLICA IDENTITY" in refused.err
    assert store.raw(_ROLES) == [("u", True, True, True, True, "2")]
    store.run("UPDATE t SET c = 7")


def test_a_primary_key_changes_in_one_statement(store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch):
    columns = "columns: { id: bigint not null, a: integer not null, b: integer not null, c: integer }\n"
    specs(project, store, {"t": columns + "primary_key: [a]"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 5, 1, 1), (2, 6, 1, 1)", "CREATE PUBLICATION p FOR TABLE t")
    specs(project, store, {"t": columns.replace("a: integer not null", "a: integer") + "primary_key: [id, b]"})
    wrong: list[str] = []
    _between(monkeypatch, store.dsn, wrong)
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert wrong == []
    store.run("UPDATE t SET c = 7, a = NULL")
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    specs(project, store, {"t": columns})
    refused = project.flowc("apply", "--yes")
    assert refused.code == 2
    assert "REPLICA IDENTITY" in refused.err


def test_import_tells_the_roles_of_an_index(store: Store, project: Inside):
    _published(project, store)
    store.run("CREATE TABLE full_of (id bigint)", "ALTER TABLE full_of REPLICA IDENTITY FULL")
    project.write("specs/project.yaml", "connections:\n  w: { kind: postgres, url: '${STORE}' }\n")
    found = project.flowc("import", "w", "t", "full_of")
    assert "index `u`: REPLICA IDENTITY" in found.out + found.err
    assert "index `u`: CLUSTER" in found.out + found.err
    assert "REPLICA IDENTITY FULL" in found.out + found.err


def test_a_unique_index_is_made_before_the_one_that_it_replaces(any_store: Store):
    project = Inside(any_store.folder, {"STORE": any_store.dsn})
    specs(project, any_store, {"t": _COLUMNS + "indexes: [{ columns: [a], unique: true, name: u }]"})
    assert project.flowc("apply", "--yes").code == 0
    any_store.run("INSERT INTO t VALUES (1, 5, 1, 1), (2, 6, 1, 1)")
    specs(project, any_store, {"t": _COLUMNS + "indexes: [{ columns: [a, b], unique: true, name: v }]"})
    kinds = [change["kind"] for change in project.flowc("plan", "--json").json["changes"]]
    assert kinds.index("create_index") < kinds.index("drop_index")
    for name in ("v", "w"):
        columns = "a, b" if name == "v" else "a, id"
        specs(
            project, any_store, {"t": _COLUMNS + f"indexes: [{{ columns: [{columns}], unique: true, name: {name} }}]"}
        )
        done = project.flowc("apply", "--yes")
        assert done.code == 0, done.err
        seen = look(any_store, "t")
        assert seen is not None
        assert seen.indexes == {(tuple(columns.split(", ")), True)}
        assert project.flowc("plan", "--detailed-exitcode").code == 0


def test_an_index_gives_its_name_to_another_one(any_store: Store):
    project = Inside(any_store.folder, {"STORE": any_store.dsn})
    of = "{{ columns: [{}], name: {} }}".format
    for listed in ([of("a", "u")], [of("a", "v"), of("b", "u")], [of("a", "u"), of("b", "v")], [of("a", "v")]):
        specs(project, any_store, {"t": f"{_COLUMNS}indexes: [{', '.join(listed)}]"})
        done = project.flowc("apply", "--yes")
        assert done.code == 0, (listed, done.out, done.err)
        assert project.flowc("plan", "--detailed-exitcode").code == 0, listed
    seen = look(any_store, "t")
    assert seen is not None
    assert seen.indexes == {(("a",), False)}


def test_the_index_of_a_foreign_key_is_replaced(mysql: str, tmp_path: Path):
    store = Store("mysql", tmp_path, mysql)
    project = Inside(store.folder, {"STORE": store.dsn})
    indexed = "columns: {{ id: bigint primary key, a: bigint, b: integer }}\nindexes: [{{ columns: [{}], name: u }}]"
    specs(project, store, {"t": indexed.format("a")})
    assert project.flowc("apply", "--yes").code == 0
    store.run("ALTER TABLE t ADD CONSTRAINT own FOREIGN KEY (a) REFERENCES t (id)")
    specs(project, store, {"t": indexed.format("a, b")})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.fixture(params=["postgres", "mysql", "sqlite", "duckdb"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty database of each engine that has indexes."""
    dsn = request.getfixturevalue(request.param) if request.param in ("postgres", "mysql") else ""
    return Store(request.param, tmp_path, dsn)
