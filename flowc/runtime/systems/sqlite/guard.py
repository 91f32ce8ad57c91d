"""What statements on SQLite may do: an authorizer judges each one once, when it is prepared.

No load needs an address of memory, code of a file, another database file, or the schema as a table. A session that
reads may make views of its own, and change nothing else.
"""

from __future__ import annotations

import sqlite3

_FUNCTIONS = frozenset(("fts3_tokenizer", "load_extension"))
_PRAGMAS = frozenset(("writable_schema", "temp_store_directory", "data_store_directory"))
"""Settings that stay as they are: nobody may give one another value."""
_NO_FILE = ("", ":memory:")
"""What VACUUM and databases in memory attach."""
_READS = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
     sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT, sqlite3.SQLITE_CREATE_TEMP_VIEW,
     sqlite3.SQLITE_DROP_TEMP_VIEW)
)  # fmt: skip
_CHANGES = frozenset((sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE))


def guard(connection: sqlite3.Connection, *, reads_only: bool = False, attaches: bool = False) -> None:
    """Judges statements of a connection from now on. `attaches` is for flowc's own files."""

    def judge(action: int, first: str | None, second: str | None, database: str | None, _inside: str | None) -> int:
        name = (first or "").lower()
        allowed = not reads_only or action in _READS or (action in _CHANGES and database == "temp")
        if action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() not in _FUNCTIONS
        elif action == sqlite3.SQLITE_ATTACH:
            allowed = attaches or name in _NO_FILE
        elif action == sqlite3.SQLITE_PRAGMA and second is not None:
            allowed = name not in _PRAGMAS or second.lower() == "off"
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(judge)
