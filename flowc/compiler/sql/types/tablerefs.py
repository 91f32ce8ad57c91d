"""The tables that a query names, without its CTEs, and the same text with other names for some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from flowc.compiler.dialects import dialect_of
from flowc.compiler.sql.relations import fold
from flowc.source import MappedText, Segment

Edit = tuple[int, int, str]
"""Where a name stands in a text, from and up to, and what stands there instead."""


def outer_tables(tree: exp.Expression, engine: str) -> Iterator[exp.Table]:
    """The nodes of tables that are named, as they are written: what is no CTE where it stands."""
    named = _Named(engine)
    for table in tree.find_all(exp.Table):
        is_hint = table.arg_key == "indexed" or isinstance(table.parent, exp.Lock | exp.JoinHint)
        is_named = isinstance(table.this, exp.Identifier) and not is_hint
        if is_named and (table.args.get("db") or not named.holds(table)):
            yield table


class _Named:
    """The CTEs of each WITH by their names, so that a table is not compared with all of them."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._ctes: dict[int, dict[str, list[exp.Expression]]] = {}

    def holds(self, table: exp.Table) -> bool:
        """Whether a table is one of the CTEs where it stands."""
        name = fold(table.this, self._engine)
        node: exp.Expression = table
        while (parent := node.parent) is not None:
            inside = isinstance(parent, exp.With)
            with_ = parent if inside else parent.args.get("with_")
            if with_ is not None and with_ is not node:
                ctes = self._of(with_).get(name, ())
                if any(not inside or _sees(node, cte, table, self._engine) for cte in ctes):
                    return True
            node = parent
        return False

    def _of(self, with_: exp.With) -> dict[str, list[exp.Expression]]:
        if id(with_) not in self._ctes:
            found = self._ctes[id(with_)] = dict[str, list[exp.Expression]]()
            for cte in with_.expressions:
                found.setdefault(fold(cte.args["alias"].this, self._engine), []).append(cte)
        return self._ctes[id(with_)]


def _sees(inside: exp.Expression, cte: exp.Expression, table: exp.Table, engine: str) -> bool:
    """Whether a table inside of one CTE of a WITH may be another, or the same.

    SQLite sees all of them always, others all of a recursive one; DuckDB and DataFusion see those before, and where it
    is recursive, in the second branch of a UNION, the CTE itself.
    """
    rules = dialect_of(engine).queries
    if rules.all_ctes or cte.index < inside.index:
        return True
    if not inside.parent.args.get("recursive"):
        return False
    return not rules.earlier_ctes or (cte is inside and _is_recursive(inside, table))


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
