"""Opens what a stream writes: databases, lakes, folders and topics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import cache, partial

from flowc.catalog import Table
from flowc.compiler.ir import Target
from flowc.compiler.streamplan.targets import LiveTableOf
from flowc.runtime.contracts.target import Held, TargetOpening, Writer
from flowc.runtime.systems import open_target
from flowc.service.access.sessions import Sessions
from flowc.stream import StreamPlan, TargetPlan

Pause = Callable[[str], None]


def _no_pause(_: str) -> None:
    return


def writers_of(plan: StreamPlan, sessions: Sessions, pause: Pause) -> list[Writer]:
    """A writer for each target, and one for dead letters that are in none of them."""
    return [writer_of(target, plan, sessions, pause) for target in plan.written]


def writer_of(target: TargetPlan, plan: StreamPlan, sessions: Sessions, pause: Pause = _no_pause) -> Writer:
    """The writer of one target of a plan."""
    options = sessions.options(target.connection).values
    session = partial(sessions.target, target.connection)
    return open_target(TargetOpening(target, plan.kept, options, session=session, former=plan.former, pause=pause))


def look_at(target: TargetPlan, plan: StreamPlan, sessions: Sessions) -> Held:
    """What a target holds. Looks only, and leaves sessions open that others use."""
    if not sessions.is_there(target.connection):
        return Held()
    writer = writer_of(target, plan, sessions)
    if target.position_sql is not None:
        return writer.look()
    with closing(writer):
        return writer.look()


def looking(sessions: Sessions) -> LiveTableOf:
    """Tells of the tables that are written as they are now."""

    @cache
    def live(target: Target) -> Table | None:
        if not sessions.is_there(target.connection):
            return None
        database = sessions.target(target.connection)
        database.open()
        return database.table(target.name)

    return live
