"""Tables of MySQL without transactions: refused before a row is written, in every mode and in previews."""

import pytest

from tests.stores import Store

SPEC = """
connections:
  w: {{ kind: mysql, url: "{dsn}" }}
  far: {{ kind: sqlite, path: far.sqlite }}
pipelines:
  p: {{ from: {source}, sql: "SELECT id, v, at FROM raw", to: {{ connection: w, table: t }}, {load} }}
"""
LOADS = (
    "mode: append",
    "mode: append, incremental: { column: id }",
    "mode: append, expect: [{ not_null: [v] }]",
    "mode: truncate",
    "mode: truncate, expect: [{ not_null: [v] }]",
    "mode: merge, keys: [id]",
    "mode: scd2, keys: [id], event_time: at",
)
COLUMNS = "(id BIGINT NOT NULL, v BIGINT NOT NULL, at DATE NOT NULL)"
HISTORY = (
    "(id BIGINT NOT NULL, v BIGINT NOT NULL, valid_from DATE NOT NULL, valid_to DATE, is_current TINYINT(1) NOT NULL, "
    "row_hash CHAR(32))"
)


def filled(project, dsn, load, *, source="w", engine="MyISAM", table="t"):
    project.write("specs/p.yaml", SPEC.format(dsn=dsn, source=source, load=load))
    store, far = Store("mysql", project.path, dsn), Store("sqlite", project.path, file="far")
    for place in (store, far):
        place.run(f"CREATE TABLE raw {COLUMNS}", "INSERT INTO raw VALUES (1, 1, '2026-01-01')")
    store.run(f"CREATE TABLE {table} {HISTORY if 'scd2' in load else COLUMNS} ENGINE = {engine}")
    if "scd2" not in load:
        store.run(f"INSERT INTO {table} VALUES (9, 9, '2026-01-01')")
    return store


def refused(project, store, *commands, table="t"):
    before = store.rows(f"SELECT * FROM {table}")
    for command in commands:
        done = project.flowc(*command)
        assert done.code == 1
        assert "no-transactions" in done.out + done.err, done.out + done.err
        assert store.rows(f"SELECT * FROM {table}") == before


@pytest.mark.covering
@pytest.mark.parametrize("source", ["w", "far"])
@pytest.mark.parametrize("load", LOADS)
def test_every_mode_is_refused(project, mysql, load, source):
    store = filled(project, mysql, load, source=source)
    refused(project, store, ("preview", "p"), ("run", "--once"))
    assert store.rows("SHOW TABLES LIKE 'flowc%'") == []


@pytest.mark.parametrize("engine", ["Aria", "MEMORY", "CSV"])
def test_every_such_engine_is_refused(project, mysql, engine):
    refused(project, filled(project, mysql, "mode: truncate", engine=engine), ("preview", "p"), ("run", "--once"))


def test_a_view_of_such_a_table_is_refused(project, mysql):
    store = filled(project, mysql, "mode: append", table="kept")
    store.run('CREATE VIEW "a`b" AS SELECT * FROM kept', 'CREATE VIEW t AS SELECT * FROM "a`b" WHERE id > 0')
    refused(project, store, ("preview", "p"), ("run", "--once"))
    store.run("ALTER TABLE kept ENGINE = InnoDB")
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT count(*) FROM kept") == [(2,)]


def test_watermarks_that_cannot_be_undone_are_refused(project, mysql):
    store = filled(project, mysql, LOADS[1], engine="InnoDB")
    assert project.flowc("run", "--once").code == 0
    store.run("ALTER TABLE flowc_watermarks DROP PRIMARY KEY, ENGINE = MyISAM")  # whose keys are too short for it
    store.run("INSERT INTO raw VALUES (10, 1, '2026-01-01')")
    refused(project, store, ("run", "--once"), table="flowc_watermarks")
    store.run("ALTER TABLE flowc_watermarks ADD PRIMARY KEY (project, pipeline_name, target), ENGINE = InnoDB")
    assert project.flowc("run", "--once").code == 0


def test_what_a_trigger_left_is_told(project, mysql):
    """No look at the tables tells it: the server does, when it rolls back."""
    store = filled(project, mysql, 'mode: append, expect: [{ sql: "id = 0", name: none }]', engine="InnoDB")
    store.run(
        "CREATE TABLE log (id BIGINT) ENGINE = MyISAM",
        "CREATE TRIGGER logged AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.id)",
    )
    done = project.flowc("run", "--once")
    assert done.code == 1
    assert "expectation-failed" in done.out + done.err
    assert "a table without transactions: what it wrote there stays" in done.out + done.err, done.out + done.err
    done = project.flowc("preview", "p")
    assert done.code == 1
    assert store.rows("SELECT * FROM log") == [(1,), (1,)]
    assert store.rows("SELECT id FROM t") == [(9,)]
