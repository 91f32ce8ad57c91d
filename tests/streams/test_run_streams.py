"""`flowc run STREAM --once` on a real broker: every message once, whatever kills the worker."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests import topics
from tests.commands import Folder, Inside
from tests.sessions import await_no_other
from tests.topics import flush, fresh

pytestmark = pytest.mark.usefixtures("kept_files")

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
tables:
  people: {{ connection: wh, columns: {{ id: bigint primary key, name: varchar(20), n: integer }} }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, amount: "numeric(12,2)", name: text }} }}
    sql: |
      SELECT id, amount * 2 AS twice, upper(name) AS name, _partition AS part, _offset AS pos
      FROM source WHERE id % 10 <> 3
    to: {{ connection: wh, table: clean, mode: append }}
    batch: {{ max_rows: 500 }}
    on_error: {on_error}
  latest:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    sql: SELECT id % 7 AS id, name, CAST(id AS INTEGER) AS n FROM source
    to: people
    mode: merge
    batch: {{ max_rows: 500 }}
"""


@pytest.fixture
def topic(kafka: str) -> str:
    """A topic of three partitions."""
    return fresh(kafka, 3)


def _project(folder: Path, kafka: str, topic: str, wh: tuple[str, Mapping[str, object]], on_error: str) -> Folder:
    kind, options = wh
    place = ", ".join(f'{key}: "{value}"' for key, value in options.items())
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, topic=topic, kind=kind, place=place, on_error=on_error))
    return made


def _produce(kafka: str, topic: str, messages: list[bytes]) -> None:
    producer = topics.producing(kafka)
    for number, message in enumerate(messages):
        producer.produce(topic, message, partition=number % 3)
    flush(producer)


def _message(number: int) -> bytes:
    return json.dumps({"id": number, "amount": number / 4, "name": f"n{number}"}).encode()


def _rows(wh: tuple[str, Mapping[str, object]], sql: str) -> list[tuple[object, ...]]:
    database = open_database(*wh)
    try:
        return [tuple(row.values()) for row in database.query(sql).to_pylist()]
    finally:
        database.close()


def test_every_message_arrives_once_and_again_nothing(
    tmp_path: Path, kafka: str, topic: str, wh: tuple[str, Mapping[str, object]]
) -> None:
    folder = _project(tmp_path, kafka, topic, wh, "fail")
    _produce(kafka, topic, [_message(n) for n in range(3000)])
    (report,) = folder.flowc("run", "clean", "--once", "--json").json
    assert (report["messages"], report["rows"], report["status"]) == (3000, 2700, "ok"), report["error"]
    _produce(kafka, topic, [_message(n) for n in range(3000, 3100)])
    (report,) = folder.flowc("run", "clean", "--once", "--json").json
    assert report["messages"] == 100
    assert folder.flowc("run", "clean", "--once", "--json").json[0]["messages"] == 0
    rows = _rows(wh, "SELECT id, twice, name, part, pos FROM clean ORDER BY id")
    wanted = [n for n in range(3100) if n % 10 != 3]
    assert [(int(str(r[0])), float(str(r[1])), r[2]) for r in rows] == [(n, round(n / 2, 2), f"N{n}") for n in wanted]
    assert [(r[3], r[4]) for r in rows] == [(n % 3, n // 3) for n in wanted]


def test_merge_keeps_the_last_row_of_each_key(
    tmp_path: Path, kafka: str, topic: str, wh: tuple[str, Mapping[str, object]]
) -> None:
    folder = _project(tmp_path, kafka, topic, wh, "fail")
    # One partition, so that the last one is well defined.
    producer = topics.producing(kafka)
    for number in range(2000):
        producer.produce(topic, _message(number), partition=0)
    flush(producer)
    done = folder.flowc("run", "latest", "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    rows = _rows(wh, "SELECT id, name, n FROM people ORDER BY id")
    last = {n % 7: n for n in range(2000)}
    assert [(int(str(r[0])), r[1], r[2]) for r in rows] == [(key, f"n{n}", n) for key, n in sorted(last.items())]


def test_a_message_that_cannot_be_read_stops_the_stream_or_is_dropped(tmp_path: Path, kafka: str, topic: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    good = [_message(n) for n in range(30)]
    _produce(kafka, topic, [*good, b'{"id": "x"}', b"not json", _message(40)])
    folder = _project(tmp_path, kafka, topic, wh, "fail")
    failed = folder.flowc("run", "clean", "--once")
    assert failed.code == 1
    assert f"{topic}[0] at 10" in failed.err
    (report,) = _project(tmp_path, kafka, topic, wh, "drop").flowc("run", "clean", "--once", "--json").json
    assert report["bad_rows"] == 2
    assert len(_rows(wh, "SELECT id FROM clean")) == len([n for n in (*range(30), 40) if n % 10 != 3])


@pytest.fixture(scope="module")
def full(kafka_address: str) -> str:
    """A topic of 20,000 messages, which streams only read."""
    kafka = kafka_address.partition("?")[0]
    made = fresh(kafka, 3)
    _produce(kafka, made, [_message(n) for n in range(20_000)])
    return made


@pytest.mark.parametrize("round_", range(2))
def test_a_worker_killed_at_any_moment_loses_and_repeats_nothing(
    tmp_path: Path, kafka: str, full: str, wh: tuple[str, Mapping[str, object]], round_: int
) -> None:
    folder = _project(tmp_path, kafka, full, wh, "fail")
    worker = folder.begin("run", "clean", "--once")
    time.sleep(0.5 + 0.35 * round_)
    worker.kill()
    worker.wait()
    await_no_other(*wh)
    done = folder.flowc("run", "clean", "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    rows = _rows(wh, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM clean")
    assert rows == [(18_000, 18_000)]
