"""From one type to another inside one database: exactly, or not at all.

A `Conversion` is the converted value and, where the types alone do not promise that every value fits, the condition
that finds those that do not. What can never be meant (text into a number, an instant into a local time) is an error
before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.conversion_pair import Conversion, Pair
from flowc.compiler.loads.conversion_untyped import convert_untyped
from flowc.compiler.quote import text
from flowc.compiler.tables.ddl import cast, reported, spell
from flowc.errors import DataError
from flowc.types import INTEGER_RANGES, TEMPORAL, DataType, Kind

DIGITS = {kind: len(str(high)) for kind, (_, high) in INTEGER_RANGES.items()}
_EXACT_INTEGERS = {Kind.FLOAT32: 2**24, Kind.FLOAT64: 2**53}
_YEAR, _LEAP = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])", "(0[48]|[2468][048]|[13579][26])"
_DAY = (
    f"({_YEAR}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    f"|([0-9]{{2}}{_LEAP}|{_LEAP}00)-02-29)"
)
_FRACTION = "([.][0-9]{1,6})?"
_TIME = f"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]{_FRACTION})?"
INCOMPATIBLE = "incompatible-types"
_ISO = {
    Kind.DATE: f"^{_DAY}$",
    Kind.TIMESTAMP: f"^{_DAY}([ T]{_TIME})?$",
    Kind.TIMESTAMPTZ: f"^{_DAY}[ T]{_TIME} ?(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)$",
    Kind.TIME: f"^{_TIME}$",
    Kind.UUID: "^[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}$",
}
"""Texts that are such values; days that no calendar has are none."""


def convert(x: str, source: DataType, target: DataType, dialect: Dialect, timezone: str | None) -> Conversion:
    """The value `x` of type `source` as `target`.

    Raises DataError where no value of one type is a value of the other.
    """
    target = reported(target, dialect) if target.kind is Kind.DECIMAL else target
    if _holds(source, target):
        return Conversion(x)
    rule = _rule(source, target, dialect)
    found = rule(Pair(x, source, target, dialect, timezone)) if rule else None
    if found is None:
        raise DataError(
            f"values of type {source} do not fit a column of type {target}",
            code=INCOMPATIBLE,
            help=f"CAST to {target} in the SQL, or add a normaliser to the column",
        )
    return found


@contextmanager
def between(source: str, target: str) -> Iterator[None]:
    """Names the columns where no value of one can be a value of the other."""
    try:
        yield
    except DataError as error:
        if error.code != INCOMPATIBLE:
            raise
        message = f"`{source}` cannot fill column `{target}`: {error.message}"
        raise DataError(message, code=INCOMPATIBLE, help=error.help) from None


def _holds(source: DataType, target: DataType) -> bool:
    """Whether the types are the same as far as storing goes."""
    if source == target or target.kind is Kind.UNKNOWN:
        return True
    if source.kind is Kind.TEXT and target.kind is Kind.TEXT:
        return target.length is None or (source.length is not None and source.length <= target.length)
    if source.kind is target.kind and source.kind in TEMPORAL:
        return source.places <= target.places
    if source.kind is target.kind is Kind.STRUCT:
        names = [name for name, _ in source.fields] == [name for name, _ in target.fields]
        return names and all(_holds(a, b) for (_, a), (_, b) in zip(source.fields, target.fields, strict=True))
    return source.kind is target.kind and source.kind is not Kind.DECIMAL and source.kind is not Kind.ARRAY


Rule = Callable[[Pair], Conversion | None]


def _rule(source: DataType, target: DataType, dialect: Dialect) -> Rule | None:
    if not dialect.literals.typed:
        return convert_untyped
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
    return Conversion(pair.cast, f"NOT {_range(pair, pair.dialect.compare.number.format(x=pair.x))}")


def _integer_to_decimal(pair: Pair) -> Conversion:
    room = _room(pair.target)
    if room is None or room >= DIGITS[pair.source.kind]:
        return Conversion(pair.cast)
    number = pair.dialect.compare.number.format(x=pair.x)  # the least integer of a type has no absolute value in it
    return Conversion(pair.cast, f"({number} >= {10**room} OR {number} <= -{10**room})")


def _integer_to_float(pair: Pair) -> Conversion:
    limit = _EXACT_INTEGERS[pair.target.kind]
    fits = INTEGER_RANGES[pair.source.kind][1] <= limit
    return Conversion(pair.cast, None if fits else f"{pair.x} NOT BETWEEN {-limit} AND {limit}")


def _fraction_to_integer(pair: Pair) -> Conversion:
    whole = pair.dialect.functions.get("trunc", "trunc({0})").format(pair.x)
    return Conversion(pair.cast, f"NOT ({' AND '.join((f'{pair.x} = {whole}', *_bounded(pair)))})")


def _bounded(pair: Pair) -> Iterator[str]:
    """The bounds of an integer type that a value may be beyond; other numbers may be none of the source's type."""
    room, (low, high) = _room(pair.source), INTEGER_RANGES[pair.target.kind]
    most = None if room is None or pair.dialect.types.widest is None else 10**room
    if most is None or -most < low:
        yield f"{pair.x} >= {low}"
    if most is None or most > high + 1:
        yield f"{pair.x} < {high + 1}"


def _room(kind: DataType) -> int | None:
    """The digits before the point, None without limit."""
    return None if kind.precision is None else kind.precision - (kind.scale or 0)


def _decimal_to_decimal(pair: Pair) -> Conversion:
    room, own = _room(pair.target), _room(pair.source)
    scale, own_scale = pair.target.scale, pair.source.scale
    if room is None or (own is not None and own <= room and (own_scale or 0) <= (scale or 0)):
        return Conversion(pair.cast)
    if "try_cast" in pair.dialect.functions:
        back = tried_cast(tried_cast(pair.x, pair.target, pair.dialect), pair.source, pair.dialect)
        return Conversion(pair.cast, _unlike(back, pair))
    rounded = f"{pair.x} <> round({pair.x}, {scale or 0})"  # may have a digit more than the type, so it comes second
    return Conversion(pair.cast, f"CASE WHEN abs({pair.x}) < {10**room} THEN {rounded} ELSE {pair.x} IS NOT NULL END")


def _float_to_decimal(pair: Pair) -> Conversion:
    number = f"CAST({pair.cast_as(DataType(Kind.TEXT))} AS {_widest_of(pair.target, pair)})"
    room = _room(pair.target)
    if room is None:
        return Conversion(number)
    back = pair.cast_as(pair.source, f"round({number}, {pair.target.scale or 0})")
    misfit = f"CASE WHEN abs({pair.x}) < 1e{room} THEN {back} <> {pair.x} ELSE true END"
    return Conversion(f"CAST({number} AS {spell(pair.target, pair.dialect)})", f"({pair.x} IS NOT NULL AND {misfit})")


def _widest_of(kind: DataType, pair: Pair) -> str:
    """A decimal type with the whole digits of `kind` and as many more of the fraction as the engine has."""
    if pair.dialect.types.widest is None:
        return spell(DataType(Kind.DECIMAL), pair.dialect)
    digits, _ = pair.dialect.types.widest
    return f"DECIMAL({digits},{digits - _widest_room(kind, pair.dialect.types.widest)})"


def _widest_room(kind: DataType, widest: tuple[int, int]) -> int:
    """The digits before the point of that type."""
    (digits, most), room = widest, _room(kind)
    return digits - min(most, digits - (28 if room is None else room))


def _decimal_to_float(pair: Pair) -> Conversion:
    """A CAST back may stop at the greatest number of its type, as MySQL's does."""
    as_text, widest = pair.cast_as(DataType(Kind.TEXT), pair.cast), pair.dialect.types.widest
    tried = pair.dialect.functions.get("try_cast")
    same = f"{(tried or 'CAST({0} AS {1})').format(as_text, _widest_of(pair.source, pair))} = {pair.x}"
    if widest is not None and tried is None:
        same += f" AND abs({pair.cast}) < 1e{_widest_room(pair.source, widest)}"
    return Conversion(pair.cast, f"({pair.x} IS NOT NULL AND ({same}) IS NOT TRUE)")


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
    """A time with more places than six becomes one of six first: DuckDB has no cast from nanoseconds to seconds."""
    middle = [replace(pair.source, precision=6)] if pair.source.places > 6 else []
    value = back = pair.x
    for kind in (*middle, pair.target):
        value = pair.cast_as(kind, value)
    for kind in (*middle, pair.target, *middle, pair.source):
        back = tried_cast(back, kind, pair.dialect)
    return Conversion(value, _unlike(back, pair) if "try_cast" in pair.dialect.functions else f"{back} <> {pair.x}")


def tried_cast(x: str, kind: DataType, dialect: Dialect) -> str:
    """The value cast to a type, or NULL where the engine has such a cast and the type has no such value."""
    tried = dialect.functions.get("try_cast")
    return tried.format(x, spell(kind, dialect)) if tried else cast(x, kind, dialect)


def _unlike(back: str, pair: Pair) -> str:
    """Holds for values that a conversion there and back does not leave as they are."""
    return f"({pair.x} IS NOT NULL AND ({back} = {pair.x}) IS NOT TRUE)"


def _cast(pair: Pair) -> Conversion:
    return Conversion(pair.cast)


def _to_instant(pair: Pair) -> Conversion | None:
    if pair.timezone is None:
        return None
    local = pair.cast_as(DataType(Kind.TIMESTAMP))
    zone = text(pair.dialect.literals.zone(pair.timezone), pair.dialect)
    misfit = pair.dialect.function("zone_misfit", local, zone)
    if pair.source.kind is Kind.TIMESTAMP and pair.source.places > pair.target.places:
        cut = tried_cast(pair.cast_as(replace(pair.target, kind=Kind.TIMESTAMP)), pair.source, pair.dialect)
        misfit = f"({misfit} OR {_unlike(cut, pair)})"
    return Conversion(pair.dialect.function("at_zone", local, zone), misfit)


def _from_text(pair: Pair) -> Conversion:
    dialect = pair.dialect
    form = _ISO[pair.target.kind]
    if pair.target.places < 6 and pair.target.kind in TEMPORAL:
        form = form.replace(_FRACTION, f"([.][0-9]{{0,{pair.target.places}}}0*)?")
    readable = dialect.function("matches", pair.x, text(form, dialect))
    own = dialect.functions.get(f"text_{pair.target.kind}")
    value = own.format(pair.x) if own else pair.cast
    return Conversion(value, dialect.function("unreadable", pair.x, readable, spell(pair.target, dialect), value))


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
    ("text", "json"): _cast,
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
