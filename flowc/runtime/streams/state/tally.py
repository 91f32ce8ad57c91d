"""What a store holds of each node, reckoned along by the worker that writes it, so that no epoch has to ask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from flowc.runtime.contracts.state import Checkpoint, NodeState, Segment
from flowc.runtime.streams.state.compaction import FEW, Merged

At = tuple[str, int]
"""A node and one of its key groups."""


@dataclass
class Tally:
    """Rows, segments and bytes of each group, and the bytes that came to each node with the last checkpoint."""

    groups: dict[At, NodeState] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> Tally:
        """That of what was read."""
        made = cls()
        for segment in segments:
            made._add(segment)
        return made

    def keep(self, point: Checkpoint) -> None:
        """A checkpoint is added."""
        self.groups = {at: state for at, state in self.groups.items() if at[0] not in point.dropped}
        self._last = {}
        for segment in point.segments:
            self._add(segment)
            self._last[segment.node] = self._last.get(segment.node, 0) + len(segment.data)

    def _add(self, segment: Segment) -> None:
        at = segment.node, segment.group
        before = NodeState() if segment.whole else self.groups.get(at, NodeState())
        self.groups[at] = before.plus(segment.rows, len(segment.data))

    def merge(self, merged: Merged) -> None:
        """Neighbours were made one."""
        at = merged.node, merged.group
        if (state := self.groups.get(at)) is not None:
            fewer, less = state.segments - merged.segments, state.bytes - merged.bytes
            self.groups[at] = replace(state, segments=fewer, bytes=less)

    @property
    def many(self) -> bool:
        """Whether a group has so many segments that some are to be merged."""
        return max((state.segments for state in self.groups.values()), default=0) > FEW

    @property
    def nodes(self) -> dict[str, NodeState]:
        """What there is of each node."""
        found: dict[str, NodeState] = {}
        for (node, _), state in self.groups.items():
            so_far = found.get(node, NodeState(last_bytes=self._last.get(node, 0)))
            found[node] = replace(
                so_far, rows=so_far.rows + state.rows, segments=so_far.segments + state.segments,
                bytes=so_far.bytes + state.bytes,
            )  # fmt: skip
        return found
