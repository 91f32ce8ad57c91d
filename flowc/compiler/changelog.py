"""What is known of the rows of each node of a stream, by its graph alone: no pass and no plan keeps notes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.compiler.ir import Dedupe, IntervalJoin, Node, Running, Sql, Window
from flowc.nodes import TIME, Changelog, StateSize, Traits, WindowKind, outputs
from flowc.types import Kind

WIDE = frozenset({Kind.UINT64, Kind.INT128})
"""Whole numbers that are not all bigints."""
NO_KEYS = frozenset({Kind.ARRAY, Kind.STRUCT, Kind.INTERVAL, Kind.JSON})
"""The kinds of types by whose values no state is kept."""


def traits(nodes: Sequence[Node]) -> Mapping[str, Traits]:
    """The traits of each node, by its id.

    Sources give inserts alone. A window that comes out more than once replaces its rows, running groups always do, and
    so does the query behind.
    """
    return {node.id: _traits(node) for node in nodes}


def _traits(node: Node) -> Traits:
    if isinstance(node, Dedupe):
        return Traits(event_time=TIME, key=node.keys, state="bounded")
    if isinstance(node, Window):
        mode = Changelog.UPSERT if replaces(node) else Changelog.INSERT_ONLY
        return Traits(mode, event_time=TIME, key=(*bounds(node.kind), *node.keys), state="bounded")
    if isinstance(node, Running):
        state: StateSize = "bounded" if node.ttl is not None else "unbounded"
        return Traits(Changelog.UPSERT, event_time=TIME, key=node.keys, state=state)
    if isinstance(node, IntervalJoin):
        return Traits(event_time=TIME, key=tuple(left for left, _ in node.keys), state="bounded")
    shown, placed = any(column.name == TIME for column in node.columns or ()), node.placed
    key = placed.key if placed is not None else ()
    return Traits(
        Changelog.UPSERT if key else Changelog.INSERT_ONLY,
        event_time=TIME if shown or (placed is not None and placed.timed) else None,
        key=key,
    )


def replaces(window: Window) -> bool:
    """Whether the rows of a window come out once more, in the place of those before."""
    return window.late == "reopen" or window.emit is not None


def reopens(join: IntervalJoin) -> bool:
    """Whether pairs of a join come in the place of rows that came out without a partner."""
    return join.late == "reopen" and join.kind != "inner"


def read_by(node: Node) -> tuple[str, ...]:
    """The sources and outputs of nodes that a node reads."""
    if not isinstance(node, Sql):
        return node.inputs
    return tuple(name for _, name in node.placed.relations) if node.placed is not None else ()


def given_by(node: Node) -> tuple[str, ...]:
    """The outputs of a node."""
    return outputs(node.id, node.inputs) if isinstance(node, Dedupe) else (node.id,)


def bounds(kind: WindowKind) -> tuple[str, ...]:
    """The columns that tell windows of a kind apart."""
    return ("window_start", "window_end", "session_id") if kind == "session" else ("window_start", "window_end")


def remembering(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes that keep state."""
    known = traits(nodes)
    return tuple(node for node in nodes if known[node.id].state != "none")
