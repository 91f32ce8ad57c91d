"""Names without their table that DataFusion takes for other columns than PostgreSQL, or for several ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql.meaning.core import Pair, Rules
from flowc.compiler.sql.meaning.datafusion_numbers import EXACT
from flowc.compiler.sql.relations import OWNERS


def _called(node: exp.Expression, pair: Pair) -> None:
    """Names functions that a query within gives without an alias, as PostgreSQL does: by the function."""
    if pair.source not in EXACT or node.find_ancestor(exp.Subquery, exp.CTE) is None:
        return
    called = [_name(item, pair) for item in node.expressions]
    names = [name or item.alias_or_name.lower() for item, name in zip(node.expressions, called, strict=True)]
    for item, name in zip(list(node.expressions), called, strict=True):
        if name is not None and names.count(name) == 1:
            item.replace(exp.alias_(item.copy(), name, quoted=True))


def _name(item: exp.Expression, pair: Pair) -> str | None:
    while isinstance(item, exp.Window | exp.Filter | exp.IgnoreNulls | exp.WithinGroup):
        item = item.this
    if not isinstance(item, exp.Func) or isinstance(item, _NAMED_OTHERWISE):
        return None
    called = _FUNCTION.match(item.sql(pair.source))
    return called[1].lower() if called is not None else None


_FUNCTION = re.compile(r"(\w+)\(")
_NAMED_OTHERWISE = (exp.Cast, exp.TryCast, exp.Case, exp.Connector, exp.Explode, exp.Unnest)


def _owned(node: exp.Expression, pair: Pair) -> None:
    """Gives columns of HAVING, and of expressions in ORDER BY, their table where an output has their name.

    For PostgreSQL they are columns of the tables there; for DataFusion, outputs.
    """
    outputs = {item.alias.lower() for item in node.expressions if isinstance(item, exp.Alias)}
    for column in _late(node) if pair.source in EXACT and outputs else ():
        if column.name.lower() in outputs and (table := _table(column)) is not None:
            column.set("table", table)


def _late(select: exp.Expression) -> Iterator[exp.Column]:
    """The columns without a table in HAVING and in expressions of ORDER BY, but those of queries within."""
    having, order = select.args.get("having"), select.args.get("order")
    keys = [key.this for key in order.expressions] if order is not None else []
    computed = [key for key in keys if not isinstance(key.unnest(), exp.Column)]
    for part in [*([having] if having is not None else []), *computed]:
        for column in part.find_all(exp.Column):
            if not column.table and column.parent_select is select:
                yield column


def _table(column: exp.Expression) -> exp.Identifier | None:
    owners = column.meta.get(OWNERS)
    return exp.to_identifier(owners[0], quoted=True) if owners else None


NAMES: Rules = {exp.Select: (_called, _owned)}
"""Of the author's own columns, before any of them is reworded."""
