"""Where in the specs the changes of a plan were declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowc.catalog import Index
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ColumnSpec, TableSpec
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.migrate.describe import index_words
from flowc.migration import Change, TableChanges
from flowc.source import Span


def placed(tables: Sequence[TableChanges], project: ProjectSpec) -> tuple[TableChanges, ...]:
    """The same changes, each with its place; what no spec declares any more has none."""
    return tuple(
        replace(entry, changes=tuple(_placed(change, _span(change, entry, project)) for change in entry.changes))
        for entry in tables
    )


def _placed(change: Change, span: Span | None) -> Change:
    return change if span is None else replace(change, place=span.place)


def _span(change: Change, entry: TableChanges, project: ProjectSpec) -> Span | None:
    if entry.stream in project.streams:
        return _target(entry, project.streams[entry.stream])
    spec = project.tables.get(entry.key)
    return None if spec is None else _declared(change, spec)


def _target(entry: TableChanges, stream: StreamSpec) -> Span:
    """The target of a stream that names the table, or its dead letters; else the stream itself."""
    letters = stream.dead_letter.table if stream.dead_letter is not None else None
    named = (name for name in (*(target.table for target in stream.to), letters) if name is not None)
    found = (name.span for name in named if name.value in (str(entry.name), entry.name.name))
    return next(found, stream.name.span)


def _declared(change: Change, spec: TableSpec) -> Span:
    column = next((column for column in spec.columns if column.name.value == change.column), None)
    if column is not None:
        return _column(change, column)
    if change.kind == "add_key" and spec.primary_key:
        return spec.primary_key[0].span
    indexes = ((i.span, Index(tuple(c.value for c in i.columns), i.unique)) for i in spec.indexes)
    made = (span for span, index in indexes if change.kind == "create_index" and index_words(index) == change.after)
    return next(made, spec.key.span)


def _column(change: Change, column: ColumnSpec) -> Span:
    if change.kind == "alter_type":
        return column.type.span
    of_default = change.kind in ("set_default", "alter_generation") and column.default is not None
    return column.default.span if of_default and column.default is not None else column.name.span
