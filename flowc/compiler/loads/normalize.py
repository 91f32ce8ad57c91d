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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite

from flowc.compiler.dialect import Dialect
from flowc.compiler.front.spec import ColumnSpec, NormalizeSpec
from flowc.compiler.ir import Normalize
from flowc.compiler.loads.replace import replaced
from flowc.compiler.quote import text
from flowc.compiler.tables.ddl import spell
from flowc.compiler.timeformat import impossible, pattern, pivot, zoned
from flowc.errors import UsageError
from flowc.types import TEXT, TIMESTAMPTZ, UNKNOWN, DataType, Kind

DERIVE = "derive"
_DEFAULT_SCALE = 10
MAX_SQL = 20_000
"""Characters of the SQL of a column's normalisers."""
MAX_STEPS = 100
"""How many of them a column may have."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value on its way through the normalisers of a column of type `target`."""

    sql: str
    target: DataType
    dialect: Dialect
    type: DataType | None = None
    unparsed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises UsageError where it is too long: some steps write the value twice."""
        if len(self.sql) > MAX_SQL:
            raise _too_long()

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
    if len(column.normalize) > MAX_STEPS:
        message = f"a column has at most {MAX_STEPS} normalisers, and this is one more"
        raise UsageError(message, code="sql-too-large", help="compute a part of them in the pipeline's SQL")
    for spec in column.normalize:
        value = NORMALIZERS[spec.name.value](value, spec)
    return value


def _function(name: str) -> Callable[[Value, NormalizeSpec], Value]:
    return lambda value, _: value.to(value.dialect.function(name, value.sql), TEXT)


def _empty_to_null(value: Value, _: NormalizeSpec) -> Value:
    template = value.dialect.functions.get("empty_to_null", "NULLIF({0}, '')")
    return value.to(template.format(value.sql), value.type)


def _parse_timestamp(value: Value, spec: NormalizeSpec) -> Value:
    template = _text_argument(spec)
    dialect, name = value.dialect, "parse_timestamptz" if zoned(template) else "parse_timestamp"
    written = (text(dialect.time_format(template), dialect), text(pattern(template), dialect))
    kind = TIMESTAMPTZ if zoned(template) else DataType(Kind.TIMESTAMP)
    made, pivoted = dialect.function(name, value.sql, *written), pivot(template)
    if (wrong := impossible(template)) is not None and "unless_matches" in dialect.functions:
        made = dialect.function("unless_matches", made, value.sql, text(wrong, dialect))
    if pivoted is not None and "pivot" in dialect.functions:
        made = dialect.function("pivot", made, value.sql, text(pivoted, dialect))
    return value.parsed(made, kind)


def _parse_int(value: Value, _: NormalizeSpec) -> Value:
    return value.parsed(*parsed_int(value.sql, value.dialect))


def parsed_int(x: str, dialect: Dialect) -> tuple[str, DataType]:
    """The text `x` as a whole number, NULL where it is none, and the number's type."""
    kind = DataType(Kind.INT128) if Kind.INT128 in dialect.types.spell else DataType(Kind.DECIMAL)
    return dialect.function("parse_int", x), kind


def _parse_numeric(value: Value, _: NormalizeSpec) -> Value:
    return value.parsed(*parsed_numeric(value.sql, value.target, value.dialect))


def parsed_numeric(x: str, target: DataType, dialect: Dialect) -> tuple[str, DataType]:
    """The text `x` as a number for a column of type `target`, NULL where it is none, and the number's type."""
    kind = _readable(target, dialect)
    spelled = spell(kind, dialect) if dialect.literals.typed else text(str(kind), dialect)
    return dialect.function("parse_numeric", x, spelled), kind


def _readable(target: DataType, dialect: Dialect) -> DataType:
    """The type into which a number is read, exactly, so that the column's type can be judged from it."""
    if Kind.DECIMAL in dialect.types.spell:
        return DataType(Kind.DECIMAL)
    if target.is_float:
        return target
    if not dialect.literals.typed:
        return UNKNOWN
    return DataType(Kind.DECIMAL, precision=38, scale=_scale(target))


def _scale(kind: DataType) -> int:
    if kind.is_integer:
        return 0
    return (kind.scale or 0) if kind.precision is not None else _DEFAULT_SCALE


def _regex_replace(value: Value, spec: NormalizeSpec) -> Value:
    given = spec.argument.value if spec.argument else None
    pair = [given.get("pattern"), given.get("replacement", "")] if isinstance(given, dict) else given
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
        raise _bad_argument(spec, '{ regex_replace: { pattern: "[^0-9]", replacement: "" } }')
    return value.to(replaced(value.sql, pair[0], pair[1], value.dialect), TEXT)


def _default(value: Value, spec: NormalizeSpec) -> Value:
    given = spec.argument.value if spec.argument else None
    if not isinstance(given, str | int | float) or (isinstance(given, float) and not isfinite(given)):
        raise _bad_argument(spec, "{ default: unknown }")
    wanted, typed = value.type or value.target, value.dialect.literals.typed
    # SQLite takes a text as it is, so it is still to be fitted to its column.
    kind = UNKNOWN if isinstance(given, str) and wanted.kind is not Kind.TEXT and not typed else value.type
    return value.to(f"coalesce({value.sql}, {_literal(given, wanted, value.dialect)})", kind)


def _literal(given: str | float, wanted: DataType, dialect: Dialect) -> str:
    """A value of YAML as SQL, in a text column as it is written in YAML."""
    if isinstance(given, bool):
        word = str(given).lower()
        if wanted.kind is not Kind.TEXT:
            return word if dialect.literals.typed else str(int(given))
        return text(word, dialect)
    if isinstance(given, str) or wanted.kind is Kind.TEXT:
        read = "" if dialect.literals.zoned else dialect.functions.get(f"text_{wanted.kind}", "")
        return read.format(text(str(given), dialect)) or text(str(given), dialect)
    return repr(given)


def _derive(value: Value, spec: NormalizeSpec) -> Value:
    return value.to(f"(\n{value.dialect.literals.author(_text_argument(spec))}\n)")


def _sql(value: Value, spec: NormalizeSpec) -> Value:
    written = value.dialect.literals.author(_text_argument(spec))
    if len(written) + written.count("{value}") * len(value.sql) > MAX_SQL:
        raise _too_long()
    return value.to("(\n" + written.replace("{value}", value.sql) + "\n)")


def _too_long() -> UsageError:
    message = f"the normalisers of the column write more than {MAX_SQL:,} characters in each other"
    return UsageError(message, code="sql-too-large", help="compute a part of it in the pipeline's SQL")


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
