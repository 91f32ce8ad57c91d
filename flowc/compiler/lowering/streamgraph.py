"""The graph of a stream: its query cut where rows have to be remembered, and what is stateless put together.

What stands before a `dedupe` is a query of its own, and so is what stands behind the last one. A relation that such a
part does not make itself is one of its inputs, under the name that it has in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.changelog import NO_KEYS, given_by, read_by
from flowc.compiler.dialects import RUNNER
from flowc.compiler.ir import Dedupe, IntervalJoin, Node, Placed, Running, Source, Sql, Window
from flowc.compiler.lowering.functioncalls import called
from flowc.compiler.lowering.functions import Functions
from flowc.compiler.lowering.groupnodes import WindowSettings, check_groups, group_node, grouping, told_of
from flowc.compiler.lowering.streamjoin import Outer, outer_of, put
from flowc.compiler.lowering.streamquery import hidden_text, inferred, part_text
from flowc.compiler.lowering.windowbehind import Bounds, check_behind
from flowc.compiler.lowering.windowchanges import changed, changing
from flowc.compiler.lowering.windowcut import PLAIN, Cut, said
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import Field, Relation, output_name
from flowc.compiler.sql.streams.runningcalls import RunningCall
from flowc.compiler.sql.streams.streamjoins import BOUND, StreamJoin
from flowc.compiler.sql.streams.streamreads import cte_of, put_together
from flowc.compiler.sql.streams.tablefunctions import Call, ctes_of, free
from flowc.compiler.sql.streams.windowcalls import END, SESSION, START, WindowCall
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.compiler.sql.types.infer import infer
from flowc.diagnostics import Reporter, did_you_mean
from flowc.nodes import ROW, TIME, outputs
from flowc.source import Span
from flowc.stream import EXTRAS

QUERY, BLOCK = "query", "dedupe"


@dataclass(frozen=True, slots=True)
class Block:
    """The block `dedupe` of a stream, whose rows it sees before any SQL; `within` is in microseconds."""

    keys: tuple[str, ...]
    within: int
    span: Span


@dataclass
class Graph:
    """The nodes of one stream in the making."""

    sources: Sequence[Source]
    relations: Mapping[str, Relation]
    """All that the query can read, by name."""
    functions: Functions
    reporter: Reporter
    settings: WindowSettings = field(default_factory=WindowSettings)
    open: bool = False
    """A join cannot be read before the columns of its sides are known, and is judged then."""
    nodes: list[Node] = field(default_factory=list)
    outer: Outer | None = None
    """What comes out of a join whose rows without a partner may be replaced."""
    _edges: dict[str, str] = field(default_factory=dict)
    """By the name of each source, what gives its rows."""
    _given: dict[str, Relation | None] = field(default_factory=dict)
    """What calls give, by their ids."""
    _fields: dict[str, tuple[Field, ...] | None] = field(default_factory=dict)
    """What the parts before calls give, by their ids, as those know it who read it."""
    _reserved: frozenset[str] = frozenset()
    """The names of sources and calls."""
    _made: dict[int, Sql] = field(default_factory=dict)
    """The parts that are CTEs, by their places."""
    _told: dict[str, str] = field(default_factory=dict)
    """What rows are before a window, by what gives them: more than the text of the query before it says."""
    _bounds: dict[str, Bounds] = field(default_factory=dict)
    """Of each call that gives the rows of windows, the columns by which these are told apart."""

    def __post_init__(self) -> None:
        self._edges = {source.name: source.name for source in self.sources}
        times = {source.name: source.options.get("event_time") for source in self.sources}
        self._told = {name: f"{name} by {time}" for name, time in times.items() if time}

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(source.name for source in self.sources)

    def block(self, block: Block | None) -> None:
        """Puts a block, where there is one, before everything else."""
        if block is None:
            return
        names = tuple(source.name for source in self.sources)
        columns = tuple(source.columns for source in self.sources)
        made = Dedupe(
            free(BLOCK, self._names), names, keys=block.keys, within=block.within, columns=columns, span=block.span,
        )  # fmt: skip
        self.nodes.append(made)
        self._edges = dict(zip(names, outputs(made.id, names), strict=True))
        self._told |= {edge: _once(made, self._told.get(name, name)) for name, edge in self._edges.items()}

    def query(
        self,
        query: SqlTree,
        found: Sql,
        calls: Sequence[Call],
        cuts: Sequence[Cut] = (),
        joins: Sequence[StreamJoin] = (),
    ) -> Sql:
        """Puts the whole query behind, whose rows are written; `found` is what was found of it.

        `cuts` are its windows and running aggregates: the query is what they, and the joins, have left of it.
        """  # fmt: skip
        steps, before = _in_order(query, calls, cuts, joins), self.reporter.errors
        self._reserved = self._names | {step.id for step in steps}
        for step in steps:
            self._step(step, query)
        part = self.part(query, query.tree) if steps else query
        relations = self.read(part) if steps else tuple(self._edges.items())
        if cuts and not self.open:
            check_behind(part, self._bounds, self.reporter)
            infer(part, RUNNER, lambda name: self.find(name, dict(relations)), Reporter())
        text = part_text(part, RUNNER, self.functions) if steps else found.text
        read = frozenset(name for name, _ in relations)
        traced = hidden_text(part, RUNNER, read, self.functions, (ROW,))
        right = self.reporter.errors == before and not self.open
        if right and (calls or cuts) and len(relations) > 1 and traced is None:
            self._report_several(relations, calls[-1] if calls else cuts[-1].call)
        elif right and self.is_apart(part) and text is None:
            message = "this cannot be run behind what is remembered of a stream"
            helps = ("put it in a query of its own under WITH",)
            self.reporter.error("untranslatable-sql", message, part.span(part.tree), helps=helps)
        made = replace(
            found, id=self.id(QUERY), text=text or found.text, functions=called(query, self.functions),
            placed=self._with_changes(part, Placed(relations, traced)),
        )  # fmt: skip
        self.outer = outer_of(part, made, self.nodes, self.reporter)
        self.nodes.append(made)
        return made

    def is_apart(self, part: SqlTree) -> bool:
        """Whether a part puts no rows of streams together but with UNION ALL, which is an error."""
        found = None if self.open else put_together(part.tree, self._names)
        if found is not None:
            message = "this puts rows of streams together, and each of them comes by itself"
            helps = (
                "join the two in FROM, and say in ON how far apart event times may be: "
                f"`FROM orders o JOIN payments p ON … {BOUND}`",
                "or put rows together with UNION ALL",
            )
            self.reporter.error("unbounded-join", message, part.span(found), helps=helps)
        return found is None

    def _with_changes(self, part: SqlTree, placed: Placed) -> Placed:
        """The last part of a query, which says what its rows do where a window behind which it stands comes again."""
        found = changing(self.nodes, self.reporter)
        window = next((found[node] for _, node in placed.relations if node in found), None)
        return placed if window is None else changed(part, placed, window, self.functions, self.reporter)

    def _report_several(self, relations: Sequence[tuple[str, str]], call: Call | WindowCall | RunningCall) -> None:
        several = " and ".join(f"`{_called(name)}`" for _, name in relations)
        message = f"this looks at rows of {several} together, and each of them comes by itself"
        helps = ("read one of them, or put them together with UNION ALL and nothing that looks at many rows",)
        self.reporter.error(call.code, message, call.span, helps=helps)

    def ordered(self) -> tuple[Node, ...]:
        """The nodes in topological order, without those that nobody reads.

        What is stateless comes first: what fails there has not been seen by a dedupe.
        """
        left, done = self._read_by_the_last(), list[Node]()
        while left:
            waiting = {name for node in left for name in given_by(node)}
            ready = [node for node in left if waiting.isdisjoint(read_by(node))]
            done.append(next((node for node in ready if isinstance(node, Sql)), ready[0]))
            left.remove(done[-1])
        return tuple(done)

    def _read_by_the_last(self) -> list[Node]:
        wanted, found = set[str](), list[Node]()
        for node in reversed(self.nodes):  # each was put behind what it reads
            if not found or wanted.intersection(given_by(node)):
                found.append(node)
                wanted.update(read_by(node))
        return found[::-1]

    def id(self, name: str) -> str:
        return free(name, self._reserved | {node.id for node in self.nodes})

    def _step(self, step: Call | Cut | StreamJoin, query: SqlTree) -> None:
        if isinstance(step, StreamJoin):
            self._given[step.id] = put(step, query, self)
            self._tell_join(step.id)
            self._bound_join(step, query)
        elif isinstance(step, Cut):
            self._window(step, query)
        else:
            self._call(step, query)

    def _call(self, call: Call, query: SqlTree) -> None:
        """A call, and the part of the query before it."""
        if self._is_taken(call.id, call.span, "dedupe"):
            return
        if call.before is not None and call.before not in self._made:
            made = self._before(call, ctes_of(query.tree)[call.before], query)
            if made is None:
                return
            self._made[call.before] = made
            self.nodes.append(made)
        made = self._made[call.before] if call.before is not None else None
        own = made.columns if made is not None else self._columns(call.name)
        table = (
            Relation(self._fields.get(made.id), f"`{call.name}`", table=TableName(None, call.name)) if made else None
        )
        self._given[call.id] = table or self.relations[call.name]
        self._check_keys(call)
        keys = tuple(key.value for key in call.keys)
        edge = made.id if made is not None else self._edges[call.name]
        self.nodes.append(Dedupe(call.id, (edge,), keys=keys, within=call.within, columns=(own,), span=call.span))
        body = ctes_of(query.tree)[call.before].this if call.before is not None else None
        before = self.whole(self.part(query, body)) if body is not None else self._told.get(edge, edge)
        self._told[call.id] = _once(self.nodes[-1], before)
        if made is not None and call.before is not None:
            bounds = check_behind(self.part(query, ctes_of(query.tree)[call.before].this), self._bounds, Reporter())
            self._bounds |= {call.id: bounds} if bounds is not None else {}

    def _is_taken(self, id: str, span: Span, what: str) -> bool:
        taken = any(node.id == id for node in self.nodes)
        if taken:
            message = f"two of the operators of this stream are called `{id}`"
            if what == "dedupe":
                message = f"the block `dedupe` and a dedupe of the query are both called `{id}`"
            helps = (f"give that of the query another name: `FROM {what}(…) AS name`",)
            if what == RunningCall.function:
                helps = ("put what is grouped into a query of its own under WITH, whose name it has then",)
            self.reporter.error("duplicate-name", message, span, helps=helps)
        return taken

    # Windows

    def _window(self, cut: Cut, query: SqlTree) -> None:
        """A window, and the part of the query before it."""
        if self._is_taken(cut.id, cut.call.span, cut.call.function):
            return
        cte = next(each for each in ctes_of(query.tree) if each.alias == cut.cte)
        if isinstance(cut.call, WindowCall):
            self._check_relation(cut.call, cte, query)
        before = self._before(cut.call, cte, query)
        if before is None:
            return
        self.nodes.append(before)
        check_groups(cut, before, query, self.reporter)
        node, relation = self._put_together(cut, before, query, plain=not cte.this.args.get("joins"))
        node = replace(node, before=self._said(cte, query))
        self.nodes.append(node)
        self._given[cut.id] = relation
        if isinstance(cut.call, WindowCall) and isinstance(node, Window):
            self._told[cut.id] = told_of(node)
            self._bounds[cut.id] = _bounds_of(cut.call)

    def _check_relation(self, call: WindowCall, cte: exp.CTE, query: SqlTree) -> None:
        """Reports columns of the relation that are called as those of a window."""
        tree = exp.select("*").from_(exp.Table(this=call.relation.this.copy()))
        ctes = list(takewhile(lambda each: each is not cte, ctes_of(query.tree)))
        tree.set("with_", exp.With(expressions=[each.copy() for each in _needed([tree], ctes)]) if ctes else None)
        part = replace(query, tree=tree)
        relations = self.read(part)
        fields = infer(part, RUNNER, lambda name: self.find(name, dict(relations)), Reporter()).fields
        twice = next((each.name for each in fields or () if each.name in call.bounds), None)
        if twice is not None:
            message = f"`{call.name}` has a column `{twice}`, which is one that `{call.function}` adds"
            helps = (f"give it another name in a query before: `SELECT {twice} AS …, …`",)
            self.reporter.error("duplicate-column", message, query.span(call.relation), helps=helps)

    def _put_together(
        self, cut: Cut, before: Sql, query: SqlTree, *, plain: bool
    ) -> tuple[Window | Running, Relation]:  # fmt: skip
        """The node, and what it gives: as the same GROUP BY without windows. With `plain` it reads one relation."""
        given = Relation(self._fields[before.id], f"`{before.id}`", table=TableName(None, before.id))
        part = replace(query, tree=grouping(cut, before.id))
        fields, read = inferred(part, RUNNER, lambda _: given)
        columns = tuple(Column(f.name, f.type, f.nullable) for f in fields) if fields is not None else None
        text = part_text(part, RUNNER, self.functions) or ""
        node = group_node(cut, before.id, columns, text, self.settings, plain=plain)
        return node, Relation(read, f"`{cut.id}`", table=TableName(None, cut.id))

    def _said(self, cte: exp.CTE, query: SqlTree) -> str:
        """What the query before a window reads, whatever it computes of that."""
        part = self.part(query, cte.this)
        part.tree.set("expressions", [exp.Star()])
        if not part.tree.args.get("joins"):  # and the name of the only relation says nothing
            part.tree.args["from_"].this.set("alias", None)
            for column in part.tree.find_all(exp.Column):
                if column.find_ancestor(exp.Select) is part.tree:
                    column.set("table", None)
                    marks.OWNERS.clear(column)
        return self.whole(part)

    def whole(self, part: SqlTree) -> str:
        """A part as it is written, and what stands before what it reads."""
        edges = dict.fromkeys(edge for _, edge in self.read(part))
        return " of ".join([said(part.tree, plain=False), *(self._told[edge] for edge in edges if edge in self._told)])

    def _tell_join(self, id: str) -> None:
        """Notes what a join gives, whatever its bounds, and what stands before its sides."""
        node = next((each for each in self.nodes if each.id == id), None)
        if not isinstance(node, IntervalJoin):
            return
        self._told[id] = json.dumps([node.kind, node.written, node.columns, node.before])

    def _bound_join(self, join: StreamJoin, query: SqlTree) -> None:
        """Of rows of windows, by which columns they are told apart that come out together: of outer joins, by none."""
        trees = [exp.select("*").from_(side.relation.copy()) for side in join.sides]
        sides = [check_behind(self.part(query, tree, join.place), self._bounds, Reporter()) for tree in trees]
        if all(each is None for each in sides):
            return
        whole = join.kind == "inner" and join.least == join.most and all(sides)
        named = zip(join.sides, sides, strict=True)
        names = (
            out for side, own in named for column, out in side.columns if output_name(column, RUNNER) in (own or ())
        )
        self._bounds[join.id] = frozenset(names if whole else ())

    def _columns(self, source: str) -> tuple[Column, ...] | None:
        return next(each.columns for each in self.sources if each.name == source)

    def _before(self, call: Call | WindowCall | RunningCall, cte: exp.CTE, query: SqlTree) -> Sql | None:
        """The CTE that a call reads, with the time of each row; None after an error."""
        part = self.part(query, cte.this)
        relations = self.read(part)
        fields, given = inferred(part, RUNNER, lambda name: self.find(name, dict(relations)))
        columns = _shown(fields, query)
        timed = all(column.name != TIME for column in columns or ())
        names = [TIME] if timed else []
        read = frozenset(name for name, _ in relations)
        text = hidden_text(part, RUNNER, read, self.functions, names)
        right = _keeps_time(part.tree) if timed else _is_time(part.tree, fields)
        if text is None or not right:
            self._report_untimed(call, timed=timed and text is None)
            return None
        if twice := _twice(part.tree):
            message = f"the rows of `{call.name}` come from `{twice}` on several ways, and in no fixed order"
            self.reporter.error(call.code, message, call.span, helps=(call.apart,))
            return None
        if not self.is_apart(part):
            return None
        id, shown = self.id(cte.alias), {column.name for column in columns or ()}
        self._fields[id] = tuple(each for each in given if each.name in shown) if given is not None else None
        return Sql(
            id, (), engine=RUNNER, text=text, reads=(), columns=columns, dialect=query.dialect,
            placed=Placed(relations, hidden_text(part, RUNNER, read, self.functions, [*names, ROW]), timed),
            functions=called(part, self.functions),
        )  # fmt: skip

    def _report_untimed(self, call: Call | WindowCall | RunningCall, *, timed: bool) -> None:
        name = call.name
        if timed:
            message = f"the rows of `{name}` are not each of one row before it, so they have no event time to judge by"
            helps: tuple[str, ...] = (
                f"leave to `{name}` what looks at one row at a time (columns, WHERE, UNION ALL, joins with lookups)",
            )
            if not isinstance(call, RunningCall):  # of whose rows nothing behind can be told together
                helps = (*helps, f"put what looks at many rows behind the {call.noun}")
        else:
            message = f"`{TIME}` of `{name}` is not the event time of its rows, {call.judged}"
            helps = (f"leave `{TIME}` out, for it goes along by itself, or select it as it is",)
        self.reporter.error(call.code, message, call.span, helps=helps)

    def _check_keys(self, call: Call) -> None:
        given = self._given[call.id]
        if given is None or given.fields is None:
            return
        kinds = {each.name: each.type for each in given.fields}
        for key in call.keys:
            kind = kinds.get(key.value)
            if kind is None:
                message = f"`{call.name}` has no column `{key.value}` to tell repeats by"
                helps = did_you_mean(key.value, kinds) or (f"select it in `{call.name}`",)
                self.reporter.error("unknown-column", message, key.span, helps=helps)
            elif kind.kind in NO_KEYS:
                message = f"`{key.value}` is `{kind}`, which cannot be compared"
                self.reporter.error("unusable-keys", message, key.span, helps=("name a column of one simple type",))

    def find(self, name: TableName, relations: Mapping[str, str]) -> Relation | None:
        """What a part reads under a name."""
        node = None if name.schema else relations.get(name.name)
        return self._given[node] if node in self._given else None if name.schema else self.relations.get(name.name)

    # Parts

    def part(self, query: SqlTree, body: exp.Expression, place: int | None = None) -> SqlTree:
        """A query of its own, with the CTEs that it reads; what calls give has a name that nothing else has.

        `body` is the query itself, one of its CTEs, or one that is new: in the CTE of that place, or behind all.
        """
        tree, ctes = copied(body), ctes_of(query.tree)
        before = ctes[:place] if body is query.tree else list(takewhile(lambda cte: cte.this is not body, ctes))[:place]
        own = [] if body is query.tree else ctes_of(tree)
        tree.set("with_", None)
        needed = _needed([tree, *own], before)
        with_ = [*(copied(cte) for cte in needed), *own]
        tree.set("with_", exp.With(expressions=with_) if with_ else None)
        self._rename(tree, frozenset(cte.alias for cte in needed))
        return replace(query, tree=tree)

    def _rename(self, tree: exp.Expression, ctes: frozenset[str]) -> None:
        marked = [table for table in tree.find_all(exp.Table) if marks.CALL.has(table)]
        plain = {table.name for table in tree.find_all(exp.Table) if not marks.CALL.has(table)} | ctes
        for table in marked:
            alike = any(other.name == table.name and marks.CALL.of(other) != marks.CALL.of(table) for other in marked)
            if table.name in plain or alike or not PLAIN.fullmatch(table.name):
                name = free(marks.CALL.of(table), ctes | frozenset(self.relations))
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=table.this))
                table.set("this", exp.to_identifier(name, quoted=True))

    def read(self, part: SqlTree) -> tuple[tuple[str, str], ...]:
        """The relations that a part reads, each with what gives its rows."""
        found = dict[str, str]()
        for table in part.tree.find_all(exp.Table):
            if marks.CALL.has(table):
                found[table.name] = marks.CALL.of(table)
            elif not table.db and table.name in self._names and cte_of(table) is None:
                found[table.name] = self._edges[table.name]
        return tuple(found.items())


def _needed(parts: Sequence[exp.Expression], before: Sequence[exp.CTE]) -> list[exp.CTE]:
    """The CTEs that parts of a query read, and those that these read; what calls give is not read from them."""
    found, names = list[exp.CTE](), {name for part in parts for name in _named(part)}
    for cte in reversed(before):
        if cte.alias in names:
            found.insert(0, cte)
            names = names - {cte.alias} | set(_named(cte.this))
    return found


def _named(tree: exp.Expression) -> Iterator[str]:
    yield from (table.name for table in tree.find_all(exp.Table) if not marks.CALL.has(table) and not table.db)


def _shown(fields: tuple[Field, ...] | None, query: SqlTree) -> tuple[Column, ...] | None:
    """The columns of a part. A `*` stands for the message's own columns, and for others that are asked for by name."""
    if fields is None:
        return None
    extra = any(field.name in EXTRAS for field in fields)
    named = query.tree.find_all(exp.Column, exp.Alias) if extra else ()
    asked = {each.output_name for each in named}
    return tuple(Column(f.name, f.type, f.nullable) for f in fields if f.name not in EXTRAS or f.name in asked)


def _called(name: str) -> str:
    """A relation as people know it."""
    return name.partition(".")[0]


def _twice(tree: exp.Expression) -> str | None:
    """What a set operation reads on several ways: the engine gives the rows of these in any order."""
    if tree.find(exp.SetOperation) is None:
        return None
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    read = [marks.CALL.get(table) or table.name for table in tree.find_all(exp.Table) if table.name not in ctes]
    read += [table.name for table in tree.find_all(exp.Table) if table.name in ctes]
    return next((name for number, name in enumerate(read) if name in read[:number]), None)


def _is_time(tree: exp.Expression, fields: Sequence[Field] | None) -> bool:
    """Whether the column of the event time is that of the rows, as it is."""
    if tree.find(exp.SetOperation) is not None or not _keeps_time(tree):
        return False
    origins = {origin.column for each in fields or () if each.name == TIME for origin in each.origins}
    return origins == {TIME}


def _keeps_time(tree: exp.Expression) -> bool:
    """Whether nothing else gets the name of the event time."""
    named = (alias for alias in tree.find_all(exp.Alias) if alias.alias == TIME)
    return all(isinstance(alias.this, exp.Column) and alias.this.name == TIME for alias in named)


def _in_order(
    query: SqlTree, calls: Sequence[Call], cuts: Sequence[Cut], joins: Sequence[StreamJoin]
) -> list[Call | Cut | StreamJoin]:
    """What is to be put, each behind what it needs: a call reads a CTE, a join what stands in its own FROM."""
    names = [cte.alias for cte in ctes_of(query.tree)]

    def place(step: Call | Cut | StreamJoin) -> float:
        if isinstance(step, StreamJoin):
            return (len(names) if step.place is None else step.place) - 0.5
        if isinstance(step, Cut):
            return names.index(step.cte)
        return -1 if step.before is None else step.before

    return sorted((*calls, *cuts, *joins), key=place)


def _once(node: Node, before: str) -> str:
    """What a dedupe gives of the rows before it, for however long it remembers them."""
    assert isinstance(node, Dedupe)
    return json.dumps(["dedupe", node.keys, before])


def _bounds_of(call: WindowCall) -> Bounds:
    """What the rows of a window have in common that come out together."""
    told = {"session": (END, SESSION), "cumulating": (END,)}
    return frozenset(told.get(call.kind, (START, END)))
