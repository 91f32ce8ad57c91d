"""The daemon while servers fail, and several workers of one stream."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowc.runtime.systems import open_database
from tests.daemons import Running, daemon
from tests.extended import with_extended
from tests.running import running
from tests.services.kafka import Broker
from tests.services.postgres import Cluster, own_cluster
from tests.streams.test_daemon import project, send, stored
from tests.streams.test_kafka_faults import broker
from tests.topics import fresh

__all__ = ["broker"]
MISSED_SOON = "session.timeout.ms: 6000, heartbeat.interval.ms: 500"
"""So that the broker gives the partitions of a worker that was killed to others before most of a minute is over."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test's own, to be stopped."""
    yield from running(own_cluster())


def test_a_database_that_goes_and_comes_back_degrades_the_stream_and_loses_nothing(
    tmp_path: Path, kafka: str, cluster: Cluster
) -> None:
    topic = fresh(kafka)
    with daemon(project(tmp_path, kafka, topic, cluster.dsn)) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        send(kafka, topic, 0, 1000)
        running.until(lambda: running.worker("clean")["rows"] == 1000)
        pid = running.worker("clean")["pid"]
        cluster.stop()
        running.until(lambda: running.page("/readyz")[0] == 503)  # although it has nothing to write
        assert running.worker("clean")["status"] == "degraded"
        send(kafka, topic, 1000, 1000)
        running.until(lambda: len(_waits(running)) >= 3)
        cluster.start()
        running.until(lambda: running.worker("clean")["rows"] == 2000)
        running.until(lambda: running.page("/readyz")[0] == 200)
        worker = running.worker("clean")
        assert (worker["pid"], worker["restarts"] > 0) == (pid, True)
        assert stored(cluster.dsn) == (2000, 2000)
        assert max(_waits(running)) > 0.1, _waits(running)  # each longer than the one before
        assert running.stop() == 0


def test_a_password_changes_while_a_stream_runs(tmp_path: Path, kafka: str, postgres: str) -> None:
    role, where = f"turning_{os.getpid()}", urlsplit(postgres)
    admin = open_database("postgres", {"url": postgres})
    admin.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'first'")
    (tmp_path / "password").write_text("first\n")
    url = f"postgres://{role}:${{file:password}}@{where.hostname}:{where.port}{where.path}"
    try:
        topic = fresh(kafka)
        with daemon(project(tmp_path, kafka, topic, url)) as running:
            send(kafka, topic, 0, 500)
            running.until(lambda: running.worker("clean")["rows"] == 500)
            admin.execute(f"ALTER ROLE {role} PASSWORD 'second'")
            admin.query(f"SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE usename = '{role}'")
            send(kafka, topic, 500, 500)
            running.until(lambda: "access-denied" in running.log())
            (tmp_path / "password").write_text("second\n")
            running.until(lambda: running.worker("clean")["rows"] == 1000)
            assert running.stop() == 0
            assert "second" not in running.log()
        assert stored(postgres) == (1000, 1000)
    finally:
        admin.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
        admin.execute(f"DROP ROLE {role}")
        admin.close()


def _waits(running: Running) -> list[float]:
    """The seconds before each attempt, as the log tells them."""
    return [float(wait) for wait in re.findall(r"retry_in=([\d.]+)", running.log())]


@pytest.mark.parametrize("workers", with_extended([1], [2]))
def test_a_broker_that_goes_and_comes_back_degrades_the_stream_and_loses_nothing(
    tmp_path: Path, broker: Broker, postgres: str, workers: int
) -> None:
    address = broker.address.partition("?")[0]
    topic = fresh(address, 4)
    with daemon(project(tmp_path, address, topic, postgres, f"    parallelism: {workers}")) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        send(address, topic, 0, 1000, 4)
        running.until(lambda: stored(postgres) == (1000, 1000))
        pids, began = {worker["pid"] for worker in running.workers()}, time.monotonic()
        outages = 2 if workers > 1 else 1
        for outage in range(1, outages + 1):
            broker.kill()
            running.until(lambda: {worker["status"] for worker in running.workers()} == {"degraded"})
            assert running.page("/readyz")[0] == 503
            time.sleep(2.0)
            broker.start()
            running.until(lambda: running.page("/readyz")[0] == 200)  # without a message that says so
            send(address, topic, outage * 1000, 1000, 4)
            running.until(lambda sent=(outage + 1) * 1000: stored(postgres)[0] >= sent)
        running.until(lambda: _caught_up(running, workers))
        half_minutes = (time.monotonic() - began) / 30
        assert running.log().count("Connection refused") < 20 * (1 + half_minutes)  # not one for each attempt
        assert {worker["pid"] for worker in running.workers()} == pids
        assert running.stop() == 0
    assert stored(postgres) == ((outages + 1) * 1000, (outages + 1) * 1000)


def _caught_up(running: Running, workers: int) -> bool:
    """Whether the workers know of all four partitions, and nothing in them is left to be read."""
    lags = [lag for worker in running.workers() for lag in worker["lag"].get("source", {}).values()]
    return len(running.workers()) == workers and lags == [0] * 4


def test_a_stream_gives_up_after_the_restarts_it_may_have(tmp_path: Path, kafka: str, cluster: Cluster) -> None:
    folder = project(tmp_path, kafka, fresh(kafka), cluster.dsn)
    spec = folder.path / "specs" / "s.yaml"
    spec.write_text(spec.read_text().replace("max_backoff: 500ms", "max_backoff: 500ms, max_restarts: 2"))
    cluster.stop()
    with daemon(folder) as running:
        assert running.process.wait(120) == 1
        assert running.log().count("retry_in") == 2


def test_workers_share_partitions_and_nothing_is_lost_or_twice(tmp_path: Path, kafka: str, postgres: str) -> None:
    topic = fresh(kafka, 4)
    folder = project(tmp_path, kafka, topic, postgres, "    parallelism: 2")
    spec = folder.path / "specs" / "s.yaml"
    spec.write_text(spec.read_text().replace("kind: kafka,", f"kind: kafka, properties: {{ {MISSED_SOON} }},"))
    with daemon(folder) as running:
        running.until(lambda: running.page("/readyz")[0] == 200)
        for part in range(20):
            send(kafka, topic, part * 1000, 1000, 4)
            if part == 10:
                pids = [worker["pid"] for worker in running.workers()]
                assert len(set(pids)) == 2
                os.kill(pids[0], signal.SIGKILL)
        running.until(lambda: stored(postgres)[0] >= 20_000)
        sent, end = 20_000, time.monotonic() + 120
        while not _all_share(running):
            assert time.monotonic() < end, running.log()
            send(kafka, topic, sent, 100, 4)
            sent += 100
            time.sleep(0.5)
        running.until(lambda: stored(postgres)[0] >= sent)
        assert running.stop() == 0
        assert "did not stop in time" not in running.log()
    assert stored(postgres) == (sent, sent)


def _all_share(running: Running) -> bool:
    return [_shared(worker) for worker in running.workers()] == [True, True]


def _shared(worker: dict[str, object]) -> bool:
    """Whether a worker has two of the four partitions, and wrote something."""
    lag = worker["lag"]
    assert isinstance(lag, dict)
    return len(lag.get("source", {})) == 2 and worker["rows"] != 0


def test_what_workers_cannot_share_is_refused(tmp_path: Path, kafka: str) -> None:
    with daemon(project(tmp_path, kafka, fresh(kafka), None, "    parallelism: 2")) as running:
        assert running.process.wait(120) == 1
        assert "several workers cannot share stream `clean`: it writes `sqlite`" in running.log()
