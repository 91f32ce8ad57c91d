"""A table that is there already: what of a stream's output it cannot take is told before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import Store
from tests.streams.filefolder import put

pytestmark = pytest.mark.turns("store", 2)

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox, format: jsonl }}
  wh: {connection}
{tables}
streams:
  orders:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, note: text }} }}
    sql: {sql}
    to: {to}
    on_error: dlq
    {more}
"""
SQL = "SELECT id, note FROM source"
TO = "{ connection: wh, table: orders }"


def _run(store: Store, sql: str = SQL, to: str = TO, tables: str = "", more: str = "") -> tuple[str | None, str]:
    """The code with which the stream fails, None where it does not, and what it says."""
    folder = Inside(store.folder)
    spec = PROJECT.format(connection=store.connection, sql=sql, to=to, tables=tables, more=more)
    folder.write("specs/s.yaml", spec)
    put(store.folder, "inbox/a.jsonl", '{"id": 1, "note": "a"}\n{"id": 2, "note": "b"}\n')
    done = folder.flowc("run", "orders", "--once", "--json")
    error = done.json[0]["error"]
    return (None, "") if error is None else (error["code"], f"{error['message']} {error}")


@pytest.mark.parametrize(
    ("columns", "code", "said"),
    [
        ("id BIGINT", "unknown-output-column", "`note` is not a column of `orders`"),
        ("id VARCHAR(9), note VARCHAR(9)", "type-mismatch", "`id` is bigint"),
        ("id BIGINT, note VARCHAR(9), kept INT NOT NULL", "missing-column", "`kept` of `orders` is NOT NULL"),
    ],
)
def test_a_table_that_cannot_take_the_output(store: Store, columns: str, code: str, said: str) -> None:
    store.run(f"CREATE TABLE orders ({columns})")
    found, words = _run(store)
    assert (found, said in words) == (code, True), words
    assert store.rows("SELECT * FROM orders") == []


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ("note VARCHAR(9), id BIGINT", ()),
        ("id BIGINT, note VARCHAR(9), kept INT", (None,)),
        ("id BIGINT, note VARCHAR(9), kept INT DEFAULT 7 NOT NULL", (7,)),
    ],
)
def test_a_table_that_takes_it_otherwise_than_flowc_makes_it(
    store: Store, columns: str, shown: tuple[object, ...]
) -> None:
    store.run(f"CREATE TABLE orders ({columns})")
    assert _run(store) == (None, "")
    kept = ", kept" if shown else ""
    assert store.rows(f"SELECT id, note{kept} FROM orders") == [(1, "a", *shown), (2, "b", *shown)]


NUMBERED = {
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "mysql": "BIGINT AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "INTEGER PRIMARY KEY",
}


@pytest.mark.parametrize("store", NUMBERED, indirect=True)
def test_rows_that_the_database_numbers(store: Store) -> None:
    store.run(f"CREATE TABLE orders (n {NUMBERED[store.kind]}, id BIGINT, note VARCHAR(9))")
    assert _run(store) == (None, "")
    assert store.rows("SELECT n, id, note FROM orders") == [(1, 1, "a"), (2, 2, "b")]


@pytest.mark.parametrize("store", ["postgres", "mysql"], indirect=True)
def test_a_column_that_the_database_computes_is_not_written(store: Store) -> None:
    store.run("CREATE TABLE orders (id BIGINT, twice BIGINT GENERATED ALWAYS AS (id * 2) STORED)")
    found, words = _run(store, "SELECT id, id + 5 AS twice FROM source")
    assert (found, "the database computes it" in words) == ("generated-column", True), words
    assert _run(store, "SELECT id FROM source") == (None, "")
    assert store.rows("SELECT id, twice FROM orders") == [(1, 2), (2, 4)]


def test_a_declared_table_that_is_otherwise(store: Store) -> None:
    store.run("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, note VARCHAR(9))")
    declared = "tables:\n  orders: { connection: wh, columns: { id: bigint primary key, note: varchar(20) } }"
    found, words = _run(store, to="orders", tables=declared)
    if store.kind == "duckdb":  # its VARCHAR has no length
        assert found is None, words
    else:
        assert (found, "declared varchar(20)" in words) == ("table-differs", True), words


def test_a_table_of_dead_letters_that_is_something_else(store: Store) -> None:
    store.run("CREATE TABLE failed (id BIGINT)")
    found, words = _run(store, more="dead_letter: { table: failed }")
    assert (found, "column of `failed`" in words) == ("unknown-output-column", True), words


def test_an_integer_of_sqlite_holds_64_bits_where_no_spec_says_less(tmp_path: Path) -> None:
    """SQLite's own word for its 64 bits is flowc's for 32: a declaration alone makes it so."""
    wh, great = Store("sqlite", tmp_path, ""), 5_000_000_000
    wh.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)")
    assert _run(wh, sql=f"SELECT id + {great} AS id, note FROM source") == (None, "")
    assert wh.rows("SELECT id FROM orders ORDER BY id") == [(great + 1,), (great + 2,)]
    folder = Inside(tmp_path)
    load = f"""
connections:
  wh: {wh.connection}
pipelines:
  more:
    from: wh
    sql: SELECT CAST({great} + 3 AS BIGINT) AS id, 'c' AS note
    to: {{ connection: wh, table: orders }}
    mode: merge
    keys: [id]
"""
    folder.write("specs/s.yaml", load)
    assert folder.flowc("run", "more", "--once").code == 0
    assert wh.rows("SELECT max(id) FROM orders") == [(great + 3,)]
    declared = "tables: { orders: { connection: wh, columns: { id: integer primary key, note: text } } }\n"
    more = load.replace("to: { connection: wh, table: orders }", "to: orders").replace("+ 3", "+ 4")
    folder.write("specs/s.yaml", more + declared)
    assert "value-does-not-fit" in folder.flowc("run", "more", "--once").err
