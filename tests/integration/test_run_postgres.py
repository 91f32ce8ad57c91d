"""Runs between PostgreSQL and embedded engines: unreachable servers, secrets, several targets, interrupts."""

import signal
import subprocess
import time

import psycopg
import pytest

from tests.commands import Inside
from tests.stores import Store
from tests.waiting import PATIENCE, until

SPECS = """
connections:
  pg: { kind: postgres, url: "${PG}" }
  again: { kind: postgres, url: "${PG}" }
  local: { kind: duckdb, path: local.duckdb }
tables:
  strict: { connection: pg, columns: { id: integer primary key, name: text not null } }
pipelines:
  same: { from: again, sql: "SELECT id, name FROM people", to: strict, mode: merge }
  fan:
    from: pg
    sql: SELECT id, name FROM people
    mode: append
    to:
      - { connection: local, table: copy, mode: truncate }
      - { table: strict, mode: append }
  slow:
    from: pg
    sql: SELECT a.i AS id FROM generate_series(1, 300000) AS a(i), generate_series(1, 1000) AS b(i)
    to: { connection: local, table: big }
    mode: append
"""

SENDING = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%'
"""
"""Sessions that send rows."""


@pytest.fixture
def folder(tmp_path, postgres) -> Inside:
    made = Inside(tmp_path, {"PG": postgres})
    made.write("specs/project.yaml", SPECS)
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE people (id integer, name text)")
        connection.execute("INSERT INTO people VALUES (1, 'ada'), (2, 'bob')")
    return made


def query(dsn: str, sql: str) -> list[tuple]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql).fetchall()


def test_two_connections_to_one_database_are_one_session(folder, postgres):
    done = folder.flowc("run", "same", "--once", "--json")
    assert done.code == 0, done.out
    assert query(postgres, "SELECT id, name FROM strict ORDER BY id") == [(1, "ada"), (2, "bob")]
    assert folder.flowc("validate", "same", "--explain").out.count("Seq Scan") == 1


def test_each_target_has_its_own_verdict(folder, postgres):
    query_text = "INSERT INTO people VALUES (3, NULL)"
    with psycopg.connect(postgres) as connection:
        connection.execute(query_text)
    done = folder.flowc("run", "fan", "--once", "--json")
    assert done.code == 1
    [fan] = done.json["pipelines"]
    assert [(t["target"], t["status"]) for t in fan["targets"]] == [("local.copy", "ok"), ("pg.strict", "failed")]
    assert fan["targets"][0]["counts"]["inserted"] == 3
    assert fan["targets"][1]["error"]["code"]
    assert query(postgres, "SELECT to_regclass('strict')") == [(None,)]


def test_an_unset_secret_is_named_and_stops_only_what_needs_it(folder):
    del folder.env["PG"]
    done = folder.flowc("run", "same", "--once")
    assert done.code == 1
    assert "error[unset-variable]" in done.err
    assert "`PG`" in done.err
    assert folder.flowc("secrets", "test").code == 1


def test_an_unreachable_server_is_a_failure_without_the_password(folder):
    folder.env["PG"] = "postgres://ada:hunter-two@127.0.0.1:1/shop"
    done = folder.flowc("run", "same", "--once")
    assert done.code == 1
    assert "error[connection-failed]" in done.err
    for command in (["connections", "check"], ["connections", "list"], ["doctor"], ["secrets", "test"]):
        shown = folder.flowc(*command)
        done.out += shown.out + shown.err
    assert "hunter-two" not in done.out + done.err
    folder.write(
        "specs/more.yaml", "connections:\n  plain: { kind: postgres, url: 'postgres://ada:hunter-two@h/db' }\n"
    )
    listed = folder.flowc("connections", "list")
    assert "postgres://ada:***@h/db" in listed.out


@pytest.mark.parametrize(
    ("number", "before", "code"),
    [
        (signal.SIGINT, signal.SIG_DFL, 130),
        (signal.SIGTERM, signal.SIG_DFL, 130),
        (signal.SIGTERM, signal.SIG_IGN, -signal.SIGTERM),
    ],
)
def test_an_interrupt_rolls_back_and_ends(folder, postgres, number, before, code):
    command = folder.command("run", "slow", "--once")
    with subprocess.Popen(
        command,
        cwd=folder.path,
        env=folder.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, before),
    ) as running:
        until(lambda: query(postgres, SENDING))
        time.sleep(1)  # rows are being written by then, most likely
        assert running.poll() is None
        running.send_signal(number)
        out, err = running.communicate(timeout=PATIENCE)
    assert (running.returncode, out, err.strip()) == (code, "", "interrupted" if code > 0 else "")
    assert folder.flowc("validate", "slow", "--json").json[0]["table_exists"] is False


IMPOSSIBLE = """
connections: {{ a: {postgres} }}
tables: {{ t: {{ connection: a, columns: {{ c: {column} }} }} }}
pipelines: {{ t: {{ from: a, sql: "SELECT '{value}'::text AS c", to: t, mode: append }} }}
"""


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("date", "2024-02-31"),
        ("timestamp", "2023-02-29 10:00:00"),
        ("timestamptz", "2024-04-31 10:00:00Z"),
        ("time", "25:00"),
        ('{ type: date, normalize: [{ parse_timestamp: "%d.%m.%Y" }] }', "31.02.2024"),
    ],
)
def test_a_day_that_no_calendar_has_is_shown_with_its_column(project, postgres, column, value):
    connection = Store("postgres", project.path, postgres).connection
    project.write("specs/p.yaml", IMPOSSIBLE.format(postgres=connection, column=column, value=value))
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "column `c`" in done.err
    assert f"c = `{value}`" in done.err


NESTED = """
connections: {{ a: {duckdb}, b: {postgres} }}
tables: {{ t: {{ connection: b, columns: {{ c: json }} }} }}
pipelines:
  t: {{ from: a, sql: "SELECT to_json([[1, 2], [3]]) AS c", to: t, mode: append }}
  u: {{ from: a, sql: "SELECT [[1, 2], [3]] AS c", to: {{ connection: b, table: u }}, mode: append }}
"""


def test_arrays_in_arrays_are_refused_with_what_to_do(project, postgres):
    target = Store("postgres", project.path, postgres)
    source = Store("duckdb", project.path)
    project.write("specs/p.yaml", NESTED.format(duckdb=source.connection, postgres=target.connection))
    source.run("SELECT 1")
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "error[incompatible-types]: u, b.u: column `c` of type integer[][]: arrays in arrays" in done.err
    assert "to_json(c)" in done.err
    assert target.rows("SELECT CAST(c AS TEXT) FROM t") == [("[[1, 2], [3]]",)]


NUMBERED = """
connections: {{ a: {postgres} }}
pipelines:
  p: {{ from: a, sql: "SELECT 5 AS id, 'abc' AS k", to: {{ connection: a, table: t }}, mode: append }}
"""


def test_a_value_for_what_the_database_numbers_is_answered_by_what_a_spec_can_do(project, postgres):
    store = Store("postgres", project.path, postgres)
    store.run("CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, k text)")
    spec = NUMBERED.format(postgres=store.connection)
    project.write("specs/p.yaml", spec)
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "help: leave the column out: the database gives it its value" in done.err
    assert "OVERRIDING" not in done.err
    project.write("specs/p.yaml", spec.replace("5 AS id, ", ""))
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT id, k FROM t") == [(1, "abc")]


SHADOWED = """
connections:
  plain: {{ kind: postgres, url: "{url}" }}
  odd: {{ kind: postgres, url: "{url}?options=-csearch_path%3Ddwh,pg_catalog" }}
pipelines:
  one: {{ from: {{ connection: plain, table: public.raw }}, to: {{ connection: plain, table: o }}, mode: append }}
  two: {{ from: {{ connection: plain, table: public.raw }}, to: {{ connection: odd, table: dwh.s }}, mode: append }}
"""


def test_a_type_is_spelled_as_the_path_of_its_connection_has_it(project, postgres):
    store = Store("postgres", project.path, postgres)
    store.run("CREATE SCHEMA dwh", "CREATE TABLE raw (n text)", "INSERT INTO raw VALUES ('10.0.0.1')")
    store.run("CREATE TABLE o (n inet)", "CREATE TABLE dwh.inet (x int)", "CREATE TABLE dwh.s (n pg_catalog.inet)")
    project.write("specs/p.yaml", SHADOWED.format(url=postgres))
    for pipelines in (("one",), ("one", "two")):
        done = project.flowc("run", *pipelines, "--once")
        assert done.code == 0, done.err
    assert store.rows("SELECT host(n) FROM dwh.s") == [("10.0.0.1",)]
