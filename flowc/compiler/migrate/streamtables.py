"""The tables that streams write and no spec declares: made where they are missing, and never changed.

What a stream does with a table that is there already follows the run: values are fitted one by one; a column that the
table lacks, and what no row could get into, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from flowc.catalog import Column, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.loads.load import find_column
from flowc.compiler.migrate.tableplan import created
from flowc.compiler.tables.ddl import keyed_table
from flowc.compiler.tables.difference import same_type
from flowc.compiler.tables.narrowing import Fit, fit
from flowc.errors import UsageError
from flowc.migration import Change, Risk, TableChanges, WantedTable

_BY_HAND = "flowc changes only tables that a spec declares"


@dataclass(frozen=True, slots=True)
class StreamTable:
    """One such table of one stream. `made` is the table that the stream makes of its rows where there is none.

    It is None where the columns are not known yet, and `unknown` says why; `refused` says why the stream would not
    write the table.
    """

    connection: str
    kind: str
    stream: str
    name: TableName
    made: Table | None = None
    unknown: str = ""
    refused: str = ""
    letters: bool = False
    """It takes the stream's dead letters, not its rows."""

    @property
    def label(self) -> str:
        """The table's full name."""
        return f"{self.connection}.{self.name}"


def plan_stream_tables(
    tables: Sequence[StreamTable], live: Mapping[TableName, Table], declared: Mapping[TableName, Table]
) -> tuple[TableChanges, ...]:
    """What happens to the tables of streams in one database. `declared` are those that its specs declare."""
    there, found = {**live, **declared}, list[TableChanges]()
    for table in tables:
        changes = _one(table, there.get(table.name))
        if table.made is not None and not table.refused:
            there.setdefault(table.name, table.made)  # another stream may write it too
        found.append(replace(changes, live=live.get(table.name)))
    return tuple(found)


def _one(table: StreamTable, there: Table | None) -> TableChanges:
    entry = TableChanges(table.connection, table.kind, table.name, "", (), stream=table.stream)
    if table.refused:
        return replace(entry, changes=(_refused(table, there),))
    if table.made is None:
        words = f"stream `{table.stream}` makes it when it runs: {table.unknown}"
        return entry if there is not None else replace(entry, notes=(words,))
    if there is None:
        return replace(entry, changes=(_made(table, table.made),), wanted=table.made)
    changes, notes = _fitted(table, table.made, there)
    return replace(entry, changes=changes, notes=notes)


def _made(table: StreamTable, made: Table) -> Change:
    what = f"it takes the dead letters of stream `{table.stream}`"
    note = what if table.letters else f"no spec declares it: its columns are the output of stream `{table.stream}`"
    try:
        return replace(created(WantedTable(table.connection, table.kind, "", made)), notes=(note,))
    except UsageError as error:
        return _refused(replace(table, refused=error.message), None)


def _refused(table: StreamTable, there: Table | None) -> Change:
    summary = f"take the rows of stream `{table.stream}`"
    kind, summary = ("create_table", "create table") if there is None else ("alter_table", summary)
    return Change(kind, table.label, Risk.ADDITIVE, summary, blocked=table.refused)


def _fitted(table: StreamTable, made: Table, there: Table) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What would have to change for the rows to get into the table that is there, and what does not fit and may stay.

    A table of a stream has the columns of its rows, so `made` stands for them.
    """
    dialect = DIALECTS[table.kind]
    pairs = [(c, find_column(there.columns, c.name)) for c in keyed_table(made, dialect).columns]
    changes = [
        _type_change(table, c, found) for c, found in pairs if found and _verdict(c, found, dialect) is Fit.NEVER
    ]
    changes += [_missing(table, column) for column, found in pairs if found is None]
    changes += [_null_change(table, column) for column in _required(made, there)]
    return tuple(changes), tuple(_notes(table, pairs, dialect))


def _verdict(column: Column, found: Column, dialect: Dialect) -> Fit:
    return Fit.EXACT if same_type(column.type, found.type, dialect) else fit(column.type, found.type)


def _type_change(table: StreamTable, column: Column, found: Column) -> Change:
    return Change(
        "alter_type", f"{table.label}.{found.name}", Risk.INCOMPATIBLE,
        summary=f"change type of {found.name} from {found.type} to {column.type}", before=str(found.type),
        after=str(column.type), column=found.name,
        blocked=f"{_BY_HAND}; stream `{table.stream}` gives {column.type}, and no value of that "
        "fits: change the column, or CAST it in the SQL",
    )  # fmt: skip


def _missing(table: StreamTable, column: Column) -> Change:
    return Change(
        "add_column", f"{table.label}.{column.name}", Risk.ADDITIVE, f"add column {column.name} {column.type}",
        column=column.name,
        blocked=f"{_BY_HAND}; stream `{table.stream}` gives this one: declare the table or add the column, or leave "
        "it out in the SQL",
    )  # fmt: skip


def _null_change(table: StreamTable, column: Column) -> Change:
    return Change(
        "drop_not_null", f"{table.label}.{column.name}", Risk.INCOMPATIBLE, f"allow NULL in {column.name}",
        column=column.name,
        blocked=f"{_BY_HAND}; stream `{table.stream}` gives no value for it: change the "
        "column, or select it in the SQL",
    )  # fmt: skip


def _required(made: Table, there: Table) -> Iterator[Column]:
    for column in there.columns:
        if not column.nullable and column.default is None and find_column(made.columns, column.name) is None:
            yield column


def _notes(table: StreamTable, pairs: Sequence[tuple[Column, Column | None]], dialect: Dialect) -> Iterator[str]:
    for column, found in pairs:
        if found is not None and _verdict(column, found, dialect) is Fit.NARROWER:
            yield (
                f"column `{found.name}` is {found.type}, and stream `{table.stream}` gives {column.type}: a value that "
                "does not fit is a bad row"
            )
