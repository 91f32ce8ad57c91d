"""CheckedSpec → Ir: templates filled in, SQL parsed, translated and typed, defaults of loads decided.

Lowering goes in dependency order, because a pipeline may read what an earlier one creates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import cast

from flowc.catalog import Column, Table, TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec, CheckedTarget
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.spec import PipelineSpec, RetrySpec, TableSpec
from flowc.compiler.ir import CatchUp, Freshness, Ir, Pipeline, Stream, Timing
from flowc.compiler.loads.desired import declared_table, history_columns, with_history
from flowc.compiler.lowering.apply import event_type, lower_apply
from flowc.compiler.lowering.asking import report_refusals
from flowc.compiler.lowering.columndefaults import check_defaults
from flowc.compiler.lowering.context import Lowering, Watermark
from flowc.compiler.lowering.inputs import Input, Read, lower_input, read_input
from flowc.compiler.lowering.waits import Waits, all_waits, in_order, upstream_waits
from flowc.compiler.names.doubt import gaps_of, sure_only
from flowc.compiler.names.paths import reach
from flowc.compiler.sql.checks.checker import Checker
from flowc.compiler.sql.relations import Relation, table_key
from flowc.diagnostics import Reporter

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_COLUMNS: Mapping[str, tuple[Column, ...]] = MappingProxyType({})
ATTEMPTS = 3
"""How often a due time is tried in all where `retry` does not say."""
_NEAR = 0.87
"""So near that they differ by one letter, or by an ending."""


def lower(
    checked: CheckedSpec, reporter: Reporter, *, env: Mapping[str, str] = _NOTHING, checker: Checker | None = None
) -> Ir:
    """The whole project. A pipeline with errors is left out; what is wrong with it has been reported.

    The checker is asked about every query that has no errors.
    """
    lowering = Lowering(checked, reporter, env, checker=checker)
    tables = _declare(lowering)
    inputs = {name: _read(pipeline, lowering) for name, pipeline in checked.pipelines.items()}
    waits = all_waits(checked, inputs)
    lowered = (_pipeline(name, inputs[name], waits[name], lowering) for name in in_order(waits, reporter))
    pipelines = tuple(pipeline for pipeline in lowered if pipeline is not None)
    streams = _streams(lowering) if checked.project.streams else ()
    _report_near_misses(inputs.values(), lowering)
    report_refusals(lowering)
    return Ir(pipelines, {**tables, **lowering.histories}, streams)


def _streams(lowering: Lowering) -> tuple[Stream, ...]:
    """All streams. What lowers them takes time to load, and is loaded for a project that has some."""
    from flowc.compiler.lowering.streams import lower_streams

    return lower_streams(lowering)


def lower_stream(
    checked: CheckedSpec,
    name: str,
    found: Mapping[str, tuple[Column, ...]],
    reporter: Reporter,
    *,
    env: Mapping[str, str] = _NOTHING,
) -> Stream | None:
    """One stream with columns that were found in its sources, by their names; None when it has errors."""
    lowering = Lowering(checked, Reporter(), env, found=found)
    _declare(lowering)
    lowering.reporter = reporter
    from flowc.compiler.lowering.streams import lower_found

    return lower_found(name, lowering)


def lower_pipeline(
    checked: CheckedSpec,
    name: str,
    reporter: Reporter,
    *,
    watermark: Watermark = None,
    env: Mapping[str, str] = _NOTHING,
    found: Mapping[str, tuple[Column, ...]] = _NO_COLUMNS,
) -> Pipeline | None:
    """One pipeline, its template filled in with the stored watermark; None when it has errors.

    `found` are columns that no spec declares and that its sources were found to have, by the names of the sources.

    The pipelines that it reads from are lowered too, for their columns; what is wrong with them is not reported.
    """
    if name not in checked.pipelines:
        return None
    lowering = Lowering(checked, reporter, env, {name: watermark})
    _declare(lowering)
    inputs = {name: read_input(checked.pipelines[name], lowering)}
    lowering.reporter = Reporter()
    waits = upstream_waits(name, inputs, lowering)
    for step in in_order(waits, lowering.reporter):
        if step == name:
            break
        lowering.reporter, lowering.found = Reporter(), {}
        _pipeline(step, inputs[step], waits[step], lowering)
    lowering.reporter, lowering.found = reporter, found
    return _pipeline(name, inputs[name], waits[name], lowering)


def _declare(lowering: Lowering) -> dict[str, Table]:
    """Makes the declared tables known; a target of an scd2 load has the columns of its history."""
    project = lowering.checked.project
    kinds = {name: connection.kind.value for name, connection in project.connections.items()}
    tables = {key: declared_table(spec, kinds.get(spec.connection.value, "")) for key, spec in project.tables.items()}
    for pipeline in lowering.checked.pipelines.values():
        for target in pipeline.targets:
            if target.table is not None and target.mode == "scd2":
                key = target.table.key.value
                tables[key] = with_history(tables[key], event_type(pipeline, tables[key], None))
    connections = lowering.checked.project.connections
    for key, spec in lowering.checked.project.tables.items():
        connection = connections.get(spec.connection.value)
        kind = connection.kind.value if connection else ""
        check_defaults(spec, kind, reach(project), lowering.reporter)
        lowering.catalogue.add(spec.connection.value, kind, tables[key].name, _relation(key, tables[key], spec))
    return tables


def _relation(key: str, table: Table, spec: TableSpec) -> Relation:
    relation = Relation.of_table(table.name, table.columns, f"table `{key}`", spec.key.span)
    return replace(relation, key=table.primary_key)


def _read(pipeline: CheckedPipeline, lowering: Lowering) -> Input:
    with sure_only(lowering, gaps_of(pipeline.spec, lowering.checked.project)):
        return read_input(pipeline, lowering)


def _pipeline(name: str, given: Input, waits: Waits, lowering: Lowering) -> Pipeline | None:
    gaps, noted = gaps_of(lowering.checked.pipelines[name].spec, lowering.checked.project), len(lowering.statements)
    with sure_only(lowering, gaps):
        lowered = _lowered(name, given, waits, lowering)
    if gaps:
        del lowering.statements[noted:]
    return lowered


def _lowered(name: str, given: Input, waits: Waits, lowering: Lowering) -> Pipeline | None:
    pipeline, before = lowering.checked.pipelines[name], lowering.reporter.errors
    lowered = lower_input(pipeline, given, lowering)
    columns = None
    is_sound = lowering.reporter.errors == before  # else what follows would only repeat the mistake
    if lowered is not None and lowered.fields is not None and is_sound:
        columns = tuple(Column(f.name, f.type, f.nullable) for f in lowered.fields)
    for target in pipeline.targets:
        _publish(pipeline, target, columns, lowering)
    if lowered is None:
        return None
    applies = tuple(lower_apply(pipeline, t, lowered.node, columns, lowering) for t in pipeline.targets)
    if name in lowering.checked.failed or lowering.reporter.errors > before:
        return None
    spec = pipeline.spec
    freshness = Freshness(spec.freshness.column.value, spec.freshness.max_age) if spec.freshness else None
    return Pipeline(name, applies, depends_on=tuple(waits), timing=_timing(spec), span=spec.span, freshness=freshness)


def _timing(spec: PipelineSpec) -> Timing | None:
    timing = spec.timing
    if timing.schedule is None:
        return None
    zone = spec.timezone.value if spec.timezone else "UTC"
    catch_up = cast(CatchUp, timing.catch_up.value) if timing.catch_up else "latest"
    retry = timing.retry or RetrySpec(attempts=1)
    given = {key: held for key in ("backoff", "factor", "max_backoff") if (held := getattr(retry, key)) is not None}
    attempts = retry.attempts or ATTEMPTS
    return Timing(timing.schedule.value, zone, catch_up, attempts, timeout=timing.timeout, **given)


def _publish(
    pipeline: CheckedPipeline, target: CheckedTarget, columns: tuple[Column, ...] | None, lowering: Lowering
) -> None:
    """Makes a table known to later pipelines: as the pipeline creates it, or with the history of its event times."""
    if target.table is not None:
        _publish_history(pipeline, target, columns, lowering)
        return
    if columns is not None and target.mode == "scd2":
        columns += history_columns(event_type(pipeline, None, columns))
    relation = Relation.of_table(target.name, columns, f"`{target.name}`", target.spec.span)
    note = f"pipeline `{pipeline.spec.name.value}` writes it here; a table with more columns is declared in `tables`"
    relation = replace(relation, note=note, inferred=True)
    connection = target.connection
    lowering.catalogue.add(connection.name.value, connection.kind.value, target.name, relation)


def _publish_history(
    pipeline: CheckedPipeline, target: CheckedTarget, columns: tuple[Column, ...] | None, lowering: Lowering
) -> None:
    """Makes a declared table known with `valid_from` of the type that the query gives the event time.

    The query was not known when the table was declared. The first load of a table counts.
    """
    spec = target.table
    if spec is None or target.mode != "scd2" or spec.key.value in lowering.histories:
        return
    declared = declared_table(spec, target.connection.kind.value)
    if (kind := event_type(pipeline, declared, columns)) is None:
        return
    table = lowering.histories[spec.key.value] = with_history(declared, kind)
    name, kind_of = target.connection.name.value, target.connection.kind.value
    lowering.catalogue.declare(name, kind_of, table.name, _relation(spec.key.value, table, spec))


def _report_near_misses(inputs: Iterable[Input], lowering: Lowering) -> None:
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
