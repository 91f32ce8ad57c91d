"""From one type to another inside one database: exactly, or not at all.

A `Conversion` is the converted value and, where the types alone do not promise that every value fits, the condition
that finds those that do not. What can never be meant (text into a number, an instant into a local time) is an error
before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowc.compiler.ddl import spell
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import text
from flowc.errors import DataError
from flowc.types import INTEGER_RANGES, DataType, Kind

DIGITS = {kind: len(str(high)) for kind, (_, high) in INTEGER_RANGES.items()}
_EXACT_INTEGERS = {Kind.FLOAT32: 2**24, Kind.FLOAT64: 2**53}
_ISO = {
    Kind.DATE: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    Kind.TIMESTAMP: "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?$",
    Kind.TIMESTAMPTZ: (
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
    ),
    Kind.TIME: "^[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?$",
    Kind.UUID: "^[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}$",
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value in its column's type; `misfit` holds for values that it would change, None where there are none."""

    sql: str
    misfit: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rule looks at: the value as an SQL expression, its type, the column's type."""

    x: str
    source: DataType
    target: DataType
    dialect: Dialect
    timezone: str | None

    @property
    def cast(self) -> str:
        """The value cast to the column's type."""
        return f"CAST({self.x} AS {spell(self.target, self.dialect)})"

    def cast_as(self, kind: DataType, x: str | None = None) -> str:
        """A value cast to another type."""
        return f"CAST({x or self.x} AS {spell(kind, self.dialect)})"


def convert(x: str, source: DataType, target: DataType, dialect: Dialect, timezone: str | None) -> Conversion:
    """The value `x` of type `source` as `target`.

    Raises DataError where no value of one type is a value of the other.
    """
    if _holds(source, target):
        return Conversion(x)
    rule = _rule(source, target, dialect)
    found = rule(Pair(x, source, target, dialect, timezone)) if rule else None
    if found is None:
        raise DataError(
            f"values of type {source} do not fit a column of type {target}",
            code="incompatible-types",
            help=f"CAST to {target} in the SQL, or add a normaliser to the column",
        )
    return found


def _holds(source: DataType, target: DataType) -> bool:
    """Whether the types are the same as far as storing goes."""
    if source == target or target.kind is Kind.UNKNOWN:
        return True
    if source.kind is Kind.TEXT and target.kind is Kind.TEXT:
        return target.length is None or (source.length is not None and source.length <= target.length)
    if source.kind is target.kind and source.kind in (Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return (source.precision or 6) <= (target.precision or 6)
    return source.kind is target.kind and source.kind is not Kind.DECIMAL and source.kind is not Kind.ARRAY


Rule = Callable[[Pair], Conversion | None]


def _rule(source: DataType, target: DataType, dialect: Dialect) -> Rule | None:
    if not dialect.typed_literals:
        return _dynamic
    if source.kind is Kind.UNKNOWN:
        return _unknown
    return _RULES.get((_family(source), _family(target)))


def _family(kind: DataType) -> str:
    if kind.is_integer:
        return "integer"
    return "float" if kind.is_float else str(kind.kind)


def _range(pair: Pair, x: str) -> str:
    low, high = INTEGER_RANGES[pair.target.kind]
    return f"({x} >= {low} AND {x} < {high + 1})"


def _integer_to_integer(pair: Pair) -> Conversion:
    low, high = INTEGER_RANGES[pair.source.kind]
    narrow_low, narrow_high = INTEGER_RANGES[pair.target.kind]
    if narrow_low <= low and high <= narrow_high:
        return Conversion(pair.cast)
    return Conversion(pair.cast, f"NOT {_range(pair, pair.dialect.cast_number.format(x=pair.x))}")


def _integer_to_decimal(pair: Pair) -> Conversion:
    room = _room(pair.target)
    if room is None or room >= DIGITS[pair.source.kind]:
        return Conversion(pair.cast)
    return Conversion(pair.cast, f"abs({pair.dialect.cast_number.format(x=pair.x)}) >= {10**room}")


def _integer_to_float(pair: Pair) -> Conversion:
    limit = _EXACT_INTEGERS[pair.target.kind]
    fits = INTEGER_RANGES[pair.source.kind][1] <= limit
    return Conversion(pair.cast, None if fits else f"{pair.x} NOT BETWEEN {-limit} AND {limit}")


def _fraction_to_integer(pair: Pair) -> Conversion:
    return Conversion(pair.cast, f"NOT ({pair.x} = trunc({pair.x}) AND {_range(pair, pair.x)})")


def _room(kind: DataType) -> int | None:
    """The digits before the point, None without limit."""
    return None if kind.precision is None else kind.precision - (kind.scale or 0)


def _decimal_to_decimal(pair: Pair) -> Conversion:
    room, own = _room(pair.target), _room(pair.source)
    scale, own_scale = pair.target.scale, pair.source.scale
    if room is None or (own is not None and own <= room and (own_scale or 0) <= (scale or 0)):
        return Conversion(pair.cast)
    misfit = f"{pair.x} <> round({pair.x}, {scale or 0}) OR abs({pair.x}) >= {10**room}"
    return Conversion(pair.cast, misfit)


def _float_to_decimal(pair: Pair) -> Conversion:
    number = f"CAST(CAST({pair.x} AS {spell(DataType(Kind.TEXT), pair.dialect)}) AS {_widest(pair)})"
    room = _room(pair.target)
    if room is None:
        return Conversion(number)
    back = pair.cast_as(pair.source, f"round({number}, {pair.target.scale or 0})")
    misfit = f"CASE WHEN abs({pair.x}) < 1e{room} THEN {back} <> {pair.x} ELSE true END"
    return Conversion(f"CAST({number} AS {spell(pair.target, pair.dialect)})", f"({pair.x} IS NOT NULL AND {misfit})")


def _widest(pair: Pair) -> str:
    """A decimal type with room for the target's whole digits and as many more of the fraction as the engine has."""
    free = 38 - (_room(pair.target) or 28)
    return spell(DataType(Kind.DECIMAL), pair.dialect) if pair.dialect.row_id == "ctid" else f"DECIMAL(38,{free})"


def _decimal_to_float(pair: Pair) -> Conversion:
    as_text = f"CAST({pair.cast} AS {spell(DataType(Kind.TEXT), pair.dialect)})"
    return Conversion(pair.cast, f"{pair.cast_as(pair.source, as_text)} <> {pair.x}")


def _float_to_float(pair: Pair) -> Conversion:
    if pair.target.kind is Kind.FLOAT64:
        return Conversion(pair.cast)
    finite = f"abs({pair.x}) <= 3.4028234663852886e38 AND (abs({pair.x}) >= 1.2e-38 OR {pair.x} = 0)"
    special = f"{pair.x} IN ('NaN', 'Infinity', '-Infinity')"
    back = pair.cast_as(pair.source, pair.cast)
    misfit = f"CASE WHEN {special} THEN false WHEN {finite} THEN {back} <> {pair.x} ELSE {pair.x} IS NOT NULL END"
    return Conversion(pair.cast, misfit)


def _shorter_text(pair: Pair) -> Conversion:
    return Conversion(pair.cast, f"{pair.dialect.function('length', pair.x)} > {pair.target.length}")


def _round_trip(pair: Pair) -> Conversion:
    return Conversion(pair.cast, f"{pair.cast_as(pair.source, pair.cast)} <> {pair.x}")


def _cast(pair: Pair) -> Conversion:
    return Conversion(pair.cast)


def _to_instant(pair: Pair) -> Conversion | None:
    if pair.timezone is None:
        return None
    local = pair.cast_as(DataType(Kind.TIMESTAMP))
    return Conversion(pair.dialect.function("at_zone", local, text(pair.timezone, pair.dialect)))


def _from_text(pair: Pair) -> Conversion:
    readable = pair.dialect.function("matches", pair.x, text(_ISO[pair.target.kind], pair.dialect))
    return Conversion(
        pair.cast, pair.dialect.function("unreadable", pair.x, readable, spell(pair.target, pair.dialect))
    )


def _text_to_json(pair: Pair) -> Conversion:
    return Conversion(pair.cast)


def _to_json(pair: Pair) -> Conversion:
    return Conversion(pair.dialect.function("to_json", pair.x))


def _array_to_array(pair: Pair) -> Conversion | None:
    inner, outer = pair.source.element, pair.target.element
    return Conversion(pair.x) if inner and outer and _holds(inner, outer) else None


def _unknown(pair: Pair) -> Conversion:
    """A value whose type nobody knows before the engine does, as after a `sql` normaliser."""
    room = _room(pair.target)
    if pair.target.is_integer or (pair.target.kind is Kind.DECIMAL and room is not None):
        low, high = INTEGER_RANGES.get(pair.target.kind) or _bounds(pair.target)
        limits = (str(pair.target.scale or 0), str(low), str(high))
        wanted = spell(pair.target, pair.dialect)
        return Conversion(pair.cast, pair.dialect.function("misfit_number", pair.x, wanted, *limits))
    if pair.target.kind is Kind.TEXT and pair.target.length is not None:
        whole = pair.cast_as(DataType(Kind.TEXT))
        return Conversion(pair.cast, f"{pair.dialect.function('length', whole)} > {pair.target.length}")
    return Conversion(pair.cast)


def _bounds(kind: DataType) -> tuple[str, str]:
    """The least and greatest value of a decimal type."""
    scale = kind.scale or 0
    high = "9" * ((kind.precision or 0) - scale) + ("." + "9" * scale if scale else "")
    return f"-{high}", high


def _dynamic(pair: Pair) -> Conversion | None:
    """SQLite judges each value by what it is."""
    x, kind = pair.x, pair.target.kind
    if kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return _dynamic_temporal(pair)
    if pair.target.is_integer:
        low, high = INTEGER_RANGES[kind]
        number = f"typeof({x}) IN ('integer', 'real') AND {x} = CAST({x} AS INTEGER)"
        whole = f"({number} AND {x} BETWEEN {low} AND {min(high, 2**63 - 1)})"
        return Conversion(f"CAST({x} AS INTEGER)", f"({x} IS NOT NULL AND NOT {whole})")
    if kind is Kind.UUID:
        return Conversion(f"flowc_uuid({x})", f"({x} IS NOT NULL AND flowc_uuid({x}) IS NULL)")
    if kind is Kind.DECIMAL:
        return _dynamic_decimal(pair)
    condition = _DYNAMIC.get(kind)
    if condition is None:
        return Conversion(x)
    misfit = f"({x} IS NOT NULL AND NOT ({condition.format(x=x)}))"
    if kind is Kind.TEXT and pair.target.length is not None:
        misfit = f"({misfit} OR length({x}) > {pair.target.length})"
    return Conversion(x, misfit)


_DYNAMIC = {
    Kind.BOOL: "typeof({x}) = 'integer' AND {x} IN (0, 1)",
    Kind.FLOAT32: "typeof({x}) IN ('integer', 'real')",
    Kind.FLOAT64: "typeof({x}) IN ('integer', 'real')",
    Kind.TEXT: "typeof({x}) = 'text'",
    Kind.BINARY: "typeof({x}) = 'blob'",
    Kind.JSON: "typeof({x}) = 'text' AND json_valid({x})",
}


def _dynamic_decimal(pair: Pair) -> Conversion:
    fitted = f"flowc_decimal({pair.x}, {pair.target.precision or 'NULL'}, {pair.target.scale or 0})"
    return Conversion(fitted, f"({pair.x} IS NOT NULL AND {fitted} IS NULL)")


def _dynamic_temporal(pair: Pair) -> Conversion | None:
    x = pair.x
    naive = pair.source.kind in (Kind.TIMESTAMP, Kind.DATE)
    if pair.target.kind is Kind.TIMESTAMPTZ and naive:
        return _to_instant_text(pair)
    if pair.source.kind is Kind.TIMESTAMPTZ:
        return None
    fitted = f"flowc_temporal({x}, {text(str(pair.target.kind), pair.dialect)})"
    return Conversion(fitted, f"({x} IS NOT NULL AND {fitted} IS NULL)")


def _to_instant_text(pair: Pair) -> Conversion | None:
    if pair.timezone is None:
        return None
    fitted = pair.dialect.function("at_zone", pair.x, text(pair.timezone, pair.dialect))
    return Conversion(fitted, f"({pair.x} IS NOT NULL AND {fitted} IS NULL)")


_RULES: dict[tuple[str, str], Rule] = {
    ("integer", "integer"): _integer_to_integer,
    ("integer", "numeric"): _integer_to_decimal,
    ("integer", "float"): _integer_to_float,
    ("float", "integer"): _fraction_to_integer,
    ("float", "numeric"): _float_to_decimal,
    ("float", "float"): _float_to_float,
    ("numeric", "integer"): _fraction_to_integer,
    ("numeric", "numeric"): _decimal_to_decimal,
    ("numeric", "float"): _decimal_to_float,
    ("text", "text"): _shorter_text,
    ("text", "date"): _from_text,
    ("text", "time"): _from_text,
    ("text", "timestamp"): _from_text,
    ("text", "timestamptz"): _from_text,
    ("text", "uuid"): _from_text,
    ("text", "json"): _text_to_json,
    ("uuid", "text"): _cast,
    ("json", "text"): _cast,
    ("date", "timestamp"): _cast,
    ("date", "timestamptz"): _to_instant,
    ("timestamp", "date"): _round_trip,
    ("timestamp", "timestamp"): _round_trip,
    ("timestamp", "timestamptz"): _to_instant,
    ("timestamptz", "timestamptz"): _round_trip,
    ("time", "time"): _round_trip,
    ("array", "array"): _array_to_array,
    ("array", "json"): _to_json,
    ("struct", "json"): _to_json,
}
