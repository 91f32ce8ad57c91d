"""What has the name of a declared table and is none, and keys that ON CONFLICT cannot name."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store

DECLARED = "columns: { id: bigint primary key, a: integer, b: text }"
VIEW = ("CREATE TABLE base (id BIGINT, a INTEGER)", "CREATE VIEW t AS SELECT id, a FROM base")
FORMS = {
    "view": ("a view", VIEW),
    "materialized": ("a materialized view", (VIEW[0], "CREATE MATERIALIZED VIEW t AS SELECT id, a FROM base")),
    "sequence": ("a sequence", ("CREATE SEQUENCE t",)),
    "type": ("a composite type", ("CREATE TYPE t AS (id BIGINT, a INTEGER)",)),
    "partition": (
        "a partition",
        (
            "CREATE TABLE base (id BIGINT, a INTEGER) PARTITION BY LIST (a)",
            "CREATE TABLE t PARTITION OF base FOR VALUES IN (1)",
        ),
    ),
    "foreign": (
        "a foreign table",
        (
            "CREATE FOREIGN DATA WRAPPER nowhere",
            "CREATE SERVER far FOREIGN DATA WRAPPER nowhere",
            "CREATE FOREIGN TABLE t (id BIGINT, a INTEGER) SERVER far",
        ),
    ),
}


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def _refused(store: Store, project: Inside, form: str) -> None:
    specs(project, store, {"t": DECLARED})
    for command in (("plan",), ("apply", "--yes")):
        done = project.flowc(*command)
        assert done.code != 0
        assert "not-a-table" in done.err
        assert f"is {form} in the database" in done.err


def test_a_view_is_no_table(store: Store, project: Inside):
    store.run(*VIEW)
    _refused(store, project, "a view")


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize("form", [name for name in FORMS if name != "view"])
def test_other_relations_are_no_tables(store: Store, project: Inside, form: str):
    words, statements = FORMS[form]
    store.run(*statements)
    _refused(store, project, words)


def test_a_view_in_place_of_a_table_that_no_spec_has_any_more_stays(store: Store, project: Inside):
    specs(project, store, {"t": DECLARED})
    assert project.flowc("apply", "--yes").code == 0
    store.run("DROP TABLE t", *VIEW)
    specs(project, store, {})
    assert "drop" not in project.flowc("plan").out
    assert store.raw("SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
@pytest.mark.parametrize("when", ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_key_that_is_deferrable_takes_a_merge(store: Store, project: Inside, key: str, when: str):
    store.run(
        f"CREATE TABLE t (id BIGINT {key} {when}, a INTEGER)", "INSERT INTO t VALUES (1, 1), (2, 2)",
        "CREATE TABLE src (id BIGINT, a INTEGER)", "INSERT INTO src VALUES (2, 3), (4, 4)",
    )  # fmt: skip
    project.write(
        "specs/project.yaml",
        f"""
connections: {{ store: {store.connection} }}
pipelines:
  p: {{ from: store, sql: "SELECT id, a FROM src", to: {{ connection: store, table: t }}, mode: merge, keys: [id] }}
""",
    )
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    assert store.rows("SELECT id, a FROM t") == [(1, 1), (2, 3), (4, 4)]
    told = project.flowc("import", "store", "t")
    assert "DEFERRABLE" in told.out + told.err
