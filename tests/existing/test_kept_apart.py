"""What looks like a declared thing and is another one: indexes of the same columns or name, defaults in other words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store

_INDEXED = (
    "columns: {{ id: bigint primary key, a: integer, b: 'text[]' }}\nindexes: [{{ columns: [{}], {}unique: {} }}]"
)
_ON = {
    "USING brin (a)": ("a", "index on (a), USING brin"),
    "(a DESC)": ("a", "an order of its own"),
    "(a) INCLUDE (id)": ("a", "INCLUDE (id)"),
    "USING gin (b)": ("b", "USING gin"),
    "(a) WHERE a > 5": ("a", "where (a > 5)"),
}


def _project(store: Store) -> Inside:
    project = Inside(store.folder, {"STORE": store.dsn})
    store.run("CREATE TABLE t (id bigint PRIMARY KEY, a integer, b text[])")
    return project


@pytest.mark.parametrize("how", _ON)
def test_an_index_of_another_kind_is_no_declared_one(postgres: str, tmp_path: Path, how: str):
    store = Store("postgres", tmp_path, postgres)
    project = _project(store)
    column, words = _ON[how]
    store.run(f"CREATE INDEX theirs ON t {how}")
    specs(project, store, {"t": _INDEXED.format(column, "name: theirs, ", "false")})
    plan = " ".join(project.flowc("plan").out.split())
    assert words in plan
    assert "give this one another name" in plan
    assert project.flowc("apply", "--yes").code == 2

    specs(project, store, {"t": _INDEXED.format(column, "", "false")})
    assert project.flowc("apply", "--yes").code == 0
    made = f"CREATE INDEX t_{column}_idx ON public.t USING btree ({column})"
    asked = "SELECT indexdef FROM pg_indexes WHERE tablename = 't' AND indexname <> 't_pkey'"
    defined = [str(row[0]) for row in store.raw(asked)]
    assert len(defined) == 2
    assert made in defined
    assert "No changes" in project.flowc("plan").out


@pytest.mark.parametrize("how", ["UNIQUE NULLS NOT DISTINCT (a)", "UNIQUE (a) DEFERRABLE"])
def test_a_unique_constraint_of_another_kind_is_no_declared_one(postgres: str, tmp_path: Path, how: str):
    store = Store("postgres", tmp_path, postgres)
    project = _project(store)
    store.run(f"ALTER TABLE t ADD CONSTRAINT theirs {how}")
    specs(project, store, {"t": _INDEXED.format("a", "", "true")})
    assert "+ create unique index on (a)" in project.flowc("plan").out


def test_a_users_constraint_is_no_leftover(postgres: str, tmp_path: Path):
    store = Store("postgres", tmp_path, postgres)
    project = _project(store)
    store.run("ALTER TABLE t ADD CONSTRAINT flowc_a_not_null CHECK (a IS NOT NULL)")
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer, b: 'text[]' }"})
    assert "No changes" in project.flowc("plan").out
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer not null, b: 'text[]' }"})
    assert "cannot be done" in project.flowc("plan").out


def test_defaults_that_mysql_writes_in_its_own_way(mysql: str, tmp_path: Path):
    store = Store("mysql", tmp_path, mysql)
    project = Inside(store.folder, {"STORE": store.dsn})
    columns = "id: bigint primary key, a: real default 123456789, b: integer default 0x10, c: real default 1.5"
    specs(project, store, {"t": f"columns: {{ {columns} }}"})
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    specs(project, store, {"t": f"columns: {{ {columns.replace('1.5', '1.25').replace('0x10', '0x11')} }}"})
    plan = project.flowc("plan").out
    assert plan.count("~ set default of") == 2, plan
