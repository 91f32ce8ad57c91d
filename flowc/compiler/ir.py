"""The intermediate representation: a DAG of small frozen nodes, from `Source` to `Apply`.

Names in it are resolved and defaults decided. A column list is None where it cannot be known without connecting (a
table that no spec declares).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from flowc.catalog import Column, Table, TableName
from flowc.loadplan import BadRows, FunctionPlan
from flowc.nodes import Late, WindowKind
from flowc.source import MappedText, Span
from flowc.stream import MAX_ATTEMPTS, BatchLimits, RestartPolicy, WatermarkPlan
from flowc.types import DataType

Mode = Literal["append", "truncate", "merge", "scd2"]
Deletes = Literal["ignore", "hard", "soft", "close"]
OnError = Literal["fail", "drop", "dlq"]
Delivery = Literal["exactly_once", "at_least_once"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from: a database (the SQL runs there), a table or query there, or files.

    `name` is the table's name in the `Sql` node above it when that runs on DataFusion.
    """

    id: str
    name: str
    connection: str
    kind: str
    """The connection's kind: postgres, duckdb, sqlite, files, …"""
    table: TableName | None = None
    sql: str | None = None
    path: str | None = None
    format: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    columns: tuple[Column, ...] | None = None
    origins: tuple[tuple[Origin, ...], ...] | None = None
    """Where each of `columns` comes from, in the same order; known where there is `sql`."""
    skips: bool = False
    """Rows of its files that cannot be read are set aside."""
    source: MappedText | None = None
    """Maps `sql` back for diagnostics."""
    found: bool = False
    """`columns` are those that its rows were found to have: no spec declares them."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A column that an output column is computed from; `table` as in `Sql.reads`."""

    table: TableName
    column: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What a query reads in the graph of a stream: its relations, each with the name of a source or the id of a node.

    `traced` is the query with the hidden column of `flowc.nodes.ROW`, None where rows are not each of one message.
    With `timed`, `flowc.nodes.TIME` is a hidden column of what comes out.
    """

    relations: tuple[tuple[str, str], ...]
    traced: str | None
    timed: bool = False
    key: tuple[str, ...] = ()
    """The columns of what comes out by which rows replace each other, and `traced` says how (`flowc.stream.KIND`).

    Empty where all rows are inserts."""
    follows: tuple[str, ...] = ()
    """Columns that rows of one key have in common, so that a target may have them among its keys."""
    alike: tuple[str, ...] = ()
    """Other columns by which the same rows replace each other as by `key`; empty where there are none."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A stateless query over its sources, finished text in the dialect of `engine`.

    `engine` is the kind of the database it runs on, or `datafusion`. `source` maps it back for diagnostics.
    `reads` are the tables it names, as written (schema-qualified where they were).
    """

    id: str
    inputs: tuple[Source, ...]
    engine: str
    text: str
    reads: tuple[TableName, ...]
    columns: tuple[Column, ...] | None
    source: MappedText | None = None
    origins: tuple[tuple[Origin, ...], ...] | None = None
    """Where each of `columns` comes from, in the same order."""
    places: tuple[range, ...] = ()
    """Where in `source` each of `columns` is, in the same order: those of a `*` at it; empty where it is not known."""
    functions: tuple[FunctionPlan, ...] = ()
    """The functions of the project that it calls, each under its `called`."""
    dialect: str = ""
    """The dialect of `source`."""
    nulls: tuple[str, ...] = ()
    """Columns that are NULL in every row, whatever type the engine says they have."""
    stars: tuple[Span, ...] = ()
    """Where each `*` of the output is written."""
    written: str | None = field(default=None, compare=False)
    """In a stream: the author's query, where calls in it are no part of `source`."""
    placed: Placed | None = None
    """In a stream: where in its graph it stands."""


@dataclass(frozen=True, slots=True)
class Normalize:
    """A column's normalised value: SQL over the staged row in the target's dialect, `{value}` already replaced.

    `type` is the value's type where the normalisers tell (`parse_int`), and `unparsed` a condition that holds for
    staged rows which they cannot read.
    """

    column: str
    sql: str
    type: DataType | None = None
    unparsed: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What a load does with bad rows: they are kept in `table`, in `files` (a connection and a folder), or not."""

    rules: BadRows
    table: TableName | None = None
    files: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Incremental:
    """Reads from the stored watermark of `column` less `lag` seconds, at first from `start`."""

    column: str
    start: str | int | float | None
    lag: float
    in_sql: bool
    """The author's SQL holds `{{ watermark }}` or `{{ incremental }}`, so flowc adds no condition of its own."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the user's own around a load; `source` maps it back for diagnostics."""

    sql: str
    source: MappedText


@dataclass(frozen=True, slots=True)
class Expectation:
    """A quality check; `sql` is a condition in the target's dialect that holds for good rows.

    `source` maps it back for diagnostics.
    """

    name: str
    kind: Literal["not_null", "unique", "sql"]
    columns: tuple[str, ...]
    sql: str | None
    error: bool
    max_failures: int
    max_ratio: float | None
    source: MappedText | None = None
    quarantine: bool = False
    """Rows for which it does not hold are not loaded, and kept in `Apply.failed_rows`."""


@dataclass(frozen=True, slots=True)
class Target:
    """The table a load writes. `table` is the full desired table when a spec declares it, else None.

    For a declared scd2 target `table` already holds the columns `valid_from`, `valid_to`, `is_current`, `row_hash`, and
    `valid_from` in its primary key.
    """

    connection: str
    kind: str
    name: TableName
    table: Table | None
    primary_key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    """For a table that no spec declares, where it is made of files."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Writes the rows of `input` into one target. Everything a load of that target does follows from this node."""

    pipeline: str
    input: Sql | Source
    target: Target
    mode: Mode
    keys: tuple[str, ...]
    compare: tuple[str, ...] | None
    """None: every non-key column."""
    event_time: str | None
    ttl: float | None
    deletes: Deletes
    soft_delete_column: str | None
    allow_empty: bool
    dedupe: str | None
    """An ORDER BY list in the target's dialect, over staged rows."""
    incremental: Incremental | None
    normalize: tuple[Normalize, ...]
    derived: tuple[str, ...]
    """Target columns made by a `derive` normaliser, so the source need not have them."""
    before: tuple[Statement, ...]
    after: tuple[Statement, ...]
    expect: tuple[Expectation, ...]
    timezone: str | None
    span: Span
    roles: Mapping[tuple[str, str], Span] = field(default_factory=dict)
    """Where the columns are named that the load itself reads, by role and name; `table key` for a declared table's."""
    project: str = ""
    """The project that the pipeline or stream is of."""
    guarded: bool = False
    """A statement of `before` or `after` may try to end the transaction; nothing in its text tells."""
    quarantine: Quarantine | None = None
    """None: a row that cannot be read fails the load."""
    failed_rows: TableName | None = None
    """The table of rows that fail a check of severity `quarantine`; None where there is no such check."""


CatchUp = Literal["latest", "all", "none"]


@dataclass(frozen=True, slots=True)
class Timing:
    """When a pipeline runs, and how often a due time is tried. Times are in seconds."""

    schedule: str
    timezone: str = "UTC"
    catch_up: CatchUp = "latest"
    attempts: int = 1
    backoff: float = 30.0
    factor: float = 2.0
    max_backoff: float = 600.0
    timeout: float | None = None

    def wait(self, attempt: int) -> float:
        """How long the attempt behind this one waits, which is the first when it is 1."""
        try:
            grown = self.backoff * self.factor ** (attempt - 1)
        except OverflowError:
            return self.max_backoff
        return min(self.max_backoff, grown)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old, in seconds, the newest row of each target may be, by a column of theirs."""

    column: str
    max_age: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline, lowered: one `Apply` per target, and what it waits for. `timing` is there where it is scheduled."""

    name: str
    applies: tuple[Apply, ...]
    depends_on: tuple[str, ...]
    timing: Timing | None
    span: Span
    freshness: Freshness | None = None


@dataclass(frozen=True, slots=True)
class FilesOutput:
    """A folder of files that a stream writes. `rows`, `bytes` and `age` (seconds) say when a file is full."""

    connection: str
    path: str
    format: str
    write: Mapping[str, object]
    partition_by: tuple[str, ...]
    span: Span
    rows: int | None = None
    bytes: int | None = None
    age: float | None = None
    kind: str = "files"
    key: ClassVar[tuple[str, ...]] = ()

    @property
    def address(self) -> str:
        """What it names in its connection."""
        return self.path

    def __str__(self) -> str:
        return f"`{self.path}`, a folder of files,"


@dataclass(frozen=True, slots=True)
class TopicOutput:
    """A topic that a stream writes; `key` are the columns that make the message key."""

    connection: str
    topic: str
    format: str
    key: tuple[str, ...]
    span: Span
    kind: str = "kafka"

    @property
    def address(self) -> str:
        """What it names in its connection."""
        return self.topic

    def __str__(self) -> str:
        return f"topic `{self.topic}`"


@dataclass(frozen=True, slots=True)
class ConnectorOutput:
    """What a stream writes through a connector that needs no record of its own.

    `address` is what it names in its connection; '' where streams cannot write systems of that kind yet. `options` is
    what else the spec says of it, by its keys.
    """

    connection: str
    kind: str
    span: Span
    address: str = ""
    format: str = ""
    key: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"`{self.address or self.kind}`"


Output = FilesOutput | TopicOutput | ConnectorOutput


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table, or the rows of a query, that a stream's SQL joins with; `refresh` is in seconds, None for never.

    `columns` are None where only the live connection tells them. `origins` tell where each of them comes from, in the
    same order, for a query; a `table` is their origin itself.
    """

    name: str
    connection: str
    kind: str
    query: str
    columns: tuple[Column, ...] | None
    refresh: float | None
    span: Span
    reads: tuple[TableName, ...] = ()
    """The tables that the query names."""
    table: TableName | None = None
    origins: tuple[tuple[Origin, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Dedupe:
    """Drops rows of a stream that repeat others: those of the same `keys`, within so many microseconds of event time.

    Of several inputs the rows stay apart, and are told from each other by the names of `flowc.nodes.outputs`.
    `columns` are those of all inputs, in the order of these; None where they are not known.
    """

    id: str
    inputs: tuple[str, ...]
    keys: tuple[str, ...]
    within: int
    columns: tuple[tuple[Column, ...] | None, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate of groups: the column that comes out, and the column of its input, None for `count(*)`.

    `value` is what that column is made of, in one way of writing it. `where` is a boolean column of its input, made of
    `condition`: only rows count where that is true. `level` is that of a percentile. One of the project is `declared`,
    and `more` are the columns of its further arguments, of which `value` tells, too.
    """

    name: str
    function: str
    argument: str | None
    value: str
    distinct: bool = False
    where: str | None = None
    condition: str = ""
    level: float | None = None
    more: tuple[str, ...] = ()
    declared: FunctionPlan | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Groups the rows of its only input by windows of event time and by `keys`; see `flowc.nodes.WindowPlan`.

    `columns` are all that come out, None where they are not known; `text` is the same GROUP BY without windows, with
    constants in the place of their bounds, by which the engine tells types. `before` is what the query before it
    reads, and `values` what the keys are made of there, in one way of writing it.
    """

    id: str
    inputs: tuple[str]
    kind: WindowKind
    size: int
    step: int
    keys: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    columns: tuple[Column, ...] | None
    text: str
    span: Span
    before: str = ""
    values: tuple[str, ...] = ()
    offset: int = 0
    timezone: str | None = None
    late: Late = "drop"
    allowed_lateness: int = 0
    max_groups: int | None = None
    emit: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Groups the rows of its only input by `keys`, all of them so far; see `flowc.nodes.RunningPlan`.

    `columns`, `text`, `before` and `values` are as those of a `Window`.
    """

    id: str
    inputs: tuple[str]
    keys: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    columns: tuple[Column, ...] | None
    text: str
    span: Span
    before: str = ""
    values: tuple[str, ...] = ()
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class IntervalJoin:
    """Joins the rows of two nodes, left and right, whose `keys` are equal and whose event times are near.

    The right row of a pair is from `least` to `most` microseconds later than the left one. `columns` are those that
    come out: an input (0 left, 1 right), its column, and the name that it gets. `given` are the columns of the inputs.
    """

    id: str
    inputs: tuple[str, str]
    kind: Literal["inner", "left", "right", "full"]
    keys: tuple[tuple[str, str], ...]
    least: int
    most: int
    columns: tuple[tuple[int, str, str], ...]
    given: tuple[tuple[Column, ...] | None, tuple[Column, ...] | None]
    written: tuple[tuple[str, str], ...]
    """The keys as they are computed."""
    before: tuple[str, str]
    """What the sides read."""
    span: Span
    late: Late = "drop"
    allowed_lateness: int = 0


Node = Sql | Dedupe | Window | Running | IntervalJoin
"""What the rows of a stream go through between its sources and its targets."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream, lowered: what its sources are, the graph of its nodes, one `Apply` per table it writes.

    `nodes` are in topological order; what the last one gives is written, and `input` says its columns: it is the last
    `Sql`, or the only source. `extras` are the columns beside the messages' own that the SQL asks for. `unplanned`
    names what the stream has that no plan can be made of yet. `outputs` are the targets that are no tables;
    `dead_letter` is where messages go that could not be read or written, None where that is left to flowc.
    """

    name: str
    sources: tuple[Source, ...]
    input: Sql | Source | None
    applies: tuple[Apply, ...]
    extras: tuple[str, ...]
    span: Span
    unplanned: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    dead_letter: Target | Output | None = None
    nodes: tuple[Node, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    functions: tuple[FunctionPlan, ...] = ()
    watermark: WatermarkPlan = field(default_factory=WatermarkPlan)
    on_error: OnError = "fail"
    """What becomes of messages that cannot be read, computed with or written."""
    project: str = ""
    state: tuple[str, str] | None = None
    """The connection that the state is kept in, and its kind; None for a file of the stream's own."""
    state_bytes: int | None = None
    """How many bytes of memory what one operator remembers may take, where the spec says so."""
    start: str = "earliest"
    """Where it begins that has no position: `earliest`, `latest`, or a time."""
    delivery: Delivery = "exactly_once"
    batch: BatchLimits = field(default_factory=BatchLimits)
    parallelism: int = 1
    """How many workers share it."""
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    max_attempts: int = MAX_ATTEMPTS
    """How often a dead letter is replayed before it is parked."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What decides how it reads and computes, as it is written: the history keeps it."""

    @property
    def sets_aside(self) -> bool:
        """Whether there are dead letters: messages that are bad, or rows that come too late."""
        late = (node.late for node in self.nodes if isinstance(node, Window | IntervalJoin))
        return self.on_error == "dlq" or "dlq" in late


@dataclass(frozen=True, slots=True)
class Ir:
    """A whole project, lowered; `pipelines` in dependency order."""

    pipelines: tuple[Pipeline, ...]
    tables: Mapping[str, Table] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()

    def pipeline(self, name: str) -> Pipeline | None:
        """The pipeline of that name."""
        return next((p for p in self.pipelines if p.name == name), None)
