"""Streams, lowered: their SQL against sources and lookups, its output against the tables they write.

A query over windows is judged as the same GROUP BY without them, and then cut into what stands before and behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedStream, CheckedStreamSource
from flowc.compiler.dialects import OWN, RUNNER
from flowc.compiler.front.spec import SourceColumn
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Apply, Lookup, Output, Source, Sql, Stream
from flowc.compiler.loads.changes import CODE, takes
from flowc.compiler.loads.load import find_column
from flowc.compiler.lowering.asking import note_query
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functioncalls import announce, called, check_calls
from flowc.compiler.lowering.functions import Untyped
from flowc.compiler.lowering.inputs import origins_of, output_places, output_stars
from flowc.compiler.lowering.lookups import lookup_relation, stream_lookups
from flowc.compiler.lowering.output import check_made, check_output
from flowc.compiler.lowering.runningcut import cut_running
from flowc.compiler.lowering.streamgraph import Graph
from flowc.compiler.lowering.streamjoin import check_replaced
from flowc.compiler.lowering.streamquery import stream_text, with_own_stars
from flowc.compiler.lowering.streamsources import join_text, union_text
from flowc.compiler.lowering.streamtargets import (
    check_named,
    dead_letter,
    other_modes,
    stream_applies,
    stream_outputs,
)
from flowc.compiler.lowering.streamtime import (
    batch,
    block,
    late,
    microseconds,
    watermark,
    window_settings,
)
from flowc.compiler.lowering.tablekeys import home_of
from flowc.compiler.lowering.windowblock import window_text
from flowc.compiler.lowering.windowcut import Cut, cut
from flowc.compiler.sql import marks
from flowc.compiler.sql.streams.runningcalls import RunningCall, read_running
from flowc.compiler.sql.streams.streamjoins import Joins, read_joins
from flowc.compiler.sql.streams.tablefunctions import Call, Calls, ctes_of, folded, free, has_calls, read_calls
from flowc.compiler.sql.streams.windowcalls import (
    WindowCall,
    WindowCalls,
    check_outputs,
    check_windows,
    has_windows,
    read_windows,
)
from flowc.compiler.sql.text.allowance import CHARACTERS_PER_VALUE
from flowc.compiler.sql.text.placed import is_small
from flowc.compiler.sql.text.sqltext import SqlTree, parse_query
from flowc.compiler.sql.types.infer import infer
from flowc.compiler.sql.types.relations import Field, Relation
from flowc.diagnostics import Reporter, did_you_mean
from flowc.formats import FORMATS
from flowc.loadplan import FunctionPlan
from flowc.nodes import Changelog
from flowc.stream import EXTRAS, extra_types
from flowc.types import DataType, Kind

BLOCKS = ("cdc",)
"""What changes rows beside the SQL, or needs more than one epoch knows."""
_RAW = (Column("value", DataType(Kind.BINARY)),)
_RAW_KINDS = frozenset({Kind.TEXT, Kind.BINARY})
"""Of what types a message may be that is read as it is."""


def lower_streams(lowering: Lowering) -> tuple[Stream, ...]:
    """Every stream that is whole and has no errors; what is wrong with the others is reported."""
    streams = (each for each in lowering.checked.streams.values() if not each.spec.gaps and _has_sources(each))
    lowered = (_lower(stream, lowering) for stream in streams)
    return tuple(stream for stream in lowered if stream is not None)


def _has_sources(stream: CheckedStream) -> bool:
    """Whether all of its sources are known: without one of them, an error of the SQL follows from another error."""
    return len(stream.sources) >= max(1, len(stream.spec.sources))


def lower_found(name: str, lowering: Lowering) -> Stream | None:
    """One stream, with the columns that were found in its sources; None when it has errors."""
    return _lower(lowering.checked.streams[name], lowering)


def _lower(stream: CheckedStream, lowering: Lowering) -> Stream | None:
    before, spec = lowering.reporter.errors, stream.spec
    sources = tuple(_source(source, stream, lowering) for source in stream.sources)
    own, lookups = _query(stream, sources, lowering), tuple(stream_lookups(stream, lowering))
    query = _whole(own, stream, sources, lowering)
    given = _read(query, sources, lowering) if query is not None else None
    text = own.text.text if own is not None else f"TABLE {sources[0].path}" if sources else ""
    windows = _windows(given, sources, lowering) if given is not None else None
    groups = _groups(windows, sources, spec, lowering) if windows is not None or query is None else None
    if groups is None:
        return None
    query, relations = given.query if given is not None else None, dict(_relations(stream, sources, lookups))
    functions = called(query, lowering.functions) if query is not None else ()  # of the whole, before it is cut
    found = _inferred(windows.query, relations, spec.name.value, lowering) if windows is not None else None
    graph = Graph(sources, relations, lowering.functions, lowering.reporter, window_settings(spec))
    graph.block(block(spec))
    if given is not None and windows is not None and found is not None:
        found = _placed(replace(found, written=text), given.calls, windows, groups, graph, spec, lowering)
    node = found if query is not None or spec.sql is not None else sources[0] if len(sources) == 1 else None
    changes = [block for block in BLOCKS if block in spec.given]
    columns = node.columns if node is not None else None
    applies = tuple(stream_applies(stream, node, lowering)) if node is not None else ()
    if columns is not None and "cdc" not in changes:
        _check_targets(stream, found, applies, columns, lowering)
        check_replaced(graph.outer, (*applies, *stream_outputs(stream)), lowering.reporter)
    if lowering.reporter.errors > before or stream.dialect is None:
        _withdraw(windows, lowering)
        return None
    changes += [*other_modes(stream), *(["sql"] if query is not None and found is None else [])]
    nodes = graph.ordered()
    return Stream(
        spec.name.value, sources, input=node, applies=applies, extras=_asked(query), span=spec.span,
        unplanned=tuple(changes), outputs=tuple(stream_outputs(stream)), dead_letter=dead_letter(stream), nodes=nodes,
        lookups=lookups, functions=functions, watermark=watermark(spec, nodes), on_error=stream.on_error,
        state=(stream.state.name.value, stream.state.kind.value) if stream.state is not None else None,
        state_bytes=spec.state_bytes.value if spec.state_bytes is not None else None,
        project=lowering.checked.project.name, start=stream.start, delivery=stream.delivery, settings=spec.settings,
        batch=batch(spec, stream.batch, nodes), parallelism=stream.parallelism, restart=stream.restart,
        max_attempts=stream.max_attempts,
    )  # fmt: skip


def _withdraw(windows: WindowCalls | None, lowering: Lowering) -> None:
    """Asks no engine about windows that are wrong: it would say the same in its own words, and of no window."""
    if windows is not None and windows.calls:
        lowering.statements[:] = [each for each in lowering.statements if each.text is not windows.query.text]


def _joins(windows: WindowCalls, calls: Sequence[Call | RunningCall], graph: Graph, lowering: Lowering) -> Joins | None:
    """The joins of streams in a query; None after an error."""
    names, query = frozenset(source.name for source in graph.sources), windows.query
    taken = frozenset([*(call.id for call in calls), *(call.id for call in windows.calls)])
    look = partial(_columns_of, query, graph.relations)
    return read_joins(query, names, taken=taken, windows=windows.calls, look=look, reporter=lowering.reporter)


def _columns_of(
    query: SqlTree, relations: Mapping[str, Relation], relation: exp.Expression, place: int | None
) -> tuple[Field, ...] | None:
    """The columns of a relation in the FROM of a CTE, or of the query itself."""
    with_ = query.tree.args.get("with_")
    tree = exp.Select(expressions=[exp.Star()], from_=exp.From(this=relation.copy()))
    if with_ is not None:
        tree.set("with_", exp.With(expressions=[cte.copy() for cte in with_.expressions[:place]]))
    found = infer(replace(query, tree=tree), RUNNER, lambda name: relations.get(name.name), Reporter())
    return found.fields


def _read(query: SqlTree, sources: tuple[Source, ...], lowering: Lowering) -> Calls | None:
    """The query with relations in the place of calls, and the calls; None after an error."""
    if not is_small(query, lowering.reporter):
        return None
    query = folded(query)
    found: Calls | None = Calls(query, ())
    if has_calls(query):
        found = read_calls(query, frozenset(source.name for source in sources), lowering.reporter)
    return found and replace(found, query=with_own_stars(found.query, _hidden(found.query, sources)))


def _windows(given: Calls, sources: tuple[Source, ...], lowering: Lowering) -> WindowCalls | None:
    """The query with relations in the place of windows, and these; None after an error."""
    names = frozenset(source.name for source in sources)
    if not check_windows(given.query, names, lowering.reporter):
        return None
    if not has_windows(given.query):
        return WindowCalls(given.query, ())
    named = check_outputs(given.query, lowering.reporter)
    return read_windows(given.query, names, lowering.reporter) if named else None


def _groups(
    windows: WindowCalls | None, sources: tuple[Source, ...], spec: StreamSpec, lowering: Lowering
) -> tuple[RunningCall, ...] | None:
    """The running aggregates of a query, where the stream says how long to keep them; None after an error."""
    said, names = spec.group_ttl, frozenset(source.name for source in sources)
    if said is None or (windows is None and spec.sql is not None):  # SQL that cannot be read is reported as such
        return ()
    ttl = None if said.value is None else microseconds(said.value)
    found: tuple[RunningCall, ...] | None = ()
    if windows is not None:
        found = read_running(windows.query, names, _aggregates(lowering), ttl, lowering.reporter)
    if found == ():
        message = f"stream `{spec.name.value}` has no GROUP BY outside of windows, whose groups `group_ttl` would keep"
        helps = ("take it out, or write `SELECT …, count(*) AS n … GROUP BY …`",)
        lowering.reporter.error("conflicting-options", message, said.span, helps=helps)
    return found or None


def _placed(
    found: Sql, calls: tuple[Call, ...], windows: WindowCalls, groups: tuple[RunningCall, ...], graph: Graph,
    spec: StreamSpec, lowering: Lowering,
) -> Sql | None:  # fmt: skip
    """The query in the graph, cut at its calls, windows, running aggregates and joins; None after an error."""
    joins = _joins(windows, (*calls, *groups), graph, lowering)
    if joins is None:
        return None
    graph.open, query, ctes = joins.open, joins.query, ctes_of(joins.query.tree)
    cuts = _cuts(query, calls, windows, groups, graph, lowering)
    if cuts is None:
        return None
    places = {id(cte): place for place, cte in enumerate(ctes_of(query.tree))}
    moved = [c if c.before is None else replace(c, before=places[id(ctes[c.before])]) for c in calls]
    action, allowed = late(spec)
    joined = [
        replace(join, late=action, allowed_lateness=allowed, place=_place(join.id, query)) for join in joins.joins
    ]
    if not (calls or joined or spec.window is not None):
        found = replace(found, written=None)
    return graph.query(query, found, moved, cuts, joined)


def _place(id: str, query: SqlTree) -> int | None:
    """In which CTE the relation stands that is in the place of a join: where it was cut, that is another one."""
    return next(
        (
            place for place, cte in enumerate(ctes_of(query.tree))
            if any(marks.CALL.get(table) == id for table in cte.this.find_all(exp.Table))
        ),
        None,
    )  # fmt: skip


def _cuts(
    query: SqlTree, calls: Sequence[Call], windows: WindowCalls, groups: Sequence[RunningCall], graph: Graph,
    lowering: Lowering,
) -> list[Cut] | None:  # fmt: skip
    """The windows and running aggregates of a query, cut out of its tree; None after an error."""
    grouping: list[WindowCall | RunningCall] = [*windows.calls, *groups]
    ids = (*(call.id for call in calls), *(call.id for call in grouping))
    taken = frozenset((*graph.relations, *(cte.alias for cte in ctes_of(query.tree)), *ids))
    own = {name: plan for name, plan in lowering.functions.items() if isinstance(plan, FunctionPlan) and plan.aggregate}
    found, allowance = list[Cut](), lowering.allowance
    allowance.values += len(query.text.text) // CHARACTERS_PER_VALUE
    for call in grouping:
        name = free(f"{call.id}_input", taken)
        if isinstance(call, RunningCall):
            made = cut_running(query, call, name, own, allowance.values, lowering.reporter)
        else:
            made = cut(query, call, name, own, allowance.values, lowering.reporter)
        if made is None:
            return None
        allowance.values -= len(made.aggregates)
        found.append(made)
    return found


def _aggregates(lowering: Lowering) -> frozenset[str]:
    """Those of the project."""
    plans = lowering.functions.items()
    return frozenset(name.lower() for name, plan in plans if isinstance(plan, Untyped) or plan.aggregate)


def _check_targets(
    stream: CheckedStream, found: Sql | None, applies: Sequence[Apply], columns: tuple[Column, ...], lowering: Lowering
) -> None:
    """Judges the output by the tables that it goes into; keys that it lacks are told where they are named."""
    for apply in applies:
        missing = replace(apply, keys=tuple(key for key in apply.keys if find_column(columns, key) is None))
        if apply.target.table is not None:
            check_output(missing, columns, apply.target.table, lowering.reporter)
        else:
            check_made(missing, columns, lowering.reporter)
    check_named(stream, columns, lowering)
    _check_changes(found, (*applies, *stream_outputs(stream)), lowering.reporter)


def _check_changes(found: Sql | None, targets: Sequence[Apply | Output], reporter: Reporter) -> None:
    """Judges targets with keys by those of rows that replace each other; that others have none is reported before."""
    placed = found.placed if found is not None else None
    if placed is None or not placed.key:
        return
    for target in targets:
        keyed = target.keys if isinstance(target, Apply) else target.key
        refusal = takes(target, Changelog.UPSERT, placed.key, placed.follows, placed.alike) if keyed else None
        if refusal is not None:
            reporter.error(CODE, refusal.message, target.span, helps=(refusal.help,))


def _asked(query: SqlTree | None) -> tuple[str, ...]:
    """The columns beside the messages' own that the SQL names."""
    named = {column.name for column in query.tree.find_all(exp.Column)} if query is not None else set()
    return tuple(name for name in EXTRAS if name in named)


def _hidden(query: SqlTree, sources: tuple[Source, ...]) -> dict[str, tuple[str, ...]]:
    """The columns beside each source's own that the SQL asks for by their names."""
    own = {source.name: {column.name for column in source.columns or ()} for source in sources}
    return {name: tuple(e for e in _asked(query) if e not in columns) for name, columns in own.items()}


def _whole(
    query: SqlTree | None, stream: CheckedStream, sources: tuple[Source, ...], lowering: Lowering
) -> SqlTree | None:
    """The query of a stream with the block `window` behind it."""
    window, dialect = stream.spec.window, stream.dialect
    if window is None or dialect is None or (query is None and (stream.spec.sql is not None or len(sources) != 1)):
        return query
    text = window_text(stream.spec, window, query, [s.name for s in sources], lowering, dialect=dialect)
    return parse_query(text, dialect, lowering.reporter) if text is not None else None


def _query(stream: CheckedStream, sources: tuple[Source, ...], lowering: Lowering) -> SqlTree | None:
    text, dialect = stream.spec.sql, stream.dialect
    if text is None and (join := stream.spec.join) is not None:
        made = join_text(stream.spec, join, sources)
        return parse_query(made, OWN, lowering.reporter) if made is not None else None
    if text is None and len(sources) > 1:
        union = union_text(stream.spec, sources, lowering.reporter)
        return parse_query(union, OWN, lowering.reporter) if union is not None else None
    rendered = lowering.plain(text, None, dialect) if text and dialect else None
    return parse_query(rendered, dialect, lowering.reporter) if rendered and dialect else None


def _source(source: CheckedStreamSource, stream: CheckedStream, lowering: Lowering) -> Source:
    spec, name = source.spec, source.spec.name.value
    event_time, declared = spec.event_time, _declared(source, lowering.reporter)
    return Source(
        f"{stream.spec.name.value}.{name}", name, source.connection.name.value, source.connection.kind.value,
        path=source.address, format=source.format,
        options={
            **({"event_time": event_time.value} if event_time else {}), **({"read": spec.read} if spec.read else {})
        },
        columns=declared or lowering.found.get(name), found=declared is None and name in lowering.found,
    )  # fmt: skip


def _declared(source: CheckedStreamSource, reporter: Reporter) -> tuple[Column, ...] | None:
    """The columns of the messages; None where a registry or the first batch tells them."""
    if source.spec.columns:
        _check_decoded(source, source.spec.columns, reporter)
        return tuple(Column(each.name.value, each.type.value, each.nullable) for each in source.spec.columns)
    return _RAW if _is_whole(source) else None


def _is_whole(source: CheckedStreamSource) -> bool:
    return source.format in FORMATS and FORMATS[source.format].whole


def _check_decoded(source: CheckedStreamSource, columns: Sequence[SourceColumn], reporter: Reporter) -> None:
    """Reports columns that no message has, or none of a raw source."""
    odd = next((each for each in columns if _holds_interval(each.type.value)), None)
    if odd is not None:
        message = f"`{odd.name.value}` is of type `{odd.type.value}`, which a message cannot hold"
        helps = ("declare it as text and convert it in the SQL",)
        reporter.error("unsupported-type", message, odd.type.span, helps=helps)
    kinds = [(each.name.value, each.type.value.kind in _RAW_KINDS) for each in columns]
    if _is_whole(source) and kinds != [("value", True)]:
        message = f"source `{source.spec.name.value}` is raw, and a raw message is one column `value`, binary or text"
        reporter.error("unsupported-type", message, columns[0].name.span, helps=("columns: { value: text }, or none",))


def _holds_interval(kind: DataType) -> bool:
    parts = (*(part for _, part in kind.fields), *([kind.element] if kind.element is not None else []))
    return kind.kind is Kind.INTERVAL or any(map(_holds_interval, parts))


def _relations(
    stream: CheckedStream, sources: tuple[Source, ...], lookups: tuple[Lookup, ...]
) -> Iterator[tuple[str, Relation]]:
    """What the SQL can select from, by name."""
    for source, checked in zip(sources, stream.sources, strict=True):
        extras = extra_types(numbered=source_kind(source.kind).numbered).items()
        columns = None if source.columns is None else (*source.columns, *(Column(*extra) for extra in extras))
        own, title = TableName(None, source.name), f"source `{source.name}`"
        yield source.name, Relation.of_table(own, columns, title, checked.spec.name.span)
    for each in stream.spec.lookups:
        name = each.name
        yield name.value, Relation(None, f"lookup `{name.value}`", name.span, TableName(None, name.value))
    for lookup in lookups:
        yield lookup.name, lookup_relation(lookup)


def _inferred(query: SqlTree, relations: Mapping[str, Relation], name: str, lowering: Lowering) -> Sql | None:
    """The query, with its columns where they are known; None where it has errors."""
    if not announce(query, lowering):
        return None
    before = lowering.reporter.errors

    def find(table: TableName) -> Relation | None:
        return None if table.schema else relations.get(table.name)

    found = infer(query, RUNNER, find, lowering.reporter)
    _check_reads(query, found.reads, relations, name, lowering)
    check_calls(query, lowering.functions, lowering.reporter)
    text = stream_text(query, RUNNER, lowering.functions, lowering.reporter, lowering.allowance)
    if text is None or lowering.reporter.errors > before:
        return None
    note_query(lowering, query, found.reads, find, RUNNER, functions=called(query, lowering.functions), runs=text)
    fields = _output(query, found.fields) if found.fields is not None else None
    columns = tuple(Column(f.name, f.type, f.nullable) for f in fields) if fields is not None else None
    placed, kept = zip(output_places(query, found), found.fields or (), strict=False), frozenset(fields or ())
    places = tuple(place for place, field in placed if field in kept)
    return Sql(
        "query", (), engine=RUNNER, text=text, reads=found.reads, columns=columns, source=query.text,
        origins=origins_of(fields), places=places, dialect=query.dialect, stars=output_stars(query),
    )  # fmt: skip


def _output(query: SqlTree, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """A `*` stands for the message's own columns; the others are there when they are asked for by their names."""
    asked, star = _asked(query), query.tree.find(exp.Star) is not None
    return tuple(f for f in fields if not (star and f.name in EXTRAS and f.name not in asked))


def _check_reads(
    query: SqlTree, reads: tuple[TableName, ...], relations: Mapping[str, Relation], name: str, lowering: Lowering
) -> None:
    """A stream's SQL reads its sources and lookups, and nothing else."""
    tables = {table.name: table for table in query.tree.find_all(exp.Table)}
    for read in reads:
        if read.schema or read.name not in relations:
            helps = did_you_mean(read.name, relations) or (f"it can read `{'`, `'.join(relations)}`",)
            if not read.schema and (table := lowering.checked.project.tables.get(read.name)) is not None:
                home = home_of(table, lowering.checked.project)
                helps = (f"look its rows up: `lookups: {{ {read.name}: {{ connection: {home}, … }} }}`",)
            message = f"`{read}` is neither a source nor a lookup of stream `{name}`"
            node = tables.get(read.name)
            lowering.reporter.error(
                "unknown-table", message, query.span(node.this if node else query.tree), helps=helps
            )
