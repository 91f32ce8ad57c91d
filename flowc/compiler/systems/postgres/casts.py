"""Casts on PostgreSQL 15, which has none that may fail."""

from __future__ import annotations

import re
from datetime import date

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Pair, Untranslatable, build, text_value, type_of

_REAL = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\s*$"
_WHOLE = r"^\s*[+-]?\d+\s*$"
_BITS = {exp.DataType.Type.SMALLINT: 15, exp.DataType.Type.INT: 31, exp.DataType.Type.BIGINT: 63}


def no_try(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """PostgreSQL 15 has no cast that may fail; where it cannot fail, a cast does it."""
    to, kind = node.args["to"], type_of(node.this)
    if (
        pair.source in ("spark", "databricks")
        and not node.args.get("safe")
        and node.args.get("requires_string") is None
    ):
        return _plain_cast(node)
    if (kind is not None and kind not in exp.DataType.TEXT_TYPES) or to.this in exp.DataType.TEXT_TYPES:
        return _plain_cast(node)
    value = node.this
    if (text := text_value(value)) is not None:
        return _literal_cast(text, node)
    if (bits := _BITS.get(to.this)) is not None:
        fits = build(f"CAST(:a AS DECIMAL) BETWEEN {-(2**bits)} AND {2**bits - 1}", a=value)
        inner = exp.Case(ifs=[exp.If(this=fits, true=exp.cast(value.copy(), to.copy()))])
        return exp.Case(ifs=[exp.If(this=_matches(value, _WHOLE), true=inner)])
    if to.this not in (exp.DataType.Type.DOUBLE, exp.DataType.Type.DECIMAL) or to.expressions:
        raise Untranslatable(f"a cast to {to.sql()} that may fail")
    return exp.Case(ifs=[exp.If(this=_matches(value, _REAL), true=exp.cast(value.copy(), to.copy()))])


def _literal_cast(text: str, node: exp.Expression) -> exp.Expression:
    """A literal can be judged at once; PostgreSQL would fail while it plans."""
    to = node.args["to"]
    if (bits := _BITS.get(to.this)) is not None:
        fits = re.fullmatch(_WHOLE, text) is not None and -(2**bits) <= int(text) < 2**bits
    elif to.this is exp.DataType.Type.DATE:
        try:
            fits = date.fromisoformat(text) is not None
        except ValueError:
            fits = False
    elif to.this in (exp.DataType.Type.DOUBLE, exp.DataType.Type.DECIMAL):
        fits = re.fullmatch(_REAL, text) is not None
    else:
        raise Untranslatable(f"a cast to {to.sql()} that may fail")
    return _plain_cast(node) if fits else exp.cast(exp.null(), to.copy())


def _plain_cast(node: exp.Expression) -> exp.Expression:
    return exp.Cast(this=node.this.copy(), to=node.args["to"].copy())


def _matches(value: exp.Expression, pattern: str) -> exp.Expression:
    return exp.RegexpLike(this=value.copy(), expression=exp.Literal.string(pattern))


def text_cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """MySQL's CHAR without a length is a text of any length."""
    to = node.args["to"]
    if (
        isinstance(to, exp.DataType)
        and to.this in (exp.DataType.Type.CHAR, exp.DataType.Type.NCHAR)
        and not to.expressions
    ):
        return exp.cast(node.this.copy(), "TEXT")
    return None
