"""What stands in a project, as it was written: connections, tables and pipelines; streams are in `streamspec`.

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
    stands_for: str | None = None
    """The kind of database that it takes the place of in a test; SQL for it is written in the words of that kind."""

    @property
    def sql_kind(self) -> str:
        """The kind of database that SQL for it is written for."""
        return self.stands_for or self.kind.value


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
    change_timezone: Name | None = None
    normalize: tuple[NormalizeSpec, ...] = ()
    own: str | None = None
    """The type by its name in the database, where flowc has no word for it; `type` is then unknown."""
    padded: bool = False
    """The type is `char(n)`, or an array of it: an engine may fill its values up with blanks."""


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
    quarantine: Span | None = None
    """Where `severity: quarantine` stands."""


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
class RetrySpec:
    """`retry`: how often a run is tried in all, and the waits in seconds."""

    attempts: int | None = None
    backoff: float | None = None
    factor: float | None = None
    max_backoff: float | None = None


@dataclass(frozen=True, slots=True)
class TimingSpec:
    """What a scheduler reads of a pipeline; `timeout` is in seconds."""

    schedule: Name | None = None
    catch_up: Name | None = None
    retry: RetrySpec | None = None
    timeout: float | None = None


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
    timezone: Name | None
    depends_on: tuple[Name, ...] | None
    expect: tuple[ExpectSpec, ...]
    freshness: FreshnessSpec | None
    timing: TimingSpec
    span: Span
    sql_missing: bool = False
    """`sql_file` names a file that could not be read."""
    gaps: Gaps = NO_GAPS
    tags: tuple[Name, ...] = ()
