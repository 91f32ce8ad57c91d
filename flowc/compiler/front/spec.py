"""A project as it was written: shapes are right, names are not yet resolved.

Every value a diagnostic may point at is `Located`. A key that was left out is None (or empty) here; defaults are
decided in `resolve`, so that what was written and what follows from it stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.source import Located, MappedText, Span
from flowc.types import DataType

Name = Located[str]
Gaps = frozenset[str]
"""The keys of a broken entry that could not be read, or not whole: what is judged by their absence is in doubt."""
NO_GAPS: Gaps = frozenset()
Json = object
"""A plain YAML value: str, int, float, bool, None, list or dict of these."""


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One of `connections`. `options` are its keys but `kind`, plain, `${…}` unresolved."""

    name: Name
    kind: Name
    options: Mapping[str, Json]
    spans: Mapping[str, Span]
    """Where each option's value stands."""
    origin: str = "project"
    """Where it came from: an environment variable, an environment, the project, a connections file."""


@dataclass(frozen=True, slots=True)
class NormalizeSpec:
    """One normaliser of a column: its name and, for some, its argument."""

    name: Name
    argument: Located[Json] | None


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One declared column. `default` is SQL text."""

    name: Name
    type: Located[DataType]
    nullable: bool = True
    primary_key: bool = False
    default: Located[str] | None = None
    description: str | None = None
    renamed_from: Name | None = None
    normalize: tuple[NormalizeSpec, ...] = ()
    own: str | None = None
    """The type by its name in the database, where flowc has no word for it; `type` is then unknown."""


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """One declared index."""

    columns: tuple[Name, ...]
    unique: bool
    name: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One of `tables`."""

    key: Name
    connection: Name
    schema: Name | None
    name: Name | None
    description: str | None
    columns: tuple[ColumnSpec, ...]
    primary_key: tuple[Name, ...]
    natural_key: tuple[Name, ...]
    indexes: tuple[IndexSpec, ...]
    partition_by: tuple[Name, ...]
    span: Span
    gaps: Gaps = NO_GAPS

    @property
    def table_name(self) -> TableName:
        """The table's name in its connection."""
        schema = self.schema.value if self.schema else None
        return TableName(schema, self.name.value if self.name else self.key.value)


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One of the `columns` that a source declares."""

    name: Name
    type: Located[DataType]
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class BadRowsSpec:
    """`on_bad_row` of a pipeline over files, how much it may take, and where it is kept (None: beside the target)."""

    action: Name
    max_count: int | None
    max_ratio: float | None
    limit: Span | None
    """Where the limit stands."""
    kept: Name | None
    """`quarantine`, whose value is that of its one key: `table` or `path`."""
    in_files: bool = False


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One entry of `from` that is a mapping: files, a table, or a query on a connection."""

    connection: Name
    path: Name | None
    format: Name | None
    read: Mapping[str, Json]
    columns: tuple[SourceColumn, ...] | None
    table: Name | None
    sql: MappedText | None
    span: Span
    sql_missing: bool = False
    """`sql_file` names a file that could not be read."""


@dataclass(frozen=True, slots=True)
class FromSpec:
    """Where a pipeline reads: a connection's database, or DataFusion over one or more named sources."""

    connection: Name | None
    sources: tuple[tuple[Name, SourceSpec], ...]
    """One source without a name of its own is called `source`."""
    span: Span


@dataclass(frozen=True, slots=True)
class RollSpec:
    """`roll`: when a file is full. `age` is in seconds; what is None is not said."""

    rows: int | None = None
    bytes: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One entry of `to`. `table` alone names a declared table; with `connection`, a table there."""

    table: Name | None
    span: Span
    connection: Name | None = None
    mode: Name | None = None
    keys: tuple[Name, ...] = ()
    primary_key: tuple[Name, ...] = ()
    partition_by: tuple[Name, ...] = ()
    key: tuple[Name, ...] = ()
    """The columns that make the key of a message."""
    addresses: Mapping[str, Name] = field(default_factory=dict)
    """What of the connection is written, where that is no table, by the key that says so: path, topic, queue, …"""
    format: Name | None = None
    write: Mapping[str, Json] = field(default_factory=dict)
    roll: RollSpec = field(default_factory=RollSpec)
    given: Mapping[str, Span] = field(default_factory=dict)
    """The keys that it has, and where the value of each stands; none where it is a name alone."""


@dataclass(frozen=True, slots=True)
class IncrementalSpec:
    """`incremental`: re-reads from the watermark less `lag` (seconds)."""

    column: Name
    start: Located[Json] | None
    lag: float
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectSpec:
    """One quality check: not_null or unique columns, or a named SQL condition that holds for good rows."""

    kind: str
    columns: tuple[Name, ...]
    sql: MappedText | None
    name: Name | None
    error: bool
    max_failures: int
    max_ratio: float | None
    span: Span


@dataclass(frozen=True, slots=True)
class DedupeSpec:
    """`dedupe` of a load: of several source rows for one key keep the first in this order."""

    order_by: MappedText


@dataclass(frozen=True, slots=True)
class FreshnessSpec:
    """`freshness`: how old the newest row of the targets may be (seconds), by a column of theirs."""

    column: Name
    max_age: float


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """One of `pipelines`. Exactly one of `sql` and `table` is set, or neither with a single source."""

    name: Name
    description: str | None
    from_: FromSpec | None
    sql: MappedText | None
    table: Name | None
    columns: tuple[tuple[Name, Name], ...]
    """Target column, source column: how `table` (or a source) is renamed."""
    dialect: Name | None
    to: tuple[TargetSpec, ...]
    mode: Name | None
    keys: tuple[Name, ...]
    compare: tuple[Name, ...]
    event_time: Name | None
    ttl: Located[float] | None
    """Seconds."""
    deletes: Name | None
    soft_delete_column: Name | None
    allow_empty: bool
    dedupe: DedupeSpec | None
    incremental: IncrementalSpec | None
    bad_rows: BadRowsSpec | None
    before: tuple[MappedText, ...]
    after: tuple[MappedText, ...]
    schedule: Name | None
    timezone: Name | None
    depends_on: tuple[Name, ...] | None
    expect: tuple[ExpectSpec, ...]
    freshness: FreshnessSpec | None
    settings: Mapping[str, Json]
    """retry, catch_up, timeout: what the scheduler reads."""
    span: Span
    sql_missing: bool = False
    """`sql_file` names a file that could not be read."""
    gaps: Gaps = NO_GAPS


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
    """size, hop, gap, max_duration and offset, which may be negative."""
    group_by: tuple[Name, ...]
    aggregate: tuple[tuple[Name, MappedText], ...]
    """Columns of the output, each with the SQL that makes it."""
    late: LateSpec
    max_groups: int | None
    timezone: Name | None


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
    state: Name | None
    """The connection that `state` names."""
    batch: BatchSpec
    dedupe: RepeatsSpec | None
    parallelism: int | None
    restart: RestartSpec
    window: WindowSpec | None
    join: JoinSpec | None
    cdc: CdcSpec | None
    settings: Mapping[str, Json]
    """What decides how it reads and computes, as it is written: the history keeps it."""
    span: Span
    gaps: Gaps = NO_GAPS


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
class TestSpec:
    """One of `tests`."""

    __test__ = False

    name: Name
    pipeline: Name | None
    stream: Name | None
    given: Mapping[str, RowsSpec]
    given_span: Span
    """Where the key `given` stands."""
    expect: RowsSpec | None
    expect_error: Name | None
    now: Name | None
    span: Span
    gaps: Gaps = NO_GAPS

    @property
    def subject(self) -> Name:
        """What it tests; its own name where that is missing."""
        return self.pipeline or self.stream or self.name


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """All files of a project, merged. Environments are already applied to `vars` and `connections`."""

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
    env: tuple[Name, ...] = ()
    """The variables of the environment that SQL may read."""
    kept_from_sql: Mapping[str, str] = field(default_factory=dict)
    """Variables that connections use, of any environment, each with the name of such a connection."""
    allow_paths: tuple[str, ...] = ()
    """Files and folders outside of the root that the project may reach, and the roots of other specs named."""
    disabled: tuple[Name, ...] = ()
    """The codes that the project, or a comment in one of its files, wants not to be told."""
    broken: frozenset[tuple[str, ...]] = frozenset()
    """Entries `(section, name)` that were written but could not be read, so that nobody calls them unknown.

    What can be read of them is in the sections all the same, with its `gaps`, so that it is checked; they never run.
    """
    complete: bool = True
    """False when a whole file could not be read, so that any name may be in it."""
