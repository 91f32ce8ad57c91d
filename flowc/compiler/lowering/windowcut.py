"""A query over windows, cut in three: what is computed of each row, what is put together, and what is made of that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import ClassVar

from sqlglot import exp

from flowc.compiler.dialects import RUNNER
from flowc.compiler.lowering.windowaggregates import Said, engine_call, read
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.streams.runningcalls import WRAPPERS, RunningCall, is_aggregate
from flowc.compiler.sql.streams.windowcalls import END, START, WindowCall, windowed
from flowc.compiler.sql.text.sqltext import SqlTree, copied
from flowc.diagnostics import Reporter
from flowc.loadplan import FunctionPlan
from flowc.source import Span
from flowc.stream import EXTRAS

CLAUSES = {
    "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows", "order", "distinct", "with_",
    "kind", "hint", "limit", "offset",
}  # fmt: skip
MAX_AGGREGATES = 1_000
"""How many aggregates of a window or of running groups the engine can plan in the time that lint has."""
_LARGE = "sql-too-large"
_BEHIND = ("having", "qualify", "windows", "order", "distinct", "limit", "offset")
_SETS = ("grouping_sets", "rollup", "cube", "all", "totals")
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
"""Names that are the same in any case, with quotes and without."""
_NAME_BEFORE = re.compile(r"(\w+)\s*\(\s*(?:(?:DISTINCT|ALL)\s+)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """A group's value: the column that it becomes, and what it is made of.

    Names of what goes into a window follow from what it computes, and not from what people call its outputs: state
    that goes on under other names has the same columns.
    """

    name: str
    value: exp.Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate: the column that comes out, what it says, and the columns that go in, one for each argument.

    There are none for `count(*)`; `where` is the column of the condition of a FILTER.
    """

    name: str
    said: Said
    span: Span
    arguments: tuple[str, ...]
    condition: exp.Expression | None
    where: str | None

    @property
    def values(self) -> tuple[exp.Expression, ...]:
        """What the columns that go in are made of."""
        return self.said.values if self.arguments else ()

    @property
    def call(self) -> exp.Expression:
        """The same over the columns that go in, as the engine calls it."""
        return engine_call(self.said, self.arguments)


@dataclass(frozen=True, slots=True)
class Cut:
    """A window, or running groups: the query before it, what it groups by and puts together."""

    call: WindowCall | RunningCall
    cte: str
    """The name of the query before it, which is a CTE now."""
    keys: tuple[Key, ...]
    aggregates: tuple[Aggregate, ...]
    last: bool
    """Whether it stands in the query itself, where that of the block `window` does."""

    @property
    def id(self) -> str:
        """That of the call."""
        return self.call.id


@dataclass
class _Names:
    """Names that are taken; the last number that was given for each usual one."""

    taken: set[str]
    _numbers: Counter[str] = field(default_factory=Counter)

    def free(self, wanted: str, usual: str) -> str:
        """A name that nothing else has, taken from now on: the wanted one, or the usual one with a number."""
        name = wanted
        while not name or name in self.taken:
            self._numbers[usual] += 1
            name = f"{usual}_{self._numbers[usual]}"
        self.taken.add(name)
        return name


@dataclass
class Cutter:
    """Cuts a query at one call, in its tree. Inference has marked which names are columns and which are aliases."""

    query: SqlTree
    call: WindowCall | RunningCall
    own: Mapping[str, FunctionPlan]
    """The aggregates of the project, by their names in lower case."""
    left: int
    """How many values the project may still put together."""
    reporter: Reporter
    select: exp.Select = field(init=False)
    ungrouped: ClassVar[str] = "ungrouped-window"
    """The code of what is neither grouped nor put together."""
    keys: list[Key] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    _before: int = 0
    _keys: dict[str, Key] = field(default_factory=dict)
    """The keys, by what they are made of."""
    _kinds: set[type[exp.Expression]] = field(default_factory=set)
    """What kinds of values keys are."""
    _most: int = 0
    """How large the largest of them is."""
    _arguments: dict[str, str] = field(default_factory=dict)
    """The columns that go in, by what they are made of."""
    _known: dict[tuple[object, ...], Aggregate] = field(default_factory=dict)
    """The aggregates, by what they are."""
    _inputs: _Names = field(default_factory=lambda: _Names(set()))
    _results: _Names = field(init=False)
    """The names of the columns that go in, and of those that come out."""
    _outputs: dict[str, exp.Expression] = field(default_factory=dict)
    """What comes out, by the names that are given to it."""

    def __post_init__(self) -> None:
        self._results = _Names({*self.call.bounds, *EXTRAS})
        self.select = self._select()

    def _select(self) -> exp.Select:
        """The SELECT over the call."""
        select = windowed(self.query, self.call.id).find_ancestor(exp.Select)
        assert select is not None
        return select

    def cut(self, name: str) -> Cut | None:
        """The cut, upstream of which `name` is a CTE of the query; None after an error."""
        if not self.read():
            return None
        self.replace(name)
        last = self.select.find_ancestor(exp.CTE) is None
        return Cut(self.call, name, tuple(self.keys), tuple(self.aggregates), last)

    def read(self) -> bool:
        """Whether the query can be cut; else it is reported why not."""
        self._before = self.reporter.errors
        self._check_clauses()
        if self.reporter.errors == self._before:
            self._read_keys()
        if self.reporter.errors == self._before:
            self._rewrite()
        return self.reporter.errors == self._before

    def _error(self, code: str, message: str, node: exp.Expression, *helps: str) -> None:
        self.reporter.error(code, message, self.query.span(node), helps=helps)

    # What is asked

    def _check_clauses(self) -> None:
        select, windows = self.select, [each for each in _relations(self.select) if _is_window(each)]
        given = {key for key, value in select.args.items() if value}
        strange = given - CLAUSES | ({"with_"} & given if select is not self.query.tree else set())
        if len(windows) > 1:
            self._error(
                "misplaced-window", "this puts the rows of two windows together, and each comes by itself", select,
                "read each in a CTE of its own, and put them together with UNION ALL",
            )  # fmt: skip
        elif strange:
            word = min(strange).rstrip("_").upper()
            self._error(
                "misplaced-window", f"a query over a window has no {word}", select, "put it in a CTE before or behind"
            )
        elif any(isinstance(item, exp.Star) or item.is_star for item in select.expressions):
            self._error(
                "ungrouped-window", "`*` of a window would be every row, and what comes out are its groups",
                next(item for item in select.expressions if item.is_star),
                "name what is grouped and put together: `SELECT window_start, window_end, count(*) AS n …`",
            )  # fmt: skip
        elif (bound := self._bound_of_rows()) is not None:
            self._error(
                "misplaced-window", f"`{bound.name}` is known of windows, and this is asked of rows before them", bound,
                "ask it in HAVING, or in WHERE of a query behind the window",
            )  # fmt: skip
        inner = self._inner()
        if inner is not None:
            self._error(
                "misplaced-window", "a query over a window cannot look into another one beside its aggregates", inner,
                "join with it in a query behind, in which the window is a CTE",
            )  # fmt: skip

    def _inner(self) -> exp.Expression | None:
        """A query in what is made of the groups."""
        return next((inner for part in self._late() for inner in part.find_all(exp.Query)), None)

    def _bound_of_rows(self) -> exp.Column | None:
        """A bound of the window in what chooses or joins its rows."""
        joins = [join.args.get("on") for join in self.select.args.get("joins") or ()]
        parts = [part for part in (self.select.args.get("where"), *joins) if part is not None]
        name = windowed(self.query, self.call.id).alias
        columns = (column for part in parts for column in part.find_all(exp.Column))
        return next(
            (c for c in columns if folded(c) in self.call.bounds and c.table.lower() in ("", name.lower())), None
        )

    def _late(self) -> Iterator[exp.Expression]:
        yield from self.select.expressions
        for key in _BEHIND:
            part = self.select.args.get(key)
            yield from part if isinstance(part, list) else [part] if isinstance(part, exp.Expression) else []

    # Keys

    def _read_keys(self) -> None:
        group = self.select.args.get("group")
        if several_ways(group):
            self._error(
                "ungrouped-window", "windows are grouped in one way alone", group,
                "write plain GROUP BY, and put several together with UNION ALL",
            )  # fmt: skip
            return
        items = list(group.expressions) if group is not None else []
        values = [(item, self._meant(item)) for item in items]
        if not any(_is_bound(value, (START, END)) for _, value in values):
            self._error(
                "ungrouped-window", f"a query over `{self.call.function}` groups by its windows, and this does not",
                group or self.select, "write `GROUP BY window_start, window_end`, and what else tells groups apart",
            )  # fmt: skip
            return
        if self.call.function == "cumulate" and not any(_is_bound(value, (END,)) for _, value in values):
            self._error(
                "ungrouped-window", f"`cumulate` gives a window out at each `{END}`, and this does not group by it",
                group or self.select, "write `GROUP BY window_start, window_end`, and what else tells groups apart",
            )  # fmt: skip
            return
        for item, value in values:
            self._add_key(item, value)

    def _add_key(self, item: exp.Expression, value: exp.Expression) -> None:
        columns = list(value.find_all(exp.Column))
        bounds = [column for column in columns if folded(column) in self.call.bounds]
        own = [column for column in columns if folded(column) not in self.call.bounds]
        if bounds and own:
            self._error(
                "ungrouped-window", f"this groups by `{bounds[0].name}` and a row's own columns in one value", item,
                "group by each of them, and put them together in SELECT",
            )  # fmt: skip
        elif any(value.find_all(exp.AggFunc, exp.Query)):
            self._error(self.ungrouped, "an aggregate or a query is no key", item, "compute it before or behind")
        elif not bounds and (said := self._said(value)) not in self._keys:
            name = self._results.free(folded(value) if isinstance(value, exp.Column) else "", "key")
            self._inputs.taken.add(name)
            self._keys[said] = Key(name, value.copy(), self.query.span(item))
            self.keys.append(self._keys[said])
            self._kinds.add(type(value))
            self._most = max(self._most, _size(value))

    def _meant(self, item: exp.Expression) -> exp.Expression:
        """What an item of GROUP BY stands for: an output by its place or its name, or itself."""
        outputs, node = self.select.expressions, item.unnest()
        if isinstance(node, exp.Literal) and node.is_int and 0 < int(node.name) <= len(outputs):
            return outputs[int(node.name) - 1].unalias()
        if not isinstance(node, exp.Column) or node.table or marks.OWNERS.get(node):
            return node
        named = (
            each for each in outputs if isinstance(each, exp.Alias) and fold(each.args["alias"], RUNNER) == folded(node)
        )
        return next((each.this for each in named), node)

    # Aggregates

    def _rewrite(self) -> None:
        """Puts columns in the place of keys and aggregates."""
        select = self.select
        select.set("expressions", [self._output(item) for item in select.expressions])  # one by one is quadratic
        for key in _BEHIND:
            part = select.args.get(key)
            if part:
                made = [self._grouped(each) for each in (part if isinstance(part, list) else [part])]
                select.set(key, made if isinstance(part, list) else made[0])

    def _output(self, item: exp.Expression) -> exp.Expression:
        """An item of SELECT behind, under its name."""
        made = self._grouped(item)
        named = item.args.get("alias") or (item.this if isinstance(item, exp.Column) else None)
        if named is None:
            return made
        self._outputs.setdefault(fold(named, RUNNER), made.unalias())
        return exp.alias_(made.unalias(), fold(named, RUNNER), quoted=True, copy=False)

    def _grouped(self, part: exp.Expression) -> exp.Expression:
        made = copied(part).transform(self._behind, copy=False)
        self._check_grouped(made)
        return made

    def _behind(self, node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and folded(node) in self.call.bounds:
            return _own(folded(node))
        if isinstance(node, exp.Column) and not marks.OWNERS.get(node) and folded(node) in self._outputs:
            return self._outputs[folded(node)].copy()
        alike = type(node) in self._kinds and _size(node, self._most) <= self._most
        key = self._keys.get(self._said(node)) if alike else None
        if key is not None and type(key.value) is type(node):
            return _own(key.name)
        return self._aggregate(node) if is_aggregate(node, self.own) else node

    def _aggregate(self, node: exp.Expression) -> exp.Expression:
        """What stands for a call behind; one that windows do not have is reported."""
        call, condition = node, None
        if isinstance(call, exp.Filter):
            call, condition = call.this, call.expression.this
        name = self._name_of(call)
        found = read(call, name, self.own, self.call.noun)
        why = self._why_not(name, found, condition) if isinstance(found, Said) else found
        if why is not None or not isinstance(found, Said):
            message, help = why or ("", "")
            span = self._from_its_name(call, self.query.span(node))
            self.reporter.error("unsupported-aggregate", message, span, helps=(help,))
            return _own("")
        values = tuple(each for each in found.values if not isinstance(each, exp.Star))
        key = (found.function, found.distinct, found.level, *map(self._said, values), self._said_of(condition))
        made = self._known.get(key)
        if made is None:
            outer = node.parent
            wanted = fold(outer.args["alias"], RUNNER) if isinstance(outer, exp.Alias) else ""
            made = Aggregate(
                self._results.free(wanted, found.function),
                replace(found, values=tuple(each.copy() for each in values)), span=self.query.span(node),
                arguments=tuple(map(self._argument, values)),
                condition=condition.copy() if condition is not None else None,
                where=self._argument(condition) if condition is not None else None,
            )  # fmt: skip
            self._known[key] = made
            self.aggregates.append(made)
            self._check_few(node)
        column = _own(made.name)
        return exp.Anonymous(this=found.document, expressions=[column]) if found.document else column

    def _check_few(self, node: exp.Expression) -> None:
        if len(self.aggregates) == MAX_AGGREGATES + 1:
            what = f"more than {MAX_AGGREGATES:,} values are put together of the same rows"
            help = "put some of them together in a stream of their own, into a table of its own"
            self._error(_LARGE, what, node, help)
        elif len(self.aggregates) == self.left + 1:
            what = (
                f"the windows of the project put together more values than may be: {self.left:,} were left for this one"
            )
            help = (
                "put fewer values together, or give the stream a project of its own: see `flowc explain sql-too-large`"
            )
            self._error(_LARGE, what, node, help)

    def _why_not(self, name: str, found: Said, condition: exp.Expression | None) -> tuple[str, str] | None:
        """What is wrong with the arguments of an aggregate, and what to write."""
        parts = [*found.values, *([condition] if condition is not None else [])]
        inner = (each for part in parts for each in part.find_all(exp.AggFunc, exp.Window, exp.Query))
        bound = (each for part in parts for each in part.find_all(exp.Column) if folded(each) in self.call.bounds)
        if any(inner):
            return f"the argument of `{name}` looks at many rows itself", "compute it in a window or a CTE before"
        if any(bound):
            return f"the argument of `{name}` is a bound of the window", "use `_event_ts`, the time of each row"
        return None

    def _name_of(self, call: exp.Expression) -> str:
        """The function that a call names, as it is written: the parser has one name for several."""
        start, end = self._place_of_name(call)
        usual = call.sql_name().lower() if isinstance(call, exp.Func) else "this"
        return self.query.text.text[start:end].lower() or usual

    def _from_its_name(self, call: exp.Expression, span: Span) -> Span:
        """The place of a call from the name of its function on, which the parser does not always keep."""
        start, end = self._place_of_name(call)
        name = self.query.text.span(start, end)
        return replace(span, start=min(span.start, name.start)) if start < end and name.file is span.file else span

    def _place_of_name(self, call: exp.Expression) -> tuple[int, int]:
        while isinstance(call, WRAPPERS):
            call = call.this
        if marks.START.has(call):
            return marks.position(call)
        first = min((marks.START.of(each) for each in call.walk() if marks.START.has(each)), default=0)
        found = _NAME_BEFORE.search(self.query.text.text[:first])
        return (found.start(1), found.end(1)) if found is not None else (0, 0)

    def _argument(self, value: exp.Expression) -> str:
        """The column that goes in: that of a key, or one of its own."""
        said = self._said(value)
        if (key := self._keys.get(said)) is not None:
            return key.name
        if said not in self._arguments:
            plain = folded(value) if isinstance(value, exp.Column) and folded(value) not in EXTRAS else ""
            self._arguments[said] = self._inputs.free(plain, "value")
        return self._arguments[said]

    def _check_grouped(self, made: exp.Expression) -> None:
        column = next((each for each in made.find_all(exp.Column) if not marks.GROUPED.has(each)), None)
        if column is not None and self.reporter.errors == self._before:
            self._error(
                self.ungrouped, f"`{column.name}` is of single rows, and what comes out are groups", column,
                f"add it to GROUP BY, or put it into an aggregate: `max({column.name})`",
            )  # fmt: skip

    # Parts

    def replace(self, name: str) -> None:
        """The query behind in the place of the whole, and the one before as a CTE of that name."""
        select = self.select
        items = [exp.alias_(_quoted(key.value), key.name, quoted=True) for key in self.keys]
        values: dict[str | None, exp.Expression | None] = {
            name: value for each in self.aggregates for name, value in zip(each.arguments, each.values, strict=True)
        }
        values |= {each.where: each.condition and _typed(each.condition) for each in self.aggregates}
        taken = {key.name for key in self.keys}
        items += [exp.alias_(_quoted(v), n, quoted=True) for n, v in values.items() if n not in taken and n and v]
        before = exp.Select(expressions=items or [exp.alias_(exp.Literal.number(1), "row", quoted=True)])
        for key in ("from_", "joins", "where"):
            if select.args.get(key):
                part = select.args[key]
                before.set(key, [each.copy() for each in part] if isinstance(part, list) else part.copy())
        self._put_relation(before)
        self._put_before(exp.CTE(this=before, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True))))
        table = exp.Table(this=exp.to_identifier(self.call.id, quoted=True))
        marks.CALL.set(table, self.call.id)
        for key in ("joins", "where", "group", "having"):
            having = select.args.get("having") if key == "having" else None
            select.set(key, None)
            if having is not None:
                select.set("where", exp.Where(this=having.this))
        select.set("from_", exp.From(this=table))

    def _put_relation(self, before: exp.Select) -> None:
        """Puts the relation of the call into the query before, in the place of what stands for the call."""
        stand_in = next(node for node in before.find_all(exp.Subquery) if _is_window(node))
        relation = stand_in.this.args["from_"].this.copy()
        relation.set("alias", stand_in.args["alias"].copy())
        stand_in.replace(relation)

    def _put_before(self, cte: exp.CTE) -> None:
        """Puts a CTE before the one in which the query stands, or behind all others."""
        tree = self.query.tree
        within, node = None, self.select
        while (node := node.parent) is not None:
            within = node if isinstance(node, exp.CTE) else within
        with_ = tree.args.get("with_") or exp.With(expressions=[])
        others = list(with_.expressions)
        at = next((place for place, each in enumerate(others) if each is within), len(others))
        with_.set("expressions", [*others[:at], cte, *others[at:]])
        tree.set("with_", with_)

    def _said_of(self, node: exp.Expression | None) -> str:
        return self._said(node) if node is not None else ""

    def _said(self, node: exp.Expression) -> str:
        return said(node, plain=not self.select.args.get("joins"))


def said(node: exp.Expression, *, plain: bool) -> str:
    """What an expression says, however it is written; with `plain` there is one relation, whose name says nothing."""
    copy = copied(node)
    for column in copy.find_all(exp.Column):
        owners: tuple[str, ...] = marks.OWNERS.get(column) or ()
        if plain and column.table:
            column.set("table", None)
        elif not plain and not column.table and len(owners) == 1:
            column.set("table", exp.to_identifier(owners[0]))
    for name in copy.find_all(exp.Identifier):
        if not name.args.get("quoted"):
            name.set("this", name.name.lower())
        name.set("quoted", PLAIN.fullmatch(name.name) is None)  # in quotes, a name may look like an expression
    return str(copy.sql(comments=False, copy=False))


def _size(node: exp.Expression, most: int | None = None) -> int:
    """How many parts an expression has, names aside, which may be written with that of their relation; or so many."""
    parts = (1 for each in node.walk() if not isinstance(each, exp.Identifier))
    return sum(islice(parts, most + 1 if most is not None else None))


def _quoted(value: exp.Expression) -> exp.Expression:
    """A copy of a value: a column in quotes, so that it is the same however its name was written."""
    copy = value.copy()
    if isinstance(copy, exp.Column):
        copy.set("this", exp.to_identifier(folded(copy), quoted=True))
    return copy


def _typed(condition: exp.Expression) -> exp.Expression:
    """A condition; what is NULL whatever the rows are has no type of its own."""
    return exp.cast(condition.copy(), "boolean") if is_null(condition) else condition


def several_ways(group: exp.Group | None) -> bool:
    """Whether a GROUP BY is none of a list of values: it groups in several ways, or by what it does not name."""
    if group is None:
        return False
    sets = (exp.Rollup, exp.Cube, exp.GroupingSets)
    return any(group.args.get(key) for key in _SETS) or any(isinstance(item, sets) for item in group.expressions)


def is_null(value: exp.Expression) -> bool:
    """Whether a value is NULL whatever the rows are, and nothing says of which type."""
    value = value.unnest()
    if isinstance(value, exp.Case):
        given = [*(branch.args["true"] for branch in value.args["ifs"]), value.args.get("default")]
        return all(is_null(each) for each in given if each is not None)
    if isinstance(value, exp.Coalesce):
        return all(is_null(each) for each in (value.this, *value.expressions))
    return value.find(exp.Null) is not None and value.find(exp.Column, exp.Anonymous, exp.Cast, exp.Query) is None


def _own(name: str) -> exp.Column:
    made = exp.column(exp.to_identifier(name, quoted=True))
    marks.GROUPED.put(made)
    return made


def folded(column: exp.Column) -> str:
    """The name of a column as the engine reads it."""
    return fold(column.this, RUNNER) if isinstance(column.this, exp.Identifier) else ""


def _is_bound(node: exp.Expression, names: tuple[str, ...]) -> bool:
    return isinstance(node, exp.Column) and folded(node) in names


def _relations(select: exp.Select) -> Iterator[exp.Expression]:
    from_ = select.args.get("from_")
    yield from [from_.this] if from_ is not None else []
    yield from (join.this for join in select.args.get("joins") or ())


def _is_window(node: exp.Expression) -> bool:
    return isinstance(node, exp.Subquery) and marks.WINDOW.has(node)
