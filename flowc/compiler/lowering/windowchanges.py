"""Behind rows that come out more than once: the query says of each that it replaces the one of its key.

These are rows of windows and of running aggregates. A row that WHERE does not let through any more takes away what was
written of its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from flowc.compiler.changelog import bounds, read_by, replaces
from flowc.compiler.dialects import RUNNER
from flowc.compiler.ir import Node, Placed, Running, Window
from flowc.compiler.lowering.functions import Functions
from flowc.compiler.lowering.streamquery import hidden_text
from flowc.compiler.lowering.windowcut import folded
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import output_name
from flowc.compiler.sql.rewrite.core import call
from flowc.compiler.sql.streams.tablefunctions import ctes_of
from flowc.compiler.sql.streams.windowcalls import END, SESSION, START
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter
from flowc.nodes import KIND, ROW, Change

CODE = "changes-not-taken"
_SIMPLE = frozenset(("expressions", "from_", "where", "kind", "hint"))
Changing = Window | Running
Names = dict[str, str]
"""The columns of a relation, each with that of the changing node that it is; empty for one that tells no rows apart."""


def changing(nodes: Sequence[Node], reporter: Reporter) -> Mapping[str, Changing]:
    """The nodes whose rows come out more than once, by their ids.

    Reported where another node reads them, which would take each row for a new one.
    """
    changes = (each for each in nodes if isinstance(each, Window | Running))
    found = {each.id: each for each in changes if isinstance(each, Running) or replaces(each)}
    for node in (found[name] for each in nodes for name in read_by(each) if name in found):
        message = f"{_again(node)}, and what stands behind would count each of them once more"
        help = "give the first windows out once: `late: drop`, with a longer `watermark: { lateness: … }`"
        if isinstance(node, Running):
            help = "write them into a table, and compute the rest of it: in a view, or in a pipeline that reads it"
        reporter.error(CODE, message, node.span, helps=(help,))
    return found


def changed(part: SqlTree, placed: Placed, node: Changing, functions: Functions, reporter: Reporter) -> Placed:
    """The query behind a changing node as `placed`, with what its rows do; reported where it cannot be told."""
    behind = _Behind(part, node)
    kept, alike = behind.kept, (*_told_by(node), *node.keys)
    told = (SESSION,) if SESSION in _bounds(node) and SESSION in kept else alike
    missing = next((name for name in told if name not in kept), None)
    traced = None
    if behind.is_simple and missing is None:
        read = frozenset(name for name, _ in placed.relations)
        traced = hidden_text(replace(part, tree=behind.tree()), RUNNER, read, functions, (ROW,))
    if traced is None:
        _report(part, node, missing if behind.is_simple else None, reporter)
        return placed
    others = (name for name in (*_bounds(node), *node.keys) if name in kept and name not in told)
    follows = tuple(kept[name] for name in others if SESSION not in _bounds(node) or name != END)
    made = replace(placed, traced=traced, key=tuple(kept[name] for name in told), follows=follows)
    if told == alike or any(name not in kept for name in alike):
        return made
    return replace(made, alike=tuple(kept[name] for name in alike))


def _told_by(node: Changing) -> tuple[str, ...]:
    """The bounds that tell windows apart. Where clocks are put forward, two that hop may begin at one moment."""
    if isinstance(node, Running):
        return ()
    if node.kind == "cumulating":
        return (END,)
    return (START, END) if node.kind == "hopping" and node.timezone is not None else (START,)


def _bounds(node: Changing) -> tuple[str, ...]:
    return bounds(node.kind) if isinstance(node, Window) else ()


def _again(node: Changing) -> str:
    what = "this window" if isinstance(node, Window) else "a running aggregate"
    return f"the rows of {what} come out again"


def _report(part: SqlTree, node: Changing, missing: str | None, reporter: Reporter) -> None:
    over = part.tree.find(exp.Window)
    if over is not None:
        message = f"{_again(node)}, and this looks at many of them: others would have to come again, too"
        help = "compute it in the target's database"
        if isinstance(node, Window):
            help = f"{help}, or give windows out once: `late: drop`, and no `emit`"
        reporter.error(CODE, message, part.span(over), helps=(help,))
    elif missing is not None:
        written = dict(zip(node.keys, node.values, strict=True)).get(missing, missing)
        message = f"{_again(node)}, and replace those before by `{written}`, which is not among the columns"
        reporter.error(CODE, message, node.span, helps=(f"select it as it is: `SELECT {written}, …`",))
    else:
        message = f"{_again(node)}, and behind them it cannot be told which rows these replace"
        help = "leave to the query behind columns and conditions of one row each"
        reporter.error(CODE, message, node.span, helps=(help,))


class _Behind:
    """The query behind a changing node: SELECTs of which each reads the one before it, and the first one the node."""

    def __init__(self, part: SqlTree, node: Changing) -> None:
        self._tree = part.tree.copy()
        self._own: Names = {name: name for name in (*_bounds(node), *node.keys)}
        self._names = dict[str, Names]()
        self._goes = SESSION in _bounds(node)
        steps = [self._is_simple(cte, step) for cte, step in _steps(self._tree)]
        self.is_simple = all(steps) and "" in self._names
        """Whether each row is made of one of the node alone."""

    @property
    def kept(self) -> Names:
        """The columns of the node that tell its rows apart, each with its first name in what comes out."""
        return {origin: name for name, origin in reversed(self._names.get("", {}).items()) if origin}

    def tree(self) -> exp.Expression:
        """The query with `KIND`."""
        for cte, select in _steps(self._tree):
            if cte in self._names and isinstance(select, exp.Select):
                _add_kind(select, self._names[cte], goes=self._goes)
        return self._tree

    def _is_simple(self, cte: str, select: exp.Expression) -> bool:
        read = self._read(select)
        if read is None or not isinstance(select, exp.Select):
            return not any(marks.CALL.has(table) or table.name in self._names for table in select.find_all(exp.Table))
        stars = [star for item in select.expressions if (star := _star(item)) is not None]
        if any({key for key, value in star.args.items() if value} - {"except_"} for star in stars):
            return False
        select.set("expressions", [column for item in select.expressions for column in _columns(item, read)])
        self._names[cte] = {_name(item): _origin(item, read) for item in select.expressions}
        given = {key for key, value in select.args.items() if value}
        return given <= (_SIMPLE if cte else _SIMPLE | {"with_"})

    def _read(self, select: exp.Expression) -> Names | None:
        """What the only relation of a query gives of the node; None where it gives nothing of it."""
        from_ = select.args.get("from_")
        table = from_.this if from_ is not None else None
        if not isinstance(table, exp.Table) or table.db:
            return None
        return self._own if marks.CALL.has(table) else self._names.get(table.name)


def _steps(tree: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    """The CTEs of a query with their names, and the query itself."""
    yield from ((cte.alias, cte.this) for cte in ctes_of(tree))
    yield "", tree


def _columns(item: exp.Expression, read: Names) -> Iterator[exp.Expression]:
    """The columns that an item stands for: a `*` for all of them."""
    star = _star(item)
    if star is None:
        yield item
        return
    without = {folded(each) for each in star.args.get("except_") or () if isinstance(each, exp.Column)}
    for name in (name for name in read if name not in without):
        yield exp.column(exp.to_identifier(name, quoted=True), table=item.args.get("table"))


def _star(item: exp.Expression) -> exp.Star | None:
    star = item.this if isinstance(item, exp.Column) else item
    return star if isinstance(star, exp.Star) else None


def _name(item: exp.Expression) -> str:
    name = item.args.get("alias") or item.this
    return output_name(name, RUNNER) if isinstance(name, exp.Identifier) else item.alias_or_name


def _origin(item: exp.Expression, read: Names) -> str:
    value = item.unalias()
    return read.get(folded(value), "") if isinstance(value, exp.Column) else ""


def _add_kind(select: exp.Select, names: Names, *, goes: bool) -> None:
    """Has a query tell what its rows do. Of rows of the node that go, which hold keys alone, nothing is computed."""
    where = select.args.get("where")
    select.set("where", None)
    kind: exp.Expression = exp.column(exp.to_identifier(KIND, quoted=True))
    gone = call("arrow_cast", exp.Literal.number(int(Change.DELETE)), exp.Literal.string("Int8"))
    without = [exp.If(this=kind.copy().eq(gone.copy()), true=exp.null())] if goes else []
    if where is not None or goes:
        select.set("expressions", [_where(where, item, names, without) for item in select.expressions])
    if where is not None:
        ifs = [exp.If(this=each.this.copy(), true=gone.copy()) for each in without]
        kind = exp.Case(ifs=[*ifs, _when(where.this, kind)], default=gone)
    select.append("expressions", exp.alias_(kind, KIND, quoted=True))


def _where(where: exp.Where | None, item: exp.Expression, names: Names, without: Sequence[exp.If]) -> exp.Expression:
    """What is computed where the condition holds; a key comes also of rows that go."""
    name, value = _name(item), item.unalias()
    if names[name] or (where is None and isinstance(value, exp.Column)):
        return item
    if where is not None:
        made = exp.Case(ifs=[*(each.copy() for each in without), _when(where.this, value)])
    else:
        made = exp.Case(ifs=[each.copy() for each in without], default=value.copy())
    made.type = value.type
    return exp.alias_(made, name, quoted=True)


def _when(condition: exp.Expression, value: exp.Expression) -> exp.If:
    return exp.If(this=condition.copy(), true=value.copy())
