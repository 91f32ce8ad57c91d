"""Subqueries that DataFusion plans and cannot run: where one stands, why in the author's words, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from flowc.compiler.sql.checker import Refusal, Statement
from flowc.compiler.sql.sqltext import parse_query
from flowc.diagnostics import Reporter

_TWO = re.compile(r"\bselect\b.*\bselect\b|\blateral\b", re.IGNORECASE | re.DOTALL)
_IN_FROM = re.compile(r"\b(?:FROM|JOIN|AS) \((?=SELECT\b)")
"""Before a subquery that is a table, or a CTE, as flowc writes it."""
_FROM_VALUE = re.compile(r"\b(?:extract|overlay|substring|trim)\b|\bdistinct from\b", re.IGNORECASE)
"""What has a FROM of its own, behind which a value stands."""
_NESTED = re.compile(r"\(\s*(?:select|with|values)\b|\blateral\b", re.IGNORECASE)
_JOINED = "join its rows: `LEFT JOIN (SELECT DISTINCT …) AS found ON …`, and test `found.… IS NOT NULL`"
_GROUPED = "let it be one aggregate whose conditions compare with `=`, or join a subquery with a GROUP BY of its own"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the engine says of a kind of subquery, how such are found and how their text begins."""

    said: re.Pattern[str]
    nodes: tuple[type[exp.Expression], ...]
    begins: re.Pattern[str]
    message: str
    helps: tuple[str, ...]


def _kind(said: str, nodes: tuple[type[exp.Expression], ...], begins: str, message: str, *helps: str) -> _Kind:
    return _Kind(re.compile(said), nodes, re.compile(begins, re.IGNORECASE), message, helps)


_KINDS = (
    _kind(
        r"does not support logical expression Exists\(", (exp.Exists,), r"\bexists\b",
        "the engine cannot run this EXISTS: it runs those in conditions of rows and groups (WHERE, HAVING)",
        "write `(SELECT count(*) FROM … WHERE …) > 0`, which it runs where conditions compare with `=`", _JOINED,
    ),
    _kind(
        r"does not support logical expression InSubquery\(", (exp.In,), r"\b(?:not\s+)?in\s*\(",
        "the engine cannot run this IN: it runs those in conditions of rows and groups (WHERE, HAVING)", _JOINED,
    ),
    _kind(
        r"null_aware anti join", (exp.In,), r"\bin\s*\(",
        "the engine cannot run a NOT IN whose subquery names the query around it",
        "write `NOT EXISTS (SELECT 1 FROM … WHERE …)`, which means the same where no value is NULL",
    ),
    _kind(
        r"In/Exist/SetComparison subquery can only", (exp.Exists, exp.In), r"\b(?:exists|in)\s*\(",
        "the engine cannot run this subquery here", _JOINED,
    ),
    _kind(
        r"[Cc]orrelated scalar subquery|does not support logical expression ScalarSubquery|expression: Some\(Scalar"
        r"|ScalarSubqueryExpr evaluated",
        (exp.Subquery,), r"\(\s*(?:select|with|values)\b", "the engine cannot run this subquery as a value", _GROUPED,
    ),
    _kind(
        r"does not support logical expression OuterReferenceColumn", (exp.Lateral,), r"\blateral\b",
        "the engine cannot run this LATERAL: what it takes of the tables before it has to be compared with `=`",
        "join a subquery that names none of them; `row_number() OVER (PARTITION BY … ORDER BY …)` finds first rows",
    ),
    _kind(
        r"No field named .*__correlated_sq", (exp.Exists, exp.In, exp.Subquery), r"\(\s*(?:select|with)\b",
        "the engine cannot run this subquery: it names a table too far outside, or stands in an outer join", _JOINED,
    ),
)  # fmt: skip


def may_hold(sql: str) -> bool:
    """Whether a text may hold a subquery that is a value, so that only its physical plan tells whether it runs."""
    if _TWO.search(sql) is None:
        return False
    return _FROM_VALUE.search(sql) is not None or _NESTED.search(_IN_FROM.sub("", sql)) is not None


def refused(statement: Statement, said: str) -> Refusal | None:
    """What the engine says of a subquery, at its place."""
    kind = next((kind for kind in _KINDS if kind.said.search(said)), None)
    if kind is None:
        return None
    return Refusal("binding", kind.message, _place(statement, kind), helps=kind.helps)


def _place(statement: Statement, kind: _Kind) -> int | None:
    """Where the subquery begins; of several, the first that is not in a plain condition, which the engine runs."""
    parsed = parse_query(statement.text, statement.dialect, Reporter())
    nodes = [node for node in parsed.tree.find_all(*kind.nodes) if _asks(node)] if parsed is not None else []
    chosen = [node for node in nodes if not isinstance(_clause(node), exp.Where | exp.Having)] or nodes
    starts = (min(offsets) for node in chosen if (offsets := list(_offsets(node))))
    first = min(starts, default=None)
    found = [*kind.begins.finditer(statement.text.text, statement.start, first)] if first is not None else []
    return found[-1].start() if found else None


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
    return (part.meta["start"] for part in query.walk() if "start" in part.meta)
