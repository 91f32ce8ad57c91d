"""What each statement of a change does to a table that others use, by engine: whom it holds up, and what it reads.

No planner says any of this itself: it names the act, and `statement` looks it up. A test holds PostgreSQL's table
against `pg_locks`, and `docs/reference/safety.md` shows all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flowc.compiler.dialect import Dialect
from flowc.compiler.systems import Rooms
from flowc.migration import Rows, Statement


class Act(StrEnum):
    """What one statement does."""

    MAKE_SCHEMA = "make a schema"
    MAKE_TABLE = "make a table, with its indexes and comments"
    MAKE_SEQUENCE = "make a sequence"
    DROP_TABLE = "drop a table"
    RENAME_TABLE = "rename a table"
    COPY_ROWS = "copy the rows into a table that takes its place"
    WRITE_ANEW = "write the table anew"
    LOCK_TABLE = "keep readers and writers out"
    ADD_COLUMN = "add a column"
    ADD_COLUMN_FILLED = "add a column that holds another value in each row"
    DROP_COLUMN = "drop a column"
    RENAME_COLUMN = "rename a column"
    ALTER_TYPE = "change a type"
    ALTER_TYPE_KEEPING_BYTES = "change a type, where what is stored means the same"
    SET_STORAGE = "say how a column is stored"
    SET_DEFAULT = "set a default"
    DROP_DEFAULT = "drop a default"
    SET_NOT_NULL = "make a column NOT NULL"
    SET_NOT_NULL_PROVEN = "make a column NOT NULL that a valid CHECK requires"
    DROP_NOT_NULL = "let a column be NULL"
    ALTER_GENERATION = "change how the engine makes a column's values"
    COMPUTE_ANEW = "compute a column by another expression"
    COUNT_ON = "count on behind the numbers that are there"
    WIDEN_COUNTER = "let a counter count further"
    ADD_KEY = "add a primary key"
    ADD_KEY_BY_INDEX = "make an index the primary key"
    DROP_KEY = "drop a primary key"
    CREATE_INDEX = "create an index"
    CREATE_INDEX_CONCURRENTLY = "create an index concurrently"
    DROP_INDEX = "drop an index"
    DROP_INDEX_CONCURRENTLY = "drop an index concurrently"
    RENAME_INDEX = "rename an index"
    SET_REPLICA_IDENTITY = "name the index that identifies replicated rows"
    SET_CLUSTER = "name the index that orders the rows"
    ADD_CHECK = "add a CHECK for new rows only"
    COMMENT_CHECK = "comment on a CHECK"
    VALIDATE_CHECK = "validate a CHECK"
    DROP_CONSTRAINT = "drop a constraint"
    COMMENT = "comment on a table or column"
    MAKE_FUNCTION = "make a function of a trigger"
    DROP_FUNCTION = "drop a function of a trigger"
    CREATE_TRIGGER = "create a trigger"
    ENABLE_TRIGGER = "let a trigger run for replicated rows too"
    DROP_TRIGGER = "drop a trigger"
    FILL_COLUMN = "fill a column piece by piece"
    COMPARE_COLUMNS = "compare two columns"
    SET_PRAGMA = "set how the engine renames"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a statement does: the lock it takes on the table, in the engine's words, and what becomes of the rows.

    `apart` tells that it commits by itself, so that it shares no transaction.
    """

    lock: str | None = None
    rows: Rows = Rows.LEFT
    apart: bool = False
    waiters: str = ""
    """Who waits for the lock, where its name does not say so."""

    @property
    def waiting(self) -> str:
        """Who waits for it, and how long; empty where it takes no lock on the table."""
        if not self.waiters:
            return self.lock or ""
        long = {Rows.READ: "while the rows are read", Rows.WRITTEN: "while the rows are written"}
        return f"{self.waiters} wait {long.get(self.rows, 'for a moment')} ({self.lock})"


FACTS: Mapping[str, Mapping[Act, Facts]] = Rooms("changes", "FACTS")
"""By kind of connection."""


def statement(act: Act, sql: str, purpose: str, dialect: Dialect) -> Statement:
    """One statement, with what it does on the engine."""
    facts = FACTS[dialect.name][act]
    return Statement(sql, purpose, not facts.apart, facts.lock, facts.rows)
