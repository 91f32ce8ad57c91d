"""`functions`: nodes to `FunctionSpec`."""

from __future__ import annotations

from flowc.compiler.front.nodes import Context, content, name
from flowc.compiler.front.spec import NO_GAPS, Gaps
from flowc.compiler.front.streamspec import FunctionSpec
from flowc.compiler.front.types import known_type
from flowc.compiler.front.yamltree import Entry, Node, Sequence, TreeMap
from flowc.source import Located
from flowc.types import DataType


def build_function(entry: Entry, context: Context, gaps: Gaps = NO_GAPS) -> FunctionSpec | None:
    """One entry of `functions`, whose shape is right but for its gaps; None for what is no mapping."""
    node = entry.value
    if not isinstance(node, TreeMap):
        return None
    returns, state = node.get("returns"), node.entries.get("state")
    return FunctionSpec(
        name=Located(entry.key.text, content(entry.key)),
        python=name(node.get("python")),
        kind=name(node.get("kind")),
        args=_types(node.get("args"), context),
        returns=known_type(returns, context.reporter) if returns is not None else None,
        state=_types(state.value, context) if state else None,
        state_span=content(state.key) if state else None,
        gaps=gaps,
    )


def _types(node: Node | None, context: Context) -> tuple[Located[DataType], ...] | None:
    if not isinstance(node, Sequence):
        return None
    return tuple(known_type(item, context.reporter) for item in node.items)
