"""The daemon on real servers: rows, signals, deaths, health and metrics."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Folder
from tests.daemons import daemon, lives, metrics
from tests.topics import Message, fresh, produce

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    sql: SELECT id, upper(name) AS name FROM source WHERE id >= 0
    to: {{ connection: wh, table: clean, mode: append }}
    restart: {{ min_backoff: 100ms, max_backoff: 500ms }}
{rest}
"""
BROKEN = """
  broken:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: integer }} }}
    to: {{ connection: other, table: broken, mode: append }}
"""


def project(folder: Path, kafka: str, topic: str, postgres: str | None = None, rest: str = "") -> Folder:
    kind, place = ("postgres", f'url: "{postgres}"') if postgres else ("sqlite", "path: wh.db")
    made = Folder(folder)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, topic=topic, kind=kind, place=place, rest=rest))
    return made


def send(kafka: str, topic: str, first: int, count: int, partitions: int = 1) -> None:
    values = range(first, first + count)
    produce(kafka, topic, [Message(b'{"id": %d, "name": "n"}' % n, partition=n % partitions) for n in values])


def stored(address: str, kind: str = "postgres") -> tuple[int, int]:
    """Rows, and different ids among them."""
    database = open_database(kind, {"url": address} if kind == "postgres" else {"path": address})
    try:
        if not database.query("SELECT 1 AS n FROM information_schema.tables WHERE table_name = 'clean'").num_rows:
            return 0, 0
        (row,) = database.query("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM clean").to_pylist()
        return int(row["n"]), int(row["ids"])
    finally:
        database.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rows_stream_and_a_signal_ends_it_promptly(
    tmp_path: Path, kafka: str, postgres: str, number: signal.Signals
) -> None:
    topic = fresh(kafka)
    folder = project(tmp_path, kafka, topic, postgres)
    # What else the machine does may delay one of them, and slows down the end of a process as it does its beginning.
    assert any(_is_prompt(*_times(folder, kafka, topic, round_, number)) for round_ in range(3))
    rows, ids = stored(postgres)
    assert rows == ids
    assert rows % 500 == 0


def _is_prompt(beginning: float, end: float) -> bool:
    return end < max(2.0, beginning)


def _times(folder: Folder, kafka: str, topic: str, round_: int, number: signal.Signals) -> tuple[float, float]:
    """Seconds that a daemon takes to begin, and those to end after a signal when it has written 500 more rows."""
    began = time.monotonic()
    with daemon(folder, cold=True) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        beginning = time.monotonic() - began
        assert running.page("/healthz") == (200, "ok\n")
        send(kafka, topic, 500 * round_, 500)
        running.until(lambda: running.worker("clean")["rows"] == 500)
        began = time.monotonic()
        running.process.send_signal(number)
        assert running.process.wait(120) == 0
        assert "did not stop in time" not in running.log()
        return beginning, time.monotonic() - began


@pytest.mark.parametrize("batch", ["max_rows: 1000", "max_wait: 5m"])
def test_a_busy_worker_stops_in_time_and_the_next_goes_on_where_it_was(
    tmp_path: Path, kafka: str, postgres: str, batch: str
) -> None:
    topic = fresh(kafka, 3)
    send(kafka, topic, 0, 60_000, 3)
    folder = project(tmp_path, kafka, topic, postgres, f"    batch: {{ {batch} }}")
    with daemon(folder) as running:
        running.until(lambda: running.worker("clean")["rows"] > 0)
        assert running.stop() == 0
        assert "did not stop in time" not in running.log()
    with daemon(folder) as running:
        # The first one may have been done: a signal must not come before this one listens to any.
        running.until(lambda: running.page("/readyz")[0] == 200)
        running.until(lambda: stored(postgres)[0] >= 60_000)
        assert running.stop() == 0
    assert stored(postgres) == (60_000, 60_000)


def test_a_worker_that_is_killed_comes_back_and_nothing_is_lost_or_twice(
    tmp_path: Path, kafka: str, postgres: str
) -> None:
    topic = fresh(kafka, 3)
    with daemon(project(tmp_path, kafka, topic, postgres, "    batch: { max_rows: 500 }")) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        for round_, number in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
            send(kafka, topic, round_ * 10_000, 10_000, 3)
            pid = running.worker("clean")["pid"]
            os.kill(pid, number)
            running.until(lambda pid=pid: running.worker("clean")["pid"] not in (None, pid))
            running.until(lambda: running.page("/readyz")[0] == 200)
        running.until(lambda: stored(postgres)[0] >= 30_000)
        assert running.worker("clean")["restarts"] >= 3
        assert running.log().count("was killed by signal 9") == 2
        assert running.log().count("ended with exit code 0") == 1
        assert running.stop() == 0
    assert stored(postgres) == (30_000, 30_000)


def test_workers_end_with_a_daemon_that_is_killed(tmp_path: Path, kafka: str) -> None:
    with daemon(project(tmp_path, kafka, fresh(kafka))) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        pid = running.worker("clean")["pid"]
        running.process.kill()
        running.process.wait()
        running.until(lambda: not lives(pid))


def test_a_stream_that_gives_up_does_not_stop_the_others(tmp_path: Path, kafka: str, postgres: str) -> None:
    topic, bad = fresh(kafka), fresh(kafka)
    produce(kafka, bad, [Message(b'{"id": "no number"}')])
    rest = BROKEN.format(topic=bad).replace("connection: other", "connection: wh")
    with daemon(project(tmp_path, kafka, topic, postgres, rest), "--log-format", "json") as running:
        running.until(lambda: running.worker("broken")["status"] == "failed")
        send(kafka, topic, 0, 10)
        running.until(lambda: running.worker("clean")["rows"] == 10)
        assert running.worker("broken")["error"]["code"]
        assert "no number" not in running.page("/status")[1]  # messages are for operators
        status, text = running.page("/readyz")
        assert (status, "broken[1]: failed" in text) == (503, True)
        assert running.page("/healthz")[0] == 200
        assert running.stop() == 1
    lines = [json.loads(line) for line in running.log().splitlines()]
    (failed,) = [line for line in lines if line["level"] == "error"]
    assert "no number" in failed["message"]
    assert (failed["stream"], "cannot be read" in failed["message"]) == ("broken", True)


def test_metrics_say_what_happened(tmp_path: Path, kafka: str, postgres: str) -> None:
    topic = fresh(kafka, 2)
    with daemon(project(tmp_path, kafka, topic, postgres, "    on_error: drop")) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        send(kafka, topic, -50, 350, 2)
        produce(kafka, topic, [Message(b"no json"), Message(b"nor this")])
        running.until(lambda: running.worker("clean")["messages"] == 352)
        running.until(lambda: running.worker("clean")["lag"].get("source") == {"0": 0, "1": 0})
        running.until(lambda: "bad message: " in running.log())
        found = metrics(running.page("/metrics")[1])
    labels = {("stream", "clean"), ("worker", "1")}

    def value(name: str, *more: tuple[str, str]) -> float:
        return found[name, frozenset({*labels, *more})]

    assert value("flowc_rows_total") == 300
    assert value("flowc_messages_total") == 352
    assert value("flowc_bad_rows_total") == 2
    assert value("flowc_bytes_total") > 352 * 20
    assert value("flowc_up") == 1
    assert value("flowc_restarts_total") == value("flowc_errors_total") == value("flowc_dead_letters_total") == 0
    for partition in ("0", "1"):
        where = frozenset({("stream", "clean"), ("source", "source"), ("partition", partition)})
        assert found["flowc_lag", where] == 0
    epochs = value("flowc_batches_total")
    for phase in ("read", "process", "write", "commit"):
        assert value("flowc_epoch_seconds_count", ("phase", phase)) >= 1
        assert 0 < value("flowc_epoch_seconds_sum", ("phase", phase)) < 600
    assert 1 <= value("flowc_latency_seconds_count") <= epochs
    assert value("flowc_latency_seconds_bucket", ("le", "+Inf")) == value("flowc_latency_seconds_count")


def test_what_cannot_run_is_said(tmp_path: Path, kafka: str) -> None:
    folder = project(tmp_path, kafka, "t")
    assert "unknown-selection" in folder.flowc("run", "cleam").err
    assert "no address to listen at" in folder.flowc("run", "--http", "nowhere").err
    folder.write(
        "specs/s.yaml",
        "connections:\n  db: { kind: duckdb, path: a.db }\ntables:\n  t: { connection: db, columns: { a: bigint } }\n"
        "pipelines:\n  p: { sql: SELECT 1 AS a, to: t, mode: append }\n",
    )
    refused = folder.flowc("run", "p")
    assert (refused.code, "`p` has no `schedule`" in refused.err) == (2, True)


def test_a_second_signal_ends_everything_at_once(tmp_path: Path, kafka: str) -> None:
    with daemon(project(tmp_path, kafka, fresh(kafka))) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        pid = running.worker("clean")["pid"]
        os.kill(pid, signal.SIGSTOP)  # it cannot stop now
        running.until(lambda: _sleeps(pid))
        running.process.terminate()
        running.until(lambda: _is_asked_to_end(pid))
        assert running.process.poll() is None
        running.process.terminate()
        assert running.process.wait(120) == 128 + signal.SIGTERM
        running.until(lambda: not lives(pid))


def _sleeps(pid: int) -> bool:
    """Whether all threads of a process are stopped: until then, one of them may still take a signal."""
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    return set(states) == {"T"}


def _is_asked_to_end(pid: int) -> bool:
    """Whether a SIGTERM waits for a process that sleeps: the daemon has passed on the first signal."""
    (pending,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd:")]
    return bool(int(pending.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
