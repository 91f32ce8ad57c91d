"""Replaying many epochs: what was read and is done with is let go."""

from __future__ import annotations

import pyarrow as pa

from flowc.runtime.streams.epoch import Intent, Range
from flowc.runtime.streams.loop import Polled
from flowc.runtime.streams.replay import Replay


class Tens:
    """A source of one partition that gives ten messages at a time."""

    at, ended = 0, False

    def poll(self, wait: float) -> Polled | None:
        start, self.at = self.at, self.at + 10
        columns = {"_partition": pa.array([0] * 10, pa.int32()), "_offset": pa.array(range(start, self.at), pa.int64())}
        return Polled("source", pa.record_batch(columns), (Range("source", 0, start, self.at),), 0.0)


def test_pieces_that_no_later_epoch_needs_are_let_go() -> None:
    intents = [Intent(n + 1, 0, (Range("source", 0, 4 * n, 4 * n + 4),)) for n in range(50)]
    replay = Replay({"source": Tens()}, intents)
    for intent in intents:
        polled = replay.poll(0.0)
        assert polled is not None
        assert polled.messages.column("_offset").to_pylist() == list(range(4 * (intent.number - 1), 4 * intent.number))
        assert len(replay._over["source"]) <= 1
