"""Documents that are compared, grouped or ordered on DataFusion, which has their texts.

Equal documents may have several texts, as `1` and `1.0`. Where they are compared or grouped, they become what equal
ones share, and a group shows one of them; what would need an order of them is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.rewrite.core import Untranslatable, call, integer_value, type_of, typed
from flowc.compiler.sql.rewrite.numbers import values_of
from flowc.compiler.systems.datafusion.rules.documents import GIVE_DOCUMENTS, JSON, document_of, is_jsonb, named

_KEPT = ("flowc_jsonb", "flowc_jsonb_get", "flowc_jsonb_of", "flowc_jsonb_set")
"""Functions whose documents have the one form of `jsonb`."""
_BY_PART = "by a part of it, such as `doc ->> 'key'`, or by its text, `doc::text`"
_ORDER = f"order {_BY_PART}"
_SEARCHES = ("array_positions", "array_replace")
_QUANTIFIERS = ("any", "some", "all")


def formed(value: exp.Expression) -> exp.Expression:
    """A document in the one form of `jsonb`."""
    return value.copy() if named(value.unnest()) in _KEPT else call("flowc_jsonb_of", document_of(value))


def with_comparison(node: exp.Expression) -> None:
    """Has a node compare documents by their values. Raises Untranslatable where it would need an order of them."""
    if (compare := _COMPARED.get(type(node))) is not None:
        compare(node)


def _is_json(value: exp.Expression) -> bool:
    bare = value.unnest()
    if isinstance(bare, exp.Tuple | exp.Array):
        return any(map(_is_json, bare.expressions))
    if isinstance(bare, exp.Explode):
        return named(bare.this) == "flowc_json_elements"
    if isinstance(bare, exp.Case | exp.Coalesce):
        return any(map(_is_json, values_of(bare)))
    return _is_array(value) or type_of(value) in JSON or is_jsonb(bare) or named(bare) in GIVE_DOCUMENTS


def _is_array(value: exp.Expression) -> bool:
    """Whether a value is known to be an array of documents."""
    kind = value.unnest().type
    return kind is not None and any(isinstance(each, exp.DataType) and each.this in JSON for each in kind.expressions)


def _alike(operands: Sequence[exp.Expression]) -> None:
    """Puts what equal documents share into the places of operands of one comparison."""
    rows = [operand.unnest() for operand in operands]
    if all(isinstance(row, exp.Tuple) for row in rows):
        for parts in zip(*(row.expressions for row in rows), strict=False):
            _alike(parts)
    elif any(map(_is_json, operands)):
        for operand in operands:
            operand.replace(_key(operand))


def _key(value: exp.Expression) -> exp.Expression:
    bare = value.unnest()
    if isinstance(bare, exp.Null):
        return value.copy()
    if isinstance(bare, exp.Tuple | exp.Array | exp.ArrayAgg | exp.Any | exp.All) or _is_array(value):
        raise Untranslatable("a comparison of rows or arrays of JSON", "compare the documents one by one")
    return typed(call("flowc_jsonb_key", formed(value)), "text")


def _sides(node: exp.Expression) -> None:
    elements = _elements(node.expression)
    _alike([node.this, *(elements if elements is not None else [node.expression])])


def _elements(right: exp.Expression) -> list[exp.Expression] | None:
    """The elements that a side has in `= ANY (ARRAY[…])`; None for any other."""
    if not isinstance(right, exp.Any | exp.All) and named(right) not in _QUANTIFIERS:
        return None
    inner = (right.expressions[0] if named(right) else right.this).unnest()
    inner = inner.this.unnest() if isinstance(inner, exp.Cast) else inner
    return list(inner.expressions) if isinstance(inner, exp.Array) else None


def _one_of(node: exp.Expression) -> None:
    rows = node.args.get("query")
    if rows is None:
        rows_of_json = isinstance(node.this.unnest(), exp.Tuple) and any(map(_is_json, [node.this, *node.expressions]))
        _alike([node.this, *node.expressions])
        if rows_of_json:  # the engine has no list of rows that are computed
            same = [exp.EQ(this=node.this.copy(), expression=each.copy()) for each in node.expressions]
            node.replace(exp.paren(exp.or_(*same), copy=False))
        return
    select = rows.unnest()
    given = [value.unalias() for value in select.selects] if isinstance(select, exp.Select) else []
    if not (_is_json(node.this) or marks.JSON_COLUMNS.has(select) or any(map(_is_json, given))):
        return
    if not given or any(value.is_star for value in given):
        raise Untranslatable("JSON that is IN such a query", "write EXISTS with a condition")
    left = node.this.unnest()
    for operand, value in zip(left.expressions if isinstance(left, exp.Tuple) else [node.this], given, strict=False):
        _alike([operand, value])


def _nullif(node: exp.Expression) -> None:
    if not _is_json(node.this):
        return
    same = exp.EQ(this=_key(node.this), expression=_key(node.expression))
    new = exp.Case(ifs=[exp.If(this=same, true=exp.null())], default=node.this.copy())
    node.replace(typed(new, "jsonb" if is_jsonb(node.this) else "json"))


def _case(node: exp.Expression) -> None:
    if node.this is not None:
        _alike([node.this, *(branch.this for branch in node.args["ifs"])])


def _window(node: exp.Expression) -> None:
    for value in node.args.get("partition_by") or ():
        _alike([value])


def _distinct(node: exp.Expression) -> None:
    around, on = node.parent, node.args.get("on")
    if isinstance(around, exp.Count) and len(node.expressions) == 1:
        _alike(node.expressions)
    elif isinstance(around, exp.Select) and on is None:
        if _gives_json(around):
            _as_groups(around)
    elif any(map(_is_json, [on] if on is not None else node.expressions)):
        raise Untranslatable("DISTINCT of JSON", f"select it {_BY_PART}")


def _as_groups(select: exp.Select) -> None:
    """DISTINCT as groups of all columns."""
    values = [value.unalias() for value in select.selects]
    computed = any(value.is_star or value.find(exp.AggFunc, exp.Window, exp.Explode, exp.Query) for value in values)
    if computed or select.args.get("group") is not None or any(isinstance(value, exp.Literal) for value in values):
        raise Untranslatable("DISTINCT of JSON in this form", f"name the columns in a CTE, and select them {_BY_PART}")
    select.set("distinct", None)
    select.set("group", exp.Group(expressions=[value.copy() for value in values]))


def _gives_json(query: exp.Expression) -> bool:
    """Whether a column of a query is JSON."""
    if marks.JSON_COLUMNS.has(query) or not isinstance(query, exp.Query):
        return marks.JSON_COLUMNS.has(query)
    if isinstance(query, exp.SetOperation):
        return _gives_json(query.left.unnest()) or _gives_json(query.right.unnest())
    elements = query.is_star and any(named(each) == "flowc_json_elements" for each in query.find_all(exp.Anonymous))
    return elements or any(_is_json(value.unalias()) for value in query.selects)


def _grouped(node: exp.Expression) -> None:
    """Groups by what equal documents share, and shows one of them, as PostgreSQL does."""
    group = node.args.get("group")
    if group is None:
        return
    if any(_is_json(value) or _is_output(value, node) for part in _sets(group) for value in part.walk()):
        raise Untranslatable("GROUP BY of JSON in several sets", f"group {_BY_PART}")
    for value in group.expressions:
        if _is_output(value, node):
            value.replace(_named(value, node))
    documents = list(filter(_is_json, group.expressions))
    if documents:
        _say_outputs(group, node)
    others = [_resolved(value.unnest()) for value in group.expressions if value not in documents]
    for value in documents:
        if value.find(exp.Query, exp.Explode):
            raise Untranslatable("GROUP BY of JSON that a query or a function of rows gives", "name it in a CTE")
        bare = value.unnest()
        shown = call("flowc_jsonb_of", exp.Min(this=bare.copy()))
        shown.type = exp.DataType.build("jsonb")
        for used in [each for part in _after_groups(node) for each in _uses(part, bare, others)]:
            used.replace(shown.copy())
        value.replace(_key(value))


def _say_outputs(group: exp.Expression, select: exp.Query) -> None:
    """Puts what outputs are made of into the place of their names and numbers, for they are changed later."""
    for value in list(group.expressions):
        meant = None if marks.OWNERS.has(value) else _output(value, select)
        if meant is not None and not meant.is_star:
            value.replace(meant.copy())


def _uses(part: exp.Expression, grouped: exp.Expression, others: Sequence[exp.Expression]) -> list[exp.Expression]:
    """The places of a document by which rows are grouped, but those in other expressions by which they are too."""
    wanted = _resolved(grouped)
    return [
        each
        for each in _outside(part, others)
        if type(each) is type(grouped) and (each == grouped or _resolved(each) == wanted)
    ]


def _resolved(value: exp.Expression) -> exp.Expression:
    """An expression whose columns are named in one way, however they are written."""
    new = value.copy()
    for column in [new] if isinstance(new, exp.Column) else list(new.find_all(exp.Column)):
        table = column.args.get("table")
        owner = fold(table, "datafusion") if table is not None else next(iter(marks.OWNERS.get(column) or ()), None)
        if isinstance(column.this, exp.Identifier):
            column.set("this", exp.to_identifier(fold(column.this, "datafusion"), quoted=True))
            column.set("table", exp.to_identifier(owner, quoted=True))
    return new


def _named(value: exp.Expression, select: exp.Query) -> exp.Expression:
    meant = _output(value, select)
    if meant is None or not _is_json(meant):
        raise Untranslatable("GROUP BY of JSON by its place in a `*`", "name the columns")
    return meant.copy()


def _sets(group: exp.Expression) -> list[exp.Expression]:
    parts = [each for each in group.expressions if isinstance(each, exp.Cube | exp.Rollup | exp.GroupingSets)]
    return [*parts, *(part for key in ("grouping_sets", "cube", "rollup") for part in group.args.get(key) or ())]


def _after_groups(select: exp.Expression) -> list[exp.Expression]:
    """What a query computes of its groups."""
    parts = (select.args.get(key) for key in ("having", "order", "qualify"))
    return [*select.expressions, *(part for part in parts if part is not None)]


def _outside(part: exp.Expression, others: Sequence[exp.Expression]) -> Iterator[exp.Expression]:
    """The nodes that are in no aggregate of groups, no query of their own, and none of these other expressions."""

    def is_within(node: exp.Expression) -> bool:
        gathers = isinstance(node, exp.AggFunc) and not _is_over_groups(node)
        return gathers or isinstance(node, exp.Query) or (bool(others) and _resolved(node) in others)

    return (node for node in part.walk(prune=is_within) if not is_within(node))


def _is_over_groups(node: exp.Expression) -> bool:
    """Whether a function looks at a window of groups."""
    around = node.parent
    while isinstance(around, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        around = around.parent
    return isinstance(around, exp.Window)


def _is_output(value: exp.Expression, query: exp.Expression | None) -> bool:
    """Whether a clause names an output column that is JSON, by its place or its name."""
    grouped = isinstance(value.parent, exp.Group)
    if not isinstance(query, exp.Query) or (grouped and marks.OWNERS.has(value)):
        return False
    found, place = _output(value, query), integer_value(value)
    return (found is not None and _is_json(found)) or place in (marks.JSON_COLUMNS.get(query) or ())


def _output(value: exp.Expression, query: exp.Query) -> exp.Expression | None:
    if (place := integer_value(value)) is not None:
        return query.selects[place - 1].unalias() if 0 < place <= len(query.selects) else None
    named_so = (one.unalias() for one in query.selects if one.alias and one.alias == value.name)
    return next(named_so, None) if isinstance(value, exp.Column) and not value.table else None


def _ordered(node: exp.Expression) -> None:
    query = node.parent.parent if isinstance(node.parent, exp.Order) else None
    if _is_json(node.this) or _is_output(node.this, query):
        raise Untranslatable("an order of JSON", _ORDER)


def _no_order(node: exp.Expression) -> None:
    if any(map(_is_json, node.iter_expressions())):
        raise Untranslatable("an order of JSON", f"compare {_BY_PART}")


def _in_arrays(node: exp.Expression) -> None:
    if isinstance(node, exp.Anonymous) and named(node) not in _SEARCHES:
        return
    given = list(node.iter_expressions())
    if any(_is_array(value) or (isinstance(value.unnest(), exp.Array) and _is_json(value)) for value in given):
        raise Untranslatable("a search in an array of JSON", "compare the documents one by one")


def _set(node: exp.Expression) -> None:
    if node.args.get("distinct") is not False and _gives_json(node):
        mend = "; UNION ALL keeps all rows" if isinstance(node, exp.Union) else ""
        raise Untranslatable(f"{node.key.upper()} of JSON, which compares rows", f"select it {_BY_PART}{mend}")


def _values(node: exp.Expression) -> None:
    """Makes texts between quotes and NULL JSON beside JSON, as PostgreSQL reads them."""
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
    for column in zip(*rows, strict=False):
        for value in column if any(map(_is_json, column)) else ():
            if isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.is_string):
                value.replace(call("flowc_jsonb_of", exp.cast(value.copy(), "varchar")))
            elif not _is_json(value):
                raise Untranslatable("VALUES of JSON beside others", "CAST each of them AS jsonb")


def _join(node: exp.Expression) -> None:
    if marks.MERGES_JSON.has(node) and node.args.get("on") is None:
        raise Untranslatable("a join USING columns of JSON", "join ON a.doc = b.doc")


_COMPARED: Mapping[type[exp.Expression], Callable[[exp.Expression], None]] = {
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ), _sides),
    **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Greatest, exp.Least), _no_order),
    **dict.fromkeys((exp.Min, exp.Max), _no_order),
    **dict.fromkeys((exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps), _in_arrays),
    **dict.fromkeys((exp.ArrayRemove, exp.ArrayPosition, exp.Anonymous), _in_arrays),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), _set),
    exp.In: _one_of,
    exp.Nullif: _nullif,
    exp.Case: _case,
    exp.Window: _window,
    exp.Distinct: _distinct,
    exp.Select: _grouped,
    exp.Ordered: _ordered,
    exp.Join: _join,
    exp.Values: _values,
}
