"""A live table that is not the declared one stops the load, and stays as it is."""

import pytest

SPEC = """
connections: {{ w: {connection} }}
tables:
  t:
    connection: w
    columns: {{ id: bigint primary key, code: {{ type: varchar(20), nullable: false }}, v: bigint }}
    indexes: [{{ columns: [code], unique: true }}]
pipelines: {{ t: {{ from: w, sql: "SELECT id, code, v FROM raw", to: t, mode: merge }} }}
"""
RIGHT = ("id BIGINT NOT NULL PRIMARY KEY", "code VARCHAR(20) NOT NULL", "v BIGINT")
WRONG = {
    "missing column": (RIGHT[:2], True, "`v`"),
    "required column more": ((*RIGHT, "more BIGINT NOT NULL"), True, "`more`"),
    "other type": ((*RIGHT[:2], "v VARCHAR(20)"), True, "`v`"),
    "missing NOT NULL": ((RIGHT[0], "code VARCHAR(20)", RIGHT[2]), True, "`code`"),
    "missing key": (("id BIGINT NOT NULL", *RIGHT[1:]), True, "primary key"),
    "missing unique index": (RIGHT, False, "(code)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_table_stops_the_run(project, store, wrong):
    columns, unique, words = WRONG[wrong]
    project.write("specs/p.yaml", SPEC.format(connection=store.connection))
    store.run(f"CREATE TABLE t ({', '.join(columns)})")
    if unique:
        store.run("CREATE UNIQUE INDEX u ON t (code)")
    store.run("CREATE TABLE raw (id BIGINT, code VARCHAR(20), v BIGINT)", "INSERT INTO raw VALUES (1, 'a', 5)")
    done = project.flowc("run", "--once")
    assert done.code == 1, done.out
    assert words in done.out + done.err, done.out + done.err
    assert store.rows("SELECT count(*) FROM t") == [(0,)]


def test_what_is_declared_is_enforced(project, store):
    project.write("specs/p.yaml", SPEC.format(connection=store.connection))
    store.run("CREATE TABLE raw (id BIGINT, code VARCHAR(20), v BIGINT)", "INSERT INTO raw VALUES (1, 'a', 5)")
    assert project.flowc("run", "--once").code == 0
    for row in ("(2, NULL, 1)", "(3, 'a', 1)"):
        store.run(f"INSERT INTO raw VALUES {row}")
        assert project.flowc("run", "--once").code == 1
        store.run("DELETE FROM raw WHERE id > 1")
    assert store.rows("SELECT id, code, v FROM t") == [(1, "a", 5)]
