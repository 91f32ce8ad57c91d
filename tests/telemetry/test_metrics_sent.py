"""Metrics to collectors: what arrives is what `/metrics` says; a collector that is away costs nothing but points."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from flowc.errors import EngineError
from flowc.render.metrics import metrics_json, metrics_text
from flowc.runtime.contracts.state import NodeState, Saved
from flowc.service.daemon.stats import Counts, Report
from flowc.service.runs.records import Standing
from flowc.service.telemetry.metrics import METRICS, Family, families
from flowc.service.telemetry.otlp import exporter, sender
from flowc.service.telemetry.push import Outage, Pusher
from flowc.service.telemetry.settings import Settings, Sink
from tests.answering import answering, drip, drip_body, pour
from tests.daemons import metrics
from tests.telemetry.collector import Collector, over_grpc, over_http, samples
from tests.waiting import until

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def everything() -> list[Family]:
    """Every metric, with a value or more."""
    counts = Counts(rows=7, messages=8, late=3, late_letters=2, emitted={"w": 5})
    counts.latency.observe(0.3)
    counts.latency.observe(99.0)
    counts.phases["read"].observe(0.001)
    report = Report(
        saved=Saved(0.0, 0.25, {"dedupe": NodeState(7, 3, 1000, 40)}), age=5.5, watermark=1_500_000,
        marks={"a": {"0": 1_500_000}}, held={"a": ["0"]}, lag={"a": {0: 3, 1: 4}},
    )  # fmt: skip
    worker: Any = SimpleNamespace(
        job=SimpleNamespace(stream='odd "name"', worker=1), counts=counts, report=report, restarts=1, status="running"
    )
    at = Standing("p", "0 * * * *", "UTC", NOON, NOON, 1, succeeded_at=NOON, due_at=NOON, failing=True)
    scheduler: Any = SimpleNamespace(
        ended=Counter({("p", "ok"): 3}), took={"p": 1.2345}, seen=({"p": at}, NOON), leads=True, token=5, works=True,
        pipelines=[SimpleNamespace(name="p")], chosen=None,
    )  # fmt: skip
    return families([worker], 12.345, scheduler)


def settings(collector: Collector, grpc: bool = False, **headers: str) -> Settings:
    sink = Sink("metrics", "otlp", collector.address, grpc, headers)
    return Settings(sink, Sink("traces"), {"deployment.environment": "test"}, "shop")


def plain(text: str) -> str:
    return text


def test_every_metric_is_among_those_that_are_told() -> None:
    assert {family.name for family in everything()} == {metric.name for metric in METRICS}
    assert all(family.samples for family in everything())


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_what_arrives_is_what_prometheus_is_told(protocol: str) -> None:
    with over_grpc() if protocol == "grpc" else over_http() as collector:
        sender(settings(collector, protocol == "grpc", authorization="Bearer 4711"), 12.345, plain)(everything())
    (request,) = collector.metrics
    text = metrics(metrics_text(everything()).replace('odd \\"name\\"', "odd"))
    arrived = {
        (name, frozenset((key, "odd" if key == "stream" else value) for key, value in labels)): value
        for (name, labels), value in samples(request).items()
    }
    assert arrived == text
    assert collector.headers[0]["authorization"] == "Bearer 4711"
    (held,) = request.resource_metrics
    resource = {pair.key: pair.value.string_value for pair in held.resource.attributes}
    assert (resource["service.name"], resource["service.namespace"]) == ("flowc", "shop")
    assert resource["deployment.environment"] == "test"
    sent = {metric.name: metric for metric in held.scope_metrics[0].metrics}
    rows, latency = sent["flowc_rows_total"].sum, sent["flowc_latency_seconds"].histogram
    assert (rows.is_monotonic, rows.aggregation_temporality, latency.aggregation_temporality) == (True, 2, 2)
    assert rows.data_points[0].start_time_unix_nano == latency.data_points[0].start_time_unix_nano == 12_345_000_000


def test_a_line_of_json_has_the_same() -> None:
    told = json.loads(metrics_json(everything(), 1.0))
    assert [each["name"] for each in told["metrics"]] == [metric.name for metric in METRICS]
    text, found = metrics(metrics_text(everything()).replace('odd \\"name\\"', "odd")), {}
    for each in told["metrics"]:
        for sample in each["samples"]:
            labels = frozenset((key, "odd" if key == "stream" else v) for key, v in sample["labels"].items())
            if "value" in sample:
                found[each["name"], labels] = sample["value"]
                continue
            found[f"{each['name']}_count", labels] = sample["count"]
            found[f"{each['name']}_sum", labels] = sample["sum"]
            for bound, count in sample["buckets"].items():
                found[f"{each['name']}_bucket", labels | {("le", bound)}] = count
    assert found == text


def test_an_outage_is_told_once_and_its_end_too() -> None:
    with over_http() as collector:
        collector.status, said = 400, list[str]()
        outage = Outage("metrics", lambda words: said.append(f"warning: {words}"), said.append)
        pusher = Pusher(everything, sender(settings(collector), 1.0, lambda text: text.upper()), 0.05, outage)
        pusher.start()
        until(lambda: said, lambda: "")
        time.sleep(0.2)
        collector.status = 200
        until(lambda: collector.metrics, lambda: "")
        until(lambda: len(said) == 2, lambda: repr(said))
        pusher.stop()
    assert said[0].startswith("warning: metrics do not arrive, and work goes on without: ")
    assert "400" in said[0]
    assert said[0].rpartition("without: ")[2].isupper(), "what the SDK says is redacted"
    assert said[1:] == ["metrics arrive again"]


def test_a_slow_collector_keeps_nobody_at_the_end() -> None:
    with over_http() as collector:
        collector.delay = 8.0
        pusher = Pusher(everything, sender(settings(collector), 1.0, plain), 0.01, Outage("metrics", print, print))
        pusher.start()
        until(lambda: collector.headers, lambda: "")
        began = time.monotonic()
        pusher.stop()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [302, 307])
def test_a_collector_that_sends_elsewhere_is_an_outage(status: int) -> None:
    with over_http() as collector:
        collector.status = status
        with pytest.raises(EngineError, match=f"the collector answered {status}, and redirects are not followed"):
            sender(settings(collector), 1.0, plain)(everything())


@pytest.mark.parametrize("path", ["", "/", "/v1/metrics", "/v1/metrics/"])
def test_what_an_endpoint_asks_for_stays_behind_its_path(path: str) -> None:
    sink = Sink("metrics", "otlp", f"http://127.0.0.1:1{path}?token=4711")
    assert exporter(sink)._endpoint == "http://127.0.0.1:1/v1/metrics?token=4711"


@pytest.mark.parametrize("answer", [drip, drip_body, pour])
def test_a_collector_whose_answer_does_not_end_is_an_outage(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with answering(answer) as address:
        send, began = sender(settings(Collector(address)), 1.0, plain), time.monotonic()
        with pytest.raises(EngineError):
            send(everything())
        assert time.monotonic() - began < 6
