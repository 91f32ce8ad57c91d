"""Where a stream reads and writes: no place twice among its targets, and none that it reads."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import TableName
from flowc.compiler.front.spec import Name, RawSpec
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.raw import name_at
from flowc.compiler.names.windows import target_table
from flowc.compiler.tables.places import table_place
from flowc.diagnostics import Note
from flowc.source import Span

Place = tuple[str, str]
"""A connection, and what is read or written of it."""
_ADDRESSES = ("table", "topic", "queue", "exchange", "subscription", "stream", "path")


def check_places(stream: RawSpec, sources: Iterable[str], targets: Iterable[str], lookup: Lookup) -> None:
    """Checks all of them."""
    read = {place for path in sources if (place := _place(stream, path, lookup))}
    seen: dict[Place, str] = {}
    for path in targets:
        place = _place(stream, path, lookup)
        if place is None:
            continue
        if place in read:
            _report_circle(stream, path, place, lookup)
        first = seen.setdefault(_key(stream, path, place, lookup), path)
        if first != path:
            _report_twice(stream, path, first, place, lookup)


def _key(stream: RawSpec, path: str, place: Place, lookup: Lookup) -> Place:
    """What tells a place apart, however a table is spelled."""
    connection = lookup.project.connections.get(place[0])
    tables = target_table(stream, path, lookup) is not None or name_at(stream, f"{path}.table") is not None
    if connection is None or not tables:
        return place
    return place[0], str(TableName(*table_place(connection.kind.value, TableName.parse(place[1]))))


def _report_twice(stream: RawSpec, path: str, first: str, place: Place, lookup: Lookup) -> None:
    note = Note("it is first named here", _span(stream, first))
    message = f"`{place[1]}` in `{place[0]}` is a target of stream `{stream.name.value}` twice"
    lookup.reporter.error("duplicate-target", message, _span(stream, path), notes=(note,), helps=("remove one",))


def _report_circle(stream: RawSpec, path: str, place: Place, lookup: Lookup) -> None:
    message = f"stream `{stream.name.value}` reads `{place[1]}` in `{place[0]}` and writes into it: it would never end"
    helps = ("write into another one",)
    lookup.reporter.error("stream-reads-target", message, _span(stream, path), helps=helps)


def _place(stream: RawSpec, path: str, lookup: Lookup) -> Place | None:
    table = target_table(stream, path, lookup)
    if table is not None:
        return table.connection.value, str(table.table_name)
    connection, address = name_at(stream, f"{path}.connection"), _address(stream, path)
    if connection is None or address is None:
        return None
    try:
        named = name_at(stream, f"{path}.table")
        return connection.value, str(TableName.parse(named.value)) if named else address.value
    except ValueError:  # reported where targets are checked
        return None


def _address(stream: RawSpec, path: str) -> Name | None:
    """The table, topic or path as it is written."""
    found = (name_at(stream, f"{path}.{key}") for key in _ADDRESSES)
    return next(filter(None, found), None) or name_at(stream, path)


def _span(stream: RawSpec, path: str) -> Span:
    address = _address(stream, path)
    return address.span if address else stream.name.span
