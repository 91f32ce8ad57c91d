"""Subqueries that read a column of the query around them, for DataFusion: in a form in which it joins them rightly.

It takes such a query apart and joins its rows to those around it: rightly where one relation is compared with the
outer row in WHERE, and by a condition that is lost or meant otherwise in most other places. So what is read becomes a
relation of its own, whose columns are named apart; what cannot be said so is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, integer_value

_WHAT = "a subquery that reads a column of the query around it"
_MEND = (
    "join to a subquery that is grouped by what it is compared with: `LEFT JOIN (SELECT b.id, count(*) AS n FROM b"
    " GROUP BY b.id) q ON q.id = a.id`"
)
_MEND_ROWS = "take one value of them by an aggregate, as `max(…)`, or join to the table"
_ROWS = "_q"
_SETS = (exp.Cube, exp.Rollup, exp.GroupingSets)


def _exists(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    select = _correlated(node.this)
    if select is None:
        return None
    _demand_no(select, "windows", "qualify", "offset", "fetch")
    limit = select.args.get("limit")
    if limit is not None and not integer_value(limit.expression):
        raise _refusal("with LIMIT")
    for part in ("limit", "order", "distinct"):
        select.set(part, None)
    if select.args.get("having") is None and _is_one_row(select):
        return exp.true()
    if select.args.get("having") is None:
        group = select.args.get("group")
        if group is not None and group.find(*_SETS):
            raise _refusal("with GROUPING SETS")
        select.set("group", None)
        select.set("expressions", [exp.Literal.number(1)])
        _read_apart(select)
    else:
        _group_apart(select)
        select.set("expressions", [exp.Literal.number(1)])
    return _as_value(node, select)


def _as_value(node: exp.Expression, select: exp.Select) -> exp.Expression | None:
    """What an output shows, where the engine has numbers of rows alone."""
    is_output = isinstance(node.find_ancestor(exp.Where, exp.Having, exp.Join, exp.Select), exp.Select)
    if not is_output or not all(_sides(test, select) for test in _outer_tests(select)):
        return None
    counted = select.copy()
    counted.set("expressions", [exp.Count(this=exp.Star())])
    return exp.paren(exp.GT(this=exp.Subquery(this=counted), expression=exp.Literal.number(0)), copy=False)


def _member(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    select = _correlated(node.args.get("query"))
    if select is None:
        return None
    if isinstance(node.this.unnest(), exp.Tuple):
        raise Untranslatable(f"rows IN {_WHAT}", "write EXISTS with a condition for each column")
    _demand_rows(select)
    if _is_one_row(select):
        _aggregate(select)
        return exp.EQ(this=node.this.copy(), expression=exp.Subquery(this=select.copy()))
    select.set("distinct", None)
    _list_rows(select)
    return None


def _quantified(node: exp.Expression, pair: Pair) -> None:
    """The rows of ANY and ALL."""
    if (select := _correlated(node.this)) is not None:
        _demand_rows(select)
        if _is_one_row(select):
            raise _refusal("whose row is compared by ANY or ALL")
        _list_rows(select)


def _scalar(node: exp.Expression, pair: Pair) -> None:
    """The value of one row."""
    around = (exp.From, exp.Join, exp.Lateral, exp.Exists, exp.Any, exp.All, exp.SetOperation, exp.Subquery)
    is_rows = isinstance(node.parent, around) or node.arg_key == "query"
    if not is_rows and (select := _correlated(node)) is not None:
        limit = select.args.get("limit")
        if limit is not None and _is_one_row(select) and integer_value(limit.expression):
            select.set("limit", None)
        _demand_rows(select)
        if not _is_one_row(select):
            raise _refusal("and may have several rows", _MEND_ROWS)
        _aggregate(select)


def _array(node: exp.Expression, pair: Pair) -> None:
    """The rows of `ARRAY(SELECT …)`, which become an aggregate."""
    query = node.expressions[0] if len(node.expressions) == 1 else None
    if (select := _correlated(query)) is not None:
        _demand_no(select, "windows", "qualify", "limit", "offset", "fetch", "group", "having", "distinct")
        if _is_one_row(select):
            raise _refusal("with an aggregate in an array")
        _demand_equal(select)
        _read_apart(select)


def _demand_rows(select: exp.Select) -> None:
    _demand_no(select, "windows", "qualify", "limit", "offset", "fetch")
    select.set("order", None)
    if len(select.selects) != 1 or select.is_star:
        raise _refusal("with `*`")
    if (distinct := select.args.get("distinct")) is not None and distinct.args.get("on") is not None:
        raise _refusal("with DISTINCT ON")


def _list_rows(select: exp.Select) -> None:
    """The rows of a query that is not one of aggregates alone."""
    if select.args.get("group") is None:
        _read_apart(select)
        return
    item = select.selects[0]
    _group_apart(select)
    name = item.alias or f"{_ROWS}v"
    value = item if isinstance(item, exp.Alias) else exp.alias_(item.copy(), name, quoted=True)
    if value is not item:
        item.replace(value)
    column = exp.column(exp.to_identifier(value.args["alias"].name, quoted=True), _ROWS)
    column.type = value.this.type
    select.set("expressions", [column])


def _aggregate(select: exp.Select) -> None:
    if select.args.get("having") is not None:
        raise _refusal("with HAVING")
    if not _is_kept(select.selects[0].unalias()):
        raise _refusal("and gives a value that may be known without its rows", _MEND_ROWS)
    select.set("distinct", None)
    _demand_equal(select)
    _read_apart(select)


def _is_kept(value: exp.Expression) -> bool:
    """Whether a value is known to need its aggregates, whatever the engine folds: it gives NULL for a constant of none.

    What cannot be NULL, such as a count or COALESCE with a constant, it leaves out of what it does not decide.
    """
    value = value.unnest()
    parts = [part for part in value.iter_expressions() if not isinstance(part, exp.DataType | exp.Var)]
    match value:
        case exp.AggFunc() | exp.Filter() | exp.WithinGroup():
            return True
        case exp.Is():
            plain = isinstance(value.this.unnest(), exp.AggFunc) and value.find(*_COUNTS) is None
            return _is_kept(value.this) if isinstance(value.expression, exp.Boolean) else plain
        case exp.Between():
            return _is_kept(value.this) and not any(value.args[end].find(exp.AggFunc) for end in ("low", "high"))
        case exp.Coalesce():
            return all(map(_is_kept, (value.this, *value.expressions[:-1]))) and _is_fine(value.expressions[-1:])
        case exp.Case():
            tests = [value.this] if value.this is not None else [part.this for part in value.args["ifs"]]
            results = [*(part.args["true"] for part in value.args["ifs"]), value.args.get("default")]
            return all(map(_is_kept, tests)) and _is_fine(results)
        case exp.NullSafeEQ() | exp.NullSafeNEQ() if isinstance(value.expression.unnest(), exp.Null):
            return False
        case exp.In():
            return value.args.get("query") is None and _is_kept(value.this) and _is_fine(value.expressions)
        case exp.Connector():
            return all(map(_is_kept, parts)) and value.find(exp.Not) is None
        case exp.Binary():
            alike = value.this.unnest() == value.expression.unnest()
            return type(value) in _KEEPING and not alike and any(map(_is_kept, parts)) and _is_fine(parts)
        case exp.Predicate() | exp.StartsWith() | exp.EndsWith() | exp.Contains():
            return False
    return any(map(_is_kept, parts)) and _is_fine(parts)


def _is_fine(parts: Sequence[exp.Expression | None]) -> bool:
    """Whether parts of a value are constants other than 0 and 1, with which products are known, or need aggregates."""
    found = [part for part in parts if part is not None]
    constants = [part for part in found if part.find(exp.AggFunc) is None]
    products = any(isinstance(part.parent, exp.Mul | exp.Mod) for part in found)
    known = products and any(part.find(exp.Literal) is None or part.unnest().name in ("0", "1") for part in constants)
    return not known and all(map(_is_kept, (part for part in found if part.find(exp.AggFunc) is not None)))


_COUNTS = (exp.Count, exp.CountIf, exp.ApproxDistinct)
_KEEPING = {
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.DPipe, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT,
    exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.SafeDivide,
}  # fmt: skip


def _demand_equal(select: exp.Select) -> None:
    if not all(_sides(test, select) for test in _outer_tests(select)):
        raise _refusal("and computes a value by another condition than `=`")


def _refusal(detail: str, mend: str = _MEND) -> Untranslatable:
    return Untranslatable(f"{_WHAT} {detail}", mend)


def _demand_no(select: exp.Select, *parts: str) -> None:
    names = {"windows": "with a window", "offset": "with OFFSET", "limit": "with LIMIT", "fetch": "with FETCH"}
    for part in parts:
        if select.args.get(part):
            raise _refusal(names.get(part, f"with {part.upper()}"))
    if any(window.parent_select is select for window in select.find_all(exp.Window)):
        raise _refusal(names["windows"])


def _is_one_row(select: exp.Select) -> bool:
    """Whether it is an aggregate of all of its rows, which is one row of none, too."""
    if select.args.get("group") is not None:
        return False
    parts = [*select.expressions, *([select.args["having"]] if select.args.get("having") else ())]
    found = (each for part in parts for each in part.find_all(exp.AggFunc))
    return select.args.get("having") is not None or any(
        each.parent_select is select and not isinstance(each.parent, exp.Window) for each in found
    )


def _correlated(query: exp.Expression | None) -> exp.Select | None:
    """The SELECT of a query that reads a column of another one around it; raises where it is none that can be kept."""
    if not isinstance(query, exp.Query):
        return None
    outer = [each for each in query.find_all(exp.Column) if marks.OUTER.has(each) and _reads_beyond(each, query)]
    if not outer or any(_is_in_from(column, query) for column in outer):
        return None
    select = query.unnest()
    if not isinstance(select, exp.Select):
        raise _refusal("in a part of a set operation")
    _move_conditions(select, outer)
    tests = _conditions(select)
    near = _home(outer[0], select)
    for column in outer:
        test: exp.Expression | None = column
        while test is not None and not any(test is each for each in tests):
            test = test.parent
        if test is None or column.parent_select is not select or test.find(exp.Query) is not None:
            raise _refusal("anywhere but in a condition of its own WHERE")
        if near is None or _home(column, select) is not near or near is not _around(select):
            raise _refusal("that is not the next one")
    if any(marks.WHOLE_ROW.has(column) for column in select.find_all(exp.Column)):
        raise _refusal("and a row as a whole")
    return select


def _is_in_from(column: exp.Expression, query: exp.Query) -> bool:
    """Whether it is an argument of what a query reads, such as an array: these are told where they are reworded."""
    source = column.find_ancestor(exp.From, exp.Query)
    return isinstance(source, exp.From) and source.parent is query.unnest()


def _conditions(select: exp.Select) -> list[exp.Expression]:
    where = select.args.get("where")
    return (
        list(where.this.flatten())
        if where is not None and isinstance(where.this, exp.And)
        else ([where.this] if where is not None else [])
    )


def _outer_tests(select: exp.Select) -> list[exp.Expression]:
    return [
        test for test in _conditions(select) if any(_is_outer(column, select) for column in test.find_all(exp.Column))
    ]


def _is_outer(column: exp.Expression, select: exp.Select) -> bool:
    return marks.OUTER.has(column) and column.parent_select is select


def _reads_beyond(column: exp.Column, query: exp.Expression) -> bool:
    """Whether a column within a query is one of a query around it."""
    home = _home(column, column.parent_select)
    while home is not None and home is not query:
        home = home.parent
    return home is None


def _home(column: exp.Column, select: exp.Expression | None) -> exp.Expression | None:
    """The query around one that has the column; None where none is known to have it."""
    owners = marks.OWNERS.get(column)
    name = fold(column.args["table"], "datafusion") if column.args.get("table") else owners[0] if owners else None
    around = _around(select)
    while around is not None and name not in _relations(around):
        around = _around(around)
    return around


def _around(select: exp.Expression | None) -> exp.Select | None:
    """The next query whose relations one can see: not that in whose FROM it is."""
    inner = select
    while inner is not None and not isinstance(inner.parent, exp.Select):
        hides = isinstance(inner.parent, exp.From | exp.CTE) or (
            isinstance(inner.parent, exp.Join) and inner.arg_key == "this"
        )
        inner = inner.parent
        if hides:
            while inner is not None and not isinstance(inner, exp.Select):
                inner = inner.parent
    return inner.parent if inner is not None and isinstance(inner.parent, exp.Select) else None


def _relations(select: exp.Expression) -> set[str]:
    """The names of what stands in the FROM of a query."""
    names, sources = set[str](), list(_sources(select))
    while sources:
        source = sources.pop()
        sources += _sources(source)
        alias = source.args.get("alias")
        name = alias.this if alias is not None and alias.this is not None else source.this
        if isinstance(name, exp.Identifier):
            names.add(fold(name, "datafusion"))
        elif isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery):
            sources.append(source.this)
    return names


def _sources(node: exp.Expression) -> Iterator[exp.Expression]:
    if node.args.get("from_") is not None:
        yield node.args["from_"].this
    yield from (join.this for join in node.args.get("joins") or ())
    yield from node.args.get("laterals") or ()


def _move_conditions(select: exp.Select, outer: Sequence[exp.Expression]) -> None:
    """Puts conditions of inner joins that read a column of the query around into WHERE."""
    joins = select.args.get("joins") or []
    if any(join.side for join in joins):
        return
    for join in joins:
        on = join.args.get("on")
        tests = list(on.flatten()) if isinstance(on, exp.And) else [on] if on is not None else []
        moved = [test for test in tests if any(column in outer for column in test.find_all(exp.Column))]
        kept = [test for test in tests if test not in moved]
        if moved:
            select.set("where", exp.Where(this=exp.and_(*_conditions(select), *moved, copy=False)))
            join.set("on", exp.and_(*kept, copy=False) if kept else exp.true())


def _sides(test: exp.Expression, select: exp.Select) -> tuple[exp.Expression, exp.Expression] | None:
    """What is compared by `=`: of the query itself, and of the one around it; None for any other condition."""
    bare = test.unnest()
    if not isinstance(bare, exp.EQ):
        return None
    sides = [bare.this, bare.expression]
    outer = [[_is_outer(column, select) for column in side.find_all(exp.Column)] for side in sides]
    if all(outer[0]) and outer[0] and not any(outer[1]) and outer[1]:
        return bare.expression, bare.this
    if all(outer[1]) and outer[1] and not any(outer[0]) and outer[0]:
        return bare.this, bare.expression
    return None


def _read_apart(select: exp.Select) -> None:
    """Makes what is read a query of its own, but one relation whose columns alone are compared."""
    tests = _outer_tests(select)
    keys = [sides[0] for test in tests if (sides := _sides(test, select)) is not None]
    if not _is_joined(select) and all(isinstance(key, exp.Column) for key in keys):
        return
    read: dict[str, exp.Expression] = {}
    order = select.args.get("order")
    for part in (*keys, *select.expressions, *tests, *([order] if order is not None else [])):
        if part.find(exp.Query) is not None:
            raise _refusal("and another query in a value")
        is_key = any(part is key for key in keys)
        for own in [part] if is_key else list(part.find_all(exp.Column)):
            if not _is_outer(own, select) and not marks.APART.has(own):
                alias = read.setdefault(own.sql(), exp.alias_(own.copy(), f"_{len(read)}", quoted=True))
                own.replace(_named(alias.alias, own))
    _put_apart(select, list(read.values()), tests)


def _is_joined(select: exp.Select) -> bool:
    if select.args.get("from_") is None:
        raise Untranslatable("a subquery of the query around it without FROM")
    source = select.args["from_"].this
    return any(node.args.get(part) for node in (select, source) for part in ("joins", "laterals")) or _is_paren(source)


def _is_paren(source: exp.Expression) -> bool:
    return isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery)


def _named(name: str, like: exp.Expression) -> exp.Expression:
    new = exp.column(exp.to_identifier(name, quoted=True), _ROWS)
    new.type = like.type
    marks.APART.put(new)
    return new


def _put_apart(select: exp.Select, items: list[exp.Expression], tests: list[exp.Expression]) -> None:
    """Makes all but the conditions on the outer row a query in FROM."""
    kept = [test for test in _conditions(select) if not any(test is each for each in tests)]
    rows = exp.Select(expressions=items or [exp.alias_(exp.Literal.number(1), "_0")])
    for part in ("with_", "from_", "joins", "laterals", "group", "having"):
        if select.args.get(part):
            rows.set(part, select.args[part])
            select.set(part, None)
    if kept:
        rows.set("where", exp.Where(this=exp.and_(*kept, copy=False)))
    select.set("from_", exp.From(this=exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(_ROWS)))))
    select.set("where", exp.Where(this=exp.and_(*tests, copy=False)))


def _group_apart(select: exp.Select) -> None:
    """Makes groups a query of their own, of each of the values that are compared with the outer row."""
    group = select.args.get("group")
    if group is None or group.args.get("all") or group.find(*_SETS):
        raise _refusal("with HAVING")
    tests, keys = _outer_tests(select), []
    for place, test in enumerate(tests):
        sides = _sides(test, select)
        if sides is None:
            raise _refusal("and groups rows by another condition than `=`")
        own, _ = sides
        keys.append(exp.alias_(own.copy(), f"_{place}", quoted=True))
        group.append("expressions", own.copy())
        own.replace(_named(f"_{place}", own))
    _put_apart(select, [*select.expressions, *keys], tests)


CORRELATED: Rules = {
    exp.Exists: (_exists,),
    exp.In: (_member,),
    **dict.fromkeys((exp.Any, exp.All), (_quantified,)),
    exp.Subquery: (_scalar,),
    exp.Array: (_array,),
}
"""Of the author's own words, before any of them is reworded."""
