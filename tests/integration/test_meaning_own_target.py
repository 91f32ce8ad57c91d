"""Loads whose SQL reads the table that they write: what it held when the load began is what is read."""

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.stores import Store

pytestmark = pytest.mark.turns("store", 2)

HEAD = """
connections:
  w: {connection}
  files: {{ kind: files, uri: . }}
tables:
  t: {{ connection: w, columns: {{ id: bigint, v: bigint }} }}
"""
LOAD = """
pipelines:
  p: {{ from: w, sql: "{sql}", to: t, mode: {mode} }}
"""
WAYS = {
    "itself": "SELECT id, v + 1 AS v FROM t",
    "a view": "SELECT id, v + 1 AS v FROM seen",
    "a part": "SELECT id, max(v) + 1 AS v FROM (SELECT id, v FROM seen UNION ALL SELECT id, 0 FROM t) AS u GROUP BY id",
}


def filled(store):
    store.run("CREATE TABLE t (id BIGINT, v BIGINT)", "INSERT INTO t VALUES (1, 10), (2, 20)")
    store.run("CREATE VIEW seen AS SELECT id, v FROM t")


@pytest.mark.parametrize("way", WAYS)
def test_truncate_reads_before_it_deletes(project, store, way):
    project.write("specs/p.yaml", (HEAD + LOAD).format(connection=store.connection, sql=WAYS[way], mode="truncate"))
    filled(store)
    assert project.flowc("preview", "p").code == 0
    assert store.rows("SELECT * FROM t") == [(1, 10), (2, 20)]
    for _ in range(2):
        done = project.flowc("run", "--once")
        assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(1, 12), (2, 22)]


def test_append_reads_what_was_there(project, store):
    project.write("specs/p.yaml", (HEAD + LOAD).format(connection=store.connection, sql=WAYS["a view"], mode="append"))
    filled(store)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(1, 10), (1, 11), (2, 20), (2, 21)]


MERGE = """
pipelines:
  p: {{ from: w, sql: "SELECT id, v + 1 AS v FROM seen WHERE id > 1", to: t, mode: merge, keys: [id], deletes: hard }}
"""


def test_merge_reads_before_it_deletes(project, store):
    project.write("specs/p.yaml", (HEAD + MERGE).format(connection=store.connection))
    filled(store)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(2, 21)]


JOINED = """
pipelines:
  p:
    from:
      old: {{ connection: w, table: t }}
      more: {{ connection: files, path: more.csv, columns: {{ id: bigint, v: bigint }} }}
    sql: SELECT more.id, old.v + more.v AS v FROM more JOIN old ON old.id = more.id
    to: t
    mode: truncate
"""


def test_the_engine_reads_before_anything_is_deleted(project, store):
    """What it reads comes through another session, which must not wait for the one that writes."""
    project.write("specs/p.yaml", (HEAD + JOINED).format(connection=store.connection))
    project.write("more.csv", "id,v\n" + "".join(f"{i},{i}\n" for i in range(1, 3)))
    filled(store)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert store.rows("SELECT * FROM t") == [(1, 11), (2, 22)]


LINKED = """
connections:
  w: {{ kind: {kind}, path: store.{kind} }}
  other: {{ kind: {kind}, path: link.{kind} }}
pipelines:
  p: {{ from: other, sql: "SELECT id, v FROM t", to: {{ connection: w, table: t }}, mode: {mode} }}
"""


@pytest.mark.parametrize("mode", ["truncate", "append"])
@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_two_names_of_one_file_are_one_database(project, kind, mode):
    """Else the session that writes more than its cache holds waits for the one that reads, and that one for it."""
    project.write("specs/p.yaml", LINKED.format(kind=kind, mode=mode))
    (project.path / f"link.{kind}").symlink_to(project.path / f"store.{kind}")
    store = Store(kind, project.path)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)"
    store.run("CREATE TABLE t (id BIGINT, v VARCHAR)", f"INSERT INTO t {many} SELECT i, '{'long' * 60}' FROM n")
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert store.rows("SELECT count(*) FROM t") == [(40000 if mode == "truncate" else 80000,)]


LAKE = """
connections:
  lake: { kind: delta, uri: lake }
pipelines:
  p:
    from:
      old: { connection: lake, table: t }
    sql: SELECT id, v + 1 AS v FROM old
    to: { connection: lake, table: t }
    mode: MODE
"""


@pytest.mark.parametrize(("mode", "held"), [("truncate", [2, 3]), ("append", [1, 2, 2, 3])])
def test_a_lake_table_is_read_as_it_was(project, mode, held):
    write_deltalake(project.path / "lake" / "t", pa.table({"id": [1, 2], "v": [1, 2]}))
    project.write("specs/p.yaml", LAKE.replace("MODE", mode))
    assert project.flowc("preview", "p").code == 0
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert sorted(DeltaTable(project.path / "lake" / "t").to_pyarrow_table()["v"].to_pylist()) == held


APART = """
connections:
  w: {{ kind: {kind}, url: "{dsn}" }}
  other: {{ kind: {kind}, url: "{dsn}?connect_timeout=20" }}
pipelines:
  p: {{ from: other, sql: "SELECT id, v + 1 AS v FROM seen", to: {{ connection: w, table: t }}, mode: {mode} }}
"""


@pytest.mark.parametrize("mode", ["truncate", "append", "truncate, expect: [{ not_null: [id] }]"])
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_another_session_sees_what_was_committed(request, project, kind, mode):
    """Two addresses of one server are two databases to flowc: the rows come through a session that waits for nobody."""
    dsn = request.getfixturevalue(kind)
    project.write("specs/p.yaml", APART.format(kind=kind, dsn=dsn, mode=mode))
    store = Store(kind, project.path, dsn)
    filled(store)
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    old = [(1, 10), (2, 20)] if mode == "append" else []
    assert store.rows("SELECT * FROM t") == sorted([*old, (1, 11), (2, 21)])
