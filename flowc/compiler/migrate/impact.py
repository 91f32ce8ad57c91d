"""Who reads a column that changes: the loads of the project, followed from column to column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.catalog import ALL_COLUMNS, READS
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.lineage import ColumnFlow, Dataset, Graph, dataset
from flowc.migration import Change, TableChanges

_TOUCHING = {
    "drop_column": "is dropped", "rename_column": "is renamed", "alter_type": "changes its type",
    "drop_not_null": "may be NULL",
}  # fmt: skip

Readers = Mapping[tuple[Dataset, str], Sequence[ColumnFlow]]


def with_impact(tables: Sequence[TableChanges], graph: Graph) -> tuple[TableChanges, ...]:
    """The same changes, each with notes of what reads the column it touches, directly and further on."""
    readers: dict[tuple[Dataset, str], list[ColumnFlow]] = defaultdict(list)
    for flow in graph.columns:
        readers[flow.source, flow.source_column].append(flow)
    return tuple(replace(t, changes=tuple(_noted(c, t, readers) for c in t.changes)) for t in tables)


def _noted(change: Change, table: TableChanges, readers: Readers) -> Change:
    if change.kind == "drop_table":
        notes = tuple(dict.fromkeys(note for column in _columns(table) for note in _notes(column, table, readers)))
    elif change.kind in _TOUCHING:
        column = change.before if change.kind == "rename_column" else change.column
        notes = tuple(_notes(column or "", table, readers))
        if change.kind == "rename_column":
            notes += tuple(_notes(change.after or "", table, readers))
    else:
        return change
    return replace(change, notes=(*change.notes, *notes, *_dependents(change, table)))


def _columns(table: TableChanges) -> tuple[str, ...]:
    return table.live.column_names if table.live else ()


def _notes(column: str, table: TableChanges, readers: Readers) -> Iterator[str]:
    start = dataset(table.connection, table.kind, table.name)
    for flow, through in _downstream((start, column), readers):
        way = f", through `{through}`" if through else ""
        yield f"`{flow.pipeline}` reads `{column}` into `{flow.target}.{flow.target_column}`{way}"


def broken_readers(tables: Sequence[TableChanges], graph: Graph) -> dict[str, tuple[str, ...]]:
    """By pipeline, the columns that it reads although a change takes them away. Streams are not among them."""
    found: dict[str, list[str]] = defaultdict(list)
    gone = [(dataset(t.connection, t.kind, t.name), column) for t in tables for column in _taken(t)]
    for flow in graph.columns:
        if not flow.stream and (flow.source, flow.source_column) in gone:
            found[flow.pipeline].append(f"{flow.source}.{flow.source_column}")
    return {pipeline: tuple(dict.fromkeys(columns)) for pipeline, columns in found.items()}


def _taken(table: TableChanges) -> Iterator[str]:
    """The columns that are no longer there, under the names that they had."""
    for change in table.changes:
        if change.kind == "drop_table":
            yield from _columns(table)
        elif change.kind == "drop_column":
            yield change.column or ""
        elif change.kind == "rename_column" and change.before:
            yield change.before


def _downstream(start: tuple[Dataset, str], readers: Readers) -> Iterator[tuple[ColumnFlow, str | None]]:
    """Each flow that the column reaches, once, with the pipeline that it came through."""
    seen = {start}
    waiting: list[tuple[tuple[Dataset, str], str | None]] = [(start, None)]
    while waiting:
        at, through = waiting.pop(0)
        for flow in readers.get(at, ()):
            yield flow, through
            reached = (flow.target, flow.target_column)
            if reached not in seen:
                seen.add(reached)
                waiting.append((reached, flow.pipeline))


def _dependents(change: Change, table: TableChanges) -> Iterator[str]:
    """What of the table's dependents the change touches: all of a table that goes, else those of the column."""
    live = table.live
    if live is None or change.kind == "drop_not_null":
        return
    for dependent in (*live.dependents, *(live.routines if change.kind != "alter_type" else ())):
        name, _, read = dependent.partition(READS)
        if change.kind == "drop_table":
            yield f"{name} depends on the table"
        else:
            yield from _touched(change, table, name, read.split(", "))


def _touched(change: Change, table: TableChanges, name: str, read: Sequence[str]) -> Iterator[str]:
    old = (change.before if change.kind == "rename_column" else change.column) or ""
    if change.kind == "rename_column" and DIALECTS[table.kind].tables.renames_in_code:
        return
    live = table.live.column(old) if table.live is not None else None
    named = f"`{old}`" in read
    if named and change.kind != "alter_type":
        what, mend = ("reads", "drop the view, or make it anew") if name.startswith("view ") else ("names", "change it")
        yield f"{name} {what} `{old}`, and fails without it: {mend}"
    elif ALL_COLUMNS in read:
        yield f"{name} depends on the table"
    elif change.kind == "alter_type" and (named or (live is not None and name in live.bound)):
        yield f"{name} depends on `{old}`"
