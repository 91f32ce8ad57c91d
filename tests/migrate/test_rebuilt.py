"""Tables that are made anew keep what no spec names, in the engine's own words, or are left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.killing import connector
from tests.migrate.looking import look
from tests.migrate.projects import specs
from tests.stores import KINDS, Store, address

BEFORE = "columns: { id: bigint primary key, a: text, b: integer }"
AFTER = "columns: { id: bigint primary key, a: text not null, b: integer }"
MASTER = "SELECT type, name, sql FROM sqlite_master WHERE lower(tbl_name) = 't' AND type <> 'table' ORDER BY 1, 2"


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def applied(project: Inside, store: Store, after: str, *more: str) -> None:
    """Applies the table `t` as it is declared then, after which there is nothing more to plan."""
    specs(project, store, {"t": after})
    done = project.flowc("apply", "--yes", *more)
    assert done.code == 0, done.err + done.out
    plan = project.flowc("plan", "--detailed-exitcode")
    assert plan.code == 0, plan.out


def refused(project: Inside, store: Store, after: str, *more: str) -> str:
    """What is said of a change that is not made."""
    specs(project, store, {"t": after})
    done = project.flowc("apply", "--yes", *more)
    assert done.code == 2, done.out
    return done.err


@pytest.mark.parametrize("name", ["t", "T"])
def test_indexes_and_triggers_are_made_again_from_their_own_text(store: Store, project: Inside, name: str):
    store.run(
        f"CREATE TABLE {name} (Id BIGINT NOT NULL PRIMARY KEY, A TEXT, b INTEGER UNIQUE)",
        f"CREATE INDEX nocase ON {name} (a COLLATE NOCASE)",
        f"CREATE UNIQUE INDEX part ON {name} (b) where a IS NOT NULL",
        f"CREATE INDEX part2 ON {name} (b)\nWHERE 'it where' <> a",
        f"CREATE INDEX expr ON {name} (lower(a), b DESC)",
        f"CREATE TRIGGER tr AFTER UPDATE OF a ON {name} BEGIN SELECT NEW.a; END",
        f"INSERT INTO {name} VALUES (1, 'x', 5)",
    )  # fmt: skip
    before = store.raw(MASTER)
    applied(project, store, AFTER)
    assert store.raw(MASTER) == before
    assert len(store.raw("PRAGMA index_list(t)")) == 6
    assert store.raw("SELECT * FROM t") == [(1, "x", 5)]
    assert "create table" not in project.flowc("drift").out


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ("a TEXT CHECK (a <> '')", "CHECK"),
        ("a TEXT REFERENCES p (x)", "REFERENCES"),
        ("a TEXT NOT NULL ON CONFLICT REPLACE", "ON CONFLICT"),
        ("a TEXT UNIQUE on  conflict IGNORE", "ON CONFLICT"),
        ("a TEXT COLLATE nocase", "COLLATE"),
        ("a TEXT, g INTEGER AS (id + 1)", "GENERATED"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over_is_named_in_any_case(store: Store, project: Inside, column: str, named: str):
    store.run("CREATE TABLE p (x TEXT PRIMARY KEY)", f"CREATE TABLE T (id BIGINT NOT NULL PRIMARY KEY, {column})")
    before = store.raw("SELECT sql FROM sqlite_master WHERE name = 'T'")
    words = refused(project, store, "columns: { id: bigint, a: varchar(9) }\nprimary_key: [id, a]")
    assert f"would lose {named}" in words
    assert store.raw("SELECT sql FROM sqlite_master WHERE name = 'T'") == before


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)", "AUTOINCREMENT"),
        ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT) WITHOUT ROWID, STRICT", "WITHOUT ROWID, STRICT"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) strict", "STRICT"),
    ],
)
def test_what_a_table_is_beyond_its_columns_is_named(store: Store, project: Inside, made: str, named: str):
    store.run(made, "INSERT INTO t (a) VALUES ('x')" if "ROWID" not in made else "INSERT INTO t VALUES (1, 'x')")
    words = refused(project, store, "columns: { id: bigint primary key, a: text not null }")
    assert f"would lose {named}: change" in words
    assert store.raw("SELECT sql FROM sqlite_master WHERE name = 't'") == [(made,)]


def test_a_column_called_strict_is_a_column(store: Store, project: Inside):
    store.run(
        'CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a TEXT DEFAULT "say ""x""", w TEXT DEFAULT word, strict)'
    )
    applied(project, store, "columns: { id: bigint primary key, a: { type: text, nullable: false, default: \"'b'\" } }")
    store.run("INSERT INTO t (id) VALUES (1)")
    assert store.raw("SELECT * FROM t") == [(1, "b", "word", None)]


def test_a_partial_unique_index_is_not_the_whole_one(store: Store, project: Inside):
    store.run(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a TEXT)", "CREATE UNIQUE INDEX u ON t (a) where id > 5",
        "CREATE UNIQUE INDEX n ON t (a COLLATE NOCASE)", "INSERT INTO t VALUES (1, NULL)",
    )  # fmt: skip
    applied(project, store, "columns: { id: bigint primary key, a: text unique }")
    assert len(store.raw("PRAGMA index_list(t)")) == 4
    specs(project, store, {"t": "columns: { id: bigint primary key, a: text }"})
    assert project.flowc("apply", "--yes").code == 0
    assert {row[1] for row in store.raw("PRAGMA index_list(t)")} == {"u", "n", "sqlite_autoindex_t_1"}


def test_columns_that_nobody_declared_keep_their_types(store: Store, project: Inside):
    store.run(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a TEXT, n NUMERIC, w VARYING CHARACTER(9), x, d DECIMAL(9,2))",
        "INSERT INTO t VALUES (1, 'x', 5, 'w', x'00', 1.5)",
    )  # fmt: skip
    types = store.raw("SELECT name, type FROM pragma_table_info('t') ORDER BY 1")
    applied(project, store, "columns: { id: bigint primary key, a: text not null }")
    assert store.raw("SELECT name, type FROM pragma_table_info('t') ORDER BY 1") == types
    assert store.raw("SELECT typeof(n), typeof(x), typeof(d) FROM t") == [("integer", "blob", "real")]


def test_renames_reach_triggers_indexes_and_views_of_a_table_that_is_made_anew(store: Store, project: Inside):
    store.run(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a TEXT, b INTEGER)", "CREATE TABLE log (n TEXT)",
        "CREATE INDEX expr ON t (lower(a)) WHERE a <> ''", "CREATE INDEX by_a ON t (a)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.a); END",
        "INSERT INTO t VALUES (1, 'x', 5)",
    )  # fmt: skip
    after = "columns: { id: bigint primary key, c: { type: text, renamed_from: a }, b: integer not null }"
    applied(project, store, after + "\nindexes: [{ columns: [b, c] }]")
    store.run("INSERT INTO t VALUES (2, 'y', 6)")
    assert store.raw("SELECT n FROM log") == [("x",), ("y",)]
    assert store.raw("SELECT * FROM v") == [("x",), ("y",)]
    assert {row[1] for row in store.raw("PRAGMA index_list(t)")} >= {"expr", "by_a", "t_b_c_idx"}


@pytest.mark.parametrize("rebuilt", [False, True])
def test_the_row_id_numbers_on(store: Store, project: Inside, rebuilt: bool):
    store.run("CREATE TABLE t (id integer PRIMARY KEY, a TEXT)", "INSERT INTO t VALUES (7, 'x')")
    a = "text not null" if rebuilt else "text"
    applied(project, store, f"columns: {{ id: bigint primary key, a: {a} }}")
    store.run("INSERT INTO t (a) VALUES ('y')")
    assert store.raw("SELECT id, a, rowid FROM t") == [(7, "x", 7), (8, "y", 8)]
    words = refused_or_noted(project, store)
    assert "no longer numbered" in words


def refused_or_noted(project: Inside, store: Store) -> str:
    specs(project, store, {"t": "columns: { id: text primary key, a: text }"})
    return " ".join(project.flowc("plan").out.split())


def test_a_trigger_that_names_a_column_that_goes_keeps_the_table_as_it_is(store: Store, project: Inside):
    applied(project, store, BEFORE + "\nindexes: [{ columns: [b] }]")
    store.run("CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT NEW.B; END", "CREATE INDEX e ON t (a) WHERE B > 1")
    words = refused(project, store, "columns: { id: bigint primary key, a: text }", "--allow-destructive", "w.t.b")
    assert "would lose trigger tr" in words


def test_what_comes_between_the_look_and_the_rebuild_stops_it(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    applied(project, store, BEFORE)
    sessions, begin = connector("sqlite"), connector("sqlite").begin
    made = "CREATE TRIGGER late AFTER INSERT ON t BEGIN SELECT 1; END"

    def late(self: object) -> None:
        if not store.raw("SELECT 1 FROM sqlite_master WHERE name = 'late'"):
            store.run(made)
        begin(self)

    monkeypatch.setattr(sessions, "begin", late)
    assert "not as they were when it was looked at" in refused(project, store, AFTER)
    assert store.raw("SELECT sql FROM sqlite_master WHERE name = 'late'") == [(made,)]
    monkeypatch.undo()
    applied(project, store, AFTER)


@pytest.mark.parametrize("store", [kind for kind in KINDS if kind != "postgres"], indirect=True)
def test_a_column_in_another_case_is_the_same_column(store: Store, project: Inside):
    text = "VARCHAR(20)"
    store.run(
        f"CREATE TABLE t (ID BIGINT NOT NULL PRIMARY KEY, Aa {text}, bB {text})", "CREATE INDEX t_i ON t (AA)",
        "INSERT INTO t VALUES (1, 'x', 'y')",
    )  # fmt: skip
    columns = "id: bigint primary key, aa: varchar(20), b: { type: varchar(20), renamed_from: Bb }"
    specs(project, store, {"t": f"columns: {{ {columns} }}\nindexes: [{{ columns: [aA] }}]".replace("[aA]", "[aa]")})
    plan = " ".join(project.flowc("plan").out.split())
    assert "add column" not in plan
    assert "rename column Bb to b" in plan
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("drift").code == 0
    assert store.raw("SELECT id, aa, b FROM t") == [(1, "x", "y")]


@pytest.mark.parametrize("store", [kind for kind in KINDS if kind != "postgres"], indirect=True)
def test_a_load_takes_a_column_in_another_case_for_its_own(store: Store, project: Inside):
    store.run("CREATE TABLE t (ID BIGINT NOT NULL PRIMARY KEY, Aa VARCHAR(20))", "INSERT INTO t VALUES (1, 'x')")
    specs(project, store, {"t": "columns: { id: bigint primary key, aa: varchar(20) }"})
    project.write("rows.csv", "id,aa\n1,y\n2,z\n")
    project.write(
        "specs/load.yaml",
        "connections:\n  drop: { kind: files, uri: ., format: csv }\npipelines:\n  p:\n    from:\n"
        "      { connection: drop, path: rows.csv, columns: { id: bigint, aa: varchar(20) } }\n"
        "    mode: merge\n    to: t\n",
    )
    done = project.flowc("run", "--once", "p")
    assert done.code == 0, done.err
    assert store.raw("SELECT id, aa FROM t ORDER BY 1") == [(1, "y"), (2, "z")]


@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
def test_duckdb_keeps_what_no_spec_names(store: Store, project: Inside):
    store.run(
        'CREATE TABLE "T" (id BIGINT NOT NULL PRIMARY KEY, a VARCHAR, e ENUM(\'x\', \'y\'), m MAP(INTEGER, VARCHAR), '
        "u INTEGER UNIQUE)",
        "COMMENT ON TABLE t IS 'Theirs.'", "COMMENT ON COLUMN t.a IS 'A word.'", "COMMENT ON COLUMN t.e IS 'Else.'",
        "CREATE INDEX e_i ON t (lower(a), u)", "CREATE INDEX p_i ON t (a)",
        "INSERT INTO t VALUES (1, 'x', 'y', MAP {1: 'one'}, 3)",
    )  # fmt: skip
    seen = (
        "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name ILIKE 't' ORDER BY 1",
        "SELECT index_name, sql FROM duckdb_indexes() ORDER BY 1", "SELECT comment FROM duckdb_tables()",
        "SELECT constraint_text FROM duckdb_constraints() WHERE constraint_type = 'UNIQUE' AND table_name ILIKE 't'",
    )  # fmt: skip
    before = [store.raw(query) for query in seen[:2]]
    applied(project, store, "columns: { id: bigint primary key, a: text not null }")
    assert [store.raw(query) for query in seen[:2]] == before
    assert ("Theirs.",) in store.raw(seen[2])
    assert store.raw(seen[3]) == [("UNIQUE(u)",)]
    assert store.raw("SELECT * FROM t") == [(1, "x", "y", {1: "one"}, 3)]
    words = refused(project, store, "columns: { id: bigint primary key, c: { type: text, renamed_from: a } }")
    assert "would lose index e_i" in words


@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE TABLE child (t_id BIGINT REFERENCES t (id))", "a foreign key of child"),
        ("COMMENT ON INDEX t_a_idx IS 'theirs'", "the comment of index t_a_idx"),
        ("ALTER TABLE t ADD COLUMN c VARCHAR COLLATE NOCASE", "COLLATE"),
    ],
)
def test_duckdb_names_what_it_cannot_carry_over(store: Store, project: Inside, made: str, named: str):
    applied(project, store, BEFORE + "\nindexes: [{ columns: [a] }]")
    store.run(made)
    assert f"would lose {named}" in refused(project, store, AFTER + "\nindexes: [{ columns: [a] }]")


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_the_indexes_over_a_column_that_goes_are_named_in_the_plan(store: Store, project: Inside):
    applied(project, store, "columns: { id: bigint primary key, a: integer, b: integer }\nindexes: [{ columns: [b] }]")
    store.run("CREATE INDEX theirs ON t (b, a)", "CREATE INDEX kept ON t (a)")
    store.run("INSERT INTO t VALUES (1, 2, 3)")
    after = "columns: { id: bigint primary key, a: integer }"
    specs(project, store, {"t": after})
    plan = project.flowc("plan").out
    assert "drop index on (b, a)" in plan
    assert "index `kept` on (a)" in plan
    assert "index `theirs`" not in plan
    applied(project, store, after, "--allow-destructive", "w.t.b")
    seen = look(store, "t")
    assert seen is not None
    assert seen.indexes == {(("a",), False)}


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
@pytest.mark.parametrize(
    ("made", "declared"),
    [
        ("MEDIUMTEXT", "text"),
        ("CHAR(8) COMMENT 'it''s'", "varchar(8)"),
        ("BINARY(8)", "binary"),
        ("MEDIUMINT", "integer"),
        ("DECIMAL(9,2) UNSIGNED", '"numeric(9,2)"'),
        ("DOUBLE(9,2)", "double"),
        ("UUID", "uuid"),
        ("JSON", "json"),
    ],
)
def test_a_definition_of_mysql_is_written_anew_in_its_own_words(
    store: Store, project: Inside, made: str, declared: str
):
    store.run(f"CREATE TABLE t (id BIGINT PRIMARY KEY, a {made})")
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: {{ type: {declared}, nullable: false }} }}"})
    before = _own_words(store)
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert _own_words(store) == before.replace("DEFAULT NULL", "NOT NULL")


def _own_words(store: Store) -> str:
    lines = store.raw("SHOW CREATE TABLE t")[0][1].splitlines()
    return next(line for line in lines if line.strip()[1:3] in ('a"', "a`"))


@pytest.mark.parametrize("key", ["BIGINT NOT NULL PRIMARY KEY", "INTEGER PRIMARY KEY", "BIGINT, rowid TEXT"])
def test_full_text_indexes_find_the_rows_that_they_found_before(store: Store, project: Inside, key: str):
    store.run(
        f"CREATE TABLE t (id {key}, a TEXT, b INTEGER)",
        "INSERT INTO t (id, a) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        "CREATE VIRTUAL TABLE words USING fts5(a, content='t', content_rowid='oid')",
        "INSERT INTO words (words) VALUES ('rebuild')",
        "DELETE FROM words WHERE rowid = 1",
        "DELETE FROM t WHERE id = 1",
    )  # fmt: skip
    found = "SELECT t.a FROM words JOIN t ON t.oid = words.rowid WHERE words MATCH 'two'"
    assert store.raw(found) == [("two",)]
    applied(project, store, AFTER if "PRIMARY" in key else "columns: { id: bigint, a: text not null, b: integer }")
    assert store.raw(found) == [("two",)]


@pytest.mark.parametrize("index", ["UNIQUE INDEX i ON t (b) WHERE a > '5'", "UNIQUE INDEX i ON t (b, a || 'x')"])
def test_no_index_comes_to_mean_something_else_by_a_change_of_type(store: Store, project: Inside, index: str):
    store.run(
        "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a TEXT, b INTEGER)", f"CREATE {index}",
        "INSERT INTO t VALUES (1, '9', 1), (2, '10', 1)",
    )  # fmt: skip
    words = refused(project, store, "columns: { id: bigint primary key, a: integer, b: integer }")
    assert "what index i says of `a` may mean something else in another type" in words
    applied(project, store, "columns: { id: bigint primary key, a: text, b: bigint }")


@pytest.mark.parametrize("store", ["duckdb", "sqlite"], indirect=True)
def test_an_index_without_a_name_is_told_without_one(store: Store, project: Inside):
    store.run("CREATE TABLE t (id BIGINT NOT NULL, a TEXT UNIQUE)")
    specs(project, store, {"t": "columns: { id: bigint not null, a: text, b: integer }"})
    plan = project.flowc("plan").out
    assert "None" not in plan
    assert "unique index on (a)" in plan or "unique index `sqlite_autoindex" in plan, plan
