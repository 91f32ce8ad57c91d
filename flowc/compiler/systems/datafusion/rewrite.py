"""What DataFusion computes and how it spells it."""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.calendar import days_to_next, next_day, to_number
from flowc.compiler.sql.rewrite.core import (
    COMPARISONS,
    MATH_WORDS,
    PLAIN_WORDS,
    ZONED_TIMES,
    Answer,
    Engine,
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    call,
    has_interval,
    integer_value,
    merged,
    negated,
    of,
    refused,
    renamed,
    template,
    text_value,
    type_of,
    typed,
)
from flowc.compiler.sql.rewrite.dates import DATES
from flowc.compiler.sql.rewrite.failures import FAILURES
from flowc.compiler.sql.rewrite.formats import demand_whole, rest_of_time, strftime
from flowc.compiler.sql.rewrite.numbers import EXACT, NUMBERS, SUMS, as_numeric
from flowc.compiler.sql.rewrite.relations import (
    distinct_names,
    fetch_first,
    having_alias,
    in_unnest,
    lateral_view,
    no_asof,
    no_lateral,
    order_by_all,
    plain_cte,
    row_in_query,
    row_is_null,
    semi_join,
    unnest_as_rows,
)
from flowc.compiler.sql.rewrite.texts import contains, ends_with, from_start, is_plain, unmatched
from flowc.compiler.systems.datafusion.rules.arrays import ARRAYS, INDEXES
from flowc.compiler.systems.datafusion.rules.constants import hide_constants
from flowc.compiler.systems.datafusion.rules.correlated import CORRELATED
from flowc.compiler.systems.datafusion.rules.decimals import DECIMALS, as_float
from flowc.compiler.systems.datafusion.rules.floats import FLOATS
from flowc.compiler.systems.datafusion.rules.integers import INTEGERS
from flowc.compiler.systems.datafusion.rules.kinds import KINDS
from flowc.compiler.systems.datafusion.rules.lazy import LAZY
from flowc.compiler.systems.datafusion.rules.members import MEMBERS
from flowc.compiler.systems.datafusion.rules.mixed import MIXED
from flowc.compiler.systems.datafusion.rules.names import NAMES
from flowc.compiler.systems.datafusion.rules.nested import (
    JSON,
    array_size,
    contains_all,
    map_of,
    no_json,
    struct,
    subquery_array,
)
from flowc.compiler.systems.datafusion.rules.parts import PARTS
from flowc.compiler.systems.datafusion.rules.patterns import as_postgres, named, replace
from flowc.compiler.systems.datafusion.rules.places import ANCHORS
from flowc.compiler.systems.datafusion.rules.postgres import PLACES, POSTGRES
from flowc.compiler.systems.datafusion.rules.queries import ORDERS, QUANTIFIED, quantified
from flowc.compiler.systems.datafusion.rules.rows import ROWS
from flowc.compiler.systems.datafusion.rules.spans import SPANS
from flowc.compiler.systems.datafusion.rules.texts import TEXTS as VALUE_TEXTS
from flowc.compiler.systems.datafusion.rules.texts import cast_to_text
from flowc.compiler.systems.datafusion.rules.times import CLOCKS, TIMES, ZONED
from flowc.compiler.systems.datafusion.rules.zones import instant_of, of_no_type, zone_of
from flowc.compiler.systems.postgres.arrays import array_aggregate, comprehension, within_group


def _regexp_extract(node: exp.Expression, pair: Pair) -> exp.Expression:
    if node.args.get("occurrence") is not None and integer_value(node.args["occurrence"]) not in (None, 1):
        raise Untranslatable("a match of a pattern by its number")
    pattern, group = node.args["expression"], integer_value(node.args.get("group")) or 0
    if group == 0:
        text = text_value(pattern)
        if text is None:
            raise Untranslatable("the match of a pattern that is not a literal")
        pattern = exp.Literal.string(f"({text})")
    groups = exp.paren(call("regexp_match", node.this, pattern), copy=False)
    found = exp.Bracket(this=groups, expressions=[exp.Literal.number(max(group, 1))], offset=1)
    return unmatched(node, pair, found)


def _regexp_like(node: exp.Expression, pair: Pair) -> exp.Expression:
    return negated(node, call("regexp_like", node.this, node.expression))


def _cased(name: str) -> Rewrite:
    """Texts in small or capital letters, letter by letter: the engine makes SS of ß."""
    return lambda node, pair: call(name, node.this) if pair.source in EXACT else None


def _to_char(node: exp.Expression, pair: Pair) -> exp.Expression:
    return call("to_char", node.this, exp.Literal.string(strftime(node, pair)))


def _parsed(kind: str) -> Rewrite:
    """A text as date or timestamp. Seconds must be read, so a text without them gets some."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        form, text = demand_whole(strftime(node, pair)), node.this
        to = "TIMESTAMPTZ" if kind == "TIMESTAMP" and pair.source == "postgres" else kind
        if not any(mark in form for mark in ("%H", "%M", "%S", "%I", "%s")):
            day = call("to_date", text, exp.Literal.string(form))
            return day if kind == "DATE" else exp.cast(day, to)
        if rest := rest_of_time(form):
            text = exp.Concat(expressions=[text.copy(), exp.Literal.string(":00" * (len(rest) // 3))])
            form += rest
        read = call("to_timestamp_micros", text, exp.Literal.string(form))
        return exp.cast(call("flowc_time_read", read), to)

    return rewrite


def _to_date(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    return _parsed("DATE")(node, pair) if node.args.get("format") else exp.cast(node.this.copy(), "DATE")


def _like(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """The backslash is the only escape character that works."""
    pattern, escape = text_value(node.this.expression), text_value(node.expression)
    if escape == "\\":
        return None
    if pattern is None or escape is None:
        raise Untranslatable("LIKE with an escape character in a pattern that is not a literal")
    text = pattern.replace("\\", "\\\\")
    if escape:
        text = text.replace(escape * 2, "\0").replace(escape, "\\").replace("\0", escape)
    like = node.this.copy()
    like.set("expression", exp.Literal.string(text))
    return like


def _length(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    kind = type_of(node.this)
    if kind in exp.DataType.ARRAY_TYPES or isinstance(node.this, exp.Split | exp.Array):
        return exp.cast(call("cardinality", node.this), "BIGINT")
    if kind in (exp.DataType.Type.VARBINARY, exp.DataType.Type.BINARY):
        return build("(character_length(encode(:a, 'hex')) / 2)", a=node.this)
    return call("character_length", node.this)


def _set_operation(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if node.args.get("distinct") is False:
        raise Untranslatable(f"{node.key.upper()} ALL, which keeps copies")
    return None


def _column_type(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Casts that DataFusion does otherwise: to a text, to JSON, to a decimal without a scale."""
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType):
        return None
    if to.this in (exp.DataType.Type.JSON, exp.DataType.Type.JSONB):
        return value.copy()
    if to.this is exp.DataType.Type.DECIMAL and pair.source in EXACT:
        return as_numeric(value, to)
    if pair.source in EXACT and (made := as_float(value, to)) is not None:
        return made
    return cast_to_text(node, pair)


def _extreme(direction: str) -> Rewrite:
    order = f"ORDER BY :expression {direction} NULLS LAST"
    return template(f"first_value(:this {order}) FILTER (WHERE NOT :expression IS NULL)")


def _regexp_split(node: exp.Expression, pair: Pair) -> exp.Expression:
    if not is_plain(text_value(node.expression)):
        raise Untranslatable("a split by a pattern, which DataFusion lacks")
    return call("string_to_array", node.this, node.expression)


def _from_epoch(node: exp.Expression, pair: Pair) -> exp.Expression:
    scale, zoned = integer_value(node.args.get("scale")) or 0, pair.source in ("postgres", "bigquery")
    name = {0: "to_timestamp_seconds", 3: "to_timestamp_millis", 6: "to_timestamp_micros"}.get(scale)
    if name is None:
        raise Untranslatable(f"a timestamp of 10^-{scale} seconds")
    if scale == 0 and type_of(node.this) not in exp.DataType.INTEGER_TYPES:
        micros = build("CAST(ROUND(CAST(:a AS DOUBLE) * 1000000) AS BIGINT)", a=node.this)
        return exp.cast(call("to_timestamp_micros", micros), "TIMESTAMPTZ" if zoned else "TIMESTAMP")
    return exp.cast(call(name, node.this), "TIMESTAMPTZ" if zoned else "TIMESTAMP")


def _part(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A part of a struct, which only columns have behind a dot."""
    name = node.expression
    if not isinstance(name, exp.Identifier):
        return None
    field = name.name if name.quoted or pair.source != "postgres" else name.name.lower()
    return exp.Bracket(this=node.this.unnest().copy(), expressions=[exp.Literal.string(field)])


_KEEPS_INSTANT = ("trino", "presto", "athena", "tsql")
"""Dialects in which AT TIME ZONE of an instant is that instant; in the others it is what a clock there shows."""


def _at_zone(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """An instant as a clock of the zone shows it; what a clock shows as an instant."""
    kind, zone = type_of(node.this), text_value(node.args.get("zone"))
    if kind is None:
        mend = "say what it is: `CAST(… AS timestamptz)`, or `CAST(… AS timestamp)`"
        return of_no_type(node, "AT TIME ZONE of a value whose type is not known", mend)
    if zone is None:
        raise Untranslatable("AT TIME ZONE with a zone that is not a literal")
    if pair.source == "postgres":
        zone = zone_of(zone)
    zoned = kind in ZONED_TIMES or kind is exp.DataType.Type.DATE
    instant = exp.cast(node.this.copy(), "TIMESTAMPTZ") if kind is exp.DataType.Type.DATE else node.this
    there = call("arrow_cast", instant, exp.Literal.string(f'Timestamp(Microsecond, Some("{zone}"))'))
    if pair.source in _KEEPS_INSTANT:
        return typed(there, "timestamptz")
    if not zoned:
        if pair.source == "postgres" and "/" in zone:
            there = instant_of(node.this, zone)
        return exp.cast(there, "TIMESTAMPTZ")  # whose days and hours are those of the session's zone
    return typed(call("to_local_time", there), "timestamp")


def _ranked(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A number of a row as other integers: DataFusion's has no sign, and is divided to a decimal."""
    is_rank = isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank)
    return exp.cast(node.copy(), "BIGINT") if is_rank else None


def _closed(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """IS DISTINCT FROM in parentheses: the engine's parser takes AND and OR behind it for a part of its right side."""
    return None if isinstance(node.parent, exp.Paren) else exp.paren(node.copy(), copy=False)


def _beside_distinct(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A sum beside DISTINCT values: the engine's optimizer would sum it twice, and flowc's sums are of other types."""
    select = None if isinstance(node.parent, exp.Filter | exp.Window) else node.parent_select
    if select is None or isinstance(node.this, exp.Distinct) or not _aggregates_distinct(select):
        return None
    return exp.Filter(this=node.copy(), expression=exp.Where(this=exp.true()))


def _aggregates_distinct(select: exp.Expression) -> bool:
    """Whether an aggregate of a SELECT itself has DISTINCT values; looked for once, however many sums ask."""
    if not marks.HAS_DISTINCT.has(select):
        found = (each for each in select.find_all(exp.Distinct) if isinstance(each.parent, exp.AggFunc))
        marks.HAS_DISTINCT.set(select, any(each.parent_select is select for each in found))
    return marks.HAS_DISTINCT.of(select)


def _comprehension(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    made = comprehension(node)
    return None if made is None else call("array_transform", made.this, made.expression)


def _next_day(node: exp.Expression, pair: Pair) -> exp.Expression:
    days = f"CAST(CAST(:a AS INT) + {days_to_next(node)} AS DATE)"
    return build(days, a=exp.cast(node.this.copy(), "DATE"))


def _to_number(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Rounded before a cast that would cut it."""
    made = to_number(node, pair)
    if not isinstance(made, exp.Cast) or isinstance(made, exp.TryCast):
        return made
    scale = made.to.expressions[1].this
    wide = exp.cast(node.this.copy(), f"DECIMAL(38, {min(int(scale.this) + 6, 30)})")
    return exp.cast(exp.Round(this=wide, decimals=scale.copy()), made.to)


_OWN: Rules = {
    **DATES,
    exp.BitwiseNot: (template("(-1 - :this)"),),
    exp.Window: (_ranked,),
    **dict.fromkeys((exp.NullSafeEQ, exp.NullSafeNEQ), (_closed,)),
    exp.Sum: (_beside_distinct,),
    exp.AtTimeZone: (_at_zone,),
    exp.Dot: (_part,),
    exp.Sign: (renamed("signum"),),
    exp.Lower: (_cased("flowc_lower"),),
    exp.Upper: (_cased("flowc_upper"),),
    exp.RegexpExtract: (
        from_start,
        as_postgres(_regexp_extract, match=True),
    ),
    exp.RegexpLike: (as_postgres(_regexp_like),),
    exp.RegexpILike: (as_postgres(None),),
    exp.RegexpReplace: (as_postgres(replace, match=True),),
    exp.Anonymous: (named,),
    exp.Escape: (_like,),
    exp.Struct: (struct,),
    exp.ToMap: (map_of,),
    exp.VarMap: (lambda n, p: call("map", n.args["keys"], n.args["values"]),),
    exp.ArraySize: (array_size,),
    exp.Length: (_length,),
    exp.ByteLength: (renamed("octet_length"),),
    exp.Fetch: (fetch_first,),
    **dict.fromkeys(COMPARISONS, (quantified,)),
    exp.Except: (_set_operation,),
    exp.Intersect: (_set_operation,),
    **VALUE_TEXTS,
    exp.Cast: (_column_type,),
    **dict.fromkeys(JSON, (no_json,)),
    # Without a double in between, which would cost integers of more than 53 bits their last digits.
    exp.IntDiv: (template("CAST(ROUND((:this - :this % :expression) / :expression) AS BIGINT)"),),
    exp.TimeToStr: (_to_char,),
    exp.ToChar: (_to_char,),
    exp.StrToTime: (_parsed("TIMESTAMP"),),
    exp.StrToDate: (_parsed("DATE"),),
    exp.TsOrDsToDate: (_to_date,),
    exp.ArrayContains: (renamed("array_has"),),
    exp.Split: (renamed("string_to_array"),),
    exp.Transform: (renamed("array_transform"),),
    exp.ArrayFilter: (renamed("array_filter"),),
    exp.ArraySum: (renamed("array_sum"),),
    exp.ArgMax: (_extreme("DESC"),),
    exp.ArgMin: (_extreme("ASC"),),
    exp.ApproxDistinct: (renamed("approx_distinct"),),
    exp.Quantile: (template("percentile_cont(:quantile) WITHIN GROUP (ORDER BY :this)"),),
    exp.Collate: (lambda n, p: n.this.copy() if n.expression.name in ("C", "POSIX", "ucs_basic") else None,),
    exp.UnixToTime: (_from_epoch,),
    exp.Unnest: (unnest_as_rows,),
    exp.Lateral: (lateral_view, no_lateral),
    exp.In: (in_unnest, row_in_query),
    exp.Is: (row_is_null,),
    exp.IgnoreNulls: (array_aggregate,),
    exp.WithinGroup: (within_group,),
    exp.ArrayUniqueAgg: (template("ARRAY_AGG(DISTINCT :this) FILTER (WHERE NOT :this IS NULL)"),),
    exp.RegexpSplit: (_regexp_split,),
    exp.Array: (_comprehension, subquery_array),
    exp.Mul: (refused("a number times an interval", has_interval),),
    exp.First: (renamed("first_value"),),
    exp.Last: (renamed("last_value"),),
    exp.Mode: (refused("MODE"),),
    exp.PercentileDisc: (refused("PERCENTILE_DISC"),),
    exp.CTE: (plain_cte,),
    exp.Join: (no_asof, semi_join),
    exp.Select: (order_by_all, having_alias, distinct_names),
    exp.ArrayContainsAll: (contains_all,),
    exp.Posexplode: (refused("POSEXPLODE"),),
    exp.WindowSpec: (refused("EXCLUDE in a frame", lambda n: n.args.get("exclude")),),
    exp.Explode: (refused("the elements of a series", lambda n: isinstance(n.this, exp.GenerateDateArray)),),
}

_OURS = ("postgres",)
_RULES = merged(
    of(EXACT, ARRAYS), of(_OURS, SPANS), PLACES, of(_OURS, POSTGRES), of(EXACT, NUMBERS), of(EXACT, DECIMALS),
    of(EXACT, FLOATS), CLOCKS, of(_OURS, TIMES), PARTS, _OWN, ROWS,
)  # fmt: skip
"""PostgreSQL's words first, which are what most of the SQL is written in."""

ENGINE = Engine(
    name="datafusion",
    title="flowc's own engine",
    undefined=Answer.FLOAT,
    # A text that is no boolean, which `runtime/enginewords` knows by how it begins; chance keeps it from being computed
    # before it is asked for.
    fails="CASE WHEN ({0}) IS NOT TRUE THEN :a"
    " WHEN CAST('fails: {1}' || left(CAST(random() AS VARCHAR), 0) AS BOOLEAN) THEN :a END",
    fails_at=frozenset((exp.Sqrt,)),
    exact=True,
    cuts=True,
    rounds_away=True,
    skips_null=True,
    joins_numbers=False,
    escapes_like=True,
    first=(
        CORRELATED,
        of(EXACT, {**INDEXES, **MIXED}),
        of(EXACT, NAMES),
        {**QUANTIFIED, **ORDERS, **of(_OURS, ZONED)},
        {**ANCHORS, **MEMBERS, **LAZY},
        KINDS,
        of(EXACT, INTEGERS),
        VALUE_TEXTS,
        SUMS,
        FAILURES,
    ),
    rules=(_RULES,),
    instead={ends_with: None, contains: None, next_day: _next_day, to_number: _to_number},
    named={
        "FIND_IN_SET": lambda a, _: call("find_in_set", *a),
        "REGEXP_MATCH": lambda a, _: call("regexp_match", *a),
        **dict.fromkeys(("JSON_ARRAY_LENGTH", "JSON_LENGTH"), lambda a, _: None),
    },
    portable=PLAIN_WORDS | MATH_WORDS | {"btrim"},
    finish=hide_constants,
)
