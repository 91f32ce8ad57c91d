"""`flowc rewind` on real brokers and databases: the next run really reads again, from exactly there."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests import warm
from tests.commands import Folder, Inside
from tests.streams.test_dlq import Place, rows
from tests.topics import FIRST_MS, Message, cut, fresh, produce
from tests.waiting import PATIENCE, until

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
  side: {{ kind: sqlite, path: side.db }}
  lake: {{ kind: delta, uri: lake }}
tables:
  people: {{ connection: wh, columns: {{ id: bigint primary key, name: text }} }}
streams:
  s:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    sql: |
      {sql}
    to: {to}
    batch: {{ max_rows: 20 }}
    {more}
"""
SQL = "SELECT id, name FROM source"
APPEND = "{ connection: wh, table: result }"


def project(
    folder: Path, kafka: str, topic: str, wh: Place, to: str = APPEND, more: str = "", sql: str = SQL
) -> Folder:
    kind, options = wh
    place = ", ".join(f'{key}: "{value}"' for key, value in options.items())
    made = Inside(folder)
    given = {"kafka": kafka, "topic": topic, "kind": kind, "place": place, "to": to, "more": more, "sql": sql}
    made.write("specs/s.yaml", PROJECT.format(**given))
    return made


def fill(kafka: str, topic: str, count: int, first: int = 0) -> None:
    """Messages with a millisecond between each two, in two partitions."""
    made = [
        Message(json.dumps({"id": n, "name": f"n{n}"}).encode(), partition=n % 2, at=FIRST_MS + n)
        for n in range(first, first + count)
    ]
    produce(kafka, topic, made)


def run(folder: Folder) -> Mapping[str, Any]:
    (report,) = folder.flowc("run", "s", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    return dict(report)


def counts(wh: Place, table: str = "result") -> dict[int, int]:
    return {row["id"]: row["n"] for row in rows(wh, f"SELECT id, count(*) AS n FROM {table} GROUP BY id")}


def test_an_appended_table_holds_rows_twice(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, wh)
    assert "read nothing yet" in folder.flowc("rewind", "s", "--to", "earliest").err
    run(folder)
    refused = folder.flowc("rewind", "s", "--to", "0:40,1:45")
    assert (refused.code, run(folder)["messages"]) == (2, 0)
    assert "about 15 messages will be read again" in refused.out
    assert "twice" in refused.out
    moved = folder.flowc("rewind", "s", "--to", "0:40,1:45", "--yes")
    assert moved.code == 0, moved.err
    assert run(folder)["messages"] == 15
    again = {n for n in range(100) if n // 2 >= (40, 45)[n % 2]}
    assert counts(wh) == {n: 2 if n in again else 1 for n in range(100)}
    assert run(folder)["messages"] == 0


def test_a_merged_table_stays_the_same(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 60)
    folder = project(tmp_path, kafka, topic, wh, to="people", more="mode: merge")
    run(folder)
    before = rows(wh, "SELECT id, name FROM people ORDER BY id")
    said = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert (said.code, "twice" in said.out) == (0, False), said.err
    assert run(folder)["messages"] == 60
    assert rows(wh, "SELECT id, name FROM people ORDER BY id") == before


def test_places_in_time_and_beyond(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(FIRST_MS // 1000)) + ".070Z"
    assert folder.flowc("rewind", "s", "--to", instant, "--yes").code == 0
    assert run(folder)["messages"] == 30
    assert folder.flowc("rewind", "s", "--to", "1:10", "--yes").code == 0
    assert "10 skipped" in folder.flowc("rewind", "s", "--to", "1:20", "--yes").out
    assert run(folder)["messages"] == 30
    assert "beyond the end of what the source holds" in folder.flowc("rewind", "s", "--to", "0:5000", "--yes").err
    assert "unreadable-argument" in folder.flowc("rewind", "s", "--to", "7:0", "--yes").err
    assert "unreadable-argument" in folder.flowc("rewind", "s", "--to", "0:1,x:2", "--yes").err
    assert "unusable-option" in folder.flowc("rewind", "s", "--to", "yesterday", "--yes").err
    assert run(folder)["messages"] == 0


def test_what_retention_removed_is_skipped_when_one_says_so(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    fill(kafka, topic, 20)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    fill(kafka, topic, 20, first=20)
    cut(kafka, topic, 0, 15)
    failed = folder.flowc("run", "s", "--once")
    assert "flowc rewind s --to 0:15" in failed.err
    assert "retention-gap" in folder.flowc("rewind", "s", "--to", "0:12", "--yes").err
    assert folder.flowc("rewind", "s", "--to", "0:15", "--yes").code == 0
    assert run(folder)["messages"] == 15


def test_every_one_of_several_targets_reads_again(tmp_path: Path, kafka: str, postgres: str) -> None:
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka, 2)
    fill(kafka, topic, 100)
    to = f"[{APPEND}, {{ connection: side, table: copy }}, {{ connection: lake, table: result }}]"
    folder = project(tmp_path, kafka, topic, wh, to=to)
    run(folder)
    for round_ in (2, 3):
        assert folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
        assert run(folder)["messages"] == 100
        assert set(counts(wh).values()) == {round_}
        assert set(counts(("sqlite", {"path": str(tmp_path / "side.db")}), "copy").values()) == {round_}
        lake = __import__("deltalake").DeltaTable(str(tmp_path / "lake" / "result"))
        assert lake.to_pyarrow_table().num_rows == round_ * 100
    fill(kafka, topic, 10, first=100)
    assert run(folder)["messages"] == 10
    assert len(counts(wh)) == 110


def test_a_topic_that_keeps_the_positions(tmp_path: Path, kafka: str) -> None:
    wh, topic, target = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2), fresh(kafka)
    fill(kafka, topic, 40)
    folder = project(tmp_path, kafka, topic, wh, to=f"{{ connection: bus, topic: {target} }}")
    run(folder)
    assert folder.flowc("rewind", "s", "--to", "0:10", "--yes").code == 0
    assert run(folder)["messages"] == 10
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": target, "auto.offset.reset": "earliest"})
    consumer.subscribe([target])
    found = list[int]()
    end = time.monotonic() + PATIENCE
    while len(found) < 50 and time.monotonic() < end:
        found += [json.loads(message.value() or b"")["id"] for message in consumer.consume(100, 0.5)]
    consumer.close()
    assert sorted(found) == sorted([*range(40), *range(20, 40, 2)])


@pytest.mark.parametrize("state", ["", "state: { connection: wh }", "state: { connection: side }"])
def test_what_a_stream_remembers_begins_anew(tmp_path: Path, kafka: str, postgres: str, state: str) -> None:
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka, 2)
    fill(kafka, topic, 100)
    fill(kafka, topic, 50)
    more = f"dedupe: {{ keys: [id], within: 30d }}\n    {state}"
    folder = project(tmp_path, kafka, topic, wh, more=more)
    run(folder)
    assert counts(wh) == dict.fromkeys(range(100), 1)
    said = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert said.code == 0, said.err
    assert "begins anew" in said.out
    assert run(folder)["messages"] == 150
    assert counts(wh) == dict.fromkeys(range(100), 2)
    fill(kafka, topic, 100)
    run(folder)
    assert counts(wh) == dict.fromkeys(range(100), 2)


@pytest.mark.parametrize("to", [APPEND, f"[{APPEND}, {{ connection: side, table: copy }}]"])
def test_a_running_worker_goes_on_from_there(tmp_path: Path, kafka: str, postgres: str, to: str) -> None:
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka, 2)
    fill(kafka, topic, 400)
    folder = project(tmp_path, kafka, topic, wh, to=to)
    run(folder)
    worker = folder.start("run", "s", "--log-format", "json")
    fill(kafka, topic, 10, first=400)
    until(lambda: len(counts(wh)) == 410)
    moved = folder.flowc("rewind", "s", "--to", "earliest", "--yes")
    assert moved.code == 0, moved.err
    fill(kafka, topic, 10, first=410)
    until(lambda: len(counts(wh)) == 420 and sum(counts(wh).values()) >= 830)
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, said
    assert counts(wh) == {n: 2 if n < 410 else 1 for n in range(420)}


def test_waiting_dead_letters_of_what_is_read_again_are_removed(tmp_path: Path, kafka: str) -> None:
    wh, topic = ("sqlite", {"path": str(tmp_path / "wh.db")}), fresh(kafka, 2)
    produce(kafka, topic, [Message(b'{"id": 1, "name": "x"}'), Message(b'{"id": 2, "name": "2"}'), Message(b"none")])
    sql = "SELECT id, CAST(name AS BIGINT) AS name FROM source"
    folder = project(tmp_path, kafka, topic, wh, more="on_error: dlq", sql=sql)
    run(folder)
    assert folder.flowc("dlq", "list", "--json").json[0]["letters"] == 2
    assert folder.flowc("rewind", "s", "--to", "0:1", "--yes").code == 0
    run(folder)
    assert folder.flowc("dlq", "list", "--json").json[0]["letters"] == 2
    assert counts(wh) == {2: 2}


@pytest.mark.covering
@pytest.mark.parametrize("point", ["moved in the store", "positions", "committed"])
@pytest.mark.parametrize("to", [APPEND, f"[{APPEND}, {{ connection: side, table: copy }}]"], ids=["one", "two"])
def test_a_rewind_that_is_killed_is_finished_by_the_next(
    tmp_path: Path, kafka: str, postgres: str, to: str, point: str
) -> None:
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, wh, to=to)
    run(folder)
    done = warm.run("tests.streams.killed_rewind", point, cwd=tmp_path, env=folder.environment())
    assert done.returncode == (0 if to == APPEND and point == "moved in the store" else -signal.SIGKILL)
    assert folder.flowc("rewind", "s", "--to", "earliest", "--yes").code == 0
    assert run(folder)["messages"] == 100
    assert counts(wh) == dict.fromkeys(range(100), 2)
    if to != APPEND:
        assert set(counts(("sqlite", {"path": str(tmp_path / "side.db")}), "copy").values()) == {2}
