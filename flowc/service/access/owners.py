"""Tables that other projects own: they are named, and left alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Target
from flowc.compiler.migrate.history import count_versions
from flowc.compiler.tables.letters import LETTERS
from flowc.compiler.tables.state import own_tables
from flowc.errors import EngineError, UsageError
from flowc.migration import Managed, PipelineChange
from flowc.service.access.history import History
from flowc.service.access.livedatabase import history_of
from flowc.service.access.plainnames import plain_name
from flowc.service.access.sessions import Sessions


def refuse_owned(names: Sequence[TableName], connection: str, kind: str, history: History, sessions: Sessions) -> None:
    """Raises UsageError where a declared table is another project's, or one that flowc keeps itself."""
    own = {plain_name(name, kind) for name in own_tables(DIALECTS[kind]) if not name.name.endswith(LETTERS)}
    mine = [name for name in names if plain_name(name, kind, history.here) in own]
    if mine:
        message = f"`{connection}.{mine[0]}` is a table in which flowc keeps what it knows of the database"
        raise UsageError(message, code="table-of-flowc", help="remove it from `tables:`")
    found = {name: owner for name in names if (owner := history.owner(name, kind)) is not None}
    if found:
        raise _owned(found, connection, sessions.project)


@dataclass
class Owners:
    """Whose the declared tables are that loads and streams write. A user who may not read that is not told."""

    sessions: Sessions
    _seen: dict[str, tuple[History, object] | None] = field(default_factory=dict)
    """The history of each connection, and what tells another one from it, in today's tables; None where the user may
    not read it."""

    def refuse(self, target: Target) -> None:
        """Raises UsageError where the table is another project's, as one that was taken is."""
        if target.table is not None:
            if target.connection not in self._seen:
                self._seen[target.connection] = self._look(target)
            seen = self._seen[target.connection]
            self._refuse(target, seen[0] if seen is not None else History())

    def refuse_anew(self, target: Target) -> None:
        """The same after a first look: what was found then holds while nobody applies and takes."""
        seen = self._seen.get(target.connection)
        if target.table is not None and seen is not None and (seen[1] is None or self._count(target) != seen[1]):
            self._refuse(target, history_of(self.sessions, target.connection))

    def _look(self, target: Target) -> tuple[History, object] | None:
        try:
            history = history_of(self.sessions, target.connection)
            return history, self._count(target) if history.versions else None
        except EngineError as error:
            if error.code != "access-denied":
                raise
            return None

    def _count(self, target: Target) -> object:
        database, kind = self.sessions.control(target.connection)
        return database.query(count_versions(self.sessions.project, DIALECTS[kind])).to_pylist()

    def _refuse(self, target: Target, history: History) -> None:
        if owner := history.owner(target.name, target.kind):
            raise _owned({target.name: owner}, target.connection, self.sessions.project)


def _owned(found: dict[TableName, str], connection: str, project: str) -> UsageError:
    owner = next(iter(found.values()))
    told = f"project `{owner}`"
    name, more = next(iter(found)), len(found) - 1
    words = f"table `{connection}.{name}` belongs" if not more else f"{more + 1} tables of `{connection}` belong"
    take = shlex.join(("flowc", "project", "take", f"{connection}.{name}"))
    rename = shlex.join(("flowc", "project", "rename", owner, project))
    return UsageError(
        f"{words} to {told}, and project `{project}` declares {'them' if more else 'it'} too",
        code="table-of-another-project",
        help=f"take {'each' if more else 'it'} over with `{take}`; if this is that project under a new name, run "
        f"`{rename}`; else declare a table of another name",
        details=tuple(f"{connection}.{name}: of project `{of}`" for name, of in found.items()),
    )


def without_owned(managed: Sequence[Managed], kind: str, history: History) -> tuple[Managed, ...]:
    """The tables that were applied, without those that have become another project's: they are not dropped."""
    return tuple(entry for entry in managed if history.owner(entry.table.name, kind) is None)


def table_of(target: str) -> str:
    """The table of a `connection.table`; no name of a connection has a dot."""
    return target.partition(".")[2]


def with_owner(load: PipelineChange, kind: str, history: History) -> PipelineChange:
    """The change of a load, which says whose table it writes where that is another project's."""
    name = TableName.parse(table_of(load.target))
    owner = history.owner(name, kind)
    if owner is None:
        return load
    return replace(load, effects=(*load.effects, f"its table belongs to project `{owner}`"))
