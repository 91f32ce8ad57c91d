"""The passes over a stream's SQL, in order: from the text to the nodes of its graph.

Each pass is a plain function that takes a draft and returns the next one, or None after an error that hides what
follows. A query over windows is typed as the same GROUP BY without them, and is cut afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedStream
from flowc.compiler.dialects import OWN, RUNNER
from flowc.compiler.ir import Lookup, Node, Source, Sql
from flowc.compiler.lowering.asking import note_query
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functioncalls import announce, called, check_calls
from flowc.compiler.lowering.functions import Untyped
from flowc.compiler.lowering.inputs import origins_of, output_places, output_stars
from flowc.compiler.lowering.runningcut import RunningCutter
from flowc.compiler.lowering.streamgraph import Graph
from flowc.compiler.lowering.streamjoin import Outer
from flowc.compiler.lowering.streamquery import stream_text, with_own_stars
from flowc.compiler.lowering.streamsources import join_text, union_text
from flowc.compiler.lowering.streamtime import block, late, microseconds, window_settings
from flowc.compiler.lowering.tablekeys import home_of
from flowc.compiler.lowering.windowblock import window_text
from flowc.compiler.lowering.windowcut import Cut, Cutter
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import Field, Relation
from flowc.compiler.sql.streams.runningcalls import RunningCall, read_running
from flowc.compiler.sql.streams.streamjoins import StreamJoin, read_joins
from flowc.compiler.sql.streams.tablefunctions import Call, ctes_of, folded, free, has_calls, read_calls
from flowc.compiler.sql.streams.windowcalls import WindowCall, check_outputs, check_windows, has_windows, read_windows
from flowc.compiler.sql.text.allowance import CHARACTERS_PER_VALUE
from flowc.compiler.sql.text.placed import is_small
from flowc.compiler.sql.text.sqltext import SqlTree, copied, parse_query
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter, did_you_mean
from flowc.loadplan import FunctionPlan
from flowc.source import MappedText
from flowc.stream import EXTRAS


@dataclass(frozen=True, slots=True)
class Draft:
    """A stream between two passes over its SQL."""

    stream: CheckedStream
    sources: tuple[Source, ...]
    lookups: tuple[Lookup, ...]
    relations: Mapping[str, Relation]
    """All that the SQL can read, by name."""
    written: SqlTree | None = None
    """The author's query, or the one that several sources or the block `join` stand for."""
    query: SqlTree | None = None
    """The same with the block `window` behind it. None where a source is written as it is, and where columns that the
    query needs are not known yet."""
    tree: SqlTree | None = None
    """What the passes have left of the query: relations in the place of calls, windows and joins."""
    calls: tuple[Call, ...] = ()
    windows: tuple[WindowCall, ...] = ()
    groups: tuple[RunningCall, ...] = ()
    joins: tuple[StreamJoin, ...] = ()
    is_open: bool = False
    """A join cannot be read before the columns of its sides are known."""
    cuts: tuple[Cut, ...] = ()
    output: Sql | None = None
    """The query whose rows are written; None where its columns cannot be inferred."""
    nodes: tuple[Node, ...] = ()
    outer: Outer | None = None
    """The output of a join whose rows without a partner may be replaced."""

    @property
    def source_names(self) -> frozenset[str]:
        return frozenset(source.name for source in self.sources)


Pass = Callable[[Draft, Lowering], Draft | None]


def run_passes(draft: Draft, lowering: Lowering) -> Draft | None:
    """The draft after all passes; None after an error that hides what follows."""
    for step in PASSES:
        result = step(draft, lowering)
        if result is None:
            withdraw(draft, lowering)
            return None
        draft = result
    return draft


def withdraw(draft: Draft, lowering: Lowering) -> None:
    """Withdraws the question to an engine about windows with errors: it would repeat them, and knows no windows."""
    if draft.windows and draft.tree is not None:
        text = draft.tree.text
        lowering.statements[:] = [statement for statement in lowering.statements if statement.text is not text]


def asked(query: SqlTree | None) -> tuple[str, ...]:
    """The columns that the SQL names and that sources have in addition to those of their messages."""
    named = {column.name for column in query.tree.find_all(exp.Column)} if query is not None else set()
    return tuple(name for name in EXTRAS if name in named)


def _with_query(function: Callable[[Draft, SqlTree, Lowering], Draft | None]) -> Pass:
    """A pass that leaves a stream without SQL as it is."""

    @wraps(function)
    def step(draft: Draft, lowering: Lowering) -> Draft | None:
        return draft if draft.tree is None else function(draft, draft.tree, lowering)

    return step


# Text


def parse_text(draft: Draft, lowering: Lowering) -> Draft | None:
    """Parses the author's SQL, or the query that several sources or the block `join` stand for."""
    spec, dialect = draft.stream.spec, draft.stream.dialect
    text: MappedText | None = None
    if spec.sql is None:
        dialect = OWN
        if spec.join is not None:
            text = join_text(spec, spec.join, draft.sources)
        elif len(draft.sources) > 1:
            text = union_text(spec, draft.sources, lowering.reporter)
    elif dialect:
        text = lowering.plain(spec.sql, None, dialect)
    query = parse_query(text, dialect, lowering.reporter) if text and dialect else None
    return replace(draft, written=query, query=query, tree=query)


def append_window(draft: Draft, lowering: Lowering) -> Draft | None:
    """Puts the block `window` behind the query, or behind the only source."""
    spec, query, dialect = draft.stream.spec, draft.written, draft.stream.dialect
    is_alone = spec.sql is None and len(draft.sources) == 1
    if spec.window is None or dialect is None or (query is None and not is_alone):
        return draft
    sources = [source.name for source in draft.sources]
    text = window_text(spec, spec.window, query, sources, lowering, dialect=dialect)
    query = parse_query(text, dialect, lowering.reporter) if text is not None else None
    return replace(draft, query=query, tree=query)


# Calls


@_with_query
def read_dedupes(draft: Draft, query: SqlTree, lowering: Lowering) -> Draft | None:
    """Reads the calls of `dedupe`, and puts relations in their place; `*` leaves out the columns in `EXTRAS`."""
    if not is_small(query, lowering.reporter):
        return None
    tree, calls = folded(query), draft.calls
    if has_calls(tree):
        result = read_calls(tree, draft.source_names, lowering.reporter)
        if result is None:
            return None
        tree, calls = result.query, result.calls
    named, columns = asked(tree), {s.name: {c.name for c in s.columns or ()} for s in draft.sources}
    hidden = {source: tuple(name for name in named if name not in own) for source, own in columns.items()}
    return replace(draft, tree=with_own_stars(tree, hidden), calls=calls)


@_with_query
def read_window_functions(draft: Draft, query: SqlTree, lowering: Lowering) -> Draft | None:
    """Reads the window functions, and puts relations in their place."""
    if not check_windows(query, draft.source_names, lowering.reporter):
        return None
    if not has_windows(query):
        return draft
    named = check_outputs(query, lowering.reporter)
    result = read_windows(query, draft.source_names, lowering.reporter) if named else None
    return replace(draft, tree=result.query, windows=result.calls) if result is not None else None


def read_running_groups(draft: Draft, lowering: Lowering) -> Draft | None:
    """Reads the running aggregates, where the stream says how long to store their groups."""
    spec = draft.stream.spec
    ttl = spec.group_ttl
    if ttl is None or (draft.tree is None and spec.sql is not None):  # SQL that cannot be parsed is reported as such
        return draft
    groups: tuple[RunningCall, ...] | None = ()
    if draft.tree is not None:
        time = None if ttl.value is None else microseconds(ttl.value)
        groups = read_running(draft.tree, draft.source_names, _aggregates(lowering), time, lowering.reporter)
    if groups == ():
        message = f"stream `{spec.name.value}` has no GROUP BY outside of windows, whose groups `group_ttl` would keep"
        helps = ("take it out, or write `SELECT …, count(*) AS n … GROUP BY …`",)
        lowering.reporter.error("conflicting-options", message, ttl.span, helps=helps)
    return replace(draft, groups=groups) if groups else None


def _aggregates(lowering: Lowering) -> frozenset[str]:
    """The names of the project's aggregates, in lower case."""
    plans = lowering.functions.items()
    return frozenset(name.lower() for name, plan in plans if isinstance(plan, Untyped) or plan.aggregate)


# Types


@_with_query
def infer_output(draft: Draft, query: SqlTree, lowering: Lowering) -> Draft | None:
    """Infers the columns of the query, and notes it for the check of an engine."""
    if not announce(query, lowering):
        return draft
    before = lowering.reporter.errors

    def find(table: TableName) -> Relation | None:
        return None if table.schema else draft.relations.get(table.name)

    inferred = infer(query, RUNNER, find, lowering.reporter)
    _check_reads(query, inferred.reads, draft, lowering)
    check_calls(query, lowering.functions, lowering.reporter)
    text = stream_text(query, RUNNER, lowering.functions, lowering.reporter, lowering.allowance)
    if text is None or lowering.reporter.errors > before:
        return draft
    functions = called(query, lowering.functions)
    note_query(lowering, query, inferred.reads, find, RUNNER, functions=functions, runs=text)
    fields = _output(query, inferred.fields) if inferred.fields is not None else None
    columns = tuple(Column(f.name, f.type, f.nullable) for f in fields) if fields is not None else None
    shown = frozenset(fields or ())
    places = zip(output_places(query, inferred), inferred.fields or (), strict=False)
    output = Sql(
        "query", (), engine=RUNNER, text=text, reads=inferred.reads, columns=columns, source=query.text,
        origins=origins_of(fields), places=tuple(place for place, field in places if field in shown),
        dialect=query.dialect, stars=output_stars(query),
    )  # fmt: skip
    return replace(draft, output=output)


def _output(query: SqlTree, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """A `*` stands for the message's own columns; the others are in the output when the SQL names them."""
    named, has_star = asked(query), query.tree.find(exp.Star) is not None
    return tuple(f for f in fields if not (has_star and f.name in EXTRAS and f.name not in named))


def _check_reads(query: SqlTree, reads: tuple[TableName, ...], draft: Draft, lowering: Lowering) -> None:
    """Reports tables that are neither sources nor lookups of the stream."""
    tables, relations = {table.name: table for table in query.tree.find_all(exp.Table)}, draft.relations
    for read in reads:
        if read.schema or read.name not in relations:
            helps = did_you_mean(read.name, relations) or (f"it can read `{'`, `'.join(relations)}`",)
            if not read.schema and (table := lowering.checked.project.tables.get(read.name)) is not None:
                home = home_of(table, lowering.checked.project)
                helps = (f"look its rows up: `lookups: {{ {read.name}: {{ connection: {home}, … }} }}`",)
            message = f"`{read}` is neither a source nor a lookup of stream `{draft.stream.spec.name.value}`"
            node = tables.get(read.name)
            span = query.span(node.this if node else query.tree)
            lowering.reporter.error("unknown-table", message, span, helps=helps)


# Graph


@_with_query
def read_stream_joins(draft: Draft, query: SqlTree, lowering: Lowering) -> Draft | None:
    """Reads the joins of streams, and puts relations in their place."""
    if draft.output is None:
        return draft
    calls: tuple[Call | RunningCall | WindowCall, ...] = (*draft.calls, *draft.groups, *draft.windows)
    taken = frozenset(call.id for call in calls)
    look = partial(_columns_of, query, draft.relations)
    result = read_joins(
        query, draft.source_names, taken=taken, windows=draft.windows, look=look, reporter=lowering.reporter
    )
    return replace(draft, tree=result.query, joins=result.joins, is_open=result.open) if result is not None else None


def _columns_of(
    query: SqlTree, relations: Mapping[str, Relation], relation: exp.Expression, place: int | None
) -> tuple[Field, ...] | None:
    """The columns of a relation in the FROM of a CTE, or of the query itself."""
    with_ = query.tree.args.get("with_")
    tree = exp.Select(expressions=[exp.Star()], from_=exp.From(this=relation.copy()))
    if with_ is not None:
        tree.set("with_", exp.With(expressions=[cte.copy() for cte in with_.expressions[:place]]))
    return infer(replace(query, tree=tree), RUNNER, lambda name: relations.get(name.name), Reporter()).fields


@_with_query
def cut_groups(draft: Draft, query: SqlTree, lowering: Lowering) -> Draft | None:
    """Cuts the query at its windows and running aggregates. What is before each of them becomes a CTE."""
    if draft.output is None:
        return draft
    query = replace(query, tree=copied(query.tree)) if draft.windows or draft.groups else query
    ctes = ctes_of(query.tree)
    cuts = _cuts(query, draft, lowering)
    if cuts is None:
        return None
    places = {id(cte): place for place, cte in enumerate(ctes_of(query.tree))}
    calls = tuple(
        call if call.before is None else replace(call, before=places[id(ctes[call.before])]) for call in draft.calls
    )
    action, allowed = late(draft.stream.spec)
    joins = tuple(
        replace(join, late=action, allowed_lateness=allowed, place=_place(join.id, query)) for join in draft.joins
    )
    return replace(draft, tree=query, cuts=cuts, calls=calls, joins=joins)


def _cuts(query: SqlTree, draft: Draft, lowering: Lowering) -> tuple[Cut, ...] | None:
    """The windows and running aggregates of a query, cut out of its tree; None after an error."""
    grouping: tuple[WindowCall | RunningCall, ...] = (*draft.windows, *draft.groups)
    ids = (*(call.id for call in draft.calls), *(call.id for call in grouping))
    taken = frozenset((*draft.relations, *(cte.alias for cte in ctes_of(query.tree)), *ids))
    plans = lowering.functions.items()
    own = {name: plan for name, plan in plans if isinstance(plan, FunctionPlan) and plan.aggregate}
    cuts, allowance = list[Cut](), lowering.allowance
    allowance.values += len(query.text.text) // CHARACTERS_PER_VALUE
    for call in grouping:
        cutter = RunningCutter if isinstance(call, RunningCall) else Cutter
        cut = cutter(query, call, own, allowance.values, lowering.reporter).cut(free(f"{call.id}_input", taken))
        if cut is None:
            return None
        allowance.values -= len(cut.aggregates)
        cuts.append(cut)
    return tuple(cuts)


def _place(id: str, query: SqlTree) -> int | None:
    """The place of the CTE that reads a join."""
    return next(
        (
            place for place, cte in enumerate(ctes_of(query.tree))
            if any(marks.CALL.get(table) == id for table in cte.this.find_all(exp.Table))
        ),
        None,
    )  # fmt: skip


def build_graph(draft: Draft, lowering: Lowering) -> Draft | None:
    """Builds the nodes: the blocks, and what the query was cut into."""
    spec, output = draft.stream.spec, draft.output
    graph = Graph(draft.sources, draft.relations, lowering.functions, lowering.reporter, window_settings(spec))
    graph.block(block(spec))
    if draft.tree is not None and output is not None:
        is_written = draft.calls or draft.joins or spec.window is not None
        output = replace(output, written=_written(draft) if is_written else None)
        graph.open = draft.is_open
        output = graph.query(draft.tree, output, draft.calls, draft.cuts, draft.joins)
    return replace(draft, output=output, nodes=graph.ordered(), outer=graph.outer)


def _written(draft: Draft) -> str:
    return draft.written.text.text if draft.written is not None else f"TABLE {draft.sources[0].path}"


PASSES: Sequence[Pass] = (
    parse_text, append_window, read_dedupes, read_window_functions, read_running_groups, infer_output,
    read_stream_joins, cut_groups, build_graph,
)  # fmt: skip
