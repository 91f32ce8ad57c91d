"""Which streams the parts of a query read, whatever names its CTEs have."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.streams.tablefunctions import ctes_of


def cte_of(table: exp.Table) -> exp.CTE | None:
    """The CTE that a relation is: the last one of its name that it sees. None for what is none."""
    if marks.CALL.has(table) or table.db:
        return None
    node: exp.Expression = table
    within = list[exp.CTE]()
    while node.parent is not None:
        node = node.parent
        if isinstance(node, exp.CTE):
            within.append(node)
        seen = list[exp.CTE]()
        for cte in ctes_of(node):
            if any(cte is each for each in within):
                seen += [cte] if node.args["with_"].args.get("recursive") else []
                break
            seen.append(cte)
        found = next((cte for cte in reversed(seen) if cte.alias == table.name), None)
        if found is not None:
            return found
    return None


def behind(part: exp.Expression) -> Iterator[exp.Expression]:
    """A part of a query, and what stands in the CTEs that it reads."""
    seen, waiting = set[int](), [part]
    while waiting:
        each = waiting.pop()
        yield each
        for table in each.find_all(exp.Table):
            cte = cte_of(table)
            if cte is not None and id(cte) not in seen:
                seen.add(id(cte))
                waiting.append(cte.this)


def streams_of(part: exp.Expression, sources: Collection[str]) -> frozenset[str]:
    """The streams that a part of a query reads: its sources, and the ids of what gives rows in the place of calls."""
    tables = (table for each in behind(part) for table in each.find_all(exp.Table))
    names = (
        marks.CALL.get(table) or table.name
        for table in tables
        if marks.CALL.has(table) or (table.name in sources and not table.db and cte_of(table) is None)
    )
    return frozenset(names)


def put_together(tree: exp.Expression, sources: Collection[str]) -> exp.Expression | None:
    """What reads rows of a stream beside those of another, or once more, in any way but UNION ALL; None for nothing."""
    for node in tree.find_all(exp.Select, exp.SetOperation):
        if isinstance(node, exp.Select):
            reading = [part for part in _parts(node) if streams_of(part, sources)]
            if len(reading) > 1:
                return reading[1]
        elif not _is_union_all(node) and len(streams_of(node, sources)) > 1:
            return node.expression
    return None


def _is_union_all(node: exp.Expression) -> bool:
    return isinstance(node, exp.Union) and not node.args.get("distinct")


def _parts(select: exp.Select) -> Iterator[exp.Expression]:
    """The relations of a query, and queries in its expressions; what stands under WITH is read where it is named."""
    for table in select.find_all(exp.Table, exp.Select, exp.SetOperation):
        if table is not select and table.find_ancestor(exp.Select, exp.SetOperation, exp.CTE) is select:
            yield table
