"""`misspelled-table`: a table that no spec declares, and that has nearly the name of one that is known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.inputs import Input, Read
from flowc.compiler.sql.relations import table_key

_NEAR = 0.87
"""So near that they differ by one letter, or by an ending."""


def report_near_misses(inputs: Iterable[Input], lowering: Lowering) -> None:
    """Warns of tables that are read under a name that may be misspelled."""
    for read in (read for given in inputs for read in given.reads if read.kind in DIALECTS):
        if lowering.catalogue.find(read.connection, read.kind, read.table) is None:
            near = _near(read, lowering)
            if near is not None:
                message = f"no spec declares `{read.table}`, and its name is nearly that of `{near}`"
                helps = (f"did you mean `{near}`?", "declare it under `tables`, if it is another table")
                lowering.reporter.warning("misspelled-table", message, read.span, helps=helps)


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
