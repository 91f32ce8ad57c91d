"""Steps of tests over an operator that lets rows out by time: each row comes in the step that it belongs to, once.

The operator is the window of the tests of time: what a test tells has to need nothing of any operator.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.render.style import Style
from flowc.render.tests import outcome_text
from flowc.runtime.streams.compute import Compute
from flowc.service.testing import process
from flowc.service.testing.run import run_tests
from flowc.service.testing.timeline import POINTS
from tests.streams.test_time_epochs import tumbling

pytestmark = pytest.mark.usefixtures("kept_files")

SPECS = """
connections:
  warehouse: { kind: duckdb, path: w.db }
  bus: { kind: kafka, bootstrap_servers: nowhere }
streams:
  apart:
    source: { connection: bus, topic: events, columns: { id: bigint, n: bigint } }
    dedupe: { keys: [id], within: 10m }
    on_error: drop
    watermark: { lateness: 5s, idle: 1m }
    to: { connection: warehouse, table: counts, mode: append }
  beside:
    source: { connection: bus, topic: events, columns: { id: bigint, n: bigint } }
    dedupe: { keys: [id], within: 10m }
    on_error: drop
    watermark: { lateness: 5s, idle: 1m }
    state: { connection: warehouse }
    to: { connection: warehouse, table: counts, mode: append }
  topic:
    source: { connection: bus, topic: events, columns: { id: bigint, n: bigint } }
    dedupe: { keys: [id], within: 10m }
    on_error: drop
    watermark: { lateness: 5s, idle: 1m }
    to: { connection: bus, topic: counts, format: json }
tests:
"""
STEPS = """
  {stream} {point}:
    stream: {stream}
    now: "1970-01-01T00:00:00Z"
    steps:
      - {crash}
      - rows: [{{ id: 1, _event_ts: "1970-01-01T00:00:01Z" }}, {{ id: 2, _event_ts: "1970-01-01T00:00:14Z" }}]
        emits: []
      - {crash}
      - rows: [{{ id: 3, _event_ts: "1970-01-01T00:00:15Z" }}]
        emits: [{{ id: 0, n: 1 }}]
      - rows: [{{ id: 4, _event_ts: "1970-01-01T00:00:02Z" }}]
        emits: []
      - advance: 1m
        emits: []
      - {crash}
      - advance: 10s
        emits: {first}
      - advance: 70s
        emits: {second}
      - restart
      - advance: 2h
        emits: []
      - rows: [{{ id: 5, _event_ts: "1970-01-01T02:00:00Z" }}]
        emits: []
      - {crash}
      - watermark: "1970-01-01T02:00:10Z"
        emits: [{{ id: 7200, n: 1 }}]
      - rows: [{{ id: 5, _event_ts: "1970-01-01T03:00:00Z" }}]
      - {crash}
      - drain:
        emits: [{{ id: 10800, n: 1 }}]
      - rows: [{{ id: 5, _event_ts: "1970-01-01T03:00:09Z" }}]
      - drain:
        emits: []
"""
WINDOW = "[{ id: 10, n: 2 }]"
POINTS_OF = {"beside": ("after_compute", "during_write", "after_write"), "apart": tuple(POINTS), "topic": tuple(POINTS)}


@pytest.mark.parametrize("stream", POINTS_OF)
def test_what_time_lets_out_comes_in_its_step(stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a crash before each, or none: in an epoch of messages, in one of time alone, and in the last one.

    Where nothing was stored of an epoch that silence made, there has to be as much of it again.
    """
    monkeypatch.setattr(process, "Compute", partial(Compute, build=tumbling))
    crashes = {"never": "advance: 0s", **{point: f"crash: {point}" for point in POINTS_OF[stream]}}
    tests = []
    for point, crash in crashes.items():
        lost = point == "after_compute" or (stream, point) == ("beside", "during_write")
        first, second = ("[]", WINDOW) if lost else (WINDOW, "[]")
        tests.append(STEPS.format(stream=stream, point=point, crash=crash, first=first, second=second))
    file = tmp_path / "specs.yaml"
    file.write_text(SPECS + "".join(tests), "utf-8")
    project = stages.load_project([file], reporter := Reporter(), env={})
    assert project is not None, reporter.sorted()
    reports = [*run_tests(project, tuple(project.tests.values()), {})]
    failed = [outcome_text(report, Style()) for report in reports if not report.passed]
    assert not failed, "\n".join(failed)
    assert len(reports) == len(crashes)
