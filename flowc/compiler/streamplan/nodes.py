"""The nodes of a stream, planned from the columns of what they read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from flowc.compiler.changelog import NO_KEYS, WIDE, remembering, reopens, traits
from flowc.compiler.ir import Aggregate, Dedupe, IntervalJoin, Node, Placed, Running, Source, Sql, Stream, Window
from flowc.compiler.streamplan.upstream import upstream
from flowc.compiler.systems.datafusion.arithmetic import arithmetic
from flowc.errors import UsageError
from flowc.nodes import (
    MAX_STATE,
    ROW,
    TIME,
    AggregatePlan,
    DedupePlan,
    JoinPlan,
    NodePlan,
    RunningPlan,
    SqlPlan,
    Traits,
    WindowPlan,
)
from flowc.stream import EXTRAS
from flowc.types import BIGINT, DataType, Kind

_TIMES = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE})
_PARTITION = "_partition"
"""What the watermark needs of each row beside its time."""
_FORMAT = 2
"""Of what is kept of groups: that of another one is not read."""


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
    return tuple(_planned(node, known[node.id], stream, most, traced=not taken) for node in stream.nodes)


def sql_nodes(stream: Stream) -> tuple[NodePlan, ...]:
    """The nodes as they are planned for nothing but their columns: keys are not judged, and messages not told.

    A window has the columns of the same GROUP BY without it.
    """
    known = traits(stream.nodes)
    return tuple(_shaped(node, known[node.id]) for node in stream.nodes)


def needed(stream: Stream) -> tuple[str, ...]:
    """The columns beside the messages' own that nodes ask for, and the SQL does not name."""
    # the keys of a window are columns of the query before it
    keys = {key for node in stream.nodes if isinstance(node, Dedupe) for key in node.keys}
    remembers = bool(remembering(stream.nodes))
    timed = (
        remembers
        or stream.watermark.max_ahead is not None
        or any(isinstance(node, Sql) and _placed(node).timed for node in stream.nodes)
    )
    wanted = (*((TIME,) if timed else ()), *((_PARTITION,) if remembers else ()), *(n for n in EXTRAS if n in keys))
    return tuple(name for name in dict.fromkeys(wanted) if name not in stream.extras)


def _planned(node: Node, known: Traits, stream: Stream, most: int, *, traced: bool) -> NodePlan:
    if isinstance(node, Sql):
        return _sql(node, known, traced=traced)
    if isinstance(node, Window):
        return _window(node, known, stream, most)
    if isinstance(node, Running):
        return _running(node, known, stream, most)
    if isinstance(node, IntervalJoin):
        return _join(node, known, stream, most)
    return _dedupe(node, known, stream.name, most)


def _shaped(node: Node, known: Traits) -> NodePlan:
    if isinstance(node, Sql):
        return _sql(node, known, traced=False)
    if isinstance(node, Window | Running):
        own = tuple(dict.fromkeys(each.declared for each in node.aggregates if each.declared is not None))
        return SqlPlan(node.id, node.inputs, node.inputs, node.text, arithmetic(node.text), functions=own)
    if isinstance(node, IntervalJoin):
        return JoinPlan(
            node.id, node.inputs, kind=node.kind, keys=node.keys, least=node.least, most=node.most,
            columns=node.columns, fingerprint="",
        )  # fmt: skip
    return DedupePlan(node.id, node.inputs, node.keys, node.within, "")


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
    return DedupePlan(
        node.id, node.inputs, keys=node.keys, within=node.within, fingerprint=fingerprint, max_bytes=most, traits=known,
    )  # fmt: skip


def _window(node: Window, known: Traits, stream: Stream, most: int) -> WindowPlan:
    said = {
        "operator": "window", "kind": node.kind, "size": node.size, "step": node.step, "offset": node.offset,
        "timezone": node.timezone, **_grouped(node, stream, "a window", early=node.emit is not None),
        **({"reopen": node.allowed_lateness} if node.late == "reopen" else {}),
        **({"emit": node.emit} if node.emit is not None else {}),
    }  # fmt: skip
    return WindowPlan(
        node.id, node.inputs, kind=node.kind, size=node.size, step=node.step, keys=node.keys,
        aggregates=_aggregates(node, stream), fingerprint=json.dumps(said, separators=(",", ":")), offset=node.offset,
        timezone=node.timezone, late=node.late, allowed_lateness=node.allowed_lateness, max_groups=node.max_groups,
        max_bytes=most, traits=known, emit=node.emit,
    )  # fmt: skip


def _running(node: Running, known: Traits, stream: Stream, most: int) -> RunningPlan:
    said = {
        "operator": "running", "group_ttl": node.ttl, **_grouped(node, stream, "a running aggregate", early=True),
    }  # fmt: skip
    fingerprint = json.dumps(said, separators=(",", ":"))
    aggregates = _aggregates(node, stream)
    return RunningPlan(
        node.id, node.inputs, keys=node.keys, aggregates=aggregates, fingerprint=fingerprint, ttl=node.ttl,
        max_bytes=most, traits=known,
    )  # fmt: skip


def _grouped(node: Window | Running, stream: Stream, what: str, *, early: bool) -> dict[str, object]:
    """What a fingerprint says of groups: their keys and aggregates, with the types of what these are made of.

    Of groups that come out `early`, before they are over, percentiles have their levels: those to which nothing comes
    any more keep their rows in the target, and these another percentile.
    """
    types = {column.name: column.type for column in node.columns or ()}
    arguments = _arguments(node, stream)
    _check_told_apart(node, types, arguments, f"{what} of stream `{stream.name}`")
    return {
        "keys": [[value, str(types[key])] for key, value in zip(node.keys, node.values, strict=True)],
        "aggregates": [_told(a, arguments, early=early) for a in node.aggregates],
        "from": node.before,
        **upstream(node, stream),
        "format": _FORMAT,
    }


def _arguments(node: Window | Running, stream: Stream) -> Mapping[str, DataType]:
    """The types of what goes into groups."""
    given = next((each.columns for each in stream.nodes if isinstance(each, Sql) and each.id == node.inputs[0]), None)
    return {column.name: column.type for column in given or ()}


def _aggregates(node: Window | Running, stream: Stream) -> tuple[AggregatePlan, ...]:
    types, arguments = {column.name: column.type for column in node.columns or ()}, _arguments(node, stream)
    return tuple(
        AggregatePlan(
            a.name, a.function, type=_gives(a, types[a.name], arguments), argument=a.argument, distinct=a.distinct,
            where=a.where, level=a.level, more=a.more, declared=a.declared, value=a.value, condition=a.condition,
        )
        for a in node.aggregates
    )  # fmt: skip


def _check_told_apart(
    node: Window | Running, types: Mapping[str, DataType], arguments: Mapping[str, DataType], who: str
) -> None:
    """Raises UsageError for keys, and for values that are counted or ordered, that cannot be told apart."""
    told_apart = [(f"groups by `{key}`", types[key]) for key in node.keys]
    told_apart += [
        (f"tells apart what `{a.name}` counts", arguments[a.argument])
        for a in node.aggregates
        if a.argument is not None and (a.distinct or a.function == "approx_count_distinct")
    ]
    for what, kind in told_apart:
        if kind.kind in NO_KEYS:
            help = "take values of a simple type: a part of it, or its text"
            raise UsageError(f"{who} {what}, which is `{kind}`", code="unusable-keys", help=help)
    for a in node.aggregates:
        if a.function in ("min", "max") and a.argument is not None and arguments[a.argument].kind is Kind.JSON:
            help = "compare by a part of it, or by its text"
            message = f"{who} has `{a.function}` of documents (`{a.value}`), which have no order"
            raise UsageError(message, code="unsupported-aggregate", help=help)


def _gives(aggregate: Aggregate, kind: DataType, kinds: Mapping[str, DataType]) -> DataType:
    """The type of an aggregate: the engine forgets of a list that its values are documents."""
    of = kinds.get(aggregate.argument or "")
    if aggregate.function == "array_agg" and of is not None and of.kind is Kind.JSON:
        return DataType(Kind.ARRAY, element=of)
    return kind


def _told(aggregate: Aggregate, kinds: Mapping[str, DataType], *, early: bool) -> list[object]:
    """What the state of an aggregate hangs on; of percentiles, any is made of the same."""
    a, given = aggregate, (name for name in (aggregate.argument, *aggregate.more) if name is not None)
    said = [a.function, a.distinct, a.value, ", ".join(str(kinds[name]) for name in given), a.condition]
    if a.declared is not None:
        return [*said, a.declared.keeps]
    return [*said, "", a.level] if early and a.level is not None else said


def _join(node: IntervalJoin, known: Traits, stream: Stream, most: int) -> JoinPlan:
    types = [{column.name: column.type for column in columns or ()} for columns in node.given]
    keys = [
        [*written, str(_same(pair, types, stream.name))] for pair, written in zip(node.keys, node.written, strict=True)
    ]
    columns = sorted([side, column, str(types[side][column])] for side, column, _ in node.columns)
    said: dict[str, object] = {
        "operator": "join",
        "kind": node.kind,
        "keys": keys,
        "least": node.least,
        "most": node.most,
    }
    late = {"reopen": node.allowed_lateness} if node.late == "reopen" else {}
    late = {**late, "replaces": True} if reopens(node) else late
    said |= {"from": node.before, **upstream(node, stream), "columns": columns, **late}
    fingerprint = json.dumps(said, separators=(",", ":"))
    return JoinPlan(
        node.id, node.inputs, kind=node.kind, keys=node.keys, least=node.least, most=node.most, columns=node.columns,
        fingerprint=fingerprint, late=node.late, allowed_lateness=node.allowed_lateness, max_bytes=most, traits=known,
    )  # fmt: skip


def _same(pair: tuple[str, str], types: Sequence[Mapping[str, DataType]], stream: str) -> DataType:
    """The type of both columns of a key, as the engine tells it: what cannot be judged before."""
    one, other = (types[side][name] for side, name in enumerate(pair))
    if one.is_integer and other.is_integer and not {one.kind, other.kind} & WIDE:
        return BIGINT  # as the join compares them
    if one.kind != other.kind or one.kind in NO_KEYS or (one.kind is Kind.DECIMAL and one != other):
        message = f"a join of stream `{stream}` cannot compare `{one}` and `{other}`"
        help = "compare values of one simple type: `CAST(… AS text)` on both sides"
        raise UsageError(message, code="unusable-keys", help=help)
    return one


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
