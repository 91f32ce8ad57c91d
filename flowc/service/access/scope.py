"""Which project is at work, and what it declares: by that it knows what of a database is its own."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.project import ProjectSpec
from flowc.migration import Snapshot

_DEFAULT_SCHEMA = {"postgres": "public", "duckdb": "main"}
_FOLDED = ("sqlite", "duckdb")
"""The kinds whose names of tables are the same in any case."""


def plain_name(name: TableName, kind: str, here: str | None = None) -> TableName:
    """The one form of a table's names in a database: without the schema that a name without one means, or `here`."""
    fold = DIALECTS[kind].names.fold if kind in _FOLDED else str
    schema = None if name.schema in (None, here or _DEFAULT_SCHEMA.get(kind)) else fold(str(name.schema))
    return TableName(schema, fold(name.name))


@dataclass(frozen=True, slots=True)
class Scope:
    """A project's name, and the names of the tables, pipelines and streams of its specs."""

    project: str = ""
    tables: frozenset[TableName] = frozenset()
    loads: frozenset[str] = frozenset()

    def matches(self, snapshot: Snapshot, kind: str) -> bool:
        """Whether what an older version applied, without a project's name, is of this project: it has half of it."""
        mine = {plain_name(name, kind) for name in self.tables}
        found = [plain_name(entry.table.name, kind) in mine for entry in snapshot.tables]
        found = found or [entry.name in self.loads for entry in snapshot.pipelines]
        return 2 * sum(found) >= len(found)


def scope_of(project: ProjectSpec) -> Scope:
    """The scope of a project."""
    tables = frozenset(table.table_name for table in project.tables.values())
    return Scope(project.name, tables, frozenset((*project.pipelines, *project.streams)))
