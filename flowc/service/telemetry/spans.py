"""Spans by OpenTelemetry's SDK: what `flowc.runtime.tracing` speaks of, made and sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowc.runtime.extras import driver
from flowc.runtime.tracing import Attributes, Span
from flowc.service.telemetry.otlp import exporter, reasons, refused, resource
from flowc.service.telemetry.push import Outage
from flowc.service.telemetry.settings import Settings

_EXTRA = "otlp"
_GLANCE = 0.05
"""Seconds between two looks whether the last spans are sent."""


@dataclass(frozen=True)
class _Traced:
    """A span of the SDK's `tracer`, or where one stands that another process has begun; both in their `context`."""

    tracer: Any
    context: Any
    span: Any

    @property
    def traceparent(self) -> str:
        found = self.span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}" if found.is_valid else ""

    def child(self, name: str, attributes: Attributes = {}, began: int | None = None) -> Span:  # noqa: B006
        trace = driver("opentelemetry.trace", _EXTRA)
        span = self.tracer.start_span(name, self.context, attributes=dict(attributes), start_time=began)
        return _Traced(self.tracer, trace.set_span_in_context(span, self.context), span)

    def end(self, attributes: Attributes = {}, error: str | None = None, ended: int | None = None) -> None:  # noqa: B006
        self.span.set_attributes(dict(attributes))
        if error is not None:
            trace = driver("opentelemetry.trace", _EXTRA)
            self.span.set_attribute("error.type", error)
            self.span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        self.span.end(ended)


@dataclass(frozen=True)
class Tracing:
    """Spans that are sent. All stand below `root`, which stands for what the process was given, or for nothing."""

    root: Span
    provider: Any
    exporter: _Minded | _Printed

    def close(self) -> None:
        """Sends the last ones, and waits for that for a moment: a collector that is away keeps nobody."""
        sending = threading.Thread(target=self.provider.shutdown, name="flowc-traces", daemon=True)
        sending.start()
        until = time.monotonic() + self.exporter.patience
        while sending.is_alive() and time.monotonic() < until and not self.exporter.trouble:
            sending.join(_GLANCE)
        if sending.is_alive():
            self.exporter.give_up()


def tracing(settings: Settings, out: Callable[[str], None], outage: Outage, redact: Callable[[str], str],
            traceparent: str = "") -> Tracing:  # fmt: skip
    """Begins to trace, below the span that W3C's `traceparent` names; with `stdout`, `out` gets each span as a line.

    Raises FlowcError where `flowc[otlp]` is not installed.
    """
    sdk, export = driver("opentelemetry.sdk.trace", _EXTRA), driver("opentelemetry.sdk.trace.export", _EXTRA)
    provider = sdk.TracerProvider(resource=resource(settings), shutdown_on_exit=False)
    made: _Minded | _Printed
    if settings.traces.kind == "stdout":
        made = _Printed(out, export.SpanExportResult.SUCCESS)
        provider.add_span_processor(export.SimpleSpanProcessor(made))
    else:
        made = _Minded(exporter(settings.traces), export.SpanExportResult, outage, redact)
        provider.add_span_processor(export.BatchSpanProcessor(made))
    return Tracing(_root(provider.get_tracer("flowc"), traceparent), provider, made)


def _root(tracer: Any, traceparent: str) -> Span:
    trace, context = driver("opentelemetry.trace", _EXTRA), driver("opentelemetry.context", _EXTRA)
    propagation = driver("opentelemetry.trace.propagation.tracecontext", _EXTRA)
    found = propagation.TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context.Context())
    return _Traced(tracer, found, trace.get_current_span(found))


@dataclass
class _Minded:
    """An exporter, and whether what it sends arrives."""

    inner: Any
    results: Any
    outage: Outage
    redact: Callable[[str], str]
    _thread: int = 0

    @property
    def patience(self) -> float:
        return self.outage.patience

    @property
    def trouble(self) -> str:
        """What is wrong with what is being sent, and is tried again."""
        return reasons().of(self._thread)

    def give_up(self) -> None:
        self.outage.failed(self.redact(self.trouble) or "the collector takes too long")

    def export(self, spans: Sequence[Any]) -> Any:
        self._thread = threading.get_ident()
        reason = refused(self.inner.export, spans, self.redact)
        if reason is not None:
            self.outage.failed(reason)
            return self.results.FAILURE
        self.outage.arrived()
        return self.results.SUCCESS

    def shutdown(self) -> None:
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@dataclass
class _Printed:
    """Prints each span as a line of JSON."""

    out: Callable[[str], None]
    done: Any
    patience = 1.0
    trouble = ""

    def give_up(self) -> None:
        return

    def export(self, spans: Sequence[Any]) -> Any:
        for span in spans:
            self.out(span.to_json(indent=None))
        return self.done

    def shutdown(self) -> None:
        return

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True
