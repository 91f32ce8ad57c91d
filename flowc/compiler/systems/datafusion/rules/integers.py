"""Integers of less than 64 bits on DataFusion: what PostgreSQL computes in them fits them, or is an error.

DataFusion takes every whole number that is written for one of 64 bits, and so does flowc's arithmetic, so a CAST around
a computation says what it has to fit. `runtime/engine/arithmetic` computes both in one step.
"""

from __future__ import annotations

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import Pair, Rules, build, integer_value, typed
from flowc.compiler.sql.rewrite.numbers import EXACT
from flowc.compiler.sql.types.exprtypes import COUNTS, NAMED_COUNTS
from flowc.loadplan import LONG_CHAIN

_TYPE = exp.DataType.Type
_BITS = {_TYPE.SMALLINT: 16, _TYPE.INT: 32}
_COMPUTED = (exp.Add, exp.Sub, exp.Mul)


def _fitting(node: exp.Expression, pair: Pair) -> None:
    kind = _kind(node)
    if kind is None or pair.source not in EXACT:
        return
    if isinstance(node, exp.Div) and integer_value(node.expression) not in (None, -1):
        return
    if isinstance(node, exp.Neg) and isinstance(node.this.unnest(), exp.Literal):
        return
    if isinstance(node, _COMPUTED) and (place := _place(node, kind)) is not None:
        if place == _TOP:
            # Two CASTs say that all steps of a long chain have to fit, which one around each would nest too deeply.
            _around(node, kind)
            _around(node.parent, kind)
        return
    if isinstance(node.parent, exp.Cast) and node.parent.to.this is kind:
        return
    value = _value(node)
    if value is None or not -(2 ** (_BITS[kind] - 1)) <= value < 2 ** (_BITS[kind] - 1):
        _around(node, kind)


_TOP, _LINK, _SHORT = "top", "link", "short"


def _place(node: exp.Expression, kind: exp.DataType.Type) -> str | None:
    """Where in a long chain of computations of one type a node stands; None where it is in none."""
    if not marks.CHAIN.has(node):
        # The innermost comes first, and tells all of its chain.
        steps = [node]
        while _is_step(steps[-1].parent, kind) and steps[-1].parent.this is steps[-1]:
            steps.append(steps[-1].parent)
        for step in steps:
            marks.CHAIN.set(step, _LINK if len(steps) > LONG_CHAIN else _SHORT)
        if len(steps) > LONG_CHAIN:
            marks.CHAIN.set(steps[-1], _TOP)
    place = marks.CHAIN.of(node)
    return None if place == _SHORT else place


def _is_step(node: exp.Expression | None, kind: exp.DataType.Type) -> bool:
    return isinstance(node, _COMPUTED) and _kind(node) is kind


def _kind(node: exp.Expression) -> exp.DataType.Type | None:
    kind = node.type.this if node.type is not None else None
    return exp.DataType.Type(kind) if kind in _BITS else None


def _value(node: exp.Expression) -> int | None:
    """What literals alone make; None for anything else."""
    node = node.unnest()
    if not isinstance(node, _COMPUTED):
        return integer_value(node)
    left, right = _value(node.left), _value(node.right)
    if left is None or right is None:
        return None
    return left + right if isinstance(node, exp.Add) else left - right if isinstance(node, exp.Sub) else left * right


def _counted(node: exp.Expression, pair: Pair) -> None:
    """What counts and places are is an `integer` in PostgreSQL; DataFusion has other types for it, with no sign too."""
    inner = node.this if isinstance(node, exp.Window) else node
    named = isinstance(inner, exp.Anonymous) and str(inner.this).lower() in NAMED_COUNTS
    counts = named or isinstance(inner, (*COUNTS, *_RANKS))
    if not counts or isinstance(node.parent, exp.Window):
        return
    if _kind(node) is _TYPE.INT:
        _around(node, _TYPE.INT)
    elif isinstance(node, exp.Window) and isinstance(inner, _RANKS):
        _around(node, _TYPE.BIGINT)


_RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank)
"""A `bigint` in PostgreSQL; without a sign on the engine, whose quotients of such numbers have places."""


def _around(node: exp.Expression, kind: exp.DataType.Type) -> None:
    """Puts a CAST around a node as it stands: a copy at each step of a long sum would take long."""
    cast = typed(exp.Cast(to=exp.DataType.build(kind)), kind)
    node.replace(cast)
    cast.set("this", node)


def _shifted(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Bits that leave the left end are gone, and the number of places is one below 32."""
    kind = _kind(node)
    if kind is None:
        return None
    if isinstance(node, exp.BitwiseRightShift):
        return build(f"CAST((CAST(:a AS INT) >> (:b & 31)) AS {kind.value})", a=node.this, b=node.expression)
    half = 2 ** (_BITS[kind] - 1)
    wide = f"((((CAST(:a AS BIGINT) << (:b & 31)) + {half}) & {2 * half - 1}) - {half})"
    return build(f"CAST({wide} AS {kind.value})", a=node.this, b=node.expression)


INTEGERS: Rules = {
    **dict.fromkeys((*COUNTS, exp.Anonymous, exp.Window), (_counted,)),
    **dict.fromkeys((*_COMPUTED, exp.Div, exp.Neg), (_fitting,)),
    **dict.fromkeys((exp.BitwiseLeftShift, exp.BitwiseRightShift), (_shifted,)),
}
