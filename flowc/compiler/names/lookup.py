"""Looking up the names of a project, with a diagnostic for those that it does not know.

One cause, one message: a name whose entry was written but is broken, or that may be in a file which could not be read,
is not called unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flowc.catalog import TableName
from flowc.compiler.front.connections import find_connection, variable_name
from flowc.compiler.front.places import Place
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec, Name, TableSpec
from flowc.diagnostics import Note, Reporter, did_you_mean

MAX_COMPARED = 30_000
"""Near matches are looked for among all names; a huge project full of unknown names gets only the first of them."""

_CODES = {
    "connections": "unknown-connection", "tables": "unknown-table", "pipelines": "unknown-pipeline",
    "streams": "unknown-stream",
}  # fmt: skip


class Lookup:
    """The names of one project."""

    def __init__(self, project: ProjectSpec, reporter: Reporter) -> None:
        self.project = project
        self.reporter = reporter
        self._budget = MAX_COMPARED
        self._databases: dict[str, Place] = {}
        self._tables = {(t.connection.value, t.table_name): t for t in project.tables.values()}

    def database(self, connection: ConnectionSpec) -> Place:
        """The database, cluster or folder that a connection names."""
        name = connection.name.value
        if name not in self._databases:
            self._databases[name] = self.project.database(name)
        return self._databases[name]

    def connection(self, name: Name) -> ConnectionSpec | None:
        """The connection of that name."""
        found = find_connection(self.project.connections, name.value)
        if found is None:
            hint = f"declare it under `connections`, or set the variable `{variable_name(name.value)}`"
            if "://" in name.value:
                hint = 'give the address a name: `connections: {db: {kind: postgres, url: "${DB_URL}"}}`'
            self._unknown("connections", name, self.project.connections, hint)
        return found

    def table(self, name: Name) -> TableSpec | None:
        """The declared table of that key."""
        found = self.project.tables.get(name.value)
        if found is None:
            self._unknown("tables", name, self.project.tables, self._table_hint(name.value))
        return found

    def _table_hint(self, name: str) -> str:
        """How to write a target; for a connection's name, or a table behind it, what was meant."""
        first, dot, rest = name.partition(".")
        if first in self.project.connections:
            return f"write `{{connection: {first}, table: {rest if dot else '…'}}}`"
        return "declare it under `tables`, or name its connection: `{connection: …, table: …}`"

    def table_at(self, connection: ConnectionSpec, name: TableName) -> TableSpec | None:
        """The declaration of a table that is named by its place, if there is one."""
        return self._tables.get((connection.name.value, name))

    def entry(self, section: str, name: Name, known: Collection[str]) -> bool:
        """Whether a pipeline, stream or function of that name exists."""
        if name.value in known:
            return True
        self._unknown(section, name, known, f"declare it under `{section}`")
        return False

    def column(self, name: Name, table: TableSpec, known: Iterable[str], role: str) -> bool:
        """Whether a declared table has a column."""
        names = tuple(known)
        if name.value in names:
            return True
        note = Note(f"table `{table.key.value}` is declared here", table.key.span)
        helps = did_you_mean(name.value, names) or (f"add `{name.value}` to its columns",)
        message = f"{role} `{name.value}` is not a column of table `{table.key.value}`"
        self.reporter.error("unknown-column", message, name.span, notes=(note,), helps=helps)
        return False

    def _unknown(self, section: str, name: Name, known: Collection[str], hint: str) -> None:
        broken = self.project.broken
        if not self.project.complete or () in broken or (section,) in broken or (section, name.value) in broken:
            return
        noun = section.removesuffix("s")
        helps = self._near(name, known) or (hint,)
        self.reporter.error(_CODES[section], f"there is no {noun} `{name.value}`", name.span, helps=helps)

    def _near(self, name: Name, known: Collection[str]) -> tuple[str, ...]:
        if self._budget <= 0:
            return ()
        self._budget -= len(known)
        return did_you_mean(name.value, known)
