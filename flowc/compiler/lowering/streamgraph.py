"""The graph of a stream: its query cut where rows have to be remembered, and what is stateless put together.

What stands before a `dedupe` is a query of its own, and so is what stands behind the last one. A relation that such a
part does not make itself is one of its inputs, under the name that it has in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.changelog import NO_KEYS
from flowc.compiler.ir import Dedupe, Node, Placed, Source, Sql
from flowc.compiler.lowering.functioncalls import called
from flowc.compiler.lowering.functions import Functions
from flowc.compiler.lowering.streamjoin import put
from flowc.compiler.lowering.streamquery import hidden_text, part_text
from flowc.compiler.sql.infer import infer
from flowc.compiler.sql.relations import Field, Relation
from flowc.compiler.sql.sqltext import SqlTree
from flowc.compiler.sql.streamjoins import StreamJoin
from flowc.compiler.sql.tablefunctions import CALL, Call, free
from flowc.diagnostics import Reporter, did_you_mean
from flowc.source import Span
from flowc.stream import EXTRAS, ROW, TIME, outputs

ENGINE = "datafusion"
QUERY, BLOCK = "query", "dedupe"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
"""Names that are the same in any case."""


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
    nodes: list[Node] = field(default_factory=list)
    _edges: dict[str, str] = field(default_factory=dict)
    """By the name of each source, what gives its rows."""
    _given: dict[str, Relation | None] = field(default_factory=dict)
    """What calls give, by their ids."""
    _reserved: frozenset[str] = frozenset()
    """The names of sources and calls."""
    _made: dict[int, Sql] = field(default_factory=dict)
    """The parts that are CTEs, by their places."""

    def __post_init__(self) -> None:
        self._edges = {source.name: source.name for source in self.sources}

    @property
    def _names(self) -> frozenset[str]:
        return frozenset(source.name for source in self.sources)

    def block(self, block: Block | None) -> None:
        """Puts a block, where there is one, before everything else."""
        if block is None:
            return
        names = tuple(source.name for source in self.sources)
        columns = tuple(source.columns for source in self.sources)
        made = Dedupe(free(BLOCK, self._names), names, block.keys, block.within, columns, block.span)
        self.nodes.append(made)
        self._edges = dict(zip(names, outputs(made.id, names), strict=True))

    def query(self, query: SqlTree, found: Sql, calls: Sequence[Call | StreamJoin]) -> Sql:
        """Puts the whole query behind, whose rows are written; `found` is what was found of it."""
        self._reserved = self._names | {call.id for call in calls}
        for call in calls:
            if isinstance(call, StreamJoin):
                self._given[call.id] = put(call, query, self)
            else:
                self._call(call, query)
        part = self.part(query, query.tree) if calls else query
        relations = self.read(part) if calls else tuple(self._edges.items())
        text = part_text(part, ENGINE, self.functions) if calls else found.text
        read = frozenset(name for name, _ in relations)
        traced = hidden_text(part, ENGINE, read, self.functions, (ROW,))
        if calls and len(relations) > 1 and traced is None:
            several = " and ".join(f"`{_called(name)}`" for _, name in relations)
            message = f"this looks at rows of {several} together, and each of them comes by itself"
            helps = ("read one of them, or put them together with UNION ALL and nothing that looks at many rows",)
            self.reporter.error("misplaced-dedupe", message, calls[-1].span, helps=helps)
        made = replace(
            found, id=self.id(QUERY), text=text or found.text, functions=called(query, self.functions),
            placed=Placed(relations, traced),
        )  # fmt: skip
        self.nodes.append(made)
        return made

    def ordered(self) -> tuple[Node, ...]:
        """The nodes in topological order, without those that nobody reads.

        What is stateless comes first: what fails there has not been seen by a dedupe.
        """
        left, done = self._read_by_the_last(), list[Node]()
        while left:
            waiting = {name for node in left for name in _given(node)}
            ready = [node for node in left if waiting.isdisjoint(_read(node))]
            done.append(next((node for node in ready if isinstance(node, Sql)), ready[0]))
            left.remove(done[-1])
        return tuple(done)

    def _read_by_the_last(self) -> list[Node]:
        wanted, found = set[str](), list[Node]()
        for node in reversed(self.nodes):  # each was put behind what it reads
            if not found or wanted.intersection(_given(node)):
                found.append(node)
                wanted.update(_read(node))
        return found[::-1]

    def id(self, name: str) -> str:
        return free(name, self._reserved | {node.id for node in self.nodes})

    def _call(self, call: Call, query: SqlTree) -> None:
        """A call, and the part of the query before it."""
        if any(node.id == call.id for node in self.nodes):
            message = f"the block `dedupe` and a dedupe of the query are both called `{call.id}`"
            helps = ("give that of the query another name: `FROM dedupe(…) AS name`",)
            self.reporter.error("duplicate-name", message, call.span, helps=helps)
            return
        if call.before is not None and call.before not in self._made:
            made = self._before(call, _ctes(query.tree)[call.before], query)
            if made is None:
                return
            self._made[call.before] = made
            self.nodes.append(made)
        made = self._made[call.before] if call.before is not None else None
        own = made.columns if made is not None else self._columns(call.name)
        table = Relation.of_table(TableName(None, call.name), own, f"`{call.name}`")
        self._given[call.id] = table if made is not None else self.relations[call.name]
        self._check_keys(call)
        keys = tuple(key.value for key in call.keys)
        edge = made.id if made is not None else self._edges[call.name]
        self.nodes.append(Dedupe(call.id, (edge,), keys, call.within, (own,), call.span))

    def _columns(self, source: str) -> tuple[Column, ...] | None:
        return next(each.columns for each in self.sources if each.name == source)

    def _before(self, call: Call, cte: exp.CTE, query: SqlTree) -> Sql | None:
        """The CTE that a call reads, with the time of each row; None after an error."""
        part = self.part(query, cte.this)
        relations = self.read(part)
        fields = infer(part, ENGINE, lambda name: self.find(name, dict(relations)), Reporter()).fields
        columns = _shown(fields, query)
        timed = all(column.name != TIME for column in columns or ())
        names = [TIME] if timed else []
        read = frozenset(name for name, _ in relations)
        text = hidden_text(part, ENGINE, read, self.functions, names)
        if text is None or (not timed and not _is_time(part.tree, fields)):
            self._report_untimed(call, timed=timed)
            return None
        if twice := _twice(part.tree):
            message = f"the rows of `{call.name}` come from `{twice}` on several ways, and in no fixed order"
            helps = ("deduplicate each of them by itself, or put them together behind the dedupes",)
            self.reporter.error("misplaced-dedupe", message, call.span, helps=helps)
            return None
        return Sql(
            self.id(cte.alias), (), ENGINE, text, (), columns, dialect=query.dialect,
            placed=Placed(relations, hidden_text(part, ENGINE, read, self.functions, [*names, ROW]), timed),
            functions=called(part, self.functions),
        )  # fmt: skip

    def _report_untimed(self, call: Call, *, timed: bool) -> None:
        name = call.name
        if timed:
            message = f"the rows of `{name}` are not each of one row before it, so they have no event time to judge by"
            helps: tuple[str, ...] = (
                f"leave to `{name}` what looks at one row at a time (columns, WHERE, UNION ALL, joins with lookups)",
                "put what looks at many rows behind the dedupe",
            )
        else:
            message = f"`{TIME}` of `{name}` is not the event time of its rows, by which repeats are judged"
            helps = (f"leave `{TIME}` out, for it goes along by itself, or select it as it is",)
        self.reporter.error("misplaced-dedupe", message, call.span, helps=helps)

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
        tree, ctes = body.copy(), _ctes(query.tree)
        before = ctes[:place] if body is query.tree else list(takewhile(lambda cte: cte.this is not body, ctes))[:place]
        own = [] if body is query.tree else _ctes(tree)
        tree.set("with_", None)
        needed = _needed([tree, *own], before)
        with_ = [*(cte.copy() for cte in needed), *own]
        tree.set("with_", exp.With(expressions=with_) if with_ else None)
        self._rename(tree, frozenset(cte.alias for cte in needed))
        return replace(query, tree=tree)

    def _rename(self, tree: exp.Expression, ctes: frozenset[str]) -> None:
        marked = [table for table in tree.find_all(exp.Table) if CALL in table.meta]
        plain = {table.name for table in tree.find_all(exp.Table) if CALL not in table.meta} | ctes
        for table in marked:
            alike = any(other.name == table.name and other.meta[CALL] != table.meta[CALL] for other in marked)
            if table.name in plain or alike or not _PLAIN.fullmatch(table.name):
                name = free(table.meta[CALL], ctes | frozenset(self.relations))
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=table.this))
                table.set("this", exp.to_identifier(name, quoted=True))

    def read(self, part: SqlTree) -> tuple[tuple[str, str], ...]:
        """The relations that a part reads, each with what gives its rows."""
        found = dict[str, str]()
        for table in part.tree.find_all(exp.Table):
            if CALL in table.meta:
                found[table.name] = table.meta[CALL]
            elif not table.db and table.name in self._names and not _shadowed(table, part):
                found[table.name] = self._edges[table.name]
        return tuple(found.items())


def _ctes(tree: exp.Expression) -> list[exp.CTE]:
    with_ = tree.args.get("with_")
    return list(with_.expressions) if with_ is not None else []


def _shadowed(table: exp.Table, part: SqlTree) -> bool:
    """Whether the name of a table is that of a CTE before it, and of no source."""
    within = table.find_ancestor(exp.CTE)
    return any(cte.alias == table.name for cte in takewhile(lambda cte: cte is not within, _ctes(part.tree)))


def _needed(parts: Sequence[exp.Expression], before: Sequence[exp.CTE]) -> list[exp.CTE]:
    """The CTEs that parts of a query read, and those that these read; what calls give is not read from them."""
    found, names = list[exp.CTE](), {name for part in parts for name in _named(part)}
    for cte in reversed(before):
        if cte.alias in names:
            found.insert(0, cte)
            names = names - {cte.alias} | set(_named(cte.this))
    return found


def _named(tree: exp.Expression) -> Iterator[str]:
    yield from (table.name for table in tree.find_all(exp.Table) if CALL not in table.meta and not table.db)


def _shown(fields: tuple[Field, ...] | None, query: SqlTree) -> tuple[Column, ...] | None:
    """The columns of a part. A `*` stands for the message's own columns, and for others that are asked for by name."""
    asked = {column.name for column in query.tree.find_all(exp.Column)}
    asked |= {alias.alias for alias in query.tree.find_all(exp.Alias)}
    if fields is None:
        return None
    return tuple(Column(f.name, f.type, f.nullable) for f in fields if f.name not in EXTRAS or f.name in asked)


def _called(name: str) -> str:
    """A relation as people know it."""
    return name.partition(".")[0]


def _twice(tree: exp.Expression) -> str | None:
    """What a set operation reads on several ways: the engine gives the rows of these in any order."""
    if tree.find(exp.SetOperation) is None:
        return None
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    read = [table.meta.get(CALL, table.name) for table in tree.find_all(exp.Table) if table.name not in ctes]
    read += [table.name for table in tree.find_all(exp.Table) if table.name in ctes]
    return next((name for number, name in enumerate(read) if name in read[:number]), None)


def _is_time(tree: exp.Expression, fields: Sequence[Field] | None) -> bool:
    """Whether the column of the event time is that of the rows, as it is."""
    if tree.find(exp.SetOperation) is not None:
        return False
    named = (alias for alias in tree.find_all(exp.Alias) if alias.alias == TIME)
    if not all(isinstance(alias.this, exp.Column) and alias.this.name == TIME for alias in named):
        return False
    origins = {origin.column for each in fields or () if each.name == TIME for origin in each.origins}
    return origins == {TIME}


def _read(node: Node) -> tuple[str, ...]:
    if not isinstance(node, Sql):
        return node.inputs
    return tuple(name for _, name in node.placed.relations) if node.placed is not None else ()


def _given(node: Node) -> tuple[str, ...]:
    return outputs(node.id, node.inputs) if isinstance(node, Dedupe) else (node.id,)
