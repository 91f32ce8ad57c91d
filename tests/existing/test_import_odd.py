"""Types and tables that specs can hardly say: an import still writes specs that lint takes and that plan nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flowc.compiler.tables.owntypes import same_name
from flowc.controls import UNSAFE
from tests.existing.making import changed, made
from tests.stores import Store, address

ODD = {
    "sqlite": (
        "CREATE TABLE odd (a VARYING CHARACTER(9), b \"UNSIGNED BIG INT\", c TEXT);\nCREATE TABLE bare (x)",
        {"a": '"VARYING CHARACTER(9)"', "b": '"UNSIGNED BIG INT"', "c": "text"},
    ),
    "postgres": (
        "CREATE TYPE \"my (x)\" AS ENUM ('q');\nCREATE TABLE odd (a interval day to second(3),"
        ' b interval year to month, c interval hour[], d "my (x)", e time(2) with time zone);\nCREATE TABLE bare ()',
        {"a": "interval", "b": "interval", "c": "interval[]", "d": 'public."my (x)"', "e": "text"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(ODD))
def test_odd_types_and_tables_without_columns(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    store = Store(kind, tmp_path, address(request, kind))
    project = made(store, ODD[kind][0])
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    assert done.code == 0, done.err
    assert "note: bare: it has no column that a spec can declare, and is left out" in done.err
    tables = yaml.safe_load((project.path / "specs/tables.yaml").read_text("utf-8"))["tables"]
    assert {key: table["columns"] for key, table in tables.items()} == {"odd": ODD[kind][1]}
    assert project.flowc("lint").code == 0
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("drift").out == "No drift: columns, keys, indexes and comments are as they were applied.\n"


def test_names_that_no_spec_can_say_are_left_out(tmp_path: Path) -> None:
    store = Store("sqlite", tmp_path)
    project = made(store, 'CREATE TABLE "" (a INT);\nCREATE TABLE e ("" TEXT, b TEXT);\nCREATE TABLE " " (" " INT)')
    assert project.flowc("drift").out == "Nothing to compare: no table of the project was applied yet.\n"
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    assert "it has no name that a spec can declare, and is left out" in done.err
    assert (done.code, project.flowc("lint").code) == (0, 0), project.flowc("lint").err
    assert project.flowc("plan", "--detailed-exitcode").code == 0


STRANGE = {
    "postgres": (
        "CREATE TABLE t (id bigint, CONSTRAINT \"no\x1b[2J\u202ecancel\" CHECK (id > 0))",
        "CREATE TABLE t2 (\"a\u2028b\" bigint, \"c\x85d\" text)",
    ),
    "sqlite": ('CREATE TABLE "s\u2028t" ("a\u2028b" bigint, "c\x85d" text, "e\u202ef\u2066" text)',),
    "duckdb": ('CREATE TABLE "s\u2028t" ("a\u2028b" bigint, "c\x85d" text, "e\u202ef\u2066" text)',),
    "mysql": (
        "CREATE TABLE t (a enum('New  York', 'A\tB', 'C\x85D', 'E , F') NOT NULL, b set('x  y', 'z'))",
        "CREATE TABLE `s\u2028t` (`a\u2028b` bigint)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(STRANGE))
def test_blanks_and_control_characters_stay_as_they_are(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    store = Store(kind, tmp_path, address(request, kind))
    project = made(store, ";\n".join(STRANGE[kind]))
    tables = ("t", "s\u2028t") if kind == "mysql" else ()
    done = project.flowc("import", "w", *tables, "--out", "specs/tables.yaml")
    assert done.code == 0, done.err
    linted = project.flowc("lint")
    assert linted.code == 0, linted.out
    plan = project.flowc("plan", "--detailed-exitcode")
    assert plan.code == 0, plan.out + plan.err
    written = (project.path / "specs/tables.yaml").read_text("utf-8")
    assert UNSAFE.search(written.replace("\n", "")) is None
    remarks = [line for line in written.split("\n") if "#" in line]
    assert all(line.isprintable() for line in remarks), remarks


MADE = {
    "duckdb": (
        "CREATE TYPE mood AS ENUM ('sad', 'ok');\nCREATE SCHEMA crm;\nCREATE TYPE crm.status AS ENUM ('new', 'won');\n"
        "CREATE TYPE crm.amount AS DECIMAL(10,2)",
        ("main.mood", '"mood"', "main.mood[]", "crm.status", '"crm"."status"', "CRM.amount"),
    ),
    "postgres": (
        "CREATE TYPE mood AS ENUM ('sad', 'ok');\nCREATE SCHEMA crm;\nCREATE TYPE crm.status AS ENUM ('new', 'won');\n"
        "CREATE DOMAIN crm.amount AS numeric(10,2)",
        ("public.mood", "public.mood[]", "crm.status", '"crm"."status"', "CRM.amount"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "path"), [("duckdb", ""), ("postgres", ""), ("postgres", "?options=-csearch_path%3Dcrm,public")]
)
def test_a_type_that_was_made_in_the_database_is_there_by_its_name(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, path: str
) -> None:
    store = Store(kind, tmp_path, address(request, kind) + path)
    statements, types = MADE[kind]
    project = made(store, statements)
    columns = {f"c{i}": {"type": own} for i, own in enumerate(types)}
    project.write("specs/t.yaml", yaml.safe_dump({"tables": {"t": {"connection": "w", "columns": columns}}}))
    assert project.flowc("apply", "--yes").code == 0
    plan = project.flowc("plan", "--detailed-exitcode")
    assert plan.code == 0, plan.out
    assert project.flowc("drift").code == 0
    columns["c0"] = {"type": "crm.status"}
    project.write("specs/t.yaml", yaml.safe_dump({"tables": {"t": {"connection": "w", "columns": columns}}}))
    assert "change type of c0" in project.flowc("plan").out


def test_values_of_an_enum_differ_by_their_blanks() -> None:
    assert same_name("ENUM( 'a , b' )", "enum('a , b')")
    assert not same_name("enum('a , b')", "enum('a,b')")
    assert not same_name("enum('a  b')", "enum('a b')")


COUNTERS = {
    "postgres": (
        "CREATE TABLE t (a integer GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 10 CYCLE) PRIMARY KEY, "
        "b smallint GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY -1), c bigint GENERATED BY DEFAULT AS IDENTITY)",
        {"a": "GENERATED ALWAYS AS IDENTITY (INCREMENT BY 10 START WITH 100 CYCLE)",
         "b": "GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY -1)", "c": "GENERATED BY DEFAULT AS IDENTITY"},
        [],
    ),
    "mysql": (
        "CREATE TABLE t (a integer AUTO_INCREMENT PRIMARY KEY, n integer, x text) AUTO_INCREMENT = 1000;\n"
        "CREATE INDEX by_n ON t (n) IGNORED;\nCREATE UNIQUE INDEX by_x ON t (x(191)) IGNORED",
        {"a": "AUTO_INCREMENT"},
        ["`a`: AUTO_INCREMENT = 1000, where it goes on", "index `by_n` on (n), IGNORED"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(COUNTERS))
def test_how_a_counter_counts_and_an_index_that_is_not_used_are_held_or_told(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
):
    store = Store(kind, tmp_path, address(request, kind))
    made_by, defaults, told = COUNTERS[kind]
    project = made(store, made_by)
    done = project.flowc("import", "w", "t", "--out", "specs/tables.yaml")
    text = (project.path / "specs/tables.yaml").read_text("utf-8")
    table = yaml.safe_load(text)["tables"]["t"]
    assert {name: table["columns"][name]["default"] for name in defaults} == defaults
    assert "indexes" not in table
    silent = [words for words in told if f"note: t: {words}" not in done.err or f"#   {words}" not in text]
    assert silent == [], done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    store.run("DROP TABLE t")
    assert project.flowc("apply", "--yes").code == 0
    if kind == "postgres":
        store.run("INSERT INTO t DEFAULT VALUES", "INSERT INTO t DEFAULT VALUES")
        assert store.rows("SELECT * FROM t") == [(100, -1, 1), (110, -2, 2)]
        changed(project, "t", "a", {"type": "integer", "default": defaults["a"].replace("ALWAYS", "BY DEFAULT")})
        assert project.flowc("apply", "--yes").code == 0
        assert project.flowc("plan", "--detailed-exitcode").code == 0


def test_a_counter_that_goes_on_behind_its_rows_is_told_of_none(mysql: str, tmp_path: Path):
    store = Store("mysql", tmp_path, mysql)
    project = made(store, "CREATE TABLE t (a integer AUTO_INCREMENT PRIMARY KEY);\nINSERT INTO t VALUES (41)")
    assert "AUTO_INCREMENT =" not in project.flowc("import", "w", "t").err


def test_drift_advises_nothing_to_declare(postgres: str, tmp_path: Path):
    store = Store("postgres", tmp_path, postgres)
    project = made(store, "CREATE TABLE t (a character(2))")
    project.write("specs/t.yaml", yaml.safe_dump({"tables": {"t": {"connection": "w", "columns": {"a": "text"}}}}))
    assert project.flowc("apply", "--yes").code == 0
    store.run("ALTER TABLE t ALTER a TYPE character(3)")
    told = project.flowc("drift").out
    assert "character(3)" in told
    assert "declare" not in told
    assert "cannot be done" not in told
