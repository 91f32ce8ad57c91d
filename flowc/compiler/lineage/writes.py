"""What pipelines and streams write, each target with all that is read for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from flowc.catalog import Table, TableName
from flowc.compiler.dialects import DIALECTS, RUNNER
from flowc.compiler.ir import Apply, Ir, Lookup, Output, Source, Sql, Stream, Target
from flowc.compiler.lineage.flows import Dataset, Flow, Writer
from flowc.compiler.tables.letters import letters_place


@dataclass(frozen=True, slots=True)
class Write:
    """One target: who writes it, what is read for it, and the rows' node, None where columns are not followed.

    `connection` is where the SQL of a node without inputs runs. `table` is the target's declaration.
    """

    writer: Writer
    node: Sql | Source | None
    inputs: tuple[Source, ...]
    connection: str
    table: Table | None = None
    event_time: str | None = None
    normalize: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Columns of the target, and the columns of the node that a normaliser makes each of."""
    lookups: frozenset[str] = frozenset()


def writes_of(ir: Ir) -> list[Write]:
    """All of a project, pipelines first."""
    writes = [_of_pipeline(apply) for pipeline in ir.pipelines for apply in pipeline.applies]
    return writes + [write for stream in ir.streams for write in _of_stream(stream)]


def flows_of(write: Write) -> Iterator[Flow]:
    """What is read for a target."""
    node = write.node
    if isinstance(node, Sql) and node.engine != RUNNER:
        yield from (Flow(dataset(write.connection, node.engine, read), write.writer) for read in node.reads)
        return
    for source in write.inputs:
        for _, read in source_datasets(source):
            yield Flow(read, write.writer, source.name in write.lookups)


def _of_pipeline(apply: Apply) -> Write:
    target = dataset(apply.target.connection, apply.target.kind, apply.target.name)
    node, kind = apply.input, apply.target.kind
    return Write(
        Writer(apply.pipeline, target, apply.mode), node, (node,) if isinstance(node, Source) else node.inputs,
        connection=_connection(apply, node), table=apply.target.table,
        event_time=apply.event_time if apply.mode == "scd2" else None,
        normalize=tuple((column.column, _columns_in(column.sql, kind)) for column in apply.normalize),
    )  # fmt: skip


def _of_stream(stream: Stream) -> Iterator[Write]:
    """Its targets, and where its dead letters go: these hold messages as they came, so no column is followed there."""
    lookups = tuple(map(_of_lookup, stream.lookups))
    inputs, node = (*stream.sources, *lookups), None if stream.unplanned else stream.input
    names = frozenset(lookup.name for lookup in lookups)
    for apply in stream.applies:
        writer = Writer(stream.name, _place(apply.target), apply.mode, stream=True)
        yield Write(writer, node, inputs, apply.target.connection, apply.target.table, lookups=names)
    for output in stream.outputs:
        if output.address:
            writer = Writer(stream.name, _place(output), "append", stream=True)
            yield Write(writer, node, inputs, output.connection, lookups=names)
    letters = letters_place(stream) if stream.sets_aside else None
    if letters is not None and (isinstance(letters, Target) or letters.address):
        writer = Writer(stream.name, _place(letters), "dead letters", stream=True)
        yield Write(writer, None, stream.sources, letters.connection)


def _of_lookup(lookup: Lookup) -> Source:
    sql = lookup.query if lookup.table is None else None
    return Source(
        lookup.name, lookup.name, lookup.connection, kind=lookup.kind, table=lookup.table, sql=sql,
        columns=lookup.columns, origins=lookup.origins,
    )  # fmt: skip


def _place(place: Target | Output) -> Dataset:
    if isinstance(place, Target):
        return dataset(place.connection, place.kind, place.name)
    return Dataset(place.connection, place.address)


def _connection(apply: Apply, node: Sql | Source) -> str:
    inputs = node.inputs if isinstance(node, Sql) else ()
    return inputs[0].connection if inputs else apply.target.connection


def dataset(connection: str, kind: str, name: TableName) -> Dataset:
    """A table as lineage names it: without its schema where that is the engine's default."""
    dialect = DIALECTS.get(kind)
    schema = None if dialect is not None and name.schema == dialect.names.default_schema else name.schema
    return Dataset(connection, str(TableName(schema, name.name)))


def source_datasets(source: Source) -> Iterator[tuple[str, Dataset]]:
    """What a source reads, by the name that SQL has for it."""
    if source.table is not None:
        yield source.name, dataset(source.connection, source.kind, source.table)
    elif source.path is not None:
        yield source.name, Dataset(source.connection, source.path)
    elif source.sql is not None:
        for name in _tables_of(source.sql, source.kind):
            yield str(name), dataset(source.connection, source.kind, name)


def _tables_of(sql: str, kind: str) -> list[TableName]:
    tree = _parse(sql, kind)
    if tree is None:
        return []
    inner = {cte.alias for cte in tree.find_all(exp.CTE)}
    names = (TableName(table.db or None, table.name) for table in tree.find_all(exp.Table))
    return [name for name in dict.fromkeys(names) if name.schema or name.name not in inner]


def _parse(sql: str, kind: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(sql, read=DIALECTS[kind].sqlglot if kind in DIALECTS else None)
    except SqlglotError:
        return None


def _columns_in(sql: str, kind: str) -> tuple[str, ...]:
    tree = _parse(sql, kind)
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column))) if tree is not None else ()
