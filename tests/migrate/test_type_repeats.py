"""Values that become the same by a change of type, under a unique key: the plan counts them, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store, address

KEYS = {
    "a unique index": ("id: bigint primary key, a: {} not null", "indexes: [{ columns: [a], unique: true }]"),
    "the primary key": ("id: bigint, a: {} not null", "primary_key: [a]"),
}


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def wants(project: Inside, store: Store, columns: str, more: str) -> None:
    specs(project, store, {"t": f"columns: {{ {columns} }}\n{more}"})


@pytest.mark.covering
@pytest.mark.parametrize("key", KEYS)
def test_repeats_by_a_change_of_type_are_counted_before_anything_changes(store: Store, project: Inside, key: str):
    columns, more = KEYS[key]
    wants(project, store, columns.format("varchar(20)"), more)
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t (id, a) VALUES (1, '1'), (2, '01'), (3, '2')")
    wants(project, store, columns.format("integer"), more)
    assert "1 value of (a) would be there more than once as integer" in " ".join(project.flowc("plan").out.split())
    done = project.flowc("apply", "--yes")
    assert (done.code, "precheck-failed" in done.err, "[1/" in done.err) == (2, True, False)
    store.run("DELETE FROM t WHERE id = 2")
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.out + done.err
    assert sorted(store.raw("SELECT id, a FROM t")) == [(1, 1), (3, 2)]


def test_a_new_index_is_checked_with_the_values_in_their_new_type(store: Store, project: Inside):
    wants(project, store, "id: bigint primary key, a: varchar(20)", "")
    assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t (id, a) VALUES (1, '1'), (2, '01'), (3, NULL), (4, NULL)")
    wants(project, store, "id: bigint primary key, a: integer", "indexes: [{ columns: [a], unique: true }]")
    done = project.flowc("apply", "--yes")
    assert (done.code, "[1/" in done.err) == (2, False)
    assert "1 value of (a) is there more than once" in done.err
    assert store.raw("SELECT a FROM t WHERE id = 2") == [("01",)]
