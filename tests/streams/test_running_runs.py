"""Running aggregates through whole runs: after each epoch the target is as a model has it, over all restarts."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import psycopg
import pytest

from flowc.runtime.contracts.epoch import END, Epoch
from tests import topics
from tests.commands import Inside
from tests.streams.compiled import compiled
from tests.streams.test_state_runs import Log, Messages
from tests.streams.test_window_changes import Place as Writing
from tests.streams.test_window_changes import _seconds as seconds
from tests.streams.test_window_changes import messages

pytestmark = pytest.mark.turns("wh", 2)

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: {kind}, {place} }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, n: bigint }} }}
    watermark: {{ lateness: 4s }}
    group_ttl: 25s
    state: {{ connection: wh }}
    sql: >-
      SELECT id, count(*) AS number, sum(n) FILTER (WHERE n % 2 = 0) AS total, max(n) AS most FROM source
      WHERE n % 5 <> 4 GROUP BY id HAVING count(*) % 4 <> 3
    to: {{ connection: wh, table: counts, mode: merge, keys: [id] }}
"""
Row = tuple[int, int | None, int]


@dataclass
class Model:
    """The rows of each group that is not over, and what its target holds."""

    messages: Messages
    ttl: int
    groups: dict[int, list[int]] = field(default_factory=dict)
    changed: dict[int, float] = field(default_factory=dict)
    watermark: float = float("-inf")
    over: int = 0

    def take(self, epoch: Epoch) -> None:
        at = epoch.intent.watermark
        self.watermark = self.watermark if at is None or at == END else seconds(at)
        for id_, second, n in self._rows(epoch):
            when, last = max(second, self.watermark), self.changed.get(id_)
            if last is not None and when > last + self.ttl:
                self.groups.pop(id_)
                self.over += 1
            self.groups.setdefault(id_, []).append(n)
            self.changed[id_] = when if id_ not in self.changed or len(self.groups[id_]) == 1 else max(when, last or 0)

    def _rows(self, epoch: Epoch) -> Iterator[tuple[int, int, int]]:
        """In the order in which they went in: batches mix partitions, and each id is in one."""
        for range_ in epoch.intent.ranges:
            part = int(range_.partition)
            for n in range(int(range_.start), int(range_.end)):
                if n % 5 != 4:
                    yield (*self.messages[part][n], n)

    def shown(self) -> dict[int, Row]:
        return {id_: (len(ns), _even(ns), max(ns)) for id_, ns in self.groups.items() if len(ns) % 4 != 3}


def _even(ns: list[int]) -> int | None:
    even = [n for n in ns if n % 2 == 0]
    return sum(even) if even else None


def table(writer: Any) -> dict[int, Row]:
    found = writer.database.query("SELECT id, number, total, most FROM counts").to_pylist()
    assert len(found) == len({row["id"] for row in found})
    return {
        row["id"]: (int(row["number"]), None if row["total"] is None else int(row["total"]), int(row["most"]))
        for row in found
    }


def test_the_target_is_as_the_model_has_it_over_every_restart(
    wh: tuple[str, Mapping[str, object]], tmp_path: Path
) -> None:  # fmt: skip
    """HAVING lets groups come, go and come again; workers end at random, with state in the target's transactions."""
    kind, options = wh
    where = f'url: "{options["url"]}"' if "url" in options else f'path: "{options["path"]}"'
    place = Writing(compiled(tmp_path, SPEC.format(kind=kind, place=where)), kind, options)
    chance, given, drained = random.Random(2), messages(2, pace=3, ids=5), False
    model = Model(given, 25)
    while not drained:
        drained = chance.random() < 0.3
        run, writer = place.worker(Log(given, chance.randrange(99)), drain=drained)
        run.begin()
        left = 10**6 if drained else chance.randrange(1, 6)
        while left and not run._stepper.ended:
            epoch = run.step()
            left -= 1
            if epoch is not None:
                model.take(epoch)
                assert table(writer) == model.shown(), f"after epoch {epoch.number}"
        if drained:
            run.end()
            assert table(writer) == model.shown()
        run.close()
    assert model.over > 0


PROJECT = """
connections:
  drop: {{ kind: files, uri: in }}
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  lake: {{ kind: delta, uri: lake }}
  wh: {{ kind: duckdb, path: wh.duckdb }}
streams:
  s:
    source:
      connection: drop
      path: "*.jsonl"
      columns: {{ id: bigint, n: bigint, at: timestamptz }}
      event_time: at
    group_ttl: {ttl}
    sql: SELECT {select} FROM source GROUP BY id {more}
    to: {to}
tests:
  groups go on:
    stream: s
    steps:
      - rows: [ {{ id: 1, n: 5, at: "2026-01-01T10:00:10Z" }}, {{ id: 2, n: 5, at: "2026-01-01T10:00:10Z" }} ]
        emits: [ {{ id: 1, c: 1 }}, {{ id: 2, c: 1 }} ]
      - crash: after_write
      - rows: [ {{ id: 1, n: 7, at: "2026-01-01T10:02:00Z" }} ]
        emits: [ {{ id: 1, c: 2 }} ]
      - restart
      - rows: [ {{ id: 2, n: 1, at: "2026-03-01T10:02:00Z" }} ]
        emits: [ {{ id: 2, c: 1, most: 1 }} ]
    expect: [ {{ id: 1, c: 2 }}, {{ id: 2, c: 1 }} ]
"""
COUNT, MERGE = "id, count(*) AS c, max(n) AS most", "{ connection: lake, table: t, mode: merge, keys: [id] }"


def project(folder: Path, to: str = MERGE, select: str = COUNT, ttl: str = "30d", more: str = "") -> Inside:
    inside = Inside(folder)
    inside.write("specs/project.yaml", PROJECT.format(to=to, select=select, ttl=ttl, more=more))
    return inside


def write(folder: Inside, name: str, *ids: int) -> None:
    rows = ({"id": id_, "n": n, "at": f"2026-01-01T10:00:0{n}Z"} for n, id_ in enumerate(ids))
    folder.write(f"in/{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize("to", [MERGE, "{ connection: bus, topic: t, key: id }"])
def test_a_timeline_sees_each_change_and_what_a_restart_goes_on_with(tmp_path: Path, to: str) -> None:
    done = project(tmp_path, to).flowc("test")
    assert (done.code, "0 failed" in done.out) == (0, True), done.out + done.err


def test_groups_go_on_in_a_lake_over_runs(tmp_path: Path) -> None:
    folder = project(tmp_path, more="HAVING count(*) < 4")
    for name, ids in (("a", (1, 2, 1)), ("b", (1, 1, 2, 3))):
        write(folder, name, *ids)
        ran = folder.flowc("run", "s", "--once")
        assert ran.code == 0, ran.err
    rows = deltalake.DeltaTable(str(tmp_path / "lake" / "t")).to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["c"]) for row in rows) == [(2, 2), (3, 1)]


def test_a_run_goes_on_under_another_ttl_and_a_plan_refuses_other_aggregates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    to = "{ connection: wh, table: t, mode: merge, keys: [id] }"
    write(project(tmp_path, to), "a", 1, 2, 1)
    assert Inside(tmp_path).flowc("run", "s", "--once").code == 0
    select = "id, 2 * count(*) AS c, max(n) AS most"
    write(folder := project(tmp_path, to, select, "never", "HAVING count(*) > 0"), "b", 1)
    ran = folder.flowc("run", "s", "--once")
    assert (ran.code, "MIGRATE: `running` of stream `s`: its group_ttl was 30d, is never" in caplog.text) == (0, True)
    with duckdb.connect(str(tmp_path / "wh.duckdb")) as db:
        assert db.execute("SELECT id, c FROM t ORDER BY 1").fetchall() == [(1, 6), (2, 1)]
    found = project(tmp_path, to, "id, sum(n) AS c, max(n) AS most").flowc("plan", "--json")
    (verdict,) = (each for state in found.json["states"] for each in state["verdicts"])
    assert verdict["decision"] == "refuse"
    assert "its aggregates were (count(*), max(n bigint)), are (sum(n bigint), max(n bigint))" in verdict["reason"]


SERVERS = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: postgres, url: "{postgres}" }}
streams:
  s:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint not null, n: bigint }} }}
    group_ttl: never
    sql: SELECT id, count(*) AS c, sum(n) AS total FROM source GROUP BY id HAVING count(*) < 4
    to:
      - {{ connection: wh, table: totals, mode: merge, keys: [id] }}
      - {{ connection: bus, topic: {out}, key: id }}
"""


def test_groups_go_on_from_a_topic_into_a_table_and_another_topic(kafka: str, postgres: str, tmp_path: Path) -> None:
    topic, out = topics.fresh(kafka), topics.fresh(kafka)
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SERVERS.format(kafka=kafka, postgres=postgres, topic=topic, out=out))
    for ids in ((1, 2, 1, 1), (1, 2, 3)):
        rows = (json.dumps({"id": id_, "n": 10 * id_}).encode() for id_ in ids)
        topics.produce(kafka, topic, [topics.Message(row) for row in rows])
        ran = folder.flowc("run", "s", "--once")
        assert ran.code == 0, ran.err
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT id, c, total FROM totals ORDER BY 1").fetchall() == [(2, 2, 40), (3, 1, 30)]
    last = {message.key(): message.value() for message in topics.committed(kafka, out)}
    found = {key: value and (row := json.loads(value)) and (row["c"], row["total"]) for key, value in last.items()}
    assert found == {b"1": None, b"2": (2, 40), b"3": (1, 30)}
