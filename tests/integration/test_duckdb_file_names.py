"""DuckDB files that are called like a schema in them: all that flowc does with a database works."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from flowc.catalog import TableName
from flowc.runtime.connectors import open_database
from tests import keptfiles
from tests.commands import Inside

SPEC = """
connections:
  drop: {{ kind: files, uri: in }}
  db: {{ kind: duckdb, path: {file} }}
  log: {{ kind: duckdb, path: log/flowc.duckdb }}
run_log: {{ connection: log }}
tables:
  t: {{ connection: db, schema: {schema}, columns: {{ id: bigint primary key, name: text{more} }} }}
pipelines:
  copy:
    from: {{ connection: drop, path: rows.csv, columns: {{ id: bigint not null, name: text }} }}
    sql: SELECT id, name FROM source
    to: t
    mode: merge
    incremental: {{ column: id }}
    expect: [{{ sql: "id <> 3", severity: quarantine }}]
    schedule: "0 * * * *"
  again:
    sql: SELECT id, name FROM {schema}.t
    from: db
    to: {{ connection: db, table: {schema}.other }}
    mode: truncate
streams:
  events:
    source: {{ connection: drop, path: "*.jsonl", format: jsonl, columns: {{ n: bigint }} }}
    to: {{ connection: db, table: {schema}.seen }}
    on_error: dlq
"""


def ask(path: Path, sql: str) -> list[tuple]:
    keptfiles.release()
    with closing(duckdb.connect()) as session:
        session.execute(f"ATTACH '{path}' AS x")
        return session.execute(sql).fetchall()


@pytest.mark.parametrize(("file", "schema"), [("flowc.duckdb", "main"), ("Sales.duckdb", "sales")])
def test_everything_works(tmp_path: Path, file: str, schema: str):
    project = Inside(tmp_path)
    names = {"file": file, "schema": schema}
    project.write("in/rows.csv", "id,name\n1,a\n2,b\n3,bad\n")
    project.write("in/one.jsonl", json.dumps({"n": 7}) + "\nbad\n")
    (tmp_path / "log").mkdir()
    project.write("specs/s.yaml", SPEC.format(**names, more=""))

    def done(*arguments: str) -> str:
        found = project.flowc(*arguments)
        assert found.code == 0, found.out + found.err
        return found.out

    done("lint")
    done("plan")
    done("apply", "--yes")
    done("validate")
    done("preview", "copy")
    done("run", "--once")
    done("run", "--once")
    project.write("specs/s.yaml", SPEC.format(**names, more=", more: integer not null default 4"))
    done("apply", "--yes")
    done("run", "--once")
    assert "No changes" in done("plan")
    done("drift")
    done("run-due", "--now", "2026-01-01T10:30:00Z")
    done("status")
    done("runs", "list")
    rows = ask(tmp_path / file, f"SELECT id, name, more FROM x.{schema}.t ORDER BY id")
    assert rows == [(1, "a", 4), (2, "b", 4)]
    assert ask(tmp_path / file, f"SELECT id FROM x.{schema}.other ORDER BY id") == [(1,), (2,)]
    assert ask(tmp_path / file, f"SELECT n FROM x.{schema}.seen") == [(7,)]
    assert ask(tmp_path / file, "SELECT count(*) FROM x.flowc.bad_rows") == [(1,)]
    assert ask(tmp_path / file, "SELECT count(*) FROM x.flowc.dead_letters") == [(1,)]
    assert ask(tmp_path / file, "SELECT count(*) FROM x.flowc.watermarks") == [(1,)]


def test_a_file_keeps_its_name_where_no_schema_has_it(tmp_path: Path):
    with closing(open_database("duckdb", {"path": str(tmp_path / "shop.duckdb")})) as database:
        database.open()
        database.execute("CREATE TABLE t (a INTEGER)")
        assert database.query("SELECT count(*) AS n FROM shop.main.t").to_pylist() == [{"n": 0}]
        assert database.table(TableName("shop", "t")) is not None


def test_sessions_of_a_file_see_each_other_and_the_locks(tmp_path: Path):
    options = {"path": str(tmp_path / "flowc.duckdb")}
    with closing(open_database("duckdb", options)) as one, closing(open_database("duckdb", options)) as two:
        one.open()
        two.open()
        one.execute("CREATE SCHEMA flowc")
        one.execute("CREATE TABLE flowc.t (a INTEGER)")
        two.begin()
        two.lock(TableName("flowc", "t"))
        two.execute("INSERT INTO flowc.t VALUES (1)")
        two.commit()
        assert one.query("SELECT a FROM flowc.t").to_pylist() == [{"a": 1}]


def test_a_load_that_makes_the_schema_of_a_file_with_tables_says_to_run_it_again(tmp_path: Path):
    project = Inside(tmp_path)
    project.write("in/rows.csv", "id,name\n1,a\n")
    text = SPEC.format(file="sales.duckdb", schema="sales", more="")
    loads = text.partition("  again:")[0].partition("tables:")[0]
    loads += "pipelines:" + text.partition("  again:")[0].partition("pipelines:")[2]
    project.write("specs/s.yaml", loads.replace("to: t", "to: { connection: db, table: sales.t }\n    keys: [id]"))
    (tmp_path / "log").mkdir()
    with closing(duckdb.connect(tmp_path / "sales.duckdb")) as session:
        session.execute("CREATE TABLE main.u AS SELECT 5 AS a")
    first = project.flowc("run", "--once")
    assert first.code == 0 or "has to be opened anew" in first.err + first.out
    assert project.flowc("run", "--once").code == 0
    assert ask(tmp_path / "sales.duckdb", "SELECT id FROM x.sales.t") == [(1,)]
    assert ask(tmp_path / "sales.duckdb", "SELECT a FROM x.main.u") == [(5,)]
