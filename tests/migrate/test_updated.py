"""After an update of flowc a plan tells what of a load is new for that alone."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from flowc import __version__
from tests.commands import Inside

SPECS = """
connections: { wh: { kind: sqlite, path: wh.sqlite } }
tables:
  people: { connection: wh, columns: { id: bigint, name: text } }
  history:
    connection: wh
    columns:
      id: bigint
      name: text
      valid_from: timestamptz not null
      valid_to: timestamptz not null
pipelines:
  track: { table: people, to: history, mode: scd2, keys: [id], deletes: DELETES }
"""


def applied_by(project: Inside, version: str) -> None:
    """Makes the history one of that version of flowc, which made other SQL of the load."""
    with sqlite3.connect(project.path / "wh.sqlite") as session:
        ((held,),) = session.execute("SELECT snapshot FROM flowc_migrations").fetchall()
        snapshot = json.loads(held)
        (load,) = snapshot["snapshot"]["pipelines"]
        load["load"] = load["load"].replace("SELECT", "select", 1)
        session.execute("UPDATE flowc_migrations SET flowc = ?, snapshot = ?", (version, json.dumps(snapshot)))
    session.close()


@pytest.mark.parametrize(("version", "told"), [("0.0.9", True), (__version__, False)])
def test_a_load_of_which_only_flowcs_own_sql_differs_says_why(tmp_path: Path, version: str, told: bool) -> None:
    project = Inside(tmp_path)
    project.write("specs/p.yaml", SPECS.replace("DELETES", "close"))
    assert project.flowc("apply", "--yes").code == 0
    assert "No changes" in project.flowc("plan").out
    applied_by(project, version)
    why = f"flowc was updated since the last apply (0.0.9 → {__version__}): only the SQL that it makes differs"
    plan = project.flowc("plan").out
    assert "track" in plan
    assert (why in plan) == told
    project.write("specs/p.yaml", SPECS.replace("DELETES", "ignore"))
    plan = project.flowc("plan").out
    assert "deletes" in plan
    assert "flowc was updated" not in plan, "the spec has changed too"
