"""`flowc status` of streams: stored positions against the ends that brokers tell."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from flowc.runtime.systems.kafka.source import KafkaSource
from tests.commands import Inside
from tests.streams.test_dlq import project as dlq_project
from tests.streams.test_dlq import run as dlq_run
from tests.streams.test_rewind import APPEND, Place, fill, project, run
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.turns("wh", 2)


def test_lag_is_what_was_not_read(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic = fresh(kafka, 2)
    fill(kafka, topic, 100)
    folder = project(tmp_path, kafka, topic, wh)
    (status,) = folder.flowc("status", "--json").json
    assert (status["epoch"], status["lag"], [at["end"] for at in status["partitions"]]) == (0, None, [50, 50])
    run(folder)
    fill(kafka, topic, 7, first=100)
    (status,) = folder.flowc("status", "s", "--json").json
    assert status["partitions"] == [
        {"source": "source", "partition": 0, "next": 50, "end": 54, "lag": 4, "watermark": None},
        {"source": "source", "partition": 1, "next": 50, "end": 53, "lag": 3, "watermark": None},
    ]
    assert (status["lag"], status["positions_in"], status["state_in"]) == (7, "wh.result", None)
    assert status["epoch"] >= 5
    assert status["dead_letters"] is None
    said = folder.flowc("status", "s")
    assert [line.split() for line in said.out.splitlines()][-1] == ["s", "source", "1", "50", "53", "3", "-"]


@pytest.mark.parametrize("to", ["{ connection: lake, table: result }", "{ connection: bus, topic: TOPIC }"])
def test_targets_that_are_no_databases(tmp_path: Path, kafka: str, to: str) -> None:
    topic, wh = fresh(kafka, 2), ("sqlite", {"path": str(tmp_path / "wh.db")})
    to = to.replace("TOPIC", fresh(kafka))
    fill(kafka, topic, 10)
    folder = project(tmp_path, kafka, topic, wh, to=to)
    assert folder.flowc("status", "--json").json[0]["epoch"] == 0
    worker = folder.start("run", "s", "--log-format", "json")
    until(lambda: folder.flowc("status", "--json").json[0]["lag"] == 0)
    fill(kafka, topic, 10, first=10)
    until(lambda: [at["next"] for at in folder.flowc("status", "--json").json[0]["partitions"]] == [10, 10])
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, said
    assert "retry_in" not in said, said


def test_dead_letters_are_counted(tmp_path: Path, kafka: str) -> None:
    topic, wh = fresh(kafka), ("sqlite", {"path": str(tmp_path / "wh.db")})
    folder = dlq_project(tmp_path, kafka, topic, wh)
    assert folder.flowc("status", "--json").json[0]["dead_letters"] == 0
    produce(kafka, topic, [Message(b"none"), Message(b"none")])
    dlq_run(folder)
    assert folder.flowc("status", "--json").json[0]["dead_letters"] == 2


def test_what_cannot_be_reached_is_said(tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowc.runtime.systems.kafka.source.SECONDS", 1.0)
    topic, wh = fresh(kafka, 2), ("sqlite", {"path": str(tmp_path / "wh.db")})
    fill(kafka, topic, 10)
    folder = project(tmp_path, kafka, topic, wh, to=f"[{APPEND}, {{ connection: side, table: copy }}]")
    run(folder)
    project(tmp_path, "127.0.0.1:1", topic, wh, to=f"[{APPEND}, {{ connection: side, table: copy }}]")
    done = folder.flowc("status", "--json")
    (status,) = done.json
    assert (done.code, status["error"]["code"]) == (1, "connection-failed"), status
    assert [at["next"] for at in status["partitions"]] == [5, 5]
    assert status["state_in"] == ".flowc/state/s.sqlite"
    assert "did you mean `s`" in folder.flowc("status", "sx").err


NOWHERE = """
connections:
  bus: { kind: kafka, bootstrap_servers: "127.0.0.1:1" }
  wh: { kind: sqlite, path: wh.db }
  du: { kind: duckdb, path: du.db }
streams:
  a: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: { connection: wh, table: a }, on_error: dlq }
  b: { source: { connection: bus, topic: t, columns: { id: bigint } }, to: { connection: du, table: b }, on_error: dlq }
"""


def test_a_look_makes_no_files_and_asks_a_silent_broker_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, reach = list[str](), KafkaSource._reach
    monkeypatch.setattr("flowc.runtime.systems.kafka.source.SECONDS", 0.5)
    monkeypatch.setattr(KafkaSource, "_reach", lambda self, until: (asked.append(self.name), reach(self, until)))
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", NOWHERE)
    said = folder.flowc("status", "--json")
    assert [(each["epoch"], each["dead_letters"], each["error"]["code"]) for each in said.json] == [
        (0, 0, "connection-failed"), (0, 0, "connection-failed"),
    ]  # fmt: skip
    assert (said.code, asked) == (1, ["source"])
    assert [path.name for path in tmp_path.iterdir()] == ["specs"]
