"""A table of a lake as tests of applies begin with it, and as they change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deltalake import Field
from deltalake.schema import PrimitiveType

from tests.commands import Inside
from tests.lakes import Lake

BEFORE = "columns:\n  id: bigint primary key\n  a: integer\n  b: text\n  c: text"
AFTER = """description: All of it.
partition_by: [d]
columns:
  id: bigint primary key
  a: bigint
  bb: { type: text, renamed_from: b }
  d: integer default 7"""
IN_PLACE = """description: All of it.
columns:
  id: bigint primary key
  a: integer
  b: { type: text, description: Words. }
  c: text
  d: date"""
ROWS = "INSERT INTO t (id, a, b, c) VALUES (1, 5, 'x', 'gone'), (2, -7, NULL, NULL), (3, 9, 'y', NULL)"
KEPT = [(1, 5, "x", 7), (2, -7, None, 7), (3, 9, "y", 7)]
ALLOWED = ("--yes", "--allow-destructive", "w.t.c")
QUERY = "SELECT id, a, bb, d FROM t ORDER BY id"


def specs(project: Inside, tables: dict[str, str]) -> None:
    """Writes a project of these tables: their YAML by their names."""
    lines = ["connections:", "  w: { kind: delta, uri: ./lake }", *(["tables:"] if tables else [])]
    for name, text in tables.items():
        lines += [f"  {name}:", "    connection: w", *(f"    {line}" for line in text.splitlines())]
    project.write("specs/project.yaml", "\n".join(lines) + "\n")


def begun(lake: Lake, folder: Path, before: str = BEFORE) -> Inside:
    """A project whose table `t` is there, with its rows."""
    project = Inside(folder)
    specs(project, {"t": before})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    lake.run(ROWS)
    return project


def text_column(name: str) -> Any:
    """A column that another writer adds."""
    return Field(name, PrimitiveType("string"), True)
