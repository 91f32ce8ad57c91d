"""`misspelled-table`: a table that no spec declares, and that has nearly the name of one that is known."""

from __future__ import annotations

from collections import Counter
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
    """Warns of tables that are read under a name that may be misspelled.

    One that several pipelines read is no slip of the pen: whether it is there, a connection alone can tell.
    """
    found = [{_key(read): read for read in given.reads if read.kind in DIALECTS} for given in inputs]
    often = Counter(key for reads in found for key in reads)
    for read in (read for reads in found for key, read in reads.items() if often[key] == 1):
        if lowering.catalogue.find(read.connection, read.kind, read.table) is None:
            near = _near(read, lowering)
            if near is not None:
                message = f"no spec declares `{read.table}`, and its name is nearly that of `{near}`"
                helps = (f"did you mean `{near}`?", "declare it under `tables`, if it is another table")
                lowering.reporter.warning("misspelled-table", message, read.span, helps=helps)


def _key(read: Read) -> tuple[str, str, str]:
    return table_key(read.connection, read.kind, read.table)


def _near(read: Read, lowering: Lowering) -> TableName | None:
    """The known table of the same schema with nearly the same name; digits tell tables apart."""
    _, schema, name = _key(read)
    known = {
        table.lower(): table
        for connection, where, table in lowering.catalogue.names()
        if (connection, where) == (read.connection, schema) and _digits(table) == _digits(name)
    }
    near = get_close_matches(name.lower(), known, n=1, cutoff=_NEAR)
    return TableName(read.table.schema, known[near[0]]) if near else None


def _digits(name: str) -> str:
    return "".join(letter for letter in name if letter.isdigit())
