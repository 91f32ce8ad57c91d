"""Casts on SQLite, which has few types: what a value becomes is decided here."""

from __future__ import annotations

from datetime import date, datetime

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import (
    NAIVE_TIMES,
    Pair,
    Untranslatable,
    build,
    call,
    integer_value,
    text_value,
    type_of,
)

_DIALECT = "sqlite"
_TYPE = exp.DataType.Type
ZONED = (_TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ)


def canonical(text: str, kind: exp.DataType.Type) -> exp.Expression:
    """A literal as SQLite stores it."""
    try:
        if kind is _TYPE.DATE:
            return exp.Literal.string(date.fromisoformat(text[:10]).isoformat())
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Untranslatable(f"`{text}` as {kind.value.lower()}") from None
    if moment.tzinfo is not None or kind in ZONED:
        raise Untranslatable("an instant with a zone, which SQLite lacks")
    return exp.Literal.string(moment.isoformat(" ", "microseconds"))


def _is_boolean(node: exp.Expression) -> bool:
    inner = node.unnest()
    return isinstance(inner, exp.Predicate | exp.Not | exp.Connector | exp.Boolean) or type_of(inner) is _TYPE.BOOLEAN


def cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast that may not fail."""
    to = node.args["to"]
    if not isinstance(to, exp.DataType):
        return None
    kind, value = to.this, node.this
    if kind is _TYPE.DATE:
        return _to_date(value, pair) if (text := text_value(value)) is None else canonical(text, kind)
    if kind in NAIVE_TIMES or kind in ZONED:
        return _to_time(value, kind)
    if kind is _TYPE.TIME and type_of(value) in exp.DataType.TEXT_TYPES and pair.source not in _NULL_OR_ZERO:
        return _sure(value, "time", pair)
    if kind is _TYPE.BOOLEAN:
        return _to_boolean(value)
    if kind in exp.DataType.TEXT_TYPES:
        return _to_text(value, to)
    if kind is _TYPE.DECIMAL:
        whole = type_of(value) in exp.DataType.INTEGER_TYPES and not to.expressions
        is_read = whole or type_of(value) in exp.DataType.TEXT_TYPES
        number = _sure(value, "double", pair) if is_read else value.copy()
        return _in_range(_rounded(number, to), to, pair)
    if kind in _SURE and not isinstance(value.unnest(), exp.Null):
        return None if _fits(value, kind) else _sure(value, _SURE[kind], pair)
    if kind in (_TYPE.JSON, _TYPE.JSONB):
        return build("JSON(:a)", _DIALECT, a=value)
    if kind in exp.DataType.ARRAY_TYPES or kind in exp.DataType.STRUCT_TYPES:
        raise Untranslatable("nested types, which SQLite lacks")
    return None


_SURE = {
    _TYPE.TINYINT: "tinyint", _TYPE.SMALLINT: "smallint", _TYPE.INT: "integer", _TYPE.BIGINT: "bigint",
    _TYPE.FLOAT: "double", _TYPE.DOUBLE: "double",
}  # fmt: skip
_NULL_OR_ZERO = ("mysql", "sqlite", "spark", "databricks", "hive")
"""Dialects in which a cast that does not fit is none that fails."""


def _sure(value: exp.Expression, kind: str, pair: Pair) -> exp.Expression:
    if pair.source in _NULL_OR_ZERO:
        return exp.cast(value.copy(), "REAL" if kind == "double" else "INTEGER")
    return call("flowc_cast", value, exp.Literal.string(kind))


def _fits(value: exp.Expression, kind: exp.DataType.Type) -> bool:
    """Whether every value of a type is one of another, so that nothing can fail."""
    known = type_of(value)
    if kind in (_TYPE.FLOAT, _TYPE.DOUBLE):
        return known in exp.DataType.NUMERIC_TYPES
    if isinstance(value.unnest(), exp.Literal):
        return known in exp.DataType.INTEGER_TYPES and len(value.unnest().name) < 5
    return known in exp.DataType.INTEGER_TYPES and (kind is _TYPE.BIGINT or known is kind)


def _to_date(value: exp.Expression, pair: Pair) -> exp.Expression:
    if type_of(value) in exp.DataType.TEXT_TYPES and pair.source not in _NULL_OR_ZERO:
        return _sure(value, "date", pair)
    return call("DATE", value)


def _in_range(number: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    """A number of a decimal type, which has so many digits before its point."""
    sizes = [integer_value(part.this) for part in to.expressions]
    if None in sizes:
        raise Untranslatable("a type whose size is not a number")
    if not sizes or pair.source in _NULL_OR_ZERO:
        return number
    digits = (sizes[0] or 0) - ((sizes[1] or 0) if len(sizes) > 1 else 0)
    return call("flowc_digits", number, exp.Literal.number(digits))


def _to_time(value: exp.Expression, kind: exp.DataType.Type) -> exp.Expression:
    text, known = text_value(value), type_of(value)
    if text is not None:
        return canonical(text, kind)
    if known in NAIVE_TIMES and kind in NAIVE_TIMES:
        return value.copy()
    if known is _TYPE.DATE and kind in NAIVE_TIMES:
        return build(":a || ' 00:00:00.000000'", _DIALECT, a=value)
    raise Untranslatable("a cast to a timestamp of what is not known to be one")


_TRUE, _FALSE = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")


def _to_boolean(value: exp.Expression) -> exp.Expression:
    if type_of(value) in exp.DataType.NUMERIC_TYPES or _is_boolean(value):
        return build("(:a <> 0)", _DIALECT, a=value)
    word = (text_value(value) or "").lower()
    if word not in (*_TRUE, *_FALSE):
        raise Untranslatable("a text as a boolean, which SQLite lacks")
    return exp.true() if word in _TRUE else exp.false()


def _rounded(number: exp.Expression, to: exp.DataType) -> exp.Expression:
    """A number with the places of a decimal type."""
    if not to.expressions:
        return number
    places = to.expressions[1].this.copy() if len(to.expressions) > 1 else exp.Literal.number(0)
    return exp.Round(this=number, decimals=places)


def _to_text(value: exp.Expression, to: exp.DataType) -> exp.Expression | None:
    known = type_of(value)
    if _is_boolean(value):
        return build("CASE WHEN :a THEN 'true' WHEN NOT :a THEN 'false' END", _DIALECT, a=value)
    if known is _TYPE.DECIMAL and not isinstance(value.unnest(), exp.Literal):
        raise Untranslatable("a decimal as text, whose zeros SQLite drops")
    if known in NAIVE_TIMES or known in ZONED:
        raise Untranslatable("a timestamp as text, which SQLite stores with six digits of a second")
    if to.expressions and isinstance(to.expressions[0], exp.DataTypeParam):
        return build("SUBSTR(CAST(:a AS TEXT), 1, :n)", _DIALECT, a=value, n=to.expressions[0].this)
    return None


def try_cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast that gives NULL where it would fail."""
    to, value = node.args["to"], node.this
    known = type_of(value)
    if (known is not None and known not in exp.DataType.TEXT_TYPES) or to.this in exp.DataType.TEXT_TYPES:
        plain = exp.Cast(this=value.copy(), to=to.copy())
        return cast(plain, pair) or plain
    if to.this is _TYPE.DATE:
        return call("flowc_temporal", value, exp.Literal.string("date"))
    if to.this in exp.DataType.INTEGER_TYPES and pair.source in ("bigquery", "snowflake"):
        return call("flowc_parse_int", value)
    number = call("flowc_parse_numeric", value, exp.Literal.string("numeric"))
    if to.this in exp.DataType.INTEGER_TYPES:
        return exp.cast(exp.Round(this=number) if pair.source == "duckdb" else number, "INTEGER")
    if to.this in exp.DataType.FLOAT_TYPES:
        return exp.cast(number, "REAL")
    if to.this is _TYPE.DECIMAL:
        return _rounded(exp.cast(number, "REAL"), to) if to.expressions else number
    raise Untranslatable(f"a cast to {to.sql()} that may fail, which SQLite lacks")
