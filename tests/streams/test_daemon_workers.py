"""Workers of one process, each by itself: waits, bugs, deaths, lines of the log; and the table of a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flowc.runtime.threads import thread
from flowc.service.access.secrets import Resolver
from flowc.service.daemon.channel import Channel, Wire
from flowc.service.daemon.host import SPEAKER, Forward
from flowc.service.daemon.job import FINAL, Job
from flowc.service.daemon.stats import Counts, Event, Failure, Line, Report
from flowc.service.daemon.worker import Worker
from flowc.service.daemon.workerstate import WorkerState
from flowc.stream import RestartPolicy
from tests.commands import Folder
from tests.daemons import daemon
from tests.streams.test_daemon_shared import WAITS, counted, project, ready, send, stream
from tests.topics import fresh

_PROJECT = SimpleNamespace(name="", connections={}, tables={}, pipelines={}, streams={})
EMPTY = cast(Any, SimpleNamespace(project=_PROJECT, streams=None))


def job(stream: str = "s", **policy: Any) -> Job:
    """A job without a project: who looks into it meets a bug."""
    return Job(EMPTY, EMPTY, stream, policy=RestartPolicy(**policy))


def wire() -> Wire:
    return Wire(io.BytesIO(), Resolver({}, Path()))


def lines(of: Wire) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cast(io.BytesIO, of.file).getvalue().splitlines()]


def test_each_worker_waits_by_its_own_policy_and_what_it_committed() -> None:
    said: list[Event] = []
    quick = WorkerState(job("quick", min_backoff=0.1, max_backoff=60.0), said.append)
    slow = WorkerState(job("slow", min_backoff=10.0, max_backoff=60.0, max_restarts=2), said.append)
    for _ in range(2):
        for worker in (quick, slow):
            worker.begin(1)
        quick.hear(Line(0, report=Report("running", Counts(rows=7, epochs=1))))
        assert 0.05 <= (quick.lost("died", 1.0) or 0.0) <= 0.1
        assert (slow.lost("died", 1.0) or 0.0) >= 5.0
    slow.begin(1)
    assert (slow.status, slow.lost("died", 1.0), slow.failure) == (
        "restarting", None, Failure("worker-lost", "the worker died, 2 times in a row"),
    )  # fmt: skip
    assert (quick.counts.rows, quick.restarts, slow.restarts) == (14, 1, 2)
    assert {event.stream for event in said} == {"quick", "slow"}


def test_one_that_gave_up_stays_down_with_its_process() -> None:
    worker = WorkerState(job(), lambda _: None)
    worker.begin(1)
    worker.hear(Line(0, failure=Failure("missing-topic", "no topic")))
    assert (worker.status, worker.pid, worker.lost("died", 1.0)) == ("failed", None, None)


def test_a_bug_begins_its_stream_again_and_is_in_the_log() -> None:
    out = wire()
    broken = job("broken", min_backoff=0.001, max_backoff=0.002, max_restarts=2)
    assert Worker(broken, Channel(out, (broken,), 3)).run() == FINAL
    said = lines(out)
    (failure,) = [line for line in said if line["failure"]]
    assert (failure["job"], failure["failure"]["code"]) == (3, "worker-lost")
    traces = [line["event"] for line in said if line["event"] and "Traceback" in line["event"]["message"]]
    assert [(event["stream"], event["level"]) for event in traces] == [("broken", "error")] * 3
    assert said[-2]["report"]["counts"]["retries"] == 2


def test_what_libraries_log_names_the_stream_whose_thread_it_is() -> None:
    out = wire()
    jobs = (job("a"), job("b"))
    log = logging.getLogger("flowc.test")
    handler = Forward(Channel(out, jobs))
    log.addHandler(handler)

    def work(number: int) -> None:
        SPEAKER.set(Channel(out, (jobs[number],), number))
        inner = thread("inner", log.warning, f"from {number}")
        inner.start()
        inner.join()

    try:
        outer = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for each in outer:
            each.start()
        for each in outer:
            each.join()
        log.warning("from nobody")
    finally:
        log.removeHandler(handler)
    said = [line["event"] for line in lines(out)]
    assert {event["message"]: event["stream"] for event in said} == {"from 0": "a", "from 1": "b", "from nobody": None}
    assert said[-1]["fields"]["streams"] == "a, b"


def test_a_stream_that_kills_its_process_gives_up_and_the_other_one_gets_through(tmp_path: Path, kafka: str) -> None:
    good, deadly = fresh(kafka), fresh(kafka)
    function = "\nfunctions:\n  die: { python: 'deadly:die', args: [bigint], returns: bigint }\n"
    dying = stream("dying", deadly).replace(WAITS, "min_backoff: 1s, max_backoff: 1m, max_restarts: 2")
    dying = dying.replace("    to:", "    sql: SELECT die(id) AS id, name FROM source\n    to:")
    folder = project(tmp_path, kafka, stream("good", good, rest="batch: { max_rows: 100 }"), dying, function)
    folder.write("deadly.py", "import os\ndef die(ids):\n    os._exit(9)\n")
    with daemon(folder) as running:
        ready(running)
        send(kafka, deadly, 0, 1)
        sent, end = 0, time.monotonic() + 180
        while running.worker("dying")["status"] != "failed":
            assert time.monotonic() < end, running.log()
            send(kafka, good, sent, 100)
            sent += 100
            time.sleep(0.5)
        found = running.worker("dying")
        assert (found["error"]["code"], found["restarts"]) == ("worker-lost", 2)
        running.until(lambda: running.worker("good")["status"] == "running")
        running.until(lambda: running.worker("good")["lag"].get("source") == {"0": 0})
        assert running.stop() == 1
    assert counted(tmp_path / "wh.db", "good") == (sent, sent)


@contextmanager
def on_terminal(folder: Folder) -> Iterator[tuple[subprocess.Popen[str], list[bytes]]]:
    """A daemon whose log is a terminal, and what it shows."""
    master, slave = pty.openpty()
    environment = {**folder.environment(), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}
    process = subprocess.Popen(folder.command("run"), cwd=folder.path, env=environment, stderr=slave, text=True)
    os.close(slave)
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                shown.append(data)
        except OSError:
            return  # the terminal is gone with its last user

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield process, shown
    finally:
        process.kill()
        process.wait()
        reading.join()
        os.close(master)


def test_a_terminal_shows_state_rate_lag_and_latency_of_each_stream(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    send(kafka, topic, 0, 1234)
    folder = project(tmp_path, kafka, stream("clicks", topic), stream("orders", topic, "other"))
    with on_terminal(folder) as (process, shown):
        end = time.monotonic() + 120
        while b"".join(shown).decode(errors="ignore").count("1,234") < 2:
            assert time.monotonic() < end, b"".join(shown)
            time.sleep(0.1)
        process.terminate()
        assert process.wait(120) == 0
    text = b"".join(shown).decode()
    for word in (
        "stream",
        "state",
        "rows",
        "rows/s",
        "lag",
        "p50",
        "p99",
        "restarts",
        "clicks",
        "orders",
        "running",
        " ms",
    ):
        assert word in text
    assert "stopped" in text


class Patience(threading.Event):
    """Is asked how long to wait, and waits no time at all; whether anything was said before."""

    def __init__(self, out: Wire) -> None:
        super().__init__()
        self.out, self.asked = out, list[tuple[float | None, bool]]()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append((timeout, bool(lines(self.out))))
        return self.is_set()


@pytest.mark.parametrize("wait", [0.0, 0.3])
def test_one_that_is_to_wait_longer_than_its_process_does(wait: float) -> None:
    out = wire()
    broken = replace(job(max_restarts=0), wait=wait)
    worker = Worker(broken, Channel(out, (broken,)), stopping=(patience := Patience(out)))
    worker.run()
    assert patience.asked == [(wait, False)]
    assert lines(out)[-1]["failure"]["code"] == "worker-lost"
