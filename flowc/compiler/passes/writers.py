"""Who writes which table: the pipelines and streams of a project, and the dead letters of its streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from flowc.catalog import TableName
from flowc.compiler.checked import CheckedPipeline, CheckedSpec, CheckedTarget
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Apply, Ir, Stream, Target
from flowc.compiler.names.lookup import Lookup
from flowc.compiler.names.targets import resolve_targets
from flowc.compiler.sql.types.tableplaces import KeyOf, TableKey, keys_of_project
from flowc.compiler.tables.letters import letters_place
from flowc.diagnostics import Reporter
from flowc.source import Span

_Table = tuple[str, str, TableName]
"""A connection, its kind, and the name of a table there."""
DEAD_LETTERS = "dead letters"
"""What stands for the mode where dead letters are written."""


@dataclass(frozen=True, slots=True)
class TableWriter:
    """One pipeline or stream, as it writes one table.

    `removes` says whether it replaces the table or deletes rows of it, `omits` whether it leaves out rows that equal
    one of the table; `keyed` is where its keys are named.
    """

    name: str
    stream: bool
    table: TableName
    mode: str
    removes: bool
    keys: tuple[str, ...]
    span: Span
    keyed: Span
    omits: bool = False

    def __str__(self) -> str:
        return f"stream `{self.name}`" if self.stream else f"`{self.name}`"


def shared_tables(checked: CheckedSpec, ir: Ir | None, key_of: KeyOf | None = None) -> list[list[TableWriter]]:
    """The writers of each table that has several, pipelines first, by whatever connection of its database.

    `key_of` tells tables apart; without it, what the compiler knows of connections does.
    """
    found: dict[TableKey, list[Callable[[], TableWriter]]] = {}
    key_of = key_of or keys_of_project(checked.project)
    for (connection, kind, name), writer in _writers(checked, ir):
        found.setdefault(key_of(connection, kind, name), []).append(writer)
    return [[writer() for writer in writers] for writers in found.values() if len(writers) > 1]


def with_unresolved(checked: CheckedSpec) -> CheckedSpec:
    """The project with its pipelines that could not be resolved, as far as their targets tell where they write."""
    lookup = Lookup(checked.project, Reporter())
    missing = {
        name: CheckedPipeline(
            spec, None, (), engine="", dialect="", targets=resolve_targets(spec, lookup), deletes="ignore"
        )
        for name, spec in checked.project.pipelines.items()
        if name not in checked.pipelines
    }
    return replace(checked, pipelines={**checked.pipelines, **missing})


def _writers(checked: CheckedSpec, ir: Ir | None) -> Iterator[tuple[_Table, Callable[[], TableWriter]]]:
    """Each table that is written and what tells by whom: asked of few, for most have one writer."""
    for pipeline in checked.pipelines.values():
        for target in pipeline.targets:
            connection = target.connection
            table = connection.name.value, connection.kind.value, target.name
            yield table, partial(_of_pipeline, pipeline, target)
    for stream in ir.streams if ir is not None else ():
        for apply in stream.applies:
            yield _table(apply.target), partial(_of_stream, stream, apply)
        letters = letters_place(stream) if stream.sets_aside else None
        if isinstance(letters, Target):
            span = letters_span(checked.project.streams[stream.name])
            writer = partial(
                TableWriter,
                stream.name,
                True,
                letters.name,
                mode=DEAD_LETTERS,
                removes=False,
                keys=(),
                span=span,
                keyed=span,
            )
            yield _table(letters), writer


def _table(target: Target) -> _Table:
    return target.connection, target.kind, target.name


def _of_pipeline(pipeline: CheckedPipeline, target: CheckedTarget) -> TableWriter:
    named, removes = target.spec.keys or pipeline.spec.keys, target.mode == "truncate" or pipeline.deletes != "ignore"
    omits = target.mode == "append" and pipeline.spec.incremental is not None and not target.keys
    return TableWriter(
        pipeline.spec.name.value, False, target.name, mode=target.mode, removes=removes, keys=target.keys,
        span=target.spec.span, keyed=named[0].span if named else target.spec.span, omits=omits,
    )  # fmt: skip


def _of_stream(stream: Stream, apply: Apply) -> TableWriter:
    return TableWriter(
        stream.name,
        True,
        apply.target.name,
        mode=apply.mode,
        removes=False,
        keys=apply.keys,
        span=apply.span,
        keyed=keys_span(apply),
    )


def keys_span(apply: Apply) -> Span:
    """Where the first key is named, or the target where its table declares them."""
    return next((apply.roles["key", key] for key in apply.keys if ("key", key) in apply.roles), apply.span)


def letters_span(stream: StreamSpec) -> Span:
    """Where a stream says where its dead letters go; that there are some, where it does not."""
    spec = stream.dead_letter
    named = (spec.table, spec.addresses.get("topic"), stream.on_error) if spec is not None else (stream.on_error,)
    return next((name.span for name in named if name is not None), stream.span)
