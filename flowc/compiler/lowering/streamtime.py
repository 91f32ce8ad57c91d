"""What a stream remembers, and how its event time moves on."""

from __future__ import annotations

from flowc.compiler.front.spec import RawSpec
from flowc.compiler.lowering.context import Lowering
from flowc.compiler.lowering.streamgraph import Block
from flowc.compiler.names.raw import name_at, names_at, place
from flowc.durations import parse_duration


def block(stream: RawSpec) -> Block | None:
    """What `dedupe` says."""
    if "dedupe" not in stream.value:
        return None
    keys = tuple(key.value for key in names_at(stream, "dedupe.keys"))
    return Block(keys, microseconds(stream, "dedupe.within") or 0, place(stream, "dedupe"))


def state(stream: RawSpec, lowering: Lowering) -> tuple[str, str] | None:
    """The connection that `state` names, and its kind."""
    name = name_at(stream, "state.connection")
    spec = lowering.checked.project.connections.get(name.value) if name else None
    return (name.value, spec.kind.value) if name and spec else None


def microseconds(stream: RawSpec, path: str) -> int | None:
    """A duration of the spec."""
    found = name_at(stream, path)
    return round(parse_duration(found.value) * 1_000_000) if found else None
