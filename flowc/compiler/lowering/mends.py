"""The author's own words for an output column, for mends that can be written where it is."""

from __future__ import annotations

import re

from sqlglot import exp

from flowc.compiler.ir import Apply, Sql
from flowc.compiler.lowering.context import sqlglot_name
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding import has_cast
from flowc.compiler.sql.text.sqltext import SqlTree, parse_query
from flowc.diagnostics import Reporter
from flowc.types import DataType

_AS = re.compile(r"\s+as\s*$", re.IGNORECASE)
_LONGEST = 80


def output_words(apply: Apply, name: str) -> str | None:
    """How a query computes an output column; None where that cannot be shown in a few words.

    A column of a `*`, or of a table that is read as a whole, is its own name.
    """
    query = apply.input
    if not isinstance(query, Sql) or query.source is None:
        return name
    parsed = parse_query(query.source, sqlglot_name(query.engine), Reporter())
    node = parsed.tree if parsed is not None else None
    while isinstance(node, exp.SetOperation | exp.Subquery):
        node = node.this
    if parsed is None or not isinstance(node, exp.Select):
        return None
    items = [item for item in node.expressions if item.alias_or_name.lower() == name.lower()]
    if not items:
        return name if any(item.is_star for item in node.expressions) else None
    return _words(parsed, items[0])


def can_cast(apply: Apply, given: DataType, wanted: DataType) -> bool:
    """Whether the engine of a query has a cast between two types, as far as that is known."""
    return not isinstance(apply.input, Sql) or has_cast(apply.input.engine, given, wanted)


def _words(parsed: SqlTree, item: exp.Expression) -> str | None:
    inner, alias = item.unalias(), item.args.get("alias") if isinstance(item, exp.Alias) else None
    places = [marks.position(n) for n in inner.walk() if marks.START.has(n)]
    if not places:
        return None
    end = marks.START.get(alias) if isinstance(alias, exp.Identifier) else max(e for _, e in places)
    words = _AS.sub("", parsed.text.text[min(s for s, _ in places) : end]).strip()
    is_whole = (
        all(words.count(a) == words.count(b) for a, b in ("()", "[]", "{}"))
        and "\n" not in words
        and len(words) <= _LONGEST
    )
    return words if words and is_whole else None
