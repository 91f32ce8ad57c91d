"""One database that several connections name, by other addresses and users, is planned, taken and renamed once."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.integration.test_projects import Make, done, made
from tests.stores import Store
from tests.streams.filefolder import put

__all__ = ["made"]  # fixtures


def other_address(dsn: str) -> str:
    """Another spelling of an address, and one for which a session of its own is opened."""
    return dsn.replace("127.0.0.1", "LOCALHOST") + ("&" if "?" in dsn else "?") + "connect_timeout=14"


def respelled(project: Inside, dsn: str) -> None:
    """Has the load write by another connection of the database, which is declared first."""
    text = (project.path / "specs/project.yaml").read_text()
    again = f'  again: {{ kind: postgres, url: "{other_address(dsn)}" }}\n'
    text = re.sub(r"    to: \{ table: (\w+) \}", r"    to: { connection: again, table: \1 }", text)
    project.write("specs/project.yaml", text.replace("connections:\n", "connections:\n" + again))


def test_a_database_of_two_addresses_has_one_plan(tmp_path: Path, postgres: str):
    project = Inside(tmp_path, {"A": postgres, "B": other_address(postgres)})
    tables = "{ ta: { connection: a, columns: { id: bigint } }, tb: { connection: b, columns: { id: bigint } } }"
    project.write(
        "specs/a.yaml",
        "connections: { a: { kind: postgres, url: '${A}' }, b: { kind: postgres, url: '${B}' } }\n"
        f"tables: {tables}\n",
    )
    done(project, "apply", "--yes")
    assert "No changes" in done(project, "plan")
    project.write("specs/a.yaml", (project.path / "specs/a.yaml").read_text().replace("connection: b", "connection: a"))
    assert "No changes" in done(project, "plan")


SCHEMAS = """
connections:
  rows: {{ kind: files, uri: . }}
  a: {{ kind: postgres, url: "{dsn}" }}
  b: {{ kind: postgres, url: "{dsn}{sign}options=-csearch_path%3Ds2" }}
tables:
  ta: {{ connection: a, columns: {{ id: bigint }} }}
  tb: {{ connection: b, columns: {{ id: bigint }} }}
  other: {{ connection: {connection}, schema: s2, columns: {{ id: bigint }} }}
pipelines:
  load:
    from: {{ connection: rows, path: rows.csv, columns: {{ id: bigint }} }}
    to: {{ connection: b, table: tb }}
    incremental: {{ column: id }}
    mode: append
streams:
  s:
    source: {{ connection: rows, path: "*.jsonl", columns: {{ id: bigint }} }}
    to: {{ connection: b, table: made, mode: append }}
"""


@pytest.mark.parametrize("first", "ab")
def test_a_database_of_two_search_paths_has_one_plan(tmp_path: Path, postgres: str, first: str):
    project, store = Inside(tmp_path), Store("postgres", tmp_path, postgres)
    store.run("CREATE SCHEMA s2")
    text = SCHEMAS.format(dsn=postgres, sign="&" if "?" in postgres else "?", connection=first)
    if first == "b":
        text = re.sub("(  ta: .*\n)(  tb: .*\n)", r"\2\1", text)
    project.write("specs/a.yaml", text)
    project.write("rows.csv", "id\n1\n")
    put(tmp_path, "1.jsonl", '{"id": 1}\n')
    done(project, "apply", "--yes")
    done(project, "run", "--once")
    plan = done(project, "plan")
    assert "No changes" in plan, plan
    assert "No drift" in done(project, "drift")
    found = store.rows("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 's2')")
    assert found == [("public", "ta"), ("s2", "made"), ("s2", "other"), ("s2", "tb")]
    assert store.rows("SELECT id FROM s2.tb UNION ALL SELECT id FROM s2.made") == [(1,), (1,)]
    project.write(
        "specs/a.yaml", text.replace("tb: { connection: b, columns: {", "tb: { connection: b, columns: { t: text,")
    )
    assert "1 to add, 0 to change, 0 to drop" in done(project, "plan")
    project.write("specs/a.yaml", re.sub("  other: .*\n", "", text))
    assert "0 to add, 0 to change, 1 to drop" in done(project, "plan")


def test_a_table_that_two_connections_declare_is_made_once(tmp_path: Path):
    project = Inside(tmp_path)
    connections = "connections: { a: { kind: sqlite, path: a.db }, b: { kind: sqlite, path: ./a.db } }\n"
    tables = "{{ ta: {{ connection: a, columns: {{ id: bigint }} }}, tb: {{ connection: b, name: TA, columns: {} }} }}"
    project.write("specs/a.yaml", f"{connections}tables: {tables.format('{ id: bigint }')}\n")
    done(project, "apply", "--yes")
    assert "No changes" in done(project, "plan")
    project.write("specs/a.yaml", f"{connections}tables: {tables.format('{ id: bigint, more: text }')}\n")
    found = project.flowc("plan")
    assert (found.code, "error[duplicate-table]: `ta` and `tb` are one table" in found.err) == (2, True), found.err


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_load_by_another_connection_goes_with_the_table_that_is_taken(store: Store, made: Make):
    orders, shop = made("orders"), made("shop", table="orders")
    for project in (orders, shop):
        respelled(project, str(store.dsn))
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load")
    shop.write("rows.csv", "id,name\n2,orders\n3,more\n")
    done(shop, "project", "take", "wh.orders", "--from", "orders", "--yes")
    assert "pipeline load" not in done(shop, "plan")
    done(shop, "run", "--once", "load")
    assert store.rows("SELECT id, name FROM orders ORDER BY id") == [(1, "orders"), (2, "orders"), (3, "more")]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_project_is_renamed_in_a_database_of_two_addresses(store: Store, made: Make):
    orders = made("orders")
    respelled(orders, str(store.dsn))
    done(orders, "apply", "--yes")
    done(orders, "run", "--once", "load")
    text = (orders.path / "specs/project.yaml").read_text()
    orders.write("specs/project.yaml", text.replace("connections:", "project: sales\nconnections:", 1))
    done(orders, "project", "rename", "orders", "sales", "--yes")
    assert "No changes" in done(orders, "plan")
    orders.write("rows.csv", "id,name\n2,orders\n3,more\n")
    done(orders, "run", "--once", "load")
    assert store.rows("SELECT id, name FROM orders ORDER BY id") == [(1, "orders"), (2, "orders"), (3, "more")]


REFERENCES = {
    "variables": ("${A}", "${env:B}", {"A": "x.db", "B": "./x.db"}, {}),
    "files": ("${file:a.txt}", "./${B}", {"B": "x.db"}, {"a.txt": "x.db\n"}),
    "urls": ("", "", {"FLOWC_DSN_A": "sqlite:///x.db", "FLOWC_DSN_B": "sqlite:///./x.db"}, {}),
}


@pytest.fixture(params=REFERENCES)
def referring(request: pytest.FixtureRequest, tmp_path: Path) -> Inside:
    """A project of two connections whose references lead to one database, with a table `raw` in it."""
    one, two, variables, files = REFERENCES[request.param]
    project = Inside(tmp_path, variables)
    for name, text in files.items():
        project.write(name, text)
    if one:
        places = f"a: {{ kind: sqlite, path: '{one}' }}, b: {{ kind: sqlite, path: '{two}' }}"
        project.write("specs/c.yaml", f"connections: {{ {places} }}\n")
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.executescript("CREATE TABLE raw (id bigint); INSERT INTO raw VALUES (1)")
    return project


def test_a_pipeline_waits_for_who_writes_by_a_reference_to_the_same_database(referring: Inside):
    referring.write(
        "specs/p.yaml",
        "pipelines:\n"
        "  early: { from: b, sql: SELECT id FROM loaded, to: { connection: b, table: early }, mode: truncate }\n"
        "  late: { from: a, sql: SELECT id FROM raw, to: { connection: a, table: loaded }, mode: truncate }\n",
    )
    done(referring, "run", "--once")
    with closing(sqlite3.connect(referring.path / "x.db")) as database:
        assert database.execute("SELECT id FROM early").fetchall() == [(1,)]


def test_a_target_that_two_references_name_is_refused_and_not_filled_twice(referring: Inside):
    targets = "[{ connection: a, table: t }, { connection: b, table: t }]"
    referring.write("specs/p.yaml", f"pipelines: {{ p: {{ from: a, sql: SELECT id FROM raw, to: {targets} }} }}\n")
    done(referring, "lint")  # which knows no values
    for command in (("run", "--once"), ("plan",), ("apply", "--yes")):
        found = referring.flowc(*command)
        assert found.code != 0
        assert "error[duplicate-target]" in found.err, found.err
        assert "`a` and `b` name one database" in found.err
    with closing(sqlite3.connect(referring.path / "x.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema WHERE name = 't'").fetchall() == []
