"""The nodes of a stream, planned from the columns of what they read."""

from __future__ import annotations

import json

from flowc.compiler.changelog import NO_KEYS, remembering, traits
from flowc.compiler.dialects.datafusion_arithmetic import arithmetic
from flowc.compiler.ir import Dedupe, Placed, Source, Sql, Stream
from flowc.errors import UsageError
from flowc.stream import EXTRAS, MAX_STATE, ROW, TIME, DedupePlan, NodePlan, SqlPlan, Traits
from flowc.types import DataType, Kind

_TIMES = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE})
_PARTITION = "_partition"
"""What the watermark needs of each row beside its time."""


def plan_nodes(stream: Stream) -> tuple[NodePlan, ...]:
    """What rows go through, in topological order.

    Raises UsageError for an event time that is none, and for keys that no rows can be told apart by.
    """
    for source in stream.sources:
        _check_time(source, stream)
    known, taken = traits(stream.nodes), any(c.name == ROW for s in stream.sources for c in s.columns or ())
    if taken and remembering(stream.nodes):
        message = f"a source of stream `{stream.name}` has a column `{ROW}`, which is the name of one of flowc's own"
        raise UsageError(message, code="duplicate-column", help="call it by another name")
    most = MAX_STATE if stream.state_bytes is None else stream.state_bytes
    return tuple(
        _sql(node, known[node.id], traced=not taken)
        if isinstance(node, Sql)
        else _dedupe(node, known[node.id], stream.name, most)
        for node in stream.nodes
    )


def sql_nodes(stream: Stream) -> tuple[NodePlan, ...]:
    """The nodes as they are planned for nothing but their columns: keys are not judged, and messages not told."""
    known = traits(stream.nodes)
    return tuple(
        _sql(node, known[node.id], traced=False)
        if isinstance(node, Sql)
        else DedupePlan(node.id, node.inputs, node.keys, node.within, "")
        for node in stream.nodes
    )


def needed(stream: Stream) -> tuple[str, ...]:
    """The columns beside the messages' own that nodes ask for, and the SQL does not name."""
    keys = {key for node in stream.nodes if isinstance(node, Dedupe) for key in node.keys}
    remembers = bool(remembering(stream.nodes))
    timed = (
        remembers
        or stream.watermark.max_ahead is not None
        or any(isinstance(node, Sql) and _placed(node).timed for node in stream.nodes)
    )
    wanted = (*((TIME,) if timed else ()), *((_PARTITION,) if remembers else ()), *(n for n in EXTRAS if n in keys))
    return tuple(name for name in dict.fromkeys(wanted) if name not in stream.extras)


def _sql(node: Sql, known: Traits, *, traced: bool) -> SqlPlan:
    placed = _placed(node)
    text = (placed.traced if traced else None) or node.text
    names, inputs = (tuple(pair[part] for pair in placed.relations) for part in (0, 1))
    return SqlPlan(
        node.id, inputs, names, text, arithmetic(text), traced=traced and placed.traced is not None,
        timed=placed.timed, functions=node.functions, traits=known,
    )  # fmt: skip


def _placed(node: Sql) -> Placed:
    assert node.placed is not None
    return node.placed


def _dedupe(node: Dedupe, known: Traits, stream: str, most: int) -> DedupePlan:
    kinds = [(key, _kind(key, node, stream)) for key in node.keys]
    said = {"operator": "dedupe", "keys": [[key, str(kind)] for key, kind in kinds], "within": node.within}
    fingerprint = json.dumps(said, separators=(",", ":"))
    return DedupePlan(node.id, node.inputs, node.keys, node.within, fingerprint, most, known)


def _kind(key: str, node: Dedupe, stream: str) -> DataType:
    """The type of a key. Columns that are not known are not judged here."""
    found = {
        name: next((column.type for column in columns or () if column.name == key), EXTRAS.get(key))
        for name, columns in zip(node.inputs, node.columns, strict=True)
    }
    missing = next((name for name, kind in found.items() if kind is None), None)
    if missing is not None:
        message = f"`dedupe` column `{key}` of stream `{stream}` is not in source `{missing}`"
        raise UsageError(message, code="unknown-column", help="name columns that every source of the stream has")
    kinds = {kind for kind in found.values() if kind is not None}
    if len(kinds) > 1 or next(iter(kinds)).kind in NO_KEYS:
        what = " and ".join(f"`{kind}`" for kind in sorted(map(str, kinds)))
        message = f"`dedupe` column `{key}` of stream `{stream}` is {what}, which cannot be compared"
        raise UsageError(message, code="unusable-keys", help="name a column of one simple type")
    return kinds.pop()


def _check_time(source: Source, stream: Stream) -> None:
    name = source.options.get("event_time")
    columns = {column.name: column.type for column in source.columns or ()}
    kind = columns.get(str(name), EXTRAS.get(str(name))) if name else None
    if kind is not None and kind.kind not in _TIMES:
        message = f"`event_time` column `{name}` of stream `{stream.name}` is `{kind}`, which is no time"
        raise UsageError(message, code="event-time-not-a-time", help="declare it as `timestamptz`")
