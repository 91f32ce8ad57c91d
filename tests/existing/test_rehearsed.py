"""What only the engine itself can judge is tried before it is planned: on copies, of which nothing stays."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from flowc.catalog import TableName
from flowc.compiler.quote import table as quoted
from flowc.runtime.contracts.database import Rehearsing
from flowc.runtime.systems import open_database
from tests.commands import Inside
from tests.existing.making import changed, imported, made
from tests.stores import Store, address

_POSTGRES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE a (id integer PRIMARY KEY);
CREATE TABLE b (
  id integer PRIMARY KEY, a_id integer CONSTRAINT of_a REFERENCES a (id), even integer CHECK (even % 2 = 0),
  part integer, m mood DEFAULT 'ok', n integer
);
CREATE INDEX part_of ON b (n) WHERE part % 3 = 1;
CREATE TABLE heir (held integer) INHERITS (b);
INSERT INTO a VALUES (1);
INSERT INTO b VALUES (1, 1, 2, 4, 'ok', 1)
"""
_MYSQL = """
CREATE TABLE b (id integer PRIMARY KEY, m enum('sad', 'ok') DEFAULT 'ok', n integer, long_one varchar(9000));
INSERT INTO b VALUES (1, 'ok', 2, 'x')
"""
REFUSED = {
    "postgres": {
        "foreign key": ("a_id", "numeric(12,2)", 'foreign key constraint "of_a" cannot be implemented'),
        "check": ("even", "double", "operator does not exist"),
        "predicate": ("part", "double", "operator does not exist"),
        "default": ("n", {"type": "integer", "default": "('a' || 'b')"}, 'column "n" is of type integer but default'),
        "default of an enum": ("m", {"type": "public.mood", "default": "'happy'"}, "invalid input value for enum"),
        "column that an heir has": ("held", "text", 'child table "heir" has different type for column "held"'),
        "new column": ("new", {"type": "date", "default": "'today or so'"}, "invalid input syntax for type date"),
    },
    "mysql": {
        "default of an enum": ("m", {"type": "enum('sad','ok')", "default": "'happy'"}, "Invalid default value"),
        "new column": ("new", {"type": "date", "default": "'today or so'"}, "Invalid default value"),
        "row too long": ("new", "varchar(15000)", "Row size too large"),
    },
}  # fmt: skip
DONE = {
    "postgres": {"a_id": "bigint", "even": "bigint", "held": "integer", "n": {"type": "integer", "default": "5"}},
    "mysql": {"n": {"type": "bigint", "default": "5"}, "new": "varchar(500)"},
}
_ALL = {"postgres": _POSTGRES, "mysql": _MYSQL}


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.mark.parametrize("store", list(REFUSED), indirect=True)
def test_what_the_engine_would_refuse_is_told_by_the_plan(store: Store):
    project = imported(store, _ALL[store.kind])
    specs = project.path / "specs/tables.yaml"
    before, was = specs.read_text("utf-8"), _everything(store)
    for title, (column, entry, words) in REFUSED[store.kind].items():
        changed(project, "b", column, entry)
        plan = " ".join(project.flowc("plan").out.split())
        assert f"cannot be done: the engine refuses it ({words}" in plan, f"{title}: {plan}"
        done = project.flowc("apply", "--yes")
        assert (done.code, "nothing was changed" in done.err) == (2, True), title
        specs.write_text(before, "utf-8")
        assert _everything(store) == was, title
    for column, entry in DONE[store.kind].items():
        changed(project, "b", column, entry)
    assert project.flowc("apply", "--yes").code == 0, project.flowc("plan").out
    for column in ("a_id", "even", "n") if store.kind == "postgres" else ():
        changed(project, "heir", column, DONE[store.kind][column])  # which has changed with the other table
    assert project.flowc("plan", "--detailed-exitcode").code == 0, project.flowc("plan").out


NEW = {
    "postgres": {
        "type": ("crm.status", 'schema "crm" does not exist'),
        "type in a schema": ("public.status", 'type "public.status" does not exist'),
        "default": ({"type": "date", "default": "'today or so'"}, "invalid input syntax for type date"),
    },
    "mysql": {
        "default": ({"type": "date", "default": "'today or so'"}, "Invalid default value"),
        "default of an enum": ({"type": "enum('sad','ok')", "default": "'happy'"}, "Invalid default value"),
    },
    "duckdb": {
        "type": ("main.status", "Catalog Error: Type with name status does not exist"),
        "default": ({"type": "date", "default": "nothing_like_it(1)"}, "Catalog Error: Scalar Function with name"),
    },
}  # fmt: skip
TAKEN = {"postgres": "public.mood", "mysql": "inet6", "duckdb": "ENUM('sad', 'ok')"}


@pytest.mark.parametrize("store", list(NEW), indirect=True)
def test_a_new_table_that_the_engine_would_refuse_is_told_by_the_plan(store: Store):
    own = "" if store.kind == "mysql" else "CREATE TYPE mood AS ENUM ('sad', 'ok');\n"
    project = made(store, f"{own}CREATE TABLE b (id integer PRIMARY KEY)")
    for title, (entry, words) in NEW[store.kind].items():
        _declared(project, {"id": "bigint", "made": entry})
        plan = " ".join(project.flowc("plan").out.split())
        assert f"cannot be done: the engine refuses it ({words}" in plan, f"{title}: {plan}"
        assert plan.count(words) == 1, title
        assert "at specs/fresh.yaml:2:3" in plan
        refused = project.flowc("apply", "--yes")
        assert (refused.code, "w.fresh (specs/fresh.yaml:2:3): the engine" in refused.err) == (2, True)
    _declared(project, {"id": "bigint", "made": TAKEN[store.kind]})
    assert project.flowc("apply", "--yes").code == 0, project.flowc("plan").out
    assert project.flowc("plan", "--detailed-exitcode").code == 0, project.flowc("plan").out


def _declared(project: Inside, columns: dict[str, object]) -> None:
    table = {"connection": "w", "columns": columns, "primary_key": ["id"], "indexes": [{"columns": ["made"]}]}
    project.write("specs/fresh.yaml", yaml.safe_dump({"tables": {"fresh": table}}, sort_keys=False))


def test_a_refused_column_is_told_once_and_where_it_is_declared(postgres: str, tmp_path: Path):
    project = imported(Store("postgres", tmp_path, postgres), _POSTGRES)
    changed(project, "b", "even", {"type": "crm.status", "nullable": False})
    changed(project, "b", "new", {"type": "crm.status", "nullable": False})
    plan = " ".join(project.flowc("plan").out.split())
    lines = (project.path / "specs/tables.yaml").read_text("utf-8").splitlines()
    even, new = (next(n for n, line in enumerate(lines, 1) if line == f"      {name}:") for name in ("even", "new"))
    assert f"at specs/tables.yaml:{even + 1}:15" in plan, "the type"
    assert f"at specs/tables.yaml:{new}:7" in plan, "the column"
    assert "could not be checked" not in plan
    refused = [c for c in json.loads(project.flowc("plan", "--json").out)["changes"] if c["refused"]]
    assert [c["place"] for c in refused][-1] == f"specs/tables.yaml:{new}:7"


def _everything(store: Store) -> list[tuple[object, ...]]:
    asked = "SELECT table_name, column_name, data_type, column_default FROM information_schema.columns"
    here = "'public'" if store.kind == "postgres" else "database()"
    return store.rows(f"{asked} WHERE table_schema = {here} OR table_name LIKE '%rehearsal%'")


def test_a_user_who_may_make_no_temporary_tables_plans_without(postgres: str, tmp_path: Path):
    store = Store("postgres", tmp_path, postgres)
    project = imported(store, _POSTGRES)
    database = postgres.rpartition("/")[2].partition("?")[0]
    store.run(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC', "CREATE ROLE flowc_templess")
    try:
        for schema in ("public", "flowc"):
            store.run(f"GRANT USAGE ON SCHEMA {schema} TO flowc_templess")
            store.run(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO flowc_templess")
        project.env["STORE"] += ("&" if "?" in postgres else "?") + "options=-c%20role%3Dflowc_templess"
        changed(project, "b", "n", "bigint")
        assert "~ change type of n" in project.flowc("plan").out
    finally:
        store.run("DROP OWNED BY flowc_templess", "DROP ROLE flowc_templess")


_ODD = {
    "mysql": ("z char(0), v varchar(0), k integer", ["z", "v"]),
    "sqlite": ("z CHAR(0), v VARCHAR(0), d DECIMAL(3,5), e NUMERIC(0), k integer", ["z", "v", "d", "e"]),
}


@pytest.mark.parametrize("store", list(_ODD), indirect=True)
def test_a_type_that_no_spec_may_say_is_left_out_with_a_word(store: Store):
    columns, left = _ODD[store.kind]
    project = made(store, f"CREATE TABLE b (id integer PRIMARY KEY, {columns})")
    done = project.flowc("import", "w", "b", "--out", "specs/tables.yaml")
    assert [f"note: b: `{name}`: the column, whose type" in done.err for name in left] == [True] * len(left)
    table = yaml.safe_load((project.path / "specs/tables.yaml").read_text("utf-8"))["tables"]["b"]
    assert list(table["columns"]) == ["id", "k"]
    assert project.flowc("plan", "--detailed-exitcode").code == 0


def test_a_key_of_columns_that_no_spec_holds_is_left_alone(tmp_path: Path):
    project = made(Store("sqlite", tmp_path), "CREATE TABLE b (loose PRIMARY KEY, k integer)")
    done = project.flowc("import", "w", "--out", "specs/tables.yaml")
    assert "note: b: the primary key (loose)" in done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("store", ["postgres", "mysql", "duckdb", "sqlite"], indirect=True)
@pytest.mark.parametrize("end", ["", "COMMIT; "])
def test_a_rehearsal_carries_out_one_statement(store: Store, end: str):
    store.run("CREATE TABLE victim (id integer)")
    name = TableName(None, "made")
    head = f"CREATE TABLE {quoted(name)} (id integer DEFAULT (0)); {end}"
    options = {"url": store.dsn} if store.dsn else {"path": str(store.folder / f"{store.file}.{store.kind}")}
    schema = f"{store.file}.main." if store.kind == "duckdb" else ""
    with store.held(), closing(open_database(store.kind, options)) as database:
        assert isinstance(database, Rehearsing)
        database.rehearse([(name, f"{head}DROP TABLE {schema}victim; SELECT (1)")])
    assert store.rows("SELECT count(*) FROM victim") == [(0,)]
