"""The room of a sample log; see `flowc.runtime.contracts.opening`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from flowc.runtime.contracts.opening import Opened, Opening
from flowc.runtime.contracts.source import Polled
from flowc.stream import MAX_BYTES
from tests.streams.samples.columns import with_columns
from tests.streams.shards import Shards

STREAMS: dict[str, Mapping[str, Sequence[tuple[int, int]]]] = {}
"""The messages of each stream by shard, as `Shards` has them."""


@dataclass
class SampleLog(Shards):
    """Gives the columns that are asked for; what the log does not have is NULL."""

    columns: tuple[str, ...] = ()
    snapshots: bool = False
    """Whether every other batch is of rows in columns, and no messages."""
    polls: int = 0

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        polled = super().poll(max_rows, max_wait, max_bytes)
        if polled is None:
            return None
        messages = with_columns(polled.messages, self.columns)
        self.polls += 1
        return replace(polled, messages=_as_rows(messages) if self.snapshots and self.polls % 2 else messages)


def _as_rows(messages: pa.RecordBatch) -> pa.RecordBatch:
    kind = pa.struct([("n", pa.int64()), ("id", pa.int64())])
    rows = pa.array([json.loads(value) for value in messages.column("_value").to_pylist()], kind)
    return messages.set_column(messages.schema.get_field_index("_value"), "_value", rows)


def open_source(opening: Opening) -> Opened:
    """The shards of the stream that the address names."""
    address = opening.plan.address
    columns, snapshots = opening.columns, address.startswith("snapshots")
    return Opened(SampleLog(STREAMS[address], 5, opening.plan.name, columns=columns, snapshots=snapshots))


def reach(_: Mapping[str, object]) -> str:
    """How many streams there are."""
    return f"samplelog: {len(STREAMS)} streams"
