"""Collectors of OTLP over HTTP and gRPC that keep what they are sent, with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

from tests.services.machine import free_port

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
_MESSAGES = {
    "/v1/metrics": (metrics_pb.ExportMetricsServiceRequest, metrics_pb.ExportMetricsServiceResponse),
    "/v1/traces": (traces_pb.ExportTraceServiceRequest, traces_pb.ExportTraceServiceResponse),
}


@dataclass
class Span:
    """A span that arrived."""

    name: str
    id: str
    parent: str
    trace: str
    said: dict[str, Any]
    error: str
    seconds: float
    resource: dict[str, Any]


@dataclass
class Collector:
    """What was sent. It answers after `delay` seconds, with `status` over HTTP."""

    address: str = ""
    status: int = 200
    delay: float = 0.0
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    def take(self, request: Any, headers: dict[str, str]) -> None:
        self.headers.append(headers)
        time.sleep(self.delay)
        self.requests.append(request)

    @property
    def metrics(self) -> list[Any]:
        return [r for r in self.requests if isinstance(r, metrics_pb.ExportMetricsServiceRequest)]

    @property
    def spans(self) -> list[Span]:
        found = [r for r in self.requests if isinstance(r, traces_pb.ExportTraceServiceRequest)]
        return [
            _span(span, _attributes(held.resource.attributes))
            for request in found
            for held in request.resource_spans
            for scope in held.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


def samples(request: Any) -> Samples:
    """The points of a request as Prometheus has them, by name and labels."""
    found: Samples = {}
    for metric in _metrics(request):
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            labels = {(key, str(value)) for key, value in _attributes(point.attributes).items()}
            if kind != "histogram":
                number = getattr(point, point.WhichOneof("value"))
                found[metric.name, frozenset(labels)] = float(number)
                continue
            bounds = [*(f"{bound:g}" for bound in point.explicit_bounds), "+Inf"]
            for bound, count in zip(bounds, accumulate(point.bucket_counts), strict=True):
                found[f"{metric.name}_bucket", frozenset({*labels, ("le", bound)})] = count
            found[f"{metric.name}_sum", frozenset(labels)] = round(point.sum, 6)
            found[f"{metric.name}_count", frozenset(labels)] = point.count
    return found


def _metrics(request: Any) -> Iterator[Any]:
    for held in request.resource_metrics:
        for scope in held.scope_metrics:
            yield from scope.metrics


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def _span(span: Any, resource: dict[str, Any]) -> Span:
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return Span(
        span.name, span.span_id.hex(), span.parent_span_id.hex(), span.trace_id.hex(), _attributes(span.attributes),
        span.status.message, seconds, resource,
    )  # fmt: skip


@contextmanager
def over_http() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request, response = _MESSAGES[self.path]
            data = self.rfile.read(int(self.headers["Content-Length"]))
            data = gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data
            headers = {key.lower(): value for key, value in self.headers.items()}
            if collector.status == 200:
                collector.take(request.FromString(data), headers)
            self.send_response(collector.status)
            self.end_headers()
            self.wfile.write(response().SerializeToString())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield collector
    server.shutdown()
    server.server_close()


@contextmanager
def over_grpc() -> Iterator[Collector]:
    collector = Collector()

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request, context):
            collector.take(request, dict(context.invocation_metadata()))
            return metrics_pb.ExportMetricsServiceResponse()

    class Traces(traces_grpc.TraceServiceServicer):
        def Export(self, request, context):
            collector.take(request, dict(context.invocation_metadata()))
            return traces_pb.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
    traces_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    port = free_port()
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    collector.address = f"http://127.0.0.1:{port}"
    yield collector
    server.stop(0)
