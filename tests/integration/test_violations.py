"""What is said of a row that breaks a constraint: the column and the value, on every engine and whatever the load."""

from __future__ import annotations

import pytest

SPEC = """
connections:
  w: {connection}
  files: {{ kind: files, uri: "." }}
{tables}
pipelines:
  p: {{ {source}, to: {{ connection: w, table: t }}, {how} }}
"""
TABLE = (
    "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, code VARCHAR(9) UNIQUE, size BIGINT, parent BIGINT, "
    "CONSTRAINT small CHECK (size < 100))"
)
BROKEN = {
    "check": ((2, "b", 777), ("size", "777")),
    "unique": ((2, "a", 5), ("code", "a")),
    "primary key": ((1, "b", 5), ("id", "1")),
    "not null": ((None, "b", 5), ("id", "null")),
}
"""A row, and the column and the value that are to be told. The table holds (1, a, 1)."""
WAYS = {
    "straight": ("table: raw", "mode: append"),
    "staged": ("table: raw", "mode: append, dedupe: { order_by: size }, keys: [size]"),
    "files": ("from: { connection: files, path: raw.csv, format: csv }", "mode: append"),
}


def _message(project, store, way: str, rows: list[tuple]) -> str:
    source, how = WAYS[way]
    project.write("specs/p.yaml", SPEC.format(connection=store.connection, tables="", source=source, how=how))
    if way == "files":
        lines = "".join(",".join("" if v is None else str(v) for v in row) + "\n" for row in rows)
        project.write("raw.csv", "id,code,size\n" + lines)
    else:
        store.run("CREATE TABLE raw (id BIGINT, code VARCHAR(9), size BIGINT)")
        for row in rows:
            store.run(f"INSERT INTO raw VALUES ({', '.join('NULL' if v is None else repr(v) for v in row)})")
    before = store.rows("SELECT * FROM t")
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert store.rows("SELECT * FROM t") == before
    shown = (done.out + done.err).partition("error[constraint-violated]")[2]
    assert shown, done
    return shown


@pytest.mark.parametrize("way", WAYS)
def test_column_and_value_are_told(project, store, way):
    store.run(TABLE, "INSERT INTO t (id, code, size) VALUES (1, 'a', 1)")
    kinds = BROKEN if way != "files" else {kind: found for kind, found in BROKEN.items() if kind != "not null"}
    for kind, (row, (column, value)) in kinds.items():  # NULLs in files are found as they are read
        shown = _message(project, store, way, [(3, "c", 7), row, (4, "d", 8)]).lower()
        assert column in shown, (kind, shown)
        assert value in shown, (kind, shown)
        store.run("DROP TABLE IF EXISTS raw")


MADE = """tables:
  t:
    connection: w
    columns: { id: bigint primary key, code: varchar(9), size: bigint not null }
    indexes: [{ columns: [code], unique: true }]
"""


@pytest.mark.parametrize(
    ("row", "column", "value"), [((2, "same", 5), "code", "same"), ((2, "b", None), "size", "NULL")]
)
def test_column_and_value_are_told_of_a_table_that_the_load_makes(project, store, row, column, value):
    store.run("CREATE TABLE raw (id BIGINT, code VARCHAR(9), size BIGINT)", "INSERT INTO raw VALUES (1, 'same', 1)")
    store.run(f"INSERT INTO raw VALUES ({', '.join('NULL' if v is None else repr(v) for v in row)})")
    source = {"source": "from: w, sql: 'SELECT id, code, size FROM raw'", "how": "mode: merge"}
    project.write("specs/p.yaml", SPEC.format(connection=store.connection, tables=MADE, **source))
    done = project.flowc("run", "--once")
    assert done.code == 1
    shown = done.err.partition("error[constraint-violated]")[2]
    assert column in shown, done
    assert value.lower() in shown.lower(), done


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize("way", ["straight", "files"])
def test_the_column_is_told_of_values_that_a_type_of_the_database_refuses(project, store, way):
    store.run("CREATE TYPE mood AS ENUM ('ok')", "CREATE DOMAIN email AS text CHECK (value LIKE '%@%')")
    store.run("CREATE TABLE t (id BIGINT, code mood, size BIGINT)", "CREATE TABLE u (code email)")
    source, how = WAYS[way]
    refused = {"t": ('enum mood: "furious" (`code` is `furious`)',), "u": ('"email_check"', "(of `code`)")}
    for table, words in refused.items():
        spec = SPEC.format(connection=store.connection, tables="", source=source, how=how)
        project.write("specs/p.yaml", spec.replace("table: t }", f"table: {table} }}"))
        columns, row = ("id,code,size", "1,furious,2") if table == "t" else ("code,size", "furious,2")
        project.write("raw.csv", f"{columns}\n{row}\n")
        values = row.replace("furious", "'furious'")
        store.run("DROP TABLE IF EXISTS raw", "CREATE TABLE raw (id BIGINT, code text, size BIGINT)")
        store.run(f"INSERT INTO raw ({columns}) VALUES ({values})")
        if table == "u":
            store.run("ALTER TABLE u ADD size BIGINT", "ALTER TABLE raw DROP id")
        done = project.flowc("run", "--once")
        assert (done.code, all(each in done.err for each in words)) == (1, True), done.err


@pytest.mark.parametrize("store", ["duckdb", "postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("way", ["straight", "staged"])
def test_a_row_without_its_parent_is_told(project, store, way):
    """SQLite looks at foreign keys in sessions alone that ask for it."""
    store.run("CREATE TABLE parents (no BIGINT PRIMARY KEY)", "INSERT INTO parents VALUES (1)")
    store.run("CREATE TABLE t (id BIGINT, code VARCHAR(9), size BIGINT, FOREIGN KEY (size) REFERENCES parents (no))")
    shown = _message(project, store, way, [(3, "c", 1), (2, "b", 777)])
    assert "size" in shown
    assert "777" in shown


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_sqlite_takes_a_row_without_its_parent_unless_a_check_finds_it(project, store):
    store.run("CREATE TABLE parents (no BIGINT PRIMARY KEY)", "INSERT INTO parents VALUES (1)")
    store.run("CREATE TABLE t (id BIGINT, size BIGINT REFERENCES parents (no) ON DELETE CASCADE)")
    store.run("CREATE TABLE raw (id BIGINT, size BIGINT)", "INSERT INTO raw VALUES (1, 1), (2, 7)")
    check = "expect: [{ name: parent, sql: size IS NULL OR size IN (SELECT no FROM parents) }]"
    given = {"connection": store.connection, "tables": "", "source": "from: w, table: raw"}
    project.write("specs/p.yaml", SPEC.format(how=f"mode: append, {check}", **given))
    assert "the quality check `parent` failed: 1 of 2 rows" in project.flowc("run", "--once").err
    project.write("specs/p.yaml", SPEC.format(how="mode: append", **given))
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    store.run("DELETE FROM raw")
    emptied = SPEC.replace("table: t }", "table: parents }")
    given["source"] = "from: w, sql: 'SELECT id AS no FROM raw'"
    project.write("specs/p.yaml", emptied.format(how="mode: truncate, allow_empty: true", **given))
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT (SELECT count(*) FROM parents), (SELECT count(*) FROM t)") == [(0, 2)]


def test_values_of_two_columns_that_are_unique_together_are_told(project, store):
    store.run("CREATE TABLE t (id BIGINT, code VARCHAR(9), size BIGINT, UNIQUE (code, size))")
    shown = _message(project, store, "straight", [(3, "c", 777), (2, "c", 1), (4, "c", 777)])
    assert {"code", "size", "777"} <= set(
        shown.replace("`", " ")
        .replace("(", " ")
        .replace(")", " ")
        .replace(",", " ")
        .replace("-", " ")
        .replace("'", " ")
        .split()
    )


def test_a_merge_that_gives_a_taken_value_to_another_key_is_told(project, store):
    store.run("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, code VARCHAR(9) UNIQUE, size BIGINT)")
    store.run("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1)")
    WAYS["merge"] = ("table: raw", "mode: merge, keys: [id]")
    shown = _message(project, store, "merge", [(1, "a", 2), (3, "b", 5)])
    assert "code" in shown
    assert any(value in shown for value in ("`b`", "'b'", '"b"', "(b)"))
