"""What stands in FROM, SELECT and ORDER BY: arrays as rows, ordinals for ALL, names of columns."""

from __future__ import annotations

from collections import Counter

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules, Untranslatable, build, call, of, refused

_ZERO_OFFSET = ("bigquery",)
_NAMED_BY_TABLE = ("bigquery", "postgres")
"""Dialects in which the column of UNNEST has the name of its table."""
_BESIDE = (
    "put the elements beside their table in FROM, as in `FROM t, unnest(t.items) AS item`, and gather them by GROUP BY"
)


def column_of(alias: exp.Expression | None, place: int) -> str | None:
    """The name that an alias gives to the column at a place, from 0."""
    columns = alias.args.get("columns") if alias is not None else None
    return columns[place].name if columns and len(columns) > place else None


def unnest_as_rows(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`UNNEST(array) AS t(x)` in FROM, where an engine has it only in SELECT."""
    if not isinstance(node.parent, exp.From | exp.Join | exp.Lateral):
        return None
    if len(node.expressions) != 1:
        raise Untranslatable("UNNEST of several arrays")
    alias, array = node.args.get("alias"), node.expressions[0]
    if alias is None and isinstance(node.parent, exp.Lateral):
        alias = node.parent.args.get("alias")
    table = alias.this.name if alias is not None and alias.this is not None else "_t"
    column = column_of(alias, 0) or (table if alias is not None and pair.source in _NAMED_BY_TABLE else "unnest")
    if isinstance(array, exp.GenerateDateArray):
        return _dates(array, table, column)
    if array.find(exp.Column):
        return beside_table(node, table, column, array)
    if isinstance(array, exp.GenerateSeries):
        return build_rows(array, table, column)
    offset = node.args.get("offset")
    rows = exp.select(exp.alias_(exp.Explode(this=array.copy()), column, quoted=True))
    if offset:
        place = column_of(alias, 1) or (offset.name if isinstance(offset, exp.Expression) else "offset")
        number = build("ROW_NUMBER() OVER () - 1" if pair.source in _ZERO_OFFSET else "ROW_NUMBER() OVER ()")
        inner = exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier("_r")))
        rows = exp.select(exp.column(column, quoted=True), exp.alias_(number, place, quoted=True)).from_(inner)
    return exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(table)))


def build_rows(series: exp.Expression, table: str, column: str) -> exp.Expression:
    """A table function's rows under a name."""
    source = exp.Table(
        this=exp.Anonymous(
            this="range" if series.args.get("is_end_exclusive") else "generate_series",
            expressions=[series.args[k].copy() for k in ("start", "end", "step") if series.args.get(k)],
            _meta=None,
        ),
        alias=exp.TableAlias(this=exp.to_identifier(table), columns=[exp.to_identifier(column)]),
    )
    marks.GENERATED.put(source.this)
    return source


def _dates(array: exp.Expression, table: str, column: str) -> exp.Expression:
    """The days from one date to another."""
    start, end = (exp.cast(array.args[key].copy(), "TIMESTAMP") for key in ("start", "end"))
    step = array.args.get("step") or exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    moments = exp.select(exp.alias_(exp.Explode(this=call("generate_series", start, end, step)), "_d"))
    day = exp.alias_(exp.cast(exp.column("_d"), "DATE"), column, quoted=True)
    inner = exp.Subquery(this=moments, alias=exp.TableAlias(this=exp.to_identifier("_g")))
    return exp.Subquery(this=exp.select(day).from_(inner), alias=exp.TableAlias(this=exp.to_identifier(table)))


def beside_table(node: exp.Expression, table: str, column: str, array: exp.Expression) -> exp.Expression | None:
    """An array of the table beside it: the table gets one row per element."""
    if isinstance(node.parent, exp.From):
        raise Untranslatable("a subquery over the elements of a column of the query around it", _BESIDE)
    select = node.find_ancestor(exp.Select)
    join = node.parent if isinstance(node.parent, exp.Join) else node.parent.parent if node.parent is not None else None
    if select is None or node.args.get("offset") or not isinstance(join, exp.Join) or join.args.get("side"):
        raise Untranslatable("the elements of a column beside its table", _BESIDE)
    _exploded(select, join, table, column, array)
    return None


def _exploded(select: exp.Select, gone: exp.Expression, table: str, column: str, array: exp.Expression) -> None:
    from_ = select.args["from_"].this if select.args.get("from_") is not None else None
    owner = array.find(exp.Column)
    if (
        owner is None
        or not isinstance(from_, exp.Table | exp.Subquery)
        or (owner.table and owner.table.lower() != from_.alias_or_name.lower())
    ):
        raise Untranslatable("the elements of a column beside its table", _BESIDE)
    name = from_.alias_or_name
    if gone.args.get("on") is not None:
        select.where(gone.args["on"], copy=False)
    rows = exp.select("*", exp.alias_(exp.Explode(this=array.copy()), column)).from_(from_.copy())
    for used in select.find_all(exp.Column):
        if used.table.lower() == table.lower():
            used.set("table", exp.to_identifier(name))
    from_.replace(exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(name))))
    gone.pop()


def lateral_view(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Spark's LATERAL VIEW explode(column)."""
    if not node.args.get("view"):
        return None
    function = node.this
    select = node.find_ancestor(exp.Select)
    if type(function) is not exp.Explode or node.args.get("outer") or select is None:
        raise Untranslatable("LATERAL VIEW of anything but explode")
    alias = node.args["alias"]
    _exploded(select, node, alias.this.name, column_of(alias, 0) or "col", function.this)
    return None


def in_unnest(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`x IN UNNEST(array)`."""
    unnest = node.args.get("unnest")
    if unnest is None:
        return None
    return exp.ArrayContains(this=unnest.expressions[0].copy(), expression=node.this.copy())


def named_values(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Spark's and Snowflake's names of the columns of VALUES."""
    alias = node.args.get("alias")
    if not isinstance(node.parent, exp.From | exp.Join) or (alias is not None and alias.args.get("columns")):
        return None
    prefix = {"spark": "col", "databricks": "col", "snowflake": "column"}.get(pair.source)
    first = node.expressions[0] if node.expressions else None
    if prefix is None or not isinstance(first, exp.Tuple):
        return None
    name = alias.this if alias is not None and alias.this is not None else exp.to_identifier("_v")
    columns = [exp.to_identifier(f"{prefix}{i}") for i in range(1, len(first.expressions) + 1)]
    node.set("alias", exp.TableAlias(this=name.copy(), columns=columns))
    return None


def order_by_all(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`ORDER BY ALL` by ordinals."""
    order = node.args.get("order")
    if order is not None and len(order.expressions) == 1 and _is_all(order.expressions[0]):
        last = order.expressions[0]
        places = [
            exp.Ordered(this=exp.Literal.number(i), desc=last.args.get("desc"), nulls_first=False)
            for i, _ in _numbered(node, "ORDER BY ALL")
        ]
        order.set("expressions", places)
    return None


def group_by_all(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`GROUP BY ALL` by ordinals, where the engine lacks it."""
    group = node.args.get("group")
    if group is not None and group.args.get("all"):
        places = [exp.Literal.number(i) for i, e in _numbered(node, "GROUP BY ALL") if not e.find(exp.AggFunc)]
        node.set("group", exp.Group(expressions=places) if places else None)
    return None


def _numbered(node: exp.Expression, what: str) -> list[tuple[int, exp.Expression]]:
    if any(e.is_star for e in node.expressions):
        raise Untranslatable(f"{what} of a star")
    return list(enumerate(node.expressions, 1))


def _is_all(node: exp.Expression) -> bool:
    inner = node.this if isinstance(node, exp.Ordered) else node
    return (isinstance(inner, exp.Column | exp.Var) and inner.name.upper() == "ALL") or isinstance(inner, exp.All)


def having_alias(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Aliases in HAVING, which only some engines resolve."""
    having = node.args.get("having")
    if having is None:
        return None
    aliases = {
        e.alias.lower(): e.this for e in node.expressions if isinstance(e, exp.Alias) and e.this.find(exp.AggFunc)
    }
    for column in list(having.find_all(exp.Column)):
        is_alias = not column.table and column.name.lower() in aliases and column.parent_select is node
        if is_alias and column.find_ancestor(exp.AggFunc) is None:
            column.replace(exp.paren(aliases[column.name.lower()].copy()))
    return None


def distinct_names(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DataFusion wants each column of a SELECT to have its own name."""
    seen, items = set[object](), list(node.expressions)
    taken = Counter(item.alias_or_name for item in items)
    for place, item in enumerate(items, 1):
        if _has_name(item):
            continue
        cast_column = isinstance(item, exp.Cast) and isinstance(item.this, exp.Column)
        key = _written(item.this if cast_column else item)
        if _is_nameless(item) or key in seen:
            name = item.this.name if cast_column and not taken[item.this.name] else f"_c{place}"
            taken.subtract((item.alias_or_name,))
            taken.update((name,))
            items[place - 1] = exp.alias_(item.copy(), name, quoted=True)
        seen.add(key)
    if any(new is not old for new, old in zip(items, node.expressions, strict=True)):
        node.set("expressions", items)
    return None


def _written(item: exp.Expression) -> object:
    """What is alike for expressions that are written alike."""
    if isinstance(item, exp.Column) and all(isinstance(part, exp.Identifier) for part in item.parts):
        return tuple((part.name, bool(part.args.get("quoted"))) for part in item.parts)
    return item


def _has_name(item: exp.Expression) -> bool:
    return isinstance(item, exp.Alias | exp.Star) or item.is_star


def _is_nameless(item: exp.Expression) -> bool:
    """Whether DataFusion would make up a name from the expression's text."""
    return isinstance(item, exp.AggFunc | exp.Binary | exp.Func | exp.Subquery | exp.Window)


def is_condition(node: exp.Expression) -> bool:
    """Whether a node is a condition that AND and OR alone join to others, where NULL is as good as false."""
    while isinstance(node.parent, exp.And | exp.Or | exp.Paren):
        node = node.parent
    return isinstance(node.parent, exp.Where | exp.Having | exp.Join)


def row_in_query(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`(a, b) IN (SELECT …)` as EXISTS."""
    query, row = node.args.get("query"), node.this
    if query is None or not isinstance(row, exp.Tuple):
        return None
    if not is_condition(node):
        what = (
            "NOT IN of rows" if isinstance(node.find_ancestor(exp.Not, exp.Query), exp.Not) else "IN of rows in a value"
        )
        raise Untranslatable(what, "write EXISTS, or NOT EXISTS, with a condition for each column")
    names = [f"_{i}" for i in range(1, len(row.expressions) + 1)]
    rows = exp.Subquery(
        this=query.unnest().copy(),
        alias=exp.TableAlias(this=exp.to_identifier("_q"), columns=[exp.to_identifier(n) for n in names]),
    )
    tests = [
        exp.EQ(this=exp.column(n, table="_q"), expression=e.copy()) for n, e in zip(names, row.expressions, strict=True)
    ]
    return exp.Exists(this=exp.select("1").from_(rows).where(*tests))


def row_is_null(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """`(a, b) IS NULL` and `IS NOT NULL`, which PostgreSQL says of all of the values, and the engine of the row."""
    row = node.this.unnest() if pair.source == "postgres" else None
    if not isinstance(row, exp.Tuple) or not isinstance(node.expression, exp.Null):
        return None
    tests = [type(node)(**{**node.args, "this": exp.paren(each.copy())}) for each in row.expressions]
    return exp.paren(exp.and_(*tests, copy=False), copy=False)


def semi_join(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """DataFusion says LEFT SEMI and LEFT ANTI, and has no USING there."""
    if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI") and not node.args.get("side"):
        node.set("side", "LEFT")
    return None


def plain_cte(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MATERIALIZED is a hint."""
    node.set("materialized", None)
    return None


def derived_alias(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A subquery in FROM must have a name in PostgreSQL 15."""
    if isinstance(node.parent, exp.From | exp.Join) and isinstance(node.this, exp.Query) and not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier("_s")))
    return None


star_without = refused(
    "`*` with EXCEPT or REPLACE", lambda n: any(n.args.get(key) for key in ("except_", "except", "replace"))
)
no_asof = refused("an ASOF join", lambda n: (n.args.get("method") or "").upper() == "ASOF")
no_lateral = refused("LATERAL over a subquery", lambda n: isinstance(n.this, exp.Subquery))
union_by_name = refused("UNION BY NAME", lambda n: n.args.get("by_name"))


def fetch_first(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """FETCH FIRST as LIMIT."""
    no_ties(node, pair)
    count = node.args.get("count")
    return exp.Limit(expression=count.copy() if count is not None else exp.Literal.number(1))


def no_ties(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """FETCH … WITH TIES, and of a share of the rows."""
    options = node.args.get("limit_options")
    if options is not None and options.args.get("with_ties"):
        raise Untranslatable("FETCH … WITH TIES")
    if options is not None and options.args.get("percent"):
        raise Untranslatable("FETCH … PERCENT")
    return None


RELATIONS: Rules = {
    **of(("snowflake",), {exp.Lateral: (refused("FLATTEN", lambda n: n.find(exp.Kwarg)),)}),
    exp.Union: (union_by_name,),
    exp.Values: (named_values,),
}
