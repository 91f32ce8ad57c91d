"""What a stream remembers, and how its event time moves on."""

from __future__ import annotations

from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.ir import Repeats


def repeats(stream: StreamSpec) -> Repeats | None:
    """What `dedupe` says."""
    found = stream.dedupe
    if found is None:
        return None
    return Repeats(tuple(key.value for key in found.keys), microseconds(found.within), found.span)


def microseconds(seconds: float) -> int:
    """A duration as the engine counts it."""
    return round(seconds * 1_000_000)
