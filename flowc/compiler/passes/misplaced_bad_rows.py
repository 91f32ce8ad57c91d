"""`conflicting-options`: bad rows in a table that holds something else, of the project or of flowc."""

from __future__ import annotations

from collections.abc import Iterator

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Ir, Pipeline, Source, Sql
from flowc.compiler.loads.badrows import bad_rows_of
from flowc.compiler.sql.types.tableplaces import KeyOf, TableKey, keys_of_project
from flowc.compiler.tables.state import own_tables
from flowc.diagnostics import Reporter
from flowc.loadplan import BAD_ROWS
from flowc.source import Span

_HELPS = ("give them a table of their own: `quarantine: { table: ops.bad_rows }`",)


def misplaced_bad_rows(checked: CheckedSpec, ir: Ir | None, reporter: Reporter) -> None:
    """Reports a table of bad rows that holds something else."""
    if ir is None:
        return
    key_of = keys_of_project(checked.project)
    for pipeline in ir.pipelines:
        for apply in pipeline.applies:
            kept = bad_rows_of(apply)
            if kept is None:
                continue
            what = _held(pipeline, apply, kept, key_of) or _held_elsewhere(checked, ir, apply, kept, key_of)
            if what is not None:
                message = f"the bad rows of `{pipeline.name}` would go into `{kept}`, {what}"
                span = _span(checked.pipelines[pipeline.name])
                reporter.error("conflicting-options", message, span, helps=_HELPS)
                break


def _held(pipeline: Pipeline, apply: Apply, kept: TableName, key_of: KeyOf) -> str | None:
    """What the table holds besides, if anything."""
    target, dialect = apply.target, DIALECTS[apply.target.kind]
    place = key_of(target.connection, target.kind, kept)
    if place in {key_of(t.connection, t.kind, t.name) for t in (each.target for each in pipeline.applies)}:
        return "among the rows that it writes"
    if place in set(_read(apply.input, key_of)):
        return "among the rows that it reads"
    if place in {key_of(target.connection, target.kind, name) for name in own_tables(dialect)}:
        return "which flowc keeps its own state in"
    return None


def _held_elsewhere(checked: CheckedSpec, ir: Ir, apply: Apply, kept: TableName, key_of: KeyOf) -> str | None:
    """What others of the project write there, or declare."""
    place = key_of(apply.target.connection, apply.target.kind, kept)
    written = [(p.name, p.applies) for p in ir.pipelines] + [(s.name, s.applies) for s in ir.streams]
    for name, applies in written:
        if place in {key_of(t.connection, t.kind, t.name) for t in (each.target for each in applies)}:
            return f"which `{name}` writes"
    for key, spec in checked.project.tables.items():
        declared = ir.tables.get(key)
        there = key_of(spec.connection.value, apply.target.kind, spec.table_name)
        if declared is not None and place == there and {c.name for c in BAD_ROWS} - {c.name for c in declared.columns}:
            return "which is declared with other columns"
    return None


def _read(node: Sql | Source, key_of: KeyOf) -> Iterator[TableKey]:
    """The tables that a query reads."""
    for source in node.inputs if isinstance(node, Sql) else (node,):
        named = [source.table, *(origin.table for origins in source.origins or () for origin in origins)]
        if isinstance(node, Sql) and node.engine == source.kind:
            named += node.reads
        yield from (key_of(source.connection, source.kind, table) for table in named if table is not None)


def _span(pipeline: CheckedPipeline) -> Span:
    spec = pipeline.spec
    if spec.bad_rows is not None:
        return spec.bad_rows.kept.span if spec.bad_rows.kept is not None else spec.bad_rows.action.span
    return next((expect.quarantine for expect in spec.expect if expect.quarantine is not None), spec.span)
