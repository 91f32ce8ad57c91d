"""What MySQL's rules are written with: kinds of values, and the collation that compares texts by their code points.

MySQL turns texts, numbers and times into one another wherever they meet, and compares texts by their columns'
collations, which mostly do not tell cases apart. So a rule must know of what kind its values are.
"""

from __future__ import annotations

from enum import StrEnum

from sqlglot import exp

from flowc.compiler.dialects.mysql import MYSQL
from flowc.compiler.sql.meaning.core import SAID, Rewrite, Test, Untranslatable, always, build, refused, type_of

_TYPE = exp.DataType.Type
_EXACT = MYSQL.compare.binary_order.removeprefix(" COLLATE ")


class Kind(StrEnum):
    """What a value is, as MySQL treats it."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


def said(sql: str, /, **parts: exp.Expression | str | int) -> exp.Expression:
    """An expression in MySQL's own words; `:name` stands for a part."""
    return build(sql, SAID, **parts)


def saying(sql: str, /) -> Rewrite:
    """A rewrite to MySQL's words, in which `:this`, `:expression` … stand for the node's own parts."""
    return lambda node, pair: said(sql, **{k: v for k, v in node.args.items() if isinstance(v, exp.Expression)})


def lacking(what: str, when: Test = always) -> Rewrite:
    """A rewrite that says no, always or where `when` holds for the node."""
    return refused(f"{what}, which MySQL lacks", when)


_BY_TYPE = {
    **dict.fromkeys(exp.DataType.NUMERIC_TYPES, Kind.NUMBER),
    **dict.fromkeys(exp.DataType.TEXT_TYPES, Kind.TEXT),
    **dict.fromkeys(exp.DataType.TEMPORAL_TYPES, Kind.TIME),
    _TYPE.BOOLEAN: Kind.BOOLEAN,
    _TYPE.UUID: Kind.TEXT,
}
_TEXTS = (
    exp.DPipe, exp.Concat, exp.ConcatWs, exp.Upper, exp.Lower, exp.Substring, exp.Trim, exp.Left, exp.Right,
    exp.Replace, exp.Reverse, exp.Repeat, exp.Pad, exp.TimeToStr, exp.GroupConcat, exp.MD5, exp.SplitPart, exp.Collate,
    exp.SubstringIndex, exp.RegexpExtract, exp.RegexpReplace, exp.JSONExtractScalar, exp.Initcap, exp.Chr, exp.Space,
    exp.SHA2, exp.Translate, exp.Stuff,
)  # fmt: skip
_NUMBERS = (
    exp.Count, exp.Sum, exp.Avg, exp.Length, exp.Round, exp.Floor, exp.Ceil, exp.Abs, exp.Sqrt, exp.Pow, exp.Mod,
    exp.IntDiv, exp.Div, exp.Mul, exp.Sign, exp.Trunc, exp.Ln, exp.Log, exp.Exp, exp.Extract, exp.Year, exp.Month,
    exp.Day, exp.Hour, exp.Minute, exp.Second, exp.Quarter, exp.DateDiff, exp.TimestampDiff, exp.DatetimeDiff,
    exp.TsOrDsDiff, exp.StrPosition, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.PercentRank, exp.CumeDist,
    exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop, exp.CountIf, exp.ArraySize,
    exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift,
    exp.ByteLength, exp.Unicode, exp.ApproxDistinct, exp.DayOfWeek, exp.DayOfYear, exp.DayOfMonth, exp.TimeToUnix,
    exp.UnixSeconds, exp.SafeDivide, exp.WidthBucket, exp.DayOfWeekIso, exp.Week, exp.WeekOfYear, exp.Rand, exp.Pi,
)  # fmt: skip
_TIMES = (
    exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub, exp.DatetimeAdd, exp.DatetimeSub, exp.TsOrDsAdd,
    exp.DateTrunc, exp.TimestampTrunc, exp.StrToTime, exp.StrToDate, exp.TsOrDsToDate, exp.CurrentDate, exp.LastDay,
    exp.CurrentTimestamp, exp.UnixToTime, exp.DateFromParts, exp.AddMonths, exp.AtTimeZone, exp.DatetimeTrunc,
)  # fmt: skip
_OF_FIRST = (exp.Paren, exp.Alias, exp.Max, exp.Min, exp.Nullif, exp.Neg, exp.Window, exp.FirstValue, exp.LastValue,
             exp.NthValue, exp.Lag, exp.Lead, exp.AnyValue, exp.Order, exp.Ordered, exp.Filter, exp.IgnoreNulls,
             exp.RespectNulls)  # fmt: skip


def kind_of(node: exp.Expression | None) -> Kind | None:
    """The kind of a value; None when it is not known."""
    if node is None or isinstance(node, exp.Null):
        return None
    if isinstance(node, _TEXTS):
        return Kind.TEXT
    if isinstance(node, exp.Predicate | exp.Not | exp.Connector | exp.Boolean) and not isinstance(
        node, exp.SubqueryPredicate
    ):
        return Kind.BOOLEAN
    kind = type_of(node)
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if isinstance(node, _NUMBERS):
        return Kind.NUMBER
    if isinstance(node, _TIMES):
        return Kind.TIME
    if isinstance(node, _OF_FIRST):
        return kind_of(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return _of_sum(node)
    return _common(_branches(node))


def _of_sum(node: exp.Expression) -> Kind | None:
    left, right = kind_of(node.left), kind_of(node.right)
    if Kind.TIME in (left, right):
        return Kind.NUMBER if left is right else Kind.TIME
    return Kind.NUMBER if left is right is Kind.NUMBER else None


def _branches(node: exp.Expression) -> list[exp.Expression]:
    """Of what values a node gives one."""
    if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Case):
        return [i.args["true"] for i in node.args["ifs"]] + [v for v in (node.args.get("default"),) if v is not None]
    if isinstance(node, exp.If):
        return [v for v in (node.args.get("true"), node.args.get("false")) if v is not None]
    if isinstance(node, exp.Subquery):
        return [node.this]
    if isinstance(node, exp.SetOperation):
        return [node.this, node.expression]
    if isinstance(node, exp.Select) and len(node.expressions) == 1:
        return [node.expressions[0]]
    return []


def _common(values: list[exp.Expression]) -> Kind | None:
    kinds = {kind_of(v) for v in values if not isinstance(v.unnest(), exp.Null)}
    return kinds.pop() if len(kinds) == 1 else None


def exactly(node: exp.Expression) -> exp.Expression:
    """A text with the collation that tells cases and trailing spaces apart."""
    if isinstance(node, exp.Collate) and node.meta.get(SAID):
        return node.copy()
    text = node.copy() if isinstance(node, exp.Literal) else said("CONVERT(:a USING utf8mb4)", a=node)
    new = exp.Collate(this=text, expression=exp.var(_EXACT))
    new.type = exp.DataType.build("TEXT")
    new.meta[SAID] = True
    return new


def compared(node: exp.Expression, what: str) -> exp.Expression | None:
    """A value as it is to be compared or ordered: texts exactly, others as they are (None)."""
    kind = kind_of(node)
    if kind is None and not isinstance(node.unnest(), exp.Null):
        raise Untranslatable(f"{what} a value whose type is not known")
    return exactly(node) if kind is Kind.TEXT else None
