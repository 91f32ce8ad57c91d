"""Tables that no spec declares under names that may mean declared ones: nearly theirs, or keys of other connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.inputs import Input, Read
from flowc.compiler.lowering.tablekeys import as_source, home_of
from flowc.compiler.sql.relations import table_key

_NEAR = 0.87
"""So near that they differ by one letter, or by an ending."""


def report_near_misses(inputs: Mapping[str, Input], lowering: Lowering) -> None:
    """Warns of tables that are read under a name that may be misspelled, or that is the key of one elsewhere."""
    copied = {place for name, given in inputs.items() for place in _copied(name, given, lowering)}
    for read in (read for given in inputs.values() for read in given.reads if read.kind in DIALECTS):
        if lowering.catalogue.find(read.connection, read.kind, read.table) is None:
            near = _near(read, lowering)
            if near is not None:
                message = f"no spec declares `{read.table}`, and its name is nearly that of `{near}`"
                helps = (f"did you mean `{near}`?", "declare it under `tables`, if it is another table")
                lowering.reporter.warning("misspelled-table", message, read.span, helps=helps)
            elif (read.connection, str(read.table)) not in copied:
                _report_elsewhere(read, lowering)


def _copied(name: str, given: Input, lowering: Lowering) -> Iterator[tuple[str, str]]:
    """The tables that a pipeline takes over under their own names, so that those are told to be there."""
    targets = (target.table for target in lowering.checked.pipelines[name].targets)
    keys = {table.key.value for table in targets if table is not None}
    return ((read.connection, str(read.table)) for read in given.reads if str(read.table) in keys)


def _report_elsewhere(read: Read, lowering: Lowering) -> None:
    key, project = str(read.table), lowering.checked.project
    table = project.tables.get(key)
    if table is not None:
        home = home_of(table, project)
        message = f"`{key}` is read in `{read.connection}`, where no spec declares it: the declared one is in `{home}`"
        helps = (*as_source(key, home), f"declare it under `tables` for `{read.connection}`, if it is another table")
        lowering.reporter.warning("table-elsewhere", message, read.span, helps=helps)


def _near(read: Read, lowering: Lowering) -> TableName | None:
    """The known table of the same schema with nearly the same name; digits tell tables apart."""
    _, schema, name = table_key(read.connection, read.kind, read.table)
    known = {
        table.lower(): table
        for connection, where, table in lowering.catalogue.names()
        if (connection, where) == (read.connection, schema) and _digits(table) == _digits(name)
    }
    near = get_close_matches(name.lower(), known, n=1, cutoff=_NEAR)
    return TableName(read.table.schema, known[near[0]]) if near else None


def _digits(name: str) -> str:
    return "".join(letter for letter in name if letter.isdigit())
