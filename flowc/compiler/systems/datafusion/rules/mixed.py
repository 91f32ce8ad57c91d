"""Values of types that PostgreSQL does not bring together, which DataFusion would cast in silence: refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import COMPARISONS, Pair, Rules, Untranslatable, type_of
from flowc.compiler.sql.rewrite.numbers import values_of

_TYPE = exp.DataType.Type
_FAMILIES = (
    exp.DataType.NUMERIC_TYPES,
    exp.DataType.TEXT_TYPES,
    {_TYPE.DATE, _TYPE.TIMESTAMP, _TYPE.TIMESTAMPNTZ, _TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ, _TYPE.DATETIME},
    {_TYPE.BOOLEAN},
)
_MEND = "CAST one of them to the type of the other"


def _refuse_mixed(values: Sequence[exp.Expression], what: str) -> None:
    """Refuses values of several families; a text between quotes takes the type of what is beside it."""
    found: dict[int, str] = {}
    for value in map(exp.Expression.unnest, values):
        kind = None if isinstance(value, exp.Literal) and value.is_string else type_of(value)
        for place, family in enumerate(_FAMILIES):
            if kind in family:
                found.setdefault(place, str(kind.value).lower() if kind is not None else "")
    if len(found) > 1:
        first, second, *_ = found.values()
        raise Untranslatable(f"{what} of {first} and {second}, which PostgreSQL does not have", _MEND)


def _read(values: Sequence[exp.Expression], widest: Sequence[exp.DataType.Type] = ()) -> None:
    """Reads texts between quotes as what is beside them: DataFusion makes texts of all, or reads them otherwise."""
    if not any(map(_is_text, values)):
        return
    kinds = [type_of(value) for value in values if not _is_text(value)]
    for kind in widest or (*_WIDEST, *_TEMPORAL):
        if kind in kinds and all(each is None or each in _READ for each in kinds):
            for value in filter(_is_text, values):
                value.replace(_as(value, kind))
            return


def _is_text(value: exp.Expression) -> bool:
    bare = value.unnest()
    return isinstance(bare, exp.Literal) and bare.is_string


def _as(value: exp.Expression, kind: exp.DataType.Type) -> exp.Expression:
    text = value.unnest().name.strip()
    if kind is _TYPE.DECIMAL and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        number = exp.Literal.number(text.lstrip("-"))
        return exp.Neg(this=number) if text.startswith("-") else number
    if kind is _TYPE.UUID:
        return _uuid(text)
    new = exp.cast(value.unnest().copy(), exp.DataType(this=kind))
    new.type = exp.DataType(this=kind)
    return new


def _uuid(text: str) -> exp.Expression:
    """A UUID in the one form that its values have: they are texts to the engine."""
    digits = re.sub(r"(?<=[0-9a-f]{4})-(?=[0-9a-f])", "", text.lower().removeprefix("{").removesuffix("}"))
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise Untranslatable(f"`{text}` as a uuid", "write it as `00000000-0000-0000-0000-000000000000`")
    return exp.Literal.string(str(UUID(digits)))


_WIDEST = (_TYPE.DOUBLE, _TYPE.FLOAT, _TYPE.DECIMAL, _TYPE.BIGINT, _TYPE.INT, _TYPE.SMALLINT, _TYPE.BOOLEAN)
_TEMPORAL = (
    _TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ, _TYPE.TIMESTAMP, _TYPE.TIMESTAMPNTZ, _TYPE.DATETIME, _TYPE.DATE, _TYPE.TIME,
    _TYPE.INTERVAL, _TYPE.UUID,
)  # fmt: skip
_COMPARED = (*_TEMPORAL, _TYPE.BOOLEAN)
_READ = frozenset((*_WIDEST, *_TEMPORAL, _TYPE.NULL))


def _compared(node: exp.Expression, pair: Pair) -> None:
    _pair([node.this, node.expression])


def _pair(values: Sequence[exp.Expression]) -> None:
    _refuse_mixed(values, "a comparison")
    _read(values, _COMPARED)


def _listed(node: exp.Expression, pair: Pair) -> None:
    for value in node.expressions:
        _refuse_mixed([node.this, value], "a comparison")
    if node.expressions:
        _read([node.this, *node.expressions], _COMPARED)


def _between(node: exp.Expression, pair: Pair) -> None:
    for key in ("low", "high"):
        _pair([node.this, node.args[key]])


def _together(node: exp.Expression, pair: Pair) -> None:
    _refuse_mixed(values_of(node), node.key.upper())
    _read(values_of(node))
    if isinstance(node, exp.Case) and node.this is not None:
        for branch in node.args["ifs"]:
            _pair([node.this, branch.this])


def _united(node: exp.Expression, pair: Pair) -> None:
    left, right = (_columns(side) for side in (node.this, node.expression))
    if len(left) == len(right):
        for values in zip(left, right, strict=True):
            _refuse_mixed(values, f"{node.key.upper()}")
            _read(values)


def _columns(query: exp.Expression) -> list[exp.Expression]:
    query = query.unnest()
    if isinstance(query, exp.SetOperation):
        return _columns(query.this)
    return [column.unalias() for column in query.expressions] if isinstance(query, exp.Select) else []


def _rows(node: exp.Expression, pair: Pair) -> None:
    for values in zip(*(row.expressions for row in node.expressions), strict=False):
        _read(values, _TEMPORAL)


def _elements(node: exp.Expression, pair: Pair) -> None:
    _read(node.expressions, _TEMPORAL)


def _default(node: exp.Expression, pair: Pair) -> None:
    if (default := node.args.get("default")) is not None:
        _read([node.this, default], _TEMPORAL)


def _moved(node: exp.Expression, pair: Pair) -> None:
    """A text beside a time is another to subtract, or what it is moved by; beside an interval it is one."""
    for text, other in ((node.expression, node.this), (node.this, node.expression)):
        kind = type_of(other)
        if _is_text(text) and kind in _TEMPORAL and not _is_text(other):
            moves = isinstance(node, exp.Add) and kind not in (_TYPE.DATE, _TYPE.TIME)
            text.replace(_as(text, _TYPE.INTERVAL if moves else kind))


MIXED: Rules = {
    exp.Values: (_rows,),
    exp.Array: (_elements,),
    **dict.fromkeys((exp.Lag, exp.Lead), (_default,)),
    **dict.fromkeys((exp.Add, exp.Sub), (_moved,)),
    **dict.fromkeys((*COMPARISONS, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif), (_compared,)),
    **dict.fromkeys((exp.Case, exp.Coalesce, exp.Greatest, exp.Least), (_together,)),
    **dict.fromkeys((exp.Union, exp.Except, exp.Intersect), (_united,)),
    exp.In: (_listed,),
    exp.Between: (_between,),
}
"""Before any of the author's words is reworded."""
