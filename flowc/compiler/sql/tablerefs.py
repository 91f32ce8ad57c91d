"""The tables that a query names, without its CTEs, and the same text with other names for some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from flowc.compiler.sql.relations import fold
from flowc.source import MappedText, Segment

Edit = tuple[int, int, str]
"""Where a name stands in a text, from and up to, and what stands there instead."""


def outer_tables(tree: exp.Expression, engine: str) -> Iterator[exp.Table]:
    """The nodes of tables that are named, as they are written: what is no CTE where it stands."""
    for table in tree.find_all(exp.Table):
        is_hint = table.arg_key == "indexed" or isinstance(table.parent, exp.Lock | exp.JoinHint)
        named = isinstance(table.this, exp.Identifier) and not is_hint
        if named and (table.args.get("db") or not _is_cte(table, engine)):
            yield table


def _is_cte(table: exp.Table, engine: str) -> bool:
    name = fold(table.this, engine)
    node: exp.Expression = table
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, exp.With):
            ctes: Sequence[exp.Expression] = _seen(parent, node, table, engine)
        else:
            with_ = parent.args.get("with_")
            ctes = with_.expressions if with_ is not None and with_ is not node else ()
        if any(fold(cte.args["alias"].this, engine) == name for cte in ctes):
            return True
        node = parent
    return False


def _seen(with_: exp.With, cte: exp.Expression, table: exp.Table, engine: str) -> list[exp.Expression]:
    """The CTEs of a WITH that a table in one of them may be.

    SQLite sees all of them always, others all of a recursive one; DuckDB and DataFusion see those before, and where it
    is recursive, in the second branch of a UNION, the CTE itself.
    """
    ctes: list[exp.Expression] = with_.expressions
    before = ctes[: cte.index]
    if engine == "sqlite":
        return ctes
    if not with_.args.get("recursive"):
        return before
    if engine not in ("duckdb", "datafusion"):
        return ctes
    return [*before, cte] if _is_recursive(cte, table) else before


def _is_recursive(cte: exp.Expression, table: exp.Table) -> bool:
    """Whether a table in a CTE stands where the CTE may read itself."""
    union = cte.this.unnest()
    if not isinstance(union, exp.Union):
        return False
    node: exp.Expression = table
    while node.parent is not union:
        if node.parent is cte or node.parent is None:
            return False  # in a WITH of the UNION
        node = node.parent
    return bool(node.arg_key == "expression")


def edited(text: MappedText, edits: Sequence[Edit]) -> MappedText:
    """The text with the edits done; what stands instead maps to what stood there."""
    parts: list[str] = []
    segments: list[Segment] = []
    at = size = 0
    for start, end, new in (*sorted(edits), (len(text.text), len(text.text), "")):
        kept = text.text[at:start]
        segments.append(Segment(size, size + len(kept), at, start))
        segments.append(Segment(size + len(kept), size + len(kept) + len(new), start, end))
        parts += (kept, new)
        at, size = end, size + len(kept) + len(new)
    return text.derive("".join(parts), [segment for segment in segments if segment.end > segment.start])
