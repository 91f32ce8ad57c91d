"""Traces to a collector: runs, their statements and epochs, across a scheduler and its workers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import Folder, Inside
from tests.daemons import daemon, metrics
from tests.services.machine import free_port
from tests.telemetry.collector import Collector, Span, over_grpc, over_http, samples
from tests.waiting import until

SPEC = """
project: shop
telemetry:
  traces: {{ kind: otlp, endpoint: "{address}", protocol: {protocol}, headers: {{ x-key: "${{KEY}}" }}{more} }}
  resource: {{ deployment.environment: test }}
connections: {{ db: {{ kind: sqlite, path: shop.db }} }}
tables:
  a: {{ connection: db, columns: {{ n: bigint primary key }} }}
pipelines:
  up: {{ from: db, sql: "{sql}", to: a, mode: merge, schedule: "0 * * * *" }}
"""
BEFORE, NOON = "2026-03-10T11:59:00Z", "2026-03-10T12:00:00Z"
SECRET = "geheim-4711"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with over_http() as found:
        yield found


def written(folder: Folder | Inside, collector: Collector, sql: str = "SELECT 1 AS n", protocol: str = "http") -> None:
    folder.env["KEY"] = SECRET
    text = SPEC.format(address=collector.address, protocol=protocol, more="", sql=sql)
    folder.write("specs/s.yaml", text)
    assert folder.flowc("apply", "--yes").code == 0


def one(collector: Collector, name: str) -> Span:
    (found,) = collector.named(name)
    return found


def test_a_run_its_loads_and_their_statements(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    written(folder, collector)
    assert folder.flowc("run", "--once").code == 0
    run, load = one(collector, "run up"), one(collector, "load db.a")
    assert (run.parent, load.parent, run.error) == ("", run.id, "")
    assert run.said["flowc.run.reason"] == "manual"
    assert run.said["flowc.run.status"] == "ok"
    assert run.said["flowc.rows_read"] == load.said["flowc.rows_read"] == 1
    assert (load.said["flowc.target"], load.said["flowc.mode"]) == ("db.a", "merge")
    statements = {span.name for span in collector.spans if span.parent == load.id}
    assert {"look at the source and the target", "read the source", "insert new keys", "commit"} <= statements
    assert (run.resource["service.name"], run.resource["deployment.environment"]) == ("flowc", "test")
    assert collector.headers[0]["x-key"] == SECRET
    recorded = folder.flowc("runs", "show", "last", "--json").json
    assert run.said["flowc.run.id"] == recorded["run"]


def test_an_error_is_told_by_its_code_and_no_value_of_a_row(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        db.executescript("CREATE TABLE given (name TEXT); INSERT INTO given VALUES ('private-value')")
    written(folder, collector, sql="SELECT name AS n FROM given")
    assert folder.flowc("run", "--once").code == 1
    run, load = one(collector, "run up"), one(collector, "load db.a")
    assert run.error == load.error == run.said["error.type"] != ""
    assert run.said["flowc.run.status"] == "failed"
    assert "private-value" not in repr(collector.requests)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_worker_goes_on_with_the_trace_of_its_scheduler(tmp_path: Path, protocol: str) -> None:
    folder = Folder(tmp_path)
    with over_grpc() if protocol == "grpc" else over_http() as collector:
        written(folder, collector, protocol=protocol)
        folder.flowc("run-due", "--now", BEFORE)
        done = folder.flowc("run-due", "--now", NOON)
        assert done.code == 0, done.err
        until(lambda: collector.named("run up"), lambda: repr(collector.spans))
    run, load = one(collector, "run up"), one(collector, "load db.a")
    assert (load.parent, load.trace, run.parent) == (run.id, run.trace, "")
    assert (run.said["flowc.run.reason"], run.said["flowc.run.attempt"]) == ("schedule", 1)
    assert run.said["flowc.run.due"].startswith("2026-03-10T12:00:00")
    assert {span.trace for span in collector.spans} == {run.trace}
    assert run.resource["service.instance.id"] != load.resource["service.instance.id"]
    assert SECRET not in done.err + done.out


def test_a_run_goes_on_with_the_trace_that_it_is_given(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    written(folder, collector)
    folder.env["TRACEPARENT"] = f"00-{'a' * 32}-{'b' * 16}-01"
    assert folder.flowc("run", "--once").code == 0
    run = one(collector, "run up")
    assert (run.trace, run.parent) == ("a" * 32, "b" * 16)


def test_the_variables_of_the_sdk_count_where_specs_say_nothing(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    written(folder, collector)
    text = (tmp_path / "specs/s.yaml").read_text()
    line = next(line for line in text.splitlines() if "traces:" in line)
    folder.write("specs/s.yaml", text.replace(line, "  traces: { kind: otlp }"))
    folder.env |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_EXPORTER_OTLP_HEADERS": "x-other=mine",
        "OTEL_SERVICE_NAME": "loads", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=lost,team=a",
    }  # fmt: skip
    assert folder.flowc("run", "--once").code == 0
    run = one(collector, "run up")
    assert collector.headers[0]["x-other"] == "mine"
    told = {key: run.resource[key] for key in ("service.name", "deployment.environment", "team")}
    assert told == {"service.name": "loads", "deployment.environment": "test", "team": "a"}
    collector.requests.clear()
    folder.env["OTEL_SDK_DISABLED"] = "true"
    assert folder.flowc("run", "--once").code == 0
    assert collector.requests == []


def test_a_collector_that_is_away_is_told_once_and_delays_nothing(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    written(folder, collector)
    collector.status = 403
    done = folder.flowc("run", "--once")
    assert done.code == 0
    assert done.err.count("traces do not arrive") == 1, done.err
    assert "403" in done.err
    assert SECRET not in done.err


def test_a_slow_collector_delays_a_run_by_a_moment(tmp_path: Path, collector: Collector) -> None:
    folder = Inside(tmp_path)
    written(folder, collector)
    collector.delay = 9.0
    began = time.monotonic()
    done = folder.flowc("run", "--once")
    assert (done.code, time.monotonic() - began < 7) == (0, True)
    assert "traces do not arrive, and work goes on without: the collector takes too long" in done.err


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_where_nobody_listens_nothing_is_waited_for_and_no_password_is_told(tmp_path: Path, protocol: str) -> None:
    folder = Inside(tmp_path)
    user = f"user:{SECRET}@" if protocol == "http" else ""  # gRPC looks for a host of that name, and takes its time
    written(folder, Collector(f"http://{user}127.0.0.1:{free_port()}"), protocol=protocol)
    folder.flowc("run", "--once")  # imports what it needs
    began = time.monotonic()
    done = folder.flowc("run", "--once")
    assert (done.code, time.monotonic() - began < 5) == (0, True)
    assert done.err.count("traces do not arrive") == 1, done.err
    assert SECRET not in done.err


STREAM = """
telemetry:
  metrics: {{ kind: otlp, endpoint: "{address}", every: 1s }}
  traces: {{ kind: otlp, endpoint: "{address}", sample: 1 }}
connections:
  box: {{ kind: files, uri: ./in }}
  db: {{ kind: sqlite, path: out.db }}
streams:
  clicks:
    source: {{ connection: box, path: "*.jsonl", format: json, columns: {{ n: bigint }} }}
    to: {{ connection: db, table: clicks, mode: append }}
"""


def same_as_page(collector: Collector, page: str) -> bool:
    """Whether what arrived last is what `/metrics` says now, but for what goes on with the clock."""
    if not collector.metrics:
        return False
    told, sent = metrics(page), samples(collector.metrics[-1])
    for found in (told, sent):
        for name in [each for each in found if each[0] == "flowc_checkpoint_age_seconds"]:
            del found[name]
    assert set(told) == set(sent)
    return told == sent and told["flowc_latency_seconds_count", frozenset({("stream", "clicks"), ("worker", "1")})] == 1


def test_an_epoch_and_its_phases(tmp_path: Path, collector: Collector) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/s.yaml", STREAM.format(address=collector.address))
    folder.write("in/a.jsonl", '{"n": 1}\n{"n": 2}\n')
    with daemon(folder) as running:
        running.until(lambda: running.worker("clicks")["rows"] == 2)
        running.until(lambda: same_as_page(collector, running.page("/metrics")[1]))
        assert running.stop() == 0
    until(lambda: collector.named("epoch clicks"), lambda: repr(collector.spans))
    epoch = collector.named("epoch clicks")[0]
    assert (epoch.said["flowc.stream"], epoch.said["flowc.messages"], epoch.said["flowc.rows"]) == ("clicks", 2, 2)
    phases = {span.name: span for span in collector.spans if span.parent == epoch.id}
    assert list(phases) == ["read", "process", "write", "commit"]
    assert phases["write"].said == {"flowc.target": "db.clicks"}
    assert all(0 <= span.seconds <= epoch.seconds for span in phases.values())
