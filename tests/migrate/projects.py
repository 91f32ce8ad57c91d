"""Projects of one database, whose tables a test declares."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from tests.commands import Inside
from tests.migrate.edits import Edit
from tests.stores import Store

_TIME = re.compile(r"(t[sz])'([^']*)'")


def specs(project: Inside, store: Store, tables: dict[str, str]) -> None:
    """Writes a project of these tables: their YAML by their names."""
    where = "url: '${STORE}'" if store.dsn else f"path: {store.file}.{store.kind}"
    lines = ["connections:", f"  w: {{ kind: {store.kind}, {where} }}", *(["tables:"] if tables else [])]
    for name, text in tables.items():
        lines += [f"  {name}:", "    connection: w", *(f"    {line}" for line in text.splitlines())]
    project.write("specs/project.yaml", "\n".join(lines) + "\n")


def fill(store: Store, edit: Edit) -> None:
    """Inserts the rows of an edit, as its engine reads them."""
    if edit.rows:
        own = {
            "sqlite": {"ts": r"'\2.000000'", "tz": r"'\2.000000+00:00'"},
            "postgres": {"ts": r"'\2'", "tz": r"'\2+00'"}, "duckdb": {"ts": r"'\2'", "tz": r"'\2+00'"},
        }.get(store.kind, {"ts": r"'\2'", "tz": r"'\2'"})  # fmt: skip
        rows = _TIME.sub(lambda match: match.expand(own[match[1]]), edit.rows)
        store.run(f"INSERT INTO {edit.table} ({_listed(column_names(edit.before)[: _width(rows)])}) VALUES {rows}")


def _width(rows: str) -> int:
    """The number of values of the first row."""
    return len(re.sub(r"'(?:[^']|'')*'", "", rows).partition(")")[0].split(","))


def column_names(text: str) -> list[str]:
    """The names of the columns that a table's YAML declares, in order."""
    return list(yaml.safe_load(text)["columns"])


def _listed(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
