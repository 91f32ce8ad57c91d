"""How large a query gets where an engine puts each common table expression in the place of its name.

flowc's own engine does, before it plans: two references to one double it, and what they read in turn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter

MAX_TABLES = 900
"""Tables that a query reads, each as often as it is read."""
_FEW_TABLES = MAX_TABLES.bit_length() - 1
"""Where CTEs are named, n names read at most 2 ** n tables."""
MAX_JOINED = 128
"""Tables in one FROM; the engine takes a time for them that grows with the cube of their number."""
MAX_QUERIES = 40
"""Queries that read from each other in a row; conditions are moved through all of them, and grow on the way."""

MAX_TAKEN = 8
"""`coalesce` in each other's values but the last, each of which the engine's optimizer looks at several times."""

_HELPS = ("write what is read so often to a table of its own, in a pipeline or stream before this one",)


@dataclass(slots=True)
class _Size:
    """Of a query, or a part of it: tables read, and queries in a row."""

    tables: int = 0
    queries: int = 0

    def take(self, other: _Size) -> None:
        self.tables += other.tables
        self.queries = max(self.queries, other.queries)


_Ctes = dict[str, _Size]


def is_small(parsed: SqlTree, reporter: Reporter) -> bool:
    """Whether flowc's own engine can be given a query; else what is too much of it is reported."""
    kinds, sizes = Counter(map(type, parsed.tree.walk())), _Sizes()
    if not _is_surely_small(kinds):
        sizes.of(parsed.tree, {})
    if sizes.found is not None:
        node, message = sizes.found
        reporter.error("sql-too-large", message, parsed.span(node), helps=_HELPS)
    deep = _too_many_taken(parsed.tree) if kinds[exp.Coalesce] + kinds[exp.Between] > MAX_TAKEN else None
    if deep is not None:
        message = f"more than {MAX_TAKEN} levels of `coalesce` or BETWEEN in each other"
        help_ = "`coalesce(coalesce(a, b), c)` is `coalesce(a, b, c)`; the last value of each may be another one"
        reporter.error("sql-too-deep", message, parsed.span(deep), helps=(help_,))
    return sizes.found is None and deep is None


def _is_surely_small(kinds: Counter[type[exp.Expression]]) -> bool:
    """Whether so few parts cannot be too large, wherever each of them stands."""
    few = _FEW_TABLES if exp.CTE in kinds else MAX_TABLES
    return kinds[exp.Table] <= few and kinds[exp.Select] <= MAX_QUERIES and kinds[exp.Join] < MAX_JOINED


def _too_many_taken(root: exp.Expression) -> exp.Expression | None:
    """The innermost value that has too many such levels, if there is one."""
    levels = dict[int, int]()
    for node in reversed(list(root.walk())):
        taken = isinstance(node, exp.Coalesce | exp.Between)
        last = node.expressions[-1] if taken and node.expressions else None
        parts = (levels[id(part)] + (taken and part is not last) for part in node.iter_expressions())
        levels[id(node)] = max(parts, default=0)
        if levels[id(node)] > MAX_TAKEN:
            return node
    return None


@dataclass(slots=True)
class _Sizes:
    """Sizes of queries; the first part that is too large is kept."""

    found: tuple[exp.Expression, str] | None = None

    def of(self, root: exp.Expression, ctes: _Ctes) -> _Size:
        """The size of a query. Each node is looked at once, and a CTE counts again where it is named."""
        size, with_ = _Size(), root.args.get("with_")
        ctes = dict(ctes) if with_ is not None else ctes
        for cte in with_.expressions if with_ is not None else ():
            ctes[cte.alias.lower()] = self.of(cte.this, ctes)
        for node in root.walk(prune=lambda node: node is with_ or (node is not root and _is_query(node))):
            if isinstance(node, exp.Table):
                size.take(_Size(1) if node.db else ctes.get(node.name.lower(), _Size(1)))
            elif node is not root and _is_query(node):
                size.take(self.of(node, ctes))
        if isinstance(root, exp.Select):
            size.queries += 1
        self._judge(root, size)
        return size

    def _judge(self, root: exp.Expression, size: _Size) -> None:
        if self.found is not None:
            return
        if size.tables > MAX_TABLES:
            message = f"the query reads more than {MAX_TABLES:,} tables, with each CTE as often as it is named"
            self.found = root, message
        elif size.queries > MAX_QUERIES:
            message = f"more than {MAX_QUERIES} queries read from each other in a row"
            self.found = root, message
        elif isinstance(root, exp.Select) and len(root.args.get("joins") or ()) >= MAX_JOINED:
            self.found = root, f"more than {MAX_JOINED} tables are joined in one FROM"


def _is_query(node: exp.Expression) -> bool:
    return isinstance(node, exp.Select) or node.args.get("with_") is not None
