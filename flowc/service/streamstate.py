"""Opens the store in which a stream keeps its state: a connection that it names, or a file of the project."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from flowc.runtime.connector import Database
from flowc.runtime.connectors import open_database
from flowc.runtime.private import make_private
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.streams.targets.contract import Held, Writer
from flowc.runtime.streams.targets.database import DatabaseWriter
from flowc.service.sessions import Sessions
from flowc.stream import StatePlan, StreamPlan

FOLDER = ".flowc"
"""Where flowc's own files are, under the project root."""
FILE = "state.sqlite"


def state_of(plan: StreamPlan, writers: Sequence[Writer], sessions: Sessions) -> DatabaseStore | None:
    """The store that a plan asks for; where it is shared, the only writer keeps state in its transactions."""
    if plan.state is None:
        return None
    store = open_state(plan.name, plan.state, sessions)
    if plan.state.shared:
        (writer,) = writers
        assert isinstance(writer, DatabaseWriter)
        writer.beside = store.beside
    return store


def stored(stream: str, plan: StatePlan, sessions: Sessions) -> Held:
    """The last epoch and the positions that a store knows; looks only."""
    if not _is_there(plan, sessions):
        return Held()
    with closing(open_state(stream, plan, sessions)) as store:
        restored = store.look()
    return Held(max(restored.last, restored.checkpoint.epoch), restored.positions, restored.logs)


def recalled(stream: str, plan: StatePlan, sessions: Sessions) -> dict[str, str]:
    """What a stream remembers by name; looks only."""
    if not _is_there(plan, sessions):
        return {}
    with closing(open_state(stream, plan, sessions)) as store:
        return store.recalled()


def _is_there(plan: StatePlan, sessions: Sessions) -> bool:
    """Whether there is a file, where a look would make one."""
    return plan.connection is not None or (sessions.resolver.root / FOLDER / FILE).exists()


def open_state(stream: str, plan: StatePlan, sessions: Sessions) -> DatabaseStore:
    """The store of a stream; one that is shared uses the session of the stream's target."""
    return DatabaseStore(stream, plan.sql, _database(plan, sessions))


def _database(plan: StatePlan, sessions: Sessions) -> Database:
    if plan.connection is not None:
        return sessions.target(plan.connection)
    file = sessions.resolver.root / FOLDER / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    make_private(str(file))
    return open_database(plan.kind, {"path": str(file)})
