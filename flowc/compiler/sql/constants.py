"""Literals of a query that have to be values of a type: engines read them only when rows come."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql.sqltext import SqlTree

_GUARDS = (exp.Case, exp.If, exp.Coalesce, exp.TryCast, exp.Lambda)
"""What may keep a literal from being read."""


def constants(query: SqlTree) -> Iterator[tuple[str, int]]:
    """(expression, offset) of each text that the author casts to a type and that is read whatever the rows are."""
    for cast in query.tree.find_all(exp.Cast):
        literal = cast.this
        if isinstance(cast, exp.TryCast) or not isinstance(literal, exp.Literal) or not literal.is_string:
            continue
        if cast.find_ancestor(*_GUARDS) is None and "start" in literal.meta:
            yield cast.sql(query.dialect), literal.meta["start"]
