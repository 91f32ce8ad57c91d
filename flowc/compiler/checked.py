"""A project whose names are resolved and whose defaults are decided. SQL is still text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.compiler.front.project import ProjectSpec
from flowc.compiler.front.spec import ConnectionSpec, Name, PipelineSpec, SourceSpec, TableSpec, TargetSpec
from flowc.compiler.front.streamspec import DeadLetterSpec, LookupSpec, StreamSourceSpec, StreamSpec
from flowc.compiler.ir import Deletes, Delivery, Mode, OnError
from flowc.source import Span
from flowc.stream import BatchLimits, RestartPolicy


@dataclass(frozen=True, slots=True)
class CheckedTarget:
    """One target of a pipeline. `table` is its declaration, if any; `keys` are decided (empty where none is needed)."""

    spec: TargetSpec
    connection: ConnectionSpec
    table: TableSpec | None
    name: TableName
    mode: Mode
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """One named input of a pipeline that runs on DataFusion."""

    name: str
    spec: SourceSpec
    connection: ConnectionSpec


@dataclass(frozen=True, slots=True)
class CheckedPipeline:
    """One pipeline.

    Either `database` is set and the SQL (or the whole `table`) runs there, or `sources` are and it runs on DataFusion.
    `engine` is the kind of the database, or `datafusion`; `dialect` the sqlglot dialect the author wrote in.
    """

    spec: PipelineSpec
    database: ConnectionSpec | None
    sources: tuple[CheckedSource, ...]
    engine: str
    dialect: str
    targets: tuple[CheckedTarget, ...]
    deletes: Deletes


@dataclass(frozen=True, slots=True)
class CheckedStreamSource:
    """One source of a stream: what is read of its connection (None where nothing says it), and how."""

    spec: StreamSourceSpec
    connection: ConnectionSpec
    address: str | None
    format: str


@dataclass(frozen=True, slots=True)
class CheckedStreamTarget:
    """One target of a stream. `name` is that of a table, None for what is none; `table` its declaration, if any."""

    spec: TargetSpec
    connection: ConnectionSpec
    table: TableSpec | None
    name: TableName | None
    mode: Mode
    named: tuple[Name, ...]
    """The keys as they are written."""
    keys: tuple[str, ...]
    """The same, else those of the table."""

    @property
    def span(self) -> Span:
        """Where it is named."""
        named = self.spec.table or next(iter(self.spec.addresses.values()), None)
        return named.span if named is not None else self.spec.span


@dataclass(frozen=True, slots=True)
class CheckedLookup:
    """One lookup of a stream."""

    spec: LookupSpec
    connection: ConnectionSpec


@dataclass(frozen=True, slots=True)
class CheckedLetters:
    """Where a stream says that bad rows go: a `table`, or what else its spec names."""

    spec: DeadLetterSpec
    connection: ConnectionSpec
    table: TableName | None


@dataclass(frozen=True, slots=True)
class CheckedStream:
    """One stream. What could not be resolved is left out, and was reported; `dialect` is then None."""

    spec: StreamSpec
    sources: tuple[CheckedStreamSource, ...]
    targets: tuple[CheckedStreamTarget, ...]
    lookups: tuple[CheckedLookup, ...]
    dialect: str | None
    state: ConnectionSpec | None
    letters: CheckedLetters | None
    max_attempts: int
    start: str
    on_error: OnError
    delivery: Delivery
    batch: BatchLimits
    parallelism: int
    restart: RestartPolicy

    @property
    def sets_aside(self) -> bool:
        """Whether there are dead letters: messages that are bad, or rows that come too late."""
        blocks = (block for block in (self.spec.window, self.spec.join) if block is not None)
        late = (block.late.action for block in blocks)
        return self.on_error == "dlq" or any(action is not None and action.value == "dlq" for action in late)


@dataclass(frozen=True, slots=True)
class CheckedSpec:
    """The project. Pipelines that could not be resolved are left out, so that others are still checked."""

    project: ProjectSpec
    pipelines: Mapping[str, CheckedPipeline] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    """Pipelines in which errors were found, whether they could be resolved or not: they must not run."""
    streams: Mapping[str, CheckedStream] = field(default_factory=dict)
    """All of them, whether errors were found in them or not."""
