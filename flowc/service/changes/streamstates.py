"""What becomes of what streams remember when they run next, as a plan tells it. Looks only, and interrupts nobody.

The stored state is judged by what a run judges it by when it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flowc.compiler.changelog import remembering
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Stream
from flowc.compiler.streamplan.state import EMBEDDED, Owner, state_plan
from flowc.errors import FlowcError, TransientError, UsageError
from flowc.migration import StateVerdict, StreamState
from flowc.nodes import SqlPlan
from flowc.runtime.contracts.state import Checkpoint, Restored
from flowc.runtime.contracts.target import Held
from flowc.runtime.formats.shapes import decoded_schema
from flowc.runtime.streams.begin import adoptable, check_held, check_known, intends, named
from flowc.runtime.streams.behind import added_and_removed
from flowc.runtime.streams.decoding import schema_of
from flowc.runtime.streams.graph.build import built
from flowc.runtime.streams.graph.state import Judged, States
from flowc.runtime.streams.operators.contract import Decision, Verdict
from flowc.runtime.streams.plantext import made_by
from flowc.runtime.streams.unfinished import unfenced
from flowc.runtime.systems.files.source import lost_list, unknown_file
from flowc.service.access.sessions import Sessions
from flowc.service.changes.streamlooks import Look, StreamLooks
from flowc.service.streams.former import check_former, unfinished
from flowc.service.streams.sides import planning
from flowc.service.streams.sources import facts_plan
from flowc.service.streams.state import recalled, state_file, written
from flowc.service.streams.status import require_own
from flowc.service.streams.targets import look_at
from flowc.stream import StatePlan, StreamPlan, TargetPlan

_UNUSED = Verdict(Decision.RESET, "it is gone: what it remembers is left where it is, and not used any more")


def stream_states(looks: StreamLooks, select: frozenset[str]) -> Iterator[StreamState]:
    """Of each chosen stream that has kept state. One that cannot be planned yet has none, or is told elsewhere."""
    for stream in looks.chosen(select):
        if _may_have(stream, looks.sessions) or _keeps(looks.look(stream.name).plan):
            found = _found(looks.look(stream.name), looks.sessions)
            if found is not None and (found.verdicts or found.unknown or found.unfinished):
                yield found


def _may_have(stream: Stream, sessions: Sessions) -> bool:
    file = sessions.resolver.root / state_file(stream.name)
    return bool(remembering(stream.nodes)) or stream.state is not None or file.exists()


def _keeps(plan: StreamPlan | None) -> bool:
    """Whether a stream without operators keeps something outside of its targets, which may be lost by now."""
    return plan is not None and bool(plan.state or _file_sources(plan))


def _found(look: Look, sessions: Sessions) -> StreamState | None:
    plan = look.plan
    if plan is None:
        return None
    state = plan.state or _before(look.stream)
    told = StreamState(plan.name, state.connection or state_file(plan.name))
    try:
        # The store is read behind the targets: a worker that writes meanwhile has intended before what these get.
        held = _held(plan, sessions)
        restored = _stored(plan, state, sessions)
        told = replace(told, unfinished=len(restored.intents), edited=bool(unfinished(plan, restored)))
        verdicts = (*map(_told, _judged(look, plan, restored, held, sessions)), *_targets(plan, restored, held))
        return replace(told, verdicts=verdicts)
    except FlowcError as error:
        if error.code == "project-renamed":
            raise
        return replace(told, unknown=sessions.redacted(error).message)


def _before(stream: Stream) -> StatePlan:
    """Where a stream that needs no state any more has kept it."""
    connection, kind = stream.state or (None, EMBEDDED)
    return state_plan(Owner(stream.project, stream.name), connection, kind)


def _stored(plan: StreamPlan, state: StatePlan, sessions: Sessions) -> Restored:
    """What is stored; a connection that does not answer is asked once."""
    if state.connection is None:
        return written(plan.name, state, sessions)
    if state.connection in sessions.silent:
        raise sessions.silent[state.connection]
    try:
        return written(plan.name, state, sessions)
    except TransientError as error:
        sessions.silent[state.connection] = error
        raise


def _judged(
    look: Look, plan: StreamPlan, restored: Restored, held: Sequence[Held], sessions: Sessions
) -> tuple[Judged, ...]:
    """What a run does with what is stored, or what it says instead."""
    if plan.state is None:
        unused = (Judged(node, _UNUSED) for node in _unused(restored, held))
        return (*unused, *_unknown_files(plan, held[0], sessions))
    if restored == Restored():
        require_own(plan, sessions)
    if adoptable(restored, held, plan) is not None:  # its targets knew its positions, as its new store does from now on
        return ()
    try:
        if unfinished(plan, restored):
            there = [unfenced(each, restored) for each in held]
            adopts = adoptable(_behind_former(plan, restored), held, plan) is not None
            if not adopts:
                check_held(restored, there, plan)
            if intends(plan):
                check_former(plan, restored, there, sessions)
            if adopts:
                return ()
        else:
            held = [unfenced(there, restored) if restored.intents else there for there in held]
            check_known(plan, restored, held, _held(plan, sessions) if plan.state.shared else held)
    except UsageError as error:
        refused = Verdict(Decision.REFUSE, error.message)
        nodes = [node.id for node in plan.stateful] or [plan.name]
        return tuple(Judged(node, refused, error.message, error.help or "") for node in nodes)
    states, found = _states(look.stream, plan), _finished(plan, restored)
    states.settled = found is restored.checkpoint
    return states.judged(found) if found.epoch else ()


def _unknown_files(plan: StreamPlan, held: Held, sessions: Sessions) -> Iterator[Judged]:
    """The sources of files whose list is lost, so that the position that the target holds means nothing."""
    read = {at[0]: int(position) for at, position in held.positions.items() if at[0] in _file_sources(plan)}
    facts = recalled(plan.name, facts_plan(plan), sessions) if any(read.values()) else {}
    for name, position in read.items():
        if position and unknown_file(name, facts, position):
            error = lost_list(name, position)
            help = named(error, plan.name).help or ""
            yield Judged(name, Verdict(Decision.REFUSE, error.message), error.message, help)


def _file_sources(plan: StreamPlan) -> frozenset[str]:
    return frozenset(each.name for each in plan.sources if not source_kind(each.kind).counted)


def _finished(plan: StreamPlan, restored: Restored) -> Checkpoint:
    """The checkpoint behind all that another plan of the stream has intended, or its own before the first one."""
    point, intents = restored.checkpoint, restored.intents
    former = unfinished(plan, restored) or (intents if not point.epoch else ())
    maker = former[-1].maker if former else None
    made = made_by(maker) if maker is not None else None
    if made is None:
        return point
    prints = {node.id: node.fingerprint for node in made.stateful if not isinstance(node, SqlPlan)}
    return replace(point, epoch=restored.last, fingerprints=prints, positions=restored.positions)


def _behind_former(plan: StreamPlan, restored: Restored) -> Restored:
    """What the store holds when the former plan has finished what it intended."""
    return replace(restored, checkpoint=_finished(plan, restored), intents=())


def _targets(plan: StreamPlan, restored: Restored, held: Sequence[Held]) -> Iterator[StateVerdict]:
    """The targets that the spec has added or removed since the stream ran."""
    added, removed = added_and_removed(plan, restored, held)
    for name, there in zip((target.name for target in plan.targets), held, strict=False):
        if name in added and not there.epoch:
            reason = "a new target: it gets the rows of what is read from now on"
            yield StateVerdict(name, Decision.KEEP.value, reason)
    for name in removed:
        reason = "no target any more: it keeps its rows, and lacks those of what is read until it is one again"
        yield StateVerdict(name, Decision.RESET.value, reason)


def _unused(restored: Restored, held: Sequence[Held]) -> Sequence[str]:
    """The nodes of a state that is as new as its targets: those of an older one were gone before."""
    newest = max(restored.last, restored.checkpoint.epoch)
    return sorted(restored.checkpoint.fingerprints) if all(there.epoch <= newest for there in held) else ()


def _states(stream: Stream, plan: StreamPlan) -> States:
    lookups, functions = planning(stream)
    schemas = {
        each.name: schema_of(decoded_schema(each.columns or ()), each.extras, numbered=each.numbered)
        for each in plan.sources
    }
    return States.of(plan, built(plan.nodes, schemas, lookups, functions))


def _held(plan: StreamPlan, sessions: Sessions) -> list[Held]:
    return [_of(target, plan, sessions) for target in plan.written]


def _of(target: TargetPlan, plan: StreamPlan, sessions: Sessions) -> Held:
    """What a target holds, where a look does not take long."""
    if target.slow_to_look:
        return Held(unasked=True)
    return look_at(target, plan, sessions)


def _told(judged: Judged) -> StateVerdict:
    return StateVerdict(judged.node, judged.verdict.decision.value, judged.verdict.reason, judged.help)
