"""Streams that write one file: in one process for DuckDB, in turns for SQLite."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from flowc.runtime.systems import open_database
from flowc.service.daemon.sharing import together
from tests.commands import Folder
from tests.daemons import Running, daemon
from tests.extended import amount
from tests.topics import Message, fresh, produce

HEAD = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, path: wh.db }}
  link: {{ kind: {kind}, path: "${{LINK}}" }}
  other: {{ kind: sqlite, path: other.db }}
streams:
"""
STREAM = """
  {name}:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    to: {{ connection: {to}, table: {table}, {mode} }}
    restart: {{ {waits} }}
    {rest}
"""
WAITS = "min_backoff: 100ms, max_backoff: 500ms"
TURNS, MANY = amount(2, 4), amount(20_000, 40_000)
"""How often a process is killed, and messages that three busy streams read."""


def stream(name: str, topic: str, to: str = "wh", table: str = "", mode: str = "mode: append", rest: str = "") -> str:
    return STREAM.format(name=name, topic=topic, to=to, table=table or name, mode=mode, waits=WAITS, rest=rest)


def project(path: Path, kafka: str, *streams: str, kind: str = "duckdb") -> Folder:
    folder = Folder(path)
    folder.write("specs/s.yaml", HEAD.format(kafka=kafka, kind=kind) + "".join(streams))
    (path / "link.db").symlink_to(path / "wh.db")
    folder.env["LINK"] = "link.db"
    return folder


def send(kafka: str, topic: str, first: int, count: int, partitions: int = 1) -> None:
    values = range(first, first + count)
    produce(kafka, topic, [Message(b'{"id": %d, "name": "n"}' % n, partition=n % partitions) for n in values])


def rows(path: Path, sql: str, kind: str = "duckdb") -> list[dict[str, Any]]:
    database = open_database(kind, {"path": str(path)})
    try:
        return database.query(sql).to_pylist()
    finally:
        database.close()


def counted(path: Path, table: str, kind: str = "duckdb") -> tuple[int, int]:
    """Rows, and different ids among them."""
    (found,) = rows(path, f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM {table}", kind)
    return int(found["n"]), int(found["ids"])


def ready(running: Running) -> None:
    running.until(lambda: running.page("/readyz")[0] == 200)


def caught_up(running: Running, streams: int, partitions: int = 2) -> bool:
    """Whether each stream knows where all partitions end, and nothing is left to be read."""
    lags = [list(worker["lag"].get("source", {}).values()) for worker in running.workers()]
    return lags == [[0] * partitions] * streams


def test_workers_whose_files_meet_are_together() -> None:
    a, b, c = (frozenset(name) for name in "abc")
    assert together([a, frozenset(), a, b, frozenset()]) == [(1,), (0, 2), (3,), (4,)]
    assert together([a, b, c, a | c]) == [(1,), (0, 2, 3)]


def test_streams_of_one_duckdb_file_run_in_one_process(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    streams = (stream("a", topic), stream("b", topic, "link"), stream("c", topic, "other"))
    with daemon(project(tmp_path, kafka, *streams), "--log-format", "json") as running:
        ready(running)
        send(kafka, topic, 0, 100)
        running.until(lambda: all(worker["rows"] == 100 for worker in running.workers()))
        pids = {worker["stream"]: worker["pid"] for worker in running.workers()}
        assert (pids["a"] == pids["b"], pids["a"] == pids["c"]) == (True, False)
        assert running.stop() == 0
    assert "did not stop in time" not in running.log()
    assert counted(tmp_path / "wh.db", "a") == counted(tmp_path / "wh.db", "b") == (100, 100)
    said = [json.loads(line) for line in running.log().splitlines()]
    assert {line["stream"] for line in said if line["message"] == "running"} == {"a", "b", "c"}


def test_a_shared_process_that_is_killed_under_load_loses_nothing_and_writes_nothing_twice(
    tmp_path: Path, kafka: str
) -> None:
    topics = [fresh(kafka, 2) for _ in range(3)]
    merged = "mode: merge, keys: [id]"
    streams = (
        stream("a", topics[0], table="t", mode=merged, rest="batch: { max_rows: 200 }"),
        stream("b", topics[1], table="t", mode=merged, rest="batch: { max_rows: 200 }"),
        stream("c", topics[2], rest="batch: { max_rows: 200 }"),
        stream("d", topics[2], rest="dedupe: { keys: [id], within: 1h }\n    state: { connection: wh }"),
    )
    with daemon(project(tmp_path, kafka, *streams)) as running:
        ready(running)
        for turn in range(TURNS):
            for topic in topics:
                send(kafka, topic, turn * 5000, 5000, 2)
            pid = running.worker("c")["pid"]
            os.kill(pid, signal.SIGKILL)
            running.until(lambda pid=pid: running.worker("c")["pid"] not in (None, pid))
            ready(running)
        running.until(lambda: caught_up(running, 4))
        assert {worker["restarts"] >= TURNS for worker in running.workers()} == {True}
        log = running.log()
        assert running.stop() == 0
    wh = tmp_path / "wh.db"
    assert counted(wh, "t") == counted(wh, "c") == counted(wh, "d") == (TURNS * 5000,) * 2
    for name in "abcd":
        assert f"{name}: the worker was killed by signal 9" in log
    # Merges of the same keys wait for each other: none of them had to begin again.
    assert "write-conflict" not in log


def test_a_stream_that_gives_up_leaves_the_others_of_its_process_alone(tmp_path: Path, kafka: str) -> None:
    good, bad = fresh(kafka), fresh(kafka)
    produce(kafka, bad, [Message(b'{"id": "no number"}')])
    with daemon(project(tmp_path, kafka, stream("good", good), stream("bad", bad))) as running:
        running.until(lambda: running.worker("bad")["status"] == "failed")
        pid = running.worker("good")["pid"]
        send(kafka, good, 0, 10)
        running.until(lambda: running.worker("good")["rows"] == 10)
        assert running.worker("good")["pid"] == pid
        os.kill(pid, signal.SIGKILL)
        running.until(lambda: running.worker("good")["pid"] not in (None, pid))
        send(kafka, good, 10, 10)
        running.until(lambda: running.worker("good")["rows"] == 20)
        found = running.worker("bad")
        assert (found["status"], found["pid"], found["restarts"]) == ("failed", None, 0)
        assert 'flowc_up{stream="bad",worker="1"} 0' in running.page("/metrics")[1]
        assert "bad: the worker was killed" not in running.log()
        assert running.stop() == 1
    assert counted(tmp_path / "wh.db", "good") == (20, 20)


def test_streams_that_are_busy_stop_in_time_together_and_go_on_where_they_were(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka, 2)
    send(kafka, topic, 0, MANY, 2)
    folder = project(tmp_path, kafka, *(stream(name, topic, rest="batch: { max_rows: 200 }") for name in "abc"))
    with daemon(folder) as running:
        running.until(lambda: [worker["rows"] > 0 for worker in running.workers()] == [True] * 3)
        assert running.stop() == 0
    assert "did not stop in time" not in running.log()
    with daemon(folder) as running:
        ready(running)
        running.until(lambda: caught_up(running, 3), 180)
        assert running.stop() == 0
    assert [counted(tmp_path / "wh.db", name) for name in "abc"] == [(MANY, MANY)] * 3


def test_workers_of_one_stream_that_look_up_in_a_duckdb_file_share_a_process(
    tmp_path: Path, kafka: str, postgres: str
) -> None:
    topic = fresh(kafka, 4)
    database = open_database("duckdb", {"path": str(tmp_path / "wh.db")})
    database.execute("CREATE TABLE users AS SELECT range AS id, 'u' || range AS known FROM range(1000)")
    database.close()
    rest = "parallelism: 2\n    lookups: { users: { connection: wh, table: users, refresh: 100ms } }"
    joined = stream("joined", topic, "pg", rest=rest).replace(
        "    to:", "    sql: SELECT s.id, u.known FROM source s JOIN users u ON u.id = s.id\n    to:"
    )
    folder = project(tmp_path, kafka, joined)
    folder.write("specs/pg.yaml", f"connections: {{ pg: {{ kind: postgres, url: '{postgres}' }} }}\n")
    with daemon(folder) as running:
        ready(running)
        assert len({worker["pid"] for worker in running.workers()}) == 1
        send(kafka, topic, 0, 1000, 4)
        running.until(lambda: sum(worker["rows"] for worker in running.workers()) == 1000)
        assert running.stop() == 0
    found = open_database("postgres", {"url": postgres})
    (row,) = found.query("SELECT count(DISTINCT known) AS n, count(*) AS all_rows FROM joined").to_pylist()
    found.close()
    assert (row["n"], row["all_rows"]) == (1000, 1000)


def test_others_are_told_which_process_has_the_file(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    kept = "on_error: dlq\n    dead_letter: { table: letters, connection: wh }"
    folder = project(tmp_path, kafka, stream("a", topic, rest=kept), stream("b", topic))
    with daemon(folder) as running:
        ready(running)
        pid = running.worker("a")["pid"]
        expected = f"wh.db`: process {pid} has it open, and a DuckDB file is open in one process at a time"
        for command in (("status",), ("dlq", "list"), ("dlq", "show", "a"), ("run", "a", "--once")):
            done = folder.flowc(*command)
            assert done.code > 0
            assert "error[connection-failed]" in done.err
            assert expected in done.err
        with daemon(folder) as second:
            second.until(lambda: second.worker("a")["status"] == "degraded")
            assert expected in second.log()
            assert running.stop() == 0
            ready(second)
            assert second.stop() == 0
    assert folder.flowc("dlq", "list").code == 0


def test_streams_at_full_speed_take_turns_in_one_sqlite_file_and_in_the_embedded_store(
    tmp_path: Path, kafka: str
) -> None:
    topics = [fresh(kafka, 2) for _ in range(3)]
    for topic in topics:
        send(kafka, topic, 0, 20_000, 2)
    rest = "batch: { max_rows: 200 }\n    dedupe: { keys: [id], within: 1h }"
    streams = [stream(name, topic, rest=rest) for name, topic in zip("abc", topics, strict=True)]
    merged = stream("d", topics[0], mode="mode: merge, keys: [id]", rest="batch: { max_rows: 200 }")
    with daemon(project(tmp_path, kafka, *streams, merged, kind="sqlite")) as running:
        running.until(lambda: running.worker("a")["rows"] > 0)
        assert len({worker["pid"] for worker in running.workers()}) == 4
        os.kill(running.worker("b")["pid"], signal.SIGKILL)
        running.until(lambda: caught_up(running, 4), 300)
        assert running.stop() == 0
        log = running.log()
    wh = tmp_path / "wh.db"
    assert [counted(wh, name, "sqlite") for name in "abcd"] == [(20_000, 20_000)] * 4
    assert "error" not in log
    assert "locked" not in log
