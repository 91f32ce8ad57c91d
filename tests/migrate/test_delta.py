"""The same edits of specs on Delta tables, and those that only they have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.lakes import Lake
from tests.migrate import test_edits as shared
from tests.migrate.beginning import specs
from tests.migrate.edits import FINE, REFUSED, Edit, _t
from tests.migrate.looking import look, values
from tests.migrate.projects import column_names, fill

_ROWS = "(1, 'x', 5), (2, NULL, NULL), (3, 'y', -7)"
_PARTS = _t("a: text", "b: integer", partition_by="[a]")
OWN = (
    Edit("Partition a table", _t("a: text", "b: integer"), _PARTS, _ROWS),
    Edit("Partition by another column", _PARTS, _t("a: text", "b: integer", partition_by="[b, a]"), _ROWS),
    Edit("Partition no more", _PARTS, _t("a: text", "b: integer"), _ROWS),
    Edit("Rename a column of a partition", _PARTS,
         _t("c: { type: text, renamed_from: a }", "b: integer", partition_by="[c]"), _ROWS),
    Edit("Widen beside a partition", _PARTS, _t("a: text", "b: bigint", partition_by="[a]"), _ROWS),
    Edit("Retype a column of a partition", _t("b: integer", partition_by="[b]"),
         _t("b: bigint", partition_by="[b]"), "(1, 5), (2, NULL)"),
    Edit("Add a column beside a partition", _PARTS, _t("a: text", "b: integer", "c: date", partition_by="[a]"), _ROWS,
         {"c": [None] * 3}),
    Edit("Keep arrays and structs", _t("a: 'integer[]'", "b: integer"), _t("a: 'integer[]'", "b: bigint"),
         "(1, [1, NULL], 5), (2, NULL, 6)"),
    Edit("Keep a comment", _t("a: { type: integer, description: Kept. }", description="Whole."),
         _t("a: { type: bigint, description: Kept. }", description="Whole."), "(1, 5)"),
    Edit("Add and comment", _t("a: integer"), _t("a: integer", "b: { type: timestamp, description: When. }"), "(1, 5)",
         {"b": [None]}),
)  # fmt: skip
OWN_REFUSED = (
    Edit("Empty texts in a partition", _t("a: text"), _t("a: text", partition_by="[a]"), "(1, ''), (2, 'x')",
         refused="1 row holds an empty `a`, which a partition reads as NULL"),
)  # fmt: skip


def edits_of(*found: Edit) -> list[Edit]:
    """The edits for Delta: without indexes, which lint refuses there."""
    bare = (replace(edit, before=_bare(edit.before), after=_bare(edit.after)) for edit in found)
    return [edit for edit in bare if "delta" not in edit.not_on]


def _bare(text: str) -> str:
    return "\n".join(line.removesuffix(" unique") for line in text.splitlines() if not line.startswith("indexes:"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def project(lake: Lake) -> Inside:
    return Inside(lake.folder)


def test_edits(lake: Lake, project: Inside, update_golden: bool):
    edits = edits_of(*FINE, *OWN)
    specs(project, {edit.table: edit.before for edit in edits})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    for edit in edits:
        fill(lake, edit)
    before = {edit.table: values(lake, edit.table, column_names(edit.before)) for edit in edits}
    specs(project, {edit.table: edit.after for edit in edits if edit.after})

    plan = project.flowc("plan")
    golden = shared._golden("delta", edits, plan.out).replace("test_edits.py` from", "test_delta.py` from")
    shared._compare_golden(shared.GOLDEN / "plan_delta.md", golden, update_golden)

    objects = [".".join(filter(None, ("w", edit.table, part))) for edit in edits for part in edit.loses]
    refused = project.flowc("apply", "--yes")
    assert refused.code == 2, refused.err
    assert all(f"  {name}:" in refused.err for name in objects)
    done = project.flowc("apply", "--yes", *(word for name in objects for word in ("--allow-destructive", name)))
    assert done.code == 0, done.err

    again = project.flowc("plan", "--detailed-exitcode")
    assert (again.code, again.out.splitlines()[1:]) == (0, ["No changes: what is there is what the specs say."]), (
        again.out
    )
    assert project.flowc("drift").code == 0
    wrong = [f"{edit.title}: {fault}" for edit in edits for fault in shared._faults(lake, edit, before[edit.table])]
    # A key that is declared later is the spec's alone: its columns stay as they are, for loads as well.
    assert [fault.partition(":")[0] for fault in wrong] == ["Add a primary key", "Widen the primary key"]
    assert all("(True, None, None)" in fault and "declared" in fault for fault in wrong), wrong


def test_data_that_does_not_allow_an_edit_is_counted_and_nothing_is_changed(lake: Lake, project: Inside):
    edits = edits_of(*REFUSED, *OWN_REFUSED)
    specs(project, {edit.table: edit.before for edit in edits})
    assert project.flowc("apply", "--yes").code == 0
    for edit in edits:
        fill(lake, edit)
    before = {e.table: (look(lake, e.table), values(lake, e.table, column_names(e.before))) for e in edits}
    specs(project, {edit.table: edit.after for edit in edits})

    plan = project.flowc("plan").out
    done = project.flowc("apply", "--yes")

    assert done.code == 2
    untold = [e.title for e in edits if e.refused not in " ".join(plan.split()) or not shared._told(e, done.err)]
    assert untold == [], plan + done.err
    assert before == {e.table: (look(lake, e.table), values(lake, e.table, column_names(e.before))) for e in edits}
