"""Where metrics and traces go: what the specs say, with references resolved, and what they leave to the environment.

What specs say counts; what they leave out, the variables of OpenTelemetry's SDK decide (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`…_HEADERS`, `…_PROTOCOL`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from flowc.compiler.front.project import ProjectSpec, SinkSpec, TelemetrySpec
from flowc.errors import UsageError
from flowc.masking import secret_places
from flowc.service.access.secrets import Resolver

Signal = Literal["metrics", "traces"]
_EVERY = 60.0
_LEAST = 0.1
"""The shortest time between two looks at all metrics, in seconds."""
_PROVIDER = re.compile(r"OTEL_PYTHON_EXPORTER_OTLP_HTTP_(\w+_)?CREDENTIAL_PROVIDER")
_HTTP = re.compile(r"https?://\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sink:
    """Where one signal goes. `every` is in seconds; None for an endpoint that the SDK is to find."""

    signal: Signal
    kind: str = "none"
    endpoint: str | None = None
    grpc: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    every: float = _EVERY
    sample: float = 0.0
    provides_session: bool = False
    """Whether a variable names what opens connections for the SDK, which is then left to it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All that is known of it before anything is sent. `resource` is what the specs say of it."""

    metrics: Sink = Sink("metrics")
    traces: Sink = Sink("traces")
    resource: Mapping[str, str] = field(default_factory=dict)
    project: str = ""


def settings(project: ProjectSpec, resolver: Resolver, env: Mapping[str, str]) -> Settings:
    """What a project and the environment say of telemetry; secrets in it are masked from now on.

    Raises FlowcError for a reference that cannot be resolved, and for an endpoint that is no address.
    """
    spec = project.telemetry
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        spec = TelemetrySpec(spec.metrics if spec.metrics.kind == "stdout" else SinkSpec())  # that is not the SDK's
    resource = {key: resolver.resolve(value, lambda _text, _place: True) for key, value in spec.resource.items()}
    _remember_headers(resolver, env)
    return Settings(
        _sink("metrics", spec.metrics, resolver, env), _sink("traces", spec.traces, resolver, env),
        resource, project.name,
    )  # fmt: skip


def _sink(signal: Signal, spec: SinkSpec, resolver: Resolver, env: Mapping[str, str]) -> Sink:
    endpoint = resolver.resolve(spec.endpoint) if spec.endpoint is not None else None
    if endpoint is not None and not _HTTP.fullmatch(endpoint):
        message = f"the `endpoint` of `telemetry.{signal}` is no address that begins with `http://` or `https://`"
        raise UsageError(message, code="unusable-option", help="write it as in `http://collector:4318`")
    for address in filter(None, (endpoint, _given(env, signal, "ENDPOINT"))):
        for start, end in secret_places(address):
            resolver.masker.remember_secret(address[start:end])
    headers = {key.lower(): resolver.resolve(value) for key, value in spec.headers.items()}
    for value in headers.values():
        _remember(resolver, value)
    protocol = spec.protocol or _given(env, signal, "PROTOCOL") or "http"
    every = spec.every if spec.every is not None else _interval(env)
    grpc = protocol.startswith("grpc")
    provided = any(_PROVIDER.fullmatch(name) for name in env)
    return Sink(
        signal,
        spec.kind,
        endpoint,
        grpc=grpc,
        headers=headers,
        every=max(every, _LEAST),
        sample=spec.sample,
        provides_session=provided,
    )


def _given(env: Mapping[str, str], signal: Signal, name: str) -> str | None:
    return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}")


def _interval(env: Mapping[str, str]) -> float:
    given = env.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    return int(given) / 1000 if given.isdecimal() else _EVERY


def _remember_headers(resolver: Resolver, env: Mapping[str, str]) -> None:
    """The values of headers in variables are secrets too."""
    for name in ("", "METRICS_", "TRACES_"):
        for pair in env.get(f"OTEL_EXPORTER_OTLP_{name}HEADERS", "").split(","):
            _remember(resolver, unquote(pair.partition("=")[2].strip()))


def _remember(resolver: Resolver, value: str) -> None:
    """Has a header masked: as a whole, and what stands behind a word such as `Bearer`."""
    for secret in {value, value.rpartition(" ")[2]} - {""}:
        resolver.masker.remember_secret(secret)
