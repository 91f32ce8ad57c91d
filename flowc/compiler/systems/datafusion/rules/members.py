"""Values that are, or are not, IN the rows of a query: what is not known to be there stays NULL on DataFusion.

It has no NULL but in a condition of WHERE and HAVING that AND alone joins to others, and there of a column and a query
that reads nothing around it. In other places it takes what is not known for what is not there.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules, build
from flowc.compiler.sql.rewrite.relations import is_condition

_MEMBER = "CASE WHEN :found THEN TRUE WHEN :rows = 0 THEN FALSE WHEN :x IS NULL OR :nulls > 0 THEN NULL ELSE FALSE END"
_PLAIN = ("group", "distinct", "having", "limit", "offset", "fetch", "windows", "qualify", "order")


def _member(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    query, value = node.args.get("query"), node.this
    if query is None or isinstance(value.unnest(), exp.Tuple) or _is_kept(node):
        return None
    rows = query.unnest()
    if not isinstance(rows, exp.Query) or len(rows.selects) != 1 or rows.is_star:
        return None
    counted, known = _counts(rows)
    marks.MEMBER.put(node)
    found = _found(value, rows) if _is_output(node) else node
    return exp.paren(build(_MEMBER, "datafusion", found=found, x=value, rows=counted, nulls=known), copy=False)


def _found(value: exp.Expression, rows: exp.Query) -> exp.Expression:
    """Whether a value is among the rows, where the engine has numbers of rows alone: in what a query gives."""
    each, name = exp.to_identifier("_v"), exp.to_identifier("_r")
    listed = exp.Subquery(this=rows.copy(), alias=exp.TableAlias(this=name, columns=[each]))
    column = exp.column("_v", "_r")
    column.type = rows.selects[0].type
    same = exp.EQ(this=column, expression=exp.paren(value.copy(), copy=False))
    counted = exp.select(exp.Count(this=exp.Star())).from_(listed).where(same)
    return exp.GT(this=exp.Subquery(this=counted), expression=exp.Literal.number(0))


def _is_kept(node: exp.Expression) -> bool:
    """Whether the engine keeps what a condition means where it stands."""
    if marks.MEMBER.has(node):
        return True
    if _is_output(node):
        return _reads_around(node.args["query"]) or node.this.find(exp.Query) is not None
    inner, negated = node, False
    while isinstance(inner.parent, exp.Not | exp.Paren):
        inner = inner.parent
        negated ^= isinstance(inner, exp.Not)
    if not is_condition(inner):
        return False
    while isinstance(inner.parent, exp.And | exp.Paren):
        inner = inner.parent
    return not negated or (
        not isinstance(inner.parent, exp.Or)
        and node.this.find(exp.Column) is not None
        and node.this.find(exp.Query, exp.Null, exp.Nullif) is None
        and not _reads_around(node.args["query"])
    )


def _is_output(node: exp.Expression) -> bool:
    return isinstance(node.find_ancestor(exp.Where, exp.Having, exp.Join, exp.Select), exp.Select)


def _reads_around(query: exp.Expression) -> bool:
    return any(marks.OUTER.has(column) for column in query.find_all(exp.Column))


def _counts(rows: exp.Query) -> tuple[exp.Expression, exp.Expression]:
    """How many rows a query has, and in how many of them its column is NULL."""
    select = rows.copy()
    gathered = any(each.parent_select is rows for each in rows.find_all(exp.AggFunc))
    if isinstance(rows, exp.Select) and not any(rows.args.get(key) for key in _PLAIN) and not gathered:
        value = rows.selects[0].unalias()
    else:
        select.selects[0].replace(exp.alias_(select.selects[0].unalias().copy(), "v"))
        value = exp.column("v", "_r")
        select = exp.select("1").from_(exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier("_r"))))
    out = []
    for count in ("COUNT(*)", "COUNT(*) - COUNT(:v)"):
        each = select.copy()
        each.set("expressions", [build(count, "datafusion", v=value)])
        out.append(exp.Subquery(this=each))
    return out[0], out[1]


MEMBERS: Rules = {exp.In: (_member,)}
"""After comparisons with ANY and ALL rows of a query became these."""
