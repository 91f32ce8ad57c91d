"""Plans in files, and what lets an apply go on: questions, permissions, selections, exit codes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from flowc.service.changes import applying
from tests.commands import Folder, Inside
from tests.migrate.looking import look
from tests.migrate.projects import specs
from tests.stores import Store
from tests.waiting import PATIENCE

pytestmark = pytest.mark.turns("store", 2)

BEFORE = "columns: { id: bigint primary key, a: integer, b: text }"
AFTER = "columns: { id: bigint primary key, a: bigint, b: text, c: text }"
LESS = "columns: { id: bigint primary key }"


@pytest.fixture
def project(store: Store) -> Inside:
    made = Inside(store.folder, {"STORE": store.dsn})
    specs(made, store, {"t": BEFORE, "other": LESS})
    assert made.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t VALUES (1, 5, 'x'), (2, 6, NULL)")
    return made


def columns(store: Store, table: str = "t") -> list[str]:
    seen = look(store, table)
    return list(seen.columns) if seen else []


def test_a_saved_plan_is_applied_without_asking(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": LESS})
    assert project.flowc("plan", "--out", "plan.json").code == 0
    done = project.flowc("apply", "plan.json")
    assert done.code == 0, done.err
    assert columns(store) == ["id", "a", "b", "c"]


def test_a_plan_that_was_changed_by_hand_is_refused(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": LESS})
    project.flowc("plan", "--out", "plan.json")
    file = project.path / "plan.json"
    file.write_text(
        file.read_text().replace("BIGINT", "SMALLINT").replace("LONGTEXT", "TEXT").replace(" TEXT", " DATE")
    )
    done = project.flowc("apply", "plan.json")
    assert done.code == 2
    assert "error[unreadable-plan]: `plan.json` was changed after it was made" in done.err
    assert columns(store) == ["id", "a", "b"]


def test_a_stale_plan_says_what_it_was_made_from_what_is_and_what_was_wanted(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": LESS})
    project.flowc("plan", "--out", "plan.json")
    store.run("ALTER TABLE t ADD COLUMN c VARCHAR(7)")
    done = project.flowc("apply", "plan.json")
    assert done.code == 2
    assert "error[stale-plan]: the plan no longer fits `w`; nothing was changed" in done.err
    # DuckDB keeps no lengths.
    found = "text" if store.kind == "duckdb" else "varchar(7)"
    assert f"w.t.c: planned from not there; live {found}; wanted text" in done.err
    assert columns(store) == ["id", "a", "b", "c"]


def test_losses_are_allowed_object_by_object(store: Store, project: Inside):
    specs(project, store, {"t": LESS, "other": LESS})
    none = project.flowc("apply", "--yes")
    one = project.flowc("apply", "--yes", "--allow-destructive", "w.t.a")
    assert (none.code, one.code) == (2, 2)
    assert "w.t.a: drop column a integer: 2 rows hold a value in it" in none.err
    assert "w.t.b: drop column b text: 1 row holds a value in it" in none.err
    assert "w.t.a:" not in one.err
    assert "--allow-destructive w.t.b" in one.err
    assert columns(store) == ["id", "a", "b"]
    both = project.flowc("apply", "--yes", "--allow-destructive", "w.t.a", "--allow-destructive", "w.t.b")
    assert both.code == 0, both.err
    assert columns(store) == ["id"]


def test_a_selection_leaves_the_rest_as_it_is(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": "columns: { id: bigint primary key, z: text }"})
    done = project.flowc("apply", "--yes", "--select", "other")
    assert done.code == 0, done.err
    assert (columns(store), columns(store, "other")) == (["id", "a", "b"], ["id", "z"])
    rest = project.flowc("plan", "--detailed-exitcode")
    assert rest.code == 2
    assert "table w.t\n" in rest.out
    assert "table w.other" not in rest.out
    # What was not chosen is still known: leaving it out of the specs is a loss.
    specs(project, store, {"other": "columns: { id: bigint primary key, z: text }"})
    assert "error[destructive-change]" in project.flowc("apply", "--yes").err


one_store = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@one_store
def test_a_plan_for_a_connection_that_the_specs_have_no_more_is_refused(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": LESS})
    project.flowc("plan", "--out", "plan.json")
    spec = project.path / "specs" / "project.yaml"
    spec.write_text(re.sub(r"\bw\b", "elsewhere", spec.read_text()))
    done = project.flowc("apply", "plan.json")
    assert done.code == 2, done.err
    assert "error[stale-plan]: the plan changes `w`, and the specs have no such connection" in done.err


@one_store
def test_a_plan_for_a_database_of_another_kind_is_refused(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "new": LESS})
    project.flowc("plan", "--out", "plan.json")
    project.write("specs/project.yaml", (project.path / "specs/project.yaml").read_text().replace("sqlite", "duckdb"))
    done = project.flowc("apply", "plan.json", "--allow-destructive", "all")
    assert done.code == 2, done.err
    assert "error[stale-plan]: the plan was made for `w` of kind `sqlite`, and it is of kind `duckdb` now" in done.err


@pytest.mark.parametrize("applied", [True, False])
def test_a_plan_for_another_equal_database_is_refused(tmp_path: Path, applied: bool):
    project = Inside(tmp_path, {"PLACE": "one.db"})
    text = "connections: {{ w: {{ kind: sqlite, path: '${{PLACE}}' }} }}\ntables: {{ t: {{ connection: w, {} }} }}\n"
    twin = Inside(tmp_path, {"PLACE": "two.db"})
    project.write("specs/project.yaml", text.format(LESS))
    for each in (project, twin):
        assert not applied or each.flowc("apply", "--yes").code == 0
    project.write("specs/project.yaml", text.format(BEFORE))
    assert project.flowc("plan", "--out", "plan.json").code == 0
    done = twin.flowc("apply", "plan.json")
    assert "error[stale-plan]: the plan was made for another database than the one that `w` names" in done.err
    assert (done.code, (tmp_path / "two.db").exists()) == (2, applied)
    moved = Inside(tmp_path, {"PLACE": "moved.db" if applied else "./one.db"})
    if applied:
        (tmp_path / "one.db").rename(tmp_path / "moved.db")
    assert moved.flowc("apply", "plan.json").code == 0


@one_store
def test_exit_codes_tell_whether_there_are_changes(store: Store, project: Inside):
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    specs(project, store, {"t": AFTER, "other": LESS})
    assert (project.flowc("plan").code, project.flowc("plan", "--detailed-exitcode").code) == (0, 2)
    refused = project.flowc("plan", "--select", "nothing")
    assert refused.code == 2
    assert "error[unknown-selection]" in refused.err


@one_store
def test_nobody_to_ask(store: Store, project: Inside):
    specs(project, store, {"t": AFTER, "other": LESS})
    done = Folder(project.path, project.env).flowc("apply")
    assert done.code == 2
    assert "error[nobody-to-ask]" in done.err


@one_store
@pytest.mark.parametrize(("answer", "code", "after"), [("n", 1, 3), ("y", 0, 4)])
def test_somebody_is_asked_on_a_terminal(store: Store, project: Inside, answer: str, code: int, after: int):
    specs(project, store, {"t": AFTER, "other": LESS})
    folder = Folder(project.path, project.env)
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    with subprocess.Popen(
        folder.command("apply"), cwd=folder.path, env=folder.environment(), stdin=theirs, stdout=pipe, stderr=pipe
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        _, err = process.communicate(timeout=PATIENCE)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code, err
    assert b"Apply? [y/N]" in err
    assert len(columns(store)) == after


def dropped(project: Inside, *options: str) -> tuple[int, str]:
    done = project.flowc("apply", *options, "--allow-destructive", "all")
    return done.code, done.err


def test_no_more_is_lost_than_was_approved(store: Store, project: Inside):
    specs(project, store, {"t": LESS, "other": LESS})
    store.run("UPDATE t SET a = NULL, b = NULL")
    assert project.flowc("plan", "--out", "plan.json").code == 0
    store.run("UPDATE t SET a = 7")
    code, said = dropped(project, "plan.json")
    assert (code, columns(store)) == (2, ["id", "a", "b"])
    assert "error[stale-plan]: more rows would be lost than when the plan was made; nothing was changed" in said
    assert "w.t.a: drop column a integer: planned to lose 0 rows, now it is 2 rows" in said
    store.run("UPDATE t SET a = NULL")
    assert dropped(project, "plan.json")[0] == 0
    assert columns(store) == ["id"]


def test_it_is_counted_right_before(store: Store, project: Inside, monkeypatch: pytest.MonkeyPatch):
    specs(project, store, {"t": LESS, "other": LESS})
    store.run("UPDATE t SET a = NULL, b = NULL")
    assert project.flowc("plan", "--out", "plan.json").code == 0
    limit = applying._limit

    def late(work: applying.Apply) -> None:
        limit(work)
        store.run("UPDATE t SET b = 'late' WHERE id = 1")

    monkeypatch.setattr(applying, "_limit", late)
    code, said = dropped(project, "plan.json")
    assert (code, columns(store)[-1]) == (2, "b")
    assert "w.t.b: drop column b text: planned to lose 0 rows, now it is 1 row" in said


def test_without_a_look_what_is_there_is_lost(store: Store, project: Inside):
    specs(project, store, {"t": LESS, "other": LESS})
    assert dropped(project, "--yes")[0] == 0
    assert columns(store) == ["id"]


def test_a_bare_import_leaves_out_what_is_declared(store: Store, project: Inside):
    store.run("CREATE TABLE undeclared (id BIGINT)")
    done = project.flowc("import", "w")
    assert done.code == 0, done.err
    keys = {line.strip() for line in done.out.splitlines() if line.startswith("  ") and line[2] != " "}
    assert "undeclared:" in keys
    assert not keys & {"t:", "t_2:", "other:", "other_2:"}
    assert "note: t: declared already, and left out" in done.err.replace("public.", "").replace("main.", "")
    named = project.flowc("import", "w", "t")
    assert list(yaml.safe_load(named.out)["tables"]) == ["t_2"]
