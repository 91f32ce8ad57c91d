"""Lineage: which tables and files flow into which, and which columns into which.

`graph(ir)` follows tables; `graph(ir, columns=True)` also follows each output column of each pipeline back to the
columns it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Ir, Source

_DEFAULT_SCHEMA = {"postgres": "public", "duckdb": "main", "sqlite": "main"}


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """A table or a set of files, by connection and name."""

    connection: str
    name: str

    def __str__(self) -> str:
        return f"{self.connection}.{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class ColumnFlow:
    """One column is made of another, by a pipeline."""

    source: Dataset
    source_column: str
    target: Dataset
    target_column: str
    pipeline: str


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """A pipeline reads one dataset and writes another."""

    source: Dataset
    target: Dataset
    pipeline: str
    mode: str


@dataclass(frozen=True, slots=True)
class Graph:
    """The flows of a project, in pipeline order, and which pipelines write what."""

    flows: tuple[Flow, ...]
    columns: tuple[ColumnFlow, ...]
    targets: tuple[tuple[str, Dataset], ...]

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Every dataset, once, in order of appearance."""
        ends = [end for flow in self.flows for end in (flow.source, flow.target)]
        return tuple(dict.fromkeys([*ends, *(target for _, target in self.targets)]))


def graph(ir: Ir, *, columns: bool = False) -> Graph:
    """The lineage of a project. Columns that cannot be followed (of unknown tables behind a `*`) are left out."""
    flows: list[Flow] = []
    found: list[ColumnFlow] = []
    targets: list[tuple[str, Dataset]] = []
    for apply in (apply for pipeline in ir.pipelines for apply in pipeline.applies):
        target = _dataset(apply.target.connection, apply.target.kind, apply.target.name)
        targets.append((apply.pipeline, target))
        sources = _sources(apply)
        flows.extend(Flow(source, target, apply.pipeline, apply.mode) for source in dict.fromkeys(sources.values()))
        if columns:
            found.extend(sorted(set(_column_flows(apply, target, sources))))
    return Graph(tuple(dict.fromkeys(flows)), tuple(found), tuple(dict.fromkeys(targets)))


def _dataset(connection: str, kind: str, name: TableName) -> Dataset:
    schema = None if name.schema == _DEFAULT_SCHEMA.get(kind) else name.schema
    return Dataset(connection, str(TableName(schema, name.name)))


def _sources(apply: Apply) -> dict[str, Dataset]:
    """What the input reads, by the name its SQL uses."""
    node = apply.input
    if isinstance(node, Source):
        return dict(_source_datasets(node))
    if node.engine == "datafusion":
        return {
            source.name if i == 0 else f"{source.name}/{name}": dataset
            for source in node.inputs
            for i, (name, dataset) in enumerate(_source_datasets(source))
        }
    connection = node.inputs[0].connection if node.inputs else apply.target.connection
    return {str(read): _dataset(connection, node.engine, read) for read in node.reads}


def _source_datasets(source: Source) -> Iterator[tuple[str, Dataset]]:
    if source.table is not None:
        yield source.name, _dataset(source.connection, source.kind, source.table)
    elif source.path is not None:
        yield source.name, Dataset(source.connection, source.path)
    elif source.sql is not None:
        for name in _tables_of(source.sql, source.kind):
            yield str(name), _dataset(source.connection, source.kind, name)


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


def _column_flows(apply: Apply, target: Dataset, sources: Mapping[str, Dataset]) -> Iterator[ColumnFlow]:
    node = apply.input
    if isinstance(node, Source):
        for column in node.columns or _same_columns(apply):
            for source in sources.values():
                yield ColumnFlow(source, column.name, target, column.name, apply.pipeline)
        return
    for column, origins in zip(node.columns or (), node.origins or (), strict=False):
        for origin in origins:
            read = sources.get(str(origin.table)) or sources.get(origin.table.name)
            if read is not None:
                yield ColumnFlow(read, origin.column, target, column.name, apply.pipeline)


def _same_columns(apply: Apply) -> tuple[Column, ...]:
    """A source that is copied whole and declared nowhere has the columns of its declared target."""
    return apply.target.table.columns if apply.target.table else ()
