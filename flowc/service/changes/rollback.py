"""The plan back to an earlier applied version of a database: forward, by the same rules and the same gates."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.ir import Ir
from flowc.compiler.lineage import graph
from flowc.errors import UsageError
from flowc.migration import Managed, MigrationPlan, Snapshot, WantedTable
from flowc.service.access.history import History, read_snapshot
from flowc.service.access.livedatabase import history_of
from flowc.service.access.sessions import Sessions
from flowc.service.changes.plans import Wanted, plan_database, wanted_of

_VERSION = re.compile("[0-9]{1,18}")
_Named = dict[str, dict[str, str]]
_Zones = dict[str, dict[str, set[str]]]
"""By table, and then by column."""


def plan_rollback(ir: Ir, sessions: Sessions, connection: str, version: int) -> MigrationPlan:
    """The plan that makes one database's tables what they were after `version`."""
    wanted = rollback_wanted(sessions, connection, sessions.options(connection).kind, version)
    found = plan_database(wanted, sessions, graph(ir, columns=True), frozenset())
    return MigrationPlan((found,), project=sessions.project)


def rollback_target(checked: CheckedSpec, ir: Ir, sessions: Sessions, text: str) -> tuple[str, int]:
    """The database and the version that `CONNECTION:VERSION`, or `VERSION` alone, names.

    Raises UsageError for text that names none, and for a number alone where there are several databases.
    """
    named, _, number = text.rpartition(":")
    if not _VERSION.fullmatch(number) or (named and named not in checked.project.connections):
        message = f"`{text}` is not a version"
        raise UsageError(message, code="unknown-version", help="write VERSION or CONNECTION:VERSION")
    known = [wanted.connection for wanted in wanted_of(checked, ir, sessions) if wanted.tables]
    if not named and len(known) != 1:
        choices = " or ".join(f"`{name}:{number}`" for name in known) or "write CONNECTION:VERSION"
        message = "the project has tables in several databases, and each has versions of its own"
        raise UsageError(message, code="unknown-version", help=choices)
    return named or known[0], int(number)


def rollback_wanted(sessions: Sessions, connection: str, kind: str, version: int) -> Wanted:
    """What was wanted after a version. Columns that were renamed since are renamed back."""
    history = history_of(sessions, connection)
    then = _snapshot(sessions, connection, version)
    names, zones = _since(sessions, connection, version, history)
    for entry in then.tables:
        _refuse_reused(entry, names.get(entry.key, {}), history.snapshot)
    tables = tuple(_wanted(entry, connection, kind, names.get(entry.key, {}), zones) for entry in then.tables)
    return Wanted(connection, kind, tables, then.pipelines)


def _wanted(entry: Managed, connection: str, kind: str, names: Mapping[str, str], zones: _Zones) -> WantedTable:
    """A table as it was. Of several time zones of a column, none is the word for a change back."""
    listed = [(name, sorted(found)) for name, found in zones.get(entry.key, {}).items()]
    said = tuple((name, zone) for name, (zone, *more) in listed if not more)
    several = tuple((name, zone) for name, found in listed for zone in found if len(found) > 1)
    back = _back(entry.table.column_names, names)
    return WantedTable(connection, kind, entry.key, entry.table, back, zones=said, earlier_zones=several)


def _refuse_reused(then: Managed, names: Mapping[str, str], now: Snapshot) -> None:
    """Raises UsageError where a name of that version is one of another column today: nothing renames both at once."""
    today = {name for entry in now.tables if entry.key == then.key for name in entry.table.column_names}
    for old, new in _back(then.table.column_names, names):
        if new in today and (old in today or new in then.table.column_names):
            name = old if old in today else new
            message = f"`{old}` of `{then.key}` is `{new}` today, and `{name}` is another column than it was then"
            help = "roll back to the versions between, one after the other"
            raise UsageError(f"{message}; nothing was changed", code="precheck-failed", help=help)


def _back(columns: tuple[str, ...], names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((old, new) for new, old in names.items() if old in columns and new != old)


def _snapshot(sessions: Sessions, connection: str, version: int) -> Snapshot:
    return read_snapshot(*sessions.control(connection), version, sessions.project)


def _since(sessions: Sessions, connection: str, version: int, history: History) -> tuple[_Named, _Zones]:
    """What the columns of today were called after `version`, and their `change_timezone` since by those names."""
    names: _Named = {}
    zones: _Zones = {}
    for number in (v.version for v in history.versions if v.status == "done" and v.version >= version):
        before, names = names, {}
        for entry in _snapshot(sessions, connection, number).tables:
            held = dict(before.get(entry.key, {}))
            for new, old in entry.renamed if number > version else ():
                held[new] = held.pop(old, old)
            # A column of that name that comes later is another one.
            held = {new: old for new, old in held.items() if entry.table.column(new) is not None}
            names[entry.key] = held
            _add_zones(entry, held, zones)
    for entry in history.unfinished:
        was = names.get(entry.key, {})
        _add_zones(entry, {new: was.get(old, old) for new, old in entry.renamed} | was, zones)
    return names, zones


def _add_zones(entry: Managed, then: Mapping[str, str], zones: _Zones) -> None:
    """Adds the zones of a version by the earlier names of its columns."""
    for column, zone in entry.zones:
        zones.setdefault(entry.key, {}).setdefault(then.get(column, column), set()).add(zone)
