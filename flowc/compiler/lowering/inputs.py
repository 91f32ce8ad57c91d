"""What a pipeline reads, lowered: SQL on a database, or files and queries joined on DataFusion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSource
from flowc.compiler.dialects import RUNNER, as_read
from flowc.compiler.front.spec import Name
from flowc.compiler.ir import Origin, Source, Sql
from flowc.compiler.loads.normalize import is_derived
from flowc.compiler.lowering.asking import note_query
from flowc.compiler.lowering.context import Lowering, sqlglot_name
from flowc.compiler.lowering.functioncalls import announce, called, check_calls, check_reach, engine_text, is_table
from flowc.compiler.lowering.tablekeys import as_source, home_of
from flowc.compiler.names.badrows import file_format, skips_bad
from flowc.compiler.quote import ident
from flowc.compiler.quote import table as quoted_table
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import Field, Relation
from flowc.compiler.sql.text.placed import is_small
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.translate import translate
from flowc.compiler.sql.types.infer import Inferred, infer
from flowc.compiler.sql.types.tablerefs import outer_tables
from flowc.diagnostics import did_you_mean
from flowc.formats import text_formats
from flowc.loadplan import FunctionPlan
from flowc.source import Span

IN_PIPELINE = "call it in the `sql` of the pipeline"
IN_SOURCES = "flowc itself runs the SQL when its tables are named: `from: {people: {connection: …, table: people}}`"
"""What to do about a function of the project that is called where it is not known."""


@dataclass(frozen=True, slots=True)
class Read:
    """A table that a pipeline names, and where."""

    connection: str
    kind: str
    table: TableName
    span: Span


@dataclass(frozen=True, slots=True)
class Input:
    """A pipeline's SQL, parsed but not resolved. `failed` when some of it could not be read."""

    query: SqlTree | None = None
    sources: Mapping[str, SqlTree] = field(default_factory=dict)
    reads: tuple[Read, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Lowered:
    """The node that gives the rows, and its output (None: unknown)."""

    node: Sql | Source
    fields: tuple[Field, ...] | None


def read_input(pipeline: CheckedPipeline, lowering: Lowering) -> Input:
    """Fills in the templates of a pipeline's SQL, parses it and lists the tables it names."""
    spec, database = pipeline.spec, pipeline.database
    home = database.name.value if database is not None else None
    query = lowering.query(spec.sql, pipeline, home, pipeline.dialect) if spec.sql else None
    failed = spec.sql is not None and query is None
    sources: dict[str, SqlTree] = {}
    reads: list[Read] = []
    if database is not None:
        place = (database.name.value, database.kind.value)
        if query is not None:
            reads += [Read(*place, name, span) for name, span in _tables(query, place[1])]
        if spec.table is not None:
            reads.append(Read(*place, TableName.parse(spec.table.value), spec.table.span))
    for source in pipeline.sources:
        place = (source.connection.name.value, source.connection.kind.value)
        if source.spec.table is not None:
            reads.append(Read(*place, TableName.parse(source.spec.table.value), source.spec.table.span))
        if source.spec.sql is not None:
            tree = lowering.query(source.spec.sql, pipeline, place[0], sqlglot_name(source.connection.sql_kind))
            failed = failed or tree is None
            if tree is not None:
                sources[source.name] = tree
                reads += [Read(*place, name, span) for name, span in _tables(tree, source.connection.sql_kind)]
    return Input(query, sources, tuple(reads), failed)


def _tables(parsed: SqlTree, engine: str) -> Iterator[tuple[TableName, Span]]:
    """The tables that a query names, without its CTEs."""
    for table in outer_tables(parsed.tree, engine):
        parts = [p.name for p in table.parts]
        yield TableName(".".join(parts[:-1]) or None, parts[-1]), parsed.span(table.this)


def lower_input(pipeline: CheckedPipeline, given: Input, lowering: Lowering) -> Lowered | None:
    """Resolves, types and translates what `read_input` parsed; None after an error."""
    if given.failed:
        return None
    if pipeline.database is not None:
        return _on_database(pipeline, given, lowering)
    return _on_datafusion(pipeline, given, lowering)


def _on_database(pipeline: CheckedPipeline, given: Input, lowering: Lowering) -> Lowered | None:
    database = pipeline.database
    assert database is not None
    connection, kind = database.name.value, database.kind.value
    find, before = lowering.finder(connection, kind), lowering.reporter.errors
    if given.query is not None:
        reached = check_reach(given.query, connection, kind, IN_SOURCES, lowering)
        found = infer(given.query, kind, find, lowering.reporter)
        if not reached:
            return None
        text = translate(given.query, sqlglot_name(kind), lowering.reporter, lowering.allowance)
        if lowering.reporter.errors == before:
            note_query(lowering, given.query, found.reads, find, kind, place=connection)
        inputs = [
            Source(f"{pipeline.spec.name.value}.{name}", name.name, connection, kind, name, columns=_known(find(name)))
            for name in found.reads
        ]
        bare = Source(f"{pipeline.spec.name.value}.{connection}", connection, connection, kind)
        return _sql(pipeline, given.query, found, text, inputs=tuple(inputs) or (bare,), engine=kind)
    if pipeline.spec.table is None:
        return None
    name = TableName.parse(pipeline.spec.table.value)
    if not is_table(name, kind, pipeline.spec.table.span, lowering):
        return None
    relation = find(name) or Relation(None, f"`{name}`", table=name)
    source = Source(f"{pipeline.spec.name.value}.source", name.name, connection, kind, name, columns=_known(relation))
    return _renamed(pipeline, source, relation, quoted_table(name), lowering)


def _on_datafusion(pipeline: CheckedPipeline, given: Input, lowering: Lowering) -> Lowered | None:
    before = lowering.reporter.errors
    pairs = [_source(pipeline, source, given, lowering) for source in pipeline.sources]
    lowered = [pair for pair in pairs if pair is not None]
    if len(lowered) < len(pairs):
        return None
    inputs = tuple(source for source, _ in lowered)
    if given.query is None:
        source, relation = lowered[0]
        return _renamed(pipeline, source, relation, ident(source.name), lowering)
    relations = {source.name: relation for source, relation in lowered}

    def find(name: TableName) -> Relation | None:
        return None if name.schema else relations.get(name.name)

    if not is_small(given.query, lowering.reporter) or not announce(given.query, lowering):
        return None
    found = infer(given.query, RUNNER, find, lowering.reporter)
    _check_sources(given.query, found, relations, lowering)
    check_calls(given.query, lowering.functions, lowering.reporter)
    functions = called(given.query, lowering.functions)
    text = engine_text(given.query, RUNNER, lowering.functions, lowering.reporter, lowering.allowance)
    if lowering.reporter.errors == before:
        note_query(lowering, given.query, found.reads, find, RUNNER, functions=functions, runs=text)
    return _sql(pipeline, given.query, found, text, inputs=inputs, engine=RUNNER, functions=functions)


def _check_sources(query: SqlTree, found: Inferred, relations: Mapping[str, Relation], lowering: Lowering) -> None:
    """SQL on DataFusion can read nothing but the named sources."""
    tables = lowering.checked.project.tables
    for name in found.reads:
        if name.schema or name.name not in relations:
            span = dict(_tables(query, RUNNER)).get(name, query.span(query.tree))
            helps = did_you_mean(name.name, relations) or (f"its sources are `{'`, `'.join(relations)}`",)
            if not name.schema and (table := tables.get(name.name)) is not None:
                helps = as_source(name.name, home_of(table, lowering.checked.project))
            lowering.reporter.error("unknown-table", f"`{name}` is not a source of this pipeline", span, helps=helps)


def _source(
    pipeline: CheckedPipeline, source: CheckedSource, given: Input, lowering: Lowering
) -> tuple[Source, Relation] | None:
    spec, connection, kind = source.spec, source.connection.name.value, source.connection.kind.value
    ident_ = f"{pipeline.spec.name.value}.{source.name}"
    own, told = TableName(None, source.name), lowering.found.get(source.name)
    if source.name in given.sources:
        tree, before, find = given.sources[source.name], lowering.reporter.errors, lowering.finder(connection, kind)
        written = source.connection.sql_kind
        check_reach(tree, connection, written, IN_PIPELINE, lowering)
        found = infer(tree, written, find, lowering.reporter)
        if lowering.reporter.errors == before:
            note_query(lowering, tree, found.reads, find, written, place=connection)
        columns = told or _columns(found.fields)
        relation = replace(Relation.of_table(own, columns, f"source `{source.name}`", spec.span), inferred=True)
        sql, origins = as_read(tree.text.text, written), origins_of(found.fields)
        node = Source(ident_, source.name, connection, kind, sql=sql, columns=columns, origins=origins)
        return replace(node, source=tree.text, found=bool(told)), relation
    if spec.table is not None:
        table = TableName.parse(spec.table.value)
        if not is_table(table, kind, spec.table.span, lowering):
            return None
        columns = told or _known(lowering.finder(connection, kind)(table))
        relation = Relation.of_table(own, columns, f"source `{source.name}`", spec.span)
        return Source(ident_, source.name, connection, kind, table, columns=columns, found=bool(told)), relation
    declared = (
        tuple(Column(c.name.value, c.type.value, c.nullable) for c in spec.columns)
        if spec.columns is not None
        else told
    )
    path = spec.path.value if spec.path else None
    form = file_format(source)
    relation = Relation.of_table(own, declared, f"source `{source.name}`", spec.span)
    node = Source(
        ident_, source.name, connection, kind, path=path, format=form,
        options=dict(spec.read), columns=declared, skips=skips_bad(pipeline.spec.bad_rows) and form in text_formats(),
        found=bool(told),
    )  # fmt: skip
    return node, relation


def _sql(
    pipeline: CheckedPipeline,
    query: SqlTree,
    found: Inferred,
    text: str | None,
    *,
    inputs: tuple[Source, ...],
    engine: str,
    functions: tuple[FunctionPlan, ...] = (),
) -> Lowered | None:
    if text is None:
        return None
    columns = _columns(found.fields)
    name, origins = f"{pipeline.spec.name.value}.sql", origins_of(found.fields)
    places = output_places(query, found)
    node = Sql(
        name, inputs, engine=engine, text=text, reads=found.reads, columns=columns, source=query.text, origins=origins,
        places=places, functions=functions, dialect=query.dialect, nulls=found.nulls, stars=output_stars(query),
    )  # fmt: skip
    return Lowered(node, found.fields)


def origins_of(fields: Iterable[Field] | None) -> tuple[tuple[Origin, ...], ...] | None:
    """Where each field comes from."""
    return tuple(tuple(sorted(field.origins)) for field in fields) if fields is not None else None


def output_places(query: SqlTree, found: Inferred) -> tuple[range, ...]:
    """Where in the text each output column is: its alias, its expression, or the `*` that it comes of."""
    places: list[range] = []
    for item in _items(query):
        place = query.place(item.args["alias"] if isinstance(item, exp.Alias) else item)
        places += [place] * (marks.COLUMN_COUNT.get(item) or 0)
    return tuple(places) if len(places) == len(found.fields or ()) else ()


def output_stars(query: SqlTree) -> tuple[Span, ...]:
    """Where each `*` of the output is written."""
    return tuple(query.span(item) for item in _items(query) if item.is_star)


def _items(query: SqlTree) -> list[exp.Expression]:
    node = query.tree
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    return node.expressions if isinstance(node, exp.Select) else []


def _renamed(
    pipeline: CheckedPipeline, source: Source, relation: Relation, from_: str, lowering: Lowering
) -> Lowered | None:
    """A table or source as a whole; with `columns`, a query that renames."""
    pairs = pipeline.spec.columns
    if not pairs:
        return Lowered(source, relation.fields)
    if relation.fields is not None and not _check_renames(pairs, relation, lowering):
        return None
    fields = _renamed_fields(pipeline, pairs, relation)
    text = f"SELECT {', '.join(f'{ident(old)} AS {ident(f.name)}' for old, f in fields)} FROM {from_}"
    engine = source.kind if source.path is None and pipeline.database is not None else RUNNER
    read = source.table if engine != RUNNER and source.table else TableName(None, source.name)
    out = tuple(f for _, f in fields)
    origins = tuple((Origin(read, old),) for old, _ in fields)
    node = Sql(
        f"{pipeline.spec.name.value}.sql", (source,), engine=engine, text=text, reads=(read,), columns=_columns(out),
        source=None, origins=origins,
    )  # fmt: skip
    return Lowered(node, out)


def _check_renames(pairs: tuple[tuple[Name, Name], ...], relation: Relation, lowering: Lowering) -> bool:
    before = lowering.reporter.errors
    names = [f.name for f in relation.fields or ()]
    for _, old in pairs:
        if old.value not in names:
            message = f"column `{old.value}` does not exist in {relation.title}"
            lowering.reporter.error("unknown-column", message, old.span, helps=did_you_mean(old.value, names))
    return lowering.reporter.errors == before


def _renamed_fields(
    pipeline: CheckedPipeline, pairs: tuple[tuple[Name, Name], ...], relation: Relation
) -> list[tuple[str, Field]]:
    """(old name, field) of each column: the renamed ones, and those that keep their name.

    The latter are the table's other columns; where those are not known, the target's other declared columns.
    """
    renames = {old.value: new.value for new, old in pairs}
    if relation.fields is not None:
        return [(f.name, Field(renames.get(f.name, f.name), f.type, f.nullable, f.origins)) for f in relation.fields]
    target = next((target.table for target in pipeline.targets), None)
    own = [c.name.value for c in target.columns if not is_derived(c)] if target is not None else []
    kept = [name for name in own if name not in renames.values()]
    return [*((old, Field(new)) for old, new in renames.items()), *((name, Field(name)) for name in kept)]


def _columns(fields: tuple[Field, ...] | None) -> tuple[Column, ...] | None:
    return None if fields is None else tuple(Column(f.name, f.type, f.nullable) for f in fields)


def _known(relation: Relation | None) -> tuple[Column, ...] | None:
    return _columns(relation.fields) if relation is not None else None
