"""A project's names resolved and its defaults decided.

Defaults: `mode` is `append`; `keys` are the target's or pipeline's own, else the table's natural key, else its primary
key; a pipeline without `from` reads in the connection of its first target; `dialect` is that of the database the SQL
reads in, and PostgreSQL's where flowc's own engine runs it, as in streams.
"""

from __future__ import annotations

from typing import cast

from flowc.compiler.checked import CheckedPipeline, CheckedSource, CheckedSpec, CheckedTarget
from flowc.compiler.dialects import OWN, RUNNER
from flowc.compiler.front.kinds import LOAD_SOURCE, able, can, dialect, is_database
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec, FromSpec, Name, PipelineSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.front.streamspec import FunctionSpec
from flowc.compiler.ir import Deletes
from flowc.compiler.names.alerts import check_alerts
from flowc.compiler.names.combinations import check_combinations
from flowc.compiler.names.dialects import known_dialect
from flowc.compiler.names.doubt import gaps_of, sure_only
from flowc.compiler.names.environment import check_environment
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.paths import check_below, check_module
from flowc.compiler.names.runlog import check_run_log
from flowc.compiler.names.sent import check_sent
from flowc.compiler.names.sources import check_source
from flowc.compiler.names.streams import resolve_streams
from flowc.compiler.names.tablenames import table_name
from flowc.compiler.names.tables import check_tables
from flowc.compiler.names.targets import resolve_targets
from flowc.compiler.names.testcases import check_tests
from flowc.compiler.names.timing import check_freshness_target, check_timing
from flowc.diagnostics import Reporter

_DIALECT = "postgres"
"""The names that its parser knows are those of all dialects, nearly."""


def resolve(spec: ProjectSpec, reporter: Reporter) -> CheckedSpec:
    """Resolves every pipeline by itself, so that one that is wrong hides nothing of the others."""
    lookup = Lookup(spec, reporter)
    check_environment(spec, reporter)
    check_tables(spec, lookup)
    check_run_log(lookup)
    check_alerts(lookup)
    check_sent(lookup)
    pipelines: dict[str, CheckedPipeline] = {}
    failed: set[str] = {name for section, name in _pairs(spec) if section == "pipelines"}
    for name, pipeline in spec.pipelines.items():
        before, gaps = reporter.errors, gaps_of(pipeline, spec)
        with sure_only(lookup, gaps):
            resolved = _pipeline(pipeline, lookup)
        if resolved:
            pipelines[name] = resolved
        whole = resolved is not None and not gaps and len(resolved.targets) == len(pipeline.to)
        if not whole or reporter.errors > before:
            failed.add(name)
    streams = resolve_streams(lookup)
    _check_functions(lookup)
    check_tests(lookup)
    return CheckedSpec(spec, pipelines, frozenset(failed), streams)


def _pairs(spec: ProjectSpec) -> list[tuple[str, str]]:
    return [(entry[0], entry[1]) for entry in spec.broken if len(entry) == 2]


def _pipeline(spec: PipelineSpec, lookup: Lookup) -> CheckedPipeline | None:
    check_timing(spec, lookup)
    targets = resolve_targets(spec, lookup)
    check_freshness_target(spec, (target.connection for target in targets), lookup.reporter)
    database, sources = _inputs(spec, targets, lookup)
    written = _dialect(spec, database, lookup.reporter)
    checked = CheckedPipeline(
        spec=spec,
        database=database,
        sources=sources,
        engine=database.kind.value if database else RUNNER,
        dialect=written or OWN,
        targets=targets,
        deletes=cast(Deletes, spec.deletes.value if spec.deletes else "ignore"),
    )
    check_combinations(checked, lookup)
    return checked if written and (database or sources) else None


def _inputs(
    spec: PipelineSpec, targets: tuple[CheckedTarget, ...], lookup: Lookup
) -> tuple[ConnectionSpec | None, tuple[CheckedSource, ...]]:
    """The database that the SQL reads in, or the sources that DataFusion reads."""
    _check_query(spec, lookup.reporter)
    if spec.from_ is None and "from" in spec.gaps:
        return None, ()
    chosen = spec.from_.connection if spec.from_ is not None else None
    if spec.from_ is not None and chosen is None:
        return None, _sources(spec.from_, lookup)
    database = _database(chosen, lookup) if chosen else _own_database(spec, targets, lookup.reporter)
    kind = database.kind.value if database is not None else ""
    known = spec.table is None or table_name(spec.table, lookup.reporter, kind) is not None
    return (database if known else None), ()


def _own_database(spec: PipelineSpec, targets: tuple[CheckedTarget, ...], reporter: Reporter) -> ConnectionSpec | None:
    if not targets:
        return None
    connection = targets[0].connection
    if is_database(connection.kind.value):
        return connection
    message = f"pipeline `{spec.name.value}` needs `from`: no SQL can run in `{connection.name.value}`"
    reporter.error("missing-key", message, spec.span, helps=("add `from:` with a connection or a source",))
    return None


def _database(name: Name, lookup: Lookup) -> ConnectionSpec | None:
    connection = lookup.connection(name)
    if connection is None:
        return None
    kind = connection.kind.value
    if is_database(kind) and can(kind, LOAD_SOURCE):
        return connection
    if can(kind, LOAD_SOURCE):
        key = source_kind(kind).address
        message = f"`{name.value}` is no database: say which {key} of it to read"
        helps = (f"write `from: {{connection: {name.value}, {key}: …}}`",)
        lookup.reporter.error("unsupported-source", message, name.span, helps=helps)
        return None
    message = f"a pipeline cannot read from `{name.value}`, a connection of kind `{kind}`"
    readable = ", ".join(f"`{k}`" for k in able(LOAD_SOURCE))
    lookup.reporter.error("unsupported-source", message, name.span, helps=(f"pipelines read from {readable}",))
    return None


def _is_below(source: CheckedSource, lookup: Lookup) -> bool:
    return source.spec.path is None or check_below(source.spec.path, source.connection, lookup)


def _sources(spec: FromSpec, lookup: Lookup) -> tuple[CheckedSource, ...]:
    """All sources, or none when one of them cannot be resolved."""
    found = [(name, source, lookup.connection(source.connection)) for name, source in spec.sources]
    sources = tuple(CheckedSource(name.value, source, connection) for name, source, connection in found if connection)
    sound = [check_source(source, lookup.reporter) and _is_below(source, lookup) for source in sources]
    return sources if all(sound) and len(sources) == len(found) else ()


def _check_query(spec: PipelineSpec, reporter: Reporter) -> None:
    """Whether `sql`, `table`, `columns` and `from` go together."""
    name, sources = spec.name.value, spec.from_.sources if spec.from_ else ()
    if spec.sql and spec.table:
        helps = ("remove one of the two",)
        reporter.error("conflicting-keys", "`sql` and `table` exclude each other", spec.table.span, helps=helps)
    elif spec.table and sources:
        helps = ("move `table` into the source",)
        message = "`table` needs a database in `from`, not sources"
        reporter.error("conflicting-keys", message, spec.table.span, helps=helps)
    elif not spec.sql and not spec.table and len(sources) != 1 and not spec.sql_missing:
        message = f"pipeline `{name}` needs `sql` or `table`"
        reporter.error("missing-key", message, spec.span, helps=("add `sql: SELECT …`",))
    if spec.sql and spec.columns:
        message = "`columns` renames the columns of a `table`; this pipeline has `sql`"
        helps = ("rename in the SQL: `SELECT a AS b`",)
        reporter.error("conflicting-keys", message, spec.columns[0][0].span, helps=helps)


def _dialect(spec: PipelineSpec, database: ConnectionSpec | None, reporter: Reporter) -> str | None:
    if spec.dialect or "dialect" in spec.gaps:
        return known_dialect(spec.dialect, reporter) if spec.dialect else None
    return dialect(database.sql_kind) if database else OWN


def _check_functions(lookup: Lookup) -> None:
    """Checks every function."""
    for function in lookup.project.functions.values():
        with sure_only(lookup, function.gaps):
            _check_name(function.name, lookup)
            _check_types(function, lookup)
            check_module(function, lookup)


def _check_types(function: FunctionSpec, lookup: Lookup) -> None:
    """Reports what an aggregate lacks, and what a scalar function cannot have."""
    report, owner, name = lookup.reporter.error, f"function `{function.name.value}`", function.name
    if (function.args is None) != (function.returns is None):
        first, second = ("args", "returns") if function.returns is None else ("returns", "args")
        message, helps = f"{owner} has `{first}` and needs `{second}`", (f"add `{second}:`",)
        report("missing-key", message, name.span, helps=helps)
    if function.kind and function.aggregates and function.state is None and function.args is not None:
        helps = ("add `state: [ … ]`, the types of what `state` returns",)
        report("missing-key", f"{owner} is an aggregate and needs `state`", function.kind.span, helps=helps)
    if function.state_span is not None and not function.aggregates:
        helps = ("add `kind: aggregate`, or remove `state`",)
        message = f"{owner} has `state`, which only an aggregate keeps"
        report("conflicting-keys", message, function.state_span, helps=helps)


def _check_name(name: Name, lookup: Lookup) -> None:
    """A call of a function that SQL has is a call of that one, whatever the project declares."""
    from sqlglot.dialects.dialect import Dialect

    known = Dialect.get_or_raise(_DIALECT).parser_class
    upper = name.value.upper()
    if any(upper in names for names in (known.FUNCTIONS, known.FUNCTION_PARSERS, known.NO_PAREN_FUNCTION_PARSERS)):
        message = f"SQL has a function `{name.value}` already, and calls that one"
        lookup.reporter.error("duplicate-name", message, name.span, helps=(f"call it otherwise: `my_{name.value}`",))
