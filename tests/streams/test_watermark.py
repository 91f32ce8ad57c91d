"""How far event time is, by hand-made partitions and a clock that the test moves."""

from __future__ import annotations

import pyarrow as pa

from flowc.runtime.streams.epoch import Range
from flowc.runtime.streams.state.contract import Checkpoint
from flowc.runtime.streams.watermark import WHOLE, Watermarks, in_order
from flowc.stream import WatermarkPlan

SECOND = 1_000_000


def _times(*values: int) -> pa.Array:
    return pa.array(values, pa.timestamp("us", "UTC"))


def _made(plan: WatermarkPlan, partitions: int = 2, sources: tuple[str, ...] = ("s",)) -> Watermarks:
    marks = Watermarks(plan, sources)
    marks.ranges(Range(source, part, 0, 0) for source in sources for part in range(partitions))
    return marks


def test_it_is_the_least_of_the_partitions_less_the_lateness() -> None:
    marks = _made(WatermarkPlan(lateness=10))
    marks.advance("s", pa.array([0, 0, 1]), _times(100, 250, 180))
    assert marks.look(0) == 170


def test_a_partition_that_gave_nothing_holds_it_back() -> None:
    marks = _made(WatermarkPlan())
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0) is None
    marks.advance("s", pa.array([1]), _times(40))
    assert marks.look(0) == 40


def test_a_source_that_nothing_is_known_of_holds_it_back() -> None:
    marks = Watermarks(WatermarkPlan(), ("s", "t"))
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0) is None
    marks.advance("t", pa.array([0]), _times(70))
    assert marks.look(0) == 70


def test_it_never_goes_back() -> None:
    marks = _made(WatermarkPlan(), 1)
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0) == 100
    marks.advance("s", pa.array([0]), _times(50))
    marks.ranges([Range("s", 1, 0, 0)])
    marks.advance("s", pa.array([1]), _times(60))
    assert marks.look(0) == 100


def test_a_silent_partition_is_set_aside_while_others_are_read() -> None:
    marks = _made(WatermarkPlan(idle=5 * SECOND))
    for second in range(5):
        marks.look(second * SECOND)
        marks.advance("s", pa.array([0]), _times(second))
        assert marks.value is None
    assert marks.look(5 * SECOND) == 4


def test_a_pause_of_the_stream_itself_is_no_silence() -> None:
    marks = _made(WatermarkPlan(idle=5 * SECOND))
    marks.look(0)
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(3600 * SECOND) is None


def test_when_all_are_silent_it_goes_on_with_the_clock() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND), 1)
    marks.look(0)
    marks.advance("s", pa.array([0]), _times(100))
    assert [marks.look(n * SECOND) for n in range(1, 5)] == [100, 100, 100 + SECOND, 100 + 2 * SECOND]


def test_it_survives_a_restart() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND))
    marks.advance("s", pa.array([0, 1]), _times(100, 50))
    marks.at_least(70)
    kept = Checkpoint(3, {("s", 0): 5, ("s", 1): 5, ("s", 2): 0}, dict(marks.marks()))
    assert kept.watermarks == {("s", 0): 100, ("s", 1): 50, WHOLE: 70}
    again = Watermarks(marks.plan, ("s",))
    again.restore(kept)
    assert again.look(0) == 70
    again.advance("s", pa.array([0, 1]), _times(200, 150))
    assert again.look(0) == 70, "partition 2 is known, and gave nothing yet"
    again.advance("s", pa.array([2]), _times(120))
    assert again.look(0) == 120


def test_messages_are_put_in_the_order_of_their_partitions() -> None:
    rows = [(1, 5), (0, 7), (1, 6), (0, 2)]
    batch = pa.RecordBatch.from_pylist([{"_partition": part, "_offset": offset} for part, offset in rows])
    assert [tuple(row.values()) for row in in_order(batch).to_pylist()] == sorted(rows)
    ordered = in_order(batch)
    assert in_order(ordered) is ordered
