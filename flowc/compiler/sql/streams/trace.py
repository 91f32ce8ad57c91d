"""Hidden columns that tell, for each row that a stream's SQL yields, something of the row that it came of.

Only where each row depends on one row of what is read can they be told: projections, filters, joins with lookups,
`UNION ALL` and `unnest`. Aggregates, windows, DISTINCT, ORDER BY, LIMIT and subqueries that read the source look at the
whole batch, and are not traced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from flowc.compiler.sql.text.sqltext import copied
from flowc.compiler.systems.datafusion.rules.json import gathers
from flowc.nodes import ROW

_ALLOWED = frozenset(("expressions", "from_", "joins", "where", "with_", "kind", "hint"))
_ALLOWED_UNION = frozenset(("this", "expression", "distinct", "with_", "side", "kind"))
NAMED_AGGREGATES = ("regr_", "approx_", "var_", "covar_", "bit_", "nth_value", "grouping", "array_agg", "mode")
"""What begins the names of aggregates that are no more than names to the parser."""


def traced(
    tree: exp.Expression, sources: frozenset[str], aggregates: frozenset[str], columns: Sequence[str] = (ROW,)
) -> exp.Expression | None:
    """A copy of a query with the hidden columns as its last; None where rows cannot be told.

    Every one of `sources` has the columns; `aggregates` are names of functions that look at many rows.
    """
    copy = copied(tree)
    return copy if _Tracer(aggregates, columns).query(copy, sources) else None


class _Tracer:
    """Adds the columns on the way down; what it has touched is thrown away when it gives up."""

    def __init__(self, aggregates: frozenset[str], columns: Sequence[str]) -> None:
        self._aggregates, self._columns = aggregates, columns

    def query(self, node: exp.Expression, carriers: frozenset[str]) -> bool:
        """Makes a query yield the column; `carriers` are the relations that have it."""
        with_ = node.args.get("with_")
        if with_ is not None:
            if with_.args.get("recursive"):
                return False
            for cte in with_.expressions:
                if not _reads(cte.this, carriers):
                    carriers -= {cte.alias}
                elif cte.args["alias"].args.get("columns") or not self.query(cte.this, carriers):
                    return False
                else:
                    carriers |= {cte.alias}
        if isinstance(node, exp.Subquery):
            plain = _given(node) <= {"this", "alias"} and not _renamed(node)
            return plain and self.query(node.this, carriers)
        if isinstance(node, exp.Union):
            return self._union(node, carriers)
        return isinstance(node, exp.Select) and self._select(node, carriers)

    def _union(self, node: exp.Union, carriers: frozenset[str]) -> bool:
        """Each branch in turn, for a long row of them is too deep on its left to call oneself for."""
        step: exp.Expression = node
        while isinstance(step, exp.Union) and (step is node or step.args.get("with_") is None):
            whole = _given(step) <= _ALLOWED_UNION and not step.args.get("distinct")
            if not whole or not self.query(step.expression, carriers):
                return False
            step = step.this
        return self.query(step, carriers)

    def _select(self, node: exp.Select, carriers: frozenset[str]) -> bool:
        from_ = node.args.get("from_")
        if from_ is None or not _given(node) <= _ALLOWED or not self._by_row(node, carriers):
            return False
        joins = node.args.get("joins") or []
        carrying = [join for join in joins if _reads(join.this, carriers)]
        first = _reads(from_.this, carriers)
        if len(carrying) + first != 1:
            return False
        relation = from_.this if first else carrying[0].this
        for place, join in enumerate(joins):
            after = first or (bool(carrying) and place > joins.index(carrying[0]))
            if not _keeps(join, after=after):
                return False
        if not self._carries(relation, carriers):
            return False
        for column in self._columns:
            _add(node, relation, column)
        return True

    def _carries(self, relation: exp.Expression, carriers: frozenset[str]) -> bool:
        if isinstance(relation, exp.Table):
            return _given(relation) <= {"this", "alias"} and not _renamed(relation)
        return isinstance(relation, exp.Subquery) and self.query(relation, carriers)

    def _by_row(self, node: exp.Select, carriers: frozenset[str]) -> bool:
        """Whether what is computed of a row depends on that row alone."""
        return not any(
            isinstance(part, exp.AggFunc | exp.Window)
            or gathers(part)
            or (isinstance(part, exp.Query) and _reads(part, carriers))
            or (isinstance(part, exp.Anonymous) and self._aggregate(part.name.lower()))
            for part in _parts(node)
        )

    def _aggregate(self, name: str) -> bool:
        return name in self._aggregates or name.startswith(NAMED_AGGREGATES)


def _parts(node: exp.Select) -> Iterator[exp.Expression]:
    """Every expression of a SELECT but what stands in its FROM."""
    joins = (join.args.get("on") for join in node.args.get("joins") or ())
    for whole in (*node.expressions, node.args.get("where"), *joins):
        if whole is not None:
            yield from whole.walk()


def _given(node: exp.Expression) -> set[str]:
    return {key for key, value in node.args.items() if value}


def _renamed(node: exp.Expression) -> bool:
    alias = node.args.get("alias")
    return bool(alias is not None and alias.args.get("columns"))


def _reads(node: exp.Expression, carriers: frozenset[str]) -> bool:
    return any(not table.db and table.name in carriers for table in node.find_all(exp.Table))


def _keeps(join: exp.Join, *, after: bool) -> bool:
    """Whether a join yields rows of the carrying side alone, which stands before it or (not `after`) in it or later."""
    if join.method:
        return False
    if join.side == "LEFT" or join.kind in ("SEMI", "ANTI"):
        return after
    return join.side == "" or (join.side == "RIGHT" and not after)


def _add(node: exp.Select, relation: exp.Expression, column: str) -> None:
    alias = relation.args.get("alias")
    named = alias.this if alias is not None else relation.this
    name = named.copy() if isinstance(named, exp.Identifier) else None
    for item in node.expressions:
        star = item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) else None
        ours = isinstance(item, exp.Star) or (name is not None and item.args.get("table") == name)
        if isinstance(star, exp.Star) and ours:
            without = star.args.get("except_") or ()
            if column not in (each.name for each in without):
                star.set("except_", [*without, exp.column(exp.to_identifier(column))])
    if column not in (item.alias_or_name for item in node.expressions):
        node.append("expressions", exp.column(exp.to_identifier(column), table=name))
