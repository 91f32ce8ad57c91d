"""What the daemon says: counts, waits, lines of the log; and which streams a run without names takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from flowc.render.daemon import log_json, log_text
from flowc.render.style import Style
from flowc.service.daemon.restart import Backoff, RestartPolicy
from flowc.service.daemon.stats import Counts, Event, Histogram
from tests.commands import Inside
from tests.daemons import daemon
from tests.streams.test_daemon import BROKEN, project, send
from tests.topics import fresh

NOON = datetime(2026, 1, 2, 12, 0, 0, 5000, tzinfo=UTC)


def test_quantiles_are_the_bounds_of_buckets() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) is None
    for milliseconds in range(1, 101):
        histogram.observe(milliseconds / 1000)
    assert (histogram.quantile(0.5), histogram.quantile(0.99)) == (0.05, 0.1)
    histogram.observe(1000)
    assert histogram.quantile(1.0) is None
    assert round(histogram.total, 3) == 1005.05


def test_counts_of_several_processes_add_up() -> None:
    first, second = Counts(rows=3, retries=1), Counts(rows=4, bad=2)
    first.latency.observe(0.01)
    second.phases["write"].observe(0.2)
    both = first.plus(second)
    assert (both.rows, both.bad, both.retries) == (7, 2, 1)
    assert (sum(both.latency.counts), sum(both.phases["write"].counts)) == (1, 1)


def test_waits_double_up_to_the_longest_and_end_after_so_many() -> None:
    backoff = Backoff(RestartPolicy(0.1, 1.0, 6))
    waits = [backoff.next() for _ in range(7)]
    for wait, longest in zip(waits[:6], (0.1, 0.2, 0.4, 0.8, 1.0, 1.0), strict=True):
        assert wait is not None
        assert longest / 2 <= wait <= longest
    assert waits[6] is None
    backoff.reset()
    assert backoff.next() is not None


def test_lines_of_the_log() -> None:
    event = Event("warning", "cannot connect\nfor long", "clean", 2, {"code": "connection-failed", "help": "look"})
    assert log_text(event, Style(), NOON) == (
        "2026-01-02T12:00:00.005Z warning clean[2]: cannot connect code=connection-failed\n  for long\n  help: look"
    )
    assert json.loads(log_json(event, NOON)) == {
        "time": "2026-01-02T12:00:00.005Z", "level": "warning", "stream": "clean", "worker": 2,
        "message": "cannot connect\nfor long", "code": "connection-failed", "help": "look",
    }  # fmt: skip
    began = Event("info", "began", pipeline="load")
    assert log_text(began, Style(), NOON) == "2026-01-02T12:00:00.005Z info    load: began"
    assert json.loads(log_json(began, NOON)) == {
        "time": "2026-01-02T12:00:00.005Z", "level": "info", "pipeline": "load", "message": "began",
    }  # fmt: skip
    assert "\x1b" not in log_text(Event("info", "\x1b[31m"), Style(), NOON)


def test_secrets_stay_out_of_log_and_pages(tmp_path: Path, kafka: str, postgres: str) -> None:
    secret = "wrong-pass-4711"
    # A stream that works keeps the daemon, and so its pages, after the other one has given up.
    rest = BROKEN.format(topic=fresh(kafka)).replace("broken:", "well:").replace("other", "lite")
    folder = project(tmp_path, kafka, fresh(kafka), "${WH_URL}", rest)
    folder.write("specs/lite.yaml", "connections:\n  lite: { kind: sqlite, path: lite.db }\n")
    address = postgres.rpartition("@")[2]
    folder.env["WH_URL"] = f"postgres://nobody:{secret}@{address}"
    with daemon(folder, "--log-level", "debug") as running:
        running.until(lambda: running.worker("clean")["status"] == "failed")
        running.until(lambda: running.worker("well")["status"] == "running")
        pages = running.page("/status")[1] + running.page("/metrics")[1] + running.log()
        assert "nobody" in pages
        assert secret not in pages


def test_a_run_without_names_takes_the_streams_of_a_project_without_pipelines(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    send(kafka, topic, 0, 20)
    folder = Inside(project(tmp_path, kafka, topic).path)
    (report,) = folder.flowc("run", "--once", "--json").json
    assert (report["stream"], report["rows"], report["status"]) == ("clean", 20, "ok")
