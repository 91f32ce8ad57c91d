"""Corners of the loads: tables that have keys alone, rows that carry their own mark, indexes like keys."""

import pytest

from tests.stores import counts

pytestmark = pytest.mark.turns("store", 2)

HEAD = "connections: {{ w: {connection} }}\n"


def begin(project, store, spec, *statements):
    project.write("specs/p.yaml", HEAD.format(connection=store.connection) + spec)
    store.run(*statements)


def run(project, *, code=0):
    done = project.flowc("run", "--once", "--json")
    assert done.code == code, done.out + done.err
    return done


KEYS_ALONE = """
tables:
  soft: { connection: w, columns: { id: bigint primary key, deleted_at: timestamptz } }
  loose: { connection: w, columns: { id: bigint, deleted_at: timestamptz }, natural_key: [id] }
  plain: { connection: w, columns: { id: bigint primary key } }
pipelines:
  soft: { sql: SELECT id FROM raw, to: soft, mode: merge, deletes: soft }
  loose: { sql: SELECT id FROM raw, to: loose, mode: merge, deletes: soft }
  plain: { sql: SELECT id FROM raw, to: plain, mode: merge }
"""


def test_a_key_without_other_columns_is_marked_and_comes_back(project, store):
    begin(project, store, KEYS_ALONE, "CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    run(project)
    store.run("DELETE FROM raw WHERE id = 2")
    assert counts(run(project)) == {"soft": (1, 0, 0, 1, 1), "loose": (1, 0, 0, 1, 1), "plain": (1, 0, 0, 0, 1)}
    store.run("INSERT INTO raw VALUES (2)")
    assert counts(run(project)) == {"soft": (2, 0, 1, 0, 1), "loose": (2, 0, 1, 0, 1), "plain": (2, 0, 0, 0, 2)}
    for table in ("soft", "loose"):
        assert store.rows(f"SELECT id FROM {table} WHERE deleted_at IS NULL") == [(1,), (2,)]


def test_an_empty_source_takes_nothing_from_a_table_whose_rows_are_all_marked(project, store):
    begin(project, store, KEYS_ALONE, "CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1)")
    run(project)
    moment = "2026-01-01 00:00:00.000000" + ("" if store.kind == "mysql" else "+00:00")
    store.run("DELETE FROM raw", f"UPDATE soft SET deleted_at = '{moment}'")
    done = project.flowc("run", "soft", "--once", "--json")
    assert done.code == 0, done.out
    assert counts(done) == {"soft": (0, 0, 0, 0, 0)}
    assert project.flowc("run", "loose", "--once").code == 1


BY_CODE = """
pipelines:
  t: { sql: "SELECT code, name FROM raw", to: { connection: w, table: t }, mode: merge, keys: [code] }
"""


@pytest.mark.covering
@pytest.mark.parametrize(
    "table",
    [
        ("CREATE TABLE t (id BIGINT DEFAULT 7, code VARCHAR(20), name TEXT)", "CREATE UNIQUE INDEX u ON t (id, code)"),
        ("CREATE TABLE t (id BIGINT DEFAULT 7, code VARCHAR(20), name TEXT)", "CREATE INDEX u ON t (code)"),
        ("CREATE TABLE t (id BIGINT, code VARCHAR(20) PRIMARY KEY, name TEXT, must BIGINT NOT NULL DEFAULT 7)",),
        ("CREATE TABLE t (id BIGINT, code VARCHAR(20) NOT NULL UNIQUE, name TEXT)",),
    ],
    ids=["wider index", "index that is not unique", "left out with default", "unique"],
)
def test_a_merge_by_other_columns_than_the_tables_own_key(project, store, table):
    begin(project, store, BY_CODE, *table, "CREATE TABLE raw (code VARCHAR(20), name TEXT)")
    store.run("INSERT INTO t (id, code, name) VALUES (1, 'a', 'old'), (2, 'b', 'same')")
    store.run("INSERT INTO raw VALUES ('a', 'new'), ('b', 'same'), ('c', 'first')")
    assert counts(run(project))["t"] == (3, 1, 1, 0, 1)
    assert store.rows("SELECT code, name FROM t") == [("a", "new"), ("b", "same"), ("c", "first")]
    assert store.rows("SELECT id FROM t WHERE code = 'a'") == [(1,)]


def test_a_merge_by_a_key_that_is_unique_in_part_of_the_table(project, store):
    where = "" if store.kind in ("duckdb", "mysql") else " WHERE name <> 'old'"  # they index whole tables alone
    partial = f"CREATE UNIQUE INDEX u ON t (code){where}"
    begin(project, store, BY_CODE, "CREATE TABLE t (code VARCHAR(20), name TEXT)", partial)
    store.run("CREATE TABLE raw (code VARCHAR(20), name TEXT)", "INSERT INTO t VALUES ('a', 'old')")
    store.run("INSERT INTO raw VALUES ('a', 'new'), ('c', 'first')")
    assert counts(run(project))["t"] == (2, 1, 1, 0, 0)
    assert store.rows("SELECT code, name FROM t") == [("a", "new"), ("c", "first")]


def test_a_column_that_must_be_there_and_is_left_out_is_said(project, store):
    made = "CREATE TABLE t (code VARCHAR(20) PRIMARY KEY, name TEXT, must BIGINT NOT NULL)"
    begin(project, store, BY_CODE, made, "CREATE TABLE raw (code VARCHAR(20), name TEXT)")
    store.run("INSERT INTO t VALUES ('a', 'old', 5)", "INSERT INTO raw VALUES ('a', 'new')")
    assert "missing-column" in run(project, code=1).out
    assert store.rows("SELECT * FROM t") == [("a", "old", 5)]


def test_what_cannot_hold_a_mark_is_said(project, store):
    spec = BY_CODE.replace("keys: [code]", "keys: [code], deletes: soft, soft_delete_column: gone")
    begin(project, store, spec, "CREATE TABLE raw (code VARCHAR(20), name TEXT)", "INSERT INTO raw VALUES ('a', 'n')")
    store.run("CREATE TABLE t (code VARCHAR(20) PRIMARY KEY, name TEXT, gone TEXT)")
    assert "has a text column `gone` to mark deleted rows with" in run(project, code=1).out
    assert store.rows("SELECT * FROM t") == []


@pytest.mark.parametrize("there", [True, False])
def test_a_mark_is_not_also_loaded(project, store, there):
    spec = BY_CODE.replace("code, name", "code, name, gone").replace(
        "keys: [code]", "keys: [code], deletes: soft, soft_delete_column: gone"
    )
    begin(project, store, spec, "CREATE TABLE raw (code VARCHAR(20), name TEXT, gone BOOLEAN)")
    store.run("INSERT INTO raw VALUES ('a', 'n', true)")
    if there:
        store.run("CREATE TABLE t (code VARCHAR(20) PRIMARY KEY, name TEXT, gone BOOLEAN)")
    done = run(project, code=1)
    assert "soft-delete-column-loaded" in done.out + done.err


APPENDED = """
tables:
  log: { connection: w, columns: { id: bigint, seen: timestamp, v: text } }
  again: { connection: w, columns: { id: bigint, seen: timestamp, v: text } }
pipelines:
  log: { table: raw, to: log, mode: append, keys: [id], incremental: { column: seen } }
  again: { table: raw, to: again, mode: append, keys: [id] }
"""


def test_appended_rows_are_known_by_key_and_cursor(project, store):
    """A key may come again with a later cursor; without `incremental` all rows come again."""
    begin(project, store, APPENDED, f"CREATE TABLE raw (id BIGINT, seen {store.type('timestamp')}, v TEXT)")
    store.run("INSERT INTO raw VALUES (1, '2026-01-01 00:00:00', 'a')")
    run(project)
    store.run("UPDATE raw SET seen = '2026-01-02 00:00:00', v = 'b'")
    assert counts(run(project)) == {"log": (1, 1, 0, 0, 0), "again": (1, 1, 0, 0, 0)}
    assert counts(run(project)) == {"log": (1, 0, 0, 0, 1), "again": (1, 1, 0, 0, 0)}
    assert store.rows("SELECT id, v FROM log") == [(1, "a"), (1, "b")]
    assert store.rows("SELECT id, v FROM again") == [(1, "a"), (1, "b"), (1, "b")]
    store.run("INSERT INTO raw VALUES (1, '2026-01-02 00:00:00', 'c')")
    assert "duplicate-keys" in run(project, code=1).out
    store.run("DELETE FROM raw", "INSERT INTO raw VALUES (NULL, '2026-01-03 00:00:00', 'c')")
    assert run(project, code=1).out.count('"code": "null-key"') == 2
    assert len(store.rows("SELECT * FROM log")) == 2


REPLACED = """
tables:
  checked: { connection: w, columns: { id: bigint } }
  streamed: { connection: w, columns: { id: bigint } }
  may: { connection: w, columns: { id: bigint } }
pipelines:
  checked: { table: raw, to: checked, mode: truncate, expect: [{ not_null: [id] }] }
  streamed: { table: raw, to: streamed, mode: truncate }
  may: { table: raw, to: may, mode: truncate, allow_empty: true, expect: [{ not_null: [id] }] }
"""


def test_an_empty_source_does_not_replace_a_single_row(project, store):
    begin(project, store, REPLACED, "CREATE TABLE raw (id BIGINT)")
    run(project)  # nothing, and nothing to lose
    store.run("INSERT INTO raw VALUES (1)")
    run(project)
    store.run("DELETE FROM raw")
    assert run(project, code=1).out.count('"code": "empty-source"') == 2
    assert store.rows("SELECT * FROM checked") == store.rows("SELECT * FROM streamed") == [(1,)]
    assert store.rows("SELECT * FROM may") == []


HISTORY = """
tables:
  dim: { connection: w, columns: { id: bigint, part: bigint, v: text }, natural_key: [id, part] }
pipelines:
  dim: { table: raw, to: dim, mode: scd2, expect: [{ unique: [id] }] }
"""


def test_unique_looks_at_the_current_versions_of_a_history(project, store):
    begin(project, store, HISTORY, "CREATE TABLE raw (id BIGINT, part BIGINT, v TEXT)")
    store.run("INSERT INTO raw VALUES (1, 1, 'a'), (2, 1, 'a')")
    run(project)
    store.run("UPDATE raw SET v = 'b' WHERE id = 1")
    assert counts(run(project))["dim"] == (2, 1, 1, 0, 1)
    store.run("INSERT INTO raw VALUES (2, 2, 'a')")
    [found] = run(project, code=1).json["pipelines"][0]["targets"][0]["expects"]
    assert (found["failed"], found["total"]) == (2, 3)
    assert len(store.rows("SELECT * FROM dim")) == 3


@pytest.mark.parametrize("mode", ["append", "merge", "scd2"])
def test_a_null_in_one_of_several_keys_is_no_key(project, store, mode):
    spec = HISTORY.replace("mode: scd2, expect: [{ unique: [id] }]", f"mode: {mode}")
    begin(project, store, spec, "CREATE TABLE raw (id BIGINT, part BIGINT, v TEXT)")
    store.run("INSERT INTO raw VALUES (1, NULL, 'a')")
    assert '"code": "null-key"' in run(project, code=1).out
