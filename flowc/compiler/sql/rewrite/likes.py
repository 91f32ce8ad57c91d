"""The backslash in LIKE: it escapes by itself in some dialects and is a letter in the others."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Rules, call, text_value, with_part

_ESCAPING = ("postgres", "redshift", "spark", "databricks", "hive", "bigquery", "mysql", "clickhouse", "datafusion")
"""Dialects of authors in which a backslash in LIKE escapes by itself."""


def backslash(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A pattern that may hold a backslash, between dialects that do not agree on it."""
    escapes, pattern = pair.source in _ESCAPING, text_value(node.expression)
    if escapes == pair.engine.escapes_like or isinstance(node.parent, exp.Escape):
        return None
    if pattern is not None and "\\" not in pattern:
        return None
    if escapes:
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    return with_part(node, expression=_doubled(node.expression, pattern))


def _doubled(node: exp.Expression, pattern: str | None) -> exp.Expression:
    """The pattern with each backslash written twice."""
    if pattern is not None:
        return exp.Literal.string(pattern.replace("\\", "\\\\"))
    return call("REPLACE", node, exp.Literal.string("\\"), exp.Literal.string("\\\\"))


LIKES: Rules = {exp.Like: (backslash,), exp.ILike: (backslash,)}
