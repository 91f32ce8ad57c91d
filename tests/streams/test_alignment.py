"""What is ahead of the slowest partition is held: little is remembered, nothing is late, and nobody waits for ever."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Timer
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import Epoch, Range
from flowc.runtime.contracts.source import Membership, NumberedSource, PlacedSource, Polled
from flowc.runtime.formats.json.decode import JsonDecoder
from flowc.runtime.streams.alignment import Alignment
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.memorytarget import Kept
from flowc.runtime.streams.reader import SourceReader
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.memory import MemoryStore
from flowc.runtime.systems.kafka.source import KafkaSource
from flowc.stream import MAX_BYTES, BatchLimits, StreamPlan, WatermarkPlan
from tests.extended import examples
from tests.streams.compiled import compiled
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOON = 1_767_268_800 * SECOND
SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
streams:
  s:
    sources:
      {sources}
    sql: |
      WITH every AS ({union})
      SELECT window_start, count(*) AS n FROM tumble(every, INTERVAL '1 minute') GROUP BY window_start
    to: {{ connection: bus, topic: out }}
"""
_RAW = pa.schema([("_value", pa.binary()), ("_partition", pa.int32()), ("_offset", pa.int64()),
                  ("_event_ts", pa.timestamp("us", "UTC"))])  # fmt: skip
Log = Mapping[int, list[int]]
"""Of each partition, the event times of its messages, in microseconds behind noon."""


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, StreamPlan]:
    """Plans of one source, and of two."""
    return {count: _plan(tmp_path_factory.mktemp("s"), count) for count in (1, 2)}


def _plan(folder: Path, count: int, text: str = SPEC) -> StreamPlan:
    names = "ab"[:count]
    sources = "\n      ".join(f"{n}: {{ connection: bus, topic: {n}, columns: {{ i: bigint }} }}" for n in names)
    union = " UNION ALL ".join(f"SELECT i FROM {name}" for name in names)
    return compiled(folder, text.format(sources=sources, union=union))


def test_an_hour_is_allowed_where_rows_wait_for_the_watermark(tmp_path: Path, plans: Mapping[int, StreamPlan]) -> None:
    assert {plan.watermark.max_drift for plan in plans.values()} == {60 * MINUTE}
    said = SPEC + "    watermark: {{ max_drift: 5m }}\n"
    assert _plan(tmp_path, 1, said).watermark.max_drift == 5 * MINUTE
    query = re.compile("    sql:.*?(?=    to:)", re.DOTALL)
    dedupe = "    dedupe: {{ keys: [i], within: 1h }}\n"
    assert _plan(tmp_path, 1, query.sub(dedupe, SPEC)).watermark.max_drift is None
    assert _plan(tmp_path, 1, query.sub(dedupe, said)).watermark.max_drift == 5 * MINUTE


@dataclass
class Skewed:
    """A topic of which each poll gives so many messages of each partition that is not paused."""

    name: str
    messages: Log
    rates: Mapping[int, int]
    log: str = ""
    at: dict[int, int] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    pauses: list[int] = field(default_factory=list)
    _new: set[int] = field(default_factory=set)

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def assign(self, positions: Mapping[int, int]) -> None:
        self._new = self.messages.keys() - positions.keys()
        self.at = {number: positions.get(number, 0) for number in self.messages}

    def join(self, membership: Membership[int]) -> None:
        raise AssertionError("nobody shares this source")

    def poll(self, max_rows: int, max_wait: float, max_bytes: int = MAX_BYTES) -> Polled | None:
        ranges, rows = [], []
        for number, start in self.at.items():
            more = 0 if number in self.paused else self.rates[number]
            end = min(start + more, len(self.messages[number]))
            if end > start or number in self._new:
                ranges.append(Range.numbered(self.name, number, start, end))
                rows += [self._message(number, offset) for offset in range(start, end)]
            self.at[number] = end
        self._new = set()
        if not ranges:
            return None
        return Polled(self.name, pa.RecordBatch.from_pylist(rows, schema=_RAW), tuple(ranges), 0.0)

    def _message(self, number: int, offset: int) -> dict[str, object]:
        at = NOON + self.messages[number][offset]
        return {"_value": json.dumps({"i": offset}).encode(), "_partition": number, "_offset": offset, "_event_ts": at}

    @property
    def behind(self) -> frozenset[int]:
        return frozenset(number for number, at in self.at.items() if at < len(self.messages[number]))

    @property
    def caught_up(self) -> bool:
        return self.behind <= self.paused

    def pause(self, partitions: Iterable[int]) -> None:
        wanted = [*partitions]
        self.pauses += wanted
        self.paused.update(wanted)

    def resume(self, partitions: Iterable[int]) -> None:
        self.paused.difference_update(partitions)

    def positions(self) -> Mapping[int, int]:
        return dict(self.at)

    def end_offsets(self) -> Mapping[int, int]:
        return {number: len(rows) for number, rows in self.messages.items()}

    def starting(self, start: str) -> Mapping[int, int]:
        return dict.fromkeys(self.messages, 0)

    def commit(self, written: Mapping[int, int], durable: Mapping[int, int]) -> None:
        return


@dataclass
class Played:
    """A run over such topics, and how many rows were in windows that had not come out, at most."""

    plan: StreamPlan
    topics: Mapping[str, PlacedSource[int]]
    once: bool = True
    limits: BatchLimits = field(default_factory=BatchLimits)
    clock: Callable[[], int] = lambda: NOON + 10**6 * MINUTE
    most: int = 0
    late: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    run: StreamRun = field(init=False)
    _inside: int = 0

    def __post_init__(self) -> None:
        decoder = JsonDecoder(self.plan.sources[0].columns or ())
        decoding = Decoding(decoder.schema, lambda batch: decoder.decode(batch.column("_value")))
        compute = Compute(self.plan, dict.fromkeys(self.topics, decoding), lambda _: None)
        alignment = compute.watermarks.alignment = Alignment.of(self.plan.watermark, once=self.once)
        readers = {
            name: SourceReader(NumberedSource(topic), self.limits, self.once, alignment)
            for name, topic in self.topics.items()
        }
        self.run = StreamRun(
            self.plan, readers, compute, [Kept()], MemoryStore("s"), written=self._written, clock=self.clock
        )
        self.run.drain = True

    def play(self, *, threads: bool = True) -> None:
        """Runs to the end; one that never comes there fails."""
        ends = Timer(PATIENCE, self.run.stopping.set)
        ends.start()
        (self.run.run if threads else self.run.walk)()
        ends.cancel()
        self.run.close()

    def _written(self, epoch: Epoch) -> None:
        for start, n in zip(*(epoch.rows.column(name).to_pylist() for name in ("window_start", "n")), strict=True):
            self.counts[(int(start.timestamp()) * SECOND - NOON) // MINUTE] += n
            self._inside -= n
        self.late += epoch.late
        self._inside += epoch.messages
        self.most = max(self.most, self._inside)


def _timed(plan: StreamPlan, drift: int | None, idle: int | None = None, lateness: int = 0) -> StreamPlan:
    return replace(plan, watermark=WatermarkPlan(lateness, idle, max_drift=drift))


def _model(*logs: Log) -> Counter[int]:
    return Counter(at // MINUTE for log in logs for rows in log.values() for at in rows)


HOUR = [second * SECOND for second in range(0, 3600, 6)]


@pytest.mark.parametrize(("sources", "threads"), [(1, False), (2, True)])
def test_of_a_backlog_with_skew_little_is_remembered(
    plans: Mapping[int, StreamPlan], sources: int, threads: bool
) -> None:
    """Ten times as fast: without a drift, nine tenths of the backlog waits for the rest; with it, what it allows."""

    topics: dict[str, Skewed] = {}

    def played(drift: int | None) -> Played:
        if sources == 1:
            topics.update(a=Skewed("a", {0: HOUR, 1: HOUR}, {0: 120, 1: 12}))
        else:
            topics.update(a=Skewed("a", {0: HOUR}, {0: 60}), b=Skewed("b", {0: HOUR}, {0: 6}))
        made = Played(_timed(plans[sources], drift), topics)
        made.play(threads=threads)
        assert made.counts == _model({0: HOUR, 1: HOUR})
        assert made.late == 0
        return made

    assert threads or played(None).most > 500
    held = played(5 * MINUTE)
    # What the drift allows, the minute that is open in both, and what is in hand by the time that somebody knows.
    assert held.most < 50 + 2 * 10 + (5 * 66 if threads else 132)
    assert 1 < len(topics["a"].pauses) < 30, "held for a while, not for every batch"


def test_a_partition_that_has_nothing_to_read_holds_others_until_it_is_set_aside(
    plans: Mapping[int, StreamPlan],
) -> None:
    """What is held is not silent meanwhile, however long that is."""
    ticks = iter(range(NOON + 10**6 * MINUTE, 2**62, SECOND // 2))
    topic = Skewed("a", {0: HOUR, 1: HOUR[:5], 2: []}, {0: 50, 1: 5, 2: 1})
    played = Played(_timed(plans[1], 5 * MINUTE, 20 * SECOND), {"a": topic}, once=False, clock=lambda: next(ticks))
    played.run.compute.watermarks.longest = 2**62
    played.run.begin()
    held = 0
    while topic.at[0] < len(HOUR):
        played.run.step()
        held += 0 in topic.paused
        assert held < 200, "nobody goes on"
    assert held > 10
    assert played.most < 50 + 20 + 2 * 50
    played.run.end()
    assert (played.counts, played.late) == (_model(topic.messages), 0)


@pytest.mark.parametrize(("once", "idle"), [(True, None), (True, 60 * MINUTE), (False, None)])
def test_one_that_is_never_set_aside_holds_nobody(
    plans: Mapping[int, StreamPlan], once: bool, idle: int | None
) -> None:
    """Where no idle policy is, and where a run ends at the end that there is now."""
    topic = Skewed("a", {0: HOUR, 1: HOUR[:5], 2: []}, {0: 50, 1: 5, 2: 1})
    played = Played(_timed(plans[1], 5 * MINUTE, idle), {"a": topic}, once=once)
    played.run.begin()
    for _ in range(len(HOUR) // 50 + 5):
        played.run.step()
    assert topic.at == {0: len(HOUR), 1: 5, 2: 0}


def test_a_message_of_the_far_future_holds_its_partition_only_while_others_are_behind_the_clock(
    plans: Mapping[int, StreamPlan],
) -> None:
    """The clock is ten seconds behind the last rows of the other partition."""
    far = [10**7 * MINUTE, *HOUR]
    topic = Skewed("a", {0: far, 1: HOUR}, {0: 1, 1: 50})
    plan = _timed(plans[1], MINUTE, 20 * MINUTE)
    played = Played(plan, {"a": topic}, once=False, clock=lambda: NOON + 3590 * SECOND)
    played.run.begin()
    for _ in range(30):
        played.run.step()
    assert topic.at[1] == len(HOUR)
    assert 5 < topic.at[0] < 20, "held until the other one was near the clock, and then no more"


def test_it_is_held_beyond_the_drift_and_goes_on_at_half_of_it() -> None:
    held = Alignment(10, patient=False)
    marks = {("a", "0"): 100, ("a", "1"): 89, ("b", "0"): 89}
    held.tell("a", ("0", "1"))
    assert held.hold("a") == frozenset(), "nothing is known yet"
    held.move(marks, None)
    assert held.hold("a") == {"0"}
    assert not held.wait("a", 0)
    for least, found in ((90, {"0"}), (94, {"0"}), (95, set()), (90, set()), (89, {"0"})):
        held.move({**marks, ("a", "1"): least}, None)
        assert held.hold("a") == found, least
    held.tell("a", ["0"])
    assert held.wait("a", 0)
    assert held.hold("a") == frozenset(), "nobody behind has anything to read"
    held.tell("b", ["0"])
    assert held.hold("b") == frozenset(), "it is not ahead"
    assert held.hold("a") == {"0"}, "the other source has more"
    held.tell("a", ("0", "1"))
    held.move({**marks, ("a", "1"): None, ("b", "0"): 100}, 85)
    assert held.hold("a") == {"0"}, "one that was never heard of is where the watermark is"
    held.move(marks, 95)
    assert held.hold("a") == frozenset(), "what is behind the watermark is as if it were there"
    held.move(marks, 85)
    assert held.hold("a") == {"0"}
    held.tell("a", ())
    held.tell("b", ())
    assert (held.held("a"), held.hold("a"), held.held("a"), held.held("a")) == ({"0"}, set(), {"0"}, set())


def test_partitions_of_a_broker_are_held_and_lose_nothing(plans: Mapping[int, StreamPlan], kafka: str) -> None:
    """What the client has fetched ahead of a partition that is held is fetched once more."""
    topic = fresh(kafka, 2)
    sent = {0: range(4000), 1: range(0, 4000, 10)}
    produce(kafka, topic, [Message(b'{"i": 1}', None, number, at=NOON // 1000 + second * 1000)
                           for number, seconds in sent.items() for second in seconds])  # fmt: skip
    options = {"bootstrap_servers": kafka}
    source = KafkaSource(
        "a", topic, options, columns=("_value", "_partition", "_offset", "_event_ts"), group=topic, once=True
    )
    with mock.patch.object(source, "pause", wraps=source.pause) as paused:
        played = Played(_timed(plans[1], 5 * MINUTE), {"a": source}, limits=BatchLimits(max_rows=100))
        played.play()
    counts = Counter(second // 60 for seconds in sent.values() for second in seconds)
    assert (played.counts, played.late) == (counts, 0)
    assert paused.called
    assert played.most < 300 + 30 + 2 * 66 + 5 * 100, "of 4400"


@settings(max_examples=examples(15), deadline=None)
@given(
    logs=st.lists(
        st.dictionaries(st.integers(0, 2), st.lists(st.integers(0, 3000), max_size=60), min_size=1),
        min_size=1,
        max_size=2,
    ),
    rates=st.lists(st.integers(1, 40), min_size=6, max_size=6),
    drift=st.integers(0, 900),
    lateness=st.integers(0, 3000),
    idle=st.sampled_from([None, 1, 10**6]),
)
def test_every_run_ends_and_reads_everything(
    plans: Mapping[int, StreamPlan], logs: list[dict[int, list[int]]], rates: list[int], drift: int, lateness: int,
    idle: int | None,
) -> None:  # fmt: skip
    """Whatever the partitions hold; nothing is late where the lateness allows for the disorder, and no one is idle."""
    timed = [{number: [second * SECOND for second in rows] for number, rows in log.items()} for log in logs]
    topics = {
        name: Skewed(name, log, {number: rates[3 * at + number] for number in log})
        for at, (name, log) in enumerate(zip("ab", timed, strict=False))
    }
    in_order = idle is None
    plan = _timed(plans[len(logs)], drift * SECOND, idle, 3000 * SECOND if in_order else lateness * SECOND)
    played = Played(plan, topics)
    played.run.walk()
    assert all(topic.at == {number: len(rows) for number, rows in topic.messages.items()} for topic in topics.values())
    assert sum(played.counts.values()) + played.late == sum(_model(*timed).values())
    assert not in_order or (played.counts == _model(*timed) and not played.late)
