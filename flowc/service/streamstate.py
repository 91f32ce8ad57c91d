"""Opens the store in which a stream keeps its state: a connection that it names, or a file of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from flowc.compiler.streamplan.state import Owner, state_plan
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


def replayed_name(stream: str) -> str:
    """The name under which the epochs of replays are counted."""
    return f"{stream}.dead-letters"


def judged_name(stream: str) -> str:
    """The name under which the epochs of replays are counted whose letters `dedupe` judges."""
    return f"{stream}.judged-letters"


def judged_epoch(plan: StreamPlan, sessions: Sessions) -> int:
    """The number of the last epoch of a replay whose letters `dedupe` judged: each shuts out the stream's worker."""
    if plan.state is None or not plan.stateful or plan.on_error != "dlq":
        return 0
    name = judged_name(plan.name)
    state = state_plan(Owner(plan.project, name), plan.state.connection, plan.state.kind)
    return stored(name, state, sessions).epoch


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


def require_own_state(stream: str, plan: StatePlan, sessions: Sessions) -> None:
    """Raises UsageError where a project of another name keeps the stream's state; looks only."""
    if _is_there(plan, sessions):
        with closing(open_state(stream, plan, sessions)) as store:
            store.require_own()


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


@contextmanager
def own_state(stream: str, plan: StatePlan, sessions: Sessions) -> Iterator[DatabaseStore]:
    """The store of a stream through a session of its own; a database in memory has one for all."""
    if plan.connection is None or sessions.in_memory(plan.connection):
        database = _database(plan, sessions)
    else:
        options = sessions.options(plan.connection)
        database = open_database(options.kind, options.values)
    try:
        yield DatabaseStore(stream, plan.sql, database)
    finally:
        if plan.connection is None or not sessions.in_memory(plan.connection):
            database.close()


def _database(plan: StatePlan, sessions: Sessions) -> Database:
    if plan.connection is not None:
        return sessions.target(plan.connection)
    file = sessions.resolver.root / FOLDER / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    make_private(str(file))
    return open_database(plan.kind, {"path": str(file)})
