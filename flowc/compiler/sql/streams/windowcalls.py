"""`tumble`, `hop`, `cumulate` and `session` in the FROM of a stream's query: where they stand and what they say.

Whoever looks at names, columns and types alone reads, in the place of a call, its relation with the columns that the
window adds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token

from flowc.compiler.changelog import bounds
from flowc.compiler.sql import marks
from flowc.compiler.sql.streams.tablefunctions import (
    DEDUPE,
    bounds_of,
    call_id,
    called,
    ctes_of,
    folded,
    known,
    literals,
    microseconds,
    placed,
)
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter, did_you_mean
from flowc.nodes import WindowKind
from flowc.source import Span
from flowc.types import DataType, Kind

START, END, SESSION = "window_start", "window_end", "session_id"
HIDDEN = "_flowc_"
"""With this begin the names of columns that rows carry and nobody sees."""
PERCENTILES = ("approx_percentile_cont", "approx_median")
MAX_WINDOWS = 30
MAX_OVERLAPS = 10_000
"""How many windows of a hop one row may be in, and how many steps a window of `cumulate` may have."""
KINDS: Mapping[str, WindowKind] = {
    "tumble": "tumbling", "hop": "hopping", "cumulate": "cumulating", "session": "session",
}  # fmt: skip
"""The kinds of windows, by the functions that make them."""
_FORMS = {
    "tumble": "tumble(relation, INTERVAL '1 minute')",
    "hop": "hop(relation, INTERVAL '10 seconds', INTERVAL '1 minute')",
    "cumulate": "cumulate(relation, INTERVAL '10 minutes', INTERVAL '1 day')",
    "session": "session(relation, INTERVAL '5 minutes', INTERVAL '24 hours')",
}
_ROLES = {"tumble": ("size",), "hop": ("slide", "size"), "cumulate": ("step", "size"), "session": ("gap", "longest")}
_MOMENT = "1970-01-01 00:00:00+00"


@dataclass(frozen=True, slots=True)
class WindowCall:
    """One call; `size` and `step` are as in `flowc.nodes.WindowPlan`."""

    id: str
    function: str
    size: int
    step: int
    relation: exp.Column
    span: Span
    before: int | None
    """Which of the query's CTEs its relation is; None for a source."""

    code = "misplaced-window"
    noun = "window"
    judged = "by which its windows are told"
    apart = "give each of them a window of its own, and put them together behind the windows"

    @property
    def name(self) -> str:
        """That of its relation."""
        return str(self.relation.name)

    @property
    def kind(self) -> WindowKind:
        """The kind of its windows."""
        return KINDS[self.function]

    @property
    def bounds(self) -> tuple[str, ...]:
        """The columns that the window adds."""
        return bounds(self.kind)


@dataclass(frozen=True, slots=True)
class WindowCalls:
    """The calls of a query, and the query with what they read in their place."""

    query: SqlTree
    calls: tuple[WindowCall, ...]


def has_windows(query: SqlTree) -> bool:
    """Whether relations of the query are windows."""
    return any(called(table) in KINDS for table in query.tree.find_all(exp.Table))


def check_windows(query: SqlTree, sources: frozenset[str], reporter: Reporter) -> bool:
    """Whether no window is meant by what is none: its name misspelt, with a schema, or within LATERAL or TABLE."""
    before, query = reporter.errors, folded(query)
    names = sources | {cte.alias for cte in ctes_of(query.tree)}
    for call in query.tree.find_all(exp.Anonymous):
        given = call.expressions[0] if call.expressions else None
        if isinstance(given, exp.Column) and not given.table and given.name in names and _is_relation(call):
            _check_meant(call, query, reporter)
    return reporter.errors == before


def _is_relation(call: exp.Anonymous) -> bool:
    """Whether a call stands in the place of a relation, alone or within `TABLE(…)`."""
    outer = call.parent
    wrapped = isinstance(outer, exp.Anonymous) and outer.name.lower() == "table"
    return isinstance(
        outer.parent if outer is not None and wrapped else outer, exp.Table | exp.Lateral | exp.TableFromRows
    )


def _check_meant(call: exp.Anonymous, query: SqlTree, reporter: Reporter) -> None:
    name, span = call.name.lower(), query.span(call)
    if name in KINDS and (not isinstance(call.parent, exp.Table) or call.parent.db):
        message = f"`{name}` is a part of flowc's SQL, and stands in FROM by itself"
        helps = (f"write `FROM {_FORMS[name]}`, with no schema, LATERAL or TABLE around it",)
        reporter.error("misplaced-window", message, span, helps=helps)
    elif name not in KINDS and name != DEDUPE:
        kinds = {kind: function for function, kind in KINDS.items()} | {"sliding": "hop"}
        found = kinds.get(name)
        near = did_you_mean(name, KINDS) if found is None else (f"did you mean `{found}`?",)
        if near:
            reporter.error("unknown-function", f"there is no function `{name}` of relations", span, helps=near)


def check_outputs(query: SqlTree, reporter: Reporter) -> bool:
    """Whether no output has a name that flowc keeps for columns of its own, or none at all."""
    before = reporter.errors
    for output in query.tree.find_all(exp.Alias):
        name = output.args["alias"]
        if name.name.lower().startswith(HIDDEN):
            message = (
                f"`{name.name}` is a name that flowc keeps for columns of its own: those that begin with `{HIDDEN}`"
            )
            reporter.error("duplicate-column", message, query.span(name), helps=("choose another one",))
        elif not name.name:
            helps = ("name it: `… AS column_name`",)
            reporter.error("unnamed-column", "this name of an output is empty", query.span(name), helps=helps)
    return reporter.errors == before


def read_windows(query: SqlTree, sources: frozenset[str], reporter: Reporter) -> WindowCalls | None:
    """The windows of a query whose sources have these names; None after an error."""
    before, calls, query = reporter.errors, list[WindowCall](), folded(query)
    tables = [table for table in query.tree.find_all(exp.Table) if called(table) in KINDS]
    if len(tables) > MAX_WINDOWS:
        message = f"the query has {len(tables)} windows, and {MAX_WINDOWS} are possible"
        helps = ("make several streams of it",)
        reporter.error("sql-too-large", message, query.span(tables[MAX_WINDOWS]), helps=helps)
        return None
    tokens = Dialect.get_or_raise(query.dialect).tokenize(query.text.text)
    for table in tables:
        call = _read(table, query, tokens, sources, reporter)
        if call is not None and call.id in (other.id for other in calls):
            message = f"two windows are called `{call.id}`, and each finds what it remembers by its name"
            helps = (f"give one another name: `FROM {call.function}({call.name}, …) AS name`",)
            reporter.error("duplicate-name", message, query.span(table), helps=helps)
        elif call is not None:
            calls.append(call)
    if reporter.errors > before:
        return None
    tell_percentiles(query.tree)
    for table, call in zip(tables, calls, strict=True):
        if (select := table.find_ancestor(exp.Select)) is not None:
            name_items(select)
        table.replace(_stand_in(table, call))
    return WindowCalls(query, tuple(calls))


def _read(
    table: exp.Table, query: SqlTree, tokens: Sequence[Token], sources: frozenset[str], reporter: Reporter
) -> WindowCall | None:
    name, arguments, span = called(table), table.this.expressions, query.text.span(*bounds_of(table, tokens))
    relation, roles = arguments[0] if arguments else None, _ROLES[name]
    if name == "session" and len(arguments) == 2:
        message = "this session has no longest duration, so one key that never rests would be kept for ever"
        helps = (f"say it as the last argument: `{_FORMS[name]}`",)
        reporter.error("session-without-cap", message, span, helps=helps)
        return None
    if (column := _timed_by(arguments[1:])) is not None:
        message = f"`{name}` goes by the event time of its rows, and takes no column that says it"
        helps = (f"name it where the source is, `event_time: {column}`, and write `FROM {_FORMS[name]}`",)
        reporter.error("wrong-arguments", message, span, helps=helps)
        return None
    if not isinstance(relation, exp.Column) or relation.table or len(arguments) != len(roles) + 1:
        message = f"`{name}` takes a source or a CTE, and then its {' and its '.join(roles)} as intervals"
        nested = "what has to be computed, or nested, comes before it: `WITH part AS (SELECT …) …`"
        reporter.error("wrong-arguments", message, span, helps=(f"write `FROM {_FORMS[name]}`", nested))
        return None
    lengths = _lengths(table, query, tokens, reporter)
    if lengths is None:
        return None
    behind = {key for key, value in table.args.items() if value} - {"this", "alias"}
    alias = table.args.get("alias")
    if behind or (alias is not None and alias.args.get("columns")):
        message = f"nothing stands behind `{name}(…)` but a name: it gives its own columns, and all of its rows"
        reporter.error("misplaced-window", message, span, helps=("name columns in SELECT, and choose rows in WHERE",))
        return None
    cte = placed(table, name, query, reporter)
    before: int | bool | None = False
    if cte is not False:
        before = known(relation, cte, name, query, sources=sources, reporter=reporter)
    if before is False:
        return None
    step, size = lengths
    return WindowCall(
        call_id(table, cte, sources, name), name, size=size, step=step, relation=relation, span=span, before=before,
    )  # fmt: skip


def _timed_by(arguments: Sequence[exp.Expression]) -> str | None:
    """The column that other systems are told as the time, alone or as `DESCRIPTOR(column)`."""
    named = (a.expressions[0] if isinstance(a, exp.Anonymous) and a.expressions else a for a in arguments)
    return next((each.name for each in named if isinstance(each, exp.Column)), None)


def _lengths(table: exp.Table, query: SqlTree, tokens: Sequence[Token], reporter: Reporter) -> tuple[int, int] | None:
    """The step and the size of a call in microseconds; None after an error."""
    name, nodes, said = called(table), table.this.expressions[1:], literals(table, tokens)
    spans = [query.text.span(start, end) for _, start, end in said]
    if len(said) != len(nodes):
        said, spans = [("", 0, 0) for _ in nodes], [query.span(node) for node in nodes]
    found = [microseconds(node, text) for node, (text, _, _) in zip(nodes, said, strict=True)]
    wrong = next((place for place, length in enumerate(found) if length is None), None)
    step, size = found[0] or 0, found[-1] or 0
    code, message, span, help = "conflicting-options", "", spans[0], f"write at most `{spans[-1].text}`"
    if wrong is not None:
        role, code, span = _ROLES[name][wrong], "wrong-arguments", spans[wrong]
        message = f"the {role} of `{name}` is an interval of a fixed length, of more than zero, up to a century"
        help = _mend(said[wrong][0])
    elif step > size:
        message = _LONGER[name]
    elif name == "cumulate" and size % step:
        message, help = "the step does not divide the size, so the last window would not fit", "choose one that does"
    elif name in _OVERLAPPING and size > MAX_OVERLAPS * step:
        code, (message, help) = "sql-too-large", _OVERLAPPING[name]
        message = f"{message.format(-(-size // step))}, and {MAX_OVERLAPS} are possible"
    if message:
        reporter.error(code, message, span, helps=(help,))
        return None
    return step, size


def _mend(text: str) -> str:
    """What to write in the place of an interval that says no length."""
    units = "weeks, days, hours, minutes, seconds, milliseconds and microseconds, each a number and a word"
    if re.search(r"month|year|decade|centur", text, re.IGNORECASE):
        return "months and years are of several lengths: count in days, `INTERVAL '30 days'`"
    if re.search(r"\bTO\b", text, re.IGNORECASE):
        return "write one number and one unit, `INTERVAL '1 hour'`, and not from one unit to another"
    if re.fullmatch(r"[\d.]+", text):
        return f"say of what: `INTERVAL '{text} seconds'`; it may be {units}"
    return f"write `INTERVAL '10 minutes'`; it may be {units}"


_OVERLAPPING = {
    "hop": ("each row would be in {} windows", "choose a longer slide, or a shorter size"),
    "cumulate": ("each window would have {} steps", "choose a longer step, or a shorter size"),
}
_LONGER = {
    "hop": "the slide is longer than the size: rows between two windows would be lost",
    "cumulate": "the step is longer than the size, so there is no window",
    "session": "the gap is longer than the longest duration: a session would end before its gap does",
}


def name_items(select: exp.Select) -> None:
    """Aggregates that are given no name have that of their function."""
    for item in list(select.expressions):
        call = item.this if isinstance(item, exp.Filter | exp.IgnoreNulls | exp.RespectNulls) else item
        if isinstance(call, exp.AggFunc):
            item.replace(exp.alias_(item.copy(), call.sql_name().lower(), quoted=False))


def tell_percentiles(tree: exp.Expression) -> None:
    """Leaves on calls of them what they give, for inference."""
    for node in tree.find_all(exp.Anonymous):
        if node.name.lower() in PERCENTILES:
            marks.RETURNS.set(node, DataType(Kind.FLOAT64))


def _stand_in(table: exp.Table, call: WindowCall) -> exp.Subquery:
    """The relation of a call with the columns that a window adds."""
    relation = exp.Table(this=call.relation.this.copy())
    moment = exp.cast(exp.Literal.string(_MOMENT), "timestamptz")
    values = (moment, moment.copy(), exp.Literal.string(""))
    added = [exp.alias_(value, name) for name, value in zip(call.bounds, values, strict=False)]
    query = exp.Select(expressions=[exp.Star(), *added], from_=exp.From(this=relation))
    name = table.args["alias"].this if table.alias else call.relation.this
    made = exp.Subquery(this=query, alias=exp.TableAlias(this=name.copy()))
    marks.WINDOW.set(made, call.id)
    return made


def windowed(query: SqlTree, id: str) -> exp.Subquery:
    """What stands in the place of a call."""
    return next(node for node in query.tree.find_all(exp.Subquery) if marks.WINDOW.get(node) == id)
