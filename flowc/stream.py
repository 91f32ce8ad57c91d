"""What a stream does, finished: the runtime executes these values and nothing else.

All SQL is finished text but for what an epoch fills in: `{epoch}`, and of its ranges `{partition}`, `{start}`, `{end}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from flowc.catalog import Column, TableName
from flowc.loadplan import FunctionPlan, kept_name
from flowc.nodes import JoinPlan, NodePlan, RunningPlan, SqlPlan, WindowPlan
from flowc.targets import ConnectorTarget as ConnectorTarget
from flowc.targets import FilesTarget as FilesTarget
from flowc.targets import LetterPlace as LetterPlace
from flowc.targets import PositionSql as PositionSql
from flowc.targets import Roll as Roll
from flowc.targets import RowRules as RowRules
from flowc.targets import TableTarget as TableTarget
from flowc.targets import TargetPlan as TargetPlan
from flowc.targets import TopicTarget as TopicTarget
from flowc.types import BIGINT, TEXT, TIMESTAMPTZ, DataType, Kind

VERSION = 1


NOW = "flowc_now"
"""A function in the SQL of streams: of any integer, the time of the epoch."""

EXTRAS: Mapping[str, DataType] = {
    "_event_ts": TIMESTAMPTZ,
    "_key": DataType(Kind.BINARY),
    "_headers": DataType(Kind.ARRAY, element=DataType(Kind.STRUCT, fields=(("key", TEXT), ("value", TEXT)))),
    "_partition": BIGINT,
    "_offset": BIGINT,
    "_topic": TEXT,
}
"""The columns that every source has beside the message's own."""


def extra_types(*, numbered: bool) -> Mapping[str, DataType]:
    """The types of `EXTRAS`; of a source that is not `numbered`, partitions and positions are text."""
    return EXTRAS if numbered else {**EXTRAS, "_partition": TEXT, "_offset": TEXT}


DEAD_LETTER: tuple[Column, ...] = (
    Column("stream", TEXT, nullable=False),
    Column("source", TEXT, nullable=False),
    Column("topic", TEXT, nullable=False),
    Column("partition_name", TEXT, nullable=False),
    Column("message_position", TEXT, nullable=False),
    Column("event_time", TIMESTAMPTZ),
    Column("message_key", DataType(Kind.BINARY)),
    Column("headers", TEXT),
    Column("message", DataType(Kind.BINARY)),
    Column("error_code", TEXT, nullable=False),
    Column("error", TEXT, nullable=False),
    Column("attempt", DataType(Kind.INT32), nullable=False),
    Column("failed_at", TIMESTAMPTZ, nullable=False),
)
"""What is kept of a message that could not be read or written: where it stood, its very bytes, and the reason.

`headers` is JSON text, a list of objects of `key` and `value` (hexadecimal); `topic` is the path for files."""


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One source: where its messages are, how they are decoded, and the name of its rows in the SQL.

    `extras` are the columns beside the message's own that the SQL asks for: `_event_ts`, `_key`, `_headers`,
    `_partition`, `_offset`, `_topic`. `columns` None means that they are found in the first batch. `read` holds the
    read options of files.
    """

    name: str
    connection: str
    kind: str
    address: str
    format: str
    columns: tuple[Column, ...] | None = None
    extras: tuple[str, ...] = ()
    event_time: str | None = None
    read: Mapping[str, object] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    """Columns as `extras` that operators ask for, and the SQL does not."""
    inferred: bool = False
    """Whether the columns were found, not declared."""
    holds: str = "messages"
    """What the system holds: messages, files, or rows."""
    replayable: bool = True
    """Whether it can be read again from any position; else it forgets what is acknowledged."""
    numbered: bool = True
    """Whether partitions and positions are whole numbers; else text that the source alone can order."""


@dataclass(frozen=True, slots=True)
class LettersSql:
    """How the dead letters of one stream are looked at and taken out of their table.

    What is filled in are whole numbers, and finished literals: `{source}`, as in `sources`, `{partition}`,
    `{position}`, `{start}` and `{end}`, and `{positions}`, a list of them.
    Letters are of the columns of `DEAD_LETTER`.
    """

    table: TableName
    counts: str
    """For each code: error_code, letters, oldest, newest, parked. Parked are those of more than `{attempts}`."""
    shown: str
    """The first `{limit}` letters, by time."""
    following: str
    """Up to `{limit}` letters of a source behind a place, of at most `{attempts}`, in the order of their places."""
    at: str
    """All letters of some messages of a partition."""
    delete: str
    """Removes them."""
    overtaken: str
    """Removes the letters of the messages from `{start}` up to, and without, `{end}`: of positions that are numbers."""
    overtaking: str
    """How many letters `overtaken` would remove."""
    positions: str
    """The positions of all letters of a partition."""
    unjudged: str
    """Replaces the text `{note}` by `{by}` in the headers of all letters."""
    purge: str
    purged: str
    """How many letters `purge` would remove."""
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class WatermarkPlan:
    """How far behind the highest event time rows may come, and when a silent partition is set aside (microseconds).

    A row whose event time is more than `max_ahead` ahead of the time of its epoch is bad. A partition that is more than
    `max_drift` ahead of the slowest one is not read meanwhile.
    """

    lateness: int = 0
    idle: int | None = None
    max_ahead: int | None = None
    max_drift: int | None = None


@dataclass(frozen=True, slots=True)
class StateSql:
    """How a database keeps what a stream must remember outside its targets.

    `templates` are told by the name of what they do; see `flowc.runtime.streams.state.store`.
    """

    ensure: tuple[str, ...]
    templates: Mapping[str, str]
    segments: TableName
    tables: tuple[TableName, ...]
    """All of them, `segments` too."""
    points: TableName
    """The table of checkpoints."""
    columns: tuple[str, ...]
    """The names of its columns."""
    project: str = ""
    payloads: TableName | None = None
    """The table of what epochs took from outside and cannot be read again."""
    strangers: str = ""
    """A query of other projects that have a stream of that name, where they must be this one under another name."""


@dataclass(frozen=True, slots=True)
class StatePlan:
    """Where a stream keeps intents, checkpoints and facts. Without `connection`: in a file of its own under `.flowc/`.

    With `shared` the only target is in the same database: state is written in the target's own transaction, with every
    epoch, and no intents are needed.
    """

    connection: str | None
    kind: str
    sql: StateSql
    shared: bool = False
    every: float = 10.0
    """Seconds between two checkpoints that are no part of a target's transaction."""
    stream: str = ""
    """The stream in whose file it is, without `connection`."""


@dataclass(frozen=True, slots=True)
class LookupPlan:
    """A table that is read whole and joined with: the finished query, and seconds between two readings."""

    name: str
    connection: str
    query: str
    columns: tuple[Column, ...]
    refresh: float | None = None


MAX_ATTEMPTS = 5
"""How often a dead letter is replayed, where its stream does not say."""
MAX_BYTES = 32 << 20
"""How many bytes of messages are taken together where nothing else is said."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large an epoch may become: rows, seconds that a row may wait for others, and bytes of messages as they came.

    The wait is short unless a spec says otherwise: while an epoch is written, the rows of the next ones gather anyway.
    Without `fills`, it ends with the first pause. One message that is larger than `max_bytes` is an epoch of its own.
    """

    max_rows: int = 20_000
    max_wait: float = 0.02
    max_bytes: int = MAX_BYTES
    fills: bool = False


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The first and the longest wait in seconds, and after how many attempts in a row it stays down (None: never)."""

    min_backoff: float = 1.0
    max_backoff: float = 30.0
    max_restarts: int | None = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """A whole stream.

    Rows are decoded and go through `nodes`, which are in topological order; what the last one gives is written, or
    the rows of the only source where there are none. The inputs of a node are names of sources and of nodes; those of
    a `DedupePlan` with several inputs are its `outputs`.
    """

    name: str
    sources: tuple[SourcePlan, ...]
    nodes: tuple[NodePlan, ...]
    targets: tuple[TargetPlan, ...]
    start: str = "earliest"
    on_error: str = "fail"
    batch: BatchLimits = field(default_factory=BatchLimits)
    watermark: WatermarkPlan = field(default_factory=WatermarkPlan)
    lookups: tuple[LookupPlan, ...] = ()
    state: StatePlan | None = None
    facts: StatePlan | None = None
    """Where facts are kept, such as the files that were found, when the stream has no other state."""
    letters: TargetPlan | None = None
    """Where dead letters go, when that is no table beside the target."""
    delivery: str = "exactly_once"
    parallelism: int = 1
    project: str = ""
    former: str = ""
    """The name under which it was stored before its project was renamed."""
    version: int = VERSION
    passing: bool = False
    """Its messages have passed the nodes that keep state, which let all of them through."""

    @property
    def written(self) -> tuple[TargetPlan, ...]:
        """All that it writes, the place of dead letters last where that is a target of its own."""
        return self.targets if self.letters is None else (*self.targets, self.letters)

    @property
    def letter_place(self) -> LetterPlace | None:
        """Where it keeps its dead letters, None where it drops or refuses bad rows."""
        return next((target.letter_place for target in self.written if target.letter_place is not None), None)

    @property
    def stateful(self) -> tuple[NodePlan, ...]:
        """The nodes that keep state."""
        return () if self.passing else tuple(node for node in self.nodes if not isinstance(node, SqlPlan))

    @property
    def sets_aside(self) -> bool:
        """Whether there are dead letters: messages that are bad, or rows that come too late."""
        late = any(isinstance(node, WindowPlan | JoinPlan) and node.late == "dlq" for node in self.nodes)
        return late or self.on_error == "dlq"

    @property
    def functions(self) -> tuple[FunctionPlan, ...]:
        """The functions of the project that its SQL calls, each once."""
        called = (node.functions for node in self.nodes if isinstance(node, SqlPlan | WindowPlan | RunningPlan))
        return tuple(dict.fromkeys(chain.from_iterable(called)))

    @property
    def kept(self) -> str:
        """Under which name it is kept where no column tells projects apart: names of files, groups, applications."""
        return kept_name(self.project, self.name)
