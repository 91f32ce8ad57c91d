"""What a column of a large PostgreSQL table bears is there after a change of its type, or the change is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.meanwhile import before
from tests.migrate.projects import specs
from tests.stores import Store

_INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 't' AND indexname <> 't_pkey'"
_CHECKS = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass ORDER BY 1"
_COLUMN = (
    "SELECT attstattarget, attoptions::text, attacl::text, attnum FROM pg_attribute "
    "WHERE attrelid = 't'::regclass AND attname = 'a'"
)
KEPT = {
    "check": ("ALTER TABLE t ADD CHECK (a > 0)", "SELECT conname FROM pg_constraint WHERE contype = 'c'"),
    "outgoing foreign key": ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES other", _CHECKS),
    "incoming foreign key": (
        "ALTER TABLE t ADD UNIQUE (a); CREATE TABLE more (a integer REFERENCES t (a))",
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'more'::regclass",
    ),
    "grants": ("GRANT SELECT (a) ON t TO PUBLIC", _COLUMN),
    "statistics": ("ALTER TABLE t ALTER a SET STATISTICS 500, ALTER a SET (n_distinct = 5)", _COLUMN),
    "index": ("CREATE INDEX ON t (a DESC) INCLUDE (id)", _INDEXES),
    "expression": ("CREATE UNIQUE INDEX ON t (abs(a))", _INDEXES),
    "partial index": ("CREATE UNIQUE INDEX ON t (id) WHERE a > 7", "SELECT indexrelid::regclass::text FROM pg_index "
                      "WHERE indrelid = 't'::regclass AND indpred IS NOT NULL"),
    "extended statistics": ("CREATE STATISTICS s ON a, id FROM t", "SELECT stxkeys::text FROM pg_statistic_ext"),
    "owned sequence": ("CREATE SEQUENCE s OWNED BY t.a",
                       "SELECT refobjsubid FROM pg_depend WHERE objid = 's'::regclass AND deptype = 'a'"),
    "own counter": ("CREATE SEQUENCE s; ALTER TABLE t ALTER a SET DEFAULT nextval('s')",
                    "SELECT count(*) FROM pg_attrdef WHERE adrelid = 't'::regclass"),
    "identity": ("ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY",
                 "SELECT attidentity FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'"),
    "publication": ("CREATE PUBLICATION p FOR TABLE t", "SELECT * FROM pg_publication_tables"),
    "publication of all": ("CREATE PUBLICATION p FOR ALL TABLES",
                           "SELECT * FROM pg_publication_tables WHERE tablename = 't'"),
    "row-level security": ("CREATE POLICY p ON t USING (id > 1); ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                           "SELECT polname FROM pg_policy"),
    "rule of the table": ("CREATE RULE r AS ON DELETE TO t DO ALSO NOTIFY gone", "SELECT rulename FROM pg_rules"),
    "trigger": ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
                "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
                "SELECT tgname FROM pg_trigger"),
    "another column of its name": ("ALTER TABLE t ADD a__flowc text", "SELECT attname FROM pg_attribute "
                                   "WHERE attrelid = 't'::regclass AND attname ~ 'flowc'"),
}  # fmt: skip
REFUSED = {
    "view": "CREATE VIEW v AS SELECT a FROM t",
    "generated column": "ALTER TABLE t ADD g integer GENERATED ALWAYS AS (a + 1) STORED",
    "policy": "CREATE POLICY p ON t USING (a > 1)",
    "publication of columns": "CREATE PUBLICATION p FOR TABLE t (id, a)",
    "filter of a publication": "CREATE PUBLICATION p FOR TABLE t WHERE (id > 1 AND a > 1)",
    "function": "CREATE FUNCTION f() RETURNS integer BEGIN ATOMIC SELECT a FROM t; END",
    "column of the row's type": "CREATE TABLE holder (h t)",
    "partition": "ALTER TABLE t RENAME TO p0; CREATE TABLE t (LIKE p0) PARTITION BY LIST (a); "
                 "ALTER TABLE t ATTACH PARTITION p0 DEFAULT",
}  # fmt: skip


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Store:
    return Store("postgres", tmp_path, postgres)


@pytest.fixture
def project(store: Store) -> Inside:
    return Inside(store.folder, {"STORE": store.dsn})


def begin(store: Store, *more: str, kind: str = "integer", rows: str = "(1, 5), (2, 6)") -> None:
    """A table that PostgreSQL takes for a large one, and what is done to it by hand."""
    store.run(
        "CREATE TABLE other (id bigint PRIMARY KEY)", "INSERT INTO other VALUES (5), (6)",
        f"CREATE TABLE t (id bigint PRIMARY KEY, a {kind}, b text)", f"INSERT INTO t VALUES {rows}", *more,
        "UPDATE pg_class SET reltuples = 200000 WHERE relname = 't'",
    )  # fmt: skip


def wants(project: Inside, store: Store, kind: str) -> None:
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: {kind}, b: text }}"})


@pytest.mark.parametrize("what", KEPT)
def test_what_a_second_column_would_not_bear_is_kept(store: Store, project: Inside, what: str):
    made, probe = KEPT[what]
    begin(store, *made.split("; ") if what != "trigger" else [made])
    before = store.rows(probe)
    assert before
    wants(project, store, "bigint" if what != "identity" else "bigint not null")
    plan = project.flowc("plan").out
    assert "readers and writers wait while the table is written anew" in plan
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert store.rows(probe) == before
    assert store.raw("SELECT pg_typeof(a)::text, a FROM t ORDER BY id") == [("bigint", 5), ("bigint", 6)]


@pytest.mark.parametrize("what", REFUSED)
def test_what_neither_way_would_keep_refuses_the_change(store: Store, project: Inside, what: str):
    begin(store, *REFUSED[what].split("; ", 0 if what == "function" else -1))
    wants(project, store, "bigint")
    assert project.flowc("apply", "--yes").code == 2
    assert store.raw("SELECT pg_typeof(a)::text, a FROM t ORDER BY id") == [("integer", 5), ("integer", 6)]
    assert store.raw("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'flowc'") == [(0,)]


@pytest.mark.parametrize("rows", [0, 200_000], ids=["small", "large"])
def test_collation_and_storage_stay_with_a_longer_text(store: Store, project: Inside, rows: int):
    begin(
        store, "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "ALTER TABLE t ALTER a TYPE varchar(20) COLLATE ci", "CREATE UNIQUE INDEX ON t (a)",
        "ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER a SET COMPRESSION pglz",
        kind="varchar(20)", rows="(1, 'bob')",
    )  # fmt: skip
    store.run(f"UPDATE pg_class SET reltuples = {rows} WHERE relname = 't'")
    settings = (
        "SELECT attcollation::regcollation::text, attstorage, attcompression FROM pg_attribute "
        "WHERE attrelid = 't'::regclass AND attname = 'a'"
    )
    before = store.raw(settings)
    wants(project, store, "varchar(30)")
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert store.raw(settings) == before == [("ci", "e", "p")]
    assert store.raw("SELECT count(*) FROM t WHERE a = 'BOB'") == [(1,)]


@pytest.mark.parametrize(
    ("made", "kind", "to", "value"),
    [
        ("CREATE DOMAIN positive AS integer CHECK (value > 0)", "positive", "bigint", "5"),
        ("CREATE TYPE colour AS ENUM ('red', 'blue')", "colour", "varchar(10)", "'red'"),
        ("SELECT 1", "inet", "varchar(40)", "'10.0.0.1'"),
    ],
    ids=["domain", "enum", "inet"],
)
def test_rules_of_a_type_are_not_lost(store: Store, project: Inside, made: str, kind: str, to: str, value: str):
    store.run(made, f"CREATE TABLE t (id bigint PRIMARY KEY, a {kind}, b text)", f"INSERT INTO t VALUES (1, {value})")
    wants(project, store, to)
    assert (
        f"cannot be done: the column has the {'domain' if kind == 'positive' else 'type'} {kind}"
        in project.flowc("plan").out
    )
    assert project.flowc("apply", "--yes").code == 2
    assert store.raw("SELECT pg_typeof(a)::text FROM t") == [(kind,)]


@pytest.mark.parametrize(
    "made", ["CREATE INDEX late ON t (a)", "ALTER TABLE t ADD CHECK (a > 0)", "ALTER TABLE t ALTER a SET DEFAULT 9"]
)
def test_what_is_hung_on_the_column_while_it_is_filled_stops_the_swap(
    store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch, made: str
):
    begin(store)
    wants(project, store, "bigint")
    asked = before(monkeypatch, "LOCK TABLE", lambda: store.run(made))
    stopped = project.flowc("apply", "--yes")
    assert asked
    assert stopped.code == 2
    assert "error[stale-plan]: `t` was changed by somebody else while `a` was filled anew" in stopped.err
    assert store.raw("SELECT pg_typeof(a)::text, a FROM t ORDER BY id") == [("integer", 5), ("integer", 6)]
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    assert store.raw("SELECT pg_typeof(a)::text, a FROM t ORDER BY id") == [("bigint", 5), ("bigint", 6)]
    assert store.raw("SELECT count(*) FROM pg_class WHERE relname = 'late'") == [(int("INDEX" in made),)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("ALTER TABLE p0 ADD CONSTRAINT few CHECK (a > '1')", "CHECK few"),
        ("CREATE INDEX part_i ON p0 (b) WHERE a > '1'", "the index part_i on p0"),
        ("CREATE INDEX part_i ON p0 (lower(a))", "the index part_i on p0"),
    ],
)
@pytest.mark.parametrize("whole", ["partitioned", "inherited"])
def test_what_a_part_of_a_table_says_of_a_column_is_named(
    store: Store, project: Inside, whole: str, made: str, said: str
):
    divided, part = (" PARTITION BY LIST (b)", "PARTITION OF t DEFAULT") if whole == "partitioned" else ("", "")
    store.run(
        f"CREATE TABLE t (id bigint, a text, b text){divided}",
        f"CREATE TABLE p0 {part or '() INHERITS (t)'}", "INSERT INTO p0 VALUES (1, '5', 'x')", made,
    )  # fmt: skip
    specs(project, store, {"t": "columns: { id: bigint, a: integer, b: text }"})
    done = project.flowc("apply", "--yes")
    assert (done.code, f"while there is {said}" in done.err) == (2, True), done.err
    assert store.raw("SELECT a FROM t") == [("5",)]
    specs(project, store, {"t": "columns: { id: bigint, a: varchar(90), b: text }"})
    assert project.flowc("apply", "--yes").code == 0
