"""Replaying many epochs: what was read and is done with is let go."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flowc.errors import EngineError
from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.streams.replay import Replay


class Tens:
    """A source of one partition that gives ten messages at a time."""

    at, ended = 0, False

    def poll(self, wait: float) -> Polled | None:
        start, self.at = self.at, self.at + 10
        columns = {"_partition": pa.array([0] * 10, pa.int32()), "_offset": pa.array(range(start, self.at), pa.int64())}
        return Polled("source", pa.record_batch(columns), (Range.numbered("source", 0, start, self.at),), 0.0)


def test_pieces_that_no_later_epoch_needs_are_let_go() -> None:
    intents = [Intent(n + 1, 0, (Range.numbered("source", 0, 4 * n, 4 * n + 4),)) for n in range(50)]
    replay = Replay({"source": Tens()}, intents)
    for intent in intents:
        polled = replay.poll(0.0)
        assert polled is not None
        assert polled.messages.column("_offset").to_pylist() == list(range(4 * (intent.number - 1), 4 * intent.number))
        assert len(replay._over["source"]) <= 1


class Stalled:
    """A source of two partitions: one gives its first messages when the other has given a thousand."""

    ended = False

    def __init__(self) -> None:
        self.calls = 0

    def poll(self, wait: float) -> Polled | None:
        self.calls += 1
        late = self.calls % 101 == 0
        partition, number = (1, self.calls // 101 - 1) if late else (0, self.calls - self.calls // 101 - 1)
        columns = {
            "_partition": pa.array([partition] * 10, pa.int32()),
            "_offset": pa.array(range(10 * number, 10 * number + 10), pa.int64()),
        }
        range_ = Range.numbered("source", partition, 10 * number, 10 * number + 10)
        return Polled("source", pa.record_batch(columns), (range_,), 0.0)


def test_what_is_read_behind_the_last_epoch_is_not_kept() -> None:
    intents = [
        Intent(n + 1, 0, (Range.numbered("source", 0, 7 * n, 7 * n + 7), Range.numbered("source", 1, 7 * n, 7 * n + 7)))
        for n in range(6)
    ]
    replay = Replay({"source": Stalled()}, intents)
    for n in range(6):
        polled = replay.poll(0.0)
        assert polled is not None
        rows = polled.messages.sort_by([("_partition", "ascending"), ("_offset", "ascending")]).to_pylist()
        assert [(row["_partition"], row["_offset"]) for row in rows] == [
            (partition, offset) for partition in (0, 1) for offset in range(7 * n, 7 * n + 7)
        ]
        assert sum(each.messages.num_rows for each in replay._over["source"]) <= 2 * 42
        assert len(replay._over["source"]) <= 12


def test_an_epoch_of_time_alone_stands_at_the_positions_of_all_sources() -> None:
    """Partition 0 of one source is further than that of the other, and nothing is to be read of either."""
    intent = Intent(7, 0, (Range.numbered("a", 0, 5, 5), Range.numbered("b", 0, 2, 2)))
    replay = Replay({"a": Tens(), "b": Tens()}, [intent])
    polled = replay.poll(0.0)
    assert polled is not None
    assert (polled.messages.num_rows, polled.intent, replay.ended) == (0, intent, True)


def test_a_source_that_is_gone_holds_up_no_epoch_that_read_nothing_of_it() -> None:
    stands, read = (
        Intent(7, 0, (Range.numbered("gone", 0, 5, 5), Range.numbered("a", 0, 2, 2))),
        Intent(8, 0, (Range.numbered("gone", 0, 5, 6),)),
    )
    replay = Replay({"a": Tens()}, [stands, read])
    assert replay.poll(0.0) is not None
    with pytest.raises(EngineError, match="no source any more"):
        replay.poll(0.0)
