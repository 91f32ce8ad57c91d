"""Where a stream reads and writes: no place twice among its targets, and none that it reads."""

from __future__ import annotations

from flowc.compiler.checked import CheckedStream, CheckedStreamTarget
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.tables.places import place_in
from flowc.diagnostics import Note


def check_places(stream: CheckedStream, lookup: Lookup) -> None:
    """Checks all of them."""
    name = stream.spec.name.value
    read = {(lookup.database(source.connection), source.address or "") for source in stream.sources}
    seen: dict[tuple[object, ...], CheckedStreamTarget] = {}
    for target in stream.targets:
        address = target.name or next((name.value for name in target.spec.addresses.values()), None)
        if address is None:
            continue
        database, where = lookup.database(target.connection), f"`{address}` in `{target.connection.name.value}`"
        if (database, str(address)) in read:
            message = f"stream `{name}` reads {where} and writes into it: it would never end"
            lookup.reporter.error("stream-reads-target", message, target.span, helps=("write into another one",))
        table, kind = target.name, target.connection.kind.value
        first = seen.setdefault((*database, str(address)) if table is None else place_in(database, kind, table), target)
        if first is not target:
            note = Note("it is first named here", first.span)
            message = f"{where} is a target of stream `{name}` twice"
            helps = ("remove one",)
            lookup.reporter.error("duplicate-target", message, target.span, notes=(note,), helps=helps)
