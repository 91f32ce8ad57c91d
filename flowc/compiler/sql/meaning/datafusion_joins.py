"""Columns that RIGHT and FULL joins merge of both sides: DataFusion takes the left one alone, which may be NULL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flowc.compiler.sql.meaning.core import Pair, Rules, Untranslatable
from flowc.compiler.sql.meaning.datafusion_numbers import EXACT
from flowc.compiler.sql.relations import STAR

_WHAT = "a column without its table that a RIGHT or FULL join merges"
_MEND = "write `ON a.id = b.id`, and `coalesce(a.id, b.id)` for the column"


def _merged(node: exp.Expression, pair: Pair) -> None:
    """Says for each merged column from which sides it comes; refused where that is not plain."""
    names = {name.name.lower() for name in node.args.get("using") or ()}
    if (node.side or "").upper() not in ("RIGHT", "FULL") or not (names or (node.method or "").upper() == "NATURAL"):
        return
    select = node.parent
    used = [found for part in _clauses(select) for found in _bare(part, names)]
    sides = _sides(select, node) if names else None
    if used and (sides is None or any(column.parent_select is not select for column in used)):
        raise Untranslatable(_WHAT, _MEND)
    for column in used:
        _say(column, node, sides or [])


def _clauses(select: exp.Expression | None) -> Iterator[exp.Expression]:
    """The clauses of a SELECT that see what it joins."""
    for key, part in select.args.items() if select is not None else ():
        if key not in ("with_", "from_", "joins"):
            yield from (
                each for each in (part if isinstance(part, list) else [part]) if isinstance(each, exp.Expression)
            )


def _bare(part: exp.Expression, names: set[str]) -> Iterator[exp.Expression]:
    """Columns without a table and `*`, but that of `count(*)`; of a NATURAL join, whose names are not written, all."""
    for node in part.walk():
        if isinstance(node, exp.Star):
            is_merged = not isinstance(node.parent, exp.Count | exp.Column)
        else:
            is_merged = isinstance(node, exp.Column) and not node.table and (not names or node.name.lower() in names)
        if is_merged:
            yield node


def _sides(select: exp.Expression | None, join: exp.Expression) -> list[str] | None:
    """The names of the two tables of a SELECT that joins no more; None for another."""
    given = select.args.get("from_") if select is not None else None
    if select is None or given is None or len(select.args["joins"]) != 1:
        return None
    tables = [given.this.alias_or_name, join.this.alias_or_name]
    return tables if all(tables) and len({*tables}) == 2 else None


def _say(column: exp.Expression, join: exp.Expression, tables: list[str]) -> None:
    if isinstance(column, exp.Star):
        raise Untranslatable(_WHAT, _MEND)
    sides = [exp.column(column.this.copy(), exp.to_identifier(table)) for table in tables]
    for side in sides:
        side.type = column.type
    whole = sides[1] if (join.side or "").upper() == "RIGHT" else exp.Coalesce(this=sides[0], expressions=[sides[1]])
    whole.type = column.type
    is_output = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
    column.replace(exp.alias_(whole, column.this.copy()) if is_output else whole)


def _expanded(node: exp.Expression, pair: Pair) -> None:
    """`*` of a join that merges columns, which PostgreSQL puts first and DataFusion leaves where they are."""
    select = node.parent
    if pair.source not in EXACT or STAR not in node.meta or not isinstance(select, exp.Select):
        return
    if isinstance(select.parent, exp.Exists):
        return
    if (names := node.meta[STAR]) is None:
        raise Untranslatable("`*` of a join that merges columns", "name the columns")
    both = any((join.side or "").upper() in ("RIGHT", "FULL") for join in select.args.get("joins") or ())
    node.replace([_column(name, "" if both else table) for name, table in names])


def _column(name: str, table: str) -> exp.Expression:
    quoted = exp.to_identifier(name, quoted=True)
    return exp.column(quoted, exp.to_identifier(table, quoted=True) if table else None)


STARS: Rules = {exp.Star: (_expanded,)}
"""Before joins are reworded, which give their merged columns of both sides."""

MERGED: Rules = {exp.Join: (_merged,)}
"""Of the author's own columns, before any of them is reworded."""
