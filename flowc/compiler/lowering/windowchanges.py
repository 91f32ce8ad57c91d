"""Behind a window that comes out more than once: the query says of each row that it replaces the one of its key.

A row that its WHERE does not let through any more takes away what was written of its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from flowc.compiler.changelog import bounds, read_by, replaces
from flowc.compiler.ir import Node, Placed, Window
from flowc.compiler.lowering.functions import Functions
from flowc.compiler.lowering.streamquery import hidden_text
from flowc.compiler.lowering.windowcut import folded
from flowc.compiler.sql.meaning.core import call
from flowc.compiler.sql.sqltext import SqlTree
from flowc.compiler.sql.tablefunctions import CALL
from flowc.compiler.sql.windowcalls import END, SESSION, START
from flowc.diagnostics import Reporter
from flowc.nodes import KIND, ROW, Change

ENGINE = "datafusion"
CODE = "changes-not-taken"
_SIMPLE = frozenset(("expressions", "from_", "where", "kind", "hint"))
_AGAIN = "the rows of this window come out again"


def changing(nodes: Sequence[Node], reporter: Reporter) -> Mapping[str, Window]:
    """The windows whose rows come out more than once, by their ids.

    Reported where one of the nodes reads them, which would take each row for a new one.
    """
    found = {node.id: node for node in nodes if isinstance(node, Window) and replaces(node)}
    for window in (found[name] for node in nodes for name in read_by(node) if name in found):
        message = f"{_AGAIN}, and what stands behind would count each of them once more"
        helps = ("give the first windows out once: `late: drop`, with a longer `watermark: { lateness: … }`",)
        reporter.error(CODE, message, window.span, helps=helps)
    return found


def changed(part: SqlTree, placed: Placed, window: Window, functions: Functions, reporter: Reporter) -> Placed:
    """The query behind a window as `placed`, with what its rows do; reported where it cannot be told."""
    kept = dict(_kept(part.tree, window))
    told = (SESSION,) if window.kind == "session" and SESSION in kept else (*_told_by(window), *window.keys)
    missing = next((name for name in told if name not in kept), None)
    traced = None if missing is not None else _traced(part, placed, frozenset(kept.values()), functions)
    if traced is None:
        _report(part, window, missing, reporter)
        return placed
    others = (name for name in (*bounds(window.kind), *window.keys) if name in kept and name not in told)
    follows = tuple(kept[name] for name in others if window.kind != "session" or name != END)
    made = replace(placed, traced=traced, key=tuple(kept[name] for name in told), follows=follows)
    alike = (*_told_by(window), *window.keys)
    if told == alike or any(name not in kept for name in alike):
        return made
    return replace(made, alike=tuple(kept[name] for name in alike))


def _told_by(window: Window) -> tuple[str, ...]:
    """The bounds that tell windows apart. Where clocks are put forward, two that hop may begin at one moment."""
    if window.kind == "cumulating":
        return (END,)
    return (START, END) if window.kind == "hopping" and window.timezone is not None else (START,)


def _kept(tree: exp.Expression, window: Window) -> Iterator[tuple[str, str]]:
    """The columns of the window that tell its rows apart, each with its name in what comes out."""
    for item in tree.expressions if isinstance(tree, exp.Select) else ():
        value = item.unalias()
        if isinstance(value, exp.Column) and folded(value) in (*bounds(window.kind), *window.keys):
            yield folded(value), item.alias_or_name


def _report(part: SqlTree, window: Window, missing: str | None, reporter: Reporter) -> None:
    over = part.tree.find(exp.Window)
    if over is not None:
        message = f"{_AGAIN}, and this looks at many of them: others would have to come again, too"
        help = "compute it in the target's database, or give windows out once: `late: drop`, and no `emit`"
        reporter.error(CODE, message, part.span(over), helps=(help,))
    elif missing is not None and _is_simple(part.tree):
        message = f"{_AGAIN}, and replace those before by `{missing}`, which is not among the columns"
        reporter.error(CODE, message, window.span, helps=(f"select it as it is: `SELECT {missing}, …`",))
    else:
        message = f"{_AGAIN}, and behind them it cannot be told which rows these replace"
        help = "leave to the query behind columns and conditions of one row each"
        reporter.error(CODE, message, window.span, helps=(help,))


def _is_simple(tree: exp.Expression) -> bool:
    """Whether each row of a query is made of one of the window alone."""
    from_ = tree.args.get("from_")
    given = {key for key, value in tree.args.items() if value}
    return isinstance(tree, exp.Select) and given <= _SIMPLE and from_ is not None and CALL in from_.this.meta


def _traced(part: SqlTree, placed: Placed, keys: frozenset[str], functions: Functions) -> str | None:
    if not _is_simple(part.tree):
        return None
    tree = part.tree.copy()
    where = tree.args.get("where")
    tree.set("where", None)
    kind: exp.Expression = exp.column(exp.to_identifier(KIND, quoted=True))
    if where is not None:
        tree.set("expressions", [_where(where.this, item, keys) for item in tree.expressions])
        gone = call("arrow_cast", exp.Literal.number(int(Change.DELETE)), exp.Literal.string("Int8"))
        kind = exp.Case(ifs=[_when(where.this, kind)], default=gone)
    tree.append("expressions", exp.alias_(kind, KIND, quoted=True))
    read = frozenset(name for name, _ in placed.relations)
    return hidden_text(replace(part, tree=tree), ENGINE, read, functions, (ROW,))


def _where(condition: exp.Expression, item: exp.Expression, keys: frozenset[str]) -> exp.Expression:
    """What is computed where the condition holds; a key comes also of rows that go."""
    if item.alias_or_name in keys:
        return item
    value = item.unalias()
    made = exp.Case(ifs=[_when(condition, value)])
    made.type = value.type
    return exp.alias_(made, item.alias_or_name, quoted=True)


def _when(condition: exp.Expression, value: exp.Expression) -> exp.If:
    return exp.If(this=condition.copy(), true=value.copy())
