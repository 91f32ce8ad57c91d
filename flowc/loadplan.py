"""Plans as data: what the compiler decides and the runtime does. All SQL in them is finished text.

A load of one target is a list of steps that run in order inside one transaction of the target. Printing, running and
testing a load all read the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flowc.catalog import Column, Table, TableName
from flowc.source import MappedText
from flowc.types import BIGINT, TEXT, DataType

PROJECT = "project"
"""The column of flowc's own tables that says which project a row is of; empty until a project takes up what an older
version left."""


def kept_name(project: str, name: str) -> str:
    """Under which name something of a project is kept where no column tells projects apart."""
    return f"{project}/{name}" if project else name


class Counter(StrEnum):
    """What a load counts and reports, per target."""

    READ = "read"
    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class QueryRead:
    """Rows of a query on a database connection; `written` is where its author wrote it."""

    connection: str
    sql: str
    written: MappedText | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FilesRead:
    """Rows of files matching a path or glob under a `files` connection.

    `format` is csv, jsonl or parquet; `options` are the spec's `read:` keys; `columns`, when given, declare the schema
    instead of inferring it; `inferred` says that they are what all of the files together were found to have. With
    `skips`, rows that cannot be read are set aside, and do not fail the load.
    """

    connection: str
    path: str
    format: str
    options: Mapping[str, object] = field(default_factory=dict)
    columns: tuple[Column, ...] | None = None
    inferred: bool = False
    skips: bool = False


@dataclass(frozen=True, slots=True)
class TableRead:
    """Rows of a table that is no part of a database: files with a log, as Delta keeps them. The engine reads it."""

    connection: str
    table: TableName


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A place in an engine's query that computes with numbers and must not overflow in silence.

    `kind` is add, subtract, multiply, negate or sum; those of one `name` are the same expression. It lies in the
    characters `start` to `end`; `inner` to `outer` holds its operator, or the argument of a sum. Inner ones come first.
    """

    kind: str
    name: str
    start: int
    inner: int
    outer: int
    end: int


LONG_CHAIN = 16
"""Computations in a row, `a + b - c …`, of which more are one call for the engine: each by itself nests one deeper."""


@dataclass(frozen=True, slots=True)
class FunctionPlan:
    """A Python function that the SQL calls by `name`; see `flowc.udf` and `flowc.udaf`."""

    name: str
    python: str
    aggregate: bool
    args: tuple[DataType, ...]
    returns: DataType
    state: tuple[DataType, ...] = ()
    code: str = field(default="", repr=False)
    """A digest of its code, and of that of the modules of the project which it imports; empty for an installed one."""

    @property
    def called(self) -> str:
        """Its name in the SQL for the engine, where no other function has it."""
        return f"flowc_fn_{self.name.lower()}"

    @property
    def keeps(self) -> str:
        """What the state of an aggregate hangs on: of which class it is, what that is given, and its columns."""
        args, state = (", ".join(map(str, each)) for each in (self.args, self.state))
        return f"{self.python}({args}) with the state ({state})"

    @property
    def signature(self) -> str:
        """How it is shown: its name in the SQL, its types, and where it is in Python."""
        return f"{self.called}({', '.join(map(str, self.args))}) → {self.returns} is {self.python}"


@dataclass(frozen=True, slots=True)
class EngineRead:
    """Rows of a DataFusion query over named inputs; `sql` None passes the only input through."""

    inputs: tuple[tuple[str, QueryRead | FilesRead | TableRead], ...]
    sql: str | None
    arithmetic: tuple[Arithmetic, ...] = ()
    functions: tuple[FunctionPlan, ...] = ()


Read = QueryRead | FilesRead | TableRead | EngineRead


@dataclass(frozen=True, slots=True)
class BadRows:
    """What becomes of rows of files that cannot be read: they are set aside, up to a number or a share of all rows.

    Without either, any number may be, but not all that there are. `kept`: a later step puts them where they are kept.
    """

    kept: bool
    max_count: int | None = None
    max_ratio: float | None = None


BAD_ROWS = (
    Column("pipeline", TEXT),
    Column("file", TEXT),
    Column("line", BIGINT),
    Column("error_code", TEXT),
    Column("error", TEXT),
    Column("row_text", TEXT),
)
"""What is kept of a row that cannot be read: the file by its path below the connection's folder, the number of the line
on which the row begins, why, and the row as it stands, where bytes that are no text are hexadecimal. One without a line
says that the file was read. Of a row that fails a check, file and line are NULL, and the row is JSON."""


AFTER = "after"
"""What the statements of the user's are for that run behind all others."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Runs a statement; the rows it touched are added to `counts`, and to `also` where they mean two things.

    Around one of the user's own, which is `written` in the specs, `same` are two statements: the first marks the
    transaction, the second fails where another one is open after it, or none.
    """

    purpose: str
    sql: str
    counts: Counter | None = None
    also: Counter | None = None
    same: tuple[str, str] | None = None
    written: MappedText | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ingest:
    """Streams Arrow batches of `read` into `table`, each value fitted to its column exactly or the load fails.

    `read` yields one column for each of `columns`, in that order (names in the source may differ). `temporary`
    tells a staging table from the target itself. The rows read are counted as READ, and also in `counts`.
    `timezone` names the zone in which naive timestamps are read into zoned columns; None forbids that.
    """

    purpose: str
    read: Read
    table: TableName
    columns: tuple[Column, ...]
    temporary: bool
    counts: Counter | None = None
    timezone: str | None = None
    bad: BadRows | None = None
    """What becomes of rows of its files that cannot be read; None: they fail the load."""
    names: tuple[str, ...] = ()
    """The names that the columns had in the source when the load was planned; empty where they do not matter."""


@dataclass(frozen=True, slots=True)
class StageBadRows:
    """Streams what the reading has set aside into the temporary `table`, whose columns are `BAD_ROWS`.

    `pipeline` is the name under which the rows are kept.
    """

    purpose: str
    table: TableName
    pipeline: str


@dataclass(frozen=True, slots=True)
class KeepBadRows:
    """Writes the rows that were set aside into a folder of files: for each file that was read, one or none.

    Each is whole or not there: `<folder>/<pipeline>/<path of the file>.bad.jsonl`, of objects as `BAD_ROWS` has them.
    """

    purpose: str
    connection: str
    folder: str


FOLLOWING = "partial-row-follows"
"""The code of a check: a partial row comes behind another row of a key that the target holds equal."""


@dataclass(frozen=True, slots=True)
class Check:
    """A query that returns rows only when something is wrong: up to five, as evidence.

    `message` may hold `{count}`, the number of rows returned (five means five or more). The load stops with `code`.
    """

    purpose: str
    sql: str
    code: str
    message: str
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """A quality check: `sql` returns one row (failed, total). Allowed: `max_failures` rows or `max_ratio` of them.

    `written` is its condition in the specs.
    """

    name: str
    sql: str
    error: bool = True
    max_failures: int = 0
    max_ratio: float | None = None
    written: MappedText | None = field(default=None, compare=False, repr=False)
    quarantine: bool = False
    """The rows that fail it are not loaded, and kept beside the target."""

    @property
    def severity(self) -> str:
        """What a failing row does, in the words of specs."""
        return severity(error=self.error, quarantine=self.quarantine)


def severity(*, error: bool, quarantine: bool) -> str:
    """The severity of a check, in the words of specs."""
    return "quarantine" if quarantine else "error" if error else "warn"


@dataclass(frozen=True, slots=True)
class Measure:
    """A query of one number, less the counters `less` as they stand, that sets a counter."""

    purpose: str
    sql: str
    counts: Counter
    less: tuple[Counter, ...] = ()


REFUSED = "flowc_refused"
"""The temporary table in which the row is looked for that broke a constraint."""


@dataclass(frozen=True, slots=True)
class Show:
    """A query of a few rows for people to look at, as a rehearsal comes by.

    It gives the values of `columns`; where `change` is empty, what becomes of each row before them, and behind them the
    values that the target holds.
    """

    purpose: str
    sql: str
    columns: tuple[str, ...]
    change: str = ""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as it will be written (for `delete`: as it is), and as it is in the target where it would be updated."""

    change: str
    values: Mapping[str, object]
    before: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fact of a quality check (`failed`, `total` or `passed`), by the number of the check in its plan."""

    check: int
    fact: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """The number of an application that the commit of an attached table carries; `before` is the one that it had."""

    application: str
    number: int
    before: int


@dataclass(frozen=True, slots=True)
class Record:
    """Records in the load's transaction which run the load is of, and what it counted.

    The text is that of a statement that touches one row, or no row where another load was recorded in between. With a
    `stamp` it is a note that goes with the commit. `values` stand between the `texts`.
    """

    purpose: str
    texts: tuple[str, ...]
    values: tuple[Counter | Verdict, ...]
    stamp: Stamp | None = None

    @property
    def sql(self) -> str:
        """The text with names for the values, for people."""
        names = [each if isinstance(each, Counter) else f"{each.fact} of check {each.check}" for each in self.values]
        return "".join(f"{text}{name}" for text, name in zip(self.texts, (*(f"<{n}>" for n in names), ""), strict=True))


LIVE, LIVE_WATERMARKS = "flowc_live", "flowc_live_watermarks"
"""The relations in which an attached table's rows, and the watermarks its loads left, can be read as they are."""
BEFORE = "flowc_before"
"""Where a load keeps the rows it may change as they were."""


@dataclass(frozen=True, slots=True)
class Attach:
    """Ties the transaction to a table whose place runs no SQL, so that the steps work on a part of it beside it.

    From here on `LIVE` and `LIVE_WATERMARKS` can be read. What the steps make of the table of the same name, which has
    the column `mark` too, becomes its change when the transaction commits, if it is still as it was; so does what they
    write into `state`. `table` is as it is, or as the commit makes it when `exists` is false. Rows that the steps
    change are found again by the values of `identity`, empty where they only add; `replaces`: the old rows all go.
    """

    purpose: str
    table: Table
    exists: bool
    state: TableName
    blind: bool = False
    """The load depends on nothing that the table holds, so others may add to it meanwhile."""
    identity: tuple[str, ...] = ()
    partial: bool = False
    """Of an identity, not all rows may have been brought in, so the commit must look whether they were."""
    replaces: bool = False
    mark: str = "flowc_row"
    """The column, of `BEFORE` too, that holds the number of each row that was there."""


Step = Execute | Ingest | StageBadRows | KeepBadRows | Attach | Check | Expect | Measure | Show | Record


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Everything one load does to one target.

    `prepare` runs before the transaction (only what an engine cannot do inside one), `steps` inside it, `cleanup`
    after it whatever happened. With `lock`, two loads of one target wait for each other: it is the database's lock of
    the table, however that is spelled.
    """

    pipeline: str
    connection: str
    table: TableName
    mode: str
    steps: tuple[Step, ...]
    prepare: tuple[Execute, ...] = ()
    cleanup: tuple[Execute, ...] = ()
    lock: bool = False
    writes: tuple[TableName, ...] = ()
    """The target and those of flowc's own tables that the load writes: each must be one that can undo."""
    guarded: bool = False
    """A statement of the user's may try to end the transaction, which the engine is asked to forbid, if it can."""
    columns: tuple[str, ...] = ()
    """The columns of the target that are loaded."""
    keys: tuple[str, ...] = ()
    rows: str = ""
    """A query of the rows that are written, of those columns; empty where they stream straight into the target."""


@dataclass(slots=True)
class ExpectResult:
    """The verdict of one quality check."""

    name: str
    failed: int
    total: int
    passed: bool
    error: bool
    quarantine: bool = False

    @property
    def severity(self) -> str:
        """What a failing row does, in the words of specs."""
        return severity(error=self.error, quarantine=self.quarantine)


@dataclass(slots=True)
class LoadResult:
    """What one load did to one target; `error` None means it was committed."""

    pipeline: str
    target: str
    mode: str
    counts: dict[Counter, int] = field(default_factory=dict)
    bytes: int = 0
    """Of the rows that went through flowc, in Arrow's form or on the wire; none do within one database."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds, by the purposes of the steps."""
    expects: list[ExpectResult] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None
    notes: tuple[str, ...] = ()
    shown: list[ShownRow] = field(default_factory=list)

    def add(self, counter: Counter | None, rows: int) -> None:
        """Adds to what one counter counts."""
        if counter is not None:
            self.counts[counter] = self.counts.get(counter, 0) + rows
