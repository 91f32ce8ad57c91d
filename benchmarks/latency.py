"""How long a message takes from its producer to its commit in PostgreSQL, through the daemon.

A poller asks the stored position as fast as it can; a message is there when the position has passed it.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import SideFailed
from benchmarks.report import Row, seconds

RATE, SECONDS, SINGLES = 10_000, 20.0, 20
_DATABASE = "latency"
_PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: postgres, url: "{dsn}" }}
streams:
  latency:
    source: {{ connection: bus, topic: {topic}, columns: {{ event_id: bigint, page: text, amount: double }} }}
    sql: SELECT event_id, upper(page) AS page, amount * 2 AS twice FROM source WHERE amount >= 0
    to: {{ connection: wh, table: latency, mode: append }}
"""


@dataclass
class Watcher:
    """Asks for the stored position again and again, and notes when it was what."""

    dsn: str
    times: list[float] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until it is stopped."""
        import psycopg

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self._stop.wait(0.001):
                row = connection.execute("SELECT next_position::bigint FROM flowc.positions").fetchone()
                if row is not None and (not self.offsets or row[0] != self.offsets[-1]):
                    self.times.append(time.time())
                    self.offsets.append(row[0])

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()

    def reached(self, offset: int) -> float:
        """When the message of that offset was committed."""
        return self.times[bisect_right(self.offsets, offset)]


def latency(context: Context) -> Iterator[Row]:
    """Single messages on an idle stream, and 10,000 messages a second."""
    from tests import topics  # its client comes with the extra `kafka`

    topic = topics.fresh(context.kafka, 1)
    producer = topics.producing(context.kafka, linger_ms=0)
    with running(context, _DATABASE, _PROJECT, topic), _watching(context.postgres.dsn(_DATABASE)) as watcher:
        alone = _singles(producer, topic, watcher)
        busy = _steady(producer, topic, watcher, context.scale)
    yield _row("latency, single message", alone, p50=0.3, p99=0.3)
    yield _row(f"latency, {RATE:,} messages/s", busy, p50=0.05, p99=0.25)


@contextmanager
def running(context: Context, name: str, project: str, topic: str) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon of a project with one stream into a database of that name, once it runs."""
    context.postgres.create(name)
    specs = project.format(kafka=context.kafka, dsn=context.postgres.dsn(name), topic=topic)
    root = context.project(name, specs)
    log = (root / "log").open("w")
    process = subprocess.Popen(flowc("run", "--log-format", "json"), cwd=root, stderr=log, env=_environment())
    try:
        _await_running(root / "log", process)
        yield process
    finally:
        process.terminate()
        process.wait(60)
        log.close()


@contextmanager
def _watching(dsn: str) -> Iterator[Watcher]:
    watcher = Watcher(dsn)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        thread.join()


def _environment() -> dict[str, str]:
    return {**os.environ, **flowc_environment()}


def _await_running(log: Any, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if '"message": "running"' in log.read_text():
            time.sleep(2.0)  # the first epoch makes the position
            return
        time.sleep(0.1)
    raise SideFailed(f"the daemon did not begin: {log.read_text()[-300:]}")


def _singles(producer: Any, topic: str, watcher: Watcher) -> list[float]:
    from tests import topics

    times = []
    for number in range(SINGLES):
        times.append(time.time())
        producer.produce(topic, topics.event(number), partition=0)
        producer.flush(60)
        time.sleep(0.5)
    return [watcher.reached(number) - at for number, at in enumerate(times)]


def _steady(producer: Any, topic: str, watcher: Watcher, scale: float) -> list[float]:
    times = steadily(producer, topic, SECONDS * scale)
    last, end = SINGLES + len(times), time.monotonic() + 120
    while watcher.offsets[-1] < last and time.monotonic() < end:
        time.sleep(0.05)
    if watcher.offsets[-1] < last:
        raise SideFailed(f"{last - watcher.offsets[-1]} messages did not arrive in time")
    return [watcher.reached(SINGLES + number) - at for number, at in enumerate(times)]


def steadily(producer: Any, topic: str, duration: float) -> list[float]:
    """Bundles of a hundredth of a second for some seconds; gives when each message was handed over."""
    from tests import topics

    bundle, times = RATE // 100, list[float]()
    began = time.time()
    for step in range(int(duration * 100)):
        time.sleep(max(0.0, began + step / 100 - time.time()))
        for _ in range(bundle):
            times.append(time.time())
            producer.produce(topic, topics.event(len(times)), partition=0)
        producer.poll(0)
    producer.flush(60)
    return times


def _row(case: str, times: list[float], *, p50: float, p99: float) -> Row:
    ranked = sorted(times)
    half, late = ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]
    shown = f"p50 {seconds(half)}, p99 {seconds(late)}, max {seconds(ranked[-1])}"
    wanted = f"p50 < {seconds(p50)}, p99 < {seconds(p99)}"
    return Row(case, shown, "-", "-", wanted, half < p50 and late < p99)


CASES = (latency,)
