"""Specs that change: an apply does it all, so that nothing is left to plan, or is refused and changes nothing."""

from __future__ import annotations

import json
from typing import Any

from tests.fuzz import trees
from tests.fuzz.datafiles import TYPES
from tests.fuzz.mutant import SPEC, Chance, Mutant
from tests.fuzz.names import NAMES
from tests.fuzz.rules import Observed
from tests.fuzz.tables import STORES, contents, fill

OTHER = "other.yaml"
"""The spec that is not at work."""


def mutant(chance: Chance) -> Mutant:
    """A project and a changed one."""
    kind = chance.choice(["sqlite", "duckdb"])
    before, after = _project(kind), _project(kind)
    for _ in range(chance.choice([1, 1, 2, 3])):
        try:
            chance.choice(CHANGES)(after, chance)
        except (IndexError, KeyError, TypeError, AttributeError, ValueError):  # an earlier change left no such place
            continue
    if chance.random() < 0.3:
        before, after = after, before
    return Mutant({OTHER: _text(before), SPEC: _text(after)}, demands=carried_out)


def _text(project: dict[str, Any]) -> bytes:
    return json.dumps(project, default=str).encode("utf-8", "replace")


def _project(kind: str) -> dict[str, Any]:
    people = {
        "id": "bigint primary key",
        "name": "varchar(40) not null default 'x'",
        "born": "date",
        "score": {"type": "numeric(12,2)", "default": "1.5"},
    }
    orders = {
        "id": "bigint not null",
        "note": {"type": "text", "description": "Words"},
        "placed": "timestamptz",
        "paid": "boolean default true",
        "many": "integer",
    }
    tables = {
        "people": {"columns": people, "indexes": [{"columns": ["name"]}]},
        "orders": {
            "columns": orders,
            "natural_key": ["id"],
            "indexes": [{"columns": ["note", "many"], "unique": True}],
            "description": "Orders",
        },
        "empty": {"columns": {"id": "bigint primary key", "at": "timestamp", "f": "double"}},
    }
    pipelines = {
        "merged": {
            "from": "out",
            "sql": "SELECT id, note, many FROM orders",
            "to": {"connection": "out", "table": "m"},
            "mode": "merge",
            "keys": ["id"],
        },
        "kept": {
            "from": "out",
            "sql": "SELECT id, name, score FROM people",
            "to": {"connection": "out", "table": "k"},
            "mode": "scd2",
            "keys": ["id"],
        },
    }
    return {
        "connections": {"out": dict(STORES[kind])},
        "tables": {name: {"connection": "out", **table} for name, table in tables.items()},
        "pipelines": pipelines,
    }


def _in_tables(tree: dict[str, Any], chance: Chance) -> None:
    chance.choice(trees.CHANGES)(tree["tables"], chance)


def _column(tree: dict[str, Any], chance: Chance) -> None:
    """Another type, name, or place of a column, or one more."""
    columns = chance.choice(list(tree["tables"].values()))["columns"]
    name, change = chance.choice(sorted(columns)), chance.random()
    if change < 0.5:
        columns[name] = chance.choice(TYPES) + chance.choice(
            ["", "", "", " not null", " unique", " default 1", " default 'a'"]
        )
    elif change < 0.7:
        given = columns.pop(name)
        columns[chance.choice((*NAMES, "a", "b"))] = {
            "type": given if isinstance(given, str) else given["type"],
            "renamed_from": name,
        }
    elif change < 0.9:
        columns[chance.choice((*NAMES, "more"))] = chance.choice(TYPES)
    else:
        del columns[name]


def _constraint(tree: dict[str, Any], chance: Chance) -> None:
    table = chance.choice(list(tree["tables"].values()))
    names = chance.sample(sorted(table["columns"]), chance.choice([1, 2]))
    table[chance.choice(["natural_key", "primary_key"])] = names
    table["indexes"] = [{"columns": names, "unique": chance.random() < 0.5}]


CHANGES = (_in_tables, *[_column] * 5, _constraint, _constraint)


def carried_out(project: Observed, mutant: Mutant, chance: Chance) -> None:
    """Applies one spec, and on its tables, which have rows then, the other."""
    kind = json.loads(mutant.files[SPEC])["connections"]["out"]["kind"]
    (project.path / SPEC).write_bytes(mutant.files[OTHER])
    if not _applied(project, kind, chance):
        return
    fill(project.path, kind, chance)
    (project.path / SPEC).write_bytes(mutant.files[SPEC])
    _applied(project, kind, chance)


def _applied(project: Observed, kind: str, chance: Chance) -> bool:
    """Whether an apply went through; it is judged either way."""
    before = contents(project.path, kind)
    allowed = ("--allow-destructive", "all") if chance.random() < 0.7 else ()
    done = project.observe("apply", "--yes", *allowed)
    if done.code != 0:
        if "error[" not in done.err:
            project.note("unsaid", ("apply",), done.err)
        if contents(project.path, kind) != before:
            project.note("half", ("apply",), done.err)
        return False
    again = project.observe("plan", "--detailed-exitcode")
    if again.code != 0:
        project.note("refused" if "error[" in again.err else "again", ("plan",), again.out + again.err)
    return True
