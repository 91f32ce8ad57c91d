"""What a stream writes: a record for each sort of target, which says what the target can do.

All else asks these records. Nothing outside of this module and the rooms of systems asks which record it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowc.catalog import Column, TableName
from flowc.formats import FORMATS
from flowc.loadplan import Ingest, LoadPlan
from flowc.nodes import Changelog
from flowc.types import Kind

LETTERS = "the dead letters of the epoch"
"""What a load of dead letters reads, as a phrase."""


@dataclass(frozen=True, slots=True)
class PositionSql:
    """How a target keeps the positions of a stream, beside its rows.

    `read` gives rows of (project, target, source, partition, next, epoch, log_id), also of the stream's other targets
    there, and of streams of that name in other projects.
    The epoch is negative where the table was dropped behind it: `advance` moves no such position.
    `hold` keeps workers from moving any of this target's until the transaction ends, and makes all of them those of
    the table that is there. `begin` records partitions that
    were never read, and `advance` moves others on, all of an epoch in one statement: it touches a row for each whose
    position is still `{start}`, and none for those that another worker has moved. They hold `{target}`, the table's
    name there, as a finished literal. What stands in them for each partition is made of `begun` (in place of `{rows}`),
    `ends`, `logs` and `moved`: these hold `{source}`, as in `sources`, `{partition}`, `{start}` and `{end}`, which are
    finished literals too, and `{log}` of letters, digits, `-` and `_`.

    `later` is what else `advance` asks of a position where one worker counts the epochs: to be of an earlier one. For
    an epoch of time alone moves none, and a rewind may bring back a position that a worker left. Where it is '',
    several workers may count their epochs each for itself.

    Where the engine tells a table from another one of its name, rows of `read` have `table_id`, the table that the
    position is of, and `this_id`, the table that is there. Neither `advance` nor `begin` touches a row where these
    differ. `locked` is what `advance` says too before rows are written: nobody drops the table then until the end of
    the transaction.
    """

    table: TableName
    ensure: tuple[str, ...]
    read: str
    hold: str
    begin: str
    advance: str
    begun: str
    ends: str
    logs: str
    moved: str
    sources: tuple[tuple[str, str], ...] = ()
    target: str = ""
    """The table as its spec spells it, as a literal: what `{target}` is where no other name of it is stored."""
    project: str = ""
    columns: tuple[str, ...] = ()
    """The names of the columns of the table."""
    later: str = ""
    locked: str = ""
    any_row: str = ""
    """A query of one row of the table, whichever it is."""

    def beginning(self, places: Sequence[Mapping[str, object]], *, rows: bool, **filled: object) -> str:
        """The statement that records partitions; of each, what the templates hold. `rows` follow, or none."""
        begun = " UNION ALL ".join(self.begun.format(**place, **filled) for place in places)
        return (self.begin + (self.locked if rows else "")).format(rows=begun, **filled)

    def advancing(self, places: Sequence[Mapping[str, object]], *, rows: bool, **filled: object) -> str:
        """The statement that moves partitions on; of each, what the templates hold. `rows` follow, or none."""
        ends, logs = (" ".join(part.format(**place) for place in places) for part in (self.ends, self.logs))
        moved = " OR ".join(self.moved.format(**place) for place in places)
        return (self.advance + self.later + (self.locked if rows else "")).format(
            ends=ends, logs=logs, moved=moved, **filled
        )


@dataclass(frozen=True, slots=True)
class LetterPlace:
    """Where a stream keeps its dead letters: a table, or a topic. `kind` is that of the connection."""

    connection: str
    kind: str
    table: TableName | None = None
    topic: str | None = None

    def __str__(self) -> str:
        return f"{self.connection}.{self.table}" if self.table is not None else f"{self.connection}:{self.topic}"


@dataclass(frozen=True, slots=True)
class RowRules:
    """Which rows a target takes. A row that breaks a rule is rejected before anything is written."""

    columns: tuple[Column, ...] = ()
    """The columns that values must fit, in the order of the rows; none where every value is spelled as text."""
    engine: str = ""
    """The kind of database whose limits hold for `columns`."""
    timezone: str | None = None
    """The zone in which `columns` read times that have none."""
    json: tuple[str, ...] = ()
    """The columns that are written as JSON, which has no NaN and no infinity."""
    folders: tuple[str, ...] = ()
    """The columns whose values name folders."""
    keys: tuple[str, ...] | None = None
    """Of rows that are changes, the key. Of a row that removes another one, no other column is written."""
    message_key: bool = False
    """`keys` are the key of a message: a key of one column cannot be NULL."""


class TargetPlan:
    """One place that a stream writes, and what it can do. A record overrides what differs from these defaults.

    A target without an override appends rows, keeps no positions, and shuts out a worker that was overtaken.
    """

    __slots__ = ()
    connection: str
    kind: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The name that people call it by."""
        raise AttributeError(f"{type(self).__name__} has no name")

    @property
    def keeps_positions(self) -> bool:
        """Whether it can be a stream's only memory."""
        return False

    @property
    def position_sql(self) -> PositionSql | None:
        """How its database keeps positions in the transaction of the rows; None for what is no such table."""
        return None

    @property
    def merges(self) -> bool:
        """Whether a row that is written twice is there once."""
        return False

    @property
    def fences(self) -> bool:
        """Whether a worker that was overtaken is shut out."""
        return True

    @property
    def forgets_epochs(self) -> bool:
        """Whether the system forgets after a while which epochs it holds."""
        return False

    @property
    def slow_to_look(self) -> bool:
        """Whether a look may take long, for a broker that does not answer; plans of changes then do without it."""
        return False

    @property
    def letter_place(self) -> LetterPlace | None:
        """Where it writes dead letters, None where it writes none."""
        return None

    @property
    def rules(self) -> RowRules:
        """Which rows it takes."""
        return RowRules()

    @property
    def identity(self) -> object:
        """What is written where, and how. Plans with equal identities write the same rows."""
        return self

    @property
    def loads(self) -> Mapping[str, LoadPlan]:
        """The loads that write it, by the names of their fields: `load` for rows, `dead` for dead letters."""
        return {}

    @property
    def setup(self) -> Mapping[str, tuple[str, ...]]:
        """The statements that run once, by their purpose."""
        return {}

    @property
    def content(self) -> str:
        """What is written, as a phrase: `json messages`."""
        return "rows"

    @property
    def rows_are(self) -> str:
        """What its loads read, as a phrase."""
        return "the rows of the epoch"

    @property
    def details(self) -> str:
        """What follows its name where a plan is shown: `, key id`."""
        return ""

    @property
    def commit(self) -> str:
        """What one transaction holds, as a phrase; '' where nothing is to be said."""
        return ""

    def with_delivery(self, delivery: str) -> TargetPlan:
        """The target with that `delivery`."""
        return self

    def with_positions(self, sources: Mapping[str, tuple[str, str]]) -> TargetPlan:
        """The target as the only one of a stream, which keeps positions if it can.

        `sources` are the connection and the address of each source, by its name.
        """
        return self

    def without_positions(self) -> TargetPlan:
        """The target as one of a stream whose store keeps the positions; tables go on keeping theirs."""
        return self

    def with_letters(self, letters: TargetPlan) -> TargetPlan | None:
        """The target that writes `letters` in its own transactions, None where it cannot."""
        return None

    def with_epoch_order(self, condition: str) -> TargetPlan:
        """The target whose positions move only where a SQL condition on their epoch holds, if it keeps them by SQL."""
        return self


@dataclass(frozen=True, slots=True)
class TableTarget(TargetPlan):
    """One table that the stream writes. An epoch's rows are written by the steps of `load`, whose read they stand for.

    `columns` are those of the rows, in order; `create` makes the table where it is missing. With `keys`, the last row
    of each key is the one that counts. `dead` is the load of a table of dead letters in the same connection, written
    in the same transaction, and `create_dead` makes it.
    """

    connection: str
    kind: str
    table: TableName
    columns: tuple[Column, ...]
    load: LoadPlan
    positions: PositionSql | None
    """None where the target keeps the number of its last epoch alone."""
    create: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    dead: LoadPlan | None = None
    create_dead: tuple[str, ...] = ()
    first: LoadPlan | None = None
    """The load that makes the table with its first commit, where no statement does (Delta)."""
    letters: bool = False
    """The rows are dead letters, of the columns of `DEAD_LETTER`."""
    lock: bool = False
    """Two streams wait for each other at the table, where the engine would have one of them fail."""
    types: str = ""
    """A query of the types of the table's columns; '' where nobody alters them while a worker runs."""
    savepoints: bool = False
    """The database can take back a part of a transaction."""
    folders: tuple[str, ...] = ()
    """The columns by which the table's files lie in folders."""
    changes: Changelog = Changelog.INSERT_ONLY
    """What the rows are. Changes come to the load as the last one of each key, with the column `KIND`,
    and with `ABSENT` where they may be partial."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.connection}.{self.table}"

    @property
    def keeps_positions(self) -> bool:
        """Where SQL keeps them."""
        return self.positions is not None

    @property
    def position_sql(self) -> PositionSql | None:
        """None where the target keeps the number of its last epoch alone."""
        return self.positions

    @property
    def merges(self) -> bool:
        """By its keys, unless rows are appended."""
        return self.load.mode != "append"

    @property
    def letter_place(self) -> LetterPlace | None:
        """The table beside it, or itself."""
        table = self.dead.table if self.dead is not None else self.table if self.letters else None
        return LetterPlace(self.connection, self.kind, table=table) if table is not None else None

    @property
    def rules(self) -> RowRules:
        """The types of the columns that the load stages. Keys are never NULL."""
        step = next((step for step in self.load.steps if isinstance(step, Ingest)), None)
        staged = (step.columns if step is not None else self.columns)[: len(self.columns)]
        lenient = self.changes is Changelog.PARTIAL  # the table may hold the value that a row does not bring
        return RowRules(
            tuple(replace(c, nullable=(c.nullable or lenient) and c.name not in self.keys) for c in staged),
            self.kind, step.timezone if step is not None else None, folders=self.folders,
            keys=None if self.changes is Changelog.INSERT_ONLY else self.keys,
        )  # fmt: skip

    @property
    def identity(self) -> object:
        """How tables are made and positions are kept follows from the tables as they are."""
        dead = self.dead.table if self.dead is not None else None
        return [self.connection, self.table, self.columns, self.keys, self.load.mode, dead, self.changes]

    @property
    def loads(self) -> Mapping[str, LoadPlan]:
        """Those of the rows, of the first commit, and of dead letters."""
        loads = {"load": self.load, "first": self.first, "dead": self.dead}
        return {name: load for name, load in loads.items() if load is not None}

    @property
    def setup(self) -> Mapping[str, tuple[str, ...]]:
        """The statements that make its tables."""
        return {
            "keep positions": self.positions.ensure if self.positions is not None else (),
            "make the table, where it is missing": self.create,
            "make the table of dead letters, where it is missing": self.create_dead,
        }

    @property
    def content(self) -> str:
        """The mode of the load."""
        return "dead letters" if self.letters else self.load.mode

    @property
    def rows_are(self) -> str:
        """What the load reads."""
        if self.letters:
            return LETTERS
        only = self.changes is Changelog.INSERT_ONLY
        return "the rows of the epoch" if only else f"the last change of each key of the epoch ({self.changes})"

    @property
    def details(self) -> str:
        """When it commits."""
        return ", one commit for each epoch"

    def with_letters(self, letters: TargetPlan) -> TargetPlan | None:
        """With those of a table in the same connection."""
        if self.positions is None or not isinstance(letters, TableTarget) or letters.connection != self.connection:
            return None
        return replace(self, dead=letters.load, create_dead=letters.create)

    def with_epoch_order(self, condition: str) -> TargetPlan:
        """Where SQL keeps its positions."""
        return self if self.positions is None else replace(self, positions=replace(self.positions, later=condition))


@dataclass(frozen=True, slots=True)
class Roll:
    """When a file is full: rows, bytes, seconds since its first row. None means no limit of that sort."""

    rows: int | None = None
    bytes: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True)
class FilesTarget(TargetPlan):
    """A folder of files that the stream writes. `write` holds the write options as the spec gives them."""

    connection: str
    address: str
    format: str
    columns: tuple[Column, ...]
    write: Mapping[str, object] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    roll: Roll = field(default_factory=Roll)
    kind: str = "files"

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.connection}:{self.address}"

    @property
    def rules(self) -> RowRules:
        """What the format writes as JSON, and what names folders."""
        names = tuple(column.name for column in self.columns)
        lists = tuple(column.name for column in self.columns if column.type.kind is Kind.ARRAY)
        inside = {"all": names, "lists": lists}.get(FORMATS[self.format].json, ())
        json = tuple(name for name in inside if name not in self.partition_by)
        return RowRules(json=json, folders=self.partition_by)

    @property
    def content(self) -> str:
        """The format of the files."""
        return f"{self.format} files"

    @property
    def details(self) -> str:
        """The columns that name folders."""
        return f", partitioned by {', '.join(self.partition_by)}" if self.partition_by else ""


@dataclass(frozen=True, slots=True)
class TopicTarget(TargetPlan):
    """A topic that the stream writes. `key` are the columns whose values are the message key.

    With `letters` the topic takes dead letters: the original bytes, with where they stood and the reason as headers.
    `dead_topic` is one in the same cluster that takes them in the same transaction. With `positions` the positions of
    the sources, by name and topic, are committed in that transaction too: the target is then the stream's memory.
    """

    connection: str
    topic: str
    format: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    kind: str = "kafka"
    letters: bool = False
    dead_topic: str | None = None
    positions: tuple[tuple[str, str], ...] = ()
    transactions: bool = True
    """False for `delivery: at_least_once`."""
    changes: Changelog = Changelog.INSERT_ONLY
    """What the rows are. Of changes, the last one of each key in an epoch is a message: with a value, or without."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.connection}:{self.topic}"

    @property
    def keeps_positions(self) -> bool:
        """Where its cluster holds the topics of all sources."""
        return bool(self.positions)

    @property
    def fences(self) -> bool:
        """By the transactions of its producer."""
        return self.transactions

    @property
    def forgets_epochs(self) -> bool:
        """A broker forgets the offsets that stand for epochs."""
        return self.transactions

    @property
    def slow_to_look(self) -> bool:
        """A broker that is not there is waited for."""
        return True

    @property
    def letter_place(self) -> LetterPlace | None:
        """The topic beside it, or itself."""
        topic = self.dead_topic or (self.topic if self.letters else None)
        return LetterPlace(self.connection, self.kind, topic=topic) if topic is not None else None

    @property
    def rules(self) -> RowRules:
        """All columns are JSON."""
        keys = None if self.changes is Changelog.INSERT_ONLY else self.key
        return RowRules(json=tuple(column.name for column in self.columns), keys=keys, message_key=True)

    @property
    def content(self) -> str:
        """The format of the messages."""
        what = "dead letters" if self.letters else f"{self.format} messages"
        if self.changes is Changelog.INSERT_ONLY:
            return what
        return f"{what} of the last change of each key ({self.changes}), without a value where it goes,"

    @property
    def details(self) -> str:
        """The columns of the message key."""
        return f", key {', '.join(self.key)}" if self.key else ""

    @property
    def commit(self) -> str:
        """The positions and the dead letters that are in the transaction of the rows."""
        if not self.transactions:
            return "without transactions"
        beside = ["the positions of the sources"] if self.positions else []
        beside += [f"dead letters into {self.dead_topic}"] if self.dead_topic else []
        return f"one transaction for each epoch{', with ' if beside else ''}{' and '.join(beside)}"

    def with_delivery(self, delivery: str) -> TargetPlan:
        """With or without transactions."""
        return replace(self, transactions=delivery == "exactly_once")

    def with_positions(self, sources: Mapping[str, tuple[str, str]]) -> TargetPlan:
        """Where its cluster holds the topics of all sources, each of them once and none of them this one."""
        topics = {topic for _, topic in sources.values()} - {self.topic}
        near = all(connection == self.connection for connection, _ in sources.values())
        if not near or len(topics) != len(sources):
            return self
        return replace(self, positions=tuple((name, topic) for name, (_, topic) in sources.items()))

    def without_positions(self) -> TargetPlan:
        """With the number of its last epoch alone."""
        return replace(self, positions=())

    def with_letters(self, letters: TargetPlan) -> TargetPlan | None:
        """With those of a topic in the same cluster."""
        if not isinstance(letters, TopicTarget) or letters.connection != self.connection:
            return None
        return replace(self, dead_topic=letters.topic)


@dataclass(frozen=True, slots=True)
class ConnectorTarget(TargetPlan):
    """What a stream writes through a connector that needs no record of its own.

    `address` is what it names in its connection, and `options` is what else the spec says of it. What it can do is said
    by the room of its kind, which makes the plan.
    """

    connection: str
    kind: str
    address: str
    format: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    accepts: RowRules = field(default_factory=RowRules)
    takes_positions: bool = False
    """Positions can be in the commits of the rows."""
    stores_positions: bool = False
    """They are: the target is the stream's only memory."""
    replaces_rows: bool = False
    shuts_out: bool = True
    """A worker that was overtaken cannot write."""
    changes: Changelog = Changelog.INSERT_ONLY

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.connection}:{self.address}"

    @property
    def keeps_positions(self) -> bool:
        """As its room says."""
        return self.stores_positions

    @property
    def merges(self) -> bool:
        """As its room says."""
        return self.replaces_rows

    @property
    def fences(self) -> bool:
        """As its room says."""
        return self.shuts_out

    @property
    def rules(self) -> RowRules:
        """As its room says."""
        return self.accepts

    @property
    def content(self) -> str:
        """The format of what is written."""
        return f"{self.format} rows"

    @property
    def details(self) -> str:
        """The columns of the key."""
        return f", key {', '.join(self.key)}" if self.key else ""

    def with_positions(self, sources: Mapping[str, tuple[str, str]]) -> TargetPlan:
        """Where its room says that it takes them."""
        return replace(self, stores_positions=self.takes_positions)

    def without_positions(self) -> TargetPlan:
        """With the number of its last epoch alone."""
        return replace(self, stores_positions=False)
