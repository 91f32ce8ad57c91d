"""What a stream's spec says of time."""

from __future__ import annotations

from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.lowering.streamgraph import Block
from flowc.stream import WatermarkPlan


def block(stream: StreamSpec) -> Block | None:
    """What `dedupe` says."""
    found = stream.dedupe
    if found is None:
        return None
    return Block(tuple(key.value for key in found.keys), microseconds(found.within), found.span)


def watermark(stream: StreamSpec) -> WatermarkPlan:
    """What `watermark` says."""
    idle, ahead = (None if said is None else microseconds(said) for said in (stream.idle, stream.max_ahead))
    return WatermarkPlan(microseconds(stream.lateness or 0.0), idle, ahead)


def microseconds(seconds: float) -> int:
    """A duration as the engine counts it."""
    return round(seconds * 1_000_000)
