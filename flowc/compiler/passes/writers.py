"""Who writes which table: the pipelines and streams of a project, and the dead letters of its streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec, CheckedTarget
from flowc.compiler.front.places import places_of
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Apply, Ir, Stream, Target
from flowc.compiler.sql.relations import table_key
from flowc.compiler.tables.letters import letters_place
from flowc.source import Span

DEAD_LETTERS = "dead letters"
"""What stands for the mode where dead letters are written."""


@dataclass(frozen=True, slots=True)
class TableWriter:
    """One pipeline or stream, as it writes one table.

    `removes` says whether it replaces the table or deletes rows of it; `keyed` is where its keys are named.
    """

    name: str
    stream: bool
    table: TableName
    mode: str
    removes: bool
    keys: tuple[str, ...]
    span: Span
    keyed: Span

    def __str__(self) -> str:
        return f"stream `{self.name}`" if self.stream else f"`{self.name}`"


def shared_tables(checked: CheckedSpec, ir: Ir | None) -> list[list[TableWriter]]:
    """The writers of each table that has several, pipelines first, by whatever connection of its database."""
    found: dict[tuple[str, str, str], list[Callable[[], TableWriter]]] = {}
    places = places_of(checked.project.connections)
    for (connection, schema, name), writer in _writers(checked, ir):
        found.setdefault((places.get(connection, connection), schema, name), []).append(writer)
    return [[writer() for writer in writers] for writers in found.values() if len(writers) > 1]


def _writers(checked: CheckedSpec, ir: Ir | None) -> Iterator[tuple[tuple[str, str, str], Callable[[], TableWriter]]]:
    """The place of each table that is written and what tells by whom: asked of few, for most have one writer."""
    for pipeline in checked.pipelines.values():
        for target in pipeline.targets:
            connection = target.connection
            place = table_key(connection.name.value, connection.kind.value, target.name)
            yield place, partial(_of_pipeline, pipeline, target)
    for stream in ir.streams if ir is not None else ():
        for apply in stream.applies:
            yield _place(apply.target), partial(_of_stream, stream, apply)
        letters = letters_place(stream) if stream.sets_aside else None
        if isinstance(letters, Target):
            span = letters_span(checked.project.streams[stream.name])
            writer = partial(TableWriter, stream.name, True, letters.name, DEAD_LETTERS, False, (), span, span)
            yield _place(letters), writer


def _place(target: Target) -> tuple[str, str, str]:
    return table_key(target.connection, target.kind, target.name)


def _of_pipeline(pipeline: CheckedPipeline, target: CheckedTarget) -> TableWriter:
    named, removes = target.spec.keys or pipeline.spec.keys, target.mode == "truncate" or pipeline.deletes != "ignore"
    return TableWriter(
        pipeline.spec.name.value, False, target.name, target.mode, removes, target.keys, target.spec.span,
        named[0].span if named else target.spec.span,
    )  # fmt: skip


def _of_stream(stream: Stream, apply: Apply) -> TableWriter:
    return TableWriter(
        stream.name, True, apply.target.name, apply.mode, False, apply.keys, apply.span, keys_span(apply)
    )


def keys_span(apply: Apply) -> Span:
    """Where the first key is named, or the target where its table declares them."""
    return next((apply.roles["key", key] for key in apply.keys if ("key", key) in apply.roles), apply.span)


def letters_span(stream: StreamSpec) -> Span:
    """Where a stream says where its dead letters go; that there are some, where it does not."""
    spec = stream.dead_letter
    named = (spec.table, spec.addresses.get("topic"), stream.on_error) if spec is not None else (stream.on_error,)
    return next((name.span for name in named if name is not None), stream.span)
