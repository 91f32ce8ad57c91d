"""The contract between a stream and a broker that forgets what is acknowledged, and has no positions."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pyarrow as pa


@runtime_checkable
class Queue(Protocol):
    """A connection to a queue, used by one thread at a time. Raises as `flowc.runtime.contracts.source.Source` does."""

    name: str

    def open(self) -> None:
        """Connects: messages are delivered from now on. Nothing where it is open."""

    def close(self) -> None:
        """Leaves: what is not acknowledged is delivered again to others. May be called twice."""

    def receive(self, max_rows: int, max_wait: float, max_bytes: int) -> pa.RecordBatch | None:
        """What is delivered, within the bounds of `Source.poll`; None when nothing comes.

        The columns are `_id`, a text that tells a message however often it is delivered, and those of `RAW` that were
        asked for, without `_partition` and `_offset`. A message may be delivered again at any time until it is settled.
        """

    def acknowledge(self, ids: pa.Array) -> pa.Array:
        """Has the broker forget messages; gives the ids of those that it will certainly not deliver any more.

        Ids may be of deliveries to an earlier connection. Those that are not given are asked for again.
        """

    @property
    def caught_up(self) -> bool:
        """Whether the last `receive` took all that there was. Not while the broker cannot be reached."""
