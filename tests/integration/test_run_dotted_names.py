"""Tables whose names hold dots and quotes, in every place where a spec names a table, on every database."""

from __future__ import annotations

import pytest

from flowc.catalog import TableName
from tests.commands import Inside
from tests.stores import Store

SPEC = """
connections:
  w: {store}
tables:
  declared: {{ connection: w, name: "de.cl", columns: {{ id: bigint primary key, v: text }} }}
pipelines:
  whole: {{ from: w, table: {schema}."my.table", to: {{ connection: w, table: {schema}."co.py" }} }}
  sql:
    from: w
    sql: SELECT id, v FROM {schema}."my.table"
    to: [declared, {{ connection: w, table: '"a.b"', mode: merge, keys: [id] }}]
    mode: merge
  by_name:
    from: {{ one: {{ connection: w, table: {schema}."my.table" }}, two: {{ connection: w, table: '"o""dd"' }} }}
    sql: SELECT one.id, two.v FROM one JOIN two ON one.id = two.id
    to: {{ connection: w, table: {schema}."jo.in""ed" }}
    mode: truncate
  history:
    from: w
    table: '"a.b"'
    to: {{ connection: w, table: '"hi.story"', keys: [id] }}
    mode: scd2
"""


WRONG = """
connections:
  w: {{ kind: sqlite, path: a.db }}
pipelines:
  whole: {{ from: w, table: {name}, to: {{ connection: w, table: t }} }}
  target: {{ from: w, table: t, to: {{ connection: w, table: {name} }} }}
  source: {{ from: {{ connection: w, table: {name} }}, to: {{ connection: w, table: u }} }}
"""


def test_names_with_dots(project: Inside, store: Store) -> None:
    schema = "main" if store.kind == "sqlite" else "raw"
    if schema == "raw":
        store.run("CREATE SCHEMA raw")
    store.run(
        f'CREATE TABLE {schema}."my.table" (id BIGINT, v TEXT)', f'''INSERT INTO {schema}."my.table" VALUES (1, 'a')''',
        'CREATE TABLE "o""dd" (id BIGINT, v TEXT)', """INSERT INTO "o""dd" VALUES (1, 'b')""",
    )  # fmt: skip
    spec = SPEC.format(store=store.connection, schema=schema)
    if store.kind == "mysql":  # whose own SQL has texts in double quotes
        spec = spec.replace('FROM raw."my.table"', "FROM raw.`my.table`")
    project.write("specs/p.yaml", spec)
    linted = project.flowc("lint", "specs")
    assert (linted.code, "error[" in linted.out) == (0, False), linted.out
    for times in (1, 2):
        done = project.flowc("run", "--once")
        assert done.code == 0, done.err
        assert store.rows(f'SELECT * FROM {schema}."co.py"') == [(1, "a")] * times
    for table in ('"de.cl"', '"a.b"'):
        assert store.rows(f"SELECT * FROM {table}") == [(1, "a")]
    assert store.rows(f'SELECT * FROM {schema}."jo.in""ed"') == [(1, "b")]
    assert store.rows('SELECT id, v FROM "hi.story"') == [(1, "a")]
    graph = project.flowc("graph", "specs").out
    assert '"my.table"' in graph


@pytest.mark.parametrize("text", ["a", "a.b", 'raw."my.table"', '"a.b"', 'x."o""dd"', 'Odd "table" x', "a.b.c"])
def test_a_name_is_written_as_it_is_read(text: str) -> None:
    name = TableName.parse(text)
    assert TableName.parse(str(name)) == name


@pytest.mark.parametrize("text", ['raw."my', "raw.", ".t", '"a"b', "a..b", '""'])
def test_what_is_no_name_is_said(project: Inside, text: str) -> None:
    project.write("specs/p.yaml", WRONG.format(name=f"'{text}'"))
    found = project.flowc("lint", "specs", "--format", "json").json
    assert {(d["code"], d["message"]) for d in found} == {("bad-value", f"`{text}` is not the name of a table")}
    assert len(found) == 3
