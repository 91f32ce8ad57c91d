"""The state of a graph's nodes: who takes what was kept, and what of it changed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flowc.errors import UsageError
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import Decision
from flowc.runtime.streams.state.contract import Checkpoint, Segment

_log = logging.getLogger("flowc.state")


@dataclass
class States:
    """The nodes of one stream that keep state, told by their ids."""

    stream: str
    nodes: Sequence[Node]
    _left: frozenset[str] = field(default=frozenset(), init=False)
    """Of which nodes what is kept is dropped: nobody takes it, or who took it keeps it anew."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept; what no node of the last checkpoint has written is dropped.

        A node that the checkpoint does not know has written nothing: what lies there under its id is of an older one.

        Raises UsageError (`state-changed`) for state that means something else now.
        """
        self._refuse_renamed(frozenset(checkpoint.fingerprints))
        left = {segment.node for segment in checkpoint.segments}
        for node in self.nodes:
            kept = [segment for segment in checkpoint.segments if segment.node == node.id]
            written_by = checkpoint.fingerprints.get(node.id)
            if written_by is None or not self._takes(node, written_by, kept):
                kept = []
            elif all(segment.fingerprint == node.operator.fingerprint for segment in kept):
                left.discard(node.id)
            node.operator.restore(kept)
        self._left = frozenset(left)

    def snapshot(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with what changed of the state since the last one."""
        found = (segment for node in self.nodes for segment in node.operator.snapshot())
        segments = tuple(replace(segment, sequence=checkpoint.epoch) for segment in found)
        prints = {node.id: node.operator.fingerprint for node in self.nodes}
        dropped, self._left = self._left, frozenset()
        return replace(checkpoint, segments=segments, fingerprints=prints, dropped=dropped)

    def _takes(self, node: Node, written_by: str, kept: Sequence[Segment]) -> bool:
        """Whether a node takes what is kept of it, all of which has to be written by what it can go on from."""
        strange = {written_by, *(segment.fingerprint for segment in kept)} - {node.operator.fingerprint}
        return all(self._goes_on(node, each) for each in sorted(strange))

    def _goes_on(self, node: Node, written_by: str) -> bool:
        verdict = node.operator.verdict(written_by)
        if verdict.decision is Decision.REFUSE:
            raise _changed(node.id, self.stream)
        if verdict.decision is not Decision.KEEP:
            _log.warning("`%s` of stream `%s` was changed: %s", node.id, self.stream, verdict.reason)
        return verdict.decision is not Decision.RESET

    def _refuse_renamed(self, known: frozenset[str]) -> None:
        """A node under another name has no state, and would forget in silence what it had under the first."""
        ids = {node.id for node in self.nodes}
        gone, new = sorted(known - ids), sorted(ids - known)
        if gone and new:
            raise _renamed(gone[0], new[0], self.stream)


def _changed(node: str, stream: str) -> UsageError:
    message = f"`{node}` of stream `{stream}` was changed, and what it remembers was kept by what it was before"
    help = "undo the change, or give the stream another name: it begins anew, with rows in another table"
    return UsageError(message, code="state-changed", help=help)


def _renamed(gone: str, new: str, stream: str) -> UsageError:
    message = f"stream `{stream}` remembers what `{gone}` has seen; that is gone, and `{new}` has seen nothing"
    help = f"call `{new}` by its former name `{gone}`, or give the stream another name: it begins anew"
    return UsageError(message, code="state-changed", help=help)
