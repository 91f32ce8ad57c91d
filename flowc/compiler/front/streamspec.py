"""Streams as they were written, and functions and tests; see `spec`. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flowc.compiler.front.spec import NO_GAPS, Gaps, Json, Name, SourceColumn, TargetSpec
from flowc.source import Located, MappedText, Span
from flowc.types import DataType


@dataclass(frozen=True, slots=True)
class StreamSourceSpec:
    """One source of a stream: its own name, or `source`. Of a broken one the connection may be missing."""

    name: Name
    connection: Name | None
    addresses: Mapping[str, Name]
    """What of the connection is read, by the key that says so: topic, queue, path, …"""
    format: Name | None
    read: Mapping[str, Json]
    columns: tuple[SourceColumn, ...] | None
    event_time: Name | None


@dataclass(frozen=True, slots=True)
class LookupSpec:
    """One of a stream's `lookups`: a table, or a query."""

    name: Name
    connection: Name | None
    table: Name | None
    sql: MappedText | None
    refresh: float | None
    """Seconds."""


@dataclass(frozen=True, slots=True)
class DeadLetterSpec:
    """`dead_letter`: a table, or what `addresses` name (topic, queue, path)."""

    connection: Name | None
    table: Name | None
    addresses: Mapping[str, Name]
    max_attempts: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class RepeatsSpec:
    """`dedupe` of a stream: rows with equal keys repeat each other `within` so many seconds of event time."""

    keys: tuple[Name, ...]
    within: float
    span: Span


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """`batch`: how large an epoch may become; `max_wait` in seconds."""

    max_rows: int | None
    max_wait: float | None
    max_bytes: Located[int] | None


@dataclass(frozen=True, slots=True)
class RestartSpec:
    """`restart`: the waits in seconds. `max_restarts` is None for no limit, which is also the default."""

    min_backoff: float | None
    max_backoff: float | None
    max_restarts: int | None


@dataclass(frozen=True, slots=True)
class LateSpec:
    """What a window or a join does with late rows; `allowed` is in seconds."""

    action: Name | None
    allowed: Located[float] | None


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """`window`. Which lengths (in seconds) it has follows from its kind."""

    kind: Name
    lengths: Mapping[str, Located[float]]
    """size, hop, step, gap, max_duration and offset, which may be negative."""
    group_by: tuple[Name, ...]
    aggregate: tuple[tuple[Name, MappedText], ...]
    """Columns of the output, each with the SQL that makes it."""
    late: LateSpec
    max_groups: int | None
    timezone: Name | None
    every: Located[float] | None = None
    """`emit`: how long a step of event time is, in seconds, with which rows come before the end of their window."""


@dataclass(frozen=True, slots=True)
class JoinSpec:
    """`join` of two sources; bounds are in seconds, those of `between` may be negative."""

    kind: Name | None
    left: Name | None
    right: Name | None
    on: tuple[Name, ...]
    within: Located[float] | None
    between: tuple[Located[float], ...]
    between_span: Span | None
    """Where the key `between` stands."""
    late: LateSpec
    prefixes: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class CdcSpec:
    """`cdc`: `fields` are those of a custom envelope (op, before, after, ts), `ops` what its operations are called."""

    envelope: Name | None
    key: tuple[Name, ...]
    delete: Name | None
    soft_delete_column: Name | None
    schema_evolution: Name | None
    truncate: Name | None
    fields: Mapping[str, Name]
    ops: Mapping[str, Name]


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One of `streams`."""

    name: Name
    given: Mapping[str, Span]
    """The keys that it has, and where the value of each stands."""
    sources: tuple[StreamSourceSpec, ...]
    lookups: tuple[LookupSpec, ...]
    sql: MappedText | None
    dialect: Name | None
    to: tuple[TargetSpec, ...]
    mode: Name | None
    keys: tuple[Name, ...]
    start: Name | None
    on_error: Name | None
    delivery: Name | None
    dead_letter: DeadLetterSpec | None
    lateness: float | None
    """`watermark`: how much later rows may come, in seconds."""
    idle: float | None
    """`watermark`: after how many seconds a silent partition holds nothing up."""
    max_ahead: float | None
    """`watermark`: how many seconds ahead of the clock an event time may be."""
    max_drift: float | None
    """`watermark`: how many seconds a partition may be ahead of the slowest."""
    state: Name | None
    """The connection that `state` names."""
    state_bytes: Located[int] | None
    """`max_bytes` of `state`."""
    batch: BatchSpec
    dedupe: RepeatsSpec | None
    group_ttl: Located[float | None] | None
    """After how many seconds without a change groups outside of windows are forgotten; of None within, never."""
    parallelism: int | None
    restart: RestartSpec
    window: WindowSpec | None
    join: JoinSpec | None
    cdc: CdcSpec | None
    settings: Mapping[str, Json]
    """What decides how it reads and computes, as it is written: the history keeps it."""
    span: Span
    gaps: Gaps = NO_GAPS
    tags: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One of `functions`. A type that could not be read is unknown, and reported."""

    name: Name
    python: Name | None
    kind: Name | None
    args: tuple[Located[DataType], ...] | None
    returns: Located[DataType] | None
    state: tuple[Located[DataType], ...] | None
    state_span: Span | None
    """Where the key `state` stands."""
    gaps: Gaps = NO_GAPS

    @property
    def aggregates(self) -> bool:
        """Whether it makes one value of many rows."""
        return self.kind is not None and self.kind.value == "aggregate"


@dataclass(frozen=True, slots=True)
class RowSpec:
    """A row that is written in a test: its values, and where each of them and its key stand."""

    values: Mapping[str, Json]
    keys: Mapping[str, Span]
    spans: Mapping[str, Span]
    span: Span


@dataclass(frozen=True, slots=True)
class RowsSpec:
    """Rows of a test. `name` is what they are given to, or `expect`; `span` is that of the list."""

    name: Name
    rows: tuple[RowSpec, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One of the `steps` of a test. `actions` are the keys that say what happens, of which a sound one has one."""

    actions: tuple[Name, ...]
    value: Name | None
    """What the action says, where that is a text: a duration, a partition, a time, a point."""
    rows: Mapping[str, RowsSpec]
    """By their sources; under an empty name those of the only one."""
    seconds: float
    """How far `advance` moves the clock."""
    emits: RowsSpec | None
    span: Span

    @property
    def action(self) -> Name:
        """What happens in it."""
        return self.actions[0]

    @property
    def text(self) -> str:
        """The action as it is written, without its rows."""
        return f"{self.action.value}: {self.value.value}" if self.value else self.action.value


@dataclass(frozen=True, slots=True)
class TestSpec:
    """One of `tests`."""

    __test__ = False

    name: Name
    pipeline: Name | None
    stream: Name | None
    given: Mapping[str, RowsSpec]
    given_span: Span
    """Where the key `given` stands."""
    steps: tuple[StepSpec, ...]
    steps_span: Span | None
    """Where the key `steps` stands."""
    expect: RowsSpec | None
    expect_error: Name | None
    now: Name | None
    span: Span
    gaps: Gaps = NO_GAPS

    @property
    def subject(self) -> Name:
        """What it tests; its own name where that is missing."""
        return self.pipeline or self.stream or self.name
