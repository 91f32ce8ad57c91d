"""Several projects in one database: none meets what another one keeps there, whatever their names have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import HALF, OTHER_HALF, Store

pytestmark = pytest.mark.turns("store", 2)

KEPT = ("migrations", "migration_steps", "watermarks", "positions")


Make = Callable[..., Inside]


@pytest.fixture
def made(tmp_path: Path, store: Store) -> Make:
    """Makes a project in a folder of its own: a pipeline `load` and a stream `ticks` into tables of its own."""

    def make(folder: str, name: str | None = None, table: str | None = None, **more: str) -> Inside:
        project = Inside(tmp_path / folder)
        table = table or folder
        where = f'url: "{store.dsn}"' if store.dsn else f"path: {tmp_path / f'store.{store.kind}'}"
        project.write(
            "specs/project.yaml",
            f"""
{f"project: {name}" if name else ""}
connections:
  wh: {{ kind: {store.kind}, {where} }}
  data: {{ kind: files, uri: {tmp_path / folder} }}
tables:
  {table}: {{ connection: wh, columns: {{ id: bigint primary key, name: text }} }}
pipelines:
  load:
    from: {{ connection: data, path: rows.csv, format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ table: {table} }}
    mode: append
    incremental: {{ column: id }}
streams:
  ticks:
    source: {{ connection: data, path: "ticks-*.jsonl", format: jsonl, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: wh, table: {table}_ticks }}
    mode: append
{more.get("rest", "")}
""",
        )
        project.write("rows.csv", f"id,name\n1,{folder}\n2,{folder}\n")
        project.write("ticks-1.jsonl", f'{{"id": 1, "name": "{folder}"}}\n')
        return project

    return make


def done(project: Inside, *arguments: str) -> str:
    found = project.flowc(*arguments)
    assert found.code == 0, found.out + found.err
    return found.out


def refused(project: Inside, *arguments: str) -> str:
    found = project.flowc(*arguments)
    assert found.code != 0, found.out
    return found.out + found.err


def test_two_projects_with_the_same_names_do_not_meet(store: Store, made: Make):
    orders, sales = made("orders"), made("sales")
    for project in (orders, sales):
        done(project, "apply", "--yes")
        done(project, "run", "--once")
    for project in (orders, sales):
        assert "No changes" in done(project, "plan")
        project.write("rows.csv", "id,name\n2,again\n3,more\n")
        project.write("ticks-2.jsonl", '{"id": 2, "name": "more"}\n')
        done(project, "run", "--once")
        assert "No drift" in done(project, "drift")
    for table in ("orders", "sales"):
        assert store.rows(f"SELECT id, name FROM {table}") == [(1, table), (2, table), (3, "more")]
        assert store.rows(f"SELECT id FROM {table}_ticks") == [(1,), (2,)]
    for name in ("migrations", "watermarks"):
        assert store.rows(f"SELECT DISTINCT project FROM {store.own(name)}") == [("orders",), ("sales",)]
    places = store.rows(f"SELECT project, stream_name, target FROM {store.own('positions')}")
    assert {place[:2] for place in places} == {("orders", "ticks"), ("sales", "ticks")}


@HALF
def test_a_rewind_moves_the_stream_of_its_own_project(store: Store, made: Make):
    orders, sales = made("orders"), made("sales")
    for project in (orders, sales):
        done(project, "run", "--once", "ticks")
    done(orders, "rewind", "ticks", "--to", "earliest", "--yes")
    for project in (orders, sales):
        done(project, "run", "--once", "ticks")
    assert [store.rows(f"SELECT count(*) FROM {name}_ticks") for name in ("orders", "sales")] == [[(2,)], [(1,)]]


@OTHER_HALF
def test_a_project_that_goes_leaves_the_other(store: Store, made: Make):
    orders, sales = made("orders"), made("sales")
    for project in (orders, sales):
        done(project, "apply", "--yes")
        done(project, "run", "--once")
    text = (orders.path / "specs/project.yaml").read_text()
    orders.write("specs/project.yaml", text.partition("tables:")[0])
    plan = refused(orders, "apply", "--yes")
    assert "--allow-destructive wh.orders" in plan
    assert "sales" not in plan
    done(orders, "apply", "--yes", "--allow-destructive", "all")
    assert store.rows("SELECT count(*) FROM sales") == [(2,)]
    assert "No changes" in done(sales, "plan")


@HALF
def test_a_table_of_another_project_is_named_and_left_alone(store: Store, made: Make):
    orders, thief = made("orders"), made("thief", table="orders")
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load")
    for command in (("plan",), ("apply", "--yes")):
        said = refused(thief, *command)
        assert "error[table-of-another-project]" in said
        assert "project `orders`" in said
        assert "project rename orders thief`" in said
        assert "--allow-destructive" not in said
    assert store.rows("SELECT count(*) FROM orders") == [(2,)]
    assert "No changes" in done(orders, "plan")


@OTHER_HALF
def test_a_moved_folder_is_told_and_nothing_is_read_twice(store: Store, made: Make):
    done(made("orders"), "run", "--once")
    moved = made("moved", table="orders")
    moved.write("rows.csv", "id,name\n1,orders\n2,orders\n")
    said = refused(moved, "run", "--once")
    assert said.count("error[project-renamed]") == 2
    assert "project rename orders moved`" in said
    assert store.rows("SELECT count(*) FROM orders") == [(2,)]
    assert store.rows("SELECT count(*) FROM orders_ticks") == [(1,)]


@HALF
def test_a_project_is_renamed(store: Store, made: Make):
    orders, sales = made("orders"), made("sales")
    for project in (orders, sales):
        done(project, "apply", "--yes")
        done(project, "run", "--once")
    before = done(orders, "plan", "--history").splitlines()[1:]
    renamed = made("new", name="orders of today", table="orders")
    renamed.write("rows.csv", "id,name\n2,again\n3,more\n")
    renamed.write("ticks-2.jsonl", '{"id": 2, "name": "more"}\n')
    assert "nobody-to-ask" in refused(renamed, "project", "rename", "orders", "orders of today")
    assert "`plan`" not in done(renamed, "project", "rename", "orders", "orders of today", "--yes")
    assert "No changes" in done(renamed, "plan")
    assert done(renamed, "plan", "--history").splitlines()[1:] == before
    done(renamed, "run", "--once", "load")
    assert store.rows("SELECT id FROM orders") == [(1,), (2,), (3,)]
    assert "No changes" in done(sales, "plan")
    names = store.rows(f"SELECT DISTINCT project FROM {store.own('positions')}")
    assert names == [("orders of today",), ("sales",)]
    said = refused(renamed, "project", "rename", "order", "orders of today", "--yes")
    assert "error[unknown-project]" in said
    assert "`orders of today`, `sales`" in said


@OTHER_HALF
def test_a_rename_onto_a_project_that_is_there_is_refused(store: Store, made: Make):
    orders, sales = made("orders"), made("sales")
    for project in (orders, sales):
        done(project, "apply", "--yes")
    assert "error[project-exists]" in refused(sales, "project", "rename", "orders", "sales", "--yes")
    assert "error[unknown-project]" in refused(orders, "project", "rename", "orders", "sales", "--yes")


@HALF
def test_a_saved_plan_is_of_one_project(store: Store, made: Make):
    orders = made("orders")
    done(orders, "plan", "--out", "plan.json")
    assert '"project": "orders"' in done(orders, "plan", "--json")
    text = (orders.path / "specs/project.yaml").read_text()
    orders.write("specs/project.yaml", f"project: other\n{text}")
    said = refused(orders, "apply", "plan.json")
    assert "error[stale-plan]" in said
    assert "project `orders`" in said
    assert "project `other`" in said


def test_import_takes_tables_of_its_own_database_alone(store: Store, made: Make):
    orders = made("orders")
    done(orders, "apply", "--yes")
    done(orders, "run", "--once")
    store.run("CREATE TABLE nobodys (id BIGINT)")
    sales = made("sales")
    found = sales.flowc("import", "wh")
    assert "nobodys:" in found.out
    assert "orders_ticks:" in found.out
    assert "flowc" not in found.out
    assert "orders:" not in found.out
    assert "belongs to project `orders`, and left out" in found.err
    assert "error[table-of-another-project]" in refused(sales, "import", "wh", "orders")
    assert "name: orders" in done(orders, "import", "wh", "orders")


def appending(project: Inside) -> Inside:
    """The project with a load that adds all rows of its source in each run."""
    text = (project.path / "specs/project.yaml").read_text("utf-8")
    project.write(
        "specs/project.yaml", text.replace("    incremental: { column: id }\n", "").replace(" primary key", "")
    )
    return project


def test_an_attempt_behind_a_rename_loads_nothing_again(store: Store, made: Make):
    orders = appending(made("orders"))
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load", "--run-id", "a")
    renamed = appending(made("new", name="new", table="orders"))
    done(renamed, "project", "rename", "orders", "new", "--yes")
    assert "passed by" in done(renamed, "run", "--once", "load", "--run-id", "a")
    assert store.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]


def test_a_run_under_the_new_name_does_not_stop_a_rename(store: Store, made: Make):
    orders = appending(made("orders"))
    for run in ("a", "b"):
        done(orders, "run", "--once", "load", "--run-id", run)
    renamed = appending(made("new", name="new", table="orders"))
    done(renamed, "run", "--once", "load", "--run-id", "a")
    done(renamed, "project", "rename", "orders", "new", "--yes")
    done(renamed, "run", "--once", "load", "--run-id", "b")
    assert store.rows("SELECT count(*) FROM orders") == [(6,)]
