"""Opens the store in which a stream keeps its state: a connection that it names, or a file of the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from flowc.compiler.streamplan.state import JUDGED, REPLAYED, Owner, state_plan
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.state import Checkpoint, NodeState, Restored
from flowc.runtime.contracts.target import Held, Writer
from flowc.runtime.stores.private import make_private
from flowc.runtime.streams.state.compaction import Compactor
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.streams.watermark import ENDED, WHOLE
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.access.sessions import Sessions
from flowc.stream import StatePlan, StreamPlan

FOLDER = ".flowc"
"""Where flowc's own files are, under the project root."""
_STATE = "state"
"""The folder there that holds a file for each stream, so that none waits for the commit of another."""
_TOLD = 120
"""Letters of a name that are told by a file's; the rest is told by a hash."""


def state_file(stream: str) -> str:
    """The file under the project root that is a stream's embedded store."""
    name = quote(stream, safe=" ")
    if len(name) > _TOLD:
        name = f"{name[:_TOLD]}-{sha256(stream.encode()).hexdigest()[:16]}"
    return f"{FOLDER}/{_STATE}/{name}.sqlite"


def state_files(root: Path) -> list[Path]:
    """All embedded stores that there are."""
    return sorted((root / FOLDER / _STATE).glob("*.sqlite"))


def replayed_name(stream: str) -> str:
    """The name under which the epochs of replays are counted."""
    return f"{stream}{REPLAYED}"


def judged_name(stream: str) -> str:
    """The name under which the epochs of replays are counted whose letters `dedupe` judges."""
    return f"{stream}{JUDGED}"


def judged_epoch(plan: StreamPlan, sessions: Sessions) -> int:
    """The number of the last epoch of a replay whose letters `dedupe` judged: each shuts out the stream's worker."""
    if plan.state is None or not plan.stateful or not plan.sets_aside:
        return 0
    name = judged_name(plan.name)
    state = state_plan(Owner(plan.project, name, plan.name), plan.state.connection, plan.state.kind)
    return stored(name, state, sessions).epoch


def state_of(plan: StreamPlan, writers: Sequence[Writer], sessions: Sessions) -> DatabaseStore | None:
    """The store that a plan asks for; where it is shared, the only writer keeps state in its transactions."""
    if plan.state is None:
        return None
    store = open_state(plan.name, plan.state, sessions)
    store.compactor = _merging(plan.name, plan.state, sessions)
    if plan.state.shared:
        (writer,) = writers
        assert isinstance(writer, DatabaseWriter)
        writer.beside = store.beside
    return store


def stored(stream: str, plan: StatePlan, sessions: Sessions) -> Held:
    """The last epoch and the positions that a store knows; looks only."""
    with _looking(stream, plan, sessions) as store:
        restored = Restored() if store is None else store.look()
    return Held(max(restored.last, restored.checkpoint.epoch), restored.positions, restored.logs)


def looked_at(plan: StreamPlan, sessions: Sessions) -> Restored:
    """What the store of a stream that is about to run knows; it looks through the session that the run goes on with."""
    state = plan.state
    if state is None or (state.connection is not None and sessions.in_memory(state.connection)):
        return Restored()
    if state.connection is not None:
        return open_state(plan.name, state, sessions).look()
    with _looking(plan.name, state, sessions) as store:
        return Restored() if store is None else store.look()


def sizes(stream: str, plan: StatePlan, sessions: Sessions) -> dict[str, NodeState]:
    """What a store keeps of each node of a stream; looks only."""
    with _looking(stream, plan, sessions) as store:
        return {} if store is None else store.sizes()


def checkpoint_of(stream: str, plan: StatePlan, sessions: Sessions) -> Checkpoint:
    """The last checkpoint of a stream; looks only."""
    with _looking(stream, plan, sessions) as store:
        return Checkpoint() if store is None else store.look().checkpoint


def marks_of(checkpoint: Checkpoint) -> dict[Partition, int]:
    """How far time was in each partition by a checkpoint."""
    return {at: mark for at, mark in checkpoint.watermarks.items() if at != WHOLE and mark != ENDED}


def written(stream: str, plan: StatePlan, sessions: Sessions) -> Restored:
    """What a store knows, its segments without their bytes. Looks only."""
    with _looking(stream, plan, sessions) as store:
        return Restored() if store is None else store.written()


def require_own_state(stream: str, plan: StatePlan, sessions: Sessions) -> None:
    """Raises UsageError where a project of another name keeps the stream's state; looks only."""
    with _looking(stream, plan, sessions) as store:
        if store is not None:
            store.require_own()


def recalled(stream: str, plan: StatePlan, sessions: Sessions) -> dict[str, str]:
    """What a stream remembers by name; looks only."""
    with _looking(stream, plan, sessions) as store:
        return {} if store is None else store.recalled()


@contextmanager
def _looking(stream: str, plan: StatePlan, sessions: Sessions) -> Iterator[DatabaseStore | None]:
    """The store of a stream for one who only looks; None where there is none."""
    if plan.connection is None:
        there = (sessions.resolver.root / state_file(plan.stream)).exists()
    else:
        there = sessions.is_there(plan.connection)
    if not there:
        yield None
        return
    with closing(_to_look_at(stream, plan, sessions)) as store:
        yield store


def _to_look_at(stream: str, plan: StatePlan, sessions: Sessions) -> DatabaseStore:
    if plan.connection is not None:
        return open_state(stream, plan, sessions)
    path = str(sessions.resolver.root / state_file(plan.stream))
    return DatabaseStore(stream, plan.sql, open_database(plan.kind, {"path": path}))


def open_state(stream: str, plan: StatePlan, sessions: Sessions) -> DatabaseStore:
    """The store of a stream; one that is shared uses the session of the stream's target."""
    return DatabaseStore(stream, plan.sql, _database(plan, sessions))


def _merging(stream: str, plan: StatePlan, sessions: Sessions) -> Compactor | None:
    """What merges its segments beside it; a database in memory has one session for all."""
    if plan.connection is not None and sessions.in_memory(plan.connection):
        return None

    @contextmanager
    def own() -> Iterator[Database]:
        with own_state(stream, plan, sessions) as store:
            yield store.database

    return Compactor(plan.sql, stream, own)


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
    file = sessions.resolver.root / state_file(plan.stream)
    file.parent.mkdir(parents=True, exist_ok=True)
    make_private(str(file))
    return open_database(plan.kind, {"path": str(file)})
