"""Behind a window: what looks at many rows there may look at those of one window, which come out together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.lowering.windowcut import folded
from flowc.compiler.sql import marks
from flowc.compiler.sql.streams.streamjoins import SAME
from flowc.compiler.sql.streams.tablefunctions import ctes_of
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter

Bounds = frozenset[str]
"""The columns of a relation by which rows of one window are told from those of others."""
CODE = "across-windows"
_WHY = "and windows come out one after the other"


def check_behind(part: SqlTree, windows: Mapping[str, Bounds], reporter: Reporter) -> Bounds | None:
    """Reports what looks at rows of several windows; `windows` are calls by their ids.

    What comes back are the bounds of the rows that the query gives, None where it reads no window.
    """
    return _Behind(part, windows, reporter).query(part.tree, {})


@dataclass
class _Behind:
    part: SqlTree
    windows: Mapping[str, Bounds]
    reporter: Reporter
    _scattered: bool = False
    """Whether rows of windows are read of which some have a partner, and come out by themselves."""

    def query(self, node: exp.Expression, known: Mapping[str, Bounds]) -> Bounds | None:
        """The bounds of what a query gives; `known` are those of the CTEs before it that have rows of windows."""
        known = dict(known)
        for cte in ctes_of(node):
            found = self.query(cte.this, known)
            known.pop(cte.alias, None)
            if found is not None:
                known[cte.alias] = found
        if isinstance(node, exp.Subquery):
            return self.query(node.this, known)
        if isinstance(node, exp.SetOperation):
            return self._together(node, known)
        return self._select(node, known) if isinstance(node, exp.Select) else None

    def _together(self, node: exp.SetOperation, known: Mapping[str, Bounds]) -> Bounds | None:
        found = [bounds for side in (node.this, node.expression) if (bounds := self.query(side, known)) is not None]
        if not found:
            return None
        bounds = frozenset.intersection(*found)
        if node.args.get("distinct") or not isinstance(node, exp.Union):
            self._demand(bool(bounds), "this compares the rows of many windows", node, "write UNION ALL")
        self._check_limit(node)
        return bounds

    def _select(self, node: exp.Select, known: Mapping[str, Bounds]) -> Bounds | None:
        read = dict(self._read(node, known))
        if not read:
            return None
        if len(read) > 1:
            helps = f"give each window a query of its own under WITH, and join these: {SAME}"
            self._demand(False, "this joins the rows of windows, and each comes by itself", _relations(node)[-1], helps)
        own = frozenset().union(*read.values())
        for inner in _inner(node):
            if self.query(inner, known) is not None:
                helps = "rank or group within the window: `max(n) OVER (PARTITION BY window_start, window_end)`"
                self._demand(False, f"this looks at all rows of windows for each row, {_WHY}", inner, helps)
        self._check_groups(node, own)
        self._check_over(node, own)
        self._check_limit(node)
        given = frozenset(_given(node, own))
        distinct = node.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            kept = bool(given) if on is None else _names_one(list(on.expressions), own)
            message = f"DISTINCT compares the rows of many windows, {_WHY}"
            self._demand(kept, message, node.expressions[0], _select_it(own))
        return given

    def _read(self, node: exp.Select, known: Mapping[str, Bounds]) -> Iterator[tuple[int, Bounds]]:
        for number, relation in enumerate(_relations(node)):
            if isinstance(relation, exp.Table):
                call = marks.CALL.get(relation)
                self._scattered |= call is not None and self.windows.get(call) == frozenset()
                bounds = (
                    self.windows.get(call) if call is not None else None if relation.db else known.get(relation.name)
                )
            else:
                bounds = self.query(relation, known)
            if bounds is not None:
                yield number, bounds

    def _check_groups(self, node: exp.Select, own: Bounds) -> None:
        group = node.args.get("group")
        aggregates = [each for each in _own(node, exp.AggFunc) if not _is_over(each)]
        if group is None and not aggregates:
            return
        items = [_meant(item, node) for item in group.expressions] if group is not None else []
        message = f"this puts the rows of many windows together, {_WHY}"
        helps = f"group by {_or(own)}, too; or put windows together in the target's database, or in longer windows"
        self._demand(_names_one(items, own), message, group or aggregates[0], helps)

    def _check_over(self, node: exp.Select, own: Bounds) -> None:
        named = {each.name: each for each in node.args.get("windows") or ()}
        for over in _own(node, exp.Window):
            base = named.get(over.alias) if not over.args.get("partition_by") else None
            parts = (base or over).args.get("partition_by") or []
            message = f"this looks at the rows of many windows, {_WHY}"
            self._demand(_names_one(parts, own), message, over, f"write `PARTITION BY {' or '.join(sorted(own))}, …`")

    def _check_limit(self, node: exp.Expression) -> None:
        for key in ("limit", "offset"):
            part = node.args.get(key)
            if part is not None:
                message = f"{part.key.upper()} takes the first rows of many windows, {_WHY}"
                helps = "rank within the window: `row_number() OVER (PARTITION BY window_start, window_end ORDER BY …)`"
                self._demand(False, message, part, helps)

    def _demand(self, right: bool, message: str, node: exp.Expression, *helps: str) -> None:
        if not right and self._scattered:
            message = "this looks at many rows behind a join of windows, and these do not come out together"
            helps = (
                "write an INNER JOIN of the same windows, with their bounds among what is selected",
                "or compute it in the target's database",
            )
        if not right:
            self.reporter.error(CODE, message, self.part.span(node), helps=helps)


def _relations(node: exp.Select) -> list[exp.Expression]:
    from_ = node.args.get("from_")
    first = [from_.this] if from_ is not None else []
    return [*first, *(join.this for join in node.args.get("joins") or ())]


def _names_one(items: list[exp.Expression], own: Bounds) -> bool:
    return any(isinstance(item, exp.Column) and folded(item) in own for item in items)


def _given(node: exp.Select, own: Bounds) -> Iterator[str]:
    """The bounds among what a query gives, as they are called there."""
    for item in node.expressions:
        star = item if isinstance(item, exp.Star) else item.this
        if isinstance(star, exp.Star):
            without = {each.name for each in star.args.get("except_") or ()}
            yield from own - without
        elif _names_one([item.unalias()], own):
            yield item.alias_or_name


def _meant(item: exp.Expression, node: exp.Select) -> exp.Expression:
    """What an item of GROUP BY stands for where it is the place of an output, or the name of one."""
    if isinstance(item, exp.Literal) and item.is_int and 0 < int(item.name) <= len(node.expressions):
        return node.expressions[int(item.name) - 1].unalias()
    named = (each for each in node.expressions if isinstance(each, exp.Alias) and each.alias == item.name)
    return next((each.this for each in named if isinstance(item, exp.Column)), item)


def _own(node: exp.Select, kind: type[exp.Expression]) -> Iterator[exp.Expression]:
    return (each for each in node.find_all(kind) if each.find_ancestor(exp.Select) is node)


def _inner(node: exp.Select) -> Iterator[exp.Expression]:
    """Queries within a query that are not among its relations."""
    for key in ("expressions", "where", "having", "qualify", "order", "joins"):
        value = node.args.get(key)
        for part in value if isinstance(value, list) else [value] if value is not None else []:
            held = part.args.get("on") if isinstance(part, exp.Join) else part
            for inner in held.find_all(exp.Select, exp.SetOperation) if held is not None else ():
                if inner.find_ancestor(exp.Select) is node:
                    yield inner


def _is_over(node: exp.Expression) -> bool:
    outer = node.parent
    while isinstance(outer, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        outer = outer.parent
    return isinstance(outer, exp.Window)


def _or(own: Bounds) -> str:
    return " or ".join(f"`{name}`" for name in sorted(own)) or "`window_start`, which has to be selected before"


def _select_it(own: Bounds) -> str:
    return f"select {_or(own)}, too"
