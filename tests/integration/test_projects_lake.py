"""Several projects over one lake of Delta tables, folders of files and one store of state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.lakes import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def make(tmp_path: Path, name: str, table: str | None = None) -> Inside:
    """A project of a load into a Delta table, and of a stream into another one and into a folder."""
    project, table = Inside(tmp_path / name), table or name
    project.write(
        "specs/project.yaml",
        f"""
project: {name}
connections:
  lake: {{ kind: delta, uri: {tmp_path}/lake }}
  store: {{ kind: sqlite, path: {tmp_path}/store.sqlite }}
  data: {{ kind: files, uri: {tmp_path}/{table} }}
  out: {{ kind: files, uri: {tmp_path}/out }}
tables:
  {table}: {{ connection: lake, columns: {{ id: bigint, name: text }} }}
pipelines:
  load:
    from: {{ connection: data, path: rows.csv, format: csv, columns: {{ id: bigint, name: text }} }}
    to: {{ table: {table} }}
    mode: append
    incremental: {{ column: id }}
streams:
  ticks:
    source: {{ connection: data, path: "ticks-*.jsonl", format: jsonl, columns: {{ id: bigint, name: text }} }}
    to:
      - {{ connection: lake, table: ticks, mode: append }}
      - {{ connection: out, path: all, format: jsonl }}
    state: {{ connection: store }}
""",
    )
    project.write("rows.csv", f"id,name\n1,{name}\n2,{name}\n")
    project.write("ticks-1.jsonl", f'{{"id": 1, "name": "{name}"}}\n')
    return project


def done(project: Inside, *arguments: str) -> str:
    found = project.flowc(*arguments)
    assert found.code == 0, found.out + found.err
    return found.out


def files(tmp_path: Path) -> list[str]:
    lines = [line for path in (tmp_path / "out/all").glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted(json.loads(line)["name"] for line in lines)


def rows(lake: Lake, name: str) -> list[tuple[object, ...]]:
    return sorted(lake.raw(f"SELECT id, name FROM {name}"))


def test_two_projects_share_tables_and_folders_and_nothing_else(tmp_path: Path, lake: Lake):
    orders, sales = make(tmp_path, "orders"), make(tmp_path, "sales")
    for project in (orders, sales):
        done(project, "apply", "--yes")
        done(project, "run", "--once")
    for project in (orders, sales):
        done(project, "run", "--once")
        assert "No changes" in done(project, "plan")
    assert rows(lake, "ticks") == [(1, "orders"), (1, "sales")]
    assert files(tmp_path) == ["orders", "sales"]
    assert (rows(lake, "orders"), rows(lake, "sales")) == ([(1, "orders"), (2, "orders")], [(1, "sales"), (2, "sales")])
    assert sorted(lake.control("SELECT project FROM flowc_migrations")) == [("orders",), ("sales",)]
    thief = make(tmp_path, "thief", "orders")
    assert "error[table-of-another-project]" in thief.flowc("plan").err


def test_a_rename_moves_what_lakes_folders_and_stores_hold(tmp_path: Path, lake: Lake):
    done(make(tmp_path, "orders"), "apply", "--yes")
    done(make(tmp_path, "orders"), "run", "--once")
    today = make(tmp_path, "today", "orders")
    (tmp_path / "orders/rows.csv").write_text("id,name\n2,orders\n3,more\n")
    (tmp_path / "orders/ticks-2.jsonl").write_text('{"id": 2, "name": "more"}\n')
    refused = today.flowc("run", "--once", "load")
    assert "error[table-of-another-project]" in refused.err + refused.out
    told = done(today, "project", "rename", "orders", "today", "--yes")
    assert {"lake.ticks", "out:all", "lake.orders", "store"} <= set(told.split())
    assert "No changes" in done(today, "plan")
    done(today, "run", "--once")
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders"), (3, "more")]
    assert rows(lake, "ticks") == [(1, "orders"), (2, "more")]
    assert files(tmp_path) == ["more", "orders"]


def test_a_table_is_taken_over_with_what_lies_with_it(tmp_path: Path, lake: Lake):
    orders = make(tmp_path, "orders")
    done(orders, "apply", "--yes")
    done(orders, "run", "--once")
    shop = make(tmp_path, "shop", "orders")
    text = (shop.path / "specs/project.yaml").read_text()
    shop.write("specs/project.yaml", text.replace(f"uri: {tmp_path}/out", f"uri: {tmp_path}/elsewhere"))
    (tmp_path / "orders/rows.csv").write_text("id,name\n2,orders\n3,more\n")
    (tmp_path / "orders/ticks-2.jsonl").write_text('{"id": 2, "name": "more"}\n')
    assert "project take lake.orders`" in shop.flowc("plan").err
    told = done(shop, "project", "take", "orders", "--yes")
    assert "project `orders` leaves `lake.orders` alone" in told
    assert "how far `load` is" in told
    done(shop, "run", "--once", "load")
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders"), (3, "more")]
    refused = orders.flowc("run", "--once", "load")
    assert "error[table-of-another-project]" in refused.err + refused.out
    done(orders, "run", "--once", "ticks")
    assert rows(lake, "ticks") == [(1, "orders"), (2, "more")]
    done(orders, "project", "take", "orders", "--yes")
    assert "No changes" in done(orders, "plan")
    (tmp_path / "orders/rows.csv").write_text("id,name\n3,more\n4,new\n")
    done(orders, "run", "--once", "load")
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders"), (3, "more"), (4, "new")]


def test_a_project_that_comes_back_to_its_name_goes_on(tmp_path: Path, lake: Lake):
    done(make(tmp_path, "orders"), "run", "--once", "load")
    for old, new in (("orders", "today"), ("today", "orders"), ("orders", "today"), ("today", "orders")):
        done(make(tmp_path, new, "orders"), "project", "rename", old, new, "--yes")
    back = make(tmp_path, "orders")
    assert "lake.orders: 2" in done(back, "rewind", "load", "--to", "2", "--yes")
    back.write("rows.csv", "id,name\n2,orders\n3,more\n")
    done(back, "run", "--once", "load")
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders"), (3, "more")]


def pond(tmp_path: Path, name: str, *, connection: str = "lake", incremental: bool = False) -> Inside:
    """A project of the load into `orders`, in a lake that it calls `connection`."""
    made = make(tmp_path, name, "orders")
    text = (made.path / "specs/project.yaml").read_text().replace("lake:", f"{connection}:")
    text = text.replace(": lake,", f": {connection},").replace(f"uri: {tmp_path}/out", f"uri: {tmp_path}/elsewhere")
    made.write("specs/project.yaml", text if incremental else text.replace("    incremental: { column: id }\n", ""))
    return made


RUN = ("run", "--once", "load", "--run-id", "nightly")


def test_runs_that_a_lake_recorded_move_with_their_load(tmp_path: Path, lake: Lake):
    done(pond(tmp_path, "orders"), "apply", "--yes")
    done(pond(tmp_path, "orders"), *RUN)
    for old, new in (("orders", "today"), ("today", "orders"), ("orders", "today")):
        project = pond(tmp_path, new)
        assert "how far `load` is" in done(project, "project", "rename", old, new, "--yes")
        assert "passed by" in done(project, *RUN)
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders")]


@pytest.mark.parametrize("incremental", [False, True])
def test_a_lake_that_has_another_name_here(tmp_path: Path, lake: Lake, incremental: bool):
    done(pond(tmp_path, "orders", incremental=incremental), "apply", "--yes")
    done(pond(tmp_path, "orders", incremental=incremental), *RUN)
    shop = pond(tmp_path, "shop", connection="pond", incremental=incremental)
    assert "how far `load` is" in done(shop, "project", "take", "orders", "--yes")
    assert "passed by" in done(shop, *RUN)
    assert rows(lake, "orders") == [(1, "orders"), (2, "orders")]
    if incremental:
        assert json.loads(done(shop, "status", "load", "--json"))[0]["watermark"] == "2"
