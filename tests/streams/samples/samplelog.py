"""The room of a sample log; see `flowc.runtime.contracts.opening`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        polled = super().poll(max_rows, max_wait, max_bytes)
        return None if polled is None else replace(polled, messages=with_columns(polled.messages, self.columns))


def open_source(opening: Opening) -> Opened:
    """The shards of the stream that the address names."""
    return Opened(SampleLog(STREAMS[opening.plan.address], 5, opening.plan.name, columns=opening.columns))


def reach(_: Mapping[str, object]) -> str:
    """How many streams there are."""
    return f"samplelog: {len(STREAMS)} streams"
