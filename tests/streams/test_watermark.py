"""How far event time is, by hand-made partitions and a clock that the test moves."""

from __future__ import annotations

import random
import time
from itertools import groupby

import pyarrow as pa

from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.positions import NUMBERS
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams.alignment import Alignment
from flowc.runtime.streams.loop import Loop, Turn
from flowc.runtime.streams.watermark import WHOLE, Watermarks
from flowc.stream import WatermarkPlan

SECOND = 1_000_000


def _times(*values: int) -> pa.Array:
    return pa.array(values, pa.timestamp("us", "UTC"))


def _made(plan: WatermarkPlan, partitions: int = 2, sources: tuple[str, ...] = ("s",)) -> Watermarks:
    marks = Watermarks(plan, sources)
    marks.ranges(Range.numbered(source, part, 0, 0) for source in sources for part in range(partitions))
    return marks


def test_it_is_the_least_of_the_partitions_less_the_lateness() -> None:
    marks = _made(WatermarkPlan(lateness=10))
    marks.advance("s", pa.array([0, 0, 1]), _times(100, 250, 180))
    assert marks.look(0, "s") == 170


def test_a_partition_that_gave_nothing_holds_it_back() -> None:
    marks = _made(WatermarkPlan())
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0, "s") is None
    marks.advance("s", pa.array([1]), _times(40))
    assert marks.look(0, "s") == 40


def test_a_source_that_nothing_is_known_of_holds_it_back() -> None:
    marks = Watermarks(WatermarkPlan(), ("s", "t"))
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0, "s") is None
    marks.advance("t", pa.array([0]), _times(70))
    assert marks.look(0, "s") == 70


def test_it_never_goes_back() -> None:
    marks = _made(WatermarkPlan(), 1)
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(0, "s") == 100
    marks.advance("s", pa.array([0]), _times(50))
    marks.ranges([Range.numbered("s", 1, 0, 0)])
    marks.advance("s", pa.array([1]), _times(60))
    assert marks.look(0, "s") == 100


def test_a_partition_that_ended_holds_nothing_back_and_those_that_go_on_in_its_place_do() -> None:
    marks = _made(WatermarkPlan())
    marks.advance("s", pa.array([0, 1]), _times(100, 40))
    assert marks.look(0, "s") == 40
    marks.ranges([Range.numbered("s", 1, 5, 7, last=True), Range.numbered("s", 2, 0, 0), Range.numbered("s", 3, 0, 0)])
    marks.advance("s", pa.array([1]), _times(45))
    assert marks.look(0, "s") == 40, "its children gave nothing yet"
    marks.advance("s", pa.array([2, 3]), _times(60, 70))
    assert marks.look(0, "s") == 60
    again = Watermarks(WatermarkPlan(), ["s"])
    again.restore(Checkpoint(1, dict.fromkeys([("s", str(n)) for n in range(4)], "0"), dict(marks.marks())))
    again.advance("s", pa.array([2]), _times(80))
    assert again.look(0, "s") == 70
    again.ranges(Range.numbered("s", n, 0, 0, last=True) for n in (0, 2, 3))
    assert again.look(0, "s") == 70, "all have ended"


def test_a_partition_that_ended_is_not_waited_for_by_the_clock() -> None:
    marks = _made(WatermarkPlan(idle=5 * SECOND))
    marks.advance("s", pa.array([0]), _times(3 * SECOND))
    marks.ranges([Range.numbered("s", 1, 0, 0, last=True)])
    for second in range(9):
        marks.look(second * SECOND, "s")
    assert marks.value == 6 * SECOND


def test_a_silent_partition_is_set_aside_while_others_are_read() -> None:
    marks = _made(WatermarkPlan(idle=5 * SECOND))
    for second in range(5):
        marks.look(second * SECOND, "s")
        marks.advance("s", pa.array([0]), _times(second))
        assert marks.value is None
    assert marks.look(5 * SECOND, "s") == 4


def test_a_pause_of_the_stream_itself_is_no_silence() -> None:
    marks = _made(WatermarkPlan(idle=5 * SECOND))
    marks.look(0, "s")
    marks.advance("s", pa.array([0]), _times(100))
    assert marks.look(3600 * SECOND, "s") is None


def test_what_may_wait_behind_other_messages_is_not_silent() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND))
    for second in range(9):
        marks.advance("s", pa.array([0]), _times(100 + second))
        assert marks.look(second * SECOND, "s", caught_up=False) is None
    assert [marks.look(n * SECOND, "s") for n in range(9, 11)] == [None, 108]


def test_a_partition_of_which_no_message_is_a_row_is_silent() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND))
    found = []
    for second in range(5):
        found.append(
            marks.look(second * SECOND, "s", [Range.numbered("s", part, second, second + 1) for part in (0, 1)])
        )
        marks.advance("s", pa.array([0]), _times(100 + second))
    assert found == [None, None, None, 102, 103]


class Busy:
    """A source that always has one more message, until it ends; each poll takes some time."""

    log = ""

    def __init__(self, name: str, start: int, polls: int) -> None:
        self.name, self.start, self.polls, self.read = name, start, polls, 0

    def poll(self, wait: float) -> Polled | None:
        rows = pa.RecordBatch.from_pylist([{"_partition": 0, "_event_ts": self.start + self.read}], schema=ROW)
        self.read += 1
        return Polled(self.name, rows, (Range.numbered(self.name, 0, self.read - 1, self.read),), 0.0)

    @property
    def ended(self) -> bool:
        return self.read >= self.polls

    @property
    def caught_up(self) -> bool:
        return self.ended


ROW = pa.schema([("_partition", pa.int32()), ("_event_ts", pa.timestamp("us", "UTC"))])


def test_what_waits_for_slow_commits_is_not_silent() -> None:
    """Two busy sources, one of which is far behind the other: its rows are never late."""
    marks = Watermarks(WatermarkPlan(idle=SECOND // 8), ("a", "b"))
    late, taken = [], []

    def compute(turn: Turn) -> Epoch | None:
        ranges = turn.polled.ranges if turn.polled is not None else ()
        watermark = marks.look(time.monotonic_ns() // 1000, turn.source, ranges, caught_up=turn.caught_up)
        if turn.polled is None:
            return None
        taken.append(turn.source)
        rows = turn.polled.messages
        (at,) = rows.column("_event_ts").cast(pa.int64()).to_pylist()
        late.extend([(turn.source, at)] if watermark is not None and at < watermark else [])
        marks.ranges(turn.polled.ranges)
        marks.advance(turn.source, rows.column("_partition"), rows.column("_event_ts"))
        return Epoch(Intent(len(taken), 0, turn.polled.ranges), rows, 1)

    readers = {"a": Busy("a", 10**9, 10), "b": Busy("b", 0, 10)}
    Loop(readers, compute, lambda _: time.sleep(0.09)).run()
    assert late == []
    assert sorted(taken) == ["a"] * 10 + ["b"] * 10
    assert max(len(list(run)) for _, run in groupby(taken[2:-2])) <= 2, "they are taken in turn"


def test_a_source_that_has_ended_is_told_with_what_others_give() -> None:
    """A run that ends: nothing more comes of the short one, which holds back nothing once it was silent."""
    ended: list[tuple[str, ...]] = []
    readers = {"a": Busy("a", 0, 6), "b": Busy("b", 0, 1)}
    Loop(readers, lambda turn: ended.append(turn.ended), lambda _: None).run()
    assert len(ended) == 7
    assert set(ended[-1]) >= {"b"} | set(ended[3])


def test_when_all_are_silent_it_goes_on_with_the_clock() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND), 1)
    marks.look(0, "s")
    marks.advance("s", pa.array([0]), _times(100))
    assert [marks.look(n * SECOND, "s") for n in range(1, 5)] == [100, 100, 100 + SECOND, 100 + 2 * SECOND]


def test_it_survives_a_restart() -> None:
    marks = _made(WatermarkPlan(idle=2 * SECOND))
    marks.advance("s", pa.array([0, 1]), _times(100, 50))
    marks.at_least(70)
    kept = Checkpoint(3, {("s", "0"): "5", ("s", "1"): "5", ("s", "2"): "0"}, dict(marks.marks()))
    assert kept.watermarks == {("s", "0"): 100, ("s", "1"): 50, WHOLE: 70}
    again = Watermarks(marks.plan, ("s",))
    again.restore(kept)
    assert again.look(0, "s") == 70
    again.advance("s", pa.array([0, 1]), _times(200, 150))
    assert again.look(0, "s") == 70, "partition 2 is known, and gave nothing yet"
    again.advance("s", pa.array([2]), _times(120))
    assert again.look(0, "s") == 120


def test_messages_are_put_in_the_order_of_their_partitions() -> None:
    rows = [(1, 5), (0, 7), (1, 6), (0, 2)]
    batch = pa.RecordBatch.from_pylist([{"_partition": part, "_offset": offset} for part, offset in rows])
    assert [tuple(row.values()) for row in NUMBERS.in_order(batch).to_pylist()] == sorted(rows)
    ordered = NUMBERS.in_order(batch)
    assert NUMBERS.in_order(ordered) is ordered


def test_a_long_silence_of_a_given_clock_is_taken_at_once() -> None:
    """As by a look a second: of partitions that are silent for different times, in two sources, or in one."""
    for seed in range(25):
        chance = random.Random(seed)
        at_once, often = (Watermarks(WatermarkPlan(lateness=3, idle=60 * SECOND), ("s", "t")) for _ in range(2))
        at_once.longest = 10**15
        clock = 0
        for _ in range(8):
            source, partition = chance.choice("st"), chance.randrange(2)
            row = chance.choice([None, (pa.array([partition]), _times(chance.randrange(10**9)))])
            begun, passed = clock, chance.choice([0, 1, 5, 59, 60, 61, 200]) * SECOND
            clock += passed
            for marks, step in ((at_once, max(passed, 1)), (often, SECOND)):
                for time_ in [*range(begun, clock, step), clock]:
                    found = [marks.look(time_, name) for name in "st"]
                if row is not None:
                    marks.ranges([Range.numbered(source, partition, 0, 0)])
                    marks.advance(source, *row)
            assert at_once.value == often.value == found[1], seed


def test_a_partition_is_set_aside_until_a_row_of_it_comes() -> None:
    marks = _made(WatermarkPlan(idle=60 * SECOND))
    marks.look(0, "s")
    marks.advance("s", pa.array([0]), _times(100))
    marks.set_aside([("s", "1")])
    assert marks.look(0, "s") == 100
    marks.advance("s", pa.array([1]), _times(120))
    marks.advance("s", pa.array([0]), _times(200))
    assert marks.look(0, "s") == 120
    marks.set_aside([("s", "0"), ("s", "1")])
    assert marks.look(0, "s") == 200, "it goes on from the highest mark"


def test_what_is_held_is_not_silent_however_long_it_is() -> None:
    """Else the others would go past it, and its rows would be late when it is read again."""
    marks = _made(WatermarkPlan(idle=5 * SECOND), 3)
    marks.alignment = Alignment(10, patient=True)
    marks.advance("s", pa.array([0, 1, 2]), _times(100, 50, 51))
    marks.look(0, "s")
    marks.align(1000)
    assert marks.alignment.hold("s") == {"0"}
    for second in range(1, 7):
        marks.advance("s", pa.array([1]), _times(50))
        marks.look(second * SECOND, "s")
    marks.advance("s", pa.array([1]), _times(500))
    assert marks.look(7 * SECOND, "s") == 100, "the third one is set aside, and the first one is not"


def test_it_reaches_a_time_as_with_rows_of_all_partitions() -> None:
    marks = _made(WatermarkPlan(lateness=10, idle=60 * SECOND), sources=("s", "t"))
    marks.advance("s", pa.array([0]), _times(50))
    marks.reach(1000)
    assert marks.look(0, "s") == 1000
    assert {*marks.marks().values()} == {1000}
    marks.advance("s", pa.array([0, 1]), _times(2000, 3000))
    marks.reach(1500)
    assert marks.look(0, "s") == 1500
    marks.set_aside((source, part) for source in "st" for part in "01")
    assert marks.look(5, "s") == marks.look(5, "t") == 2990
    marks.reach(4000)
    assert marks.look(5, "s") == 4000, "none is set aside by then"
