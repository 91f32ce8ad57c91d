"""The state of a graph's nodes: who takes what was kept, and what of it changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flowc.errors import UsageError
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import Decision, Verdict
from flowc.runtime.streams.state.contract import Checkpoint

_log = logging.getLogger("flowc.state")

_WORST = (Decision.KEEP, Decision.MIGRATE, Decision.RESET, Decision.REFUSE)
_TAKES = (Decision.KEEP, Decision.MIGRATE)
_EMPTY = Verdict(Decision.RESET, "nothing is kept of it: it begins empty, with what is read from now on")
_GONE = Verdict(Decision.RESET, "it is gone: what it remembers is dropped")


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of what a node remembers, and of a refusal what the run says, and what to do."""

    node: str
    verdict: Verdict
    message: str = ""
    help: str = ""


@dataclass
class States:
    """The nodes of one stream that keep state, told by their ids."""

    stream: str
    nodes: Sequence[Node]
    _left: frozenset[str] = field(default=frozenset(), init=False)
    """Of which nodes what is kept is dropped: nobody takes it, or who took it keeps it anew."""

    @classmethod
    def of(cls, stream: str, nodes: Iterable[Node]) -> States:
        """Those of the nodes that keep state."""
        return cls(stream, [node for node in nodes if node.operator.fingerprint])

    def judged(self, checkpoint: Checkpoint) -> tuple[Judged, ...]:
        """What becomes of what was kept, by node, those that are gone first; nothing before the first checkpoint.

        Of the segments, only by what they were written counts here, and not their bytes.
        """
        known = checkpoint.fingerprints
        if not checkpoint.epoch and not known:
            return ()
        ids = {node.id for node in self.nodes}
        gone, new = sorted(known.keys() - ids), sorted(ids - known.keys())
        if gone and new:  # a node under another name would forget in silence what it had under the first
            left = [node for node in self.nodes if node.id in known]
            return (*(_renamed(name, new[0], self.stream) for name in gone), *self._each(left, checkpoint))
        return (*(Judged(name, _GONE) for name in gone), *self._each(self.nodes, checkpoint))

    def _each(self, nodes: Iterable[Node], checkpoint: Checkpoint) -> Iterator[Judged]:
        for node in nodes:
            written = {segment.fingerprint for segment in checkpoint.segments if segment.node == node.id}
            verdict = _verdict(node, checkpoint.fingerprints.get(node.id), written)
            refused = verdict.decision is Decision.REFUSE
            yield _changed(node.id, self.stream, verdict) if refused else Judged(node.id, verdict)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept; what no node of the last checkpoint has written is dropped.

        A node that the checkpoint does not know has written nothing: what lies there under its id is of an older one.

        Raises UsageError (`state-changed`) for state that means something else now.
        """
        judged = {each.node: each for each in self.judged(checkpoint)}
        self._tell(tuple(judged.values()))
        left = {segment.node for segment in checkpoint.segments}
        for node in self.nodes:
            kept = [segment for segment in checkpoint.segments if segment.node == node.id]
            if node.id not in judged or judged[node.id].verdict.decision not in _TAKES:
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

    def _tell(self, judged: Sequence[Judged]) -> None:
        """Logs what is not as it was. Raises UsageError where that is refused."""
        for each in judged:
            if each.verdict.decision is Decision.REFUSE:
                raise UsageError(each.message, code="state-changed", help=each.help)
        for each in judged:
            decision, reason = each.verdict.decision, each.verdict.reason
            if decision is not Decision.KEEP and each.verdict is not _EMPTY:  # where nothing was kept, nothing is lost
                _log.warning("%s: `%s` of stream `%s`: %s", decision.name, each.node, self.stream, reason)


def _verdict(node: Node, written_by: str | None, segments: Iterable[str]) -> Verdict:
    """Whether a node takes what is kept of it, all of which has to be written by what it can go on from."""
    if written_by is None:
        return _EMPTY
    strange = {written_by, *segments} - {node.operator.fingerprint}
    found = (node.operator.verdict(each) for each in sorted(strange))
    return max(found, key=lambda verdict: _WORST.index(verdict.decision), default=Verdict(Decision.KEEP))


def _changed(node: str, stream: str, verdict: Verdict) -> Judged:
    message = f"`{node}` of stream `{stream}` was changed, and what it remembers was kept by what it was before"
    help = "undo the change, or give the stream another name: it begins anew, with rows in another table"
    return Judged(node, verdict, f"{message}: {verdict.reason}", help)


def _renamed(gone: str, new: str, stream: str) -> Judged:
    reason = f"that is gone, and `{new}` has seen nothing"
    help = f"call `{new}` by its former name `{gone}`, or give the stream another name: it begins anew"
    message = f"stream `{stream}` remembers what `{gone}` has seen; {reason}"
    return Judged(gone, Verdict(Decision.REFUSE, f"it is gone, and `{new}` has seen nothing"), message, help)
