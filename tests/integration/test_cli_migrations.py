"""`flowc lint` on SQL files: which are read as migrations, in which order, and how the command ends."""

from __future__ import annotations

import pytest

from tests.commands import Inside

GOOD = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN city text;\n"
SPECS = """
connections:
  db: { kind: sqlite, path: db.sqlite }
pipelines:
  build: { sql_file: specs/build.sql, to: { connection: db, table: report } }
"""


def codes(found: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(entry["file"], entry["code"]) for entry in found]


def test_a_file_is_a_migration_and_errors_are_exit_code_1(project: Inside):
    project.write("m/1.sql", GOOD + "DROP TABLE old;\n")
    done = project.flowc("lint", "m/1.sql")
    assert done.code == 1
    assert done.out.startswith("error[dropped-table]: table `old` is dropped")
    assert "--> m/1.sql:3:1" in done.out
    assert done.err.strip() == "1 error"


def test_warnings_are_exit_code_0(project: Inside):
    project.write("m/1.sql", "ALTER TABLE users ADD COLUMN city text;")
    done = project.flowc("lint", "m")
    assert (done.code, done.err.strip()) == (0, "1 warning")
    project.write("m/1.sql", GOOD)
    assert project.flowc("lint", "m", "--format", "json").json == []


def test_a_folder_is_read_in_the_order_of_names(project: Inside):
    project.write("m/02_wider.sql", "SET lock_timeout = '2s'; ALTER TABLE t ALTER v TYPE text;")
    project.write("m/01_table.sql", "CREATE TABLE t (id bigint PRIMARY KEY, v varchar(9));")
    found = codes(project.flowc("lint", "m", "--format", "json").json)
    assert found == [("m/01_table.sql", "limited-text"), ("m/02_wider.sql", "missing-statement-timeout")]


def test_a_folder_of_specs_stays_one_also_with_sql_in_it(project: Inside):
    project.write("specs/project.yaml", SPECS)
    project.write("specs/build.sql", "SELECT 1 AS id")
    project.write("migrations/1.sql", "DROP TABLE old;")
    assert "dropped" not in project.flowc("lint", "specs").out
    both = project.flowc("lint", "specs", "migrations", "--format", "concise")
    assert "migrations/1.sql:1:1: error[dropped-table]" in both.out
    assert "specs/" not in both.out


@pytest.mark.parametrize(
    ("sql", "options", "expected"),
    [
        ("ALTER TABLE `t` MODIFY a BIGINT;", ["--dialect", "mysql"], ["type-change"]),
        ("ALTER TABLE t ADD COLUMN a text DEFAULT (1 + 1);", ["--dialect", "sqlite"], ["refused-change"]),
        ("VACUUM t;", ["--in-transaction"], ["refused-in-transaction"]),
        ("VACUUM t;", [], []),
        ("SET lock_timeout = 9; ALTER TABLE t ADD COLUMN a int DEFAULT 1;", [], []),
        (
            "SET lock_timeout = 9; ALTER TABLE t ADD COLUMN a int DEFAULT 1;",
            ["--server-version", "10.4"],
            ["rewriting-column", "missing-statement-timeout"],
        ),
        (
            "CREATE TABLE a (id bigint); CREATE TABLE b (id bigint);",
            ["--no-transaction"],
            ["unrepeatable-statement"] * 2,
        ),
    ],
)
def test_options(project: Inside, sql: str, options: list[str], expected: list[str]):
    project.write("m.sql", sql)
    found = project.flowc("lint", "m.sql", "--format", "json", *options).json
    assert [entry["code"] for entry in found] == expected


def test_a_version_is_numbers(project: Inside):
    project.write("m.sql", GOOD)
    done = project.flowc("lint", "m.sql", "--server-version", "latest")
    assert done.code == 2
    assert "write numbers with dots" in done.err


def test_what_cannot_be_read_is_said(project: Inside):
    (project.path / "m.sql").write_bytes(b"ALTER TABLE t \xff")
    assert "error[not-utf8]" in project.flowc("lint", "m.sql").out
    assert project.flowc("lint", "missing.sql").code == 2
    project.write("empty.sql", "-- nothing\n")
    assert project.flowc("lint", "empty.sql").code == 0


def test_every_format_shows_the_place(project: Inside):
    project.write("m.sql", "\nDROP TABLE old;\n")
    for form, place in (
        ("text", "m.sql:2:1"),
        ("concise", "m.sql:2:1"),
        ("github", "line=2"),
        ("sarif", '"startLine": 2'),
    ):
        done = project.flowc("lint", "m.sql", "--format", form)
        assert done.code == 1
        assert place in done.out
