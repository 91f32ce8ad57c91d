"""Normalisers as SQL over the staged row, in the target's dialect.

| normaliser | does |
|---|---|
| `lower`, `upper` | changes the case of letters |
| `trim` | removes white space at both ends |
| `empty_to_null` | turns the empty text into NULL |
| `parse_timestamp: FORMAT` | reads a text by a strptime format |
| `parse_int`, `parse_numeric` | reads a number, white space around it ignored |
| `regex_replace: { pattern, replacement }` | replaces every match |
| `default: VALUE` | stands in for NULL |
| `derive: SQL` | computes the column from the row's other columns |
| `sql: SQL` | any expression; `{value}` is the value so far |

They run in the order written. On PostgreSQL, case follows the locale of the database; with locale C only ASCII letters
change. A text that a `parse_…` cannot read is an error that shows the rows, never a NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowc.compiler.ddl import spell
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Normalize
from flowc.compiler.quote import text
from flowc.compiler.spec import ColumnSpec, NormalizeSpec
from flowc.compiler.timeformat import zoned
from flowc.errors import UsageError
from flowc.types import TEXT, TIMESTAMPTZ, DataType, Kind

DERIVE = "derive"
_DEFAULT_SCALE = 10


@dataclass(frozen=True, slots=True)
class Value:
    """A value on its way through the normalisers of a column of type `target`."""

    sql: str
    target: DataType
    dialect: Dialect
    type: DataType | None = None
    unparsed: tuple[str, ...] = ()

    def to(self, sql: str, kind: DataType | None = None) -> Value:
        """The same value after one more step."""
        return Value(sql, self.target, self.dialect, kind, self.unparsed)

    def parsed(self, sql: str, kind: DataType) -> Value:
        """The value after a step that gives NULL for what it cannot read."""
        failed = f"({self.sql} IS NOT NULL AND {sql} IS NULL)"
        return Value(sql, self.target, self.dialect, kind, (*self.unparsed, failed))


def normalizer_sql(column: ColumnSpec, reference: str, dialect: Dialect) -> str:
    """The SQL of a column's normalisers over `reference`, a quoted SQL expression; `reference` itself without any."""
    return _value(column, reference, dialect).sql


def normalize_column(column: ColumnSpec, reference: str, dialect: Dialect) -> Normalize | None:
    """The column's `Normalize`, with what its normalisers cannot read; None without normalisers.

    Raises UsageError for an argument that is not the normaliser's.
    """
    if not column.normalize:
        return None
    value = _value(column, reference, dialect)
    return Normalize(column.name.value, value.sql, value.type, " OR ".join(value.unparsed) or None)


def is_derived(column: ColumnSpec) -> bool:
    """Whether the column is made from others, so that the source need not have it."""
    return any(n.name.value == DERIVE for n in column.normalize)


def _value(column: ColumnSpec, reference: str, dialect: Dialect) -> Value:
    value = Value(reference, column.type.value, dialect)
    for spec in column.normalize:
        value = NORMALIZERS[spec.name.value](value, spec)
    return value


def _function(name: str) -> Callable[[Value, NormalizeSpec], Value]:
    return lambda value, _: value.to(value.dialect.function(name, value.sql), TEXT)


def _empty_to_null(value: Value, _: NormalizeSpec) -> Value:
    return value.to(f"NULLIF({value.sql}, '')", value.type)


def _parse_timestamp(value: Value, spec: NormalizeSpec) -> Value:
    template = _text_argument(spec)
    dialect, name = value.dialect, "parse_timestamptz" if zoned(template) else "parse_timestamp"
    readable = dialect.parsable(template) or ""
    written = (text(dialect.time_format(template), dialect), text(readable, dialect))
    kind = TIMESTAMPTZ if zoned(template) else DataType(Kind.TIMESTAMP)
    return value.parsed(dialect.function(name, value.sql, *written), kind)


def _parse_int(value: Value, _: NormalizeSpec) -> Value:
    kind = DataType(Kind.INT128) if Kind.INT128 in value.dialect.spell else DataType(Kind.DECIMAL)
    return value.parsed(value.dialect.function("parse_int", value.sql), kind)


def _parse_numeric(value: Value, _: NormalizeSpec) -> Value:
    if Kind.DECIMAL in value.dialect.spell or not value.dialect.typed_literals:
        return value.parsed(value.dialect.function("parse_numeric", value.sql), DataType(Kind.DECIMAL))
    if value.target.is_float:
        kind, digits = DataType(Kind.FLOAT64), "[0-9]*"
    else:
        scale = _scale(value.target)
        kind, digits = DataType(Kind.DECIMAL, precision=38, scale=scale), f"[0-9]{{0,{scale}}}0*"
    readable = f"[+-]?([0-9]+([.]{digits})?|[.]{digits})" + ("([eE][+-]?[0-9]{1,3})?" if kind.is_float else "")
    arguments = (spell(kind, value.dialect), text(readable, value.dialect))
    return value.parsed(value.dialect.function("parse_numeric", value.sql, *arguments), kind)


def _scale(kind: DataType) -> int:
    if kind.is_integer:
        return 0
    return (kind.scale or 0) if kind.precision is not None else _DEFAULT_SCALE


def _regex_replace(value: Value, spec: NormalizeSpec) -> Value:
    given = spec.argument.value if spec.argument else None
    pair = [given.get("pattern"), given.get("replacement", "")] if isinstance(given, dict) else given
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
        raise _bad_argument(spec, '{ regex_replace: { pattern: "[^0-9]", replacement: "" } }')
    try:
        re.compile(pair[0])
    except re.error as error:
        raise UsageError(
            f"`{pair[0]}` is not a regular expression: {error}",
            code="normalizer-argument",
            help='write for instance `{ regex_replace: { pattern: "[^0-9]", replacement: "" } }`',
        ) from None
    parts = (text(p, value.dialect) for p in pair)
    return value.to(value.dialect.function("regex_replace", value.sql, *parts), TEXT)


def _default(value: Value, spec: NormalizeSpec) -> Value:
    given = spec.argument.value if spec.argument else None
    if isinstance(given, bool):
        literal = str(given).lower() if value.dialect.typed_literals else str(int(given))
    elif isinstance(given, int | float):
        literal = repr(given)
    elif isinstance(given, str):
        literal = text(given, value.dialect)
    else:
        raise _bad_argument(spec, "{ default: unknown }")
    return value.to(f"coalesce({value.sql}, {literal})", value.type)


def _derive(value: Value, spec: NormalizeSpec) -> Value:
    return value.to(f"(\n{_text_argument(spec)}\n)")


def _sql(value: Value, spec: NormalizeSpec) -> Value:
    return value.to("(\n" + _text_argument(spec).replace("{value}", value.sql) + "\n)")


def _text_argument(spec: NormalizeSpec) -> str:
    given = spec.argument.value if spec.argument else None
    if not isinstance(given, str):
        raise _bad_argument(spec, f'{{ {spec.name.value}: "…" }}')
    return given


def _bad_argument(spec: NormalizeSpec, example: str) -> UsageError:
    message = f"the normaliser `{spec.name.value}` lacks its argument"
    return UsageError(message, code="normalizer-argument", help=f"write for instance `{example}`")


NORMALIZERS: Mapping[str, Callable[[Value, NormalizeSpec], Value]] = {
    "lower": _function("lower"),
    "upper": _function("upper"),
    "trim": _function("trim"),
    "empty_to_null": _empty_to_null,
    "parse_timestamp": _parse_timestamp,
    "parse_int": _parse_int,
    "parse_numeric": _parse_numeric,
    "regex_replace": _regex_replace,
    "default": _default,
    DERIVE: _derive,
    "sql": _sql,
}
