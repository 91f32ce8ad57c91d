"""Rows that fail a check of severity `quarantine`: kept beside the target as JSON, once, and the others loaded."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stores import Store

pytestmark = pytest.mark.turns("store", 2)

MANY = 140
COLUMNS = {
    "id": "bigint", "big": "numeric(38,10)", "price": "numeric(10,2)", "ratio": "double", "yes": "boolean",
    "raw": "binary", "day": "date", "at": "timestamp", "seen": "timestamptz", "doc": "json", "said": "text",
    **{f"c{n}": "integer" for n in range(MANY)},
}  # fmt: skip
SPEC = """
project: shop
connections: {{ w: {connection}, d: {{ kind: files, uri: in }} }}
tables:
  wide: {{ connection: w, columns: {{ {columns} }} }}
  clean:
    connection: w
    columns: {{ id: bigint primary key, name: {{ type: text, normalize: [trim, empty_to_null] }} }}
pipelines:
  wide:
    from: {{ connection: d, path: rows.parquet }}
    sql: SELECT * FROM source
    to: wide
    mode: append
    expect: [{{ name: "it's \\"low\\"", sql: "c139 > 0", severity: quarantine }}]
  clean:
    table: people
    to: clean
    mode: merge
    deletes: hard
    quarantine: {{ table: bad_people }}
    expect: [{{ not_null: [name], severity: quarantine, max_failures: {most} }}]
  history:
    table: people
    to: {{ connection: w, table: hist }}
    mode: scd2
    keys: [id]
    deletes: close
    expect: [{{ name: named, sql: "name <> ''", severity: quarantine }}]
"""


def write(project, store, most="100%"):
    columns = ", ".join(f'{name}: "{kind}"' for name, kind in COLUMNS.items())
    project.write("specs/p.yaml", SPEC.format(connection=store.connection, columns=columns, most=most))


def wide(project):
    """Two rows, of which the second and third fail: one with a value in each column, one without."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901)
    values = [2, Decimal("1234567890123456789.0123456789"), Decimal("-0.50"), 0.1, True, b"\x00\xff", date(2026, 1, 2)]
    values += [moment, moment.replace(tzinfo=UTC), '{"a": [1, "é"]}', 'say "é"\\\n', *([0] * MANY)]
    row = dict(zip(COLUMNS, values, strict=True))
    good, empty = row | {"id": 1, "c139": 1}, dict.fromkeys(COLUMNS) | {"id": 3}
    schema = pa.Table.from_pylist([row]).schema.set(1, pa.field("big", pa.decimal128(38, 10)))
    (project.path / "in").mkdir()
    pq.write_table(pa.Table.from_pylist([good, row, empty], schema=schema), project.path / "in" / "rows.parquet")
    return row


def kept(store, name="flowc.bad_rows"):
    name = name if store.kind in ("postgres", "duckdb") else name.replace(".", "_")
    rows = store.rows(f"SELECT pipeline, file, line, error_code, error, row_text FROM {name}")
    return sorted(rows, key=lambda row: row[-1])


def test_each_mode_loads_the_others(project, store):
    """A value of each type, and more columns than functions of JSON take; a key that is quarantined is not deleted."""
    write(project, store)
    row = wide(project)
    store.run("CREATE TABLE people (id BIGINT, name VARCHAR(9))")
    store.run("INSERT INTO people VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, ' ')")
    shown = project.flowc("preview", "clean")
    assert shown.code == 0
    assert "not_null(name) (1 of 4 rows, quarantined)" in shown.out, shown.out + shown.err
    assert store.rows("SELECT count(*) FROM people") == [(4,)]
    done = project.flowc("run", "--once", "--json")
    assert done.code == 0, done.out + done.err
    found = {each["name"]: each["targets"][0] for each in done.json["pipelines"]}
    assert {name: target["counts"]["bad"] for name, target in found.items()} == {"wide": 2, "clean": 1, "history": 0}
    [check] = found["clean"]["expects"]
    assert check == {"name": "not_null(name)", "failed": 1, "total": 4, "passed": True, "severity": "quarantine"}
    assert store.rows("SELECT id FROM wide") == [(1,)]
    told = '`w.wide`: the quality check `it\'s "low"` does not hold'
    full, empty = kept(store)
    assert full[:5] == ("shop/wide", None, None, "expectation-failed", told)
    assert json.loads(full[5], parse_float=Decimal) == in_json(row)
    assert json.loads(empty[5]) == dict.fromkeys(COLUMNS) | {"id": 3}
    assert [row[4:] for row in kept(store, "bad_people")] == [
        ("`w.clean`: the quality check `not_null(name)` does not hold", '{"id": 4, "name": null}')
    ]
    # The next load reads one that is bad now, one that is mended, and lacks one.
    store.run("DELETE FROM people WHERE id = 3", "UPDATE people SET name = '' WHERE id = 2")
    store.run("UPDATE people SET name = 'd' WHERE id = 4")
    assert project.flowc("run", "clean", "history", "--once").code == 0
    assert sorted(store.rows("SELECT * FROM clean")) == [(1, "a"), (2, "b"), (4, "d")]
    assert [row[5] for row in kept(store, "bad_people")] == ['{"id": 2, "name": null}']
    current = "SELECT id FROM hist WHERE valid_to IS NULL ORDER BY id"
    assert store.rows(current) == [(1,), (2,), (4,)]
    # More than may be: nothing is loaded, and what was kept stays.
    write(project, store, most=0)
    store.run("UPDATE people SET name = 'z' WHERE id = 1")
    failed = project.flowc("run", "clean", "--once", "--json").json["pipelines"][0]["targets"][0]
    assert failed["error"]["code"] == "expectation-failed"
    assert sorted(store.rows("SELECT * FROM clean")) == [(1, "a"), (2, "b"), (4, "d")]
    assert [row[5] for row in kept(store, "bad_people")] == ['{"id": 2, "name": null}']


def in_json(row):
    """What stands in JSON."""
    moment = "2026-01-02 03:04:05.678901"
    told = {"raw": "00ff", "day": "2026-01-02", "at": moment, "seen": f"{moment}+00:00", "ratio": Decimal("0.1")}
    return row | told | {"doc": json.loads(row["doc"])}


REFUSED = {
    "expect: [{ unique: [id], severity: quarantine }]": "cannot be `quarantine`",
    "quarantine: { path: bad }\n    expect: [{ not_null: [id], severity: quarantine }]": "and this is a folder",
    "quarantine: { table: bad }": "bad rows fail the load",
    "expect: [{ not_null: [id], severity: error }]\n    quarantine: { table: bad }": "bad rows fail the load",
    "quarantine: { connection: l, table: bad }\n    expect: [{ not_null: [id], severity: quarantine }]": "connection",
}  # fmt: skip
SMALL = """
connections: {{ w: {{ kind: sqlite, path: w.sqlite }}, l: {{ kind: delta, uri: lake }} }}
pipelines:
  p:
    from: w
    sql: SELECT 1 AS id, 'a' AS name
    to: {{ connection: {to}, table: t }}
    mode: append
    {more}
"""


@pytest.mark.parametrize(("more", "words"), REFUSED.items())
def test_what_cannot_be_is_refused_by_lint(project, more, words):
    project.write("specs/p.yaml", SMALL.format(to="w", more=more))
    found = project.flowc("lint")
    assert found.code == 1
    assert words in found.out + found.err


def test_a_lake_keeps_no_rows_beside_its_tables(project):
    more = "expect: [{ not_null: [name], severity: quarantine }]"
    project.write("specs/p.yaml", SMALL.format(to="l", more=more))
    found = project.flowc("lint")
    assert (
        "no table of quarantined rows can be kept beside `t`, in a connection of kind `delta`" in found.out + found.err
    )


def test_all_rows_are_too_many(project, tmp_path):
    more = "expect: [{ name: none, sql: id > 1, severity: quarantine }]"
    project.write("specs/p.yaml", SMALL.format(to="w", more=more))
    target = project.flowc("run", "--once", "--json").json["pipelines"][0]["targets"][0]
    assert target["error"]["code"] == "too-many-bad-rows"
    assert Store("sqlite", tmp_path, file="w").rows("SELECT name FROM sqlite_master") == []


READS_ON = """
connections: {{ w: {connection} }}
pipelines:
  p:
    table: src
    to: {{ connection: w, table: t }}
    mode: append
    incremental: {{ column: id }}
    expect: [{{ name: low, sql: "{condition}", severity: {severity} }}]
"""


def test_a_bad_row_at_the_watermark_stops_no_later_load(project, store):
    """It is read again by each of them, and judged and kept once."""
    reads_on(project, store)
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
    for failed, total in ((1, 2), (0, 0), (1, 2)):
        done = project.flowc("run", "--once", "--json")
        assert done.code == 0, done.out + done.err
        [check] = done.json["pipelines"][0]["targets"][0]["expects"]
        assert (check["failed"], check["total"]) == (failed, total)
        if not total:
            store.run("INSERT INTO src VALUES (3, 3), (4, 44)")
    # MySQL makes tables outside of a transaction, so a preview there cannot look into one that may not be there yet.
    assert project.flowc("preview", "p").code == (store.kind == "mysql")
    assert [json.loads(row[5])["id"] for row in kept(store)] == [2, 4]
    assert sorted(store.rows("SELECT id FROM t")) == [(1,), (3,)]


TESTED = """
tests:
  only_good_rows_are_loaded:
    pipeline: clean
    given: { people: [{ id: 1, name: a }, { id: 2, name: " " }, { id: 3 }] }
    expect: [{ id: 1, name: a }]
"""


def test_a_test_sees_them_as_not_loaded(project, tmp_path):
    write(project, Store("sqlite", tmp_path))
    project.write("specs/tests.yaml", TESTED)
    done = project.flowc("test")
    assert done.code == 0, done.out + done.err


FILES = """
connections: {{ w: {{ kind: sqlite, path: w.sqlite }}, d: {{ kind: files, uri: in }} }}
pipelines:
  p:
    from: {{ connection: d, path: a.csv, columns: {{ id: bigint, v: bigint }} }}
    sql: SELECT id, v FROM source
    to: {{ connection: w, table: t }}
    mode: append
    on_bad_row: {action}
    quarantine: {{ table: bad }}
    expect: [{{ name: low, sql: "v < 10", severity: quarantine }}]
"""


@pytest.mark.parametrize(("action", "lines"), [("quarantine", [3]), ("skip", [])])
def test_rows_that_cannot_be_read_go_into_the_same_table(project, tmp_path, action, lines):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("id,v\n1,1\nx,2\n3,33\n")
    project.write("specs/p.yaml", FILES.format(action=action))
    for _ in range(2):
        target = project.flowc("run", "--once", "--json").json["pipelines"][0]["targets"][0]
        assert (target["counts"]["bad"], target["counts"]["inserted"]) == (2, 1)
        rows = Store("sqlite", tmp_path, file="w").rows("SELECT line, row_text FROM bad")
        assert rows == [*((line, "x,2") for line in lines), (None, '{"id": 3, "v": 33}')]


HALF = "quarantine, max_failures: 50%"


def reads_on(project, store, condition="v < 10", severity=HALF):
    """A load that reads on, with one check."""
    given = {"connection": store.connection, "condition": condition, "severity": severity}
    project.write("specs/p.yaml", READS_ON.format(**given))


def ran(project, *options):
    """What a run reports of its one target, and the watermark that is there then."""
    done = project.flowc("run", "p", "--once", "--json", *options)
    return done.json["pipelines"][0]["targets"][0]


def watermark(store):
    name = "flowc.watermarks" if store.kind in ("postgres", "duckdb") else "flowc_watermarks"
    return store.rows(f"SELECT value FROM {name}")


def test_what_is_kept_already_moves_the_watermark(project, store):
    """A whole reread judges all rows again, and keeps each once."""
    reads_on(project, store)
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (5, 99)")
    assert ran(project)["counts"]["bad"] == 1
    assert watermark(store) == [("5",)]
    full = ran(project, "--full")
    assert [(check["failed"], check["total"]) for check in full["expects"]] == [(1, 2)]
    assert watermark(store) == [("5",)]
    assert len(kept(store)) == 1
    # A range past the watermark keeps one, at which the next load moves on.
    store.run("INSERT INTO src VALUES (9, 99), (10, 9)")
    assert ran(project, "--from", "9")["counts"]["bad"] == 1
    assert watermark(store) == [("5",)]
    assert [ran(project)["counts"]["bad"] for _ in range(2)] == [0, 0]
    assert watermark(store) == [("10",)]
    assert [json.loads(row[5])["id"] for row in kept(store)] == [5, 9]
    # All rows of a range may fail, but not more than `max_failures`.
    store.run("DELETE FROM src WHERE id <> 5")
    assert ran(project, "--from", "5")["error"]["code"] == "expectation-failed"
    assert len(kept(store)) == 2


def test_all_rows_of_a_whole_reread_are_too_many(project, store):
    reads_on(project, store, severity="quarantine")
    store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (5, 99)")
    assert ran(project)["error"] is None
    store.run("DELETE FROM src WHERE id = 1")
    assert ran(project)["error"] is None
    assert ran(project, "--full")["error"]["code"] == "too-many-bad-rows"
    assert ran(project, "--from", "1")["error"] is None
    forgotten = "flowc.watermarks" if store.kind in ("postgres", "duckdb") else "flowc_watermarks"
    store.run(f"DELETE FROM {forgotten}")
    assert ran(project)["error"]["code"] == "too-many-bad-rows"


def test_a_column_may_be_called_as_the_mark_is(project, store):
    reads_on(project, store)
    store.run(
        "CREATE TABLE src (id BIGINT, v BIGINT, Flowc_Failed BIGINT)", "INSERT INTO src VALUES (1, 1, 7), (2, 99, 8)"
    )
    assert ran(project)["error"] is None
    assert {k.lower(): v for k, v in json.loads(kept(store)[0][5]).items()} == {"id": 2, "v": 99, "flowc_failed": 8}


COPIES = """
connections: {{ w: {connection} }}
pipelines:
  p:
    table: src
    to: {{ connection: w, table: t }}
    mode: append
    expect: [{{ name: low, sql: "id < 2", severity: quarantine }}]
"""


def copied(project, store, columns, *rows):
    """The rows in quarantine, of which the first column is `id`, above 1."""
    project.write("specs/p.yaml", COPIES.format(connection=store.connection))
    store.run(f"CREATE TABLE src (id BIGINT, {columns})", *(f"INSERT INTO src VALUES {row}" for row in rows))
    assert ran(project)["error"] is None
    return [row[5] for row in kept(store)]


def strictly(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"), parse_float=str)


@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
def test_numbers_of_duckdb_are_json(project, store):
    columns = "d DECIMAL(3,3), l DOUBLE[], s STRUCT(x FLOAT, y VARCHAR)"
    rows = copied(
        project, store, columns, "(1, 0, NULL, NULL)",
        "(2, 0.5, ['NaN'::DOUBLE, '-inf'::DOUBLE, 1], {'x': 'inf', 'y': 'a'})",
        "(3, -0.5, [1.5], {'x': 1, 'y': 'NaN \" NaN'})",
    )  # fmt: skip
    bad, good = (strictly(row) for row in rows)
    assert bad == {"id": 2, "d": "0.500", "l": "[nan, -inf, 1.0]", "s": "{'x': inf, 'y': a}"}
    assert good == {"id": 3, "d": "-0.500", "l": ["1.5"], "s": {"x": "1.0", "y": 'NaN " NaN'}}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_bytes_in_any_column_of_sqlite_are_hexadecimal(project, store):
    """SQLite keeps them in columns of all types."""
    kinds = {"a": "TEXT", "b": "TIMESTAMP", "c": "DATE", "d": "INTEGER", "e": "DECIMAL(9,2)", "f": "JSON", "g": "BLOB"}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    blob = ", x'fe31'"
    [row] = copied(project, store, columns, f"(1{', NULL' * 7})", f"(2{blob * 7})")
    assert strictly(row) == {"id": 2} | dict.fromkeys(kinds, "fe31")


@pytest.mark.parametrize("schema", ["ops", "bad"])
@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_two_first_loads_make_one_schema(project, store, schema):
    """As PostgreSQL sees them: the one waits for the other, and then finds what was missing."""
    spec = COPIES.replace("table: t }}", "table: ops.t }}\n    quarantine: {{ table: bad.rows }}")
    project.write("specs/p.yaml", spec.format(connection=store.connection))
    store.run("CREATE TABLE src (id BIGINT)", "INSERT INTO src VALUES (1), (2)")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(store.dsn) as other:
        other.execute(f"CREATE SCHEMA {schema}")
        load = pool.submit(ran, project)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NULL AND locktype = 'transactionid'"
        until = time.monotonic() + 30
        while store.rows(waiting) == [(0,)] and not load.done() and time.monotonic() < until:
            time.sleep(0.05)
        other.commit()
        assert load.result()["error"] is None
    assert [row[5] for row in kept(store, "bad.rows")] == ['{"id": 2}']


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
@pytest.mark.parametrize("more", ["", "\n    incremental: {{ column: day }}"])
def test_many_rows_that_are_kept_take_no_long_time(project, store, more):
    """They were compared each with each, as the texts that they are: in 15 times the time of the first load."""
    spec = COPIES.replace("mode: append", f"mode: append{more}")
    project.write("specs/p.yaml", spec.format(connection=store.connection))
    rows = ", ".join(f"({n}, 1)" for n in range(3000))
    store.run("CREATE TABLE src (id BIGINT, day BIGINT)", f"INSERT INTO src VALUES {rows}")
    first, *others = (ran(project) for _ in range(4))
    for again in others:
        assert again["error"] is None
        assert again["counts"]["bad"] == (0 if more else 2998)
    assert len(kept(store)) == 2998
    assert min(again["seconds"] for again in others) < 5 * first["seconds"]  # the least: others are at work too
