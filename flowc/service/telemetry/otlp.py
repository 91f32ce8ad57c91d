"""Metrics by OTLP: points of OpenTelemetry's SDK, made of what is counted already, and its exporters.

The SDK's own instruments are passed by: none of them takes a histogram that is counted elsewhere.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.errors import EngineError
from flowc.runtime.extras import driver
from flowc.service.access.deadline import Deadline
from flowc.service.daemon.stats import BOUNDS, Histogram
from flowc.service.telemetry.metrics import Family, Value
from flowc.service.telemetry.settings import Settings, Sink

_EXTRA = "otlp"
_SCOPE = "flowc"
_SHOWN = 300
"""Characters of a reason that are shown."""
_LONGEST = 10.0
"""Seconds that a collector may take for its whole answer, where the SDK does not say that."""
_MOST = 1 << 20
"""Bytes that its answer may have."""
_UNITS = {"_seconds": "s", "_bytes": "By"}
_EXPORTERS = {"metrics": ("metric_exporter", "OTLPMetricExporter"), "traces": ("trace_exporter", "OTLPSpanExporter")}


def exporter(sink: Sink) -> Any:
    """The SDK's exporter of a signal.

    Raises FlowcError where `flowc[otlp]` is not installed.
    """
    protocol = "grpc" if sink.grpc else "http"
    module, name = _EXPORTERS[sink.signal]
    made = getattr(driver(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}", _EXTRA), name)
    reasons()  # from now on nothing of the SDK's log is lost, or shown unasked
    more = {} if sink.grpc or sink.provides_session else {"session": _session()}
    return made(endpoint=_endpoint(sink), headers=dict(sink.headers) or None, **more)


def _session() -> Any:
    """A session that fails when it is sent elsewhere: the SDK follows nobody, and takes that for a success."""
    requests = driver("requests", _EXTRA)

    def check(response: Any, *_: Any, **__: Any) -> None:
        if 300 <= response.status_code < 400:
            words = f"the collector answered {response.status_code}, and redirects are not followed"
            raise requests.exceptions.TooManyRedirects(words)

    session = requests.Session()
    session.hooks["response"].append(check)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _bounded(requests))
    return session


def _bounded(requests: Any) -> Any:
    """What sends for a session, and reads answers in the time that the SDK gives, and no endless one."""

    class Bounded(requests.adapters.HTTPAdapter):  # type: ignore[misc]
        def init_poolmanager(self, *sizes: Any, **more: Any) -> None:
            super().init_poolmanager(*sizes, **more)
            self._deadline = Deadline()
            self._mind(self.poolmanager)

        def proxy_manager_for(self, *proxy: Any, **more: Any) -> Any:
            return self._mind(super().proxy_manager_for(*proxy, **more))

        def _mind(self, manager: Any) -> Any:
            manager.pool_classes_by_scheme = {
                scheme: type(pool.__name__, (pool,), {"ConnectionCls": self._deadline.minded(pool.ConnectionCls)})
                for scheme, pool in manager.pool_classes_by_scheme.items()
            }
            return manager

        def send(self, request: Any, *_: Any, timeout: Any = None, **more: Any) -> Any:
            with self._deadline.within(timeout if isinstance(timeout, int | float) else _LONGEST):
                answer = super().send(request, **more | {"timeout": timeout, "stream": True})
                answer._content = answer.raw.read(_MOST + 1, decode_content=True)
            if len(answer._content) > _MOST:
                answer.close()
                raise requests.exceptions.InvalidSchema(f"the collector's answer has more than {_MOST >> 20} MiB")
            return answer

    return Bounded()


def _endpoint(sink: Sink) -> str | None:
    """As the SDK's own variable, an endpoint is that of all signals: over HTTP, each has its path below it."""
    path = f"/v1/{sink.signal}"
    if sink.endpoint is None or sink.grpc:
        return sink.endpoint
    address, mark, query = sink.endpoint.partition("?")
    return address.rstrip("/").removesuffix(path) + path + mark + query


def resource(settings: Settings) -> Any:
    """Who tells: what the specs say counts more than the environment, and that more than what flowc says of itself."""
    resources = driver("opentelemetry.sdk.resources", _EXTRA)
    own = {
        "service.name": "flowc",
        "service.namespace": settings.project,
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    given = resources.OTELResourceDetector().detect()
    return resources.Resource(own).merge(given).merge(resources.Resource(dict(settings.resource)))


class Reasons(logging.Handler):
    """Keeps what the SDK says first of what each thread sends: its exporters tell only whether that arrived."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._first: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one line."""
        self._first.setdefault(threading.get_ident(), record.getMessage().partition("\n")[0])

    def forget(self) -> None:
        """This thread sends something new."""
        self._first.pop(threading.get_ident(), None)

    def of(self, thread: int) -> str:
        """Why what that thread sends does not arrive; empty where nothing is known to be wrong."""
        return self._first.get(thread, "")


def reasons() -> Reasons:
    """The one that listens to the SDK; nothing of that goes anywhere else."""
    log = logging.getLogger("opentelemetry")
    found = next((each for each in log.handlers if isinstance(each, Reasons)), None)
    if found is None:
        found = Reasons()
        log.handlers, log.propagate = [found], False
    return found


def refused(export: Callable[[Any], Any], what: Any, redact: Callable[[str], str]) -> str | None:
    """Sends something; why it did not arrive, or None."""
    reasons().forget()
    try:
        done = export(what)
    except Exception as error:  # an SDK that raises must not end the thread that sends
        return redact(f"{type(error).__name__}: {error}")[:_SHOWN]
    if done.name == "SUCCESS":
        return None
    return redact(reasons().of(threading.get_ident()))[:_SHOWN] or "the collector does not take them"


@dataclass
class Sender:
    """Sends metrics; `began` is when counting began, in seconds since 1970. Raises EngineError for an outage."""

    exporter: Any
    resource: Any
    began: float
    redact: Callable[[str], str]

    def __call__(self, families: Sequence[Family]) -> None:
        """Sends them all, as they are now."""
        data = points(families, self.resource, int(self.began * 1e9), time.time_ns())
        reason = refused(self.exporter.export, data, self.redact)
        if reason is not None:
            raise EngineError(reason, code="connection-failed")


def sender(settings: Settings, began: float, redact: Callable[[str], str]) -> Sender:
    """What sends the metrics of a project by OTLP. Raises FlowcError where `flowc[otlp]` is not installed."""
    return Sender(exporter(settings.metrics), resource(settings), began, redact)


def points(families: Sequence[Family], resource: Any, began: int, now: int) -> Any:
    """The SDK's form of metrics. Counters and histograms are cumulative since `began`, in nanoseconds since 1970."""
    sdk = driver("opentelemetry.sdk.metrics.export", _EXTRA)
    scope = driver("opentelemetry.sdk.util.instrumentation", _EXTRA).InstrumentationScope(_SCOPE)
    metrics = [
        sdk.Metric(family.name, family.help, _unit(family.name), _data(sdk, family, began, now))
        for family in families
        if family.samples
    ]
    scoped = sdk.ScopeMetrics(scope, metrics, schema_url="")
    return sdk.MetricsData([sdk.ResourceMetrics(resource, [scoped], schema_url="")])


def _unit(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if name.removesuffix("_total").endswith(end)), "")


def _data(sdk: Any, family: Family, began: int, now: int) -> Any:
    if family.kind == "gauge":
        return sdk.Gauge([sdk.NumberDataPoint(dict(labels), None, now, value) for labels, value in family.samples])
    cumulative = sdk.AggregationTemporality.CUMULATIVE
    if family.kind == "counter":
        numbers = [sdk.NumberDataPoint(dict(labels), began, now, value) for labels, value in family.samples]
        return sdk.Sum(numbers, cumulative, is_monotonic=True)
    return sdk.Histogram([_histogram(sdk, dict(labels), v, began, now) for labels, v in family.samples], cumulative)


def _histogram(sdk: Any, labels: dict[str, str], value: Value, began: int, now: int) -> Any:
    assert isinstance(value, Histogram)
    return sdk.HistogramDataPoint(
        labels, began, now, sum(value.counts), value.total, list(value.counts), list(BOUNDS), min=None, max=None
    )
