"""Joins of two streams in the FROM of a query: what they say, and the query with one relation in the place of each.

Of `FROM orders o JOIN payments p ON …` two queries are made that give the keys and the columns of each side, and the
query reads a relation that stands for the pairs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from sqlglot import exp

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import Field, fold, output_name
from flowc.compiler.sql.streams.joinbounds import (
    LEFT,
    RIGHT,
    Conditions,
    all_of,
    conjuncts,
    is_time,
    odd_interval,
    sides_of,
)
from flowc.compiler.sql.streams.streamreads import behind, cte_of, streams_of
from flowc.compiler.sql.streams.tablefunctions import free
from flowc.compiler.sql.streams.windowcalls import WindowCall
from flowc.compiler.sql.streams.windowtimes import WindowTimes, called, folded
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.diagnostics import Reporter
from flowc.nodes import TIME, Late
from flowc.source import Span
from flowc.stream import EXTRAS

JOIN, JOINED = "join", "joined"
Kind = Literal["inner", "left", "right", "full"]
Look = Callable[[exp.Expression, int | None], tuple[Field, ...] | None]
"""The columns of a relation that stands in a CTE, by its place, or in the query itself; None where some are unknown."""
_KINDS: dict[str, Kind] = {"": "inner", "LEFT": "left", "RIGHT": "right", "FULL": "full"}
SAME = "`a.window_start = b.window_start AND a.window_end = b.window_end`"
_SAY_SAME = f"say in ON that windows are the same, or follow each other: {SAME}"
_SAY_WITHIN = "say in ON when rows are in a window: `o._event_ts >= a.window_start AND o._event_ts < a.window_end`"
BOUND = "AND p._event_ts BETWEEN o._event_ts AND o._event_ts + INTERVAL '5 minutes'"


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its relation, what it is called, its keys, and the names of its columns there and as they come out."""

    relation: exp.Expression
    name: str
    keys: tuple[exp.Expression, ...]
    columns: tuple[tuple[exp.Identifier, str], ...]
    only: exp.Expression | None
    """A condition of the join of its rows alone: the others have no partner."""
    span: Span


@dataclass(frozen=True, slots=True)
class StreamJoin:
    """One join. A pair is one whose right row comes from `least` to `most` microseconds after the left one."""

    id: str
    kind: Kind
    sides: tuple[Side, Side]
    least: int
    most: int
    place: int | None
    """In which of the query's CTEs it stands; None for the query itself."""
    span: Span
    late: Late = "drop"
    allowed_lateness: int = 0


@dataclass(frozen=True, slots=True)
class Joins:
    """The joins of a query, each behind those that it needs, and the query that reads what they give.

    `open` where one cannot be read before the columns of its sides are known.
    """

    query: SqlTree
    joins: tuple[StreamJoin, ...] = ()
    open: bool = False


def read_joins(
    query: SqlTree,
    sources: frozenset[str],
    *,
    taken: frozenset[str],
    windows: Sequence[WindowCall],
    look: Look,
    reporter: Reporter,
) -> Joins | None:
    """The joins of streams in a query whose names were resolved; None after an error. `taken` are ids of nodes.

    In the place of its `windows` the query has stand-ins.
    """
    tree, before = copied(query.tree), reporter.errors
    reading = _Reading(
        replace(query, tree=tree), sources, taken=sources | taken, times=WindowTimes(windows, sources), look=look,
        reporter=reporter,
    )  # fmt: skip
    selects = [*tree.find_all(exp.Select)]
    for relation in (each for select in selects for each in _items(select)):
        reading.times.of(relation)  # before what it reads is changed
    for select in selects:
        reading.select(select)
    if reporter.errors > before:
        return None
    if reading.open:
        return Joins(query, (), open=True)
    found = sorted(reading.found, key=lambda join: len(_ctes(tree)) if join.place is None else join.place)
    return Joins(replace(query, tree=tree), tuple(found)) if found else Joins(query)


@dataclass
class _Reading:
    query: SqlTree
    sources: frozenset[str]
    taken: frozenset[str]
    """Names that nodes must not have."""
    times: WindowTimes
    look: Look
    reporter: Reporter
    found: list[StreamJoin] = field(default_factory=list)
    open: bool = False

    def select(self, select: exp.Select) -> None:
        """Reads the join of a query's FROM, where there is one, and puts a relation in its place."""
        streams = [item for item in _items(select) if self._reads(item)]
        windowed = any(map(self._is_windowed, streams))
        if len(streams) < 2 or (windowed and any(map(_holds_window, streams))):
            return  # who looks at windows judges what is behind them
        if (text := odd_interval(self.query)) is not None:
            self.refuse(f"the interval `{text}` is not understood", "write it as `INTERVAL '5 minutes'`", streams[1])
        elif self._is_plain(select, streams) and (place := self._place(select)) is not False:
            made = _One(self, select, place).read()
            self.found += [made] if made is not None else []

    def _reads(self, item: exp.Expression) -> bool:
        """Whether a relation has rows of a stream, itself or by the names of the query's own."""
        return bool(streams_of(item, self.sources))

    def _is_windowed(self, item: exp.Expression) -> bool:
        """Whether a relation has rows of windows, itself or by the names of the query's own."""
        return any(marks.WINDOW.has(each) for part in behind(item) for each in part.find_all(exp.Subquery))

    def id(self, place: int | None, node: exp.Expression) -> str:
        """What a join is called: as the CTE in which it stands."""
        name = JOIN if place is None else re.sub(r"\W", "_", _ctes(self.query.tree)[place].alias).lower()
        if name in (join.id for join in self.found):
            help = "put each of them in a query of its own under WITH, whose name it has then"
            self.refuse(
                "two joins of streams stand in one query, and each finds what it remembers by its name", help, node
            )
        return free(name or JOIN, self.taken)

    @property
    def asked(self) -> frozenset[str]:
        """Columns that are named, and names that are given."""
        named = {column.name for column in self.query.tree.find_all(exp.Column)}
        return frozenset(named | {alias.alias for alias in self.query.tree.find_all(exp.Alias)})

    def _is_plain(self, select: exp.Select, streams: Sequence[exp.Expression]) -> bool:
        """Whether two relations stand first in FROM, and nothing else there reads streams."""
        first, joins = select.args["from_"].this, select.args.get("joins") or ()
        join = joins[0] if joins else None
        if any(isinstance(each, exp.In | exp.Exists) or isinstance(each.parent, exp.Condition) for each in streams):
            self.unbounded(streams[1])
        elif len(streams) > 2 and join is not None:
            more = "join two of them in a query under WITH, and that with the third"
            self.refuse("this joins more than two streams at once", more, streams[2])
        elif join is None or streams != [first, join.this]:
            more = "let the two streams stand first in FROM, and lookups behind them"
            self.refuse("a lookup stands before the second stream of a join", more, streams[1])
        elif join.method or join.kind not in ("", "INNER", "OUTER", "CROSS") or join.side not in _KINDS:
            words = " ".join(part for part in (join.method, join.side, join.kind) if part)
            self.refuse(f"streams have no {words} JOIN", "write INNER, LEFT, RIGHT or FULL JOIN … ON …", streams[1])
        elif join.args.get("using"):
            more = "write `ON one.key = other.key`, and the bound in time"
            message = "a join of streams with USING has no bound in time"
            if any(map(self._is_windowed, streams)):
                message, more = "streams are not joined with USING", f"write ON: {SAME}, and other keys"
            self.refuse(message, more, streams[1])
        elif not all(isinstance(each, exp.Table | exp.Subquery) and each.alias_or_name for each in streams):
            self.refuse("each side of a join of streams has a name", "give it one: `FROM (…) AS name`", streams[1])
        elif any(each.args["alias"].args.get("columns") for each in streams if each.args.get("alias")):
            more = "name columns in the query itself: `(SELECT … AS name …)`"
            self.refuse("a side of a join of streams names its columns behind it", more, streams[1])
        else:
            return True
        return False

    def _place(self, select: exp.Select) -> int | bool | None:
        """In which CTE it stands, None for the query itself; False, and reported, where it cannot stand."""
        ctes, node, cte = _ctes(self.query.tree), select, None
        while (parent := node.parent) is not None:
            bad = isinstance(parent, exp.With) and (
                parent.args.get("recursive") or parent.parent is not self.query.tree
            )
            bad = bad or (isinstance(parent, exp.Select) and node.arg_key not in ("from_", "joins", "with_"))
            if bad or not isinstance(parent, exp.With | exp.CTE | exp.From | exp.Join | exp.Subquery | exp.Query):
                more = "put it in a query under WITH, and read that"
                self.refuse("streams cannot be joined in a subquery that is computed for each row", more, select)
                return False
            cte = parent if isinstance(parent, exp.CTE) else cte
            node = parent
        return None if cte is None else next(i for i, each in enumerate(ctes) if each is cte)

    def refuse(self, message: str, help: str, node: exp.Expression) -> None:
        self.reporter.error("misplaced-join", message, self.query.span(node), helps=(help,))

    def unbounded(self, node: exp.Expression) -> None:
        message = "this joins streams without a bound in time, so rows would have to be kept for ever"
        helps = (f"say in ON how far apart event times may be: `{BOUND}`",
                 "or put the rows together with UNION ALL, or join with a table under `lookups`")  # fmt: skip
        self.reporter.error("unbounded-join", message, self.query.span(node), helps=helps)


@dataclass
class _One:
    """Reads one join of two relations that stand first in FROM, and puts another one in its place."""

    reading: _Reading
    node: exp.Select
    place: int | None
    join: exp.Join = field(init=False)
    relations: tuple[exp.Expression, exp.Expression] = field(init=False)
    aliases: tuple[str, str] = field(init=False)
    times: tuple[Mapping[str, int], Mapping[str, int]] = field(init=False)
    """Of each side, the columns that are bounds of windows."""
    _names: dict[tuple[int, str], tuple[exp.Identifier, str]] = field(default_factory=dict, init=False)
    """By side and name, each column that comes out, and what it is called then."""

    def __post_init__(self) -> None:
        self.join = self.node.args["joins"][0]
        self.relations = self.node.args["from_"].this, self.join.this
        self.aliases = called(self.relations[0]), called(self.relations[1])
        self.times = self.reading.times.of(self.relations[0]), self.reading.times.of(self.relations[1])

    def read(self) -> StreamJoin | None:
        """The join; None after an error, and where columns have to be known first."""
        kind, before = _KINDS[self.join.side], self.reading.reporter.errors
        rest, conditions = self._conditions(kind)
        self._check(conditions, kind)
        self._check_names()
        if self.reading.reporter.errors > before:
            return None
        fields = [self.reading.look(each, self.place) for each in self.relations]
        known = [each for each in fields if each is not None]
        if len(known) < 2:
            self.reading.open = True
            return None
        assert conditions.least is not None
        assert conditions.most is not None
        span, id_ = self.reading.query.span(self.relations[1]), self.reading.id(self.place, self.relations[1])
        self._expand(known)
        self._rewrite(id_, rest)
        sides = self._side(LEFT, conditions), self._side(RIGHT, conditions)
        return StreamJoin(
            id_, kind, sides=sides, least=conditions.least, most=conditions.most, place=self.place, span=span,
        )  # fmt: skip

    def owner(self, column: exp.Column) -> int | None:
        """Of which side a column is."""
        table = column.args.get("table")
        names = (fold(table, RUNNER),) if table is not None else marks.OWNERS.get(column) or ()
        found = [side for side, alias in enumerate(self.aliases) if alias in names]
        return found[0] if found and not column.args.get("db") else None

    def clock(self, column: exp.Column) -> tuple[int, int] | None:
        """Of which side a time is, and how many microseconds it is after the event time: a bound of a window."""
        side = self.owner(column)
        after = None if side is None else 0 if is_time(column) else self.times[side].get(folded(column))
        return None if side is None or after is None else (side, after)

    def _conditions(self, kind: Kind) -> tuple[list[exp.Expression], Conditions]:
        """What stays in WHERE, and the conditions of the join: of an inner one, those in WHERE count as well."""
        found, rest, where = Conditions(), list[exp.Expression](), self.node.args.get("where")
        for node in conjuncts(self.join.args.get("on")):
            found.take(node, self.owner, self.clock)
        for node in conjuncts(where.this if where is not None else None):
            if kind == "inner" and sides_of(node, self.owner) == {LEFT, RIGHT}:
                found.take(node, self.owner, self.clock)
            else:
                rest.append(node)
        if kind == "inner" and found.least is not None and found.most is not None:
            rest += [*found.of_both, *found.timed]
            found.of_both, found.timed = [], []
        return rest, found

    def _check(self, found: Conditions, kind: Kind) -> None:
        report, query = self.reading.reporter.error, self.reading.query
        at = query.span(self.relations[1])
        if found.timed and (found.least is None or found.most is None):
            message = "this compares times of two streams, and is no fixed bound of their event times, "
            message += "so rows would have to be kept for ever"
            helps: tuple[str, ...] = (
                f"compare `_event_ts` of both, with intervals of a fixed length, a century at most: `{BOUND}`",
                "a column of theirs is the event time where the source says so: `event_time: column`",
            )
            report("unbounded-join", message, query.span(found.timed[0]), helps=self._bounding or helps)
        elif found.least is None and found.most is None and self._bounding:
            message = "this joins windows without a bound in time, so rows would have to be kept for ever"
            report("unbounded-join", message, at, helps=self._bounding)
        elif found.least is None and found.most is None:
            self.reading.unbounded(self.relations[1])
        elif found.least is None or found.most is None:
            which = "later" if found.most is None else "earlier"
            message = f"nothing says how much {which} than the left row the right one may be"
            helps = self._bounding or (f"bound event times on both ends: `{BOUND}`",)
            report("unbounded-join", message, at, helps=helps)
        elif found.least > found.most and all(self.times):
            message = "no two windows fulfil these conditions on their bounds"
            helps = (
                "windows of two lengths never share both bounds: give them one size, or let one bound alone be equal",
            )
            report("bad-value", message, at, helps=helps)
        elif found.least > found.most:
            least, most = (f"{bound / 1_000_000:g}" for bound in (found.least, found.most))
            message = f"no pair is in these bounds: the right row from {least} to {most} seconds after the left one"
            report("bad-value", message, at, helps=("exchange the two bounds",))
        elif not found.keys:
            message = "a join of streams needs columns that are equal, one of each side"
            report("misplaced-join", message, at, helps=("add them to ON: `o.order_id = p.order_id`",))
        elif odd := [*found.of_both, *found.timed]:
            message = f"this condition of a {kind.upper()} JOIN of streams is no equality of both sides, and no bound"
            helps = ("write an INNER JOIN, or judge the pairs in a query behind the join",)
            report("misplaced-join", message, query.span(odd[0]), helps=helps)

    @property
    def _bounding(self) -> tuple[str, ...]:
        """How to bound a join of windows; empty where no side has any."""
        windowed = sum(map(bool, self.times))
        return (_SAY_SAME,) if windowed == 2 else (_SAY_WITHIN,) if windowed else ()

    def _check_names(self) -> None:
        """What is named has to be told apart: columns of the sides, and those of other relations."""
        relations = {*self.aliases, *self._others}
        for column in self._columns():
            table = column.args.get("table")
            odd = column.args.get("db") or (table is not None and fold(table, RUNNER) not in relations)
            if odd or (table is None and not marks.OWNERS.has(column) and column.name in self.aliases):
                help = "take it apart in a query under WITH, before the join or behind it"
                self.reading.refuse("this is a part of a column, or a whole row, of a join of streams", help, column)
        for query in (found for part in self._parts() for found in part.find_all(exp.Query)):
            help = "put it in a query behind the join: `WITH pairs AS (SELECT …) SELECT …`"
            self.reading.refuse("a subquery stands beside a join of streams", help, query)
        for relation in (join.this for join in self.node.args["joins"][1:]):
            if isinstance(relation, exp.Unnest | exp.Lateral):
                help = "put it in a query behind the join: `WITH pairs AS (SELECT …) SELECT … FROM pairs CROSS JOIN …`"
                self.reading.refuse("what is computed for each row stands beside a join of streams", help, relation)
        for star in (star for item in self.node.expressions if (star := _star(item)) is not None):
            if star.args.get("replace") or star.args.get("rename"):
                self.reading.refuse("a `*` beside a join of streams has other columns", "write columns out", star)
            elif star.args.get("except_") and any(star is item for item in self.node.expressions) and self._others:
                help = "write `*` of one relation: `o.* EXCEPT (…)`"
                self.reading.refuse("a `*` leaves out columns of streams and of lookups", help, star)

    @property
    def _others(self) -> list[str]:
        """What lookups behind the join are called."""
        return [called(join.this) for join in self.node.args.get("joins") or () if join is not self.join]

    def _parts(self) -> Iterator[exp.Expression]:
        """All of the query but what stands under WITH, and the relations of FROM."""
        for key, value in self.node.args.items():
            if key not in ("with_", "from_", "joins"):
                parts = value if isinstance(value, list) else [value]
                yield from (part for part in parts if isinstance(part, exp.Expression))
        yield from (on for join in self.node.args.get("joins") or () if (on := join.args.get("on")) is not None)

    def _columns(self) -> Iterator[exp.Column]:
        for part in self._parts():
            yield from (column for column in part.find_all(exp.Column) if not isinstance(column.this, exp.Star))

    def _expand(self, fields: Sequence[tuple[Field, ...]]) -> None:
        """Puts the columns of the sides in the place of each `*`; those of other relations keep theirs."""
        items = list[exp.Expression]()
        for item in self.node.expressions:
            star = _star(item)
            if star is None:
                items.append(item)
                continue
            table = fold(item.args["table"], RUNNER) if star is not item and item.args.get("table") else None
            out = {fold(each.this, RUNNER) for each in star.args.get("except_") or () if isinstance(each, exp.Column)}
            meant = [side for side in (LEFT, RIGHT) if table in (None, self.aliases[side])]
            for side in meant:
                items += [self._of(side, each.name) for each in self._own(side, fields[side]) if each.name not in out]
            if table is None:
                items += [exp.Column(this=exp.Star(), table=_quoted(name)) for name in self._others]
            elif not meant:
                items.append(item)
        self.node.set("expressions", items)

    def _own(self, side: int, fields: tuple[Field, ...]) -> Iterator[Field]:
        """What `*` stands for: the message's own columns, and others that a query before it asks for by their names."""
        relation = self.relations[side]
        source = isinstance(relation, exp.Table) and cte_of(relation) is None
        asked = frozenset[str]() if source else self.reading.asked
        yield from (each for each in fields if each.name not in EXTRAS or each.name in asked)

    def _of(self, side: int, name: str) -> exp.Column:
        return exp.Column(this=_quoted(name), table=_quoted(self.aliases[side]))

    def _rewrite(self, id_: str, rest: Sequence[exp.Expression]) -> None:
        """Has the query read one relation."""
        where, alias = all_of(rest), free(JOINED, frozenset((*self._others, *self.aliases)))
        self.node.set("where", exp.Where(this=where) if where is not None else None)
        self.node.set("joins", self.node.args["joins"][1:] or None)
        for item in self.node.expressions:
            if isinstance(item, exp.Column) and self.owner(item) is not None:
                item.replace(exp.Alias(this=item.copy(), alias=_quoted(output_name(item.this, RUNNER))))
            elif isinstance(item, exp.Alias) and item.alias == TIME and self._is_later(item.this):
                item.set("this", exp.Column(this=_quoted(TIME), table=_quoted(alias)))
        for column in [*self._columns()]:
            side = self.owner(column)
            if side is not None:
                column.set("this", _quoted(self._named(side, column.this)))
                column.set("table", _quoted(alias))
                marks.OWNERS.clear(column)
        table = exp.Table(this=_quoted(id_), alias=exp.TableAlias(this=_quoted(alias)))
        marks.CALL.set(table, id_)
        self.node.set("from_", exp.From(this=table))

    def _is_later(self, node: exp.Expression) -> bool:
        """Whether it is the later one of both event times, which is that of a pair."""
        if not isinstance(node, exp.Greatest) or len(node.expressions) != 1:
            return False
        both = [node.this, *node.expressions]
        times = [each for each in both if isinstance(each, exp.Column) and is_time(each)]
        return {self.owner(each) for each in times} == {LEFT, RIGHT}

    def _named(self, side: int, column: exp.Identifier) -> str:
        name = output_name(column, RUNNER)
        if (side, name) not in self._names:
            taken = frozenset(out for _, out in self._names.values())
            self._names[side, name] = column.copy(), free(f"{self.aliases[side]}_{name}", taken)
        return self._names[side, name][1]

    def _side(self, side: int, found: Conditions) -> Side:
        columns = tuple(pair for (of, _), pair in self._names.items() if of == side)
        keys, span = tuple(pair[side] for pair in found.keys), self.reading.query.span(self.relations[side])
        return Side(
            self.relations[side], self.aliases[side], keys=keys, columns=columns, only=all_of(found.of_one[side]),
            span=span,
        )  # fmt: skip


def _holds_window(item: exp.Expression) -> bool:
    """Whether a window stands in it itself, where it cannot be read from, or it is no relation but a condition."""
    relation = isinstance(item, exp.Table | exp.Subquery) and not isinstance(item.parent, exp.Condition)
    return not relation or any(marks.WINDOW.has(each) for each in item.find_all(exp.Subquery))


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


def _star(item: exp.Expression) -> exp.Star | None:
    """The `*` that a column of the output is, with a relation before it or without."""
    star = item.this if isinstance(item, exp.Column) else item
    return star if isinstance(star, exp.Star) else None


def _ctes(tree: exp.Expression) -> list[exp.CTE]:
    with_ = tree.args.get("with_")
    return list(with_.expressions) if with_ is not None else []


def _items(select: exp.Select) -> Iterator[exp.Expression]:
    """What may read streams: the relations of FROM, and subqueries of WHERE."""
    from_, where = select.args.get("from_"), select.args.get("where")
    if from_ is not None:
        yield from_.this
    yield from (join.this for join in select.args.get("joins") or ())
    if where is not None:
        yield from where.find_all(exp.Subquery, exp.In, exp.Exists)
