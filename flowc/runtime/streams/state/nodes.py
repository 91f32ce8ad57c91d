"""Whose state is whose: what is kept is given to the node that wrote it, and to no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from flowc.errors import UsageError
from flowc.runtime.streams.state.contract import Checkpoint, Segment


class Node(Protocol):
    """What has state; see `flowc.runtime.streams.operators.contract.Operator`."""

    name: str
    fingerprint: str

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call."""

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""


def restore_nodes(nodes: Sequence[Node], checkpoint: Checkpoint, stream: str) -> frozenset[str]:
    """Has nodes take what they wrote; gives the names of those whose state is to be dropped, for nobody takes it.

    A node that the checkpoint does not know has written nothing: what lies there under its name is of an older one.

    Raises UsageError (`state-changed`) for state of a node that was written by what it was before.
    """
    left = {segment.node for segment in checkpoint.segments}
    for node in nodes:
        kept = [segment for segment in checkpoint.segments if segment.node == node.name]
        if node.name not in checkpoint.fingerprints:
            kept = []
        elif {checkpoint.fingerprints[node.name], *(segment.fingerprint for segment in kept)} != {node.fingerprint}:
            raise _changed(node.name, stream)
        else:
            left.discard(node.name)
        node.restore(kept)
    return frozenset(left)


def snapshot_nodes(nodes: Sequence[Node], checkpoint: Checkpoint, dropped: frozenset[str]) -> Checkpoint:
    """The checkpoint with what changed of the state since the last one."""
    found = (segment for node in nodes for segment in node.snapshot())
    segments = tuple(replace(segment, sequence=checkpoint.epoch) for segment in found)
    prints = {node.name: node.fingerprint for node in nodes}
    return replace(checkpoint, segments=segments, fingerprints=prints, dropped=dropped)


def _changed(node: str, stream: str) -> UsageError:
    message = f"`{node}` of stream `{stream}` was changed, and what it remembers was kept by what it was before"
    help = "undo the change, or give the stream another name: it begins anew, with rows in another table"
    return UsageError(message, code="state-changed", help=help)
