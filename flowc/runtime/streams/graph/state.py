"""The state of a graph's nodes: who takes what was kept, and what of it changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowc.errors import UsageError
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import Decision
from flowc.runtime.streams.state.contract import Checkpoint, Group

_log = logging.getLogger("flowc.state")


@dataclass
class States:
    """The nodes of one stream that keep state, told by their ids."""

    stream: str
    nodes: Sequence[Node]
    _left: tuple[Group, ...] = field(default=(), init=False)
    """What is kept for nodes that are gone, as empty: nothing that comes under their names has written it."""

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept; what no node of the last checkpoint has written is dropped.

        Raises UsageError for state that means something else now.
        """
        known = checkpoint.fingerprints
        self._refuse_renamed(known)
        taken = {node.id for node in self.nodes if node.id in known and self._takes(node, known[node.id])}
        for node in self.nodes:
            groups = (group for group in checkpoint.groups if group.operator == node.id)
            node.operator.restore(groups if node.id in taken else ())
        self._left = tuple(replace(group, data=b"") for group in checkpoint.groups if group.operator not in taken)

    def snapshot(self) -> tuple[tuple[Group, ...], Mapping[str, str]]:
        """The groups that changed since the last call, and by which fingerprints they are written."""
        groups = (*self._left, *(group for node in self.nodes for group in node.operator.snapshot()))
        self._left = ()
        return groups, {node.id: node.operator.fingerprint for node in self.nodes}

    def _takes(self, node: Node, written_by: str) -> bool:
        if written_by == node.operator.fingerprint:
            return True
        verdict = node.operator.verdict(written_by)
        if verdict.decision is Decision.REFUSE:
            raise _changed(node.id, self.stream)
        if verdict.decision is not Decision.KEEP:
            _log.warning("`%s` of stream `%s` was changed: %s", node.id, self.stream, verdict.reason)
        return verdict.decision is not Decision.RESET

    def _refuse_renamed(self, known: Mapping[str, str]) -> None:
        """A node under another name has no state, and would forget in silence what it had under the first."""
        ids = {node.id for node in self.nodes}
        gone, new = sorted(known.keys() - ids), sorted(ids - known.keys())
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
