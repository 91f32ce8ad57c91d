"""What is written in another dialect and means the same on MySQL and MariaDB; all else is to be written for them.

MySQL compares texts by the collation of each column, turns values of all types into one another, and changes what does
not fit with a warning. So only what is known to mean the same passes: a node that no rule has put in MySQL's words, and
that is not in the table of what every engine computes alike, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import (
    COMPARISONS,
    INTEGERS,
    NAIVE_TIMES,
    NATIVE,
    ZONED_TIMES,
    Answer,
    Engine,
    Pair,
    Rules,
    Untranslatable,
    integer_value,
    is_integer,
    negated,
    refused,
    text_value,
    type_of,
)
from flowc.compiler.sql.rewrite.dateparts import named_by_node
from flowc.compiler.sql.rewrite.failures import FAILURES, fails
from flowc.compiler.sql.rewrite.numbers import QUOTIENTS
from flowc.compiler.sql.rewrite.relations import (
    derived_alias,
    fetch_first,
    group_by_all,
    order_by_all,
    plain_cte,
    star_without,
)
from flowc.compiler.systems.mysql.words import (
    Kind,
    branches,
    compare,
    compared,
    exactly,
    kind_of,
    kinds_of,
    literal_time,
    said,
)

_TYPE = exp.DataType.Type
_ALL_ROWS = 18446744073709551615
_BOUNDS = {_TYPE.TINYINT: 2**7, _TYPE.SMALLINT: 2**15, _TYPE.INT: 2**31, _TYPE.BIGINT: 2**63}


def _compared(node: exp.Expression, pair: Pair) -> None:
    """Comparisons, BETWEEN, IN, NULLIF, GREATEST, LEAST, MIN and MAX."""
    if any(node.args.get(key) for key in ("unnest", "field", "ignore_nulls")):
        raise Untranslatable("IN an array, and GREATEST and LEAST that skip NULL, which MySQL lacks")
    value, query = node.this, node.args.get("query")
    if isinstance(value, exp.Distinct):
        value = value.expressions[0]
    others = [node.args[key] for key in ("expression", "low", "high") if node.args.get(key) is not None]
    compare([value, *others, *node.expressions], f"`{node.key}` of")
    if query is not None and (kind_of(value) is not kind_of(query) or query.find(exp.Window)):
        raise Untranslatable("IN rows of windows, or of values of different types, or of types that are not known")


def _chosen_from(node: exp.Expression, pair: Pair) -> None:
    """The values that CASE and COALESCE choose from, and those that `CASE x WHEN y` compares."""
    if len(kinds_of(branches(node))) > 1:
        raise Untranslatable(f"`{node.key}` of values of different types, or of types that are not known")
    if isinstance(node, exp.Case) and node.this is not None:
        compare([node.this, *[branch.this for branch in node.args["ifs"]]], "a comparison of")


def _keys(node: exp.Expression, pair: Pair) -> None:
    """PARTITION BY, and DISTINCT inside an aggregate; that of a SELECT is looked at with its columns."""
    key = "partition_by" if isinstance(node, exp.Window) else "expressions"
    if not isinstance(node.parent, exp.Select) or key == "partition_by":
        node.set(key, [compared(value, f"`{node.key}` by") for value in node.args.get(key) or ()])


def _order(node: exp.Expression, pair: Pair) -> None:
    """NULLs are the least values in MySQL: where they are not in the author's dialect, an order by them comes first."""
    keys: list[exp.Expression] = []
    for key in node.expressions:
        value, down, first = key.this, bool(key.args.get("desc")), bool(key.args.get("nulls_first"))
        is_text = isinstance(compared(_chosen(value), "an order by"), exp.Collate)
        if first is down:
            is_null = exp.Is(this=value.copy(), expression=exp.null())
            keys.append(exp.Ordered(this=is_null, desc=first, nulls_first=not first))
        exact = exactly(value, is_text=is_text).copy()
        keys.append(exp.Ordered(this=exact, desc=down, nulls_first=not down))
    node.set("expressions", keys)


def _group(node: exp.Expression, pair: Pair) -> None:
    if any(node.args.get(key) for key in ("cube", "grouping_sets", "rollup", "totals")):
        raise Untranslatable("ROLLUP, CUBE and GROUPING SETS, which MySQL has otherwise")
    for key in node.expressions:
        is_text = isinstance(compared(_chosen(key), "GROUP BY"), exp.Collate)
        if is_text and node.parent is not None and _reads_alone(node.parent.args.get("having"), key.name):
            raise Untranslatable("HAVING by a text that rows are grouped by, and not by an aggregate")
        key.replace(exactly(key, is_text=is_text))


def _reads_alone(having: exp.Expression | None, name: str) -> bool:
    """Whether a column of that name is read outside of an aggregate: once texts are grouped exactly, it is another."""
    columns = having.find_all(exp.Column) if having is not None else ()
    return any(c.name.lower() == name.lower() and c.find_ancestor(exp.AggFunc) is None for c in columns)


def _chosen(key: exp.Expression) -> exp.Expression:
    """What a key stands for: itself, or the column of the query that has its name."""
    query = key.find_ancestor(exp.Query)
    if type_of(key) is not None or not isinstance(key, exp.Column) or key.table or query is None:
        return key
    named = next((s for s in query.selects if s.alias_or_name.lower() == key.name.lower()), None)
    return key if named is None or named is key else named.unalias()


def _by_position(node: exp.Expression, pair: Pair) -> None:
    """Puts for ordinals, and for names in ORDER BY, what they stand for: MySQL takes them only where they are alone."""
    group, order = ([*clause.expressions] if (clause := node.args.get(key)) else [] for key in ("group", "order"))
    for value in [*group, *(key.this for key in order)]:
        place = integer_value(value)
        chosen = _named(value, node) if place is None and isinstance(value.parent, exp.Ordered) else None
        if place is not None:
            chosen = node.selects[place - 1] if 0 < place <= len(node.selects) else exp.Star()
            if chosen.is_star or (isinstance(node, exp.SetOperation) and not chosen.alias_or_name):
                raise Untranslatable("the ordinal of no column that has a name")
        if chosen is not None and isinstance(node, exp.SetOperation):
            name = exp.column(chosen.alias_or_name, quoted=True)
            name.type = chosen.type
            value.replace(name)
        elif chosen is not None:
            value.replace(_alone(chosen.unalias(), node).copy())


def _alone(chosen: exp.Expression, query: exp.Expression) -> exp.Expression:
    """What is put for a name or an ordinal, which MySQL must not read as another one."""
    others = {item.alias.lower() for item in query.selects if isinstance(item, exp.Alias) and item.this != chosen}
    is_other = isinstance(chosen, exp.Column) and not chosen.table and chosen.name.lower() in others
    if is_other or isinstance(chosen.unnest(), exp.Literal):
        raise Untranslatable("an order by a constant, or by a column whose name another one has in the result")
    return chosen


def _named(key: exp.Expression, query: exp.Expression) -> exp.Expression | None:
    """The column of the result that an order names; None where it is by something else."""
    names = {column.name.lower() for column in key.find_all(exp.Column) if not column.table}
    found = [item for item in query.selects if item.alias_or_name.lower() in names]
    alone, unnamed = isinstance(key, exp.Column), [s for s in query.selects if isinstance(s, exp.Case | exp.Cast)]
    others = [item for item in found if not isinstance(item.unalias(), exp.Column) or isinstance(item, exp.Alias)]
    if any(c.name.lower() in names for item in unnamed for c in item.find_all(exp.Column)) or (others and not alone):
        raise Untranslatable("an order by a name that a column of the result may have, and one of a table too")
    if len({item.unalias() for item in found}) > 1:
        raise Untranslatable("an order by a name that several columns have")
    return found[0] if found and alone else None


def _select(node: exp.Expression, pair: Pair) -> None:
    """SELECT DISTINCT, by texts that compare exactly; and an OFFSET, which needs a LIMIT."""
    distinct = node.args.get("distinct")
    if node.args.get("kind") or (distinct is not None and distinct.args.get("on") is not None):
        raise Untranslatable("such a SELECT, which MySQL lacks")
    if distinct is not None:
        _exact_columns(node, "SELECT DISTINCT of")
    if node.args.get("offset") is not None and node.args.get("limit") is None:
        node.set("limit", exp.Limit(expression=exp.Literal.number(_ALL_ROWS)))


def _exact_columns(select: exp.Expression, what: str) -> None:
    """Gives the texts among a query's columns the exact collation."""
    if not isinstance(select, exp.Select) or select.is_star:
        raise Untranslatable(f"{what} a star, or of rows of such a query")
    for item in list(select.expressions):
        exact, name = compared(item.unalias(), what), item.alias_or_name
        if exact is not item.unalias():
            item.replace(exp.alias_(exact, name, quoted=True) if name else exact)


def _set_operation(node: exp.Expression, pair: Pair) -> None:
    """UNION, INTERSECT and EXCEPT compare rows, unless all are kept."""
    keeps_all = isinstance(node, exp.Union) and node.args.get("distinct") is False
    if node.args.get("by_name"):
        raise Untranslatable("UNION BY NAME")
    for side in (node.this.unnest(), node.expression.unnest()):
        if not keeps_all and not isinstance(side, exp.SetOperation):
            _exact_columns(side, f"{node.key.upper()} of")
    _alike([node.this.selects, node.expression.selects])


def _alike(rows: Sequence[Sequence[exp.Expression]]) -> None:
    """Refuses values of different kinds under each other, which MySQL makes texts."""
    if any(len(kinds_of([value.unalias() for value in column])) > 1 for column in zip(*rows, strict=False)):
        raise Untranslatable("values of different types, or of types that are not known, under each other")


def _values(node: exp.Expression, pair: Pair) -> None:
    _alike([row.expressions for row in node.expressions])


def _join(node: exp.Expression, pair: Pair) -> None:
    if node.args.get("side") == "FULL" or node.args.get("method"):
        raise Untranslatable("FULL, ASOF and NATURAL joins, which MySQL or MariaDB has otherwise")
    names = {name.name.lower() for name in node.args.get("using") or ()}
    columns = [c for c in node.root().find_all(exp.Column) if c.name.lower() in names]
    if names and (node.args.get("kind") in ("SEMI", "ANTI") or len(names) > 1 or kinds_of(columns) != {Kind.NUMBER}):
        raise Untranslatable("a join by the names of columns that is not by one that is known to be a number")


def _cast(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Casts never fail in MySQL: what does not fit becomes the nearest value, with a warning."""
    to, value = node.args["to"], node.this
    kind = to.this if isinstance(to, exp.DataType) else None
    known, text, is_time = type_of(value), text_value(value), kind is _TYPE.DATE or kind in NAIVE_TIMES
    if isinstance(value.unnest(), exp.Null):
        return exp.null()
    is_time = is_time and not to.expressions  # the digits of a second
    if text is not None and (is_time or kind in ZONED_TIMES):
        return literal_time(text, kind)
    if is_time and known in (_TYPE.DATE, *NAIVE_TIMES):
        return said(f"CAST(:a AS {'DATE' if kind is _TYPE.DATE else 'DATETIME(6)'})", a=value)
    if kind in (_TYPE.TEXT, _TYPE.VARCHAR) and not to.expressions and (known in INTEGERS or known is _TYPE.DATE):
        return said("CAST(:a AS CHAR)", a=value)
    if kind is _TYPE.DOUBLE and kind_of(value) is Kind.NUMBER:
        return said("CAST(:a AS DOUBLE)", a=value)
    if known in INTEGERS or known is _TYPE.DECIMAL:
        return _exact_number(node, value, to, pair)
    raise Untranslatable(f"a cast to {to.sql()} of such a value")


def _exact_number(node: exp.Expression, value: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    """An integer or a decimal as another one, or an error where that does not hold it."""
    bound, sizes = _BOUNDS.get(to.this), [integer_value(size.this) or 0 for size in to.expressions]
    fits = bound is not None and bound >= _BOUNDS.get(type_of(value), 2**64)
    if not (bound or (to.this is _TYPE.DECIMAL and sizes)) or (not fits and isinstance(node, exp.TryCast)):
        raise Untranslatable(f"a cast to {to.sql()} of such a value")
    if bound is not None:
        number, beyond = "CAST(:a AS SIGNED)", f":a >= {bound - 1}.5 OR :a <= -{bound}.5"
    else:
        digits, places = (*sizes, 0)[:2]
        number = f"CAST(:a AS DECIMAL({digits}, {places}))"
        beyond = f"ABS(ROUND(:a, {places})) >= 1{'0' * (digits - places)}"
    return said(number, a=value if fits else fails(node, value, beyond, "out of range", pair.engine))


def _numbers(node: exp.Expression, pair: Pair) -> None:
    """What MySQL would read a number from, whatever it is."""
    inner = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    values = [inner, *([node.expression] if isinstance(node, exp.Binary) else ())]
    if not kinds_of(values) <= {Kind.NUMBER, Kind.BOOLEAN}:
        raise Untranslatable(f"`{node.key}` of what are not known to be numbers")


def _divide(node: exp.Expression, pair: Pair) -> exp.Expression:
    """As doubles, since MySQL keeps few digits; not where integers may divide to an integer."""
    _numbers(node, pair)
    real = any(type_of(side) in (_TYPE.DECIMAL, *exp.DataType.FLOAT_TYPES) for side in (node.this, node.expression))
    if node.args.get("typed") and not real:
        raise Untranslatable("a division of what may be integers")
    return said("(CAST(:a AS DOUBLE) / :b)", a=node.this, b=node.expression)


def _round(node: exp.Expression, pair: Pair) -> exp.Expression:
    """Of exact numbers, a half goes away from zero everywhere."""
    places = integer_value(node.args.get("decimals") or exp.Literal.number(0))
    exact = is_integer(node.this) or type_of(node.this) is _TYPE.DECIMAL
    if places is None or not exact or node.args.get("truncate"):
        raise Untranslatable("ROUND of what is not known to be an exact number, or to such places")
    return said(f"ROUND(:a, {places})", a=node.this)


def _average(node: exp.Expression, pair: Pair) -> exp.Expression:
    """A mean with all its digits."""
    if isinstance(node.this, exp.Distinct):
        raise Untranslatable("AVG of distinct values")
    _numbers(node, pair)
    return said("AVG(CAST(:a AS DOUBLE))", a=node.this)


def _texts(node: exp.Expression, pair: Pair) -> exp.Expression:
    """LIKE with cases told apart, where nothing is escaped; `||`; and the length in characters."""
    values = [value for value in (node.this, node.args.get("expression")) if value is not None]
    if {kind_of(value) for value in values} != {Kind.TEXT} or node.args.get("binary"):
        raise Untranslatable(f"`{node.key}` of what is not known to be a text")
    if isinstance(node, exp.Length):
        return said("CHAR_LENGTH(:a)", a=node.this)
    if isinstance(node, exp.DPipe):
        return said("CONCAT(:a, :b)", a=node.this, b=node.expression)
    if (
        "\\" in (text_value(node.expression) or "\\")
        or isinstance(node.parent, exp.Escape)
        or pair.source in ("sqlite", "tsql")
    ):
        raise Untranslatable("LIKE of a pattern that is not a literal, or has a backslash or another escape")
    return negated(node, said("(:a LIKE :p)", a=exactly(node.this), p=node.expression))


_QUERIES: Rules = {
    exp.Select: (order_by_all, group_by_all, _by_position),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), (_by_position,)),
    exp.Fetch: (fetch_first,),
    exp.CTE: (plain_cte,),
    exp.Subquery: (derived_alias,),
    exp.Star: (star_without,),
}
_MEANT: Rules = {
    **dict.fromkeys((*COMPARISONS, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In), (_compared,)),
    **dict.fromkeys((exp.Nullif, exp.Greatest, exp.Least, exp.Min, exp.Max), (_compared,)),
    **dict.fromkeys((exp.Case, exp.Coalesce, exp.If), (_chosen_from,)),
    **dict.fromkeys((exp.Distinct, exp.Window), (_keys,)),
    exp.Order: (_order,),
    exp.WindowSpec: (
        refused("such a frame", lambda n: n.args.get("exclude") or n.args.get("kind") == "GROUPS" or _by_values(n)),
    ),
    **dict.fromkeys((exp.Lag, exp.Lead), (refused("a default, which MariaDB lacks", lambda n: n.args.get("default")),)),
    exp.Group: (_group,),
    exp.Select: (_select,),
    exp.TableAlias: (
        refused("names for a subquery's columns", lambda n: n.args.get("columns") and type(n.parent) is exp.Subquery),
    ),
    **dict.fromkeys((exp.Union, exp.Intersect, exp.Except), (_set_operation,)),
    exp.Join: (_join,),
    **dict.fromkeys(
        (exp.Limit, exp.Offset), (refused("such a limit", lambda n: integer_value(n.args.get("expression")) is None),)
    ),
    **dict.fromkeys((exp.Cast, exp.TryCast), (_cast,)),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Mod, exp.Sum), (_numbers,)),
    exp.Div: (_divide,),
    exp.Values: (_values,),
    exp.Having: (refused("a subquery in HAVING", lambda n: n.find(exp.Query)),),
    exp.Round: (_round,),
    exp.Avg: (_average,),
    exp.Count: (refused("COUNT of distinct rows", lambda n: n.find(exp.Tuple)),),
    **dict.fromkeys((exp.Like, exp.DPipe, exp.Length), (_texts,)),
}


def _by_values(spec: exp.Expression) -> bool:
    bounds = (spec.args.get("start"), spec.args.get("end"))
    return spec.args.get("kind") == "RANGE" and any(isinstance(bound, exp.Expression) for bound in bounds)


_PLAIN: frozenset[type[exp.Expression]] = frozenset((
    exp.Select, exp.From, exp.Table, exp.TableAlias, exp.Column, exp.Identifier, exp.Alias, exp.Star, exp.Where,
    exp.Paren, exp.And, exp.Or, exp.Not, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Is, exp.Having, exp.Group,
    exp.Case, exp.If, exp.Coalesce, exp.Count, exp.Join, exp.Subquery, exp.With, exp.CTE, exp.Limit, exp.Offset,
    exp.Exists, exp.Order, exp.Ordered, exp.Distinct, exp.Values, exp.Tuple, exp.Window, exp.WindowSpec, exp.Union,
    exp.Intersect, exp.Except, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.NullSafeEQ,
    exp.NullSafeNEQ, exp.Nullif, exp.Greatest, exp.Least, exp.Var, exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Sum,
    exp.Min, exp.Max, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag,
    exp.Lead, exp.FirstValue, exp.LastValue, exp.Abs, exp.Ceil, exp.Floor, exp.Upper,
    exp.Lower, exp.Replace, exp.CurrentDate, exp.DataType, exp.DataTypeParam,
))  # fmt: skip
"""Nodes that MySQL computes as the other engines do, or that the rules above have put so that it does."""

_OF = {
    **dict.fromkeys((exp.Abs, exp.Ceil, exp.Floor), Kind.NUMBER),
    **dict.fromkeys((exp.Upper, exp.Lower, exp.Replace), Kind.TEXT),
}


def _unknown(node: exp.Expression) -> str | None:
    """Why a node is not known to mean the same in MySQL."""
    if marks.SETTLED.has(node):
        return None
    row = isinstance(node, exp.Tuple) and not isinstance(node.parent, exp.Values)
    if type(node) not in _PLAIN or node.args.get("decimals") or row:
        word = node.name if isinstance(node, exp.Anonymous) else node.key
        return f"`{node.sql_name() if isinstance(node, exp.Func) and not isinstance(node, exp.Anonymous) else word}`"
    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        return "a test of truth"
    if type(node) in _OF and kind_of(node.this) is not _OF[type(node)]:
        return f"`{node.key}` of what is not known to be a {_OF[type(node)]}"
    return None


def _same_names(tree: exp.Expression) -> None:
    """Gives the names of tables the letters with which they are defined, since MySQL tells those apart."""
    defined: dict[str, str] = {}
    for node in tree.find_all(exp.TableAlias, exp.Table):
        if isinstance(node, exp.TableAlias) and node.name:
            defined[node.name.lower()] = node.name
        elif isinstance(node, exp.Table) and not node.alias:
            defined.setdefault(node.name.lower(), node.name)
    for used in tree.find_all(exp.Column, exp.Table):
        mark = used.args.get("table") if isinstance(used, exp.Column) else used.this
        if isinstance(mark, exp.Identifier) and not mark.quoted and mark.name.lower() in defined:
            mark.set("this", defined[mark.name.lower()])


ENGINE = Engine(
    name=NATIVE,
    title="MySQL",
    undefined=Answer.NULL,
    # MySQL has no function for that: a number out of range, which it shows with the words.
    fails="CASE WHEN {0} THEN CHAR_LENGTH(CONCAT('{1}', :a)) + 9223372036854775807 + 1 ELSE :a END",
    escapes_like=True,
    sources=frozenset(("postgres", "datafusion", "duckdb", "spark", "databricks", "bigquery", "snowflake")),
    first=(QUOTIENTS, FAILURES),
    rules=(_QUERIES, _MEANT),
    instead={named_by_node: None},
    doubt=_unknown,
    finish=_same_names,
)
