"""Changes of type between local times and instants: the time zone, where it comes from, and the exact conversion."""

from __future__ import annotations

from dataclasses import dataclass

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.conversion import convert, tried_cast
from flowc.compiler.loads.conversion_pair import Conversion
from flowc.compiler.migrate.alteration import Situation
from flowc.compiler.quote import text
from flowc.compiler.tables.ddl import cast
from flowc.types import DataType, Kind

LOCAL = (Kind.TIMESTAMP, Kind.DATE)
_ASK = "say it with `change_timezone: ZONE` on the column"


@dataclass(frozen=True, slots=True)
class Zone:
    """The time zone of a change, and in words where it comes from; or why there is none."""

    name: str
    source: str
    blocked: str | None = None


def needs_zone(old: DataType, new: DataType) -> bool:
    """Whether a change of type is between local times and instants."""
    return (old.kind in LOCAL and new.kind is Kind.TIMESTAMPTZ) or (old.kind is Kind.TIMESTAMPTZ and new.kind in LOCAL)


def zone_of(was: Column, situation: Situation) -> Zone:
    """The time zone of the local times of a column: what the column says, else the one that all loads name."""
    said = dict(situation.zones).get(was.name)
    if said is not None:
        return Zone(said, "`change_timezone` of the column")
    loads = situation.loads
    earlier = _earlier(was, situation)
    names = {*earlier, *(zone for _, zones in loads for zone in zones)}
    unknown = [name for name, zones in loads if not zones]
    if loads and len(names) == 1 and not unknown:
        return Zone(names.pop(), f"`timezone` of {', '.join(f'`{name}`' for name, _ in loads)}")
    return Zone("", "", _blocked(was, situation, unknown, earlier))


def _earlier(was: Column, situation: Situation) -> tuple[str, ...]:
    """The time zones that the column named in earlier versions, which may have made its values."""
    names = was.name, situation.new_name(was.name)
    return tuple(dict.fromkeys(zone for name, zone in situation.earlier_zones if name in names))


def _blocked(was: Column, situation: Situation, unknown: list[str], earlier: tuple[str, ...]) -> str:
    loads = situation.loads
    if earlier:
        before = f"earlier versions: {', '.join(earlier)}"
        listed = (*(f"`{name}`: {zone}" for name, zones in loads for zone in zones), before)
        why = f"the loads into the table and `change_timezone` of earlier versions name {', '.join(listed)}"
    elif not loads:
        why = "no pipeline fills the table"
    elif unknown:
        why = f"{', '.join(f'`{name}`' for name in unknown)} of the loads into the table names no `timezone`"
    else:
        named = (f"`{name}`: {zone}" for name, zones in loads for zone in zones)
        why = f"the loads into the table name more than one: {', '.join(named)}"
    return f"the time zone of the local times in `{was.name}` is not known ({why}): {_ASK}"


def convert_zoned(x: str, old: DataType, new: DataType, zone: str, dialect: Dialect) -> Conversion:
    """The value in its new type. A local time that the clocks of the zone skip or show twice is a misfit."""
    if new.kind is Kind.TIMESTAMPTZ:
        found = _within(x, old, convert(x, old, new, dialect, zone), new, dialect)
        return within_timestamps(x, old, new, found, dialect)
    name = dialect.literals.zone(zone)
    local = dialect.function("in_zone", x, text(name, dialect))
    if not dialect.literals.typed:
        value = dialect.function("canonical_time", local, text(str(new.kind), dialect))
        return Conversion(value, f"({x} IS NOT NULL AND {value} IS NULL)")
    value = cast(local, new, dialect) if new.kind is Kind.DATE or new.places < old.places else local
    whole = tried_cast(tried_cast(local, new, dialect), DataType(Kind.TIMESTAMP), dialect)
    misfit = dialect.function("zone_misfit", local, text(name, dialect))
    cut = f"({x} IS NOT NULL AND ({whole} = {local}) IS NOT TRUE)"
    found = Conversion(value, misfit if value == local else f"({misfit} OR {cut})")
    return _within(x, old, found, new, dialect)


def within_timestamps(x: str, old: DataType, new: DataType, found: Conversion, dialect: Dialect) -> Conversion:
    """The conversion, with dates that the engine has and its timestamps do not among the misfits."""
    beyond = dialect.functions.get("no_timestamp") if _outlasts(old, new) else None
    if beyond is None:
        return found
    return Conversion(found.sql, f"CASE WHEN {beyond.format(x)} THEN true ELSE {found.misfit or 'false'} END")


def _outlasts(old: DataType, new: DataType) -> bool:
    return old.kind is Kind.DATE and new.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ)


def _within(x: str, old: DataType, found: Conversion, new: DataType, dialect: Dialect) -> Conversion:
    """At the ends of the calendar, a value of one side may be none of the other."""
    if not dialect.literals.typed or not found.misfit:
        return found
    before, after = (dialect.compare.finite[kind.kind].format(x=v) for kind, v in ((old, x), (new, found.sql)))
    return Conversion(found.sql, f"({found.misfit} OR ({before} AND NOT {after}))")
