"""Where MySQL compares, groups and orders values: texts by their code points, NULL where the author's dialect has it.

These rules come first, while the kinds of the values can still be seen in the author's words.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql.meaning.core import COMPARISONS, SAID, Pair, Rules, Untranslatable, text_value
from flowc.compiler.sql.meaning.mysql_casts import literal_time
from flowc.compiler.sql.meaning.mysql_words import Kind, compared, exactly, kind_of


def _first_exact(node: exp.Expression, values: list[exp.Expression], what: str) -> None:
    """Gives one text among values that are compared the exact collation; refuses what is not alike."""
    known = [v for v in values if not isinstance(v.unnest(), exp.Null)]
    kinds = {kind_of(v) for v in known}
    if kinds & {Kind.TIME} and kinds <= {Kind.TIME, Kind.TEXT}:
        for value in known:
            _as_time(value)
        return
    if len(kinds - {Kind.BOOLEAN, Kind.NUMBER}) > 1 or (len(kinds) > 1 and Kind.TEXT in kinds):
        raise Untranslatable(f"{what} values of different types, or of types that are not known")
    if None in kinds:
        raise Untranslatable(f"{what} values whose types are not known")
    if kinds == {Kind.TEXT}:
        best = next((v for v in known if isinstance(v, exp.Literal)), known[0])
        best.replace(exactly(best))


def _as_time(value: exp.Expression) -> None:
    text = text_value(value)
    if kind_of(value) is Kind.TEXT:
        if text is None:
            raise Untranslatable("the comparison of a time with a text that is not a literal")
        value.replace(literal_time(text, value))


def comparison(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`=`, `<` and their like."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Any | exp.All) or isinstance(left, exp.Tuple) or isinstance(right, exp.Tuple):
        _row_or_rows(node, left, right)
        return None
    _first_exact(node, [left, right], "a comparison of")
    return None


def _row_or_rows(node: exp.Expression, left: exp.Expression, right: exp.Expression) -> None:
    if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
        for one, other in zip(left.expressions, right.expressions, strict=True):
            _first_exact(node, [one, other], "a comparison of")
        return
    if isinstance(left, exp.Tuple) or not isinstance(right.this.unnest(), exp.Query):
        raise Untranslatable("a comparison with ANY or ALL values of an array")
    if kind_of(left) is not Kind.NUMBER:
        raise Untranslatable("a comparison with ANY or ALL rows of what are not known to be numbers")


def between(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """BETWEEN."""
    _first_exact(node, [node.this, node.args["low"], node.args["high"]], "a comparison of")
    return None


def within(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """IN a list, or the rows of a query."""
    query, value = node.args.get("query"), node.this
    if node.args.get("unnest") or node.args.get("field"):
        raise Untranslatable("IN an array, which MySQL lacks")
    if isinstance(value, exp.Tuple):
        if any(kind_of(v) is not Kind.NUMBER for v in value.expressions):
            raise Untranslatable("a row of what are not known to be numbers")
        return None
    if query is None:
        _first_exact(node, [value, *node.expressions], "a comparison of")
    elif (exact := compared(value, "the search for")) is not None:
        value.replace(exact)
    return None


def first_of(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """NULLIF, GREATEST, LEAST, MIN and MAX."""
    others = [node.expression] if node.args.get("expression") is not None else node.expressions
    _first_exact(node, [_bare(node.this), *others], f"{node.key.upper()} of")
    return None


def _bare(node: exp.Expression) -> exp.Expression:
    return node.expressions[0] if isinstance(node, exp.Distinct) and len(node.expressions) == 1 else node


def case(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`CASE x WHEN y`."""
    if node.this is not None:
        _first_exact(node, [node.this, *[i.this for i in node.args["ifs"]]], "a comparison of")
    return None


def distinct(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DISTINCT inside an aggregate."""
    if isinstance(node.parent, exp.Select):
        return None
    for value in list(node.expressions):
        if (exact := compared(value, "DISTINCT of")) is not None:
            value.replace(exact)
    return None


def ordered(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """An order by a text's code points; NULLs are put in their place by the clause that holds it."""
    value = node.this
    if kind_of(_chosen(value)) is Kind.TEXT:
        node.set("this", exactly(value))
    elif kind_of(_chosen(value)) is None and not isinstance(value, exp.Rand):
        raise Untranslatable("an order by a value whose type is not known")
    return None


def order(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """NULLs are the least values in MySQL: where they are not in the author's dialect, an order by them comes first."""
    keys: list[exp.Expression] = []
    for key in node.expressions:
        keys += _nulls(key, pair) if isinstance(key, exp.Ordered) else [key]
    node.set("expressions", keys)
    return None


def _nulls(key: exp.Ordered, pair: Pair) -> list[exp.Expression]:
    down, first = bool(key.args.get("desc")), bool(key.args.get("nulls_first"))
    plain = exp.Ordered(this=key.this.copy(), desc=down, nulls_first=not down)
    plain.meta[SAID] = True
    if first is not down or isinstance(key.this, exp.Rand):
        return [plain]
    place = exp.Ordered(this=exp.Is(this=key.this.copy(), expression=exp.null()), desc=first, nulls_first=not first)
    place.this.meta[SAID] = place.meta[SAID] = True
    return [place, plain]


def partition(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PARTITION BY."""
    for key in list(node.args.get("partition_by") or ()):
        if (exact := compared(key, "PARTITION BY")) is not None:
            key.replace(exact)
    return None


def by_ordinal(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """GROUP BY and ORDER BY by what the ordinals stand for, since MySQL takes those only alone."""
    for clause in (node.args.get("group"), node.args.get("order")):
        for key in list(clause.expressions if clause is not None else ()):
            value = key.this if isinstance(key, exp.Ordered) else key
            if isinstance(value, exp.Literal) and value.is_int:
                chosen = node.selects[int(value.this) - 1]
                if chosen.is_star:
                    raise Untranslatable("the ordinal of a star")
                value.replace(chosen.unalias().copy())
            elif isinstance(key, exp.Ordered) and (total := _aggregate(value, node)) is not None:
                value.replace(total)
    return None


def _aggregate(key: exp.Expression, select: exp.Expression) -> exp.Expression | None:
    """The aggregate that a key names: an order takes its name alone, and not in an expression."""
    if not isinstance(key, exp.Column) or key.table:
        return None
    named = next((s for s in select.selects if isinstance(s, exp.Alias) and s.alias.lower() == key.name.lower()), None)
    return named.this.copy() if named is not None and named.find(exp.AggFunc, exp.Window) else None


def group(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """GROUP BY, also with ROLLUP at its end."""
    if node.args.get("cube") or node.args.get("grouping_sets") or node.find(exp.Cube, exp.GroupingSets):
        raise Untranslatable("GROUPING SETS and CUBE, which MySQL lacks")
    rolled = bool(node.args.get("rollup"))
    if rolled and node.parent is not None and node.parent.args.get("order") is not None:
        raise Untranslatable("ROLLUP with an order, which MariaDB lacks")
    for key in [k for r in node.args.get("rollup") or () for k in r.expressions] + list(node.expressions):
        if isinstance(key, exp.Rollup):
            raise Untranslatable("ROLLUP beside other keys, which MySQL lacks")
        _group_key(key, rolled=rolled)
    return None


def _chosen(key: exp.Expression) -> exp.Expression:
    """What a key stands for: itself, or the column of the query that has its name."""
    select = key.find_ancestor(exp.Query)
    if kind_of(key) is not None or not isinstance(key, exp.Column) or key.table or select is None:
        return key
    named = next((s for s in select.selects if s.alias_or_name.lower() == key.name.lower()), None)
    return key if named is None or named is key else named.unalias()


def _group_key(key: exp.Expression, *, rolled: bool) -> None:
    value = _chosen(key)
    if rolled and kind_of(value) is Kind.TEXT:
        raise Untranslatable("ROLLUP of texts, whose cases MySQL does not tell apart")
    if kind_of(value) is Kind.TEXT:
        key.replace(exactly(key))
    elif kind_of(value) is None:
        raise Untranslatable("GROUP BY a value whose type is not known")


def distinct_rows(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """SELECT DISTINCT, by texts that compare exactly."""
    if node.args.get("distinct") is not None and not node.args["distinct"].args.get("on"):
        exact_columns(node, "SELECT DISTINCT of")
    return None


def exact_columns(select: exp.Expression, what: str) -> None:
    """Gives the texts among a query's columns the exact collation."""
    if not isinstance(select, exp.Select):
        raise Untranslatable(f"{what} rows of such a query")
    for item in list(select.expressions):
        if item.is_star:
            raise Untranslatable(f"{what} a star")
        exact = compared(item.unalias(), what)
        if exact is not None:
            item.replace(exp.alias_(exact, item.alias_or_name, quoted=True) if item.alias_or_name else exact)


def set_operation(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """UNION, INTERSECT and EXCEPT compare rows, unless all are kept."""
    if node.args.get("by_name"):
        raise Untranslatable("UNION BY NAME")
    if isinstance(node, exp.Union) and node.args.get("distinct") is False:
        return None
    for side in (node.this, node.expression):
        inner = side.unnest()
        if not isinstance(inner, exp.SetOperation):
            exact_columns(inner, f"{node.key.upper()} of")
    return None


def join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Joins that MySQL has."""
    method, side, kind = ((node.args.get(a) or "").upper() for a in ("method", "side", "kind"))
    if side == "FULL" or method == "ASOF" or isinstance(node.this, exp.Lateral):
        raise Untranslatable("FULL, ASOF and LATERAL joins, which MySQL or MariaDB lacks")
    using = [name.name.lower() for name in node.args.get("using") or ()]
    if method == "NATURAL" or (using and (kind in ("SEMI", "ANTI") or not _are_numbers(node, using))):
        raise Untranslatable("a join by the names of columns that are not known to be numbers")
    return None


def _are_numbers(node: exp.Expression, names: list[str]) -> bool:
    """Whether columns of such names are numbers where the query says them."""
    root = node.root()
    kinds = {name: {kind_of(c) for c in root.find_all(exp.Column) if c.name.lower() == name} for name in names}
    return all(found == {Kind.NUMBER} for found in kinds.values())


COMPARED: Rules = {
    **dict.fromkeys((*COMPARISONS, exp.NullSafeEQ, exp.NullSafeNEQ), (comparison,)),
    exp.Between: (between,),
    exp.In: (within,),
    **dict.fromkeys((exp.Nullif, exp.Greatest, exp.Least, exp.Min, exp.Max, exp.AnyValue), (first_of,)),
    exp.Case: (case,),
    exp.Distinct: (distinct,),
    exp.Ordered: (ordered,),
    exp.Order: (order,),
    exp.Window: (partition,),
    exp.Group: (group,),
    exp.Select: (distinct_rows,),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), (set_operation,)),
    exp.Join: (join,),
}
