"""The state of a graph's nodes: who takes what was kept, and what of it changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from flowc.errors import UsageError
from flowc.runtime.contracts.epoch import Partition
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.instants import MICROS
from flowc.runtime.streams.graph.build import Node
from flowc.runtime.streams.operators.contract import Decision, Remade, Verdict, said
from flowc.runtime.streams.trail import NEVER, distance, places_before
from flowc.runtime.streams.watermark import WHOLE
from flowc.stream import SourcePlan, StreamPlan

_log = logging.getLogger("flowc.state")

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The begin of the year 1 and the end of 9999, outside of which nothing can be shown."""
_WORST = (Decision.KEEP, Decision.MIGRATE, Decision.REPLAY, Decision.RESET, Decision.REFUSE)
_WINDOWS = frozenset({"tumble", "hop", "cumulate", "session"})
"""What windows are called by their kinds."""
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
    times: Mapping[str, str] = field(default_factory=dict)
    """The columns of event time, by sources."""
    replayable: bool = True
    """Whether what was read can be read again."""
    counted: bool = True
    """Whether positions count messages."""
    settled: bool = True
    """Whether the state is that of a checkpoint; else it is judged before the epochs behind that are finished."""
    again: Mapping[Partition, str] = field(default_factory=dict, init=False)
    """Behind `restore`, from where messages are read again up to where the stream is; most often nothing is."""
    _left: frozenset[str] = field(default=frozenset(), init=False)
    """Of which nodes what is kept is dropped: nobody takes it, or who took it keeps it anew."""

    @classmethod
    def of(cls, plan: StreamPlan, nodes: Iterable[Node]) -> States:
        """Those of the nodes that keep state."""
        times = {source.name: _time_of(source) for source in plan.sources}
        replayable = all(source.replayable for source in plan.sources)
        counted = all(source.holds == "messages" for source in plan.sources)
        return cls(plan.name, [node for node in nodes if node.operator.fingerprint], times, replayable, counted)

    def judged(self, checkpoint: Checkpoint) -> tuple[Judged, ...]:
        """What becomes of what was kept, by node, those that are gone first; nothing before the first checkpoint.

        Of the segments, only by what they were written counts here, and not their bytes.
        """
        checkpoint = self._followed(checkpoint)
        known = checkpoint.fingerprints
        if not checkpoint.epoch and not known:
            return ()
        ids = {node.id for node in self.nodes}
        gone, new = sorted(known.keys() - ids), sorted(ids - known.keys())
        if gone and new:  # a node under another name would forget in silence what it had under the first
            left = [node for node in self.nodes if node.id in known]
            return (*(self._renamed(name, new[0]) for name in gone), *self._each(left, checkpoint))
        return (*(Judged(name, _GONE) for name in gone), *self._each(self.nodes, checkpoint))

    def _followed(self, checkpoint: Checkpoint) -> Checkpoint:
        """The same, with a window that became one of another kind under its name of now.

        Without an alias, and in blocks, kinds are the names of windows.
        """
        known, now = checkpoint.fingerprints, {node.id: node.operator.fingerprint for node in self.nodes}
        gone, new = known.keys() - now.keys(), now.keys() - known.keys()
        if len(gone) != 1 or len(new) != 1 or not {*gone, *new} <= _WINDOWS:
            return checkpoint
        (was,), (is_,) = gone, new
        if said(known[was]).get("kind") == said(now[is_]).get("kind"):
            return checkpoint
        prints = {is_ if name == was else name: written for name, written in known.items()}
        kept = (each for each in checkpoint.segments if each.node != is_)  # under its name lies what is older
        segments = tuple(replace(each, node=is_) if each.node == was else each for each in kept)
        return replace(checkpoint, fingerprints=prints, segments=segments)

    def _each(self, nodes: Iterable[Node], checkpoint: Checkpoint) -> Iterator[Judged]:
        for node in nodes:
            written = {segment.fingerprint for segment in checkpoint.segments if segment.node == node.id}
            verdict = _verdict(node, checkpoint.fingerprints.get(node.id), written)
            if verdict is not _EMPTY:
                verdict = self._timed(checkpoint) or verdict
            if verdict.decision is Decision.REPLAY:
                verdict = self._replayed(node, verdict, checkpoint)
            refused = verdict.decision is Decision.REFUSE
            yield self._changed(node.id, verdict) if refused else Judged(node.id, verdict)

    def _timed(self, checkpoint: Checkpoint) -> Verdict | None:
        """What is said where event time is not what it was: what is kept is of other times."""
        for source, was in sorted(checkpoint.times.items()):
            if self.times.get(source, was) != was:
                before, now = (f"`{name}`" if name else "that of messages" for name in (was, self.times[source]))
                return Verdict(Decision.REFUSE, f"the event time of `{source}` was {before}, is {now}")
        return None

    def _replayed(self, node: Node, verdict: Verdict, checkpoint: Checkpoint) -> Verdict:
        """The verdict of a node that can be made anew of its rows: refused where these cannot be had as they were."""
        starts, why_not = self._starts(node, checkpoint), self._why_not(checkpoint)
        if not self.settled and not why_not:
            return replace(verdict, reason=f"{verdict.reason}: what is open is made anew")
        if starts is None or why_not:
            reason = why_not or "it is not known from where its rows are to be read again"
            return Verdict(Decision.REFUSE, f"{verdict.reason}, and {reason}")
        since, count = self._since(node, checkpoint), distance(starts, checkpoint.positions)
        at = pa.scalar(min(since, _LAST), MICROS).as_py() if since > _FIRST else None
        rows = "all rows" if at is None else f"rows from {at:%Y-%m-%d %H:%M:%S} on"
        messages = f", {count:,} message{'s' * (count != 1)}" if self.counted and count is not None else ""
        return replace(verdict, reason=f"{verdict.reason}: what is open is made anew of {rows}{messages}")

    def _starts(self, node: Node, checkpoint: Checkpoint) -> dict[Partition, str] | None:
        """From where the rows of a node are read again that it needs; None where that is not known."""
        trail = {at: checkpoint.trail.get(at, ()) for at in checkpoint.positions}
        return places_before(trail, self._since(node, checkpoint))

    def _since(self, node: Node, checkpoint: Checkpoint) -> int:
        watermark, operator = checkpoint.watermarks.get(WHOLE), node.operator
        if watermark is None or not isinstance(operator, Remade):
            return NEVER + 1
        return operator.since(checkpoint.fingerprints[node.id], watermark)

    def _why_not(self, checkpoint: Checkpoint) -> str:
        """Why what a node is made of cannot be had as it was."""
        gone = sorted({source for source, _ in checkpoint.positions} - self.times.keys())
        if len(self.nodes) > 1:  # which know the messages already
            return "others that remember have seen its rows"
        if gone:
            return f"`{gone[0]}` is no source any more"
        return "" if self.replayable else "its source gives nothing twice"

    def _changed(self, node: str, verdict: Verdict) -> Judged:
        message = (
            f"`{node}` of stream `{self.stream}` was changed, and what it remembers was kept by what it was before"
        )
        return Judged(node, verdict, f"{message}: {verdict.reason}", f"undo the change, or {self._anew}")

    def _renamed(self, gone: str, new: str) -> Judged:
        reason = f"`{new}` has seen nothing"
        message = f"stream `{self.stream}` remembers what `{gone}` has seen; that is gone, and {reason}"
        help = f"call `{new}` by its former name `{gone}`, or {self._anew}"
        return Judged(gone, Verdict(Decision.REFUSE, f"it is gone, and {reason}"), message, help)

    @property
    def _anew(self) -> str:
        """How the stream is begun anew: what a source gives once cannot be read again under the same name."""
        other = "give the stream another name: it begins anew, with rows in another table"
        return f"{other}; or in place: `flowc rewind {self.stream} --to earliest`" if self.replayable else other

    @property
    def remakes(self) -> bool:
        """Whether a node may ask for messages again."""
        return any(isinstance(node.operator, Remade) for node in self.nodes)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes the state that was kept; what no node of the last checkpoint has written is dropped.

        A node that the checkpoint does not know has written nothing: what lies there under its id is of an older one.

        Raises UsageError (`state-changed`) for state that means something else now.
        """
        left, self.again = {segment.node for segment in checkpoint.segments}, {}
        checkpoint = self._followed(checkpoint)
        judged = {each.node: each for each in self.judged(checkpoint)}
        self._tell(tuple(judged.values()))
        for node in self.nodes:
            kept = [segment for segment in checkpoint.segments if segment.node == node.id]
            decision = judged[node.id].verdict.decision if node.id in judged else Decision.RESET
            if decision is Decision.REPLAY and isinstance(node.operator, Remade):
                watermark = checkpoint.watermarks.get(WHOLE)
                node.operator.remake(kept, checkpoint.fingerprints[node.id], watermark)
                self.again = self._starts(node, checkpoint) or {}
                continue
            if decision not in _TAKES:
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
        return replace(checkpoint, segments=segments, fingerprints=prints, dropped=dropped, times=self.times)

    def _tell(self, judged: Sequence[Judged]) -> None:
        """Logs what is not as it was. Raises UsageError where that is refused."""
        for each in judged:
            if each.verdict.decision is Decision.REFUSE:
                raise UsageError(each.message, code="state-changed", help=each.help)
        for each in judged:
            decision, reason = each.verdict.decision, each.verdict.reason
            if decision is not Decision.KEEP and each.verdict is not _EMPTY:  # where nothing was kept, nothing is lost
                _log.warning("%s: `%s` of stream `%s`: %s", decision.name, each.node, self.stream, reason)


def _time_of(source: SourcePlan) -> str:
    """The column of event time and its type; '' for that of messages."""
    types = {column.name: str(column.type) for column in source.columns or ()}
    return " ".join(filter(None, (source.event_time or "", types.get(source.event_time or "", ""))))


def _verdict(node: Node, written_by: str | None, segments: Iterable[str]) -> Verdict:
    """Whether a node takes what is kept of it, all of which has to be written by what it can go on from."""
    if written_by is None:
        return _EMPTY
    strange = {written_by, *segments} - {node.operator.fingerprint}
    found = (node.operator.verdict(each) for each in sorted(strange))
    return max(found, key=lambda verdict: _WORST.index(verdict.decision), default=Verdict(Decision.KEEP))
