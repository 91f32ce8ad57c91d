"""A join of two streams in the graph: a query for each side, which makes its keys, and the join of what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.changelog import NO_KEYS, WIDE, reopens
from flowc.compiler.dialects import RUNNER
from flowc.compiler.ir import Apply, IntervalJoin, Node, Origin, Output, Placed, Sql
from flowc.compiler.loads.changes import CODE, takes
from flowc.compiler.lowering.functioncalls import called
from flowc.compiler.lowering.streamquery import hidden_text, inferred
from flowc.compiler.sql.relations import Field, Relation, output_name
from flowc.compiler.sql.streams.streamjoins import Side, StreamJoin
from flowc.compiler.sql.streams.tablefunctions import free
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.nodes import ROW, TIME, Changelog
from flowc.source import Span
from flowc.types import BIGINT, TIMESTAMPTZ, UNKNOWN, DataType, Kind

if TYPE_CHECKING:
    from flowc.compiler.lowering.streamgraph import Graph

_DIGITS = 38
_TEMPORAL = frozenset({Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})
_FLOATS = frozenset({Kind.FLOAT32, Kind.FLOAT64})


@dataclass(frozen=True)
class _Part:
    """The query of one side, and what its key columns are called."""

    side: Side
    tree: exp.Select
    keys: tuple[str, ...]
    fields: tuple[Field, ...]
    read: tuple[Field, ...]
    """The same as whoever reads them knows them."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(each.name, each.type, each.nullable) for each in self.fields)

    def type(self, name: str) -> DataType:
        return next((each.type for each in self.fields if each.name == name), UNKNOWN)


def put(join: StreamJoin, query: SqlTree, graph: Graph) -> Relation | None:
    """Puts a join behind what it reads; the relation that it gives, None after an error."""
    first = [_part(join, side, (None,) * len(side.keys), query, graph) for side in join.sides]
    casts = [_together(join, number, first, query, graph.reporter) for number in range(len(join.sides[0].keys))]
    if graph.reporter.errors:
        return None
    parts = [_part(join, side, casts, query, graph) if any(casts) else part
             for side, part in zip(join.sides, first, strict=True)]  # fmt: skip
    nodes = [_node(join, part, query, graph) for part in parts]
    made = [node for node in nodes if node is not None]
    if len(made) < len(nodes):
        return None
    named = [(number, _named(column), out)
             for number, side in enumerate(join.sides) for column, out in side.columns]  # fmt: skip
    left, right = parts
    written = tuple((_written(one, left.side, query), _written(other, right.side, query))
                    for one, other in zip(left.side.keys, right.side.keys, strict=True))  # fmt: skip
    node = IntervalJoin(
        join.id, (made[0].id, made[1].id), kind=join.kind, keys=tuple(zip(left.keys, right.keys, strict=True)),
        least=join.least, most=join.most, columns=tuple(named), given=(made[0].columns, made[1].columns),
        written=written, before=(_before(left.side, join, query, graph), _before(right.side, join, query, graph)),
        span=join.span, late=join.late, allowed_lateness=join.allowed_lateness,
    )  # fmt: skip
    graph.nodes.append(node)
    table = TableName(None, join.id)
    origin = partial(Origin, table)
    fields = tuple(
        replace(
            each, name=out, nullable=each.nullable or join.kind in ("full", ("right", "left")[number]),
            origins=frozenset({origin(out)}),
        )
        for number, name, out in named
        for each in parts[number].read
        if each.name == name
    )  # fmt: skip
    time = Field(TIME, TIMESTAMPTZ, nullable=False, origins=frozenset({origin(TIME)}))
    return Relation((*fields, time), f"`{join.id}`", table=table)


@dataclass(frozen=True, slots=True)
class Outer:
    """The columns, as they are written, of the side whose rows may come out without a partner, and be replaced then."""

    columns: frozenset[str]
    span: Span


def outer_of(part: SqlTree, last: Sql, nodes: Sequence[Node], reporter: Reporter) -> Outer | None:
    """What the last query gives of a join that replaces rows; reported where another node reads that."""
    join = next((node for node in nodes if isinstance(node, IntervalJoin) and reopens(node)), None)
    if join is None:
        return None
    if last.placed is None or join.id not in (name for _, name in last.placed.relations):
        message = "rows of this join are replaced when a partner comes late, and what stands behind would count both"
        helps = ("leave out `late: reopen`, and wait longer for rows: `watermark: { lateness: … }`",)
        reporter.error(CODE, message, join.span, helps=helps)
        return None
    own = {out for side, _, out in join.columns if side == (join.kind == "right")}
    items = ((item.unalias(), item.alias_or_name) for item in part.tree.selects)
    names = (name for item, name in items if isinstance(item, exp.Column) and output_name(item.this, RUNNER) in own)
    return Outer(frozenset(names), join.span)


def check_replaced(outer: Outer | None, targets: Sequence[Apply | Output], reporter: Reporter) -> None:
    """Whether targets find the row without a partner by the keys of the pair that replaces it: both have one side."""
    for target in targets if outer is not None else ():
        keys = target.keys if isinstance(target, Apply) else target.key
        refusal, span = takes(target, Changelog.UPSERT, keys), target.span
        if refusal is not None:
            reporter.error(CODE, refusal.message, span, helps=(refusal.help,))
        elif outer is not None and (odd := next((key for key in keys if key not in outer.columns), None)) is not None:
            message = f"a row that has no partner has no `{odd}`, so the pair that comes late would not replace it"
            helps = (f"tell rows apart by columns that it has: `{'`, `'.join(sorted(outer.columns))}`",)
            reporter.error(CODE, message, span, helps=helps)


def _part(join: StreamJoin, side: Side, casts: Sequence[DataType | None], query: SqlTree, graph: Graph) -> _Part:
    """The query of one side, with the types of what it gives."""
    items, keys = dict[str, exp.Expression](), list[str]()
    for column, _ in side.columns:
        items[_named(column)] = _of(column, side)
    for number, (key, cast) in enumerate(zip(side.keys, casts, strict=True)):
        plain = isinstance(key, exp.Column) and cast is None and side.only is None
        column = _named(key.this) if isinstance(key, exp.Column) else ""
        made = free(f"{column}_key" if column else f"key_{number + 1}", frozenset(items))
        name = column if plain else made
        items[name] = items.get(name) or _key(key, cast, side.only)
        keys.append(name)
    tree = exp.Select(
        expressions=[exp.Alias(this=item, alias=exp.to_identifier(name, quoted=True)) for name, item in items.items()],
        from_=exp.From(this=side.relation.copy()),
    )
    part = graph.part(query, tree, join.place)
    relations = dict(graph.read(part))
    fields, read = inferred(part, RUNNER, lambda name: graph.find(name, relations))
    return _Part(side, tree, tuple(keys), fields or (), read or ())


def _named(column: exp.Identifier) -> str:
    """What a column is called in the query of a side, beside the event time, which is hidden there."""
    name = output_name(column, RUNNER)
    return f"{TIME}_shown" if name == TIME else name


def _of(column: exp.Identifier, side: Side) -> exp.Column:
    return exp.Column(this=column.copy(), table=exp.to_identifier(side.name, quoted=True))


def _key(key: exp.Expression, cast: DataType | None, only: exp.Expression | None) -> exp.Expression:
    """A key, which is NULL where a row has no partner, whatever its key: NULL is equal to nothing."""
    made = key.copy() if cast is None else exp.cast(key.copy(), exp.DataType.build(str(cast), dialect="postgres"))
    return made if only is None else exp.Case(ifs=[exp.If(this=only.copy(), true=made)])


def _written(key: exp.Expression, side: Side, query: SqlTree) -> str:
    """A key as it is computed, with the condition of its rows, whatever its relation is called."""
    parts = [part.transform(_bare, copy=True) for part in (key, side.only) if part is not None]
    return " where ".join(part.sql(dialect=query.dialect) for part in parts)


def _before(side: Side, join: StreamJoin, query: SqlTree, graph: Graph) -> str:
    """What a side reads, whatever it is called in the join."""
    relation = side.relation.copy()
    relation.set("alias", None)
    return graph.whole(graph.part(query, exp.select("*").from_(relation), join.place))


def _bare(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        return exp.column(exp.to_identifier(output_name(node.this, RUNNER)))
    return node


def _together(
    join: StreamJoin, number: int, parts: Sequence[_Part], query: SqlTree, reporter: Reporter
) -> DataType | None:
    """The type that both sides of a key are cast to; None where they need no cast, and after an error."""
    one, other = (part.type(part.keys[number]) for part in parts)
    found = common_key(one, other)
    if found is None:
        message = f"a join of streams cannot compare `{one}` and `{other}`" if one != other else f"`{one}` is no key"
        helps = ("compare values of one simple type: `CAST(… AS text)` on both sides",)
        reporter.error("unusable-keys", message, query.span(join.sides[0].keys[number]), helps=helps)
    return None if found in (None, UNKNOWN) or found == one == other else found


def common_key(one: DataType, other: DataType) -> DataType | None:
    """The type by which values of two types are compared, which is that of both where no cast is needed.

    Unknown where one of them is; None where they cannot be compared exactly.
    """
    kinds = {one.kind, other.kind}
    if Kind.UNKNOWN in kinds:
        return UNKNOWN
    if kinds & NO_KEYS:
        return None
    if one == other or kinds == {Kind.TEXT}:
        return one if one == other else DataType(Kind.TEXT)
    if one.is_integer and other.is_integer and not kinds & WIDE:
        return BIGINT
    if kinds <= _FLOATS:
        return DataType(Kind.FLOAT64)
    if len(kinds) == 1 and kinds <= _TEMPORAL:
        return DataType(one.kind)
    return _decimal(one, other)


def _decimal(one: DataType, other: DataType) -> DataType | None:
    sizes = [_size(kind) for kind in (one, other)]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    whole, scale = (max(size[part] for size in known) for part in (0, 1))
    return DataType(Kind.DECIMAL, whole + scale, scale) if whole + scale <= _DIGITS else None


def _size(kind: DataType) -> tuple[int, int] | None:
    """The digits of a number before and behind the point."""
    if kind.is_integer:
        return (20, 0) if kind.kind in WIDE else (19, 0)
    if kind.kind is Kind.DECIMAL and kind.precision is not None:
        return kind.precision - (kind.scale or 0), kind.scale or 0
    return None


def _node(join: StreamJoin, part: _Part, query: SqlTree, graph: Graph) -> Sql | None:
    """The query of one side as a node; None after an error."""
    tree = graph.part(query, part.tree, join.place)
    relations = graph.read(tree)
    read, name = frozenset(each for each, _ in relations), part.side.name
    if not graph.is_apart(tree):
        return None
    texts = [hidden_text(tree, RUNNER, read, graph.functions, columns) for columns in ((TIME,), (TIME, ROW))]
    if texts[0] is None:
        message = f"the rows of `{name}` are not each of one row before it, so they have no event time to join by"
        helps = (f"leave to `{name}` what looks at one row at a time (columns, WHERE, UNION ALL, joins with lookups)",
                 "put what looks at many rows behind the join")  # fmt: skip
        graph.reporter.error("misplaced-join", message, part.side.span, helps=helps)
        return None
    if not _is_timed(tree.tree, partial(_given, join, query, graph), part.side):
        message = f"`{TIME}` of `{name}` is not the event time of its rows, by which they are joined"
        graph.reporter.error("misplaced-join", message, part.side.span, helps=(f"select `{TIME}` as it is",))
        return None
    node = Sql(
        graph.id(f"{join.id}_{name}"), (), engine=RUNNER, text=texts[0], reads=(), columns=part.columns,
        dialect=query.dialect, placed=Placed(relations, texts[1], timed=True), functions=called(tree, graph.functions),
    )  # fmt: skip
    graph.nodes.append(node)
    return node


_Given = Callable[[exp.Query], tuple[Field, ...] | None]
"""The columns of a query that stands where the join does; None where some are unknown."""


def _given(join: StreamJoin, query: SqlTree, graph: Graph, body: exp.Query) -> tuple[Field, ...] | None:
    part = graph.part(query, body.copy(), join.place)
    relations = dict(graph.read(part))
    return inferred(part, RUNNER, lambda name: graph.find(name, relations))[0]


def _is_timed(tree: exp.Expression, given: _Given, side: Side) -> bool:
    """Whether every column of the name of the event time is that, by its position in a UNION as well."""
    named = (alias for alias in tree.find_all(exp.Alias) if alias.alias == TIME)
    shown = given(exp.select("*").from_(side.relation.copy())) or ()
    return (
        all(isinstance(alias.this, exp.Column) and alias.this.name == TIME for alias in named)
        and all(_is_origin(each) for each in shown if each.name == TIME)
        and all(_is_timed_union(union, given) for union in tree.find_all(exp.SetOperation))
    )


def _is_origin(field: Field) -> bool:
    return {origin.column for origin in field.origins} == {TIME}


def _is_timed_union(union: exp.SetOperation, given: _Given) -> bool:
    """Whether the event time has the same place in all queries that are put together."""
    arms = [given(arm) for arm in _arms(union)]
    known = [arm for arm in arms if arm is not None]
    if len(known) < len(arms):
        return False
    place = next((place for place, each in enumerate(known[0]) if each.name == TIME), None)
    return place is None or all(place < len(arm) and _is_origin(arm[place]) for arm in known)


def _arms(query: exp.Expression) -> Iterator[exp.Query]:
    """The queries that are put together, in order."""
    if isinstance(query, exp.SetOperation):
        yield from _arms(query.this)
        yield from _arms(query.expression)
    elif isinstance(query, exp.Subquery):
        yield from _arms(query.this)
    elif isinstance(query, exp.Query):
        yield query
