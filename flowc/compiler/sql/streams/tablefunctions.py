"""`dedupe(relation, key, …, INTERVAL '10 minutes')` in the FROM of a stream's query: where it stands and what it says.

Whoever looks at names, columns and types alone reads the relation in the place of the call, which has the same columns
and stands where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.sql import marks
from flowc.compiler.sql.text.sqltext import SqlTree, copied, parse_query
from flowc.diagnostics import Reporter
from flowc.source import Located, Span

DEDUPE = "dedupe"
MAX_CALLS = 100
_LITERALS = (TokenType.STRING, TokenType.NUMBER)
_ENDS = (TokenType.COMMA, TokenType.R_PAREN, *_LITERALS)
_FORM = "write `FROM dedupe(relation, key, INTERVAL '10 minutes')`"
_UNITS = {
    "microsecond": 1, "millisecond": 10**3, "second": 10**6, "minute": 60 * 10**6, "hour": 3600 * 10**6,
    "day": 86_400 * 10**6, "week": 7 * 86_400 * 10**6,
}  # fmt: skip
_SHORT = {"us": "microsecond", "ms": "millisecond", "sec": "second", "s": "second", "min": "minute", "m": "minute",
          "h": "hour", "d": "day", "w": "week"}  # fmt: skip
_PART = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([a-z]+)")
_PARTS = re.compile(rf"{_PART.pattern}(?: {_PART.pattern})*")
_CLOCK = re.compile(r"([0-9]{1,9}):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,6})?))?")
_CENTURY = 100 * 366 * 86_400 * 10**6


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `keys` are the columns as they are written, `within` is in microseconds."""

    id: str
    relation: exp.Column
    keys: tuple[Located[str], ...]
    within: int
    node: exp.Table
    span: Span
    before: int | None
    """Which of the query's CTEs its relation is; None for a source."""

    code = "misplaced-dedupe"
    noun = "dedupe"
    judged = "by which repeats are judged"
    apart = "deduplicate each of them by itself, or put them together behind the dedupes"

    @property
    def name(self) -> str:
        """That of its relation."""
        return str(self.relation.name)


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a query, each behind those that it needs, and the query with relations in their place."""

    query: SqlTree
    calls: tuple[Call, ...]


def has_calls(query: SqlTree) -> bool:
    """Whether relations of the query are calls of `dedupe`."""
    return any(_is_call(table) for table in query.tree.find_all(exp.Table))


def read_calls(query: SqlTree, sources: frozenset[str], reporter: Reporter) -> Calls | None:
    """The calls of a query whose sources have these names; None after an error."""
    before, calls, query = reporter.errors, list[Call](), folded(query)
    tables = [table for table in query.tree.find_all(exp.Table) if _is_call(table)]
    if len(tables) > MAX_CALLS:
        message = f"the query calls `dedupe` {len(tables)} times, and {MAX_CALLS} times are possible"
        helps: tuple[str, ...] = ("put what is alike together with UNION ALL before it, or make several streams",)
        reporter.error("sql-too-large", message, query.span(tables[MAX_CALLS]), helps=helps)
        return None
    tokens = Dialect.get_or_raise(query.dialect).tokenize(query.text.text)
    for table in tables:
        call = _read(table, query, tokens, sources, reporter)
        if call is not None and call.id in (other.id for other in calls):
            message = f"two dedupes are called `{call.id}`, and each finds what it remembers by its name"
            helps = (f"give one another name: `FROM dedupe({call.name}, …) AS name`",)
            reporter.error("duplicate-name", message, query.span(table), helps=helps)
        elif call is not None:
            calls.append(call)
    plain = _plain(query, calls, reporter) if reporter.errors == before else None
    if plain is None:
        return None
    plain, places = folded(plain), {_start(call.relation): call for call in calls}
    for table in plain.tree.find_all(exp.Table):
        if (found := places.get(_start(table))) is not None:
            marks.CALL.set(table, found.id)
    return Calls(plain, tuple(sorted(calls, key=lambda call: -1 if call.before is None else call.before)))


def _plain(query: SqlTree, calls: Sequence[Call], reporter: Reporter) -> SqlTree | None:
    """The query with nothing left of a call but its relation, which stands where it stood."""
    text = query.text.text
    tokens = Dialect.get_or_raise(query.dialect).tokenize(text)
    for call in calls:
        start, end = marks.START.of(call.node.this), _end(tokens, marks.END.of(call.node.this))
        inside = text[start:end]
        at, to = _start(call.relation) - start, marks.END.of(call.relation.this) + 1 - start
        text = text[:start] + _blank(inside[:at]) + inside[at:to] + _blank(inside[to:]) + text[end:]
    return parse_query(replace(query.text, text=text), query.dialect, reporter)


def _blank(text: str) -> str:
    return re.sub(r"\S", " ", text)


def _start(node: exp.Expression) -> int:
    return marks.START.of(node.this) if marks.START.has(node.this) else -1


def _end(tokens: Sequence[Token], name: int) -> int:
    """Where the brackets behind a name are closed."""
    depth = 0
    for token in tokens:
        if token.start > name:
            depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
            if depth == 0:
                return int(token.end) + 1
    raise AssertionError


def folded(query: SqlTree) -> SqlTree:
    """The query with the names of relations as the engine reads them, whatever their case."""
    tree = copied(query.tree)
    calls = (table.this for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Anonymous))
    given = [part for call in calls for part in call.expressions]
    named = [node.args["alias"] for node in tree.find_all(exp.CTE)]
    for node in (*tree.find_all(exp.Table), *named, *given):
        if isinstance(name := node.this, exp.Identifier) and not name.args.get("quoted"):
            name.set("this", name.name.lower())
    return replace(query, tree=tree)


def _is_call(table: exp.Table) -> bool:
    return called(table) == DEDUPE


def called(table: exp.Table) -> str:
    """The function whose call a relation is, in lower case; empty for what is no call."""
    return table.this.name.lower() if isinstance(table.this, exp.Anonymous) and not table.db else ""


def ctes_of(tree: exp.Expression) -> list[exp.CTE]:
    """The CTEs of a query."""
    with_ = tree.args.get("with_")
    return list(with_.expressions) if with_ is not None else []


def _read(
    table: exp.Table, query: SqlTree, tokens: Sequence[Token], sources: frozenset[str], reporter: Reporter
) -> Call | None:
    arguments = table.this.expressions
    keys = [key for key in arguments[1:-1] if isinstance(key, exp.Column) and not key.table]
    relation = arguments[0] if arguments else None
    said = literals(table, tokens)
    within = microseconds(arguments[-1], said[-1][0] if said else "") if arguments else None
    if not isinstance(relation, exp.Column) or relation.table or len(keys) + 2 != len(arguments) or not keys:
        message = "`dedupe` takes a source or a CTE, columns of it, and an interval"
        helps: tuple[str, ...] = (
            _FORM,
            "what has to be computed, or nested, comes before it: `WITH part AS (SELECT …) …`",
        )
        reporter.error("wrong-arguments", message, query.span(table), helps=helps)
    elif within is None:
        message = "the last argument of `dedupe` is an interval of a fixed length, of more than zero"
        helps = ("write `INTERVAL '10 minutes'`: weeks, days, hours, minutes, seconds, each as a number and a word",)
        reporter.error("wrong-arguments", message, query.span(arguments[-1]), helps=helps)
    elif table.args.get("ordinality"):
        message = "`dedupe` gives no number of a row"
        reporter.error("misplaced-dedupe", message, query.span(table), helps=("leave out WITH ORDINALITY",))
    elif (cte := placed(table, DEDUPE, query, reporter)) is not False:
        before = known(relation, cte, DEDUPE, query, sources=sources, reporter=reporter)
        if before is not False:
            named = tuple(Located(key.name, query.span(key)) for key in keys)
            return Call(
                call_id(table, cte, sources, DEDUPE), relation, keys=named, within=within, node=table,
                span=query.span(table), before=before,
            )  # fmt: skip
    return None


def literals(table: exp.Table, tokens: Sequence[Token]) -> list[tuple[str, int, int]]:
    """What the literals of a call say, each with the units behind it, if any, and where they begin and end."""
    start, end = bounds_of(table, tokens)
    inside, found = [token for token in tokens if start < token.start < end], list[tuple[str, int, int]]()
    for at, token in enumerate(inside):
        if token.token_type in _LITERALS:
            behind = list(takewhile(lambda each: each.token_type not in _ENDS, inside[at + 1 :]))
            last = behind[-1] if behind else token
            text = " ".join(each.text for each in (token, *behind))
            first = inside[at - 1] if inside[at - 1].token_type is TokenType.INTERVAL else token
            found.append((text, int(first.start), int(last.end) + 1))
    return found


def bounds_of(table: exp.Table, tokens: Sequence[Token]) -> tuple[int, int]:
    """Where a call begins and ends in the text."""
    return marks.START.of(table.this), _end(tokens, marks.END.of(table.this))


def placed(table: exp.Table, name: str, query: SqlTree, reporter: Reporter) -> exp.CTE | bool | None:
    """The CTE in whose FROM a call stands, None for that of the query itself; False, and reported, elsewhere."""
    node: exp.Expression = table
    cte: exp.CTE | None = None
    why = ""
    while (parent := node.parent) is not None and not why:
        if isinstance(parent, exp.Select):
            why = "" if node.arg_key in ("from_", "joins", "with_") else "in a subquery that is computed for each row"
        elif isinstance(parent, exp.Join):
            why = "" if node.arg_key == "this" else "in the condition of a join"
        elif isinstance(parent, exp.With):
            why = "in a recursive query" if parent.args.get("recursive") else ""
            why = why or ("" if parent.parent is query.tree else "in a WITH inside the query")
        elif isinstance(parent, exp.CTE):
            cte = parent
        elif not isinstance(parent, exp.From | exp.Subquery | exp.SetOperation):
            why = "in a subquery that is computed for each row"
        node = parent
    if not why:
        return cte
    message = f"`{name}` cannot stand {why}"
    example = "firsts AS (SELECT * FROM dedupe(…))" if name == DEDUPE else f"counts AS (SELECT … FROM {name}(…) …)"
    helps = (f"call it in the FROM of the query, or in a CTE of its own: `WITH {example} …`",)
    reporter.error(misplaced(name), message, query.span(table), helps=helps)
    return False


def misplaced(name: str) -> str:
    """The code of what stands where it cannot."""
    return "misplaced-dedupe" if name == DEDUPE else "misplaced-window"


def known(
    relation: exp.Column,
    cte: exp.CTE | bool | None,
    name: str,
    query: SqlTree,
    *,
    sources: frozenset[str],
    reporter: Reporter,
) -> int | bool | None:
    """Which CTE before that of the call a relation is, by its place; None for a source, False after an error."""
    ctes = ctes_of(query.tree)
    before = ctes[: next(i for i, each in enumerate(ctes) if each is cte)] if isinstance(cte, exp.CTE) else ctes
    place = next((i for i, each in enumerate(before) if each.alias == relation.name), None)
    found = None if place is None else before[place]
    if found is not None and found.args["alias"].args.get("columns"):
        message = f"`{relation.name}` names its columns before its query, where `{name}` does not look"
        helps = (f"name them in its SELECT: `{relation.name} AS (SELECT … AS name …)`",)
        reporter.error(misplaced(name), message, query.span(relation), helps=helps)
        return False
    if found is None and relation.name not in sources:
        names = [*(each.alias for each in before), *sources]
        message = f"`{relation.name}` is neither a source nor a CTE before this"
        reporter.error("unknown-table", message, query.span(relation), helps=(f"it can read `{'`, `'.join(names)}`",))
        return False
    return place


def call_id(table: exp.Table, cte: exp.CTE | bool | None, sources: frozenset[str], usual: str) -> str:
    """The alias of a call, else the name of its CTE, else the `usual` one; the names of sources are theirs."""
    names = [table.alias, cte.alias if isinstance(cte, exp.CTE) else ""]
    made = (re.sub(r"\W", "_", name).lower() for name in names)
    return next((name for name in made if name and name not in sources), free(usual, sources))


def free(name: str, taken: frozenset[str]) -> str:
    """A name that is not taken."""
    while name in taken:
        name += "_rows"
    return name


def microseconds(node: exp.Expression, text: str) -> int | None:
    """The length of an interval that is written out; None for others, and for months, which have none.

    It is read from the literal itself: the parser keeps of a text only what it understands.
    """
    if not isinstance(node, exp.Interval) or not isinstance(node.this, exp.Literal):
        return None
    said = text.strip().lower()
    if clock := _CLOCK.fullmatch(said):
        hours, minutes, seconds = clock.groups()
        return _bounded(Decimal(hours) * 3600 + Decimal(minutes) * 60 + Decimal(seconds or 0))
    if not _PARTS.fullmatch(said):
        return None
    parts = [(Decimal(part[1]), unit_length(part[2])) for part in _PART.finditer(said)]
    if not all(size for _, size in parts):
        return None
    return _bounded(sum((number * (size or 0) for number, size in parts), Decimal(0)) / 10**6)


def unit_length(name: str) -> int | None:
    """How many microseconds one is; None for months, and what is no unit."""
    return _UNITS.get(_SHORT.get(name, name)) or _UNITS.get(name.removesuffix("s"))


def _bounded(seconds: Decimal) -> int | None:
    whole = seconds * 10**6
    return int(whole) if whole == int(whole) and 0 < whole <= _CENTURY else None
