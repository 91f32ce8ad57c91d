"""A normaliser on the cursor, source and target in one database: the watermark is what the source has."""

from tests.stores import counts

SPEC = """
connections: {{ w: {connection} }}
tables:
  t:
    connection: w
    columns: {{ id: bigint primary key, c: {{ type: bigint, normalize: [{{ sql: "{{value}} + 100" }}] }} }}
pipelines:
  p:
    sql: SELECT id, c FROM src
    to: t
    mode: append
    incremental: {{ column: c }}
"""


def test_a_normalised_cursor_skips_no_row(project, store):
    store.run("CREATE TABLE src (id BIGINT, c BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 2)")
    project.write("specs/p.yaml", SPEC.format(connection=store.connection))
    assert counts(project.flowc("run", "--once", "--json"))["p"][:2] == (2, 2)
    store.run("INSERT INTO src VALUES (3, 3)")
    assert counts(project.flowc("run", "--once", "--json"))["p"][:2] == (2, 1)
    assert store.rows("SELECT * FROM t") == [(1, 101), (2, 102), (3, 103)]
