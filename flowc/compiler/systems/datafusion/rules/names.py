"""Names without their table that DataFusion takes for other columns than PostgreSQL, or for several ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules
from flowc.compiler.sql.types.outputs import called


def name_outputs(select: exp.Select) -> None:
    """Names what a query within gives without an alias, as PostgreSQL does."""
    names = [marks.OUTPUT_NAME.get(item) or item.alias_or_name.lower() for item in select.expressions]
    counts = Counter(names)
    items = [_once(item, name, counts) for item, name in zip(select.expressions, names, strict=True)]
    if any(isinstance(item, exp.Alias) and item.parent is None for item in items):
        select.set("expressions", items)


def _once(item: exp.Expression, name: str, counts: Counter[str]) -> exp.Expression:
    """An item with the name that it is called by, where no other is called so."""
    is_named = marks.OUTPUT_NAME.get(item) and counts[name] == 1
    return exp.Alias(this=item, alias=exp.to_identifier(name, quoted=True)) if is_named else item


def _owned(node: exp.Expression, pair: Pair) -> None:
    """Gives columns of HAVING, and of expressions in ORDER BY, their table where an output has their name.

    For PostgreSQL they are columns of the tables there; for DataFusion, outputs.
    """
    outputs = {item.alias.lower() for item in node.expressions if isinstance(item, exp.Alias)}
    for column in _late(node) if outputs else ():
        if column.name.lower() in outputs and (table := _table(column)) is not None:
            column.set("table", table)


def _called(node: exp.Expression, pair: Pair) -> None:
    """Orders by an output where PostgreSQL calls one so, as `amount::text`, and not by the column within it."""
    order = node.args.get("order")
    made = [item for item in node.expressions if not isinstance(item, exp.Alias | exp.Column)]
    for key in order.expressions if order is not None and made else ():
        name = key.this.name.lower() if isinstance(key.this, exp.Column) and not key.this.table else ""
        found = [item for item in made if name and called(item, "").lower() == name]
        if len(found) == 1:
            distinct = node.args.get("distinct") is not None and not node.args["distinct"].args.get("on")
            place = exp.Literal.number(node.expressions.index(found[0]) + 1)
            key.this.replace(place if distinct and not node.is_star else found[0].copy())


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
    owners = marks.OWNERS.get(column)
    return exp.to_identifier(owners[0], quoted=True) if owners else None


NAMES: Rules = {exp.Select: (_owned, _called)}
"""Of the author's own columns, before any of them is reworded."""
