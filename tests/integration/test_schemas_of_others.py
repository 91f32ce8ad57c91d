"""A schema that an administrator has made needs no right to create one: PostgreSQL asks for it before IF NOT EXISTS."""

from __future__ import annotations

import json

from tests.stores import Store

ROLE = "flowc_schemaless"
SPEC = """
project: shop
connections: { w: { kind: postgres, url: "${env:STORE}" } }
tables:
  t: { connection: w, columns: { id: bigint primary key, v: bigint } }
pipelines:
  p:
    table: src
    to: t
    mode: append
    incremental: { column: id }
    quarantine: { table: ops.bad }
    expect: [{ name: low, sql: "v < 10", severity: quarantine }]
"""

SCHEDULED = """
project: shop
connections: { w: { kind: postgres, url: "${env:STORE}" } }
pipelines:
  p:
    from: w
    table: src
    to: { connection: w, table: t }
    mode: append
    incremental: { column: id }
    schedule: "0 * * * *"
    retry: { attempts: 1 }
"""


def test_own_tables_and_those_of_bad_rows_are_made_in_it(project, postgres, tmp_path):
    store = Store("postgres", tmp_path, postgres)
    project.write("specs/p.yaml", SPEC)
    project.env["STORE"] = f"{postgres}{'&' if '?' in postgres else '?'}options=-c%20role%3D{ROLE}"
    store.run(f"CREATE ROLE {ROLE}", "CREATE SCHEMA ops", "CREATE SCHEMA flowc")
    try:
        store.run("CREATE TABLE src (id BIGINT, v BIGINT)", "INSERT INTO src VALUES (1, 1), (2, 99)")
        store.run(f"GRANT ALL ON SCHEMA flowc, ops, public TO {ROLE}", f"GRANT SELECT ON src TO {ROLE}")
        for command in (("apply", "--yes"), ("run", "--once")):
            done = project.flowc(*command)
            assert done.code == 0, done.out + done.err
        assert [json.loads(row) for (row,) in store.rows("SELECT row_text FROM ops.bad")] == [{"id": 2, "v": 99}]
        assert store.rows("SELECT value FROM flowc.watermarks") == [("2",)]
    finally:
        store.run(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def test_who_may_not_make_the_table_of_due_times_is_told_what_for(project, postgres, tmp_path):
    store = Store("postgres", tmp_path, postgres)
    project.write("specs/p.yaml", SCHEDULED)
    project.env["STORE"] = f"{postgres}{'&' if '?' in postgres else '?'}options=-c%20role%3D{ROLE}"
    store.run(f"CREATE ROLE {ROLE}")
    try:
        store.run("CREATE TABLE src (id BIGINT)", "CREATE TABLE t (id BIGINT)", f"GRANT ALL ON src, t TO {ROLE}")
        assert project.flowc("run-due", "--now", "2026-03-10T11:59:00Z").code == 0
        done = project.flowc("run-due", "--now", "2026-03-10T12:00:00Z")
        assert done.code == 1
        assert ".loads`, which records runs" in done.err
        assert "apply` as a user who may create tables" in project.flowc("runs", "show", "last", "--json").out
        restricted, project.env["STORE"] = project.env["STORE"], postgres
        done = project.flowc("apply", "--yes")
        assert done.code == 0, done.err
        project.env["STORE"] = restricted
        store.run(f"GRANT USAGE ON SCHEMA flowc TO {ROLE}")
        store.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA flowc TO {ROLE}")
        done = project.flowc("run-due", "--now", "2026-03-10T13:00:00Z")
        assert done.code == 0, done.err
    finally:
        store.run(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")
