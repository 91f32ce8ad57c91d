"""Where a stream reads and writes: no place twice among its targets, and none that it reads."""

from __future__ import annotations

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedStream, CheckedStreamTarget
from flowc.compiler.front.places import Place
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.tables.places import table_place
from flowc.diagnostics import Note

_Written = tuple[Place, str]
"""A database, cluster or folder, and what is read or written of it."""


def check_places(stream: CheckedStream, lookup: Lookup) -> None:
    """Checks all of them."""
    name = stream.spec.name.value
    read = {(lookup.database(source.connection), source.address or "") for source in stream.sources}
    seen: dict[_Written, CheckedStreamTarget] = {}
    for target in stream.targets:
        address = target.name or next((name.value for name in target.spec.addresses.values()), None)
        if address is None:
            continue
        database, where = lookup.database(target.connection), f"`{address}` in `{target.connection.name.value}`"
        if (database, str(address)) in read:
            message = f"stream `{name}` reads {where} and writes into it: it would never end"
            lookup.reporter.error("stream-reads-target", message, target.span, helps=("write into another one",))
        first = seen.setdefault((database, _called(target, str(address))), target)
        if first is not target:
            note = Note("it is first named here", first.span)
            message = f"{where} is a target of stream `{name}` twice"
            helps = ("remove one",)
            lookup.reporter.error("duplicate-target", message, target.span, notes=(note,), helps=helps)


def _called(target: CheckedStreamTarget, address: str) -> str:
    """What tells a place apart, however a table is spelled."""
    if target.name is None:
        return address
    return str(TableName(*table_place(target.connection.kind.value, target.name)))
