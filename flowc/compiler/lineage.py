"""Lineage: which tables and files flow into which, and which columns into which.

`graph(ir)` follows tables; `graph(ir, columns=True)` also follows each output column of each pipeline back to the
columns it is made of, through CTEs and subqueries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from flowc.catalog import Table, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Ir, Source, Sql

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
    """The lineage of a project. Columns that cannot be followed (unknown tables behind a `*`) are left out."""
    flows: list[Flow] = []
    found: list[ColumnFlow] = []
    targets: list[tuple[str, Dataset]] = []
    for apply in (apply for pipeline in ir.pipelines for apply in pipeline.applies):
        target = _dataset(apply.target.connection, apply.target.kind, apply.target.name)
        targets.append((apply.pipeline, target))
        sources = _sources(apply)
        flows.extend(Flow(source, target, apply.pipeline, apply.mode) for source in dict.fromkeys(sources.values()))
        if columns:
            found.extend(sorted(set(_column_flows(apply, target, sources, ir))))
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
        return sqlglot.parse_one(sql, read=DIALECTS[kind].sqlglot)
    except SqlglotError:
        return None


def _column_flows(apply: Apply, target: Dataset, sources: Mapping[str, Dataset], ir: Ir) -> Iterator[ColumnFlow]:
    node = apply.input
    if isinstance(node, Source):
        for column in node.columns or ():
            for source in sources.values():
                yield ColumnFlow(source, column.name, target, column.name, apply.pipeline)
        return
    for output, root in _lineage_of(node, ir).items():
        for leaf in root.walk():
            read = _leaf_dataset(leaf, sources)
            if read is not None:
                yield ColumnFlow(read, _column_name(leaf), target, _output_name(output, node), apply.pipeline)


def _lineage_of(node: Sql, ir: Ir) -> dict[str, Node]:
    tree = _parse(node.text, node.engine)
    if tree is None:
        return {}
    try:
        found: Any = lineage(None, tree, _schema(node, ir), dialect=DIALECTS[node.engine].sqlglot)
    except (SqlglotError, ValueError):
        return {}
    return dict(found)


def _schema(node: Sql, ir: Ir) -> dict[str, Any]:
    """What is known of the tables that the SQL reads, for `*`."""
    default = _DEFAULT_SCHEMA.get(node.engine, "public")
    schema: dict[str, Any] = {}
    known: list[tuple[TableName, Table | Source]] = [(table.name, table) for table in ir.tables.values()]
    known += [(TableName(None, source.name), source) for source in node.inputs if node.engine == "datafusion"]
    for name, owner in known:
        columns = {column.name: str(column.type) for column in owner.columns or ()}
        if columns:
            schema.setdefault(name.schema or default, {})[name.name] = columns
    return schema


def _leaf_dataset(leaf: Node, sources: Mapping[str, Dataset]) -> Dataset | None:
    table = leaf.expression if isinstance(leaf.expression, exp.Table) else None
    if table is None or leaf.downstream:
        return None
    name = str(TableName(table.db or None, table.name))
    return sources.get(name) or sources.get(table.name)


def _column_name(leaf: Node) -> str:
    return str(exp.to_column(leaf.name).name) if "." in leaf.name else leaf.name


def _output_name(output: str, node: Sql) -> str:
    """The output column's name as the pipeline has it: engines fold case, targets keep it."""
    names = {column.name.lower(): column.name for column in node.columns or ()}
    return names.get(output.lower(), output)
