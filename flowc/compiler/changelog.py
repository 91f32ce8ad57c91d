"""What is known of the rows of each node of a stream, by its graph alone: no pass and no plan keeps notes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.compiler.ir import Dedupe, IntervalJoin, Node, Sql, Window
from flowc.nodes import TIME, Traits, WindowKind, outputs
from flowc.types import Kind

NO_KEYS = frozenset({Kind.ARRAY, Kind.STRUCT, Kind.INTERVAL, Kind.JSON})
"""The kinds of types by whose values no state is kept."""


def traits(nodes: Sequence[Node]) -> Mapping[str, Traits]:
    """The traits of each node, by its id.

    Sources give inserts alone, and no node of today makes anything else of them.
    """
    return {node.id: _traits(node) for node in nodes}


def _traits(node: Node) -> Traits:
    if isinstance(node, Dedupe):
        return Traits(event_time=TIME, key=node.keys, state="bounded")
    if isinstance(node, Window):
        return Traits(event_time=TIME, key=(*bounds(node.kind), *node.keys), state="bounded")
    if isinstance(node, IntervalJoin):
        return Traits(event_time=TIME, key=tuple(left for left, _ in node.keys), state="bounded")
    shown = any(column.name == TIME for column in node.columns or ())
    return Traits(event_time=TIME if shown or (node.placed is not None and node.placed.timed) else None)


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
