"""What a stream's spec says of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from flowc.compiler.changelog import given_by, read_by
from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import IntervalJoin, Node, Window
from flowc.compiler.lowering.groupnodes import WindowSettings
from flowc.compiler.lowering.streamgraph import Block
from flowc.nodes import Late
from flowc.stream import BatchLimits, WatermarkPlan

_DRIFT = 3600.0
_UNHURRIED = 0.1
"""Seconds for which messages are gathered of which nothing comes out before the watermark has passed them."""


def block(stream: StreamSpec) -> Block | None:
    """What `dedupe` says."""
    found = stream.dedupe
    if found is None:
        return None
    return Block(tuple(key.value for key in found.keys), microseconds(found.within), found.span)


def watermark(stream: StreamSpec, nodes: Iterable[Node]) -> WatermarkPlan:
    """What `watermark` says, of a stream with these nodes.

    What waits for the watermark is bounded unless something else is said: a partition may be an hour ahead.
    """
    waits = any(isinstance(node, Window | IntervalJoin) for node in nodes)
    given = (stream.idle, stream.max_ahead, stream.max_drift if stream.max_drift is not None or not waits else _DRIFT)
    idle, ahead, drift = (None if said is None else microseconds(said) for said in given)
    return WatermarkPlan(microseconds(stream.lateness or 0.0), idle, ahead, drift)


def batch(stream: StreamSpec, limits: BatchLimits, nodes: Sequence[Node]) -> BatchLimits:
    """How large an epoch may become, of a stream with these nodes: small ones are dear where nobody waits for them."""
    if stream.batch.max_wait is not None:
        return replace(limits, fills=True)
    late = set[str]()
    for node in nodes:
        read = read_by(node)
        if isinstance(node, Window) or (read and late.issuperset(read)):
            late.update(given_by(node))
    return replace(limits, max_wait=_UNHURRIED, fills=True) if nodes and nodes[-1].id in late else limits


def window_settings(stream: StreamSpec) -> WindowSettings:
    """What `window` says beside its query."""
    found = stream.window
    if found is None:
        return WindowSettings()
    offset, late = found.lengths.get("offset"), found.late
    return WindowSettings(
        microseconds(offset.value) if offset is not None else 0,
        found.timezone.value if found.timezone is not None else None,
        late=cast(Late, late.action.value if late.action is not None else "drop"),
        allowed_lateness=microseconds(late.allowed.value) if late.allowed is not None else 0,
        max_groups=found.max_groups, emit=microseconds(found.every.value) if found.every is not None else None,
    )  # fmt: skip


def late(stream: StreamSpec) -> tuple[Late, int]:
    """What becomes of late rows of joins, and how late they may be."""
    said = stream.join.late if stream.join is not None else None
    if said is None or said.action is None:
        return "drop", 0
    return cast(Late, said.action.value), microseconds(said.allowed.value) if said.allowed is not None else 0


def microseconds(seconds: float) -> int:
    """A duration as the engine counts it."""
    return round(seconds * 1_000_000)
