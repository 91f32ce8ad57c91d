"""`dedupe` on a real broker: repeats are dropped across runs and kills, wherever the state is kept."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Inside
from tests.sessions import await_no_other
from tests.stores import KINDS
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
streams:
  once:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, at: timestamptz, n: bigint }}, event_time: at }}
    sql: SELECT id, n FROM source
    dedupe: {{ keys: [id], within: {within} }}
    watermark: {{ lateness: 1h }}
    to: {{ connection: wh, table: once, mode: append }}
    batch: {{ max_rows: 500 }}
    on_error: {on_error}
    {state}
"""
EMBEDDED, SHARED = "", "state: { connection: wh }"


def _project(
    folder: Path, kafka: str, topic: str, wh: tuple[str, str], state: str, within: str = "10m", on_error: str = "fail"
) -> Inside:
    kind, place = wh
    spelled = f'{"url" if "://" in place else "path"}: "{place}"'
    made = Inside(folder)
    text = PROJECT.format(
        kafka=kafka, topic=topic, kind=kind, place=spelled, state=state, within=within, on_error=on_error
    )
    made.write("specs/s.yaml", text)
    return made


@pytest.fixture(params=KINDS)
def wh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    kind = request.param
    return kind, request.getfixturevalue(kind) if kind in ("postgres", "mysql") else str(tmp_path / "wh.db")


@pytest.fixture
def topic(kafka: str) -> str:
    return fresh(kafka, 3)


def _produce(kafka: str, topic: str, messages: list[dict[str, object]]) -> None:
    # A key is always in one partition, so that its first message is well defined.
    made = [Message(json.dumps(message).encode(), partition=int(str(message["id"])) % 3) for message in messages]
    produce(kafka, topic, made)


def _messages(first: int, count: int) -> list[dict[str, object]]:
    """Every id twice, the second time one minute later; its `n` tells them apart."""
    whole = []
    for n in range(first, first + count):
        at = f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"
        whole += [{"id": n, "at": at, "n": 1}]
        if n >= first + 60:
            whole += [{"id": n - 60, "at": at, "n": 2}]
    return whole


def _options(wh: tuple[str, str]) -> tuple[str, Mapping[str, object]]:
    kind, place = wh
    return kind, {"url" if "://" in place else "path": place}


def _rows(wh: tuple[str, str]) -> list[tuple[int, int]]:
    database = open_database(*_options(wh))
    try:
        return [(row["id"], row["n"]) for row in database.query("SELECT id, n FROM once ORDER BY id, n").to_pylist()]
    finally:
        database.close()


@pytest.mark.covering
@pytest.mark.parametrize("state", [EMBEDDED, SHARED], ids=["embedded", "shared"])
def test_repeats_are_dropped_in_this_run_and_the_next(
    tmp_path: Path, kafka: str, topic: str, wh: tuple[str, str], state: str
) -> None:
    folder = _project(tmp_path, kafka, topic, wh, state)
    _produce(kafka, topic, _messages(0, 2000))
    (report,) = folder.flowc("run", "once", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    assert _rows(wh) == [(n, 1) for n in range(2000)]
    _produce(kafka, topic, _messages(1900, 200))
    (report,) = folder.flowc("run", "once", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    assert _rows(wh) == [(n, 1) for n in range(2100)]
    assert (tmp_path / ".flowc/state/once.sqlite").exists() == (state == EMBEDDED)


SEVERAL = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: postgres, url: "{place}" }}
streams:
  once:
    sources:
      a: {{ connection: bus, topic: {a}, columns: {{ id: bigint, at: timestamptz, n: text }}, event_time: at }}
      b: {{ connection: bus, topic: {b}, columns: {{ id: bigint, at: timestamptz, n: text }}, event_time: at }}
    sql: |
      WITH every AS (
        SELECT id % 100 AS id, CAST(n AS bigint) AS n FROM a WHERE id >= 0
        UNION ALL SELECT id % 100 + 100, CAST(n AS bigint) FROM dedupe(b, id, INTERVAL '1 day') AS b_ids
      ),
      firsts AS (SELECT * FROM dedupe(every, id, n, INTERVAL '30 seconds'))
      SELECT id * 2 AS id, 1000 / (n - 3) AS n FROM firsts WHERE id <> 7
    watermark: {{ lateness: 1h }}
    to: {{ connection: wh, table: once, mode: append }}
    batch: {{ max_rows: 97 }}
    on_error: dlq
"""


def _model(a: list[dict[str, object]], b: list[dict[str, object]]) -> list[tuple[int, int]]:
    """The rows of `SEVERAL`, in plain Python: which message of those with equal keys is first makes no difference."""
    ids, every = set[int](), list[tuple[int, int, int]]()
    for place, message in enumerate([*a, *b]):
        id_, n, at = int(str(message["id"])), str(message["n"]), int(str(message["second"]))
        repeats = place >= len(a) and id_ in ids
        ids |= {id_} if place >= len(a) else set()
        if n == "x" or repeats or (place < len(a) and id_ < 0):
            continue
        every.append((id_ % 100 + 100 * (place >= len(a)), int(n), at))
    kept: list[tuple[int, int, int]] = []
    for id_, n, at in every:
        if not any((id_, n) == (i, m) and abs(at - then) <= 30 for i, m, then in kept):
            kept.append((id_, n, at))
    return sorted((id_ * 2, int(1000 / (n - 3))) for id_, n, _ in kept if id_ != 7 and n != 3)


def _seconds(ids: Sequence[int], step: int, n: int) -> list[dict[str, object]]:
    made = []
    for place, id_ in enumerate(ids):
        second = place * step
        at = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        made.append({"id": id_, "at": at, "second": second, "n": "x" if place % 41 == 5 else str((id_ + n) % 5)})
    return made


def test_sql_before_and_behind_dedupes_of_several_topics_killed_on_the_way(
    tmp_path: Path, kafka: str, postgres: str
) -> None:
    """Messages fail before the dedupes and behind them; what comes again later is judged by what each had seen."""
    topics, folder = (fresh(kafka, 1), fresh(kafka, 1)), Inside(tmp_path)
    folder.write("specs/s.yaml", SEVERAL.format(kafka=kafka, place=postgres, a=topics[0], b=topics[1]))
    a, b = _seconds(range(-20, 480), 1, 0), _seconds([*range(300), *range(200)], 2, 1)
    for half in (slice(0, 250), slice(250, None)):
        for topic, messages in zip(topics, (a, b), strict=True):
            produce(kafka, topic, [Message(json.dumps(message).encode(), partition=0) for message in messages[half]])
        worker = folder.begin("run", "once", "--once")
        time.sleep(1.0)
        worker.kill()
        worker.wait(PATIENCE)
        await_no_other(*_options(("postgres", postgres)))
        (report,) = folder.flowc("run", "once", "--once", "--json").json
        assert report["status"] == "ok", report["error"]
    assert _rows(("postgres", postgres)) == _model(a, b)


@pytest.fixture(scope="module")
def full(kafka_address: str) -> str:
    """A topic of 6,000 messages and their repeats, which streams only read."""
    kafka = kafka_address.partition("?")[0]
    made = fresh(kafka, 3)
    _produce(kafka, made, _messages(0, 6000))
    return made


@pytest.mark.parametrize(
    ("wh", "state", "round_"),
    [(kind, state, 2 * ((i + j) % 2)) for i, kind in enumerate(KINDS) for j, state in enumerate((EMBEDDED, SHARED))],
    indirect=["wh"],
)
def test_a_worker_killed_at_any_moment_drops_every_repeat_and_nothing_else(
    tmp_path: Path, kafka: str, full: str, wh: tuple[str, str], state: str, round_: int
) -> None:
    folder = _project(tmp_path, kafka, full, wh, state)
    for wait in (0.4 + 0.2 * round_, 0.6 + 0.15 * round_):
        worker = folder.begin("run", "once", "--once")
        time.sleep(wait)
        worker.kill()
        worker.wait()
        await_no_other(*_options(wh))
    (report,) = folder.flowc("run", "once", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    assert _rows(wh) == [(n, 1) for n in range(6000)]


def test_a_changed_dedupe_and_a_lost_store_stop_the_stream(
    tmp_path: Path, kafka: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    wh = ("sqlite", str(tmp_path / "wh.db"))
    _produce(kafka, topic, _messages(0, 100))
    assert _project(tmp_path, kafka, topic, wh, EMBEDDED).flowc("run", "once", "--once").code == 0
    longer = _project(tmp_path, kafka, topic, wh, EMBEDDED, within="11m").flowc("run", "once", "--once")
    assert longer.code == 0, longer.err
    assert "forgotten under the shorter `within`" in caplog.text
    spec = tmp_path / "specs" / "s.yaml"
    spec.write_text(spec.read_text().replace("keys: [id]", "keys: [id, n]"))
    changed = Inside(tmp_path).flowc("run", "once", "--once")
    assert changed.code == 1
    assert "state-changed" in changed.err
    for file in (tmp_path / ".flowc/state").glob("once.sqlite*"):
        file.unlink()
    lost = _project(tmp_path, kafka, topic, wh, EMBEDDED).flowc("run", "once", "--once")
    assert lost.code == 1
    assert "state-lost" in lost.err
    assert _rows(wh) == [(n, 1) for n in range(100)]
    _produce(kafka, topic, _messages(100, 50))
    moved = Inside(tmp_path).flowc("rewind", "once", "--to", "held", "--yes")
    assert (moved.code, "begins anew" in moved.out, "0 messages are read again" in moved.out) == (0, True, True), moved
    assert Inside(tmp_path).flowc("run", "once", "--once").code == 0
    assert _rows(wh) == [(n, 1) for n in range(150)]


def test_a_message_without_event_time_is_a_bad_row(tmp_path: Path, kafka: str, topic: str) -> None:
    wh = ("sqlite", str(tmp_path / "wh.db"))
    _produce(kafka, topic, [{"id": 0, "at": None, "n": 1}, *_messages(1, 10)])
    failed = _project(tmp_path, kafka, topic, wh, EMBEDDED).flowc("run", "once", "--once")
    assert failed.code == 1
    assert "missing-event-time" in failed.err
    (report,) = _project(tmp_path, kafka, topic, wh, EMBEDDED, on_error="drop").flowc(
        "run", "once", "--once", "--json"
    ).json  # fmt: skip
    assert (report["bad_rows"], report["rows"]) == (1, 10)


def test_the_embedded_store_survives_workers_of_many_streams_at_once(tmp_path: Path) -> None:
    """Each process keeps its own stream's epochs in the one file."""
    script = """
import sys
from flowc.compiler.streamplan.state import Owner, state_plan
from flowc.runtime.systems import open_database
from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.streams.state.store import DatabaseStore
name, file = sys.argv[1:]
store = DatabaseStore(name, state_plan(Owner("p", name), None).sql, open_database("sqlite", {"path": file}))
assert store.open().last == 0
for number in range(1, 41):
    store.intend(Intent(number, 0, (Range.numbered("s", 0, number, number + 1),)))
    if number % 5 == 0:
        store.save(Checkpoint(number, segments=tuple(Segment("d", "f", n, number, bytes(1000)) for n in range(50))))
"""
    import subprocess
    import sys

    file = tmp_path / "state.sqlite"
    workers = [subprocess.Popen([sys.executable, "-c", script, f"s{n}", str(file)]) for n in range(4)]
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0, 0, 0]
    with sqlite3.connect(file) as connection:
        found = connection.execute("SELECT stream_name, epoch, intended FROM flowc_checkpoints ORDER BY 1").fetchall()
    assert found == [(f"s{n}", 40, 40) for n in range(4)]
