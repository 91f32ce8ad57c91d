"""`pipelines`: nodes to `PipelineSpec`."""

from __future__ import annotations

from flowc.compiler.front.columndef import source_column
from flowc.compiler.front.nodes import (
    Context,
    addresses,
    content,
    duration,
    flag,
    given,
    located,
    mapping,
    name,
    name_pairs,
    names,
    plain_map,
    seconds,
    sql,
    text,
    whole,
)
from flowc.compiler.front.spec import (
    NO_GAPS,
    BadRowsSpec,
    DedupeSpec,
    ExpectSpec,
    FreshnessSpec,
    FromSpec,
    Gaps,
    IncrementalSpec,
    PipelineSpec,
    RetrySpec,
    RollSpec,
    SourceColumn,
    SourceSpec,
    TargetSpec,
    TimingSpec,
)
from flowc.compiler.front.types import known_type, report_clause
from flowc.compiler.front.yamlmap import mapped
from flowc.compiler.front.yamltree import Entry, Node, Scalar, Sequence, TreeMap, plain
from flowc.durations import parse_share, parse_size
from flowc.source import Located, MappedText
from flowc.types import UNKNOWN

ONLY_SOURCE = "source"
"""The table's name of a source that has none of its own."""


def build_pipeline(entry: Entry, context: Context, gaps: Gaps = NO_GAPS) -> PipelineSpec | None:
    """One entry of `pipelines`, whose shape is right but for its gaps."""
    node = entry.value
    assert isinstance(node, TreeMap)
    key = Located(entry.key.text, content(entry.key))
    query = sql(node, context)
    source = _from(node.get("from"), context)
    return PipelineSpec(
        name=key,
        description=text(node.get("description")),
        from_=source,
        sql=query,
        table=name(node.get("table")),
        columns=name_pairs(node.get("columns")),
        dialect=name(node.get("dialect")),
        to=build_targets(node.get("to")),
        mode=name(node.get("mode")),
        keys=names(node.get("keys")),
        compare=names(node.get("compare")),
        event_time=name(node.get("event_time")),
        ttl=duration(node.get("ttl")),
        deletes=name(node.get("deletes")),
        soft_delete_column=name(node.get("soft_delete_column")),
        allow_empty=flag(node.get("allow_empty"), default=False),
        dedupe=_dedupe(mapping(node.get("dedupe"))),
        incremental=_incremental(mapping(node.get("incremental"))),
        bad_rows=_bad_rows(node),
        before=_statements(node.get("before")),
        after=_statements(node.get("after")),
        timezone=name(node.get("timezone")),
        depends_on=names(node.get("depends_on")) if "depends_on" in node.entries else None,
        expect=_expectations(node.get("expect")),
        freshness=_freshness(mapping(node.get("freshness"))),
        timing=_timing(node),
        span=key.span,
        sql_missing=query is None and "sql_file" in node.entries,
        gaps=gaps | {"from.columns"} if source and _untyped(source) else gaps,
        tags=names(node.get("tags")),
    )


def _timing(node: TreeMap) -> TimingSpec:
    retry = mapping(node.get("retry"))
    return TimingSpec(
        name(node.get("schedule")), name(node.get("catch_up")), _retry(retry) if retry else None,
        seconds(node.get("timeout")),
    )  # fmt: skip


def _retry(node: TreeMap) -> RetrySpec:
    factor = located(node.get("factor"))
    return RetrySpec(
        whole(node.get("attempts")),
        seconds(node.get("backoff")),
        float(factor.value) if factor is not None and isinstance(factor.value, int | float) else None,
        seconds(node.get("max_backoff")),
    )


def _from(node: Node | None, context: Context) -> FromSpec | None:
    if isinstance(node, Scalar) and (connection := name(node)):
        return FromSpec(connection, (), connection.span)
    if not isinstance(node, TreeMap):
        return None
    if isinstance(node.get("connection"), Scalar):
        only = Located(ONLY_SOURCE, node.entries["connection"].key.span)
        return FromSpec(None, ((only, build_source(node, context)),), only.span)
    sources = tuple(
        (Located(entry.key.text, content(entry.key)), build_source(entry.value, context))
        for entry in node.entries.values()
        if isinstance(entry.value, TreeMap)
    )
    if len(sources) < len(node.entries):  # one of them could not be read, so that nothing is known of its columns
        return None
    return FromSpec(None, sources, next(iter(node.entries.values())).key.span)


def _untyped(source: FromSpec) -> bool:
    """Whether the type of a declared column could not be read."""
    declared = (column for _, spec in source.sources for column in spec.columns or ())
    return any(column.type.value == UNKNOWN for column in declared)


def build_source(node: TreeMap, context: Context) -> SourceSpec:
    """One source of a pipeline. Columns are declared beside or inside `read`."""
    connection = name(node.get("connection"))
    assert connection is not None
    read = plain_map(node.get("read"))
    read_node = mapping(node.get("read"))
    declared = mapping(node.get("columns")) or (mapping(read_node.get("columns")) if read_node else None)
    query = sql(node, context)
    return SourceSpec(
        connection=connection,
        path=name(node.get("path")),
        format=name(node.get("format")),
        read={key: value for key, value in read.items() if key != "columns"},
        columns=column_types(declared, context) if declared else None,
        table=name(node.get("table")),
        sql=query,
        span=connection.span,
        sql_missing=query is None and "sql_file" in node.entries,
    )


def column_types(node: TreeMap, context: Context) -> tuple[SourceColumn, ...]:
    """Names and types; a type that cannot be read is unknown, and reported."""
    return tuple(_source_column(entry, context) for entry in node.entries.values())


def _source_column(entry: Entry, context: Context) -> SourceColumn:
    column, node = Located(entry.key.text, content(entry.key)), entry.value
    if isinstance(node, TreeMap):
        kind = known_type(node.entries["type"].value, context.reporter)
        return SourceColumn(column, kind, flag(node.get("nullable"), default=True))
    if not isinstance(node, Scalar) or node.value is None:
        return SourceColumn(column, known_type(node, context.reporter))
    definition = mapped(node)
    kind_part, nullable, strange = source_column(definition.text)
    if strange is not None:
        span = definition.span(strange.start, strange.start + len(strange.clause))
        report_clause(strange.clause, span, context.reporter)
    return SourceColumn(column, known_type(node, context.reporter, part=(kind_part.body, kind_part.end)), nullable)


def _bad_rows(node: TreeMap) -> BadRowsSpec | None:
    action, limit, kept = name(node.get("on_bad_row")), node.get("max_bad"), mapping(node.get("quarantine"))
    if action is None and limit is None and kept is None:
        return None
    first = next(node.entries[key].key for key in ("on_bad_row", "max_bad", "quarantine") if key in node.entries)
    most = plain(limit) if limit is not None else None
    path = name(kept.get("path")) if kept else None
    return BadRowsSpec(
        action or Located("fail", content(first)),
        most if isinstance(most, int) else None,
        parse_share(most) if isinstance(most, str) else None,
        limit.span if limit is not None else None,
        path or (name(kept.get("table")) if kept else None),
        in_files=path is not None,
    )


def build_targets(node: Node | None) -> tuple[TargetSpec, ...]:
    """Every form of `to`."""
    items = node.items if isinstance(node, Sequence) else (node,)
    return tuple(_target(item) for item in items if item is not None)


def _target(node: Node) -> TargetSpec:
    if isinstance(node, Scalar):
        return TargetSpec(name(node), content(node))
    assert isinstance(node, TreeMap)
    table, connection, key = name(node.get("table")), name(node.get("connection")), node.get("key")
    shown = table or connection
    return TargetSpec(
        table=table,
        span=shown.span if shown else next(iter(node.entries.values())).key.span,
        connection=connection,
        mode=name(node.get("mode")),
        keys=names(node.get("keys")),
        primary_key=names(node.get("primary_key")),
        partition_by=names(node.get("partition_by")),
        key=(own,) if (own := name(key)) else names(key),
        addresses={key: named for key, named in addresses(node).items() if key != "table"},
        format=name(node.get("format")),
        write=plain_map(node.get("write")),
        roll=_roll(mapping(node.get("roll"))),
        given=given(node),
    )


def _roll(node: TreeMap | None) -> RollSpec:
    if node is None:
        return RollSpec()
    size = text(node.get("bytes"))
    return RollSpec(whole(node.get("rows")), parse_size(size) if size else None, seconds(node.get("age")))


def _dedupe(node: TreeMap | None) -> DedupeSpec | None:
    order = node.get("order_by") if node else None
    return DedupeSpec(mapped(order)) if isinstance(order, Scalar) else None


def _freshness(node: TreeMap | None) -> FreshnessSpec | None:
    column, age = (name(node.get("column")), seconds(node.get("max_age"))) if node else (None, None)
    return FreshnessSpec(column, age) if column and age is not None else None


def _incremental(node: TreeMap | None) -> IncrementalSpec | None:
    column = name(node.get("column")) if node else None
    if node is None or column is None:
        return None
    return IncrementalSpec(column, located(node.get("start")), seconds(node.get("lag")) or 0.0, column.span)


def _statements(node: Node | None) -> tuple[MappedText, ...]:
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(mapped(item) for item in items if isinstance(item, Scalar))


def _expectations(node: Node | None) -> tuple[ExpectSpec, ...]:
    items = node.items if isinstance(node, Sequence) else ()
    return tuple(_expectation(item) for item in items if isinstance(item, TreeMap))


def _expectation(node: TreeMap) -> ExpectSpec:
    kind = next(kind for kind in ("not_null", "unique", "sql") if kind in node.entries)
    condition = node.get("sql")
    severity = name(node.get("severity"))
    aside = severity is not None and severity.value == "quarantine"
    # Without a limit, any number of rows may go into quarantine, and none may fail another check.
    most = plain(limit) if (limit := node.get("max_failures")) is not None else "100%" if aside else 0
    return ExpectSpec(
        kind=kind,
        columns=names(node.get(kind)),
        sql=mapped(condition) if isinstance(condition, Scalar) else None,
        name=name(node.get("name")),
        error=severity is None or severity.value != "warn",
        max_failures=0 if isinstance(most, str) else int(most),
        max_ratio=parse_share(most) if isinstance(most, str) else None,
        span=node.entries[kind].key.span,
        quarantine=severity.span if severity is not None and aside else None,
    )
