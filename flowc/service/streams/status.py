"""Where streams are: their stored positions against the ends of their sources. Looks only, and interrupts nobody."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import is_folder, source_kind
from flowc.compiler.ir import Ir
from flowc.errors import FlowcError, TransientError
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.positions import shown
from flowc.runtime.contracts.queue import Queue
from flowc.runtime.contracts.source import Source
from flowc.runtime.contracts.state import Checkpoint, NodeState
from flowc.runtime.contracts.target import Held, Owned
from flowc.runtime.streams.begin import check_log, check_lost, named
from flowc.runtime.systems.files.registry import Known
from flowc.service.access.sessions import Sessions
from flowc.service.streams.deadletters import letters_of
from flowc.service.streams.run import plan_to_look
from flowc.service.streams.sources import facts_plan, opened_source
from flowc.service.streams.state import checkpoint_of, marks_of, recalled, require_own_state, sizes, state_file, stored
from flowc.service.streams.targets import look_at, writer_of
from flowc.stream import StreamPlan

Ends = Mapping[Partition, str]


def lag_of(position: str, end: str | None) -> int | None:
    """The messages from a position to the end, None where that is not known: where positions count none, it is not."""
    return None if end is None else max(0, int(end) - int(position))


@dataclass(frozen=True, slots=True)
class At:
    """A partition: where it is read on, None before the first epoch; the end, where positions count messages."""

    source: str
    partition: str
    next: str | None
    end: str | None
    watermark: int | None = None
    """How far time was in it by the last checkpoint, in microseconds since 1970, where the stream remembers."""

    @property
    def lag(self) -> int | None:
        """Messages that are not read yet, as far as they can be counted."""
        return lag_of(self.next, self.end) if self.next is not None else None


@dataclass
class StreamStatus:
    """Where one stream is."""

    name: str
    epoch: int | None = None
    """The last epoch, 0 before the first; None where that could not be looked at."""
    partitions: tuple[At, ...] = ()
    kept_in: str | None = None
    """Where its positions are."""
    state: str | None = None
    """Where what it remembers is; None where it has no store."""
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    """What is kept there of each of its nodes that remembers."""
    files: tuple[Known, ...] = ()
    """The files of each source that reads a folder."""
    letters: int | None = None
    """Dead letters; None where it keeps none."""
    parked: int = 0
    error: FlowcError | None = None
    """Why something could not be looked at."""

    @property
    def lag(self) -> int | None:
        """Messages of all partitions that are not read yet."""
        found = [at.lag for at in self.partitions if at.lag is not None]
        return sum(found) if found else None


def stream_status(checked: CheckedSpec, ir: Ir, name: str, sessions: Sessions) -> StreamStatus:
    """Where a stream is. What fails is in the status."""
    status = StreamStatus(name)
    try:
        plan, misfit = plan_to_look(checked, ir, name, sessions)
        status.state = _state(plan)
        status.kept_in = plan.targets[0].name if _by_target(plan) else status.state
        held = held_by(plan, sessions)
        status.nodes = sizes(plan.name, plan.state, sessions) if plan.state is not None else {}
        point = checkpoint_of(plan.name, plan.state, sessions) if plan.state is not None else Checkpoint()
        marks, durable = marks_of(point), held.positions if _by_target(plan) else point.positions
        status.files = _files(plan, durable, sessions)
        status.epoch, status.partitions = held.epoch, tuple(_at(held.positions, {}, marks))
        if (letters := letters_of(plan, ir, sessions)) is not None:
            counts = letters.counts()
            status.letters = sum(count.letters for count in counts)
            status.parked = sum(count.parked for count in counts)
        if misfit is not None:
            raise misfit
        check_lost(held, plan)
        status.partitions = tuple(_at(held.positions, ends_of(plan, held, sessions), marks))
    except FlowcError as error:
        status.error = sessions.redacted(named(error, name))
    return status


def _files(plan: StreamPlan, durable: Mapping[Partition, str], sessions: Sessions) -> tuple[Known, ...]:
    sources = [source for source in plan.sources if is_folder(source.kind)]
    if not sources:
        return ()
    facts = recalled(plan.name, facts_plan(plan), sessions)
    return tuple(Known.at(each.name, facts, int(durable.get((each.name, "0"), "0"))) for each in sources)


def _by_target(plan: StreamPlan) -> bool:
    """Whether the only target knows the positions, and no store beside it."""
    return plan.state is None or plan.state.shared


def _state(plan: StreamPlan) -> str | None:
    if plan.state is None:
        return None
    return plan.state.connection or state_file(plan.state.stream)


def held_by(plan: StreamPlan, sessions: Sessions) -> Held:
    """What is stored of a stream: in its only target, or in its store."""
    if not _by_target(plan):
        assert plan.state is not None
        return stored(plan.name, plan.state, sessions)
    (target,) = plan.targets
    return look_at(target, plan, sessions)


def require_own(plan: StreamPlan, sessions: Sessions) -> None:
    """Raises UsageError where what is stored of a stream is of a project of another name, as its run would."""
    for target in plan.targets:
        if target.position_sql is not None and sessions.is_there(target.connection):
            writer = writer_of(target, plan, sessions)
            assert isinstance(writer, Owned)
            writer.require_own()
    if plan.state is not None:
        require_own_state(plan.name, plan.state, sessions)


def ends_of(plan: StreamPlan, held: Held, sessions: Sessions) -> Ends:
    """The ends of the topics that the stored positions are of.

    Raises FlowcError, also for a topic that was made anew; a broker that does not answer is asked once.
    """
    counted = [source for source in plan.sources if source_kind(source.kind).counted]
    for source in counted:
        if source.connection in sessions.silent:
            raise sessions.silent[source.connection]
    found: dict[Partition, str] = {}
    for source in counted:
        try:
            found |= _ends(opened_source(source, plan, sessions, once=False).source, held)
        except TransientError as error:
            sessions.silent[source.connection] = error
            raise
    return found


def _ends(source: Source | Queue, held: Held) -> Ends:
    assert not isinstance(source, Queue)  # positions of queues count nothing that is there
    with closing(source):
        source.open()
        check_log(held.logs, source.name, source.log)
        return {(source.name, partition): end for partition, end in source.end_offsets().items()}


def _at(positions: Mapping[Partition, str], ends: Ends, marks: Mapping[Partition, int]) -> list[At]:
    every = sorted({*positions, *ends}, key=in_order)
    return [At(*at, positions.get(at), ends.get(at), marks.get(at)) for at in every]


def in_order(at: Partition) -> tuple[str, tuple[int, str]]:
    """By which partitions are sorted for people."""
    return at[0], shown(at[1])
