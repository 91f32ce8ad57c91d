"""What MySQL and MariaDB compute and how they spell it: what one of them lacks, or reads otherwise, is not used.

MySQL compares texts by the collation of each column, turns values of all types into one another, and changes what does
not fit with a warning. So only what is known to mean the same passes: a node that no rule has put in MySQL's words, and
that is not in the table of what every engine computes alike, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from flowc.compiler.sql.meaning.core import OURS, SAID, Rewrite, Rules
from flowc.compiler.sql.meaning.dates import DATES, DIFFERENCES, SHIFTS, date_difference
from flowc.compiler.sql.meaning.mysql_casts import cast, try_cast
from flowc.compiler.sql.meaning.mysql_compared import COMPARED, by_ordinal
from flowc.compiler.sql.meaning.mysql_dates import (
    arithmetic,
    as_moment,
    at_zone,
    date_add,
    extract,
    format,
    from_epoch,
    from_parts,
    now,
    parsed,
    part,
    to_date,
    truncate,
)
from flowc.compiler.sql.meaning.mysql_json import array_size, contains, json_array, json_object, scalar
from flowc.compiler.sql.meaning.mysql_json import extract as json_extract
from flowc.compiler.sql.meaning.mysql_numbers import (
    average,
    bits,
    divide,
    greatest,
    log,
    numbers_only,
    round_,
    total,
    trunc,
    whole,
)
from flowc.compiler.sql.meaning.mysql_patterns import PATTERNS
from flowc.compiler.sql.meaning.mysql_queries import (
    filtered,
    nvl2,
    offset_alone,
    offset_of_row,
    one_key,
    qualified,
    rollup,
)
from flowc.compiler.sql.meaning.mysql_texts import TEXTS
from flowc.compiler.sql.meaning.mysql_words import Kind, kind_of, lacking, said, saying
from flowc.compiler.sql.meaning.relations import all_columns, derived_alias, fetch_first, plain_cte, star_without


def _unless_said(rules: Rules) -> Rules:
    """The rules for nodes that are not in MySQL's words already."""

    def guarded(rewrite: Rewrite) -> Rewrite:
        return lambda node, pair: None if node.meta.get(SAID) else rewrite(node, pair)

    return {kind: tuple(guarded(r) for r in rewrites) for kind, rewrites in rules.items()}


_QUERIES: Rules = {
    exp.Select: (all_columns, by_ordinal, qualified),
    exp.Filter: (filtered,),
    exp.Group: (rollup,),
    exp.Fetch: (fetch_first,),
    exp.Nvl2: (nvl2,),
    exp.ToDouble: (lambda n, p: exp.cast(n.this.copy(), "DOUBLE"),),
    exp.CTE: (plain_cte,),
    exp.Subquery: (derived_alias,),
}
_DIFFERENCES: Rules = {
    **dict.fromkeys(DIFFERENCES, (date_difference,)),
    exp.MonthsBetween: DATES[exp.MonthsBetween],
    exp.UnixSeconds: DATES[exp.UnixSeconds],
    exp.UnixMillis: DATES[exp.UnixMillis],
    exp.TimeToUnix: DATES[exp.TimeToUnix],
}
"""What can be said by parts of dates, which the next table spells."""


_SPELLED: Rules = {
    **TEXTS,
    **PATTERNS,
    **dict.fromkeys(SHIFTS, (date_add,)),
    exp.Cast: (cast,),
    exp.TryCast: (try_cast,),
    exp.Add: (arithmetic,),
    exp.Sub: (arithmetic,),
    exp.Mul: (numbers_only,),
    exp.Neg: (numbers_only,),
    exp.Mod: (numbers_only,),
    exp.Div: (divide,),
    exp.IntDiv: (whole,),
    exp.Round: (round_,),
    exp.Trunc: (trunc,),
    exp.Log: (log,),
    exp.Avg: (average,),
    exp.Sum: (total,),
    exp.Greatest: (greatest,),
    exp.Least: (greatest,),
    exp.BitwiseAnd: (bits("&"),),
    exp.BitwiseOr: (bits("|"),),
    exp.BitwiseXor: (bits("^"),),
    exp.BitwiseLeftShift: (bits("<<"),),
    exp.BitwiseRightShift: (bits(">>"),),
    exp.BitwiseNot: (bits("~"),),
    exp.SafeDivide: (lambda n, p: said("(CAST(:a AS DOUBLE) / :b)", a=n.this, b=n.expression),),
    exp.Extract: (extract,),
    **{
        kind: (part(name),)
        for kind, name in (
            (exp.Year, "YEAR"),
            (exp.Month, "MONTH"),
            (exp.Day, "DAY"),
            (exp.DayOfMonth, "DAY"),
            (exp.Hour, "HOUR"),
            (exp.Minute, "MINUTE"),
            (exp.Quarter, "QUARTER"),
            (exp.DayOfYear, "DOY"),
            (exp.DayOfWeekIso, "ISODOW"),
        )
    },
    exp.Second: (saying("SECOND(:this)"),),
    exp.TimestampTrunc: (truncate,),
    exp.DateTrunc: (truncate,),
    exp.TsOrDsToDate: (to_date,),
    **dict.fromkeys((exp.TimeStrToTime, exp.TsOrDsToTimestamp), (as_moment,)),
    exp.TimeToStr: (format,),
    exp.StrToTime: (parsed("TIMESTAMP"),),
    exp.StrToDate: (parsed("DATE"),),
    exp.UnixToTime: (from_epoch,),
    exp.AtTimeZone: (at_zone,),
    exp.ConvertTimezone: (lacking("a change of time zones"),),
    exp.DateFromParts: (from_parts,),
    exp.CurrentTimestamp: (now,),
    exp.CountIf: (lambda n, p: said("COUNT(CASE WHEN :a THEN 1 END)", a=n.this),),
    exp.LogicalAnd: (saying("MIN(:this)"),),
    exp.LogicalOr: (saying("MAX(:this)"),),
    exp.AnyValue: (saying("MIN(:this)"),),
    exp.ApproxDistinct: (saying("COUNT(DISTINCT :this)"),),
    exp.JSONExtract: (json_extract,),
    exp.JSONExtractScalar: (scalar,),
    exp.ParseJSON: (lambda n, p: n.this.copy(),),
    exp.JSONObject: (json_object,),
    exp.Array: (json_array,),
    exp.ArraySize: (array_size,),
    exp.ArrayContains: (contains,),
    exp.Star: (star_without,),
    exp.Select: (offset_alone,),
    exp.Window: (one_key, offset_of_row),
    exp.WindowSpec: (
        lacking(
            "such a frame", lambda n: n.args.get("exclude") or n.find(exp.Interval) or n.args.get("kind") == "GROUPS"
        ),
    ),
    exp.NthValue: (lacking("NTH_VALUE from the end", lambda n: n.args.get("from_first") is False),),
    exp.Count: (lacking("COUNT of distinct rows", lambda n: n.find(exp.Tuple)),),
    exp.Lateral: (lacking("LATERAL"),),
    exp.Unnest: (lacking("the elements of arrays as rows"),),
    exp.Xor: (saying("((:this) <> (:expression))"),),
}

RULES: Sequence[Rules] = tuple(_unless_said(r) for r in (_QUERIES, COMPARED, _DIFFERENCES, _SPELLED))

_PLAIN: frozenset[type[exp.Expression]] = frozenset((
    exp.Select, exp.From, exp.Table, exp.TableAlias, exp.Column, exp.Identifier, exp.Alias, exp.Star, exp.Where,
    exp.Paren, exp.And, exp.Or, exp.Not, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Is, exp.Having, exp.Group,
    exp.Case, exp.If, exp.Coalesce, exp.Count, exp.Join, exp.Subquery, exp.With, exp.CTE, exp.Limit, exp.Offset,
    exp.Exists, exp.Order, exp.Ordered, exp.Distinct, exp.Tuple, exp.Values, exp.Window, exp.WindowSpec, exp.Rollup,
    exp.Union, exp.Intersect, exp.Except, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Any, exp.All, exp.Nullif, exp.Greatest, exp.Least, exp.Var,
    exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Sum, exp.Avg, exp.Min, exp.Max,
    exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop, exp.GroupConcat,
    exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead,
    exp.FirstValue, exp.LastValue, exp.NthValue,
    exp.Abs, exp.Ceil, exp.Floor, exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Sign, exp.Pi,
    exp.Upper, exp.Lower, exp.Replace, exp.Reverse, exp.Repeat, exp.Pad, exp.Left, exp.Right, exp.Substring, exp.Trim,
    exp.MD5, exp.SHA2, exp.Space, exp.SubstringIndex, exp.CurrentDate, exp.Hint,
))  # fmt: skip
"""Nodes that MySQL computes as the other engines do, or that the rules above have put so that it does."""

_OF_NUMBERS = (exp.Abs, exp.Ceil, exp.Floor, exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Sign, exp.Stddev, exp.StddevSamp,
               exp.StddevPop, exp.Variance, exp.VariancePop)  # fmt: skip
_OF_TEXTS = (exp.Upper, exp.Lower, exp.Replace, exp.Reverse, exp.Repeat, exp.Pad, exp.Left, exp.Right, exp.Substring,
             exp.Trim, exp.MD5, exp.SHA2)  # fmt: skip


def unknown_in_mysql(node: exp.Expression) -> str | None:
    """Why a node, itself and not what is in it, is not known to mean the same in MySQL; None where it is."""
    if node.meta.get(SAID) or node.meta.get(OURS) or type(node) is exp.Identifier:
        return None
    if type(node) not in _PLAIN:
        return None if isinstance(node, exp.Anonymous) else f"`{node.key}`"
    if isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        return "a test of truth"
    if isinstance(node, _OF_NUMBERS) and kind_of(node.this) is not Kind.NUMBER:
        return f"`{node.key}` of what is not known to be a number"
    if isinstance(node, _OF_TEXTS) and kind_of(node.this) is not Kind.TEXT:
        return f"`{node.key}` of what is not known to be a text"
    return None
