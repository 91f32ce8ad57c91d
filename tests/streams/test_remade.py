"""Windows that are edited while the stream runs: what is open is made anew of messages that are read again.

What comes out then is what comes out of a stream that had the edited window all along.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.errors import DataError, EngineError, FlowcError, TransientError, UsageError
from flowc.runtime.contracts.epoch import Partition, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.runtime.streams import replay
from flowc.runtime.streams.memorytarget import Kept
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import Memory, MemoryStore
from flowc.runtime.streams.trail import NEVER, Trail, places_before
from flowc.runtime.streams.watermark import WHOLE
from flowc.stream import StreamPlan
from tests.extended import examples
from tests.streams.compiled import NOON, Computed, compiled, messages

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source:
      connection: bus
      topic: events
      columns: {{ page: text, n: bigint, at: timestamptz, other: timestamptz }}
      event_time: {time}
    watermark: {{ lateness: {lateness}{ahead} }}
    sql: {sql}
    to: {{ connection: wh, table: out }}
    batch: {{ max_rows: 7 }}
    on_error: drop
"""
TUMBLE = (
    "SELECT window_end, page, count(*) AS c, sum(n) AS s FROM tumble(source, INTERVAL '10 seconds') WHERE n > 0 "
    "GROUP BY window_end, page"
)
FORMS = {
    "as it was": TUMBLE,
    "longer": TUMBLE.replace("10 seconds", "1 minute"),
    "shorter": TUMBLE.replace("10 seconds", "3 seconds"),
    "hopping": TUMBLE.replace("tumble(source,", "hop(source, INTERVAL '4 seconds',"),
    "cumulating": TUMBLE.replace("tumble(source,", "cumulate(source, INTERVAL '5 seconds',"),
    "one aggregate more": TUMBLE.replace("AS s", "AS s, max(n) FILTER (WHERE n < 50) AS m"),
    "another key": TUMBLE.replace("page", "n % 3", 1).replace(", page", ", n % 3"),
    "no key": TUMBLE.replace(" page,", "").replace(", page", ""),
    "another WHERE": TUMBLE.replace("n > 0", "n % 2 = 0"),
}
ENDS = dict.fromkeys(FORMS, (10, 0)) | {
    "longer": (60, 0), "shorter": (3, 0), "hopping": (4, 2), "cumulating": (5, 0),
}  # fmt: skip
"""Of each form, how far the ends of its windows are apart, and where, in seconds."""
Row = tuple[int, int]
"""Seconds of event time behind noon, and a number."""
Rows = Mapping[int, Sequence[Row]]


@cache
def plan_of(sql: str, time: str = "at", ahead: str = "", lateness: str = "5s") -> StreamPlan:
    with tempfile.TemporaryDirectory() as folder:
        made = compiled(Path(folder), SPEC.format(sql=sql, time=time, ahead=ahead, lateness=lateness))
    assert made.state is not None
    return replace(made, state=replace(made.state, every=0.0))


@dataclass
class Topic:
    """A topic, of which each poll gives a few messages of one partition, in turn; it ends where it has no more."""

    rows: Rows
    since: int = 0
    """Before which position all is gone."""
    given: Counter[int] = field(default_factory=Counter)
    """How often the messages of each partition were read."""
    at: dict[int, int] = field(default_factory=dict)
    turn: int = 0
    log = ""
    caught_up = True

    def seek(self, positions: Mapping[Partition, str]) -> None:
        self.at, self.turn = {part: int(positions.get(("source", str(part)), 0)) for part in self.rows}, 0

    def poll(self, wait: float) -> Polled | None:
        for _ in self.rows:
            self.turn += 1
            part = sorted(self.rows)[self.turn % len(self.rows)]
            start = self.at[part]
            found = self.rows[part][start : start + 3]
            if found and start >= self.since:
                self.at[part] += len(found)
                self.given[part] += len(found)
                return Polled(
                    "source", messages([_message(*row) for row in found], part, start),
                    (Range.numbered("source", part, start, start + len(found)),), 0.0,
                )  # fmt: skip
        return None

    @property
    def ended(self) -> bool:
        return all(self.at[part] >= len(rows) for part, rows in self.rows.items())

    def committed(self, written: Mapping[Partition, str], durable: Mapping[Partition, str]) -> None:
        return

    def close(self) -> None:
        return


def _message(seconds: int, number: int) -> dict[str, object]:
    at = pa.scalar(NOON + seconds * 1_000_000, pa.timestamp("us", "UTC")).as_py().isoformat()
    return {"page": "abc"[number % 3], "n": number, "at": at, "other": at}


def run(
    plan: StreamPlan, rows: Rows, memory: Memory, *, drain: bool = False, topic: Topic | None = None,
    clock: int = NOON + 86_400_000_000, bad: list[str] | None = None,
) -> Counter[str]:  # fmt: skip
    """Runs on to the end of the topic; the rows that came out."""
    kept = Kept()
    kept._held = replace(kept._held, epoch=memory.last)
    computed = Computed(plan)
    stream = StreamRun(
        plan, {"source": topic or Topic(rows)}, computed.compute, [kept], MemoryStore("s", memory), drain=drain,
        clock=lambda: clock,
    )  # fmt: skip
    stream.walk()
    if bad is not None:
        bad += computed.bad
    return Counter(json.dumps(row, default=str) for batch in kept.batches for row in batch.to_pylist())


def cut(rows: Rows, share: float) -> Rows:
    return {part: found[: int(len(found) * share)] for part, found in rows.items()}


@st.composite
def topics(draw: st.DrawFn) -> Rows:
    """Partitions of different speeds, out of order within the lateness and beyond."""
    made = {}
    for part in range(draw(st.integers(1, 3))):
        pace, jitter = draw(st.integers(1, 6)), draw(st.integers(0, 30))
        numbers = draw(st.lists(st.tuples(st.integers(0, 100), st.integers(-jitter, jitter)), min_size=5, max_size=40))
        made[part] = [(index * pace + off, number) for index, (number, off) in enumerate(numbers)]
    return made


@settings(max_examples=examples(15))
@given(
    topics(),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(sorted(FORMS)),
    st.lists(st.floats(0, 1), min_size=1, max_size=2),
)
def test_an_edited_window_goes_on_as_if_it_had_been_so_all_along(
    rows: Rows, before: str, after: str, shares: list[float]
) -> None:
    edited, always, wanted = Memory(), Memory(), Counter[str]()
    for share in sorted(shares):
        run(plan_of(FORMS[before]), cut(rows, share), edited)
        wanted += run(plan_of(FORMS[after]), cut(rows, share), always)
    # Of a run that lets nothing out, the last step of time is not kept.
    watermark, found = edited.checkpoint.watermarks.get(WHOLE, NEVER), Counter[str]()
    out = _out(before, after, watermark)
    for share, drain in ((max(shares) + (1 - max(shares)) / 2, False), (1.0, True)):
        wanted += run(plan_of(FORMS[after]), cut(rows, share), always, drain=drain)
        found += run(plan_of(FORMS[after]), cut(rows, share), edited, drain=drain)
    assert _behind(found, watermark) == _behind(wanted, watermark)
    # Of what the window before held back, rows may be there that would have been late for the edited one.
    early, least = (_counts(_behind(rows, out) - _behind(rows, watermark)) for rows in (found, wanted))
    assert _behind(found, out) == found
    assert all(early[window] >= count for window, count in least.items())


@settings(max_examples=examples(8))
@given(
    topics(),
    st.lists(st.tuples(st.sampled_from(sorted(FORMS)), st.floats(0, 1), st.booleans()), min_size=3, max_size=5),
)
def test_nothing_comes_out_twice_over_many_edits(rows: Rows, steps: list[tuple[str, float, bool]]) -> None:
    memory, out = Memory(), Counter[tuple[str, str, str]]()
    shares = sorted(share for _, share, _ in steps)
    for (form, _, drain), share in zip(steps, shares, strict=True):
        for row in run(plan_of(FORMS[form]), cut(rows, share), memory, drain=drain):
            told = json.loads(row)
            out[form, told["window_end"], str(told.get("page", told.get("key_1")))] += 1
    assert all(count == 1 for count in out.values())


def test_what_is_out_stays_out_when_an_edit_is_undone() -> None:
    rows = {0: [(seconds, 1) for seconds in range(0, 61, 5)]}
    for first in (False, True):
        memory = Memory()
        assert run(plan_of(TUMBLE), rows, memory, drain=first)
        assert not run(plan_of(FORMS["longer"]), rows, memory)
        assert not run(plan_of(TUMBLE), rows, memory)
        assert len(run(plan_of(TUMBLE), rows, memory, drain=True)) == (0 if first else 2)


def test_days_west_of_utc_are_made_anew_of_all_their_rows() -> None:
    block = (
        "SELECT page, n FROM source\n    window: {{ kind: tumbling, size: {}d, timezone: America/Los_Angeles, "
        "group_by: [page], aggregate: {{ c: count(*) }} }}"
    )
    rows, memory = {0: [(3600 * hour, 0) for hour in range(-96, 63, 3)]}, Memory()  # to 05-09 02:00, the 8th there
    assert not run(plan_of(block.format(7)), rows, memory)
    out = run(plan_of(block.format(1)), rows, memory, drain=True)
    assert sorted((json.loads(row)["window_end"][5:10], json.loads(row)["c"]) for row in out)[-7:] == [
        ("05-03", 7),
        *((f"05-{day:02}", 8) for day in range(4, 9)),
        ("05-09", 6),
    ]


def _behind(rows: Counter[str], time: int) -> Counter[str]:
    """The rows of windows that end behind a time."""
    return Counter({row: count for row, count in rows.items() if _end(row) > time})


def _counts(rows: Counter[str]) -> Counter[tuple[str, str]]:
    """How many rows each window has, by its end and its key."""
    told = map(json.loads, rows)
    return Counter({(each["window_end"], str(each.get("page", each.get("key_1")))): each["c"] for each in told})


def _out(before: str, after: str, watermark: int) -> int:
    """Up to which time all that the window before had to say is out."""
    if watermark == NEVER:
        return NEVER
    seconds, (step, rest), now = watermark // 1_000_000, ENDS[before], ENDS[after]
    if now == (step, rest):
        return watermark
    return (seconds - (seconds - rest) % step) * 1_000_000


def _end(row: str) -> int:
    """The end of a window that came out."""
    return pa.scalar(datetime.fromisoformat(json.loads(row)["window_end"]), pa.timestamp("us", "UTC")).value


@settings(max_examples=examples(8))
@given(topics(), st.sampled_from(["one aggregate more", "another key", "no key"]))
def test_what_the_end_of_a_run_let_out_stays_out(rows: Rows, after: str) -> None:
    edited, always = Memory(), Memory()
    run(plan_of(TUMBLE), cut(rows, 0.5), edited, drain=True)
    run(plan_of(FORMS[after]), cut(rows, 0.5), always, drain=True)
    assert run(plan_of(FORMS[after]), rows, edited, drain=True) == run(plan_of(FORMS[after]), rows, always, drain=True)


@pytest.mark.parametrize(
    ("before", "after"), [("longer", "as it was"), ("longer", "shorter"), ("as it was", "hopping")]
)
def test_what_the_former_windows_held_back_comes_out_of_shorter_ones(before: str, after: str) -> None:
    memory, rows = Memory(), {0: [(seconds, 1) for seconds in range(0, 56, 5)]}
    out = run(plan_of(FORMS[before]), cut(rows, 0.75), memory)
    assert sum(json.loads(row)["c"] for row in out) == (0 if before == "longer" else 6)
    out = run(plan_of(FORMS[after]), rows, memory, drain=True)
    if after != "hopping":  # whose windows share rows
        assert sum(json.loads(row)["c"] for row in out) == 12
    assert min(map(_end, out)) == (NOON + {"as it was": 10, "shorter": 3, "hopping": 34}[after] * 1_000_000)


LONG: Rows = {part: [(index, index) for index in range(part, 600, 2)] for part in (0, 1)}


@cache
def _ran() -> Memory:
    memory = Memory()
    run(plan_of(TUMBLE), LONG, memory)
    return memory


def _behind_long() -> Memory:
    """What is kept of a stream that has read the long topic: a copy, which may be changed."""
    return deepcopy(_ran())


def test_little_is_read_again_of_a_long_stream() -> None:
    memory = _behind_long()
    topic = Topic(LONG)
    run(plan_of(FORMS["longer"]), LONG, memory, topic=topic)
    assert 30 <= topic.given[0] <= 160, "a minute, and at most about five times as much"
    again = Topic(LONG)
    run(plan_of(FORMS["longer"]), LONG, memory, topic=again)
    assert not again.given, "it is made anew once"


def test_messages_that_are_gone_stop_the_stream_and_leave_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_PATIENCE", 0.05)
    memory = _behind_long()
    point = memory.checkpoint
    with pytest.raises(EngineError, match="is not there any more") as caught:
        run(plan_of(FORMS["longer"]), LONG, memory, topic=Topic(LONG, since=298))
    assert caught.value.code == "retention-gap"
    assert memory.checkpoint == point
    assert not run(plan_of(TUMBLE), LONG, memory)


def test_a_run_that_is_stopped_meanwhile_leaves_the_state_as_it_was() -> None:
    memory = _behind_long()
    point, plan = (memory.checkpoint, memory.segments), plan_of(FORMS["longer"])
    stream = StreamRun(plan, {"source": Topic(LONG)}, Computed(plan).compute, [Kept()], MemoryStore("s", memory))
    stream.writers[0]._held = replace(stream.writers[0]._held, epoch=memory.last)  # type: ignore[attr-defined]
    stream.stopping.set()
    stream.run()
    assert (memory.checkpoint, memory.segments) == point


def test_what_was_too_far_ahead_is_so_when_it_is_read_again() -> None:
    rows = {0: [(0, 1), (4, 1), (86_400 + 30, 1), (8, 1)]}
    edited, always = Memory(), Memory()
    plans = [plan_of(FORMS[form], ahead=", max_ahead: 10s") for form in ("as it was", "longer")]
    run(plans[0], rows, edited)
    run(plans[1], rows, always)
    rows = {0: [*rows[0], (61, 1), (66, 1)]}
    assert run(plans[1], rows, edited, drain=True) == run(plans[1], rows, always, drain=True) != Counter()


def test_a_row_that_was_refused_for_its_time_stays_so_when_time_has_passed_it() -> None:
    plans = [plan_of(FORMS[form], ahead=", max_ahead: 10s") for form in ("as it was", "one aggregate more")]
    found = []
    for first in plans:
        memory, rows = Memory(), {0: [(0, 1), (100, 1), (3, 1)]}
        run(first, rows, memory, clock=NOON + 3_000_000)
        rows = {0: [*rows[0], (101, 1), (104, 1), (105, 1)]}
        run(first, rows, memory, clock=NOON + 105_000_000)
        rows = {0: [*rows[0], (107, 1)]}
        found.append(run(plans[1], rows, memory, clock=NOON + 107_000_000, drain=True))
    assert found[0] == found[1] != Counter()


def test_time_stands_still_while_messages_are_read_again() -> None:
    """With less lateness from now on, no row is late for what was read under more."""
    edited, always = Memory(), Memory()
    rows = {0: [(0, 1), (28, 1)]}
    run(plan_of(TUMBLE, lateness="30s"), rows, edited)
    run(plan_of(FORMS["one aggregate more"], lateness="30s"), rows, always)
    after, rows = plan_of(FORMS["one aggregate more"], lateness="1s"), {0: [*rows[0], (5, 1), (29, 1), (90, 1)]}
    assert run(after, rows, edited, drain=True) == run(after, rows, always, drain=True) != Counter()


def test_now_is_the_time_of_the_run_that_reads_again() -> None:
    form = TUMBLE.replace("n > 0", "n > 0 AND at <= now()")
    after, memory, rows = form.replace("AS s", "AS s, max(n) AS m"), Memory(), {0: [(0, 1), (4, 1), (6, 1)]}
    run(plan_of(form, ahead=", max_ahead: 1h"), rows, memory)
    (row,) = run(plan_of(after, ahead=", max_ahead: 1h"), rows, memory, drain=True)
    assert json.loads(row)["c"] == 3


def test_rows_that_the_edited_query_cannot_take_stop_the_stream_or_are_counted() -> None:
    form, rows = TUMBLE.replace("sum(n)", "sum(6 / (n - 2))"), {0: [(0, 1), (1, 2), (2, 4)]}
    memory = Memory()
    run(plan_of(TUMBLE), rows, memory)
    point = memory.checkpoint
    with pytest.raises(DataError) as caught:
        run(replace(plan_of(form), on_error="fail"), rows, memory)
    assert caught.value.message.startswith("what edited windows are made anew of cannot be read again: ")
    assert (caught.value.help or "").startswith("undo the edit")
    assert memory.checkpoint == point
    bad, found = list[str](), Counter[str]()
    found = run(plan_of(form), rows, memory, drain=True, bad=bad)
    assert (sum(json.loads(row)["c"] for row in found), len(bad)) == (2, 1)


@pytest.mark.parametrize("kind", [EngineError, TransientError])
def test_only_what_an_edit_is_to_blame_for_is_told_so(kind: type[FlowcError]) -> None:
    memory = _behind_long()
    topic, failed = Topic(LONG), kind("no", code="query-refused")

    def fails(_: object) -> Polled | None:
        raise failed

    topic.poll = fails  # type: ignore[assignment,method-assign]
    with pytest.raises(kind):
        run(plan_of(FORMS["longer"]), LONG, memory, topic=topic)
    undo = "undo the edit, and the stream goes on as it was"
    assert failed.help == (undo if kind is EngineError else None)


def test_a_source_that_is_gone_is_refused() -> None:
    memory = _behind_long()
    memory.checkpoint = replace(memory.checkpoint, positions={**memory.checkpoint.positions, ("other", "0"): "3"})
    with pytest.raises(UsageError, match="and `other` is no source any more"):
        run(plan_of(FORMS["longer"]), LONG, memory)


def test_another_event_time_is_refused() -> None:
    memory = _behind_long()
    with pytest.raises(UsageError, match="the event time of `source` was `at timestamptz`, is `other timestamptz`"):
        run(plan_of(TUMBLE, "other"), LONG, memory)


def _trails(rows: Rows) -> Iterator[tuple[Mapping[int, int], Trail]]:
    """A trail with how far each partition was read, behind every message."""
    trail, at = Trail(), dict.fromkeys(rows, 0)
    trail.begin(Range.numbered("source", part, 0, 0) for part in rows)
    for number in range(max(map(len, rows.values()))):
        for part, found in rows.items():
            if number < len(found):
                trail.saw(("source", str(part)), found[number][0])
                at[part] = number + 1
        trail = Trail.of(Checkpoint(1, trail=trail.passed({("source", str(p)): str(n) for p, n in at.items()})), 0)
        yield at, trail


@given(topics(), st.integers(-50, 250))
def test_no_row_before_a_place_is_as_new_as_what_was_asked_for(rows: Rows, time: int) -> None:
    for at, trail in _trails(rows):
        kept = trail.passed({("source", str(part)): str(n) for part, n in at.items()})
        found = places_before(kept, time)
        assert found is not None
        for (_, part), place in found.items():
            assert all(seconds < time for seconds, _ in rows[int(part)][: int(place)])


def test_places_are_few_and_near_enough() -> None:
    rows = {0: [(index, 0) for index in range(5000)]}
    at, trail = [*_trails(rows)][-1]
    kept = trail.passed({("source", "0"): str(at[0])})
    assert len(kept["source", "0"]) <= 9
    for back in (1, 10, 100, 1000, 4000):
        found = places_before(kept, 4999 - back)
        assert found is not None
        assert back <= 4999 - int(found["source", "0"]) <= 5 * back + 5


def test_a_place_is_not_known_where_older_versions_kept_none() -> None:
    at = ("source", "0")
    day = 86_400_000_000
    trail = Trail.of(Checkpoint(3, {at: "9"}, {at: 95}), 5)
    assert places_before(trail.passed({at: "9"}), 95 + day) is None
    trail.saw(at, 120 + day)
    assert places_before(trail.passed({at: "12"}), 96 + day) == {at: "9"}
    assert places_before(Trail.of(Checkpoint(3, {at: "9"}), 5).passed({at: "9"}), NEVER + 1) == {at: "9"}
