"""`streams`: nodes to `StreamSpec`."""

from __future__ import annotations

from flowc.compiler.front.build_pipelines import build_targets, column_types
from flowc.compiler.front.nodes import (
    Context,
    addresses,
    content,
    duration,
    given,
    items,
    mapping,
    name,
    named,
    names,
    plain_map,
    seconds,
    signed_duration,
    sql,
    whole,
)
from flowc.compiler.front.spec import NO_GAPS, Gaps, Name
from flowc.compiler.front.streamspec import (
    BatchSpec,
    CdcSpec,
    DeadLetterSpec,
    JoinSpec,
    LateSpec,
    LookupSpec,
    RepeatsSpec,
    RestartSpec,
    StreamSourceSpec,
    StreamSpec,
    WindowSpec,
)
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap, plain
from flowc.durations import parse_duration, parse_size
from flowc.source import Located

ONLY_SOURCE = "source"
"""The key of a stream's one source, and its name."""
_UNSET = ("sql", "sql_file", "to", "mode", "keys", "description", "tags", "restart", "batch")
"""What is no setting: a query or the target's own, and what decides nothing but the pace."""
_LENGTHS = ("size", "hop", "step", "gap", "max_duration")


def build_stream(entry: Entry, context: Context, gaps: Gaps = NO_GAPS) -> StreamSpec | None:
    """One entry of `streams`, whose shape is right but for its gaps; None for what is no mapping."""
    node = entry.value
    if not isinstance(node, TreeMap):
        return None
    watermark, state = mapping(node.get("watermark")), mapping(node.get("state"))
    return StreamSpec(
        name=Located(entry.key.text, content(entry.key)),
        given=given(node),
        sources=_sources(node, context),
        lookups=tuple(_lookup(key, held, context) for key, held in items(mapping(node.get("lookups")))),
        sql=sql(node, context),
        dialect=name(node.get("dialect")),
        to=build_targets(node.get("to")),
        mode=name(node.get("mode")),
        keys=names(node.get("keys")),
        start=name(node.get("start")),
        on_error=name(node.get("on_error")),
        delivery=name(node.get("delivery")),
        dead_letter=_dead_letter(node.entries.get("dead_letter")),
        lateness=seconds(watermark.get("lateness")) if watermark else None,
        idle=seconds(watermark.get("idle")) if watermark else None,
        max_ahead=seconds(watermark.get("max_ahead")) if watermark else None,
        max_drift=seconds(watermark.get("max_drift")) if watermark else None,
        state=name(state.get("connection")) if state else None,
        state_bytes=_size(state.get("max_bytes")) if state else None,
        batch=_batch(mapping(node.get("batch"))),
        dedupe=_dedupe(node.entries.get("dedupe")),
        group_ttl=_group_ttl(node.get("group_ttl")),
        parallelism=whole(node.get("parallelism")),
        restart=_restart(mapping(node.get("restart"))),
        window=_window(mapping(node.get("window"))),
        join=_join(node.entries.get("join")),
        cdc=_cdc(mapping(node.get("cdc"))),
        settings={key: plain(held.value) for key, held in node.entries.items() if key not in _UNSET},
        span=node.span,
        gaps=gaps,
        tags=names(node.get("tags")),
    )


def _sources(node: TreeMap, context: Context) -> tuple[StreamSourceSpec, ...]:
    one = TreeMap(node.span, {key: held for key, held in node.entries.items() if key == ONLY_SOURCE})
    found = (*items(one), *items(mapping(node.get("sources"))))
    return tuple(_source(key, held, context) for key, held in found)


def _source(key: Name, node: TreeMap, context: Context) -> StreamSourceSpec:
    columns = mapping(node.get("columns"))
    return StreamSourceSpec(
        name=key,
        connection=name(node.get("connection")),
        addresses=addresses(node),
        format=name(node.get("format")),
        read=plain_map(node.get("read")),
        columns=column_types(columns, context) if columns else None,
        event_time=name(node.get("event_time")),
    )


def _lookup(key: Name, node: TreeMap, context: Context) -> LookupSpec:
    table, query = name(node.get("table")), sql(node, context)
    return LookupSpec(key, name(node.get("connection")), table, query, seconds(node.get("refresh")))


def _dead_letter(entry: Entry | None) -> DeadLetterSpec | None:
    if entry is None or not isinstance(entry.value, TreeMap):
        return None
    node = entry.value
    table, most = name(node.get("table")), whole(node.get("max_attempts"))
    return DeadLetterSpec(name(node.get("connection")), table, addresses(node), most, content(entry.key))


def _batch(node: TreeMap | None) -> BatchSpec:
    if node is None:
        return BatchSpec(None, None, None)
    return BatchSpec(whole(node.get("max_rows")), seconds(node.get("max_wait")), _size(node.get("max_bytes")))


def _size(node: Node | None) -> Located[int] | None:
    """A number of bytes."""
    size = name(node)
    return Located(parse_size(size.value), size.span) if size else None


def _dedupe(entry: Entry | None) -> RepeatsSpec | None:
    node = mapping(entry.value) if entry is not None else None
    if entry is None or node is None:
        return None
    return RepeatsSpec(names(node.get("keys")), seconds(node.get("within")) or 0.0, content(entry.key))


def _group_ttl(node: Node | None) -> Located[float | None] | None:
    said = name(node)
    return Located(None if said.value == "never" else parse_duration(said.value), said.span) if said else None


def _restart(node: TreeMap | None) -> RestartSpec:
    if node is None:
        return RestartSpec(None, None, None)
    return RestartSpec(
        seconds(node.get("min_backoff")), seconds(node.get("max_backoff")), whole(node.get("max_restarts"))
    )


def _late(node: TreeMap) -> LateSpec:
    return LateSpec(name(node.get("late")), duration(node.get("allowed_lateness")))


def _window(node: TreeMap | None) -> WindowSpec | None:
    kind = name(node.get("kind")) if node is not None else None
    if node is None or kind is None:
        return None
    aggregate, offset = mapping(node.get("aggregate")), signed_duration(node.get("offset"))
    lengths = {key: length for key in _LENGTHS if (length := duration(node.get(key)))}
    columns = aggregate.entries.values() if aggregate is not None else ()
    return WindowSpec(
        kind=kind,
        lengths={**lengths, **({"offset": offset} if offset else {})},
        group_by=names(node.get("group_by")),
        aggregate=tuple(
            (Located(each.key.text, content(each.key)), mapped(each.value))
            for each in columns
            if isinstance(each.value, Scalar) and each.value.value is not None
        ),
        late=_late(node),
        max_groups=whole(node.get("max_groups")),
        timezone=name(node.get("timezone")),
        every=duration(emit.get("every")) if (emit := mapping(node.get("emit"))) is not None else None,
    )


def _join(entry: Entry | None) -> JoinSpec | None:
    node = mapping(entry.value) if entry is not None else None
    if entry is None or node is None:
        return None
    between = node.entries.get("between")
    return JoinSpec(
        kind=name(node.get("kind")),
        left=name(node.get("left")),
        right=name(node.get("right")),
        on=names(node.get("on")),
        within=duration(node.get("within")),
        between=_bounds(between.value) if between else (),
        between_span=content(between.key) if between else None,
        late=_late(node),
        prefixes=names(node.get("prefixes")),
        span=content(entry.key),
    )


def _bounds(node: Node) -> tuple[Located[float], ...]:
    found = map(signed_duration, node.items if isinstance(node, Sequence) else ())
    return tuple(bound for bound in found if bound)


def _cdc(node: TreeMap | None) -> CdcSpec | None:
    if node is None:
        return None
    return CdcSpec(
        envelope=name(node.get("envelope")),
        key=names(node.get("key")),
        delete=name(node.get("delete")),
        soft_delete_column=name(node.get("soft_delete_column")),
        schema_evolution=name(node.get("schema_evolution")),
        truncate=name(node.get("truncate")),
        fields=named(node, ("op", "before", "after", "ts")),
        ops=named(ops, ops.entries) if (ops := mapping(node.get("ops"))) else {},
    )
