"""Of which run a load is: all attempts of one due time, or of one named run, have the same identity.

A target records the identity in the transaction that holds the rows, in flowc's own table `loads`. An attempt that
finds its own there has nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.ir import Apply
from flowc.compiler.loads.cursor import now_literal
from flowc.compiler.loads.lifetimes import TABLE_ID
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.state import PROJECT_COLUMN, ensure_state
from flowc.durations import instant_text, parse_instant
from flowc.loadplan import PROJECT, kept_name
from flowc.types import TEXT, TIMESTAMPTZ

LOADS = "loads"
_COLUMNS = (
    PROJECT_COLUMN,
    Column("pipeline_name", TEXT, nullable=False),
    Column("target", TEXT, nullable=False),
    Column("lane", TEXT, nullable=False),
    Column("due_at", TEXT, nullable=False),
    Column("detail", TEXT),
    Column("loaded_at", TIMESTAMPTZ, nullable=False),
)
KEY = (PROJECT, "pipeline_name", "target", "lane")
_SCHEDULE = "schedule"
_LONGEST = 128
"""Characters of a lane: the key of a table has no more room everywhere."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """The due time that a run is of.

    A target holds the last one of each lane. What a schedule asks for is the lane of its environment, where due times
    are run in their order. A part that is read again for a due time has a lane of its own, and so has a named run.
    """

    due_at: datetime
    environment: str | None = None
    since: datetime | None = None
    """The beginning of the part; None where the run reads on."""
    run: str | None = None
    """The identity of a run without a schedule: JSON, so that its end is unambiguous, and then the environment.

    `due_at` is when its attempt began.
    """

    @property
    def single(self) -> bool:
        """Whether the lane is of this run alone."""
        return self.run is not None or self.since is not None

    @property
    def lane(self) -> str:
        """The name of the lane."""
        part = f"part {_text(self.since)}/{self.due}" if self.since is not None else _SCHEDULE
        lane = " ".join(filter(None, (part if self.run is None else f"run {self.run}", self.environment)))
        digest = sha256(lane.encode()).hexdigest()
        return lane if len(lane) <= _LONGEST else f"{lane[: _LONGEST - len(digest)]}{digest}"

    @property
    def due(self) -> str:
        """The due time as a text."""
        return _text(self.due_at)


def _text(at: datetime) -> str:
    return instant_text(at.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a target, of that name in flowc's own table, holds of the lane of an identity."""

    identity: Identity
    target: str
    due_at: datetime | None = None
    """The due time that was loaded last; None for none."""
    detail: str | None = None
    """What that load counted, as JSON."""
    plan: str | None = None
    """Tells apart what the pipeline lowers to now."""
    table_id: str | None = None
    """Which table was loaded, where that is known."""
    empty: bool = False
    """The table that is there has no rows."""
    other: bool = False
    """The table that is there has rows, and is not the one that was loaded."""
    anew: bool = False
    """The table that was loaded is gone, and its row is to be removed."""

    @property
    def same(self) -> bool:
        """Whether the target holds what is to be loaded."""
        if self.identity.run is not None:
            return self.due_at is not None
        return self.due_at == self.identity.due_at

    @property
    def before(self) -> str | None:
        """The due time that was loaded last, as a text."""
        return _text(self.due_at) if self.due_at is not None else None


def application(apply: Apply, target: str, identity: Identity) -> str:
    """The name under which the log of an attached table holds the due time."""
    return f"{applications(apply.project, apply.pipeline)}{target}:{identity.lane}"


def applications(project: str, pipeline: str) -> str:
    """How the names of all applications of a pipeline begin."""
    return f"flowc-run:{kept_name(project, pipeline)}:"


def number(at: datetime | None) -> int:
    """A due time as the number of an application; 0 for none."""
    return (at - _EPOCH) // _MICROSECOND if at is not None else 0


def due_of(number: int) -> datetime | None:
    """The due time that a number stands for."""
    return _EPOCH + number * _MICROSECOND if number else None


def columns_of(dialect: Dialect) -> tuple[Column, ...]:
    """The columns of the table of recorded loads."""
    return (*_COLUMNS, TABLE_ID) if dialect.tables.identity else _COLUMNS


def place_of_loads(dialect: Dialect) -> Iterator[str]:
    """Statements that make the table where it is missing."""
    yield from ensure_state(LOADS, columns_of(dialect), KEY, dialect)


def key_of(apply: Apply, target: str, lane: str) -> Mapping[str, str]:
    """The key of a row."""
    return dict(zip(KEY, (apply.project, apply.pipeline, target, lane), strict=True))


def of_key(key: Mapping[str, str], dialect: Dialect) -> str:
    """The condition on a row that it is that of a key."""
    return " AND ".join(f"{ident(name)} = {text(value, dialect)}" for name, value in key.items())


def of_singles() -> str:
    """The condition on a row that its lane is of one run alone."""
    return f"{ident('lane')} NOT LIKE '{_SCHEDULE}%'"


def read_loads(key: Mapping[str, str], dialect: Dialect) -> str:
    """A query of the rows of a key, or of a part of one."""
    # SQLite takes a name that no column has for a text, unless it stands behind that of a table.
    wanted = ("target", "due_at", "detail", *((TABLE_ID.name,) if dialect.tables.identity else ()))
    names = ", ".join(f"l.{ident(name)}" for name in wanted)
    return f"SELECT {names} FROM {table(dialect.state_table(LOADS))} AS l WHERE {of_key(key, dialect)}"


def keys_of_project(project: str, dialect: Dialect) -> str:
    """A query of the keys of a project's rows, without the project."""
    names = ", ".join(f"l.{ident(name)}" for name in KEY[1:])
    return f"SELECT {names} FROM {table(dialect.state_table(LOADS))} AS l WHERE {of_key({PROJECT: project}, dialect)}"


def other_keys(keys: Iterable[Mapping[str, str]], dialect: Dialect) -> str:
    """The condition on a row that it has none of the keys; empty for no keys."""
    return " AND ".join(f"NOT ({of_key(key, dialect)})" for key in keys)


def forget_load(row: Mapping[str, Any], dialect: Dialect) -> str:
    """Removes a recorded load, unless another one was recorded since it was read as that row."""
    where = of_key({name: str(row[name]) for name in KEY}, dialect)
    if (loaded_at := parse_instant(str(row["loaded_at"]))) is not None:
        where += f" AND {ident('loaded_at')} = {now_literal(loaded_at, TIMESTAMPTZ, dialect)}"
    return f"DELETE FROM {table(dialect.state_table(LOADS))} WHERE {where}"
