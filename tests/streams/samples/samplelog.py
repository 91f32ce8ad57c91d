"""The room of a sample log; see `flowc.runtime.contracts.opening`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowc.runtime.contracts.opening import Opened, Opening
from tests.streams.shards import Shards

STREAMS: dict[str, Mapping[str, Sequence[tuple[int, int]]]] = {}
"""The messages of each stream by shard, as `Shards` has them."""


def open_source(opening: Opening) -> Opened:
    """The shards of the stream that the address names."""
    return Opened(Shards(STREAMS[opening.plan.address], 5, opening.plan.name))


def reach(_: Mapping[str, object]) -> str:
    """How many streams there are."""
    return f"samplelog: {len(STREAMS)} streams"
