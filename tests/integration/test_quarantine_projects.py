"""Rows in quarantine go with their project when it is renamed, and with their table when another project takes it."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.integration.test_projects import done
from tests.integration.test_quarantine import kept, ran
from tests.stores import HALF, OTHER_HALF

SPEC = """
project: {name}
connections: {{ w: {connection} }}
tables:
  t: {{ connection: w, columns: {{ id: bigint primary key, v: bigint }} }}
pipelines:
  p:
    table: src
    to: t
    mode: merge
    {incremental}
    quarantine: {{ table: {bad} }}
    expect: [{{ name: low, sql: "v < 10", severity: quarantine, max_failures: 50% }}]
"""


def write(project: Inside, store, name: str, incremental: str = "incremental: { column: id }") -> None:
    where = store.connection.replace("path: ", f"path: {store.folder}/")
    project.write("specs/p.yaml", SPEC.format(name=name, connection=where, bad=place(store), incremental=incremental))


def place(store):
    return "ops.bad" if store.kind in ("postgres", "duckdb") else "bad"


def names(store):
    return [row[0] for row in kept(store, place(store))]


@HALF
def test_they_go_with_a_project_that_is_renamed(project, store):
    write(project, store, "shop")
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
    done(project, "run", "--once")
    write(project, store, "store")
    told = done(project, "project", "rename", "shop", "store", "--yes")
    assert "bad rows in" in told
    assert ran(project)["error"] is None
    assert names(store) == ["store/p"]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_they_go_where_nothing_else_is_kept(project, store):
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
    write(project, store, "shop", "deletes: hard")
    done(project, "run", "--once")
    write(project, store, "store", "deletes: hard")
    done(project, "project", "rename", "shop", "store", "--yes")
    assert names(store) == ["store/p"]


@OTHER_HALF
def test_they_go_with_a_table_that_is_taken(tmp_path, store):
    one, two = (Inside(tmp_path / name) for name in ("one", "two"))
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
    for project in (one, two):
        write(project, store, project.path.name)
    specs = two.path / "specs" / "p.yaml"
    specs.write_text(specs.read_text().replace("{ w: {", "{ house: {").replace("connection: w", "connection: house"))
    done(one, "apply", "--yes")
    done(one, "run", "--once")
    assert "bad rows in" in done(two, "project", "take", "t", "--yes")
    target = ran(two)
    assert (target["error"], target["counts"].get("bad")) == (None, 0)
    [row] = kept(store, place(store))
    assert (row[0], row[4].partition(":")[0]) == ("two/p", "`house.t`")
