"""The contract of an operator. Its state is part of the same commit as the rows and the positions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from flowc.runtime.streams.state.contract import Segment

if TYPE_CHECKING:
    import pyarrow as pa


class Operator(Protocol):
    """Used by one thread.

    What it yields depends on its state, its input and the watermark, and on nothing else: no clock, no chance, no size
    of batches.
    """

    name: str
    fingerprint: str
    """Changes when state that was written before means something else now."""

    def process(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """What becomes of rows.

        They have the columns of the source and `_event_ts` (microseconds, UTC), and may have others, which are kept.
        """

    def due(self, at: int) -> bool:
        """Whether rows come out at a watermark, or at `END`: an idle stream makes an epoch of time alone for them."""

    def on_watermark(self, at: int) -> pa.RecordBatch | None:
        """What comes out because no row before `at` (microseconds) is expected any more."""

    def on_end(self) -> pa.RecordBatch | None:
        """What comes out because the input has ended. The watermark stays where it is, and more may follow later."""

    def snapshot(self) -> tuple[Segment, ...]:
        """What changed since the last call: at most one segment of each key group."""

    def restore(self, segments: Iterable[Segment]) -> None:
        """Takes the state that was kept."""
