"""What `plan` shows and `apply` does: changes of tables and pipelines, with the statements that make them.

The compiler makes these values from specs and live catalogs, the service runs them, and the command line prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from flowc.catalog import Column, Table, TableName


class Risk(StrEnum):
    """What a change may do to data and to those who read it, from harmless to harmful."""

    ADDITIVE = "additive"
    """Nothing that exists changes."""
    WIDENING = "widening"
    """Every value that is there stays as it is."""
    DATA_DEPENDENT = "data-dependent"
    """Works or fails by what the table holds: a precheck tells."""
    INCOMPATIBLE = "backward-incompatible"
    """Data stays, but readers written for the table as it was may fail."""
    DESTRUCTIVE = "destructive"
    """Data is lost."""


class CommitKind(StrEnum):
    """What one commit does to a table that is files with a log."""

    CREATE = "create"
    ADD_COLUMN = "add_column"
    DROP_NOT_NULL = "drop_not_null"
    COMMENT_COLUMN = "comment_column"
    COMMENT_TABLE = "comment_table"
    REWRITE = "rewrite"
    DROP = "drop"
    """The table's folder goes."""


@dataclass(frozen=True, slots=True)
class TableCommit:
    """A change of a table that is files with a log, made by one commit of it; its statement says in SQL what it does.

    `table` is the table as it then is, or with the only column that the commit is about. `rows` is a query of its rows
    over the table as it was, under its own name, or of none, where only their types are asked for. A rewrite is of a
    table with the columns `was` and no others; `renamed` are the old and new names of those that go by another one.
    """

    kind: CommitKind
    table: Table
    rows: str = ""
    was: tuple[Column, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()


class Rows(StrEnum):
    """What a statement does to the rows that are there, from little to much."""

    LEFT = "not touched"
    INSIDE = "in place"
    """The engine does it inside the statement, in ways of its own."""
    READ = "read once"
    WRITTEN = "written anew"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a change.

    `transactional` tells whether it may share a transaction with its neighbours, `lock` what others wait for while it
    runs, in the engine's words, and `rows` what it does to those that are there.
    """

    sql: str
    purpose: str
    transactional: bool = True
    lock: str | None = None
    rows: Rows = Rows.LEFT
    repair: bool = False
    """It only clears away what an interrupted apply left."""
    recheck: bool = False
    """Nobody else writes after it, so the change's prechecks are asked once more."""
    bare: Table | None = None
    """Nobody changes the table after it: nothing may hang on it, or on these columns, which are as they are here."""
    undo: tuple[str, str] | None = None
    """What a failed attempt leaves: a query of one number that counts it, and what clears it before the next one."""
    session: tuple[str, str] | None = None
    """What sets the session up for this statement alone, and what resets it."""
    guard: tuple[str, str] | None = None
    """What is run before it, so that nobody else writes and the prechecks can be asked once more, and what after it."""
    commit: TableCommit | None = None
    """What is done instead where no engine runs the SQL."""

    @property
    def rewrites(self) -> bool:
        """Whether it writes the whole table anew."""
        return self.rows is Rows.WRITTEN

    @property
    def scans(self) -> bool:
        """Whether it reads the whole table."""
        return self.rows in (Rows.READ, Rows.WRITTEN)


_SINGULAR = (
    ("{count} rows are there that have", "{count} row is there that has"),
    ("{count} rows have", "{count} row has"),
    ("{count} rows hold", "{count} row holds"),
    ("{count} values of", "{count} value of"),
    (") are there more than once", ") is there more than once"),
)
"""The words of prechecks for one row."""


@dataclass(frozen=True, slots=True)
class Precheck:
    """A query of one number: the rows for which a change would fail. `message` may hold `{count}`.

    `count` is what the query returned, None before it ran, and `error` why it could not run.
    """

    sql: str
    message: str
    help: str
    count: int | None = None
    error: str | None = None
    told: bool = True
    """That it found nothing is worth a word."""

    @property
    def failed(self) -> bool:
        """Whether it ran and found rows, or could not run."""
        return bool(self.count) or self.error is not None

    @property
    def said(self) -> str:
        """The message with the number of rows."""
        message = self.message
        for many, one in _SINGULAR if self.count == 1 else ():
            message = message.replace(many, one)
        return message.replace("{count}", f"{self.count or 0:,}")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what is and what is wanted.

    `object` is the full name (`warehouse.analytics.customers.email`), which `--allow-destructive` takes. `blocked`
    says why no statement can make the change. `rows` is a query of how many rows a destructive change loses, and `lost`
    what it returned. A change that is made by another one's statements has none and names it in `part_of`.
    """

    kind: str
    object: str
    risk: Risk
    summary: str
    before: str | None = None
    after: str | None = None
    statements: tuple[Statement, ...] = ()
    prechecks: tuple[Precheck, ...] = ()
    rows: str | None = None
    lost: int | None = None
    notes: tuple[str, ...] = ()
    blocked: str | None = None
    part_of: str | None = None
    column: str | None = None
    """The column it is about, under the name that it has in the end, or had before it goes."""
    parts: tuple[str, ...] = ()
    """The columns, key and indexes of a table that is created or dropped, in words."""
    place: str | None = None
    """Where the specs declare what it is about, as `file:line:column`: of a column that goes, the table."""

    @property
    def action(self) -> str:
        """The verb: create, add, alter, rename, rebuild, comment, drop. A column that loses its default is altered."""
        verb, _, what = self.kind.partition("_")
        return "alter" if what in ("default", "not_null") else verb

    @property
    def destructive(self) -> bool:
        """Whether it loses data."""
        return self.risk is Risk.DESTRUCTIVE

    @property
    def loss(self) -> str:
        """How much of the data it loses, in words; empty before that was counted."""
        if self.lost is None:
            return ""
        one = self.lost == 1
        if self.kind == "drop_table":
            return f"{self.lost:,} {'row is' if one else 'rows are'} lost" if self.lost else "the table is empty"
        return (
            f"{self.lost:,} {'row holds' if one else 'rows hold'} a value in it"
            if self.lost
            else "no row holds a value in it"
        )


@dataclass(frozen=True, slots=True)
class WantedTable:
    """A table as the specs want it. `renamed` maps a column's new name to the one it had."""

    connection: str
    kind: str
    key: str
    table: Table
    renamed: tuple[tuple[str, str], ...] = ()
    whole: bool = False
    """It is a live table, so that nothing is left open: what it does not say (a counter, an index) is not there."""
    unfinished: tuple[tuple[str, str], ...] = ()
    """The old and new names of columns that versions which did not finish may have renamed."""
    zones: tuple[tuple[str, str], ...] = ()
    """Columns, each with its `change_timezone`: the time zone for a change between local times and instants."""
    loads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The loads into the table, applied and wanted, each with the time zones that it names."""
    earlier_zones: tuple[tuple[str, str], ...] = ()
    """The `change_timezone` that columns had in earlier versions, by the names that they had there."""

    @property
    def label(self) -> str:
        """The table's full name."""
        return f"{self.connection}.{self.table.name}"


@dataclass(frozen=True, slots=True)
class Managed:
    """A table as it was last applied, from the history in its database, and the renames that were applied with it."""

    key: str
    table: Table
    renamed: tuple[tuple[str, str], ...] = ()
    live: Table | None = field(default=None, compare=False)
    """The table as it was found when that apply had ended, with all that no spec says. Older histories have none."""
    zones: tuple[tuple[str, str], ...] = ()
    """The `change_timezone` of its columns, here or in an earlier version: changes back need it."""
    loads: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The loads into the table of all versions so far, each with the time zones that it named: their rows stay."""


@dataclass(frozen=True, slots=True)
class Rename:
    """A column that a version set out to rename."""

    table: TableName
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class TableChanges:
    """All that changes in one table, in the order in which it is done.

    `live` is the table as it was found, None where there is none; `unmanaged` are columns and indexes that neither the
    specs nor the history know, which are told and left alone.
    """

    connection: str
    kind: str
    name: TableName
    key: str
    changes: tuple[Change, ...]
    live: Table | None = None
    wanted: Table | None = None
    unmanaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What else is to be known of the table, beside its changes."""
    stream: str = ""
    """The stream that writes it, where no spec declares it."""

    @property
    def label(self) -> str:
        """The table's full name."""
        return f"{self.connection}.{self.name}"


@dataclass(frozen=True, slots=True)
class AppliedPipeline:
    """What the history keeps of a pipeline's load into one target: what decides how it reads and writes.

    `sql` is the query it reads by and `load` the SQL of the whole load, both for the first load without a watermark.
    """

    name: str
    target: str
    mode: str
    keys: tuple[str, ...]
    sql: str
    load: str
    settings: tuple[tuple[str, str], ...] = ()
    """What else decides: compare, deletes, event_time, ttl, dedupe, incremental, expect … by key."""
    stream: bool = False
    """It is a stream's writing of one table; `load` is then empty."""


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Where a stream goes on in one partition of a source; `lag` counts the messages behind it, None where unknown."""

    source: str
    partition: str
    next: str
    lag: int | None = None

    def __str__(self) -> str:
        lag = "" if self.lag is None else f", {self.lag:,} message{'' if self.lag == 1 else 's'} to read"
        return f"`{self.source}`, partition {self.partition}: from {self.next}{lag}"


@dataclass(frozen=True, slots=True)
class StreamOutput:
    """What a stream writes that is no table, so that `apply` makes nothing for it: a folder of files, or a topic.

    `start` says where a stream without tables begins or goes on; one with tables says so with them.
    """

    stream: str
    target: str
    what: str
    promise: str
    start: str = ""
    positions: tuple[StoredPosition, ...] = ()

    def __str__(self) -> str:
        told = (f"{self.what}, nothing to create", self.start, *map(str, self.positions), self.promise)
        return f"stream {self.stream} into {self.target}: {'; '.join(filter(None, told))}"


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """What becomes of what one node of a stream remembers: `decision` is keep, migrate, replay, reset or refuse.

    `help` says what to do where the stream is refused.
    """

    node: str
    decision: str
    reason: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class StreamState:
    """What becomes of what a stream remembers when it runs next, and where that is kept.

    `unknown` says why that cannot be told. `unfinished` epochs are intended, and not in the last checkpoint; with
    `edited`, another plan of the stream has intended them, which finishes them before this one begins.
    """

    stream: str
    where: str
    verdicts: tuple[StateVerdict, ...] = ()
    unknown: str = ""
    unfinished: int = 0
    edited: bool = False

    @property
    def refused(self) -> bool:
        """Whether the stream will not start."""
        return any(verdict.decision == "refuse" for verdict in self.verdicts)

    @property
    def kept(self) -> bool:
        """Whether all of it stays as it is."""
        return not (self.unknown or self.edited) and all(verdict.decision == "keep" for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class PipelineChange:
    """How one pipeline's load into one target will differ from now on.

    `effects` say in words what that means: where it reads on from, whether history must be loaded again. `breaks`
    are columns that it reads and that a change takes away.
    """

    name: str
    target: str
    action: str
    changed: tuple[tuple[str, str | None, str | None], ...] = ()
    """Setting, before, after."""
    sql: tuple[str, str] | None = None
    """The query before and after, where it changed."""
    load: tuple[str, str] | None = None
    effects: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    stream: bool = False
    restart: bool = False
    """A worker that runs now does not see the change until it is restarted."""
    positions: tuple[StoredPosition, ...] = ()
    """Where a stream goes on; empty before its first epoch."""

    @property
    def what(self) -> str:
        """Whether it is a pipeline or a stream."""
        return "stream" if self.stream else "pipeline"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the history of one database keeps of an applied project: its tables there and the loads into it."""

    tables: tuple[Managed, ...] = ()
    pipelines: tuple[AppliedPipeline, ...] = ()
    begun: tuple[str, ...] = ()
    """Of an apply that has not ended: the objects that it set out to change."""
    renames: tuple[Rename, ...] = ()
    """The renames that unfinished versions may have made. A finished version keeps those of tables not selected."""


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """Everything that one database goes through, and the snapshot it ends with.

    `fingerprint` is of the live tables that the plan was made from; `version` is the last applied one, 0 before any.
    """

    connection: str
    kind: str
    tables: tuple[TableChanges, ...]
    pipelines: tuple[PipelineChange, ...] = ()
    snapshot: Snapshot = field(default_factory=Snapshot)
    version: int = 0
    fingerprint: str = ""
    unfinished: tuple[Rename, ...] = ()
    """The renames that earlier versions, which did not finish, may have made."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all tables, in order."""
        return tuple(change for table in self.tables for change in table.changes)


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """Why a load cannot run whatever `apply` does: its source has other columns than its table."""

    pipeline: str
    target: str
    code: str
    """Of the diagnostic that a run would end with."""
    message: str
    place: str | None = None
    """File, line and column."""
    notes: tuple[str, ...] = ()
    help: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """A whole plan. `outputs` are what streams write that is no table; nothing of them changes.

    `states` are what becomes of what streams remember, which `apply` does not touch: their next run does it.
    """

    databases: tuple[DatabasePlan, ...]
    outputs: tuple[StreamOutput, ...] = ()
    project: str = ""
    """The project that the plan is of."""
    states: tuple[StreamState, ...] = ()
    failures: tuple[LoadFailure, ...] = ()
    """The loads that cannot run also after `apply`."""

    @property
    def told(self) -> tuple[StreamState, ...]:
        """The states that people are told of: where one is not kept, and of streams that change."""
        changed = {load.name for database in self.databases for load in database.pipelines if load.stream}
        return tuple(state for state in self.states if not state.kept or state.stream in changed)

    @property
    def refused(self) -> tuple[StreamState, ...]:
        """The states with which a stream will not start."""
        return tuple(state for state in self.states if state.refused)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all databases, in order."""
        return tuple(change for database in self.databases for change in database.changes)

    @property
    def clean(self) -> bool:
        """Whether nothing changes, and all loads and streams can run."""
        return self.empty and not self.refused and not self.failures

    @property
    def empty(self) -> bool:
        """Whether nothing changes, neither tables nor loads."""
        return not self.changes and not any(database.pipelines for database in self.databases)
