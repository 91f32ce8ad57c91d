"""What MySQL's rules are written with: kinds of values, and the collation that compares texts by their code points.

MySQL turns texts, numbers and times into one another wherever they meet, and compares texts by their columns'
collations, which mostly do not tell cases apart. So a rule must know of what kind its values are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import NATIVE, ZONED_TIMES, Untranslatable, build, text_value, type_of
from flowc.compiler.systems.mysql.dialect import DIALECT

_TYPE = exp.DataType.Type
_EXACT = DIALECT.compare.binary_order.removeprefix(" COLLATE ")


class Kind(StrEnum):
    """What a value is, as MySQL treats it."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


_BY_TYPE = {
    **dict.fromkeys(exp.DataType.NUMERIC_TYPES, Kind.NUMBER),
    **dict.fromkeys((*exp.DataType.TEXT_TYPES, _TYPE.UUID), Kind.TEXT),
    **dict.fromkeys(exp.DataType.TEMPORAL_TYPES, Kind.TIME),
    _TYPE.BOOLEAN: Kind.BOOLEAN,
}
_BY_NODE: dict[type[exp.Expression], Kind] = {
    **dict.fromkeys(
        (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Sum, exp.Avg, exp.Count, exp.Abs, exp.Ceil,
         exp.Floor, exp.Round, exp.Length, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist,
         exp.Ntile),
        Kind.NUMBER,
    ),
    **dict.fromkeys((exp.Upper, exp.Lower, exp.Replace, exp.Concat, exp.Collate), Kind.TEXT),
}  # fmt: skip
"""Of what passes, whatever is in it."""


def said(sql: str, /, **parts: exp.Expression | str | int) -> exp.Expression:
    """An expression in MySQL's own words; `:name` stands for a part."""
    return build(sql, NATIVE, **parts)


def kind_of(node: exp.Expression) -> Kind | None:
    """The kind of a value; None when it is not known."""
    is_test = isinstance(node, exp.Predicate | exp.Not | exp.Connector | exp.Boolean)
    if is_test and not isinstance(node, exp.SubqueryPredicate):
        return Kind.BOOLEAN
    known = type_of(node)
    kind = _BY_NODE.get(type(node)) if known is None else _BY_TYPE.get(known)
    return kind or _common(branches(node))


def _common(values: Sequence[exp.Expression]) -> Kind | None:
    kinds = kinds_of(values)
    return kinds.pop() if len(kinds) == 1 else None


def branches(node: exp.Expression) -> list[exp.Expression]:
    """Of what values a node gives one."""
    if isinstance(node, exp.Case):
        values = [*(branch.args.get("true") for branch in node.args["ifs"]), node.args.get("default")]
    elif isinstance(node, exp.If):
        values = [node.args.get("true"), node.args.get("false")] if not isinstance(node.parent, exp.Case) else []
    elif isinstance(node, exp.SetOperation):
        values = [node.this, node.expression]
    elif isinstance(node, exp.Select):
        values = node.expressions if len(node.expressions) == 1 else []
    else:
        values = [node.this, *node.expressions] if isinstance(node, _OF_PARTS) else []
    return [value for value in values if value is not None]


_OF_PARTS = (exp.Paren, exp.Alias, exp.Max, exp.Min, exp.Nullif, exp.Neg, exp.Window, exp.FirstValue, exp.LastValue,
             exp.Lag, exp.Lead, exp.Subquery, exp.Coalesce, exp.Greatest, exp.Least)  # fmt: skip


def kinds_of(values: Sequence[exp.Expression]) -> set[Kind | None]:
    """The kinds of values, but for NULL."""
    return {kind_of(value) for value in values if not isinstance(value.unnest(), exp.Null)}


def exactly(node: exp.Expression, *, is_text: bool | None = None) -> exp.Expression:
    """A value as it is to be compared or ordered: a text with the collation that tells cases and blanks apart."""
    if isinstance(node, exp.Collate) or not (kind_of(node) is Kind.TEXT if is_text is None else is_text):
        return node
    text = node.copy() if isinstance(node, exp.Literal) else said("CONVERT(:a USING utf8mb4)", a=node)
    new = exp.Collate(this=text, expression=exp.var(_EXACT))
    marks.SETTLED.put(new)
    return new


def compared(node: exp.Expression, what: str) -> exp.Expression:
    """A value as it is to be compared, whose kind must be known."""
    if None in kinds_of([node]):
        raise Untranslatable(f"{what} a value whose type is not known")
    return exactly(node)


def compare(values: Sequence[exp.Expression], what: str) -> None:
    """Gives one text among values that are compared the exact collation; refuses what is not alike."""
    known = [value for value in values if not isinstance(value.unnest(), exp.Null)]
    kinds = kinds_of(known)
    if Kind.TIME in kinds and kinds <= {Kind.TIME, Kind.TEXT}:
        _read_as_times(known)
    elif None in kinds or (len(kinds) > 1 and kinds != {Kind.BOOLEAN, Kind.NUMBER}):
        raise Untranslatable(f"{what} values of different types, or of types that are not known")
    elif kinds == {Kind.TEXT}:
        best = next((v for v in known if isinstance(v, exp.Literal)), known[0])
        best.replace(exactly(best))


def _read_as_times(values: Sequence[exp.Expression]) -> None:
    """Reads the literals among times as the times that they are."""
    types = {type_of(value) or _TYPE.TIMESTAMP for value in values if text_value(value) is None}
    kind = next((each for each in types if each is not _TYPE.DATE), _TYPE.DATE)
    for value in values:
        if (text := text_value(value)) is not None:
            value.replace(literal_time(text, kind))
        elif kind_of(value) is Kind.TEXT:
            raise Untranslatable("the comparison of a time with a text that is not a literal")


_TIME = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(Z|[+-]\d\d(?::?\d\d)?)?)?"


def literal_time(text: str, kind: exp.DataType.Type) -> exp.Expression:
    """A literal as a date or time of MySQL's, an instant in UTC."""
    form = re.fullmatch(_TIME, text)
    try:
        if form is None or (form[1] and kind not in ZONED_TIMES) or (kind is _TYPE.DATE and len(text) != 10):
            raise ValueError
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo is not None else moment
    except (ValueError, OverflowError):
        raise Untranslatable(f"`{text}` as a {kind.value.lower()}") from None
    if kind is _TYPE.DATE:
        return said("CAST(:a AS DATE)", a=text)
    return said("CAST(:a AS DATETIME(6))", a=moment.isoformat(" "))
