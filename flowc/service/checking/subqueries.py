"""Subqueries that DataFusion plans and cannot run: where one stands, why in the author's words, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.checks.checker import Refusal, Statement
from flowc.compiler.sql.text.sqltext import parse_query
from flowc.diagnostics import Reporter
from flowc.runtime.engine.messages import unrun

_TWO = re.compile(r"\bselect\b.*\bselect\b|\blateral\b", re.IGNORECASE | re.DOTALL)
_IN_FROM = re.compile(r"\b(?:FROM|JOIN|AS) \((?=SELECT\b)")
"""Before a subquery that is a table, or a CTE, as flowc writes it."""
_FROM_VALUE = re.compile(r"\b(?:extract|overlay|substring|trim)\b|\bdistinct from\b", re.IGNORECASE)
"""What has a FROM of its own, behind which a value stands."""
_NESTED = re.compile(r"\(\s*(?:select|with|values)\b|\blateral\b", re.IGNORECASE)
_SUBQUERY = re.compile(r"\(\s*(?:select|with|values)\b", re.IGNORECASE)
_IN = re.compile(r"\b(?:not\s+)?in\s*\(", re.IGNORECASE)
_EXISTS = re.compile(r"\bexists\b", re.IGNORECASE)

_BEGINS: dict[type[exp.Expression], re.Pattern[str]] = {
    exp.Exists: _EXISTS, exp.In: _IN, exp.Subquery: _SUBQUERY, exp.Lateral: re.compile(r"\blateral\b", re.IGNORECASE),
}  # fmt: skip
"""How the text of a kind of subquery begins."""
_NODES: dict[str, tuple[type[exp.Expression], ...]] = {
    "exists": (exp.Exists,), "in": (exp.In,), "condition": (exp.Exists, exp.In), "value": (exp.Subquery,),
    "lateral": (exp.Lateral,), "any": (exp.Exists, exp.In, exp.Subquery),
}  # fmt: skip


def may_hold(sql: str) -> bool:
    """Whether a text may hold a subquery that is a value, so that only its physical plan tells whether it runs."""
    if _TWO.search(sql) is None:
        return False
    return _FROM_VALUE.search(sql) is not None or _NESTED.search(_IN_FROM.sub("", sql)) is not None


def refused(statement: Statement, said: str) -> Refusal | None:
    """What the engine says of a subquery, at its place."""
    kind = unrun(said)
    if kind is None:
        return None
    return Refusal("binding", kind.message, _place(statement, _NODES[kind.form]), helps=kind.helps)


def _place(statement: Statement, kinds: tuple[type[exp.Expression], ...]) -> int | None:
    """Where the subquery begins; of several, the first that is not in a plain condition, which the engine runs."""
    parsed = parse_query(statement.text, statement.dialect, Reporter())
    nodes = [node for node in parsed.tree.find_all(*kinds) if _asks(node)] if parsed is not None else []
    chosen = [node for node in nodes if not isinstance(_clause(node), exp.Where | exp.Having)] or nodes
    starts = (min(offsets) for node in chosen if (offsets := list(_offsets(node))))
    first = min(starts, default=None)
    if first is None:
        return None
    text, start = statement.text.text, statement.start
    return max((m.start() for kind in kinds for m in _BEGINS[kind].finditer(text, start, first)), default=None)


def _asks(node: exp.Expression) -> bool:
    """Whether it holds a query: not every IN does, and a subquery in FROM is no value."""
    if isinstance(node, exp.In):
        return node.args.get("query") is not None
    return not isinstance(node, exp.Subquery) or not isinstance(node.parent, exp.From | exp.Join | exp.Lateral)


def _clause(node: exp.Expression) -> exp.Expression | None:
    """The clause of its query that a node stands in."""
    while node.parent is not None and not isinstance(node.parent, exp.Select):
        node = node.parent
    return node


def _offsets(node: exp.Expression) -> Iterator[int]:
    query = node.args.get("query") or node.this
    return (marks.START.of(part) for part in query.walk() if marks.START.has(part))
