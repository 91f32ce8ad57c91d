"""Types and tables that specs can hardly say: an import still writes specs that lint takes and that plan nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flowc.compiler.tables.owntypes import same_name
from tests.existing.making import made
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
    assert project.flowc("drift").out == "No drift: what is there is what was applied.\n"


STRANGE = {
    "postgres": (
        "CREATE TABLE t (id bigint, CONSTRAINT \"no\x1b[2J\u202ecancel\" CHECK (id > 0))",
        "CREATE TABLE t2 (\"a\u2028b\" bigint, \"c\x85d\" text)",
    ),
    "sqlite": ('CREATE TABLE "s\u2028t" ("a\u2028b" bigint, "c\x85d" text)',),
    "duckdb": ('CREATE TABLE "s\u2028t" ("a\u2028b" bigint, "c\x85d" text)',),
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
    remarks = [line for line in (project.path / "specs/tables.yaml").read_text("utf-8").split("\n") if "#" in line]
    assert all(line.isprintable() for line in remarks), remarks


def test_values_of_an_enum_differ_by_their_blanks() -> None:
    assert same_name("ENUM( 'a , b' )", "enum('a , b')")
    assert not same_name("enum('a , b')", "enum('a,b')")
    assert not same_name("enum('a  b')", "enum('a b')")
