"""Queries on MySQL: what it has no clause for, said by those that it has."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import SAID, Pair, Untranslatable
from flowc.compiler.sql.meaning.mysql_words import said

_ALL_ROWS = 18446744073709551615


def filtered(node: exp.Expression, pair: Pair) -> exp.Expression:
    """FILTER: the aggregate of the values for which the condition holds."""
    aggregate, condition = node.this.copy(), node.expression.this
    if isinstance(aggregate, exp.Count) and (aggregate.this is None or isinstance(aggregate.this, exp.Star)):
        return exp.Count(this=_where(condition, exp.Literal.number(1)))
    simple = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.GroupConcat, exp.StddevSamp, exp.Stddev, exp.StddevPop,
              exp.Variance, exp.VariancePop, exp.LogicalAnd, exp.LogicalOr, exp.AnyValue)  # fmt: skip
    if not isinstance(aggregate, simple):
        raise Untranslatable("FILTER of such an aggregate, which MySQL lacks")
    inner = aggregate.this
    while isinstance(inner, exp.Order | exp.Distinct):
        if isinstance(inner, exp.Distinct) and len(inner.expressions) != 1:
            raise Untranslatable("FILTER of several values, which MySQL lacks")
        inner = inner.this if isinstance(inner, exp.Order) else inner.expressions[0]
    kind = inner.type
    new = _where(condition, inner)
    new.type = kind.copy() if kind is not None else None
    inner.replace(new)
    return aggregate


def _where(condition: exp.Expression, value: exp.Expression) -> exp.Expression:
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())])


def qualified(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """QUALIFY: a query around this one; its order goes outside."""
    qualify = node.args.get("qualify")
    distinct = node.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        return _first_rows(node, distinct.args["on"].expressions)
    if qualify is None:
        return None
    names = {s.alias.lower(): s.this for s in node.selects if isinstance(s, exp.Alias)}
    condition = qualify.this.copy()
    root = exp.Paren(this=condition)
    for column in list(root.find_all(exp.Column)):
        if not column.table and column.name.lower() in names:
            column.replace(names[column.name.lower()].copy())
    inner = node.copy()
    inner.set("qualify", None)
    return _around(node, inner, root.this, exp.column("_kept").eq(exp.true()))


def _first_rows(node: exp.Expression, keys: list[exp.Expression]) -> exp.Expression:
    """DISTINCT ON: the first row of each group in the order."""
    order = node.args.get("order")
    window = exp.Window(
        this=exp.RowNumber(), partition_by=[_named(node, k) for k in keys],
        order=exp.Order(expressions=[_named(node, o) for o in order.expressions]) if order is not None else None,
    )  # fmt: skip
    inner = node.copy()
    inner.set("distinct", None)
    return _around(node, inner, window, exp.column("_kept").eq(exp.Literal.number(1)))


def _named(node: exp.Expression, key: exp.Expression) -> exp.Expression:
    """A key whose aliases and ordinals are what they stand for."""
    names = {s.alias.lower(): s.this for s in node.expressions if isinstance(s, exp.Alias)}
    root = exp.Paren(this=key.copy())
    for column in list(root.find_all(exp.Column)):
        if not column.table and column.name.lower() in names and names[column.name.lower()] != column:
            column.replace(names[column.name.lower()].copy())
    return root.this


def _around(node: exp.Expression, inner: exp.Expression, kept: exp.Expression, test: exp.Expression) -> exp.Expression:
    """A query of the columns of another, where a test of one more column holds."""
    if any(s.is_star or not s.alias_or_name for s in node.expressions):
        raise Untranslatable("QUALIFY or DISTINCT ON with a star or a column without a name, which MySQL lacks")
    names = [s.alias_or_name for s in node.expressions]
    outer = exp.select(*[exp.column(n, quoted=True) for n in names])
    order = [o.copy() for o in node.args["order"].expressions] if node.args.get("order") is not None else []
    columns = list(inner.expressions)
    for place, key in enumerate(order):
        shown = next((s for s in columns if _same(key.this, s)), None)
        name = shown.alias_or_name if shown is not None else f"_o{place}"
        if shown is None:
            inner.append("expressions", exp.alias_(_named(node, key.this), name, quoted=True))
        new = exp.column(name, quoted=True)
        new.type = key.this.type.copy() if key.this.type is not None else None
        key.this.replace(new)
    inner.append("expressions", exp.alias_(kept, "_kept", quoted=True))
    for clause in ("limit", "offset", "with_"):
        if inner.args.get(clause) is not None:
            outer.set(clause, inner.args[clause].copy())
            inner.set(clause, None)
    inner.set("order", None)
    if order:
        outer.set("order", exp.Order(expressions=order))
    test.meta[SAID] = True
    table = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_q")))
    return outer.from_(table).where(test, copy=False)


def _same(key: exp.Expression, item: exp.Expression) -> bool:
    if isinstance(key, exp.Column) and not key.table and key.name.lower() == item.alias_or_name.lower():
        return True
    return bool(item.unalias() == key)


def nvl2(node: exp.Expression, pair: Pair) -> exp.Expression:
    """One value or another, by whether a third is NULL."""
    known = exp.not_(exp.Is(this=node.this.copy(), expression=exp.null()))
    return exp.Case(ifs=[exp.If(this=known, true=node.args["true"].copy())], default=node.args["false"].copy())


def one_key(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A frame of values needs an order by a single number, and NULLs have taken another place."""
    spec, order = node.args.get("spec"), node.args.get("order")
    ranged = spec is not None and (spec.args.get("kind") or "").upper() == "RANGE"
    bounds = [spec.args.get(b) for b in ("start", "end")] if ranged else []
    of_values = any(b not in (None, "UNBOUNDED", "CURRENT ROW") for b in bounds)
    if of_values and order is not None and len(order.expressions) > 1:
        raise Untranslatable("a frame of values beside NULLs, which MySQL lacks")
    return None


def offset_alone(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """OFFSET needs a LIMIT."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if offset is not None and limit is None:
        node.set("limit", exp.Limit(expression=exp.Literal.number(_ALL_ROWS)))
    return None


def rollup(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """ROLLUP (a, b) as MySQL has it: behind all keys."""
    given = [*(node.args.get("rollup") or ()), *node.expressions]
    marks = [r for r in given if isinstance(r, exp.Rollup) and r.expressions]
    if not marks:
        return None
    if len(given) > 1:
        raise Untranslatable("ROLLUP beside other keys, which MySQL lacks")
    return exp.Group(expressions=[e.copy() for e in marks[0].expressions], rollup=[exp.Rollup()])


def offset_of_row(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """LAG and LEAD with a default, which MariaDB lacks: before the first row, or behind the last one."""
    function = node.this
    if isinstance(function, exp.IgnoreNulls | exp.RespectNulls):
        if isinstance(function, exp.IgnoreNulls):
            raise Untranslatable("IGNORE NULLS, which MySQL lacks")
        node.set("this", function.this.copy())
        function = node.this
    if not isinstance(function, exp.Lag | exp.Lead) or function.args.get("default") is None:
        return None
    count = function.args.get("offset") or exp.Literal.number(1)
    default = function.args["default"].copy()
    bare = node.copy()
    bare.this.set("default", None)
    row = node.copy()
    row.set("this", exp.RowNumber())
    if isinstance(function, exp.Lag):
        return said("CASE WHEN :r <= :n THEN :d ELSE :b END", r=row, n=count, d=default, b=bare)
    total = exp.Window(
        this=exp.Count(this=exp.Star()), partition_by=[p.copy() for p in node.args.get("partition_by") or ()]
    )
    return said("CASE WHEN :r > :t - :n THEN :d ELSE :b END", r=row, t=total, n=count, d=default, b=bare)


def same_names(tree: exp.Expression) -> None:
    """Gives the names of tables the letters with which they are defined, since MySQL tells those apart."""
    defined = {}
    for node in tree.find_all(exp.TableAlias, exp.Table):
        name = node.name if isinstance(node, exp.TableAlias) or not node.alias else ""
        if isinstance(node, exp.TableAlias) and name:
            defined[name.lower()] = name
        elif name:
            defined.setdefault(name.lower(), name)
    for used in tree.find_all(exp.Column, exp.Table):
        mark = used.args.get("table") if isinstance(used, exp.Column) else used.this
        if isinstance(mark, exp.Identifier) and not mark.quoted and mark.name.lower() in defined:
            mark.set("this", defined[mark.name.lower()])
