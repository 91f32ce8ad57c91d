"""Where a stream reads and writes: no place twice among its targets, and none that it reads."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedStream, CheckedStreamSource, CheckedStreamTarget
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.tables.places import table_place
from flowc.diagnostics import Note

Place = tuple[str, str]
"""A connection, and what is read or written of it."""


def check_places(stream: CheckedStream, lookup: Lookup) -> None:
    """Checks all of them."""
    name = stream.spec.name.value
    read = {_read(source) for source in stream.sources}
    seen: dict[Place, CheckedStreamTarget] = {}
    for target in stream.targets:
        place = _written(target)
        if place is None:
            continue
        if place in read:
            message = f"stream `{name}` reads `{place[1]}` in `{place[0]}` and writes into it: it would never end"
            lookup.reporter.error("stream-reads-target", message, target.span, helps=("write into another one",))
        first = seen.setdefault(_key(target, place), target)
        if first is not target:
            note = Note("it is first named here", first.span)
            message = f"`{place[1]}` in `{place[0]}` is a target of stream `{name}` twice"
            helps = ("remove one",)
            lookup.reporter.error("duplicate-target", message, target.span, notes=(note,), helps=helps)


def _read(source: CheckedStreamSource) -> Place:
    return source.connection.name.value, source.address or ""


def _written(target: CheckedStreamTarget) -> Place | None:
    address = target.name or next((name.value for name in target.spec.addresses.values()), None)
    return None if address is None else (target.connection.name.value, str(address))


def _key(target: CheckedStreamTarget, place: Place) -> Place:
    """What tells a place apart, however a table is spelled."""
    if target.name is None:
        return place
    return place[0], str(TableName(*table_place(target.connection.kind.value, target.name)))
