"""A load that runs while an apply changes its table writes nothing that was made for the columns as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowc.runtime.loads import load
from flowc.runtime.systems.mysql.session import MySQL
from tests.commands import Done, Inside
from tests.lakes import Lake
from tests.stores import SERVERS, Store, address

_PROJECT = """\
connections:
  w: {{ kind: {kind}, {where} }}
  s: {{ kind: sqlite, path: source.sqlite }}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, {column} }} }}
pipelines:
  p: {{ from: {{ connection: s, table: s }}, to: {{ connection: w, table: t }}, {mode} }}
"""
_LOCAL = "at: timestamp"
_INSTANT = "at: { type: timestamptz, change_timezone: Europe/Berlin }"
_MODES = "mode: truncate", "mode: append", "mode: merge, keys: [id]"


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def project_of_delta(tmp_path: Path) -> Inside:
    return made(tmp_path, {})


@pytest.fixture
def project(store: Store, tmp_path: Path) -> Inside:
    return made(tmp_path, {"STORE": store.dsn})


def made(tmp_path: Path, variables: dict[str, str]) -> Inside:
    """A project with a source of one row."""
    source = Store("sqlite", tmp_path, file="source")
    source.run("CREATE TABLE s (id BIGINT, at TIMESTAMP)", "INSERT INTO s VALUES (1, '2026-07-01 12:00:00.000000')")
    return Inside(tmp_path, variables)


def declare(project: Inside, store: Store | Lake, column: str, mode: str) -> None:
    where = "url: '${STORE}'" if store.kind in SERVERS else f"path: store.{store.kind}"
    where = "uri: ./lake" if store.kind == "delta" else where
    project.write("specs/p.yaml", _PROJECT.format(kind=store.kind, where=where, column=column, mode=mode))


def loaded_beside(project: Inside, patch: pytest.MonkeyPatch, act: Any) -> Done:
    """What a run did, once it had looked at its table and the act was done."""
    begin, done = load._begin, []

    def acted(*arguments: Any) -> None:
        if not done:
            done.append(act())
        begin(*arguments)

    patch.setattr(load, "_begin", acted)
    return project.flowc("run", "--once")


@pytest.mark.parametrize("mode", _MODES)
def test_a_load_into_delta_writes_nothing_into_columns_of_other_types(
    project_of_delta: Inside, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
):
    lake = Lake(tmp_path)
    declare(project_of_delta, lake, _LOCAL, mode)
    assert project_of_delta.flowc("apply", "--yes").code == 0

    def changed() -> None:
        declare(project_of_delta, lake, _INSTANT, mode)
        assert project_of_delta.flowc("apply", "--yes").code == 0

    done = loaded_beside(project_of_delta, monkeypatch, changed)
    assert "error[table-differs]" in done.err, done.out
    assert lake.raw("SELECT * FROM t") == []
    assert project_of_delta.flowc("run", "--once").code == 1  # local times are no instants without a `timezone`


@pytest.mark.parametrize("mode", _MODES)
def test_local_times_of_a_load_do_not_become_instants_of_another_zone(
    store: Store, project: Inside, mode: str, monkeypatch: pytest.MonkeyPatch
):
    declare(project, store, _LOCAL, mode)
    assert project.flowc("apply", "--yes").code == 0

    def changed() -> None:
        declare(project, store, _INSTANT, mode)
        done = project.flowc("apply", "--yes")
        assert done.code == 0, done.err

    done = loaded_beside(project, monkeypatch, changed)
    assert done.code == 1, done.out
    assert "error[table-differs]" in done.err
    assert "`at` was timestamp" in done.err.lower()
    assert store.rows("SELECT * FROM t") == []


def test_a_column_that_comes_meanwhile_stops_no_load(store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch):
    declare(project, store, _LOCAL, _MODES[0])
    assert project.flowc("apply", "--yes").code == 0
    done = loaded_beside(project, monkeypatch, lambda: store.run("ALTER TABLE t ADD COLUMN more INTEGER"))
    assert done.code == 0, done.err
    assert store.rows("SELECT * FROM t") == [(1, "2026-07-01 12:00:00", None)]


def test_a_table_that_the_load_itself_moves_afterwards_stops_no_load(store: Store, project: Inside):
    declare(project, store, _LOCAL, "mode: truncate, after: [ALTER TABLE t RENAME TO moved]")
    assert project.flowc("apply", "--yes").code == 0
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    assert store.rows("SELECT * FROM moved") == [(1, "2026-07-01 12:00:00")]


def test_a_load_that_makes_the_table_before_an_apply_does_stays_recorded(mysql, tmp_path, monkeypatch):
    """The apply fails then, and on MySQL nothing that it did before is undone."""
    store, project = Store("mysql", tmp_path, mysql), made(tmp_path, {"STORE": mysql})
    declare(project, store, _LOCAL, "mode: append")
    run, execute, ran = ("run", "--once", "--run-id", "r"), MySQL.execute, list[Done]()

    def beside(self: MySQL, sql: str) -> int:
        if not ran and "INSERT" in sql and "migration_steps" in sql:
            monkeypatch.setattr(MySQL, "execute", execute)
            ran.append(project.flowc(*run))
        return execute(self, sql)

    monkeypatch.setattr(MySQL, "execute", beside)
    assert "already exists" in project.flowc("apply", "--yes").err
    assert (ran[0].code, project.flowc("apply", "--yes").code) == (0, 0)
    assert "passed by" in project.flowc(*run).out
    assert len(store.rows("SELECT id FROM t")) == 1
