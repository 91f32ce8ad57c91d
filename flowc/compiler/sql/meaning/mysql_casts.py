"""Casts on MySQL, which never fail there: what does not fit becomes the nearest value with a warning."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from flowc.compiler.sql.meaning.core import NAIVE_TIMES, Pair, Untranslatable, text_value, type_of
from flowc.compiler.sql.meaning.mysql_words import Kind, kind_of, said

_TYPE = exp.DataType.Type
ZONED = (_TYPE.TIMESTAMPTZ, _TYPE.TIMESTAMPLTZ)
_WHOLE = "^[ \\t]*[+-]?[0-9]{1,18}[ \\t]*$"
_REAL = "^[ \\t]*[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?[ \\t]*$"
_EVEN = ("postgres", "duckdb")
"""Dialects whose cast of a float to an integer rounds a half to the even number."""
_TRUE, _FALSE = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")
_FAILS = "CHAR_LENGTH(:a) + 9223372036854775807 + 1"
"""An error of MySQL's for a value that is not NULL: a number out of range."""


def literal_time(text: str, node: exp.Expression, kind: exp.DataType.Type | None = None) -> exp.Expression:
    """A literal as a date or time of MySQL's, an instant in UTC."""
    try:
        if kind is _TYPE.DATE or (kind is None and len(text) == 10):
            return _typed(said("CAST(:a AS DATE)", a=date.fromisoformat(text[:10]).isoformat()), "DATE")
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Untranslatable(f"`{text}` as a date or timestamp") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return _typed(said("CAST(:a AS DATETIME(6))", a=moment.isoformat(" ")), "TIMESTAMP")


def _typed(node: exp.Expression, kind: str) -> exp.Expression:
    node.type = exp.DataType.build(kind)
    return node


def cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast that fails in the author's dialect where it does not fit."""
    return _cast(node, pair, may_fail=False)


def try_cast(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A cast that gives NULL where it would fail."""
    plain = pair.source in ("spark", "databricks") and not node.args.get("safe")
    return _cast(node, pair, may_fail=not plain or kind_of(node.this) is Kind.TEXT)


def _cast(node: exp.Expression, pair: Pair, *, may_fail: bool) -> exp.Expression | None:
    to, value = node.args["to"], node.this
    if not isinstance(to, exp.DataType):
        raise Untranslatable("a cast to such a type")
    kind = to.this
    if isinstance(value.unnest(), exp.Null):
        return exp.null()
    if kind in exp.DataType.TEXT_TYPES:
        return _to_text(value, to, pair)
    if kind is _TYPE.BOOLEAN:
        return _to_boolean(value, may_fail)
    if kind in exp.DataType.TEMPORAL_TYPES:
        return _to_time(value, kind, may_fail)
    if kind in exp.DataType.NUMERIC_TYPES:
        number = _to_number(value, to, pair, may_fail)
        return number if may_fail or kind_of(value) is Kind.BOOLEAN else _in_range(number, value, to, pair)
    if kind in (_TYPE.JSON, _TYPE.JSONB, _TYPE.VARIANT):
        return value.copy()
    raise Untranslatable(f"a cast to {to.sql()}, which MySQL lacks")


def _to_number(value: exp.Expression, to: exp.DataType, pair: Pair, may_fail: bool) -> exp.Expression:
    kind = kind_of(value)
    if kind is Kind.BOOLEAN:
        return said("CAST(:a AS SIGNED)", a=value)
    if kind is Kind.TEXT:
        return _number_of_text(value, to, pair, may_fail)
    if kind is not Kind.NUMBER:
        raise Untranslatable("a cast to a number of what is not known to be a number or a text")
    return _converted(value, to, pair)


def _converted(value: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    if to.this in exp.DataType.INTEGER_TYPES:
        is_float = type_of(value) not in (*exp.DataType.INTEGER_TYPES, _TYPE.DECIMAL)
        return said("CAST(:a AS SIGNED)", a=rounded(value, None, even=pair.source in _EVEN) if is_float else value)
    if to.this in exp.DataType.FLOAT_TYPES:
        return said("CAST(:a AS DOUBLE)", a=value)
    digits = _digits(to, pair)
    if digits is None and type_of(value) in exp.DataType.INTEGER_TYPES:
        digits = (65, 0)
    return value.copy() if digits is None else said(f"CAST(:a AS DECIMAL({digits[0]}, {digits[1]}))", a=value)


_RANGES = {_TYPE.TINYINT: 2**7, _TYPE.SMALLINT: 2**15, _TYPE.INT: 2**31, _TYPE.BIGINT: 2**63}


def _in_range(number: exp.Expression, value: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    """The number, or an error where the type does not hold it, as MySQL would cut it to the nearest that it holds."""
    if pair.source in ("mysql", "sqlite") or to.this in exp.DataType.FLOAT_TYPES:
        return number
    from_text = kind_of(value) is Kind.TEXT
    bound, digits = _RANGES.get(to.this), _digits(to, pair)
    if isinstance(value.unnest(), exp.Literal) and not from_text and len(value.unnest().name) < 5:
        return number
    if to.this is _TYPE.BIGINT and (from_text or type_of(value) in exp.DataType.INTEGER_TYPES):
        return number
    if bound is not None:
        half = "" if bound == 2**63 else ".5"
        most, least = (bound - 1, bound) if half else (bound, bound)
        where, tested = f"(:t >= {most}{half} OR :t < -{least}{half})", value
    elif digits is not None and not from_text:
        where, tested = f"ABS(ROUND(:t, {digits[1]})) >= 1e{digits[0] - digits[1]}", value
    else:
        return number
    tested = number if from_text else tested
    new = said(f"CASE WHEN {where} THEN {_FAILS} ELSE :a END", a=number, t=tested)
    return _typed(new, to.this.value)


def _digits(to: exp.DataType, pair: Pair) -> tuple[int, int] | None:
    """Digits and places of a decimal type; None where it keeps every digit."""
    sizes = [int(p.this.name) for p in to.expressions]
    if sizes:
        return sizes[0], sizes[1] if len(sizes) > 1 else 0
    default = {"spark": (10, 0), "databricks": (10, 0), "duckdb": (18, 3), "snowflake": (38, 0), "bigquery": (38, 9)}
    return default.get(pair.source)


def rounded(value: exp.Expression, places: int | None, *, even: bool) -> exp.Expression:
    """A number rounded, a half away from zero; a float's half to the `even` number where the dialect does so."""
    if type_of(value) in (*exp.DataType.INTEGER_TYPES, _TYPE.DECIMAL):
        return said(f"ROUND(:a, {places or 0})", a=value)
    if places is None and even:
        half = "ROUND(CAST(:a AS DECIMAL(65, 30)) / 2) * 2"
        return said(
            f"CASE WHEN ABS(:a) < 1e15 THEN CASE WHEN ABS(:a - TRUNCATE(:a, 0)) = 0.5 THEN {half}"
            " ELSE ROUND(CAST(:a AS DECIMAL(65, 30))) END ELSE :a END + 0e0",
            a=value,
        )
    exact = f"ROUND(CAST(:a AS DECIMAL(65, 30)), {places or 0})"
    return said(f"CASE WHEN ABS(:a) < 1e15 THEN {exact} ELSE :a END + 0e0", a=value)


def _number_of_text(value: exp.Expression, to: exp.DataType, pair: Pair, may_fail: bool) -> exp.Expression:
    whole = to.this in exp.DataType.INTEGER_TYPES
    strict = whole and pair.source not in ("snowflake", "spark", "databricks", "duckdb")
    pattern = _WHOLE if strict else _REAL
    number = "CAST(:a AS DECIMAL(65, 30))" if to.this not in exp.DataType.FLOAT_TYPES else "CAST(:a AS DOUBLE)"
    if (text := text_value(value)) is not None:
        if not _reads(text, strict):
            if may_fail:
                return exp.null()
            raise Untranslatable(f"`{text}` as a number")
        return _converted(_typed(said(number, a=value), "DECIMAL"), _cut(to), pair)
    read = _cut_off(_typed(said(number, a=value), "DECIMAL"), to, pair)
    fails = "" if may_fail else f" WHEN :a IS NOT NULL THEN {_FAILS}"
    return said(f"CASE WHEN REGEXP_INSTR(:a, :p) > 0 THEN :r{fails} END", a=value, p=pattern, r=read)


def _cut(to: exp.DataType) -> exp.DataType:
    return to


def _cut_off(number: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    if to.this in exp.DataType.INTEGER_TYPES and pair.source in ("spark", "databricks"):
        number = _typed(said("TRUNCATE(:a, 0)", a=number), "DECIMAL")
    return _converted(number, to, pair)


def _reads(text: str, strict: bool) -> bool:
    try:
        return re.fullmatch(r"\s*[+-]?\d+\s*", text) is not None if strict else Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def _to_boolean(value: exp.Expression, may_fail: bool) -> exp.Expression:
    kind = kind_of(value)
    if kind is Kind.BOOLEAN:
        return value.copy()
    if kind is Kind.NUMBER:
        return said("(:a <> 0)", a=value)
    if kind is not Kind.TEXT:
        raise Untranslatable("a cast to a boolean of what is not known to be a number or a text")
    words = [", ".join(f"'{word}'" for word in some) for some in (_TRUE, _FALSE)]
    if (text := text_value(value)) is not None:
        if text.lower() in _TRUE or text.lower() in _FALSE:
            return exp.true() if text.lower() in _TRUE else exp.false()
        if may_fail:
            return exp.null()
        raise Untranslatable(f"`{text}` as a boolean")
    fails = "" if may_fail else f" WHEN :a IS NOT NULL THEN {_FAILS}"
    return said(
        f"CASE WHEN LOWER(:a) IN ({words[0]}) THEN TRUE WHEN LOWER(:a) IN ({words[1]}) THEN FALSE{fails} END", a=value
    )


def _to_time(value: exp.Expression, kind: exp.DataType.Type, may_fail: bool) -> exp.Expression:
    text, known = text_value(value), kind_of(value)
    if text is not None:
        try:
            return literal_time(text, value, kind)
        except Untranslatable:
            if may_fail:
                return exp.null()
            raise
    if known is Kind.TEXT and may_fail and kind is _TYPE.DATE:
        day = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$"
        return said("CASE WHEN REGEXP_INSTR(:a, :p) > 0 THEN CAST(:a AS DATE) END", a=value, p=day)
    if known is not Kind.TIME and not (known is Kind.TEXT and (kind is _TYPE.DATE or kind in NAIVE_TIMES)):
        raise Untranslatable("a cast to a time of what is not known to be one")
    if known is Kind.TEXT:
        ok = "^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([ T][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?$"
        to = "DATE" if kind is _TYPE.DATE else "DATETIME(6)"
        fails = (
            "" if may_fail else " WHEN :a IS NOT NULL THEN CAST(9223372036854775807 + CHAR_LENGTH(:a) + 1 AS DATETIME)"
        )
        read = said(f"CAST(:a AS {to})", a=value)
        if not may_fail:
            read = sure(read, value, to)
        return said(f"CASE WHEN REGEXP_INSTR(:a, :p) > 0 THEN :r{fails} END", a=value, p=ok, r=read)
    if kind is _TYPE.TIME:
        return said("CAST(:a AS TIME(6))", a=value)
    return said(f"CAST(:a AS {'DATE' if kind is _TYPE.DATE else 'DATETIME(6)'})", a=value)


def sure(read: exp.Expression, text: exp.Expression, to: str) -> exp.Expression:
    """A date or time that was read from a text, or an error where there is none, which MySQL makes NULL."""
    fails = f"CAST(9223372036854775807 + CHAR_LENGTH(:t) + 1 AS {to})"
    return said(f"CASE WHEN :t IS NOT NULL AND :r IS NULL THEN {fails} ELSE :r END", r=read, t=text)


def _to_text(value: exp.Expression, to: exp.DataType, pair: Pair) -> exp.Expression:
    text = as_text(value, pair)
    if to.expressions and isinstance(to.expressions[0], exp.DataTypeParam):
        return said("LEFT(:a, :n)", a=text, n=to.expressions[0].this)
    return text


def as_text(value: exp.Expression, pair: Pair) -> exp.Expression:
    """A value's text as other engines write it."""
    kind, known = kind_of(value), type_of(value)
    if kind is Kind.TEXT:
        return value.copy()
    if kind is Kind.BOOLEAN:
        return said("CASE WHEN :a THEN 'true' WHEN NOT :a THEN 'false' END", a=value)
    if known is _TYPE.DATE or known in exp.DataType.INTEGER_TYPES or isinstance(value, exp.Count | exp.RowNumber):
        return said("CAST(:a AS CHAR)", a=value)
    if known is _TYPE.DECIMAL or (isinstance(value.unnest(), exp.Literal) and kind is Kind.NUMBER):
        return said("CAST(:a AS CHAR)", a=value)
    if known in NAIVE_TIMES:
        whole, exact = "DATE_FORMAT(:a, '%Y-%m-%d %T')", "DATE_FORMAT(:a, '%Y-%m-%d %T.%f')"
        return said(f"CASE WHEN MICROSECOND(:a) = 0 THEN {whole} ELSE TRIM(TRAILING '0' FROM {exact}) END", a=value)
    if known in (_TYPE.JSON, _TYPE.JSONB):
        return said("CAST(:a AS CHAR)", a=value)
    raise Untranslatable("the text of a value whose type is not known, or whose digits MySQL writes otherwise")
