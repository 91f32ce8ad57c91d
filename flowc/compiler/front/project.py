"""A whole project as it was written: shapes are right, names are not yet resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowc.compiler.front.alerts import AlertSpec
from flowc.compiler.front.places import Place, place_of
from flowc.compiler.front.spec import ConnectionSpec, Json, Name, PipelineSpec, TableSpec
from flowc.compiler.front.streamspec import FunctionSpec, StreamSpec, TestSpec
from flowc.source import Located, Span


@dataclass(frozen=True, slots=True)
class RunLogSpec:
    """`run_log`: the connection that holds it, and for how many seconds runs are kept. None where nothing is said."""

    connection: Name | None = None
    keep: Located[float] | None = None
    create_tables: bool = True


@dataclass(frozen=True, slots=True)
class ConcurrencySpec:
    """`concurrency`: how many runs go on at a time in all, and of each connection."""

    runs: int | None = None
    connections: tuple[tuple[Name, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SinkSpec:
    """Where metrics or traces go: `none`, `stdout` or `otlp`. None where nothing is said."""

    kind: str = "none"
    endpoint: str | None = None
    protocol: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    every: float | None = None
    sample: float = 0.01
    """The share of epochs that are traced."""
    spans: Mapping[str, Span] = field(default_factory=dict, repr=False, compare=False)
    """Where each option's value stands."""


@dataclass(frozen=True, slots=True)
class TelemetrySpec:
    """`telemetry`: texts may hold references to secrets."""

    metrics: SinkSpec = SinkSpec()
    traces: SinkSpec = SinkSpec()
    resource: Mapping[str, str] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict, repr=False, compare=False)
    """Where each part stands."""

    def sinks(self) -> tuple[tuple[str, SinkSpec], ...]:
        """Those of each signal, by their place in the specs."""
        return ("telemetry.metrics", self.metrics), ("telemetry.traces", self.traces)


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """All files of a project, merged. Environments are already applied to `vars`, `connections` and `alerts`."""

    root: str
    """The project root: relative paths of specs start here."""
    name: str = ""
    """What all that flowc keeps of the project is kept under; empty only for what no files say."""
    vars: Mapping[str, Json] = field(default_factory=dict)
    environment: str | None = None
    connections: Mapping[str, ConnectionSpec] = field(default_factory=dict)
    tables: Mapping[str, TableSpec] = field(default_factory=dict)
    pipelines: Mapping[str, PipelineSpec] = field(default_factory=dict)
    streams: Mapping[str, StreamSpec] = field(default_factory=dict)
    functions: Mapping[str, FunctionSpec] = field(default_factory=dict)
    tests: Mapping[str, TestSpec] = field(default_factory=dict)
    run_log: RunLogSpec = RunLogSpec()
    concurrency: ConcurrencySpec = ConcurrencySpec()
    telemetry: TelemetrySpec = TelemetrySpec()
    alerts: Mapping[str, AlertSpec] = field(default_factory=dict)
    env: tuple[Name, ...] = ()
    """The variables of the environment that SQL may read."""
    kept_from_sql: Mapping[str, str] = field(default_factory=dict)
    """Variables that connections and alerts use, of any environment, each with one of these in words."""
    allow_paths: tuple[str, ...] = ()
    """Files and folders outside of the root that the project may reach, and the roots of other specs named."""
    disabled: tuple[Name, ...] = ()
    """The codes that the project, or a comment in one of its files, wants not to be told."""
    broken: frozenset[tuple[str, ...]] = frozenset()
    """Entries `(section, name)` that were written but could not be read, so that nobody calls them unknown.

    What can be read of them is in the sections all the same, with its `gaps`, so that it is checked; they never run.
    """
    databases: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
    """What connections name whose references were resolved. Without an entry, the text of a connection tells."""
    complete: bool = True
    """False when a whole file could not be read, so that any name may be in it."""

    def database(self, connection: str) -> Place:
        """The database, cluster or folder that a connection names."""
        if (found := self.databases.get(connection)) is not None:
            return found
        spec = self.connections.get(connection)
        kind, options = (spec.kind.value, spec.options) if spec is not None else ("", {})
        return place_of(connection, kind, options, self.root)
