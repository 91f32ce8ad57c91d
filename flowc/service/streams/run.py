"""Runs streams: what the compiler planned, on a live broker and a live database, until the end that there is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from time import monotonic
from typing import TypeVar

from flowc.catalog import Column
from flowc.compiler.checked import CheckedSpec
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Dedupe, IntervalJoin, Ir, Node, Source, Sql, Stream
from flowc.compiler.streamplan.nodes import sql_nodes
from flowc.compiler.streamplan.plan import plan_stream
from flowc.compiler.streamplan.targets import LiveTableOf, unseen
from flowc.errors import FlowcError, UsageError, no_memory
from flowc.formats import readable
from flowc.runtime.contracts.epoch import Epoch
from flowc.runtime.contracts.opening import Facts
from flowc.runtime.engine.functions import Function
from flowc.runtime.formats.pieces import most_rows
from flowc.runtime.formats.shapes import decoded_schema
from flowc.runtime.lean import keep_memory
from flowc.runtime.streams.alignment import Alignment
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.decoding import schema_of
from flowc.runtime.streams.graph.build import built
from flowc.runtime.streams.lettersjudged import MET
from flowc.runtime.streams.operators.query import Query
from flowc.runtime.streams.origins import Origin, fail
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.unfinished import FormerRun
from flowc.runtime.streams.unseen import Unseen
from flowc.runtime.systems.files.registry import Passing
from flowc.service.access.livetables import demand_tables
from flowc.service.access.owners import Owners
from flowc.service.access.sessions import Sessions
from flowc.service.streams.discovery import discovered
from flowc.service.streams.former import finish_former
from flowc.service.streams.sides import opened_lookups, planning
from flowc.service.streams.sources import StoredFacts, facts_plan, opened_sources
from flowc.service.streams.state import judged_epoch, state_of
from flowc.service.streams.targets import looking, writers_of
from flowc.stream import StreamPlan
from flowc.types import computed

Run = TypeVar("Run", bound=StreamRun)


@dataclass
class StreamReport:
    """What one run of a stream did."""

    name: str
    messages: int = 0
    rows: int = 0
    bad: int = 0
    late: int = 0
    """Rows that came too late and were dropped."""
    epochs: int = 0
    seconds: float = 0.0
    error: FlowcError | None = None
    stopped: bool = False
    """Whether it was asked to end before it had caught up."""
    examples: list[str] = field(default_factory=list)
    unseen: Unseen = field(default_factory=Unseen)

    @property
    def status(self) -> str:
        """How it ended: ok, failed, or stopped before it had caught up."""
        return "failed" if self.error else "stopped" if self.stopped else "ok"


Pause = Callable[[str], None]
"""Called with the name of each point between two steps of an epoch."""


def no_pause(_: str) -> None:
    """Goes on at once."""


def run_stream(
    checked: CheckedSpec,
    ir: Ir,
    name: str,
    sessions: Sessions,
    pause: Pause = no_pause,
    *,
    drain: bool = False,
    stopping: Event | None = None,
) -> StreamReport:
    """Catches up with the end of the stream's source as it is now. What fails is in the report.

    With `drain` that end counts as the end of the input. `stopping`, set from outside, ends the run before.
    """
    report, began = StreamReport(name), monotonic()
    try:
        require_own(ir, name, sessions)
        plan = plan_of(checked, ir, name, sessions)
        replays = judged_epoch(plan, sessions)
        while (met := _run(plan, sessions, report, pause, drain=drain, stopping=stopping)) is not None:
            before, replays = replays, judged_epoch(plan, sessions)
            if replays == before:  # another worker did it, and not a replay of dead letters
                raise met
    except FlowcError as error:
        report.error = sessions.redacted(error)
    except MemoryError as error:
        report.error = no_memory(error)
    report.seconds, report.stopped = monotonic() - began, stopping is not None and stopping.is_set()
    return report


def _run(
    plan: StreamPlan, sessions: Sessions, report: StreamReport, pause: Pause, *, drain: bool, stopping: Event | None
) -> FlowcError | None:
    """Runs a plan to the end of its sources; why it was shut out, if somebody went on with the stream."""
    run = assembled(plan, sessions, report, pause=pause)
    try:
        run.drain, run.stopping = drain, stopping or run.stopping
        run.run()
        if run.first:
            report.unseen.warn()
        return None
    except FlowcError as error:
        if error.code not in MET:
            raise
        return error
    finally:
        run.close()


def plan_of(checked: CheckedSpec, ir: Ir, name: str, sessions: Sessions) -> StreamPlan:
    """The plan of the stream of that name. Raises UsageError for what this version cannot run."""
    stream = discovered(checked, lowered_stream(ir, name), sessions)
    return planned(stream, looking(sessions))


def plan_to_look(checked: CheckedSpec, ir: Ir, name: str, sessions: Sessions) -> tuple[StreamPlan, UsageError | None]:
    """The plan by which a stream is looked at, and why it does not run where a table that it writes does not fit."""
    stream = discovered(checked, lowered_stream(ir, name), sessions)
    try:
        return planned(stream, looking(sessions)), None
    except UsageError as error:
        return planned(stream), error


def require_own(ir: Ir, name: str, sessions: Sessions) -> None:
    """Raises UsageError where a declared table that the stream writes is another project's, as if taken."""
    owners = Owners(sessions)
    for apply in lowered_stream(ir, name).applies:
        owners.refuse(apply.target)


def lowered_stream(ir: Ir, name: str) -> Stream:
    """The stream of that name. Raises UsageError for one whose specs are not whole."""
    found = next((stream for stream in ir.streams if stream.name == name), None)
    if found is None:
        message = f"stream `{name}` cannot run: its specs are not whole"
        raise UsageError(message, code="not-runnable-yet", help="see what is wrong with `flowc lint`")
    return found


def planned(stream: Stream, live: LiveTableOf = unseen, *, passing: bool = False) -> StreamPlan:
    """The plan of a stream; `live` tells of its tables as they are now.

    With `passing`, its messages have passed the nodes that keep state.

    Raises UsageError for what this version cannot run.
    """
    _refuse(stream)
    whole, batch = typed(stream), stream.batch
    if not whole.unplanned:
        demand_tables(whole, live, letters=stream.sets_aside)
    most = min((most_rows(source.columns or ()) for source in whole.sources), default=batch.max_rows)
    whole = replace(whole, batch=replace(batch, max_rows=min(batch.max_rows, most)))
    return plan_stream(whole, live, passing=passing)


def typed(stream: Stream) -> Stream:
    """The stream with columns of types that the engine computes with.

    Those of its query are as the engine plans them: it alone knows every function's type.
    """
    node = stream.input
    if any(source.columns is None for source in stream.sources) or not stream.nodes:
        return stream
    if isinstance(node, Sql) or any(isinstance(each, Sql) for each in stream.nodes):
        stream = replace(stream, sources=tuple(replace(each, columns=_computed(each)) for each in stream.sources))
    known = _columns(stream)
    nodes = tuple(_known(each, known) for each in stream.nodes)
    if not isinstance(node, Sql):
        return replace(stream, nodes=nodes)
    made = replace(node, columns=known[node.id])
    return replace(
        stream, input=made, nodes=nodes, applies=tuple(replace(apply, input=made) for apply in stream.applies)
    )


def _columns(stream: Stream) -> dict[str, tuple[Column, ...]]:
    """The columns of each source and of what each node gives."""
    found = {source.name: source.columns or () for source in stream.sources}
    schemas = {
        source.name: schema_of(
            decoded_schema(source.columns or ()), stream.extras, numbered=source_kind(source.kind).numbered
        )
        for source in stream.sources
    }
    lookups, functions = planning(stream)
    for node in built(sql_nodes(stream), schemas, lookups, functions, passing=True):
        if isinstance(node.operator, Query):
            found[node.id] = node.operator.columns()
        elif node.outputs != (node.id,) or len(node.inputs) == 1:
            found.update(zip(node.outputs, [found[name] for name in node.inputs], strict=True))
    return found


def _known(node: Node, columns: Mapping[str, tuple[Column, ...]]) -> Node:
    if isinstance(node, IntervalJoin):
        return replace(node, given=(columns[node.inputs[0]], columns[node.inputs[1]]))
    if isinstance(node, Dedupe):
        return replace(node, columns=tuple(columns[name] for name in node.inputs))
    return replace(node, columns=columns[node.id])


def _computed(source: Source) -> tuple[Column, ...]:
    return tuple(replace(column, type=computed(column.type)) for column in source.columns or ())


def _refuse(stream: Stream) -> None:
    reasons = [f"it reads `{source.kind}`" for source in stream.sources if not source_kind(source.kind).formats]
    reasons += [
        f"it decodes `{source.format}`"
        for source in stream.sources
        if source.format not in source_kind(source.kind).formats
    ]
    reasons += [] if stream.applies or stream.outputs else ["it writes nothing"]
    if reasons:
        message = f"stream `{stream.name}` cannot run yet: {reasons[0]}"
        messages, files = ", ".join(readable("messages")), ", ".join(readable("files"))
        help = f"this version runs streams from Kafka ({messages}) and from files ({files})"
        raise UsageError(message, code="not-runnable-yet", help=help)


def assembled(
    plan: StreamPlan, sessions: Sessions, report: StreamReport, *, once: bool = True, pause: Pause = no_pause
) -> StreamRun:
    """A run of a plan, ready to begin; what it does is counted in `report`. With `once` it ends where sources end."""
    keep_memory()
    run = _put_together(StreamRun, plan, sessions, report, sessions.functions(plan.functions), once=once, pause=pause)
    made = partial(_former, sessions=sessions, pause=pause)
    run.former = partial(finish_former, plan, sessions, made)
    return run


def _former(plan: StreamPlan, functions: Sequence[Function], *, sessions: Sessions, pause: Pause) -> FormerRun:
    """A run of a plan that the specs no longer have. Files that it finds do not count: its path may be another one."""
    known = Passing(StoredFacts(plan.name, facts_plan(plan), sessions).facts())
    report = StreamReport(plan.name)
    return _put_together(FormerRun, plan, sessions, report, functions, once=True, pause=pause, facts=known)


def _put_together(
    kind: type[Run], plan: StreamPlan, sessions: Sessions, report: StreamReport, functions: Sequence[Function],
    *, once: bool, pause: Pause, facts: Facts | None = None,
) -> Run:  # fmt: skip
    readers, decoders = opened_sources(plan, sessions, once=once, facts=facts)
    writers = writers_of(plan, sessions, pause)
    decoders = report.unseen.watching(plan, decoders)
    compute = Compute(
        plan, decoders, _on_bad(plan, report), lookups=opened_lookups(plan, sessions), functions=functions
    )
    compute.watermarks.alignment = alignment = Alignment.of(plan.watermark, once=once)
    for reader in readers.values():
        if isinstance(reader, SourceReader):
            reader.alignment = alignment
    store = state_of(plan, writers, sessions)
    return kind(plan, readers, compute, writers, store, written=_counted(report), pause=pause)


def _counted(report: StreamReport) -> Callable[[Epoch], None]:
    def written(epoch: Epoch) -> None:
        report.messages += epoch.messages
        report.rows += epoch.rows.num_rows
        report.late += epoch.late
        report.epochs += 1

    return written


def _on_bad(plan: StreamPlan, report: StreamReport) -> Callable[[Sequence[Origin]], None]:
    if plan.on_error == "fail":
        return fail

    def dropped(rows: Sequence[Origin]) -> None:
        report.bad += len(rows)
        report.examples += [str(row) for row in rows[: 5 - len(report.examples)]]

    return dropped
