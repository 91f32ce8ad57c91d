"""Keys and values of columns that hold texts of different bytes equal: collations, and types that fold or pad."""

import pytest

from tests.stores import Store, counts

pytestmark = pytest.mark.turns("store", 2)

FOLDING = {
    "sqlite": "TEXT COLLATE NOCASE",
    "duckdb": "VARCHAR COLLATE NOCASE",
    "postgres": 'TEXT COLLATE "folding"',
    "mysql": "VARCHAR(40) COLLATE utf8mb4_general_ci",
}
SPEC = """
connections: {{ w: {connection}, a: {{ kind: sqlite, path: away.sqlite }} }}

pipelines:
  t: {{ sql: "SELECT k, v FROM raw", from: {source}, to: {{ connection: w, table: t }}, mode: {mode} }}
"""


@pytest.fixture(params=["here", "away"])
def source(request, store, tmp_path):
    """Where the rows come from: the database of the target, or another one."""
    kept = Store("sqlite", tmp_path, file="away") if request.param == "away" else store
    Store("sqlite", tmp_path, file="away").run("CREATE TABLE IF NOT EXISTS raw (k TEXT, v TEXT)")
    if request.param == "here":
        store.run(f"CREATE TABLE raw (k VARCHAR(40) {_bytes(store)}, v VARCHAR(40) {_bytes(store)})")
    if store.kind == "postgres":
        store.run("CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    return request.param, kept


def _bytes(store):
    return "COLLATE utf8mb4_bin" if store.kind == "mysql" else ""


def begin(project, store, source, mode, *, key=None, value=None, tail=""):
    where, _ = source
    project.write(
        "specs/p.yaml",
        SPEC.format(connection=store.connection, source="w" if where == "here" else "a", mode=mode),
    )
    store.run(f"CREATE TABLE t (k {key or FOLDING[store.kind]} NOT NULL, v {value or FOLDING[store.kind]}{tail})")


def fill(source, *rows):
    kept = source[1]
    kept.run("DELETE FROM raw")
    for key, value in rows:
        kept.run(f"INSERT INTO raw VALUES ('{key}', '{value}')")


def run(project):
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    return counts(done)["t"]


def refused(project, code):
    done = project.flowc("run", "--once")
    assert done.code == 1, done.out
    assert code in done.out + done.err
    return done.out + done.err


@pytest.mark.covering
def test_a_merge_takes_the_keys_of_the_column_and_the_bytes_of_values(project, store, source):
    """With a unique index, by which an upsert goes, and without one."""
    begin(project, store, source, "merge, keys: [k]", tail=", PRIMARY KEY (k)" if source[0] == "here" else "")
    fill(source, ("a", "bob"), ("c", "x"))
    assert run(project) == (2, 2, 0, 0, 0)
    fill(source, ("a", "BOB"), ("c", "x"))
    assert run(project) == (2, 0, 1, 0, 1)
    fill(source, ("A", "BOB"), ("C", "y"))
    assert run(project) == (2, 0, 1, 0, 1)
    assert run(project) == (2, 0, 0, 0, 2)
    assert store.rows("SELECT k, v FROM t") == [("a", "BOB"), ("c", "y")]
    fill(source, ("a", "x"), ("A", "y"), ("c", "z"))
    words = refused(project, "duplicate-keys")
    assert "k = `A`, k (also) = `a`, rows = `2`" in words
    assert store.rows("SELECT k, v FROM t") == [("a", "BOB"), ("c", "y")]


@pytest.mark.covering
def test_deletes_take_the_keys_of_the_column(project, store, source):
    mode = "hard" if source[0] == "here" else "soft"
    begin(project, store, source, f"merge, keys: [k], deletes: {mode}", tail=", deleted_at TIMESTAMP NULL")
    fill(source, ("a", "x"), ("b", "x"))
    assert run(project) == (2, 2, 0, 0, 0)
    fill(source, ("A", "x"), ("c", "x"))
    assert run(project) == (2, 1, 0, 1, 1)


@pytest.mark.covering
def test_a_history_is_one_whatever_its_key_is_spelled_like(project, store, source):
    begin(project, store, source, "scd2, keys: [k]", tail=_history(store))
    fill(source, ("a", "bob"), ("c", "x"))
    assert run(project) == (2, 2, 0, 0, 0)
    fill(source, ("A", "bob"), ("c", "x"))
    assert run(project) == (2, 0, 0, 0, 2)
    fill(source, ("A", "BOB"), ("C", "x"))
    assert run(project) == (2, 1, 1, 0, 1)
    assert run(project) == (2, 0, 0, 0, 2)
    assert store.rows("SELECT k, v FROM t WHERE is_current") == [("a", "BOB"), ("c", "x")]
    fill(source, ("a", "x"), ("A", "x"))
    refused(project, "duplicate-keys")


def _history(store):
    instant, flag = store.type("timestamptz"), "BOOLEAN"
    return f", valid_from {instant}, valid_to {instant}, is_current {flag}, row_hash TEXT"


@pytest.mark.covering
def test_two_spellings_of_one_key_are_refused(project, store, source):
    begin(project, store, source, ("append" if source[0] == "here" else "truncate") + ", keys: [k]")
    fill(source, ("a", "x"), ("b", "x"))
    assert run(project)[:2] == (2, 2)
    fill(source, ("d", "x"), ("D", "x"))
    refused(project, "duplicate-keys")


def test_dedupe_keeps_one_spelling(project, store, source):
    begin(project, store, source, 'append, keys: [k], dedupe: { order_by: "v DESC" }')
    fill(source, ("a", "x"), ("A", "y"), ("b", "x"))
    assert run(project)[:2] == (3, 2)
    assert store.rows("SELECT k, v FROM t") == [("A", "y"), ("b", "x")]


def test_dedupe_of_a_normalised_key_keeps_one_spelling(project, store, source):
    begin(project, store, source, 'merge, keys: [k], dedupe: { order_by: "v DESC" }')
    kind = "varchar(40)" if store.kind == "mysql" else "text"
    where = "w" if source[0] == "here" else "a"
    project.write(
        "specs/p.yaml",
        f"""
connections: {{ w: {store.connection}, a: {{ kind: sqlite, path: away.sqlite }} }}
tables:
  t:
    connection: w
    columns: {{ k: {{ type: {kind}, normalize: [trim], nullable: false }}, v: {kind} }}
    natural_key: [k]
pipelines:
  t: {{ sql: "SELECT k, v FROM raw", from: {where}, to: t, mode: merge, dedupe: {{ order_by: "v DESC" }} }}
""",
    )
    fill(source, (" a", "x"), ("A ", "y"), ("b", "x"))
    assert run(project)[:2] == (3, 2)
    assert store.rows("SELECT k, v FROM t") == [("A", "y"), ("b", "x")]


@pytest.mark.covering
def test_unique_is_what_the_column_holds_equal(project, store, source):
    begin(project, store, source, "append, expect: [ { unique: [v] } ]")
    fill(source, ("1", "x"), ("2", "y"))
    run(project)
    fill(source, ("3", "X"))
    refused(project, "expectation-failed")
