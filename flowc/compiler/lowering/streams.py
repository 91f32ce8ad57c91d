"""Streams, lowered: their SQL against sources and lookups, its output against the tables they write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from flowc.catalog import Column, TableName
from flowc.compiler.checked import CheckedStream, CheckedStreamSource
from flowc.compiler.front.spec import SourceColumn
from flowc.compiler.front.streamkinds import source_kind
from flowc.compiler.ir import Apply, Lookup, Output, Source, Sql, Stream
from flowc.compiler.loads.changes import CODE, takes
from flowc.compiler.loads.load import find_column
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.functioncalls import called
from flowc.compiler.lowering.lookups import lookup_relation, stream_lookups
from flowc.compiler.lowering.output import check_made, check_output
from flowc.compiler.lowering.streamjoin import check_replaced
from flowc.compiler.lowering.streampasses import Draft, asked, run_passes, withdraw
from flowc.compiler.lowering.streamtargets import (
    check_named,
    dead_letter,
    other_modes,
    stream_applies,
    stream_outputs,
)
from flowc.compiler.lowering.streamtime import (
    batch,
    watermark,
)
from flowc.compiler.sql.relations import Relation
from flowc.diagnostics import Reporter
from flowc.formats import FORMATS
from flowc.nodes import Changelog
from flowc.stream import extra_types
from flowc.types import DataType, Kind

BLOCKS = ("cdc",)
"""What changes rows beside the SQL, or needs more than one epoch knows."""
_RAW = (Column("value", DataType(Kind.BINARY)),)
_RAW_KINDS = frozenset({Kind.TEXT, Kind.BINARY})
"""Of what types a message may be that is read as it is."""


def lower_streams(lowering: Lowering) -> tuple[Stream, ...]:
    """Every stream that is whole and has no errors; what is wrong with the others is reported."""
    streams = (each for each in lowering.checked.streams.values() if not each.spec.gaps and _has_sources(each))
    lowered = (_lower(stream, lowering) for stream in streams)
    return tuple(stream for stream in lowered if stream is not None)


def _has_sources(stream: CheckedStream) -> bool:
    """Whether all of its sources are known: without one of them, an error of the SQL follows from another error."""
    return len(stream.sources) >= max(1, len(stream.spec.sources))


def lower_found(name: str, lowering: Lowering) -> Stream | None:
    """One stream, with the columns that were found in its sources; None when it has errors."""
    return _lower(lowering.checked.streams[name], lowering)


def _lower(stream: CheckedStream, lowering: Lowering) -> Stream | None:
    before = lowering.reporter.errors
    sources = tuple(_source(source, stream, lowering) for source in stream.sources)
    lookups = tuple(stream_lookups(stream, lowering))
    draft = run_passes(Draft(stream, sources, lookups, dict(_relations(stream, sources, lookups))), lowering)
    if draft is None:
        return None
    node: Sql | Source | None = draft.output
    if draft.query is None and stream.spec.sql is None and len(sources) == 1:
        node = sources[0]
    applies = tuple(stream_applies(stream, node, lowering)) if node is not None else ()
    if node is not None and node.columns is not None and not any(block in stream.spec.given for block in BLOCKS):
        _check_targets(draft, applies, node.columns, lowering)
    if lowering.reporter.errors > before or stream.dialect is None:
        withdraw(draft, lowering)
        return None
    return _stream(draft, node, applies, lowering)


def _stream(draft: Draft, node: Sql | Source | None, applies: tuple[Apply, ...], lowering: Lowering) -> Stream:
    stream, spec, query, nodes = draft.stream, draft.stream.spec, draft.query, draft.nodes
    blocks = (block for block in BLOCKS if block in spec.given)
    untyped = ("sql",) if query is not None and draft.output is None else ()
    return Stream(
        spec.name.value, draft.sources, input=node, applies=applies, extras=asked(query), span=spec.span,
        unplanned=(*blocks, *other_modes(stream), *untyped), outputs=tuple(stream_outputs(stream)),
        dead_letter=dead_letter(stream), nodes=nodes, lookups=draft.lookups,
        functions=called(query, lowering.functions) if query is not None else (),
        watermark=watermark(spec, nodes), on_error=stream.on_error,
        state=(stream.state.name.value, stream.state.kind.value) if stream.state is not None else None,
        state_bytes=spec.state_bytes.value if spec.state_bytes is not None else None,
        project=lowering.checked.project.name, start=stream.start, delivery=stream.delivery, settings=spec.settings,
        batch=batch(spec, stream.batch, nodes), parallelism=stream.parallelism, restart=stream.restart,
        max_attempts=stream.max_attempts,
    )  # fmt: skip


def _check_targets(draft: Draft, applies: Sequence[Apply], columns: tuple[Column, ...], lowering: Lowering) -> None:
    """Checks the output against its targets. Keys that it lacks are reported where they are named."""
    targets = (*applies, *stream_outputs(draft.stream))
    for apply in applies:
        missing = replace(apply, keys=tuple(key for key in apply.keys if find_column(columns, key) is None))
        if apply.target.table is not None:
            check_output(missing, columns, apply.target.table, lowering.reporter)
        else:
            check_made(missing, columns, lowering.reporter)
    check_named(draft.stream, columns, lowering)
    _check_changes(draft.output, targets, lowering.reporter)
    check_replaced(draft.outer, targets, lowering.reporter)


def _check_changes(found: Sql | None, targets: Sequence[Apply | Output], reporter: Reporter) -> None:
    """Judges targets with keys by those of rows that replace each other; that others have none is reported before."""
    placed = found.placed if found is not None else None
    if placed is None or not placed.key:
        return
    for target in targets:
        keyed = target.keys if isinstance(target, Apply) else target.key
        refusal = takes(target, Changelog.UPSERT, placed.key, placed.follows, placed.alike) if keyed else None
        if refusal is not None:
            reporter.error(CODE, refusal.message, target.span, helps=(refusal.help,))


def _source(source: CheckedStreamSource, stream: CheckedStream, lowering: Lowering) -> Source:
    spec, name = source.spec, source.spec.name.value
    event_time, declared = spec.event_time, _declared(source, lowering.reporter)
    return Source(
        f"{stream.spec.name.value}.{name}", name, source.connection.name.value, source.connection.kind.value,
        path=source.address, format=source.format,
        options={
            **({"event_time": event_time.value} if event_time else {}), **({"read": spec.read} if spec.read else {})
        },
        columns=declared or lowering.found.get(name), found=declared is None and name in lowering.found,
    )  # fmt: skip


def _declared(source: CheckedStreamSource, reporter: Reporter) -> tuple[Column, ...] | None:
    """The columns of the messages; None where a registry or the first batch tells them."""
    if source.spec.columns:
        _check_decoded(source, source.spec.columns, reporter)
        return tuple(Column(each.name.value, each.type.value, each.nullable) for each in source.spec.columns)
    return _RAW if _is_whole(source) else None


def _is_whole(source: CheckedStreamSource) -> bool:
    return source.format in FORMATS and FORMATS[source.format].whole


def _check_decoded(source: CheckedStreamSource, columns: Sequence[SourceColumn], reporter: Reporter) -> None:
    """Reports columns that no message has, or none of a raw source."""
    odd = next((each for each in columns if _holds_interval(each.type.value)), None)
    if odd is not None:
        message = f"`{odd.name.value}` is of type `{odd.type.value}`, which a message cannot hold"
        helps = ("declare it as text and convert it in the SQL",)
        reporter.error("unsupported-type", message, odd.type.span, helps=helps)
    kinds = [(each.name.value, each.type.value.kind in _RAW_KINDS) for each in columns]
    if _is_whole(source) and kinds != [("value", True)]:
        message = f"source `{source.spec.name.value}` is raw, and a raw message is one column `value`, binary or text"
        reporter.error("unsupported-type", message, columns[0].name.span, helps=("columns: { value: text }, or none",))


def _holds_interval(kind: DataType) -> bool:
    parts = (*(part for _, part in kind.fields), *([kind.element] if kind.element is not None else []))
    return kind.kind is Kind.INTERVAL or any(map(_holds_interval, parts))


def _relations(
    stream: CheckedStream, sources: tuple[Source, ...], lookups: tuple[Lookup, ...]
) -> Iterator[tuple[str, Relation]]:
    """What the SQL can select from, by name."""
    for source, checked in zip(sources, stream.sources, strict=True):
        extras = extra_types(numbered=source_kind(source.kind).numbered).items()
        columns = None if source.columns is None else (*source.columns, *(Column(*extra) for extra in extras))
        own, title = TableName(None, source.name), f"source `{source.name}`"
        yield source.name, Relation.of_table(own, columns, title, checked.spec.name.span)
    for each in stream.spec.lookups:
        name = each.name
        yield name.value, Relation(None, f"lookup `{name.value}`", name.span, TableName(None, name.value))
    for lookup in lookups:
        yield lookup.name, lookup_relation(lookup)
