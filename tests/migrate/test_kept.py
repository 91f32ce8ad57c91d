"""What no spec knows: columns, indexes, tables, views, triggers, constraints stay, or the change is refused."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.migrate.looking import look, values
from tests.migrate.projects import specs
from tests.stores import Store

BEFORE = "columns: { id: bigint primary key, a: integer }"
AFTER = "columns: { id: bigint primary key, a: bigint not null }"


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def test_what_no_spec_knows_is_never_dropped(store: Store, project: Inside):
    specs(project, store, {"t": BEFORE})
    assert project.flowc("apply", "--yes").code == 0
    store.run(
        "INSERT INTO t VALUES (1, 5)", "CREATE TABLE theirs (x INTEGER)", "INSERT INTO theirs VALUES (1)",
        "ALTER TABLE t ADD COLUMN theirs VARCHAR(9) DEFAULT 'kept'", "CREATE INDEX by_theirs ON t (theirs)",
    )  # fmt: skip
    specs(project, store, {"t": AFTER})
    plan = project.flowc("plan").out
    assert "column `theirs`" in plan
    assert "index `by_theirs` on (theirs)" in plan
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    specs(project, store, {})
    assert project.flowc("apply", "--yes").code == 2
    seen = look(store, "t")
    assert seen is not None
    assert list(seen.columns) == ["id", "a", "theirs"]
    assert seen.columns["theirs"][1] == "kept"
    assert (("theirs",), False) in seen.indexes
    assert values(store, "t", ("id", "a", "theirs")) == [["1", "5", "kept"]]
    assert store.raw("SELECT x FROM theirs") == [(1,)]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["", " "])
def test_an_index_stays_when_a_column_goes_that_it_does_not_name(store: Store, project: Inside, name: str):
    """No name, and a blank, stand in every text, as long as nobody asks for quotes around them."""
    columns, index = (
        "id: bigint primary key, a: integer",
        "indexes: [{ columns: [a, id], unique: true }]",
    )
    specs(project, store, {"t": f'columns: {{ {columns}, "{name}": integer }}\n{index}'})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE INDEX theirs ON t (a) WHERE a IS NOT NULL")
    specs(project, store, {"t": f"columns: {{ {columns} }}\n{index}"})
    done = project.flowc("apply", "--yes", "--allow-destructive", "all")
    assert done.code == 0, done.err
    seen = look(store, "t")
    assert seen is not None
    assert {(("a", "id"), True), (("a",), False)} <= set(seen.indexes)
    assert project.flowc("plan", "--detailed-exitcode").code == 0


embedded = pytest.mark.parametrize("store", ["sqlite", "duckdb"], indirect=True)


@embedded
@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a INTEGER CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a INTEGER REFERENCES p (id))", "REFERENCES|FOREIGN KEY"),
        ("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a INTEGER, g INTEGER GENERATED ALWAYS AS (a + 1))",
         "GENERATED"),
    ],
)  # fmt: skip
def test_a_table_that_would_lose_something_is_not_made_anew(store: Store, project: Inside, made: str, named: str):
    store.run("CREATE TABLE p (id INTEGER PRIMARY KEY)", "INSERT INTO p VALUES (5)", made)
    store.run("INSERT INTO t (id, a) VALUES (1, 5)")
    # A change of the key is made in place by neither of them.
    specs(project, store, {"t": "columns: { id: bigint, a: integer not null }\nprimary_key: [id, a]"})
    before = look(store, "t")
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert any(word in done.err for word in named.split("|")), done.err
    assert "would lose" in done.err
    assert look(store, "t") == before


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_views_triggers_and_references_outlive_a_table_that_is_made_anew(store: Store, project: Inside):
    specs(project, store, {"t": BEFORE})
    project.flowc("apply", "--yes")
    store.run(
        "CREATE TABLE log (n INTEGER)", "CREATE VIEW v AS SELECT id, a FROM t WHERE a > 1",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.id); END",
        "CREATE TABLE child (t_id BIGINT REFERENCES t (id) ON DELETE CASCADE)",
        "INSERT INTO t VALUES (1, 5)", "INSERT INTO child VALUES (1)",
    )  # fmt: skip
    made = "SELECT type, name, sql FROM sqlite_master WHERE name IN ('v', 'tr', 'child') ORDER BY 2"
    before = store.raw(made)
    specs(project, store, {"t": AFTER})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert store.raw(made) == before
    assert store.raw("SELECT * FROM v") == [(1, 5)]
    store.run("INSERT INTO t VALUES (2, 6)")
    assert store.raw("SELECT n FROM log ORDER BY 1") == [(1,), (2,)]
    assert store.raw("SELECT * FROM child") == [(1,)]
    assert store.raw("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    ("store", "made"),
    [
        ("postgres", "CREATE TABLE t (id SERIAL PRIMARY KEY, a INTEGER)"),
        ("postgres", "CREATE TABLE t (id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a INTEGER)"),
        ("mysql", "CREATE TABLE t (id INTEGER AUTO_INCREMENT PRIMARY KEY, a INTEGER)"),
    ],
    indirect=["store"],
)
def test_a_counter_goes_on_when_its_column_is_widened(store: Store, project: Inside, made: str):
    store.run(made, "INSERT INTO t (a) VALUES (5)")
    specs(project, store, {"t": BEFORE})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    store.run("INSERT INTO t (a) VALUES (6)")
    assert store.raw("SELECT id, a FROM t ORDER BY 1") == [(1, 5), (2, 6)]
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
def test_a_counter_goes_on_in_a_table_that_is_made_anew(store: Store, project: Inside):
    store.run(
        "CREATE SEQUENCE numbers", "CREATE TABLE t (id INTEGER DEFAULT nextval('numbers') PRIMARY KEY, a INTEGER)",
        "INSERT INTO t (a) VALUES (5)",
    )  # fmt: skip
    specs(project, store, {"t": BEFORE})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    store.run("INSERT INTO t (a) VALUES (6)")
    assert store.raw("SELECT id, a FROM t ORDER BY 1") == [(1, 5), (2, 6)]


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_computed_column_keeps_its_type(store: Store, project: Inside):
    store.run("CREATE TABLE t (id BIGINT PRIMARY KEY, a INTEGER GENERATED ALWAYS AS (id * 2) STORED)")
    specs(project, store, {"t": "columns: { id: bigint primary key, a: bigint }"})
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert "the column is computed from others" in done.err


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_a_definition_of_mysql_that_says_more_is_not_written_anew(store: Store, project: Inside):
    store.run(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a ENUM('x', 'y'), b TIMESTAMP(6) NULL ON UPDATE CURRENT_TIMESTAMP(6))"
    )
    specs(project, store, {"t": "columns: { id: bigint primary key, a: text not null, b: timestamptz not null }"})
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert "the column's definition would lose the type enum('x','y')" in done.err
    assert "the column's definition would lose ON UPDATE" in done.err


def test_a_description_that_no_spec_gives_any_more_is_no_drift(store: Store, project: Inside):
    described = "columns: { id: bigint primary key, a: { type: text, description: A word. } }\ndescription: Words."
    for table in (described, "columns: { id: bigint primary key, a: text }"):
        specs(project, store, {"t": table})
        assert project.flowc("apply", "--yes").code == 0
        assert project.flowc("drift").code == 0


def test_indexes_on_odd_names_are_known_again(store: Store, project: Inside):
    columns = (
        """columns: { id: bigint primary key, 'q"u': integer, "it's": integer, 'a, b': integer, select: integer }"""
    )
    indexes = """indexes: [{ columns: ['q"u', "it's"] }, { columns: ['a, b', select] }]"""
    specs(project, store, {"t": f"{columns}\n{indexes}"})
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("drift").code == 0
