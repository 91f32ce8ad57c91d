"""What a bare name in SQL means: a table by the key that the project gives it, where no table there has that very name.

The text is rewritten before anything else looks at it, so that all that follows sees the table's own name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from sqlglot import exp, parse

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.connections import find_connection
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec, TableSpec
from flowc.compiler.quote import quoted, quoted_table
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import field_key, fold, output_name, table_key
from flowc.compiler.sql.text.sqltext import FAULTS, SqlTree
from flowc.compiler.sql.types.tablerefs import Edit, outer_tables
from flowc.diagnostics import Note, Reporter
from flowc.source import MappedText

_WITHOUT_ALIAS = ("TABLE", "SUMMARIZE", "DESCRIBE")
"""Words before a table that is called nothing else."""


def home_of(table: TableSpec, project: ProjectSpec) -> str:
    """The connection that a declared table is in."""
    found = find_connection(project.connections, table.connection.value)
    return found.name.value if found else table.connection.value


def as_source(key: str, home: str) -> tuple[str]:
    """How a table is read by SQL that runs elsewhere."""
    return (f"read it as one of several sources: `from: {{ {key}: {{ connection: {home}, … }} }}`",)


@dataclass(frozen=True, slots=True)
class TableKeys:
    """The tables of one connection that a bare name means by their keys, which are folded as its engine does.

    A key is none where the project has a table of that very name in the default schema: that is what the engine reads.
    """

    kind: str
    keys: Mapping[str, list[TableSpec]]
    hidden: Mapping[str, TableSpec]
    """Those of which the key is the very name of another table, which is read instead."""

    @staticmethod
    def of(connection: ConnectionSpec, checked: CheckedSpec) -> TableKeys:
        """Those of a project."""
        name, kind = connection.name.value, connection.kind.value
        declared = [t for t in checked.project.tables.values() if home_of(t, checked.project) == name]
        names = chain((table.table_name for table in declared), _written(name, checked))
        taken = {table_key(name, kind, each) for each in names}
        keys: dict[str, list[TableSpec]] = {}
        hidden: dict[str, TableSpec] = {}
        for table in declared:
            bare = table_key(name, kind, TableName(None, table.key.value))
            if bare not in taken:
                keys.setdefault(field_key(table.key.value, kind), []).append(table)
            elif bare != table_key(name, kind, table.table_name):
                hidden[field_key(table.key.value, kind)] = table
        return TableKeys(kind, keys, hidden)

    def edits(self, parsed: SqlTree, writes: Collection[str], reporter: Reporter) -> Iterator[Edit]:
        """What is to stand in the text for the keys in it; a name with two meanings is reported.

        `writes` are the keys of what the text fills.
        """
        for node in outer_tables(parsed.tree, self.kind) if self.keys or self.hidden else ():
            self._warn_hidden(parsed, node, reporter)
            found = self._meant(node)
            if len(found) > 1 or any(table.key.value in writes for table in found):
                self._report(parsed, node, found, reporter)
            for table in found[:1]:
                yield _edit(parsed, node, table.table_name, self.kind)

    def check_statement(self, text: MappedText, dialect: str, reporter: Reporter) -> None:
        """Warns of keys in a statement that its database runs as it is written."""
        for tree in _statements(text.text, dialect) if self.keys else ():
            for node in outer_tables(tree, self.kind):
                made = node.find_ancestor(exp.Create, exp.Drop) if node.find_ancestor(exp.Query) is None else None
                for table in () if made else self._meant(node)[:1]:
                    message = f"`{node.name}` is not the declared table `{table.table_name}` here"
                    note = Note("statements around a load are run as they are written, keys of tables included")
                    helps = (f"write `{{{{ ref('{table.key.value}') }}}}`", "write the schema, if another one is meant")
                    span = SqlTree(tree, text, dialect).span(node.this)
                    reporter.warning("table-key-in-statement", message, span, notes=(note,), helps=helps)

    def _warn_hidden(self, parsed: SqlTree, node: exp.Table, reporter: Reporter) -> None:
        table = self.hidden.get(fold(node.this, self.kind)) if not node.args.get("db") else None
        if table is None:
            return
        schema = self._default_schema
        message = f"`{node.name}` is the table of that name here, and not `{table.table_name}`, whose key it is too"
        notes = (Note(f"{table.table_name} has the key `{table.key.value}` here", table.key.span),)
        helps = [f"write `{{{{ ref('{table.key.value}') }}}}` for `{table.table_name}`"]
        helps += [f"name the other one with its schema: `{schema}.{node.name}`"] if schema else []
        reporter.warning("hidden-table-key", message, parsed.span(node.this), notes=notes, helps=helps)

    @property
    def _default_schema(self) -> str | None:
        dialect = DIALECTS.get(self.kind)
        return dialect.names.default_schema if dialect is not None else None

    def _meant(self, node: exp.Table) -> Sequence[TableSpec]:
        return self.keys.get(fold(node.this, self.kind), ()) if not node.args.get("db") else ()

    def _report(self, parsed: SqlTree, node: exp.Table, found: Sequence[TableSpec], reporter: Reporter) -> None:
        tables = [(table.key, f"`{table.table_name}`") for table in found]
        schema = self._default_schema
        meanings = [name for _, name in tables]
        if len(tables) == 1:
            meanings = [f"the declared table {meanings[0]}", "another one that its database finds by that name"]
        helps = [f"write `{{{{ ref('{key.value}') }}}}` for {name}" for key, name in tables]
        if len(tables) == 1:
            helps.append(f"name the other one with its schema: `{schema or '…'}.{node.name}`")
        notes = [Note(f"{name} is declared here", key.span) for key, name in tables]
        message = f"`{node.name}` may be {' or '.join(meanings)}"
        reporter.error("ambiguous-table", message, parsed.span(node.this), notes=notes, helps=helps)


def _written(connection: str, checked: CheckedSpec) -> Iterator[TableName]:
    """The tables that pipelines and streams write there."""
    for target in chain.from_iterable(pipeline.targets for pipeline in checked.pipelines.values()):
        if target.connection.name.value == connection:
            yield target.name
    for stream in checked.streams.values():
        for each in stream.targets:
            if each.spec.connection is not None and each.connection.name.value == connection and each.name is not None:
                yield each.name


def _statements(sql: str, dialect: str) -> Iterator[exp.Expression]:
    """What can be read of the statements of a text; engines know more of them than the parser."""
    with suppress(RecursionError, *FAULTS):
        yield from (tree for tree in parse(sql, dialect) if tree is not None)


def _edit(parsed: SqlTree, node: exp.Table, name: TableName, kind: str) -> Edit:
    """The table's own name, called as it was called: an alias only where its last part is another."""
    (start, end), called = marks.position(node.this), output_name(node.this, kind)
    written = quoted_table(name, parsed.dialect)
    bare = parsed.text.text[:start].rstrip().upper().endswith(_WITHOUT_ALIAS)
    keeps = bare or name.name == called or node.args.get("alias") is not None
    return start, end, written if keeps else f"{written} AS {quoted(called, parsed.dialect)}"
