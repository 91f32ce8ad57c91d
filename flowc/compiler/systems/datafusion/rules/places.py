"""Decimals in the rows of a query: all rows of DataFusion have as many places, those of PostgreSQL each their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Rules
from flowc.compiler.sql.rewrite.numbers import EXACT, Number, number_of


def _anchored(node: exp.Expression, source: str) -> None:
    """Decimals that a recursive query starts from, with places for those of its later rows.

    DataFusion gives all rows the types of the first ones; PostgreSQL's numeric without a scale has no such bound.
    """
    recursive = isinstance(node.parent, exp.With) and node.parent.args.get("recursive")
    if source not in EXACT or not recursive or not isinstance(node.this, exp.SetOperation):
        return
    found = [value for value in _first_values(node.this.left) if _is_free(value)]
    for value in found:
        value.replace(exp.Cast(this=value.copy(), to=exp.DataType.build("DECIMAL(38, 16)")))
    for column in node.root().find_all(exp.Column) if found else ():
        marks.WIDENED.put(column)


def _in_rows(node: exp.Expression, source: str) -> None:
    """Decimals that are written as values of rows or of an array: exact ones, where none beside them is a float.

    DataFusion gives all of them the places of the longest; in PostgreSQL each keeps its own, which a query
    around them sees.
    """
    if source not in EXACT or isinstance(node.parent, exp.SetOperation):
        return
    for values in _columns(node):
        written = [value for value in map(_bare, values) if isinstance(value, exp.Literal) and _is_point(value)]
        kinds = {number_of(value) for value in values if not isinstance(value, exp.Null)}
        if not written or Number.FLOAT in kinds:
            continue
        if kinds <= {Number.INTEGER, Number.DECIMAL}:
            for value in written:
                marks.IN_ROWS.put(value)
        if _is_inside(node) and len({*map(_places, values)} - {-1}) > 1:
            marks.WIDENED.put(node)
            for column in node.root().find_all(exp.Column):
                marks.WIDENED.put(column)


def _is_inside(node: exp.Expression) -> bool:
    """Whether other parts of the query read what a node gives."""
    return isinstance(node, exp.Array) or node.find_ancestor(exp.Subquery, exp.CTE, exp.From, exp.Join) is not None


def _columns(node: exp.Expression) -> Iterator[Sequence[exp.Expression]]:
    """The values that each column of a node, or an array, has."""
    if isinstance(node, exp.Array):
        yield node.expressions
    elif isinstance(node, exp.Values):
        yield from zip(*(row.expressions for row in node.expressions), strict=False)
    else:
        branches = [node]
        while any(isinstance(branch, exp.SetOperation | exp.Subquery) for branch in branches):
            branches = [part for branch in branches for part in _branches(branch)]
        rows = [branch.selects for branch in branches if isinstance(branch, exp.Select)]
        yield from ([value.unalias() for value in values] for values in zip(*rows, strict=False))


def _branches(rows: exp.Expression) -> list[exp.Expression]:
    return [rows.left, rows.right] if isinstance(rows, exp.SetOperation) else [rows.unnest()]


def _bare(value: exp.Expression) -> exp.Expression:
    while isinstance(value, exp.Paren | exp.Neg):
        value = value.this
    return value


def _is_point(value: exp.Literal) -> bool:
    return not value.is_string and not value.is_int


def _places(value: exp.Expression) -> int | str:
    """How many places a number has behind its point; -1 for NULL, which has any, and the text of what may have some."""
    bare = _bare(value)
    if isinstance(bare, exp.Null):
        return -1
    if isinstance(bare, exp.Literal) and _is_point(bare):
        return len(format(Decimal(bare.this), "f").partition(".")[2])
    return 0 if number_of(value) is Number.INTEGER else str(value.sql())


def mark_free_numbers(root: exp.Expression, source: str) -> None:
    """Leaves on a query which numbers have more places than PostgreSQL's, before it is reworded."""
    for node in list(root.walk()):
        if (marks := _MARKS.get(type(node))) is not None:
            marks(node, source)


def _first_values(rows: exp.Expression) -> list[exp.Expression]:
    rows = rows.unnest()
    if isinstance(rows, exp.SetOperation):
        return [*_first_values(rows.left), *_first_values(rows.right)]
    if isinstance(rows, exp.Select):
        given = rows.args.get("from_") if rows.is_star else None
        return _first_values(given.this) if given is not None else [each.unalias() for each in rows.expressions]
    return [value for row in rows.expressions for value in row.expressions] if isinstance(rows, exp.Values) else []


def _is_free(value: exp.Expression) -> bool:
    """Whether a node is a decimal without a scale of its own."""
    kind = value.to if isinstance(value, exp.Cast) else value.type if isinstance(value, exp.Column) else None
    bound = isinstance(kind, exp.DataType) and bool(kind.expressions)
    return number_of(value) in (Number.DECIMAL, Number.FRACTION) and not bound


_MARKS: Mapping[type[exp.Expression], Callable[[exp.Expression, str], None]] = {
    exp.CTE: _anchored,
    **dict.fromkeys((exp.Array, exp.Values, exp.Select, exp.Union, exp.Except, exp.Intersect), _in_rows),
}
ANCHORS: Rules = {kind: (lambda n, p: _MARKS[type(n)](n, p.source),) for kind in _MARKS}
"""Before numbers are reworded, which tells their places."""
