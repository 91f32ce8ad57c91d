"""The plan of a stream, put together."""

from __future__ import annotations

from collections.abc import Mapping

from flowc.catalog import Column
from flowc.compiler.changelog import remembering, traits
from flowc.compiler.front.streamkinds import noun, source_kind
from flowc.compiler.ir import Placed, Source, Sql, Stream
from flowc.compiler.streamplan.nodes import needed, plan_nodes
from flowc.compiler.streamplan.positions import counted
from flowc.compiler.streamplan.state import EMBEDDED, Owner, plan_state, state_plan
from flowc.compiler.streamplan.targets import LiveTableOf, stream_targets, unseen
from flowc.errors import UsageError
from flowc.formats import JSON
from flowc.nodes import Changelog, Traits
from flowc.stream import LookupPlan, SourcePlan, StreamPlan
from flowc.types import Kind


def plan_stream(
    stream: Stream,
    live: LiveTableOf = unseen,
    *,
    passing: bool = False,
    changes: Changelog | None = None,
    key: tuple[str, ...] | None = None,
) -> StreamPlan:
    """The plan of a stream whose columns are known. `live` tells of tables as they are.

    With `passing`, its messages have passed the nodes that keep state. `changes` are what its rows are when they come
    to the targets, where that is not what its graph says, and `key` tells them apart where they replace each other.

    Raises UsageError for a stream that no plan can be made of.
    """
    columns = stream.input.columns if stream.input is not None else None
    if stream.unplanned or columns is None:
        what = f"it has `{stream.unplanned[0]}`" if stream.unplanned else "its sources do not declare their columns"
        message = f"stream `{stream.name}` cannot run yet: {what}"
        raise UsageError(message, code="not-runnable-yet", help="this version runs plain SQL, and `append` or `merge`")
    _refuse_nested(stream, columns)
    state, nodes = stream.state or (None, EMBEDDED), plan_nodes(stream)
    remembers = bool(remembering(stream.nodes)) and not passing
    owner = Owner(stream.project, stream.name)
    sources = tuple(_source(source, stream) for source in stream.sources)
    written = traits(stream.nodes)[stream.nodes[-1].id] if stream.nodes else Traits()
    placed = _placed(stream)
    targets, letters = stream_targets(
        stream, columns, letters=stream.sets_aside, live=live, changes=changes or written.mode,
        key=written.key if key is None else key, follows=placed.follows, alike=placed.alike,
    )  # fmt: skip
    if len(targets) == 1 and letters is None and not remembers and state[0] is None:
        places = {source.name: (source.connection, source.address) for source in sources}
        targets = (targets[0].with_positions(places),)
    targets = tuple(target.with_delivery(stream.delivery) for target in targets)
    letters = letters and letters.with_delivery(stream.delivery)
    all_targets = targets if letters is None else (*targets, letters)
    kept = plan_state(owner, all_targets, *state, remembers=remembers, sources=sources)
    if kept is not None or stream.parallelism == 1:
        targets, letters = tuple(map(counted, targets)), letters and counted(letters)
    return StreamPlan(
        stream.name, sources, nodes=nodes, targets=targets, start=stream.start, on_error=stream.on_error,
        batch=stream.batch, lookups=_lookups(stream), state=kept, facts=state_plan(owner, *state), letters=letters,
        delivery=stream.delivery, project=stream.project, watermark=stream.watermark, passing=passing,
        parallelism=stream.parallelism,
    )  # fmt: skip


def _placed(stream: Stream) -> Placed:
    """How the last query is placed, where there is one."""
    last = stream.nodes[-1] if stream.nodes else None
    return (last.placed if isinstance(last, Sql) else None) or Placed((), None)


def _refuse_nested(stream: Stream, columns: tuple[Column, ...]) -> None:
    """Values with named parts, which the engine alone tells, go into columns of JSON only."""
    nested = [column.name for column in columns if column.type.kind is Kind.JSON]
    for apply in stream.applies:
        for column in apply.target.table.columns if apply.target.table is not None else ():
            if column.name in nested and column.type.kind is not Kind.JSON:
                message = f"`{column.name}` is a nested value, and goes into `{column.type}` of `{apply.target.name}`"
                help = "give the column the type json, or select the parts that you need"
                raise UsageError(f"stream `{stream.name}`: {message}", code="type-mismatch", help=help)


def _lookups(stream: Stream) -> tuple[LookupPlan, ...]:
    for each in stream.lookups:
        if each.columns is None:
            message = f"the columns of lookup `{each.name}` of stream `{stream.name}` are not known"
            raise UsageError(message, code="unknown-source-columns", help="declare the table, or connect to it")
    return tuple(LookupPlan(e.name, e.connection, e.query, e.columns or (), e.refresh) for e in stream.lookups)


def _source(source: Source, stream: Stream) -> SourcePlan:
    event_time, read = source.options.get("event_time"), source.options.get("read")
    return SourcePlan(
        source.name, source.connection, kind=source.kind, address=source.path or "", format=source.format or JSON,
        columns=source.columns, extras=stream.extras, event_time=str(event_time) if event_time else None,
        read=read if isinstance(read, Mapping) else {}, beside=needed(stream), inferred=source.found,
        holds=noun(source.kind), replayable=source_kind(source.kind).replayable,
        numbered=source_kind(source.kind).numbered,
    )  # fmt: skip
