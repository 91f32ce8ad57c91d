"""A change of a column's type: how values are taken over, and which of them have no place in the new type."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.conversion import convert
from flowc.compiler.loads.conversion_pair import Conversion
from flowc.compiler.loads.normalize import parsed_int, parsed_numeric
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.migrate.zones import convert_zoned, needs_zone, within_timestamps, zone_of
from flowc.compiler.quote import ident
from flowc.compiler.tables.ddl import cast, reported, spell
from flowc.errors import DataError
from flowc.migration import Risk
from flowc.types import DataType, Kind


@dataclass(frozen=True, slots=True)
class Retype:
    """`value` is the old column as a value of the new type; `misfit` holds for rows it cannot be."""

    value: str
    misfit: str | None
    risk: Risk
    blocked: str | None = None
    zone: str | None = None
    """The time zone of the local times, where the change is between them and instants."""
    notes: tuple[str, ...] = ()


def retype(was: Column, now: Column, situation: Situation) -> Retype:
    """How the live column `was` becomes `now`."""
    dialect = situation.dialect
    if now.own is not None:
        return _by_hand(was, now)
    x, old, new = ident(was.name), was.type, reported(now.type, dialect)
    if needs_zone(old, new):
        return _zoned(was, new, situation)
    if found := _read_text(x, old, new, dialect):
        return found
    if new.kind is Kind.TEXT and old.kind is not Kind.TEXT:
        return _as_text(x, old, new, dialect)
    try:
        conversion = _convert(x, old, new, dialect)
    except DataError:
        return _refused(x, old, new)
    as_text = old.kind is Kind.TEXT or was.own == "json"
    if as_text and new.kind is Kind.JSON and "no_json" in dialect.functions:
        return Retype(_cast(x, new, dialect, conversion.sql), dialect.function("no_json", x), Risk.DATA_DEPENDENT)
    if (old.kind, new.kind) == (Kind.TEXT, Kind.UUID) and "kept_uuid" in dialect.functions:
        return _kept_uuid(x, conversion, dialect)
    if conversion.misfit:
        return Retype(_cast(x, new, dialect, conversion.sql), conversion.misfit, Risk.DATA_DEPENDENT)
    risk = Risk.WIDENING if old.kind is new.kind or (old.is_number and new.is_number) else Risk.INCOMPATIBLE
    return Retype(_cast(x, new, dialect, conversion.sql), None, risk)


_MAGNITUDES = {Kind.FLOAT32: ("1.5e-45", "3.4e38"), Kind.FLOAT64: ("5e-324", "1.797e308")}
"""Of numbers between these, each has a next value of the type."""


def _convert(x: str, old: DataType, new: DataType, dialect: Dialect) -> Conversion:
    """The conversion of loads. A cast of a number beyond a float fails, and would say so of no row."""
    found = within_timestamps(x, old, new, convert(x, old, new, dialect, None), dialect)
    unlimited = dialect.literals.typed and dialect.types.widest is None and old == DataType(Kind.DECIMAL)
    if not unlimited or not new.is_float or not found.misfit:
        return found
    within = f"{x} = 0 OR abs({x}) BETWEEN {' AND '.join(_MAGNITUDES[new.kind])}"
    special = f"{cast(x, DataType(Kind.TEXT), dialect)} IN ('NaN', 'Infinity', '-Infinity')"
    misfit = f"CASE WHEN {within} THEN {found.misfit} WHEN {special} THEN false ELSE {x} IS NOT NULL END"
    return Conversion(found.sql, misfit)


def _kept_uuid(x: str, found: Conversion, dialect: Dialect) -> Retype:
    """The engine keeps the text as it is; loads compare uuids by their canonical text."""
    misfit = f"({found.misfit} OR {dialect.function('kept_uuid', x, found.sql)})"
    note = "the engine keeps the texts: write them with lower-case digits and with hyphens first"
    return Retype(found.sql, misfit, Risk.DATA_DEPENDENT, notes=(note,))


def _zoned(was: Column, new: DataType, situation: Situation) -> Retype:
    x, zone = ident(was.name), zone_of(was, situation)
    if zone.blocked:
        return Retype(x, None, Risk.INCOMPATIBLE, zone.blocked)
    found = convert_zoned(x, was.type, new, zone.name, situation.dialect)
    risk = Risk.DATA_DEPENDENT if found.misfit else Risk.INCOMPATIBLE
    note = f"local times are those of {zone.name} ({zone.source})"
    value = _cast(x, new, situation.dialect, found.sql)
    return Retype(value, found.misfit, risk, zone=zone.name, notes=(note,))


def _by_hand(was: Column, now: Column) -> Retype:
    blocked = f"flowc does not know which values a {now.own} takes: declare {was.kind}, or change it by hand"
    return Retype(ident(was.name), None, Risk.INCOMPATIBLE, blocked)


def _cast(x: str, new: DataType, dialect: Dialect, value: str) -> str:
    """The value, with a cast where the conversion left the column as it is."""
    return f"CAST({x} AS {spell(new, dialect)})" if value == x and dialect.literals.typed else value


def _as_text(x: str, old: DataType, new: DataType, dialect: Dialect) -> Retype:
    """Every value has a text."""
    if old.kind in (Kind.BINARY, Kind.UNKNOWN):
        return _refused(x, old, new)
    value = cast(x, DataType(Kind.TEXT), dialect)
    misfits = []
    if not dialect.literals.typed:
        value, misfit = _own_text(x, old, dialect)
        misfits.append(misfit)
    elif old.kind is Kind.BOOL:
        value = _BOOL_TEXT.format(x)
    elif old.kind in dialect.types.short_floats:
        misfits.append(f"{cast(value, old, dialect)} <> {x}")
    if new.length is not None:
        misfits.append(f"{dialect.function('length', value)} > {new.length}")
    return Retype(value, " OR ".join(misfits) or None, Risk.DATA_DEPENDENT if misfits else Risk.INCOMPATIBLE)


def _own_text(x: str, old: DataType, dialect: Dialect) -> tuple[str, str]:
    """The text of a value, and what has none: a column may hold values of other types than its own."""
    if old.kind is Kind.BOOL:
        return _BOOL_TEXT.format(x), f"({x} IS NOT NULL AND ({x} IN (0, 1)) IS NOT TRUE)"
    value = dialect.function("float_text", x)
    return value, dialect.function("no_text", x, value)


_BOOL_TEXT = "CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END"


def _refused(x: str, old: DataType, new: DataType) -> Retype:
    """Other pairs have no meaning that can be guessed."""
    blocked = (
        f"no value of type {old} is a value of type {new}: add a column of the new type, fill it, and drop the old one"
    )
    return Retype(x, None, Risk.INCOMPATIBLE, blocked)


def _read_text(x: str, old: DataType, new: DataType, dialect: Dialect) -> Retype | None:
    """Numbers are read from texts that hold nothing else."""
    if old.kind is not Kind.TEXT or not new.is_number:
        return None
    number, kind = parsed_int(x, dialect) if new.is_integer else parsed_numeric(x, new, dialect)
    try:
        conversion = _convert(number, kind, new, dialect)
    except DataError:
        return None
    misfits = [f"({x} IS NOT NULL AND {number} IS NULL)", *([f"({conversion.misfit})"] if conversion.misfit else [])]
    return Retype(conversion.sql, " OR ".join(misfits), Risk.DATA_DEPENDENT)
