"""DuckDB files that are called like a schema in them: all that flowc does with a database works."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from flowc.catalog import TableName
from flowc.errors import EngineError
from flowc.runtime.systems import open_database
from tests import keptfiles
from tests.commands import Inside
from tests.extended import with_extended

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


@pytest.mark.parametrize(("file", "schema"), with_extended([("flowc.duckdb", "main")], [("Sales.duckdb", "sales")]))
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
        assert database.query("SELECT shop.t.a, shop.a FROM t, t AS shop").num_rows == 0
        assert database.table(TableName("shop", "t")) is None


READS = """
SELECT a FROM {0}.t | SELECT a FROM "{1}" . "t" x | WITH q AS (SELECT a FROM {0}/**/.t) SELECT a FROM q
SELECT a FROM other WHERE a IN (SELECT a FROM {0}.t) | SELECT a FROM query('SELECT * FROM {0}.t') | TABLE {0}."T"
"""


@pytest.mark.parametrize(
    ("file", "name"), [("shop.duckdb", "SHOP"), ('a "b.duckdb', '"a ""b"'), (":memory:", "memory")]
)
def test_the_name_of_the_file_is_no_schema(tmp_path: Path, file: str, name: str):
    path = file if file == ":memory:" else str(tmp_path / file)
    with closing(open_database("duckdb", {"path": path})) as database:
        database.open()
        database.execute("CREATE TABLE t AS SELECT 1 AS a")
        database.execute("CREATE TABLE other AS SELECT 1 AS a")
        texts = READS.format(name, name.strip('"')).strip().replace("\n", "|").split("|")
        database.begin()
        for sql in texts:
            for asks in (database.describe, database.query, database.explain):
                with pytest.raises(EngineError, match="there is no schema"):
                    asks(sql.strip())
        assert database.query("SELECT a FROM main.t").num_rows == 1  # the transaction goes on


def test_no_schema_of_a_renamed_file_means_another_database(tmp_path: Path):
    with closing(open_database("duckdb", {"path": str(tmp_path / "flowc.duckdb")})) as database:
        database.open()
        for schema in ("memory", "flowc_file"):
            database.execute(f"CREATE SCHEMA {schema}")
            database.execute(f"CREATE TABLE {schema}.t AS SELECT 1 AS a")
    assert ask(tmp_path / "flowc.duckdb", "SELECT m.a FROM x.memory.t m, x.flowc_file.t") == [(1,)]


NAMED = """
connections:
  drop: { kind: files, uri: in }
  db: { kind: duckdb, path: store.duckdb }
pipelines:
  copy:
    from: { connection: drop, path: rows.csv, columns: { id: bigint, name: text } }
    sql: SELECT id, name FROM source
    to: { connection: db, table: store.a }
    mode: truncate
"""
STREAM = """
streams:
  events:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { n: bigint } }
    to: { connection: db, table: store.seen }
"""
DECLARED = """
tables:
  t: { connection: db, schema: store, name: a, columns: { id: bigint primary key, more: text } }
"""


def named(tmp_path: Path, text: str) -> Inside:
    project = Inside(tmp_path)
    project.write("in/rows.csv", "id,name\n1,x\n")
    project.write("in/one.jsonl", json.dumps({"n": 7}) + "\n")
    project.write("specs/s.yaml", text)
    with closing(duckdb.connect(tmp_path / "store.duckdb")) as session:
        session.execute("CREATE TABLE a AS SELECT 5::bigint AS id, 'old' AS name; CREATE TABLE seen AS SELECT 6 AS n")
    return project


def unharmed(tmp_path: Path) -> None:
    assert ask(tmp_path / "store.duckdb", "SELECT id, name FROM x.main.a") == [(5, "old")]
    assert ask(tmp_path / "store.duckdb", "SELECT n FROM x.main.seen") == [(6,)]


@pytest.mark.parametrize("text", [NAMED, NAMED + STREAM], ids=["load", "stream"])
def test_what_is_written_comes_into_a_schema_of_its_own(tmp_path: Path, text: str):
    project = named(tmp_path, text)
    for _ in range(2):  # the first makes the schema
        found = project.flowc("run", "--once")
        assert found.code == 0 or "has to be opened anew" in found.err + found.out
    assert found.code == 0
    unharmed(tmp_path)
    assert ask(tmp_path / "store.duckdb", "SELECT id, name FROM x.store.a") == [(1, "x")]
    if text != NAMED:
        assert ask(tmp_path / "store.duckdb", "SELECT n FROM x.store.seen") == [(7,)]


def test_changes_are_of_the_schema(tmp_path: Path):
    connections, _, _ = NAMED.partition("pipelines:")
    project = named(tmp_path, connections + DECLARED)
    assert "+ table" in (found := project.flowc("plan")).out, found.out + found.err
    assert project.flowc("import", "db", "store.a").code != 0
    assert project.flowc("apply", "--yes").code == 0
    unharmed(tmp_path)
    assert ask(tmp_path / "store.duckdb", "SELECT id, more FROM x.store.a") == []
    assert "No changes" in project.flowc("plan").out
    assert project.flowc("drift").code == 0


def test_a_query_that_takes_the_file_for_a_schema_is_refused(tmp_path: Path):
    connections, _, _ = NAMED.partition("pipelines:")
    text = (
        "pipelines: { p: { from: db, sql: 'SELECT id FROM store.a', to: { connection: db, table: o }, mode: append } }"
    )
    project = named(tmp_path, connections + text)
    for command in (["validate"], ["preview", "p"], ["run", "--once"]):
        found = project.flowc(*command)
        assert found.code != 0
        assert "there is no schema `store`" in found.out + found.err


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
