"""Windows that come out more than once, through whole runs: after each epoch the target is as a model has it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import deltalake
import pytest

from flowc.compiler.lowering import streampasses
from flowc.compiler.lowering.groupnodes import WindowSettings
from flowc.runtime.contracts.decoder import Decoding
from flowc.runtime.contracts.epoch import END, Epoch
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.stream import StreamPlan
from tests import topics
from tests.commands import Inside
from tests.stores import KINDS
from tests.streams.compiled import compiled
from tests.streams.test_state_runs import _ROWS, _START, Log, Messages, _decoded

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: {kind}, {place} }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, n: bigint }} }}
    watermark: {{ lateness: 4s }}
    state: {{ connection: wh }}
    {query}
    to: {{ connection: wh, table: counts, mode: merge, keys: [{told}, id] }}
"""
OPTIONS = {
    "reopen": ("late: reopen, allowed_lateness: 15s", 15, None),
    "emit": ("emit: { every: 5s }", 0, 5),
    "both": ("late: reopen, allowed_lateness: 15s, emit: { every: 3s }", 15, 3),
}
"""What the block says, for how many seconds windows reopen, and how long a step is with which they come early."""
SHAPES = {
    "tumbling": ("kind: tumbling, size: 10s", 10, 10),
    "hopping": ("kind: hopping, size: 12s, hop: 4s", 12, 4),
}
AGGREGATES = "aggregate: { number: count(*), total: sum(n), most: max(n) }"
Group = tuple[int, int]
"""The start of a window in seconds, and an id."""


def messages(seed: int, count: int = 40, *, pace: int = 2, ids: int = 4) -> Messages:
    """Some come much later than their window may be open, or their group be kept; each id is in one partition."""
    chance = random.Random(seed)

    def at(n: int) -> int:
        return pace * n - chance.choice([0, 0, 0, 3, 8, 20, 45])

    return {part: [(2 * chance.randrange(ids) + part, at(n)) for n in range(count)] for part in (0, 1)}


@dataclass
class Model:
    """All rows so far that were allowed, by their windows."""

    messages: Messages
    size: int
    step: int
    allowed: int
    every: int | None
    held: dict[Group, list[int]] = field(default_factory=dict)
    early: dict[Group, list[int]] = field(default_factory=dict)
    """The rows of windows that were open when event time last came into another step."""
    watermark: float = -1e9
    late: int = 0

    def take(self, epoch: Epoch) -> None:
        at, before = epoch.intent.watermark, self.watermark
        self.watermark = before if at is None else float("inf") if at == END else _seconds(at)
        if self.every is not None and self.watermark // self.every > before // self.every:
            self.early = {group: [*rows] for group, rows in self.held.items()}
        for range_ in epoch.intent.ranges:
            part = int(range_.partition)
            for n in range(int(range_.start), int(range_.end)):
                id_, second = self.messages[part][n]
                found = [start for start in self._starts(second) if start + self.size + self.allowed > self.watermark]
                self.late += not found
                for start in found:
                    self.held.setdefault((start, id_), []).append(n)

    def _starts(self, second: int) -> Iterator[int]:
        last = second - second % self.step
        yield from (start for start in range(last, second - self.size, -self.step) if start <= second)

    def shown(self) -> dict[Group, tuple[int, int, int]]:
        """What is out by now."""
        ended = {group: rows for group, rows in self.held.items() if group[0] + self.size <= self.watermark}
        return {group: (len(rows), sum(rows), max(rows)) for group, rows in {**self.early, **ended}.items()}


@dataclass
class SessionModel(Model):
    """All rows so far that were allowed, by sessions of a gap of `step` and of at most `size`."""

    rows: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, epoch: Epoch) -> None:
        at = epoch.intent.watermark
        self.watermark = self.watermark if at is None else float("inf") if at == END else _seconds(at)
        for range_ in epoch.intent.ranges:
            part = int(range_.partition)
            for n in range(int(range_.start), int(range_.end)):
                id_, second = self.messages[part][n]
                late = second + self.step + self.allowed < self.watermark
                self.late += late
                self.rows += [] if late else [(id_, second, n)]

    def shown(self) -> dict[Group, tuple[int, int, int]]:
        """What is over by now."""
        found = list[list[tuple[int, int, int]]]()
        for row in sorted(row for row in self.rows if row[1] < self.watermark):
            before = found[-1] if found and found[-1][0][0] == row[0] else None
            if before and row[1] - before[-1][1] <= self.step and row[1] - before[0][1] <= self.size:
                before.append(row)
            else:
                found.append([row])
        followed = [one[0][0] == other[0][0] for one, other in pairwise([*found, [(-1, 0, 0)]])]
        over = [f or s[-1][1] + self.step < self.watermark for f, s in zip(followed, found, strict=True)]
        return {
            (part[0][1], part[0][0]): (len(part), sum(n for *_, n in part), max(n for *_, n in part))
            for part, out in zip(found, over, strict=True) if out
        }  # fmt: skip


@dataclass
class CumulatingModel(Model):
    """The same of cumulating windows, which are told by their ends."""

    def _starts(self, second: int) -> Iterator[int]:
        """Ends, less the size."""
        begin = second - second % self.size
        ends = range(begin + self.step, begin + self.size + 1, self.step)
        yield from (end - self.size for end in ends if end > second)

    def shown(self) -> dict[Group, tuple[int, int, int]]:
        """By ends."""
        return {(start + self.size, id_): row for (start, id_), row in super().shown().items()}


def _seconds(at: int) -> float:
    return (datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at) - _START).total_seconds()


@dataclass
class Place:
    """A stream, and the database that it writes."""

    plan: StreamPlan
    kind: str
    options: Mapping[str, object]
    told: str = "window_start"
    """The bound that tells windows apart."""

    def worker(self, log: Log, *, drain: bool = False) -> tuple[StreamRun, DatabaseWriter]:
        """One that goes on where the one before was."""
        (target,) = self.plan.targets
        writer = DatabaseWriter(target, open_database(self.kind, self.options))  # type: ignore[arg-type]
        assert self.plan.state is not None
        assert self.plan.state.shared
        store = DatabaseStore("s", self.plan.state.sql, writer.database)
        writer.beside = store.beside
        compute = Compute(self.plan, {"source": Decoding(_ROWS, _decoded)}, lambda _: None)
        return StreamRun(self.plan, {"source": log}, compute, [writer], store, drain=drain), writer

    def rows(self, writer: DatabaseWriter) -> dict[Group, tuple[int, ...]]:
        found = writer.database.query("SELECT * FROM counts").to_pylist()
        assert len(found) == len({(row[self.told], row["id"]) for row in found})
        return {(_start(row[self.told]), row["id"]): tuple(_values(row)) for row in found}


def _start(at: Any) -> int:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round((moment - _START).total_seconds())


def _values(row: Mapping[str, Any]) -> Iterator[int]:
    yield from (int(row[name]) for name in ("number", "total", "most"))


def check(place: Place, seed: int, model: Model, passes: Any = lambda row: True) -> Model:
    """Runs to the end in random batches, with workers that end at random; after each epoch the target is the model."""
    chance, given, drained = random.Random(seed), model.messages, False
    while not drained:
        last = chance.random() < 0.3
        run, writer = place.worker(Log(given, chance.randrange(99)), drain=last)
        run.begin()
        left = 10**6 if last else chance.randrange(1, 6)
        while left and not run._stepper.ended:
            epoch = run.step()
            left -= 1
            if epoch is None:
                continue
            model.take(epoch)
            wanted = {key: row for key, row in model.shown().items() if passes(row)}
            assert place.rows(writer) == wanted, f"after epoch {epoch.number}"
        drained = last
        if last:
            run.end()
            model.watermark = float("inf")
            assert place.rows(writer) == {key: row for key, row in model.shown().items() if passes(row)}
        run.close()
    return model


@pytest.fixture
def place(wh: tuple[str, Mapping[str, object]], tmp_path: Path) -> Any:
    kind, options = wh

    def made(query: str, told: str = "window_start") -> Place:
        where = f'url: "{options["url"]}"' if "url" in options else f'path: "{options["path"]}"'
        spec = SPEC.format(kind=kind, place=where, query=query, told=told)
        return Place(compiled(tmp_path, spec), kind, options, told)

    return made


@pytest.mark.parametrize(
    ("wh", "option", "shape"),
    [(k, o, [*SHAPES][(i + j) % 2]) for i, k in enumerate(KINDS) for j, o in enumerate(OPTIONS)],
    indirect=["wh"],
)
def test_the_target_is_as_all_rows_have_it_that_were_allowed(place: Any, shape: str, option: str) -> None:
    """Every database with every option, and either of them with every shape."""
    seed = 1 + [*OPTIONS].index(option)
    window = f"window: {{ {SHAPES[shape][0]}, group_by: [id], {AGGREGATES}, {OPTIONS[option][0]} }}"
    model = check(place(window), seed, Model(messages(seed, 28), *SHAPES[shape][1:], *OPTIONS[option][1:]))
    assert model.late > 0


@pytest.mark.covering
@pytest.mark.parametrize(
    ("lies", "of", "told"),
    [
        ("kind: session, gap: 3s, max_duration: 11s", partial(SessionModel, size=11, step=3), "window_start"),
        ("kind: cumulating, size: 12s, step: 4s", partial(CumulatingModel, size=12, step=4), "window_end"),
    ],
    ids=["session", "cumulating"],
)
@pytest.mark.parametrize("wh", ["sqlite", "postgres"], indirect=True)
def test_sessions_and_cumulating_windows_reopen(place: Any, lies: str, of: Any, told: str) -> None:
    window = f"window: {{ {lies}, group_by: [id], {AGGREGATES}, {OPTIONS['reopen'][0]} }}"
    model = of(messages(6, 28), allowed=15, every=None)
    assert check(place(window, told), 6, model).late > 0


@pytest.mark.covering
@pytest.mark.parametrize(("option", "seed"), [("reopen", 4), ("both", 5)])
def test_rows_that_no_longer_pass_a_filter_behind_are_removed(
    place: Any, option: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the SQL form has it where its windows come out more than once."""
    _, allowed, every = OPTIONS[option]
    settings = WindowSettings(
        late="reopen", allowed_lateness=allowed * 1_000_000, emit=None if every is None else every * 1_000_000
    )
    monkeypatch.setattr(streampasses, "window_settings", lambda _: settings)
    query = (
        "sql: SELECT window_start, id, count(*) AS number, sum(n) AS total, max(n) AS most "
        "FROM tumble(source, INTERVAL '10 seconds') GROUP BY window_start, window_end, id HAVING sum(n) % 3 <> 0"
    )
    model = Model(messages(seed, 24), *SHAPES["tumbling"][1:], *OPTIONS[option][1:])
    check(place(query), seed, model, lambda row: row[1] % 3 != 0)


PROJECT = """
connections:
  drop: {{ kind: files, uri: in }}
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  lake: {{ kind: delta, uri: lake }}
streams:
  s:
    source:
      {{ connection: drop, path: "*.jsonl", format: jsonl, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    window:
      {{ kind: tumbling, size: 1m, group_by: [id], aggregate: {{ n: count(*) }}, late: reopen, allowed_lateness: 5m }}
    to: {to}
tests:
  a late row is counted:
    stream: s
    given:
      source:
        - {{ id: 1, at: "2026-01-01T10:00:10Z" }}
        - {{ id: 1, at: "2026-01-01T10:02:00Z" }}
        - {{ id: 1, at: "2026-01-01T10:00:50Z" }}
    expect:
      - {{ window_start: "2026-01-01T10:00:00Z", window_end: "2026-01-01T10:01:00Z", id: 1, n: 2 }}
      - {{ window_start: "2026-01-01T10:02:00Z", window_end: "2026-01-01T10:03:00Z", id: 1, n: 1 }}
"""


@pytest.mark.parametrize(
    "to", ["{ connection: lake, table: t, mode: merge }", "{ connection: bus, topic: t, key: [window_start, id] }"]
)
def test_a_test_tells_what_is_left_of_rows_that_replace_each_other(tmp_path: Path, to: str) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", PROJECT.format(to=to))
    done = folder.flowc("test")
    assert (done.code, "0 failed" in done.out) == (0, True), done.out + done.err


def test_windows_reopen_in_a_lake_over_runs(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", PROJECT.format(to="{ connection: lake, table: t, mode: merge }"))
    for name, minutes in (("a", (0, 0, 2)), ("b", (0, 3)), ("c", (1, 1, 2))):
        rows = "".join(f'{{"id": 1, "at": "2026-01-01T10:0{minute}:30Z"}}\n' for minute in minutes)
        folder.write(f"in/{name}.jsonl", rows)
        ran = folder.flowc("run", "s", "--once")
        assert ran.code == 0, ran.err
    shown = folder.flowc("preview", "s")
    assert (shown.code, "_flowc_kind" in shown.out) == (0, False), shown.err
    rows = deltalake.DeltaTable(str(tmp_path / "lake" / "t")).to_pyarrow_table().to_pylist()
    assert sorted((row["window_start"].minute, row["n"]) for row in rows) == [(0, 3), (1, 2), (2, 2)]


VISITS = """
connections:
  drop: {{ kind: files, uri: in }}
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
streams:
  visits:
    source:
      {{ connection: drop, path: "*.jsonl", format: jsonl, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    window:
      {{ kind: session, gap: 10m, max_duration: 4h, group_by: [id], aggregate: {{ n: count(*) }},
         late: reopen, allowed_lateness: 1h }}
    to: {{ connection: bus, topic: {topic}, key: [id, window_start] }}
"""


def test_a_session_that_another_one_takes_in_is_a_tombstone_of_its_topic(tmp_path: Path, kafka: str) -> None:
    folder, topic = Inside(tmp_path), topics.fresh(kafka, 1)
    folder.write("specs/project.yaml", VISITS.format(kafka=kafka, topic=topic))
    for name, minutes in (("a", (0, 20, 31)), ("b", (32,)), ("c", (10,))):
        rows = "".join(f'{{"id": 1, "at": "2026-01-01T10:{minute:02}:00Z"}}\n' for minute in minutes)
        folder.write(f"in/{name}.jsonl", rows)
        ran = folder.flowc("run", "visits", "--once")
        assert ran.code == 0, ran.err
    sent = [(json.loads(each.key() or b""), each.value()) for each in topics.committed(kafka, topic)]
    told = [(key["window_start"][14:16], value and json.loads(value)["n"]) for key, value in sent]
    assert told[:2] == [("00", 1), ("20", 1)]
    assert dict(told) == {"00": 3, "20": None}
    topics.drop(kafka, topic)
