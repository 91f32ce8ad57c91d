"""Edits of specs on every engine: planned as the golden files show, applied, and then there is nothing more to plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from pathlib import Path

import pytest
import yaml

from tests.commands import Inside
from tests.migrate.edits import FINE, REFUSED, Edit
from tests.migrate.looking import declared, look, plain, values
from tests.migrate.projects import column_names, fill, specs
from tests.stores import Store

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def project(store: Store) -> Inside:
    # Lines are not broken: where they would be hangs on the password, which is masked before.
    return Inside(store.folder, {"STORE": store.dsn, "COLUMNS": "400"})


def _renamed(text: str) -> dict[str, str]:
    columns = yaml.safe_load(text)["columns"].items()
    return {name: given["renamed_from"] for name, given in columns if "renamed_from" in given}


def test_edits(store: Store, project: Inside, update_golden: bool):
    edits = [edit for edit in FINE if store.kind not in edit.not_on]
    specs(project, store, {edit.table: edit.before for edit in edits})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    with store.held():
        for edit in edits:
            fill(store, edit)
        before = {edit.table: values(store, edit.table, column_names(edit.before)) for edit in edits}
    specs(project, store, {edit.table: edit.after for edit in edits if edit.after})

    plan = project.flowc("plan")
    _compare_golden(GOLDEN / f"plan_{store.kind}.md", _golden(store.kind, edits, plan.out), update_golden)

    objects = [".".join(filter(None, ("w", edit.table, part))) for edit in edits for part in edit.loses]
    refused = project.flowc("apply", "--yes")
    assert refused.code == 2, refused.err
    assert "error[destructive-change]" in refused.err
    assert all(f"  {name}:" in refused.err for name in objects)
    done = project.flowc("apply", "--yes", *(word for name in objects for word in ("--allow-destructive", name)))
    assert done.code == 0, done.err

    again = project.flowc("plan", "--detailed-exitcode")
    assert (again.code, again.out.splitlines()[1:]) == (0, ["No changes: what is there is what the specs say."]), (
        again.out
    )
    with store.held():
        wrong = [f"{edit.title}: {fault}" for edit in edits for fault in _faults(store, edit, before[edit.table])]
    assert wrong == []


def _faults(store: Store, edit: Edit, before: list[list[object]]) -> Iterator[str]:
    """What is not as it was declared, and values that are not as they must be."""
    seen = look(store, edit.table)
    if not edit.after:
        assert seen is None
        return
    wanted = declared(edit.after, store.kind)
    if seen is None or sorted(seen.columns.items()) != sorted(wanted.columns.items()):
        yield f"columns {seen and seen.columns}, declared {wanted.columns}"
    elif (seen.key, seen.indexes, seen.comment) != (wanted.key, wanted.indexes, wanted.comment):
        yield f"{seen}, declared {wanted}"
    names, old = column_names(edit.after), column_names(edit.before)
    renamed = _renamed(edit.after)
    now = values(store, edit.table, names)
    if len(now) != len(before):
        yield f"{len(now)} rows, {len(before)} before"
    for place, name in enumerate(names):
        held = [row[place] for row in now]
        was = renamed.get(name, name)
        if name in edit.then:
            must = [plain(value) for value in edit.then[name]]
        elif was in old:
            must = [row[old.index(was)] for row in before]
        else:
            must = held  # an expression made the values
        if held != must:
            yield f"`{name}` holds {held} and must hold {must}"


def _golden(kind: str, edits: Sequence[Edit], shown: str) -> str:
    """The file: each edit as a difference of YAML, and what the plan says of it."""
    # A server's password may be the word that flowc's own names begin with, and is masked in them too.
    shown = shown.replace("***", "flowc")
    blocks = {m[1]: block for block in shown.split("\n\n") if (m := re.match(r". table w\.(\w+)\n", block))}
    parts = [f"# Plans on {kind}\n\nWritten by `pytest --update-golden tests/migrate/test_edits.py` from `edits.py`.\n"]
    for edit in edits:
        lines = unified_diff(edit.before.splitlines(), edit.after.splitlines(), lineterm="", n=99)
        difference = "\n".join(list(lines)[3:])
        block = blocks.get(edit.table, "no changes")
        parts.append(f"## {edit.title}\n\n```diff\n{difference}\n```\n\n```text\n{block}\n```\n")
    return "\n".join(parts)


def _compare_golden(path: Path, text: str, update: bool) -> None:
    if update:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_data_that_does_not_allow_an_edit_is_counted_and_nothing_is_changed(store: Store, project: Inside):
    edits = [edit for edit in REFUSED if store.kind not in edit.not_on]
    specs(project, store, {edit.table: edit.before for edit in edits})
    assert project.flowc("apply", "--yes").code == 0
    with store.held():
        for edit in edits:
            fill(store, edit)
        before = _all(store, edits)
    specs(project, store, {edit.table: edit.after for edit in edits})

    plan = project.flowc("plan").out
    done = project.flowc("apply", "--yes")

    assert done.code == 2
    assert "the data does not allow what is planned; nothing was changed" in done.err
    untold = [e.title for e in edits if e.refused not in " ".join(plan.split()) or not _told(e, done.err)]
    assert untold == [], plan + done.err
    with store.held():
        assert before == _all(store, edits)


def _all(store: Store, edits: Sequence[Edit]) -> dict[str, object]:
    """What the tables of edits are, and hold."""
    return {e.table: (look(store, e.table), values(store, e.table, column_names(e.before))) for e in edits}


def _told(edit: Edit, words: str) -> bool:
    return any(f"w.{edit.table}" in line and edit.refused in line for line in words.splitlines())


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_what_is_in_the_way_is_said_to_be_taken_away(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE VIEW v AS SELECT a FROM t")
    specs(project, store, {"t": "columns: { id: bigint primary key, a: bigint }"})
    done = project.flowc("apply", "--yes")
    assert "error[precheck-failed]: what is planned cannot be done as it is; nothing was changed" in done.err
    assert "help: drop it first and make it again afterwards, or change it by hand" in done.err


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_a_view_that_reads_a_column_that_goes_is_told(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer, b: integer, c: integer }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE VIEW v AS SELECT x.id, x.a FROM t AS x WHERE x.b > 0")
    specs(project, store, {"t": "columns: { id: bigint primary key }"})
    told = project.flowc("plan").out
    for column in ("a", "b"):
        assert f"view v reads `{column}`, and fails without it" in told
    assert "reads `c`" not in told
    assert "depends on the table" not in told
