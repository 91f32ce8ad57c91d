"""The forms of a plan: scripts that clients run, JSON as its schema says, comments that fit, files that are as made."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import jsonschema
import pytest

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.migration import Change, DatabasePlan, MigrationPlan, Risk, Statement, TableChanges
from flowc.render.migration import migration_text
from flowc.render.migration_markdown import LONGEST, migration_markdown
from flowc.render.style import Style, width
from flowc.runtime.systems.mysql import session as mysql
from tests import warm
from tests.commands import ROOT, Inside
from tests.stores import Store, address
from tests.waiting import PATIENCE

pytestmark = pytest.mark.turns("store", 2)

SCHEMA = json.loads((ROOT / "schemas" / "plan.json").read_text("utf-8"))

BEFORE = """
tables:
  customers:
    connection: store
    columns: { id: bigint primary key, mail: text, age: integer, legacy: text }
  orders:
    connection: store
    columns: { id: bigint primary key, note: text }
"""
AFTER = """
tables:
  customers:
    connection: store
    columns:
      id: bigint primary key
      email: { type: text, nullable: false, renamed_from: mail }
      age: bigint
      country: { type: text, default: "'N;L'" }
    indexes: [{ columns: [email], unique: true }]
"""
ROWS = "INSERT INTO customers (id, mail, age, legacy) VALUES (1, 'a', 41, 'x'), (2, 'b', NULL, NULL)"


@pytest.fixture(params=["sqlite", "duckdb", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path, address(request, request.param))


@pytest.fixture
def project(store: Store) -> Inside:
    """A project whose tables were applied and filled, and whose specs ask for much else now."""
    made = Inside(store.folder)
    declare(made, store, BEFORE)
    assert made.flowc("apply", "--yes").code == 0
    store.run(ROWS)
    declare(made, store, AFTER)
    return made


def declare(project: Inside, store: Store, tables: str) -> None:
    project.write("specs/project.yaml", f"connections:\n  store: {store.connection}\n{tables}")


def run_script(store: Store, script: str) -> None:
    """Hands a script to the engine's own client."""
    path = store.folder / f"{store.file}.{store.kind}"
    if store.kind == "postgres":
        client = ["psql", store.dsn, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(client, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif store.kind == "mysql":
        at = urlsplit(store.dsn)
        client = ["mysql", f"-h{at.hostname}", f"-P{at.port}", f"-u{at.username}", f"-p{at.password}", at.path[1:]]
        done = subprocess.run(client, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif store.kind == "sqlite":
        with closing(sqlite3.connect(path)) as lite:
            lite.executescript(script)
    else:
        with closing(duckdb.connect(str(path))) as duck:
            duck.execute(script)


def test_a_script_does_what_apply_would(store: Store, project: Inside):
    script = project.flowc("plan", "--sql").out
    run_script(store, script)
    assert store.rows("SELECT id, email, age, country FROM customers") == [(1, "a", 41, "N;L"), (2, "b", None, "N;L")]
    left = project.flowc("plan", "--json").json
    assert left["changes"] == []


def test_a_script_has_the_session_that_flowc_has():
    written = DIALECTS["mysql"].client.session.removeprefix("SET SESSION ").removesuffix(";")
    own = [each.replace("NO_ZERO_IN_DATE,NO_ZERO_DATE,", "") for each in mysql._SETTINGS[:2]]  # as apply has them
    assert written.split(", ") == own


def test_json_is_as_its_schema_says(store: Store, project: Inside):
    planned = project.flowc("plan", "--json").json
    jsonschema.validate(planned, SCHEMA)
    assert {change["kind"] for change in planned["changes"]} >= {"drop_column", "rename_column", "create_index"}
    store.run("ALTER TABLE orders ADD COLUMN by_hand text")
    drift = project.flowc("drift", "--json").json
    jsonschema.validate(drift, SCHEMA)
    assert [change["name"] for change in drift["changes"]] == ["store.orders.by_hand"]


def test_a_default_that_goes_is_a_change_and_no_loss(store: Store):
    project = Inside(store.folder)
    table = "tables:\n  t:\n    connection: store\n    columns: {{ id: bigint primary key, a: {{ type: text, {} }} }}\n"
    declare(project, store, table.format("default: \"'x'\", nullable: false"))
    project.flowc("apply", "--yes")
    declare(project, store, table.format("nullable: true"))
    done = project.flowc("plan")
    assert "0 to add, 2 to change, 0 to drop" in done.out, done.out + done.err


def test_the_schema_refuses_what_is_not_a_plan(project: Inside):
    planned = project.flowc("plan", "--json").json
    planned["changes"][0]["class"] = "harmless"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(planned, SCHEMA)


@pytest.mark.covering
@pytest.mark.parametrize("word", ['"destructive"', '"DROP TABLE'])
def test_a_file_that_was_changed_by_hand_is_refused(store: Store, project: Inside, word: str):
    project.flowc("plan", "--out", "plan.saved")
    file = store.folder / "plan.saved"
    text = file.read_text("utf-8")
    assert word in text
    file.write_text(text.replace(word, '"additive"' if word.endswith('"') else '"SELECT 1 --'), "utf-8")
    done = project.flowc("apply", "plan.saved")
    assert (done.code, "error[unreadable-plan]" in done.err) == (2, True), done.err


def test_a_file_of_any_name_is_applied(store: Store, project: Inside):
    project.flowc("plan", "--out", "plan.saved")
    done = project.flowc("apply", "plan.saved", "--allow-destructive", "all")
    assert done.code == 0, done.err
    assert store.rows("SELECT email, age FROM customers") == [("a", 41), ("b", None)]


def test_what_the_data_says_counts_when_a_file_is_applied(store: Store, project: Inside):
    """It allowed the plan when that was made, and no longer does."""
    project.flowc("plan", "--out", "plan.json")
    store.run("INSERT INTO customers (id, mail) VALUES (3, NULL)")
    done = project.flowc("apply", "plan.json", "--allow-destructive", "all")
    assert (done.code, "error[precheck-failed]" in done.err) == (2, True), done.err
    assert store.rows("SELECT id, legacy FROM customers WHERE id < 3") == [(1, "x"), (2, None)]


def colours(project: Inside, *options: str, **environment: str) -> str:
    """What `plan` prints on a terminal."""
    leader, follower = pty.openpty()
    given = project.environment() | {"TERM": "xterm"} | environment
    files = (follower, follower, follower)
    running = warm.begin(warm.server(), "flowc", ["plan", *options], files, cwd=project.path, env=given)
    os.close(follower)
    parts = []
    while part := read(leader):
        parts.append(part)
    assert running.wait(PATIENCE) == 0
    os.close(leader)
    return b"".join(parts).decode()


def read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_colour_is_for_terminals_that_want_it(project: Inside):
    assert "\x1b[31m- drop column legacy text" in colours(project)
    assert "\x1b" not in colours(project, NO_COLOR="1")


ODD = r"""
tables:
  odd:
    connection: store
    columns: { id: bigint primary key, "\e[31mx": "text default '\e[32m'", "y\e[0m": text }
"""


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("form", ["text", "sql", "markdown"])
def test_no_colour_of_others_acts_on_the_terminal(project: Inside, form: str):
    """Not even one that flowc uses itself."""
    project.write("specs/odd.yaml", ODD)
    plain = colours(project, "--sql", "--format", form, NO_COLOR="1")
    assert "\x1b" not in plain
    assert "␛[31mx" in plain
    assert "␛[32m" in plain
    assert ("\x1b[31m- drop column legacy text\x1b[0m" in colours(project, "--format", form)) == (form == "text")


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_lines_fit_the_terminal(project: Inside):
    narrow = colours(project, NO_COLOR="1", COLUMNS="60").splitlines()
    assert [line for line in narrow if len(line) > 60 and not line.startswith("Plan: ")] == []
    assert "".join("".join(narrow).split()) == "".join(colours(project, NO_COLOR="1", COLUMNS="400").split())


def plan_of(count: int, summary: str = "add column x text", sql: str = "SELECT 1") -> MigrationPlan:
    changes = tuple(
        Change("add_column", f"wh.t.c{n}", Risk.ADDITIVE, summary, statements=(Statement(sql, "add"),))
        for n in range(count)
    )
    entry = TableChanges("wh", "sqlite", TableName(None, "t"), "t", changes)
    return MigrationPlan((DatabasePlan("wh", "sqlite", (entry,)),))


@pytest.mark.parametrize("plan", [plan_of(5000), plan_of(3, sql="x" * 100_000), plan_of(3, "y" * 100_000)])
def test_a_comment_fits_whatever_the_plan(plan: MigrationPlan):
    comment = migration_markdown(plan)
    assert len(comment) <= LONGEST
    assert "`flowc plan" in comment, "it says where the rest is"
    assert comment.count("```") % 2 == 0


def test_a_comment_is_not_broken_by_what_stands_in_a_plan():
    plan = plan_of(1, "add column x text default '```'", "SELECT '\n```\n'")
    comment = migration_markdown(plan)
    assert "````sql\n" in comment
    assert comment.count("````") == 4


def test_lines_of_wide_characters_fit_and_break_no_secret():
    style = Style(columns=60, conceal=lambda text: text.replace(secret, "***"))
    secret = "correct horse battery staple " * 3
    shown = migration_text(plan_of(1, f"add column {'日本語 ' * 30} default '{secret}'"), style)
    assert [line for line in shown.splitlines() if width(line) > 60] == []
    assert shown.count("日本語") == 30
    assert ("horse" in shown, "'***'" in shown, "\0" in shown) == (False, True, False)


def test_no_text_of_a_plan_acts_on_the_terminal():
    assert "\x1b" not in migration_text(plan_of(1, "add \x1b[2J", "SELECT '\x1b[2J'"), Style())
    assert "\x1b" not in migration_markdown(plan_of(1, "add \x1b[31m", "SELECT '\x1b[0m\x1b[1;31m'"))


LOAD = """
connections:
  drop: { kind: files, uri: . }
  wh: { kind: sqlite, path: wh.db }
pipelines:
  p:
    from: { source: { connection: drop, path: rows.jsonl, format: jsonl, columns: { id: bigint, doc: json } } }
    sql: SELECT id, doc ->> 'a' AS a FROM source
    to: { connection: wh, table: out, mode: append }
"""


@pytest.mark.parametrize(
    ("written", "instead", "changed"),
    [
        ("doc ->> 'a'", "doc ->> 'b'", {}),
        ("    to:", "    dialect: duckdb\n    to:", {"dialect": ("postgres", "duckdb")}),
    ],
)
def test_a_query_that_changed_is_shown_as_its_author_wrote_it(
    tmp_path: Path, written: str, instead: str, changed: dict[str, tuple[str, str]]
) -> None:
    project = Inside(tmp_path)
    project.write("rows.jsonl", '{"id": 1, "doc": {"a": 1}}\n')
    project.write("specs/s.yaml", LOAD)
    assert project.flowc("apply", "--yes").code == 0
    project.write("specs/s.yaml", LOAD.replace(written, instead))
    (change,) = project.flowc("plan", "--json").json["pipelines"]
    assert {each["key"]: (each["before"], each["after"]) for each in change["changed"]} == changed
    before = "SELECT id, doc ->> 'a' AS a FROM source"
    assert (change["sql"] or {}).get("after", before) == before.replace(written, instead)
    assert change["effects"]
    assert "flowc_" not in project.flowc("plan").out
