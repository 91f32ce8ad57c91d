"""What a stream's spec says of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from flowc.compiler.front.streamspec import StreamSpec
from flowc.compiler.lowering.streamgraph import Block


def block(stream: StreamSpec) -> Block | None:
    """What `dedupe` says."""
    found = stream.dedupe
    if found is None:
        return None
    return Block(tuple(key.value for key in found.keys), microseconds(found.within), found.span)


def late(stream: StreamSpec) -> Literal["drop", "dlq"]:
    """What becomes of late rows of joins."""
    action = stream.join.late.action if stream.join is not None else None
    return "dlq" if action is not None and action.value == "dlq" else "drop"


def unrun_join(stream: StreamSpec) -> Iterator[str]:
    """What the block `join` says and no plan can be made of yet."""
    if stream.join is not None and "sql" in stream.given:
        yield "join"
    elif stream.join is not None and stream.join.late.action and stream.join.late.action.value == "reopen":
        yield "late: reopen"


def microseconds(seconds: float) -> int:
    """A duration as the engine counts it."""
    return round(seconds * 1_000_000)
