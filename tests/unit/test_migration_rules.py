"""What the rules of migrations say, case by case, with what the migration has done before in view."""

from __future__ import annotations

import sqlite3
from typing import Any

import duckdb
import pytest

from flowc.catalog import TableName
from flowc.compiler.migrationlint.facts import Unread
from flowc.compiler.migrationlint.lint import lint_migration, lint_migrations
from flowc.compiler.migrationlint.rules import RULES
from flowc.compiler.migrationlint.statements import read_migration
from flowc.source import SourceFile

LIMITS = "SET lock_timeout = '2s'; SET statement_timeout = '9s';\n"


def codes(sql: str, dialect: str = "postgres", **more: Any) -> list[str]:
    more = {"in_transaction": None} | more
    return [d.code for d in lint_migration(LIMITS + sql if dialect == "postgres" else sql, dialect, **more)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # A table of this migration is nobody else's.
        ("CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i; ALTER TABLE t DROP a; DROP TABLE t;", []),
        ('CREATE TABLE "T" (a int); DROP TABLE t;', ["dropped-table"]),
        ("CREATE TABLE public.t (a int); DROP TABLE t;", []),
        ("CREATE TABLE t (a int); DROP TABLE t; DROP TABLE t;", ["dropped-table"]),
        ("CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; CREATE INDEX i ON u (a);", []),
        ("CREATE TABLE o.t (a int); DROP TABLE p.t;", ["dropped-table"]),
        # NOT NULL that a CHECK proves.
        (
            "ALTER TABLE t ADD CONSTRAINT k CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k;"
            "ALTER TABLE t ALTER a SET NOT NULL;",
            [],
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT k CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t ALTER a SET NOT NULL;",
            ["not-null-on-existing-rows"],
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT k CHECK (a IS NOT NULL OR b) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k;"
            "ALTER TABLE t ALTER a SET NOT NULL;",
            ["not-null-on-existing-rows"],
        ),
        # What is known of types.
        ("ALTER TABLE t ADD COLUMN a bigint; ALTER TABLE t ALTER a TYPE numeric;", ["type-change"]),
        ("BEGIN; ALTER TABLE t ADD COLUMN a text; ALTER TABLE t DROP COLUMN a; COMMIT;", []),
        # Transactions.
        ("BEGIN; VACUUM t; COMMIT;", ["refused-in-transaction"]),
        ("COMMIT;", []),
        ("BEGIN; ROLLBACK; BEGIN; END;", []),
        # Places.
        ("ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u;", []),
        ("ALTER TABLE t RENAME a TO b; ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) STORED;", ["rewriting-column"]),
        ("DROP INDEX CONCURRENTLY i;", []),
        ("CREATE INDEX i ON ONLY t (a);", []),
        ("ALTER TABLE t ADD COLUMN a bigint REFERENCES u (id);", []),
        ("ALTER TABLE t ADD COLUMN a bigint DEFAULT 1 REFERENCES u (id);", ["blocking-foreign-key"]),
        ("ALTER TABLE t ADD COLUMN a int DEFAULT f();", ["rewriting-column"]),
        ("ALTER TABLE t ADD COLUMN a numeric(10, 2) DEFAULT 0::numeric(10, 2);", []),
        ("DROP VIEW v; DROP FUNCTION f(int); DROP TYPE e; CREATE VIEW v AS SELECT 1;", []),
        ("ALTER TABLE t VALIDATE CONSTRAINT k; ALTER TABLE t ALTER a SET NOT NULL;", []),
        ("ALTER TABLE u VALIDATE CONSTRAINT k; ALTER TABLE t ALTER a SET NOT NULL;", ["not-null-on-existing-rows"]),
        ("REINDEX (CONCURRENTLY OFF) TABLE t;", ["blocking-reindex"]),
        ("VACUUM (FULL FALSE, ANALYZE) t;", []),
        ("VACUUM (FULL TRUE) t;", ["blocking-maintenance"]),
        ('UPDATE t SET a.x = 1, a.y = 2; UPDATE t SET a[1] = 1, a[2] = 2; UPDATE t SET "A" = 1, A = 2;', []),
        ('UPDATE t SET "a" = 1, A = 2; INSERT INTO t (b, "b") VALUES (1, 2);', ["repeated-column"] * 2),
        # A comment switches off one code, for one statement or one action.
        ("-- flowc:ignore dropped-table\nDROP TABLE t;\nDROP TABLE u;", ["dropped-table"]),
        ("/* flowc:ignore dropped-column */ ALTER TABLE t DROP COLUMN a;", []),
        ("ALTER TABLE t\n-- flowc:ignore dropped-column\nDROP COLUMN a,\nDROP COLUMN b;", ["dropped-column"]),
        ("-- flowc:ignore renamed-table\nDROP TABLE t;", ["dropped-table"]),
        ("-- flowc:ignore renamed-table , dropped-table\n\nDROP TABLE t;", []),
    ],
)  # fmt: skip
def test_what_came_before_counts(sql: str, expected: list[str]):
    assert codes(sql) == expected


def test_a_limit_holds_until_it_is_taken_back():
    assert "missing-lock-timeout" in [d.code for d in lint_migration("ALTER TABLE t DROP COLUMN a;")]
    local = "BEGIN; SET LOCAL lock_timeout = '1s'; {} COMMIT; {}"
    alter = "ALTER TABLE t ALTER a SET DEFAULT 1;"
    assert codes_without_limits(local.format(alter, "")) == []
    assert codes_without_limits(local.format("", alter)) == ["missing-lock-timeout"]
    assert codes_without_limits(f"SET lock_timeout TO '1s'; SET lock_timeout = 0; {alter}") == ["missing-lock-timeout"]
    assert codes_without_limits(f"SET my.lock_timeout = '1s'; {alter}") == ["missing-lock-timeout"]
    assert codes_without_limits(f"{alter} {alter}") == ["missing-lock-timeout"], "it is said once"


def codes_without_limits(sql: str) -> list[str]:
    return [d.code for d in lint_migration(sql, in_transaction=None)]


def test_who_runs_the_file_decides_about_transactions():
    build = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);"
    assert codes(build, in_transaction=True) == ["refused-in-transaction"]
    assert codes("BEGIN; COMMIT;", in_transaction=True) == ["nested-transaction"] * 2
    assert codes("COMMIT;", in_transaction=False) == ["nested-transaction"]
    assert codes(f"COMMIT; {build} BEGIN;", in_transaction=True) == ["nested-transaction"]
    twice = "ALTER TABLE t ADD COLUMN a text; ALTER TABLE t ADD COLUMN b text;"
    assert codes(twice, in_transaction=False) == ["unrepeatable-statement"] * 2
    assert codes(twice, in_transaction=None) == []
    assert codes(twice + build, in_transaction=None) == ["unrepeatable-statement"] * 2, "no transaction takes the last"


def test_tables_that_are_new_are_given():
    assert codes("DROP TABLE t;", created=[TableName("public", "t")]) == []


def test_versions_differ():
    add = "ALTER TABLE t ADD COLUMN a int DEFAULT 1;"
    assert codes(add) == []
    assert codes(add, server_version=(10,)) == ["rewriting-column"]
    proof = "ALTER TABLE t ADD CHECK (a IS NOT NULL); ALTER TABLE t ALTER a SET NOT NULL;"
    assert codes(proof) == ["blocking-check"]
    assert codes(proof, server_version=(11,)) == ["blocking-check", "not-null-on-existing-rows"]
    refs = "CREATE TABLE t (a int REFERENCES u (id));"
    assert codes(refs, "mysql") == ["ignored-references"]
    assert codes(refs, "mysql", server_version=(9, 0)) == []
    assert codes(refs, "mariadb") == []


def test_files_know_the_columns_of_earlier_files():
    first = SourceFile("1.sql", "CREATE TABLE t (id bigint PRIMARY KEY, v varchar(10), w varchar(10));")
    wider = SourceFile("2.sql", LIMITS + "ALTER TABLE t ALTER v TYPE text, ALTER w TYPE varchar(5);")
    found = [(d.code, d.message) for d in lint_migrations([first, wider]) if d.code == "type-change"]
    assert [message.split(" writes")[0] for _, message in found] == [
        "changing `w` from character varying(10) to character varying(5)"
    ]
    dropped = SourceFile("2.sql", LIMITS + "DROP TABLE t;")
    assert "dropped-table" in {d.code for d in lint_migrations([first, dropped])}, "it is new no more"


def test_places_are_those_of_actions():
    text = 'ALTER  TABLE "a b"\n  ADD x int,  -- new\n  DROP\tCOLUMN "Y" CASCADE;'
    found = next(d for d in lint_migration(text) if d.code == "dropped-column")
    assert found.span is not None
    assert text[found.span.start : found.span.end] == 'DROP\tCOLUMN "Y" CASCADE'
    assert found.span.file.position(found.span.start) == (3, 3)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE t (e ENUM('a','b')); ", []),
        ("ALTER TABLE t MODIFY e ENUM('a');", ["redefined-enum"]),
        ("ALTER TABLE t MODIFY a BIGINT;", ["type-change"]),
        ("ALTER TABLE t ADD INDEX i (a);", []),
        ("ALTER TABLE t ADD UNIQUE INDEX i (a);", ["unique-on-existing-rows"]),
        ("ALTER TABLE t CHANGE a b INT;", ["renamed-column", "type-change"]),
        ("RENAME TABLE a TO b, c TO d;", ["renamed-table"]),
        ("ALTER TABLE t MODIFY a INT NOT NULL;", ["not-null-on-existing-rows", "type-change"]),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4;", ["copied-table"]),
        ("ALTER TABLE t DROP FOREIGN KEY f;", ["dropped-foreign-key"]),
        ("DROP INDEX i ON t;", []),
        ("ALTER TABLE t DROP COLUMN a, ALGORITHM=INPLACE, LOCK=NONE;", ["dropped-column"]),
    ],
)
def test_mysql(sql: str, expected: list[str]):
    for dialect in ("mysql", "mariadb"):
        assert codes(sql, dialect) == expected


def test_a_list_of_values_that_only_grows_at_its_end_is_free():
    made = "CREATE TABLE t (e ENUM('a','b'));"
    for values, expected in (("'a','b','c'", []), ("'b','a'", ["redefined-enum"]), ("'a','x','b'", ["redefined-enum"])):
        files = [SourceFile("1", made), SourceFile("2", f"ALTER TABLE t MODIFY e ENUM({values});")]
        assert [d.code for d in lint_migrations(files, "mysql")] == expected


REQUIRED = [(dialect, "ALTER TABLE t ADD COLUMN n text NOT NULL") for dialect in ("sqlite", "duckdb")]
REFUSED = [
    ("sqlite", "ALTER TABLE t ADD COLUMN n text PRIMARY KEY"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n text UNIQUE"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n text DEFAULT CURRENT_TIMESTAMP"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n text DEFAULT (1 + 1)"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n text DEFAULT (date('now'))"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer GENERATED ALWAYS AS (a + 1) STORED"),
    ("sqlite", "ALTER TABLE t ALTER COLUMN a TYPE text"),
    ("sqlite", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n integer PRIMARY KEY"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n integer REFERENCES u (id)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n integer CHECK (n > 0)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n integer GENERATED ALWAYS AS (a + 1)"),
    ("duckdb", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)"),
    ("duckdb", "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES u (id)"),
    ("duckdb", "ALTER TABLE t DROP CONSTRAINT k"),
]
ACCEPTED = [
    ("sqlite", "ALTER TABLE t ADD COLUMN n text NOT NULL DEFAULT 'x'"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer GENERATED ALWAYS AS (a + 1) VIRTUAL"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer CHECK (n > 0)"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer REFERENCES u (id)"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer DEFAULT -1"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer DEFAULT ((2))"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n integer DEFAULT (NULL)"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n text DEFAULT plain"),
    ("sqlite", "ALTER TABLE t ADD COLUMN n boolean DEFAULT (TRUE)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n timestamp DEFAULT now()"),
    ("duckdb", "ALTER TABLE t ALTER COLUMN a SET DEFAULT 1"),
    ("duckdb", "ALTER TABLE t ADD PRIMARY KEY (a)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n text UNIQUE"),
    ("duckdb", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"),
    ("duckdb", "ALTER TABLE t ADD COLUMN n text NOT NULL DEFAULT 'x'"),
    ("duckdb", "ALTER TABLE t ALTER COLUMN a DROP NOT NULL"),
]


def accepts(dialect: str, statement: str) -> bool:
    session: Any = sqlite3.connect(":memory:") if dialect == "sqlite" else duckdb.connect(":memory:")
    session.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    session.execute("CREATE TABLE t (a integer, b text)")
    session.execute("INSERT INTO t VALUES (1, 'x')")
    try:
        session.execute(statement)
    except (sqlite3.Error, duckdb.Error):
        return False
    finally:
        session.close()
    return True


@pytest.mark.parametrize(("dialect", "statement"), REFUSED + ACCEPTED)
def test_what_an_engine_refuses_is_said(dialect: str, statement: str):
    refused = "refused-change" in codes(statement, dialect)
    assert refused != accepts(dialect, statement)
    assert refused == ((dialect, statement) in REFUSED)


@pytest.mark.parametrize(("dialect", "statement"), REQUIRED)
def test_a_column_that_needs_a_value_fails_where_a_row_has_none(dialect: str, statement: str):
    assert codes(statement, dialect) == ["required-column"]
    assert not accepts(dialect, statement)


def numbered(count: int) -> str:
    """So many values of an enum."""
    return ",".join(f"'{number}'" for number in range(count))


ATLAS = [
    ("DS101", "postgres", "DROP SCHEMA s;"),
    ("DS102", "postgres", "DROP TABLE t;"),
    ("DS103", "mysql", "ALTER TABLE t DROP COLUMN c;"),
    ("BC101", "sqlite", "ALTER TABLE t RENAME TO u;"),
    ("BC102", "mysql", "ALTER TABLE t RENAME COLUMN a TO b;"),
    ("CD101", "mysql", "ALTER TABLE t DROP FOREIGN KEY f;"),
    ("MF101", "duckdb", "CREATE UNIQUE INDEX i ON t (c);"),
    ("MF103", "duckdb", "ALTER TABLE t ADD COLUMN c int NOT NULL;"),
    ("MF104", "mysql", "ALTER TABLE t MODIFY COLUMN c int NOT NULL;"),
    ("PG101", "postgres", "CREATE INDEX i ON t (c);"),
    ("PG102", "postgres", "DROP INDEX i;"),
    ("PG103", "postgres", "BEGIN; DROP INDEX CONCURRENTLY i; COMMIT;"),
    ("PG104", "postgres", "ALTER TABLE t ADD PRIMARY KEY (id);"),
    ("PG105", "postgres", "ALTER TABLE t ADD UNIQUE (id);"),
    ("PG110", "postgres", "CREATE TABLE t (a bigint, b boolean, c integer, d smallint);"),
    ("PG301", "postgres", "ALTER TABLE t ALTER COLUMN c TYPE bigint;"),
    ("PG302", "postgres", "ALTER TABLE t ADD COLUMN c float DEFAULT random();"),
    ("PG303", "postgres", "ALTER TABLE t ALTER COLUMN c SET NOT NULL;"),
    (
        "PG304",
        "postgres",
        "ALTER TABLE t ADD COLUMN c int; CREATE UNIQUE INDEX i ON t (c); ALTER TABLE t ADD PRIMARY KEY USING INDEX i;",
    ),
    ("PG305", "postgres", "ALTER TABLE t ADD CHECK (c > 0);"),
    ("PG306", "postgres", "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES u (id);"),
    ("MY101", "mysql", "ALTER TABLE t ADD COLUMN c int NOT NULL;"),
    ("MY102", "mysql", "CREATE TABLE t (c int REFERENCES u (id));"),
    ("MY110", "mysql", "CREATE TABLE t (c enum('a','b'));\f ALTER TABLE t MODIFY c enum('a');"),
    ("MY111", "mysql", "CREATE TABLE t (c enum('a','b'));\f ALTER TABLE t MODIFY c enum('b','a');"),
    ("MY112", "mysql", "CREATE TABLE t (c enum('a','b'));\f ALTER TABLE t MODIFY c enum('a','x','b');"),
    (
        "MY113",
        "mysql",
        f"CREATE TABLE t (c enum({numbered(255)}));\f ALTER TABLE t MODIFY c enum({numbered(256)});",
    ),
    ("MY120", "mysql", "CREATE TABLE t (c set('a','b'));\f ALTER TABLE t MODIFY c set('a');"),
    ("MY121", "mysql", "CREATE TABLE t (c set('a','b'));\f ALTER TABLE t MODIFY c set('b','a');"),
    ("MY122", "mysql", "CREATE TABLE t (c set('a','b'));\f ALTER TABLE t MODIFY c set('a','x','b');"),
    (
        "MY123",
        "mysql",
        "CREATE TABLE t (c set('a','b','c','d','e','f','g','h'));"
        "\f ALTER TABLE t MODIFY c set('a','b','c','d','e','f','g','h','i');",
    ),
    (
        "LT101",
        "sqlite",
        "CREATE TABLE t (c int);\f CREATE TABLE n (c int NOT NULL); INSERT INTO n (c) SELECT c FROM t;"
        " DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ),
]


@pytest.mark.parametrize(("name", "dialect", "sql"), ATLAS, ids=[name for name, _, _ in ATLAS])
def test_what_atlas_reports_is_reported(name: str, dialect: str, sql: str):
    files = [SourceFile(f"{number}.sql", text) for number, text in enumerate(sql.split("\f"))]
    found = {d.code for d in lint_migrations(files, dialect, in_transaction=None)}
    assert found & {rule.code for rule in RULES if name in rule.atlas}


def test_every_name_of_atlas_is_tried():
    assert {name for rule in RULES for name in rule.atlas} == {name for name, _, _ in ATLAS}


def test_statements_in_bodies_are_one():
    routine = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 1;"
    trigger = "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM u; END; SELECT 1;"
    dollars = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN; END; $x$; SELECT 1;"
    parameters = "CREATE FUNCTION f(int, int) RETURNS int BEGIN ATOMIC SELECT g($1,$2); END; SELECT 1;"
    for sql, dialect in (
        (routine, "postgres"),
        (trigger, "sqlite"),
        (dollars, "postgres"),
        (parameters, "postgres"),
    ):
        found = read_migration(SourceFile("m", sql), dialect).statements
        assert len(found) == 2
        assert not any(isinstance(fact.value, Unread) for statement in found for fact in statement.facts)


def test_every_rule_has_a_code_of_its_own():
    assert len({rule.code for rule in RULES}) == len(RULES)
