"""Columns of targets, followed back to the columns that they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowc.catalog import Column
from flowc.compiler.dialects import RUNNER
from flowc.compiler.ir import Origin, Source, Sql
from flowc.compiler.lineage.flows import ColumnFlow, Dataset
from flowc.compiler.lineage.unnamed import unnamed_sources
from flowc.compiler.lineage.writes import Write, dataset, source_datasets
from flowc.compiler.loads.load import VALID_FROM, find_column
from flowc.nodes import TIME

End = tuple[Dataset, str]
"""A dataset and a column of it."""


def column_flows(write: Write) -> Iterator[ColumnFlow]:
    """What each column of a target is made of, as far as that is known."""
    made = {name: tuple(ends) for name, ends in _input_columns(write)}
    writer, target = write.writer, write.writer.target
    for name, ends in made.items():
        for written in _written(write, name):
            yield from (ColumnFlow(*end, target, written, writer.name, writer.stream) for end in ends)
    for column, names in write.normalize:
        for name in names:
            yield from (ColumnFlow(*end, target, column, writer.name, writer.stream) for end in made.get(name, ()))


def _input_columns(write: Write) -> Iterator[tuple[str, Iterable[End]]]:
    """Each column of the input, with the columns of datasets that it is made of."""
    node = write.node
    if isinstance(node, Source):
        for column in node.columns or _same_columns(write):
            yield column.name, _source_ends(node, column.name)
    elif node is not None:
        for column, origins in zip(node.columns or (), node.origins or (), strict=False):
            ends = [end for origin in origins for end in _origin_ends(write, node, origin)]
            yield column.name, ends or list(_unnamed_ends(write, node, column.name))


def _unnamed_ends(write: Write, node: Sql, column: str) -> Iterator[End]:
    """What a column of a stream is made of that no column of its SQL tells; of lookups, it is made of nothing."""
    made = unnamed_sources(node, column) if write.writer.stream else ()
    sources = (source for source in write.inputs if source.name not in write.lookups)
    return (end for source in sources for name in made for end in _source_ends(source, name))


def _origin_ends(write: Write, node: Sql, origin: Origin) -> list[End]:
    """What a column that a query reads is: one of a table of its database, or of a source by that source's name."""
    if node.engine != RUNNER:
        return [(dataset(write.connection, node.engine, origin.table), origin.column)]
    source = next((source for source in write.inputs if source.name == origin.table.name), None)
    return _source_ends(source, origin.column) if source is not None else []


def _source_ends(source: Source, column: str) -> list[End]:
    """What a column of a source is made of: itself, or what the source's own SQL makes it of."""
    if column == TIME:
        column = str(source.options.get("event_time", TIME))
    if source.sql is None:
        return [(dataset, column) for _, dataset in source_datasets(source)]
    made = zip(source.columns or (), source.origins or (), strict=False)
    origins = next((found for held, found in made if held.name == column), ())
    return [(dataset(source.connection, source.kind, origin.table), origin.column) for origin in origins]


def _written(write: Write, name: str) -> Iterator[str]:
    """The columns of the target that a column of the input goes into."""
    if write.table is None:
        yield name
    elif (column := find_column(write.table.columns, name)) is not None:
        yield column.name
    if name == write.event_time and name != VALID_FROM:
        yield VALID_FROM


def _same_columns(write: Write) -> tuple[Column, ...]:
    """A source that is copied whole and declared nowhere has the columns of its declared target."""
    return write.table.columns if write.table else ()
