"""What each statement of a change does to a table that others use, by engine: whom it holds up, and what it reads.

No planner says any of this itself: it names the act, and `statement` looks it up. A test holds PostgreSQL's table
against `pg_locks`, and `docs/reference/safety.md` shows all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flowc.compiler.dialect import Dialect
from flowc.migration import Rows, Statement

_EXCLUSIVE = "ACCESS EXCLUSIVE"
_WAITING = {
    "ACCESS SHARE": "other changes of the table",
    "ROW EXCLUSIVE": "other changes of the table",
    "SHARE UPDATE EXCLUSIVE": "other changes of the table",
    "SHARE": "writers",
    "SHARE ROW EXCLUSIVE": "writers",
    _EXCLUSIVE: "readers and writers",
}
"""Who waits for PostgreSQL's locks."""
_MOMENT = "readers and writers wait for a moment (metadata lock)"
_COPY = "writers wait (ALGORITHM=COPY), readers for a moment (metadata lock)"
_TABLES = "readers and writers wait (LOCK TABLES … WRITE)"
_STRENGTH = (None, _MOMENT, _COPY, _TABLES)
"""MySQL's, weakest first. Most changes of a type copy the table, which only readers outlive."""
_AGAIN = "a writer that comes first makes it begin again"


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

    @property
    def waiting(self) -> str:
        """Who waits for it, and how long; empty where it takes no lock on the table."""
        if self.lock not in _WAITING:
            return self.lock or ""
        long = {Rows.READ: "while the rows are read", Rows.WRITTEN: "while the rows are written"}
        return f"{_WAITING[self.lock]} wait {long.get(self.rows, 'for a moment')} ({self.lock})"


_BRIEF = Facts(_EXCLUSIVE)
POSTGRES: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: Facts(),
    Act.MAKE_TABLE: Facts(),
    Act.MAKE_SEQUENCE: Facts(),
    Act.DROP_TABLE: _BRIEF,
    Act.LOCK_TABLE: _BRIEF,
    Act.ADD_COLUMN: _BRIEF,
    Act.ADD_COLUMN_FILLED: Facts(_EXCLUSIVE, Rows.WRITTEN),
    Act.DROP_COLUMN: _BRIEF,
    Act.RENAME_COLUMN: _BRIEF,
    Act.ALTER_TYPE: Facts(_EXCLUSIVE, Rows.WRITTEN),
    Act.ALTER_TYPE_KEEPING_BYTES: _BRIEF,
    Act.SET_STORAGE: _BRIEF,
    Act.SET_DEFAULT: _BRIEF,
    Act.DROP_DEFAULT: _BRIEF,
    Act.SET_NOT_NULL: Facts(_EXCLUSIVE, Rows.READ),
    Act.SET_NOT_NULL_PROVEN: _BRIEF,
    Act.DROP_NOT_NULL: _BRIEF,
    Act.ALTER_GENERATION: _BRIEF,
    Act.COMPUTE_ANEW: Facts(_EXCLUSIVE, Rows.WRITTEN),
    Act.COUNT_ON: Facts("ACCESS SHARE", Rows.READ),
    Act.WIDEN_COUNTER: Facts(),
    Act.ADD_KEY: Facts(_EXCLUSIVE, Rows.READ),
    Act.ADD_KEY_BY_INDEX: _BRIEF,
    Act.DROP_KEY: _BRIEF,
    Act.CREATE_INDEX: Facts("SHARE", Rows.READ),
    Act.CREATE_INDEX_CONCURRENTLY: Facts("SHARE UPDATE EXCLUSIVE", Rows.READ, apart=True),
    Act.DROP_INDEX: _BRIEF,
    Act.DROP_INDEX_CONCURRENTLY: Facts("SHARE UPDATE EXCLUSIVE", apart=True),
    Act.RENAME_INDEX: Facts(),
    Act.SET_REPLICA_IDENTITY: _BRIEF,
    Act.SET_CLUSTER: Facts("SHARE UPDATE EXCLUSIVE"),
    Act.ADD_CHECK: _BRIEF,
    Act.COMMENT_CHECK: Facts("ACCESS SHARE"),
    Act.VALIDATE_CHECK: Facts("SHARE UPDATE EXCLUSIVE", Rows.READ, apart=True),
    Act.DROP_CONSTRAINT: _BRIEF,
    Act.COMMENT: Facts("SHARE UPDATE EXCLUSIVE"),
    Act.MAKE_FUNCTION: Facts(),
    Act.DROP_FUNCTION: Facts(),
    Act.CREATE_TRIGGER: Facts("SHARE ROW EXCLUSIVE"),
    Act.ENABLE_TRIGGER: Facts("SHARE ROW EXCLUSIVE"),
    Act.DROP_TRIGGER: _BRIEF,
    Act.FILL_COLUMN: Facts("ROW EXCLUSIVE", Rows.WRITTEN, apart=True),
    Act.COMPARE_COLUMNS: Facts("ACCESS SHARE", Rows.READ),
}

_ALTERED = Facts(_MOMENT, apart=True)
_COPIED = Facts(_MOMENT, Rows.WRITTEN, apart=True)
MYSQL: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: Facts(apart=True),
    Act.MAKE_TABLE: Facts(apart=True),
    Act.DROP_TABLE: _ALTERED,
    Act.LOCK_TABLE: Facts(_TABLES, apart=True),
    Act.ADD_COLUMN: _ALTERED,
    Act.DROP_COLUMN: _ALTERED,
    Act.RENAME_COLUMN: _ALTERED,
    Act.ALTER_TYPE: Facts(_COPY, Rows.WRITTEN, apart=True),
    Act.SET_DEFAULT: _ALTERED,
    Act.DROP_DEFAULT: _ALTERED,
    Act.SET_NOT_NULL: _COPIED,
    Act.DROP_NOT_NULL: _COPIED,
    Act.ALTER_GENERATION: Facts(_COPY, Rows.WRITTEN, apart=True),
    Act.ADD_KEY: _COPIED,
    Act.DROP_KEY: _COPIED,
    Act.CREATE_INDEX: Facts(_MOMENT, Rows.READ, apart=True),
    Act.DROP_INDEX: _ALTERED,
    Act.COMMENT: _ALTERED,
}

_INSIDE = Facts(rows=Rows.INSIDE)
DUCKDB: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: _INSIDE,
    Act.MAKE_TABLE: _INSIDE,
    Act.MAKE_SEQUENCE: _INSIDE,
    Act.DROP_TABLE: _INSIDE,
    Act.RENAME_TABLE: _INSIDE,
    Act.COPY_ROWS: Facts(rows=Rows.WRITTEN),
    Act.ADD_COLUMN: _INSIDE,
    Act.DROP_COLUMN: _INSIDE,
    Act.RENAME_COLUMN: _INSIDE,
    Act.ALTER_TYPE: _INSIDE,
    Act.SET_DEFAULT: _INSIDE,
    Act.DROP_DEFAULT: _INSIDE,
    Act.SET_NOT_NULL: _INSIDE,
    Act.DROP_NOT_NULL: _INSIDE,
    Act.CREATE_INDEX: _INSIDE,
    Act.DROP_INDEX: _INSIDE,
    Act.COMMENT: _INSIDE,
}
SQLITE: Mapping[Act, Facts] = {
    Act.MAKE_TABLE: _INSIDE,
    Act.DROP_TABLE: _INSIDE,
    Act.RENAME_TABLE: _INSIDE,
    Act.COPY_ROWS: Facts(rows=Rows.WRITTEN),
    Act.ADD_COLUMN: _INSIDE,
    Act.DROP_COLUMN: _INSIDE,
    Act.RENAME_COLUMN: _INSIDE,
    Act.CREATE_INDEX: _INSIDE,
    Act.DROP_INDEX: _INSIDE,
    Act.CREATE_TRIGGER: _INSIDE,
    Act.SET_PRAGMA: _INSIDE,
}

_LOGGED = Facts(apart=True)
DELTA: Mapping[Act, Facts] = {
    Act.MAKE_TABLE: _LOGGED,
    Act.DROP_TABLE: _LOGGED,
    Act.ADD_COLUMN: _LOGGED,
    Act.DROP_NOT_NULL: _LOGGED,
    Act.COMMENT: _LOGGED,
    Act.WRITE_ANEW: Facts(_AGAIN, Rows.WRITTEN, apart=True),
}

FACTS: dict[str, Mapping[Act, Facts]] = {
    "postgres": POSTGRES, "mysql": MYSQL, "duckdb": DUCKDB, "sqlite": SQLITE, "delta": DELTA,
}  # fmt: skip
"""By kind of connection."""


def statement(act: Act, sql: str, purpose: str, dialect: Dialect) -> Statement:
    """One statement, with what it does on the engine."""
    facts = FACTS[dialect.name][act]
    return Statement(sql, purpose, not facts.apart, facts.lock, facts.rows)


def combined(acts: Collection[Act], sql: str, purpose: str, dialect: Dialect) -> Statement:
    """One statement of MySQL that does several acts: it takes the strongest of their locks."""
    found = [FACTS[dialect.name][act] for act in acts]
    lock = max((facts.lock for facts in found), key=_STRENGTH.index)
    return Statement(sql, purpose, False, lock, max((facts.rows for facts in found), key=list(Rows).index))
