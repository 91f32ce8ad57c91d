"""What statements of `before` and `after` set ends with their load, and texts that are no statements do no harm."""

import pytest

from tests.stores import KINDS, Store, address

SPEC = """
connections: {{ w: {connection} }}
pipelines:
  first: {{ sql: SELECT id FROM raw, to: {{ connection: w, table: t }}, mode: append, {key}: ["{statement}"] }}
  second: {{ sql: SELECT id FROM raw, to: {{ connection: w, table: u }}, mode: append }}
"""


@pytest.fixture(params=KINDS)
def filled(request, tmp_path):
    store = Store(request.param, tmp_path, address(request, request.param))
    store.run("CREATE TABLE raw (id BIGINT)", "INSERT INTO raw VALUES (1), (2)")
    store.run("CREATE TABLE t (id BIGINT)", "CREATE TABLE u (id BIGINT)")
    return store


ELSEWHERE = {"postgres": "SET search_path = other, public", "duckdb": "SET search_path = 'other,main'"}


@pytest.mark.parametrize("filled", ELSEWHERE, indirect=True)
def test_a_path_of_names_is_that_of_its_load(project, filled):
    filled.run("CREATE SCHEMA other", "CREATE TABLE other.raw (id BIGINT)", "CREATE TABLE other.u (id BIGINT)")
    project.write(
        "specs/p.yaml", SPEC.format(connection=filled.connection, key="after", statement=ELSEWHERE[filled.kind])
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    tables = ("t", "u", "other.u")
    assert [filled.rows(f"SELECT * FROM {name}") for name in tables] == [[(1,), (2,)], [(1,), (2,)], []]


@pytest.mark.parametrize("filled", [*ELSEWHERE, "mysql"], indirect=True)
def test_no_statement_before_a_load_moves_its_target(project, filled):
    statement = ELSEWHERE.get(filled.kind, "USE mysql")
    project.write("specs/p.yaml", SPEC.format(connection=filled.connection, key="before", statement=statement))
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "moved-target" in done.err
    assert filled.rows("SELECT * FROM t") == []


def test_a_text_without_a_statement_does_nothing(project, filled):
    project.write("specs/p.yaml", SPEC.format(connection=filled.connection, key="before", statement="-- nothing yet"))
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err
    assert filled.rows("SELECT * FROM t") == [(1,), (2,)]


@pytest.mark.parametrize("filled", ["mysql"], indirect=True)
def test_no_statement_reads_files_of_this_machine(project, filled):
    project.write("x.csv", "5\n")
    statement = "LOAD DATA LOCAL INFILE 'x.csv' INTO TABLE t"
    project.write("specs/p.yaml", SPEC.format(connection=filled.connection, key="after", statement=statement))
    done = project.flowc("run", "first", "--once")
    assert done.code == 1
    assert "query-refused" in done.err + done.out
    assert "kind `files`" in done.err + done.out
    assert filled.rows("SELECT * FROM t") == []
