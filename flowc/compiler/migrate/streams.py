"""What a stream writes into one table, as the history keeps it, and what it means when that changes."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

from flowc.compiler.changelog import remembering
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.front.streamkinds import noun, target_kind
from flowc.compiler.ir import Apply, Output, Stream
from flowc.compiler.migrate.pipelines import applied_pipeline, compare_pipelines
from flowc.migration import AppliedPipeline, PipelineChange, StreamOutput, TableChanges

_RESTART = "a worker that runs goes on as it began: restart it"
_STOP = "a worker that runs goes on until it is stopped"
_ENDED = "it no longer runs; its positions stay where they are"
_FIRST = "earliest"
_OWN_FILE = "a file under .flowc/"


def outputs_of(stream: Stream) -> Iterator[StreamOutput]:
    """What a stream writes that is no table, and what is promised of it."""
    begins = "" if stream.applies else _begins(stream.start)
    for output in stream.outputs:
        if output.address:
            what, kept = f"{output.format} {noun(output.kind)}", target_kind(output.kind).promised(stream.delivery)
            yield StreamOutput(stream.name, _place(output), what, kept, begins)


def _begins(start: str | None) -> str:
    return f"its first start reads from {start or _FIRST}"


def _place(output: Output) -> str:
    return f"{output.connection}:{output.address}" if output.address else output.connection


def applied_stream(stream: Stream, apply: Apply) -> AppliedPipeline:
    """What decides how a stream reads and writes one table."""
    held = applied_pipeline(apply, "")
    settings = tuple(found for key, value in stream.settings.items() for found in _flat(key, value))
    beside = ", ".join(map(_place, stream.outputs))
    settings += tuple((key, value) for key, value in (("keys", ", ".join(apply.keys)), ("beside", beside)) if value)
    if stream.state is None and _keeps_state(stream):
        settings = (*settings, ("state", _OWN_FILE))
    return replace(held, name=stream.name, settings=settings, stream=True)


def _keeps_state(stream: Stream) -> bool:
    """Whether it has to remember more than one database's own positions."""
    several = len(stream.applies) + len(stream.outputs) > 1
    return several or bool(remembering(stream.nodes)) or any(DIALECTS[a.target.kind].attached for a in stream.applies)


def _flat(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Settings by dotted path; lists are one value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{path}.{key}", item)
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def with_restarts(
    tables: Sequence[TableChanges], running: Sequence[AppliedPipeline], changed: Sequence[PipelineChange]
) -> tuple[TableChanges, ...]:
    """The changes of tables, with notes of the streams that write one, and that change in nothing else."""
    told = {(change.name, change.target) for change in changed}
    silent = [stream for stream in running if stream.stream and (stream.name, stream.target) not in told]
    return tuple(replace(t, notes=(*t.notes, *_restarted(t, silent))) if _altered(t) else t for t in tables)


def _altered(entry: TableChanges) -> bool:
    """Whether a worker could tell the table from what it was."""
    return any(change.action not in ("create", "comment") and not change.blocked for change in entry.changes)


def _restarted(entry: TableChanges, streams: Sequence[AppliedPipeline]) -> Iterator[str]:
    for stream in streams:
        if stream.target == entry.label:
            yield f"stream `{stream.name}` writes it; a worker that runs goes on with the table as it was: restart it"


def compare_streams(
    before: Sequence[AppliedPipeline], after: Sequence[AppliedPipeline], kind: str, running: Container[str] = ()
) -> tuple[PipelineChange, ...]:
    """The streams that were added, changed or removed, by table, in a database of that kind.

    `running` are the streams that the specs still have, whatever they write.
    """
    known, found = {stream.name for stream in before}, compare_pipelines(before, after, {})
    stateful = {s.name for s in before if any(key.partition(".")[0] == "state" for key, _ in s.settings)}
    new = {(stream.name, stream.target): stream for stream in after}
    told = (replace(change, stream=True, restart=change.name in known) for change in found)
    return tuple(
        replace(c, effects=tuple(_effects(c, new[c.name, c.target], kind))) if (c.name, c.target) in new
        else replace(c, effects=_gone(runs=c.name in running, stateful=c.name in stateful))
        for c in told
    )  # fmt: skip


def _gone(*, runs: bool, stateful: bool) -> tuple[str, str]:
    """What it means that a stream no longer writes a table."""
    if runs:
        return "the stream no longer writes it", _STOP
    if stateful:
        return f"{_ENDED}, and so does what it remembers: a stream of another name begins anew", _STOP
    return _ENDED, _STOP


def _effects(change: PipelineChange, new: AppliedPipeline, kind: str) -> Iterator[str]:
    if change.action == "add":
        yield _begins(dict(new.settings).get("start"))
        yield from _promised(new, kind)
    if change.restart:
        yield _RESTART
    yield from _meant(change, new, kind)


def _meant(change: PipelineChange, new: AppliedPipeline, kind: str) -> Iterator[str]:
    """What a change of a stream that goes on means."""
    names = {key.partition(".")[0] for key, _, _ in change.changed}
    if "start" in names:
        yield "the new start counts only for a stream that has no stored position"
    if change.sql or {"mode", "keys", "window", "join"} & names:
        yield "rows that were written before stay as they are"
    if {"source", "sources"} & names:
        yield "stored positions belong to a source's name: a source that keeps its name goes on where it is"
    if "delivery" in names:
        yield from _promised(new, kind)


def _promised(new: AppliedPipeline, kind: str) -> Iterator[str]:
    """What is promised of each row of a table, and where the stream keeps what it must remember."""
    settings = dict(new.settings)
    where = settings.get("state.connection") or settings.get("state")
    apart = where is not None and where != new.target.partition(".")[0]
    yield target_kind(kind).promised(settings.get("delivery", ""), stored=apart)
    if where is not None:
        yield f"it keeps state{', and how far it is,' if apart else ','} in {where}"
