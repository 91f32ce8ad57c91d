"""SQLite, in memory, with flowc's own functions: each query is prepared over empty tables."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from flowc.catalog import TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.sql.checks.checker import NamedTable, Refusal, Statement
from flowc.compiler.tables.ddl import spell
from flowc.errors import UsageError
from flowc.runtime.names import qualified, quoted
from flowc.runtime.systems.sqlite.functions import register
from flowc.runtime.systems.sqlite.guard import guard
from flowc.service.checking.places import place_of

_EXPLAIN = "EXPLAIN "
_NEAR = re.compile(r'near "(.*)": syntax error', re.DOTALL)
_UNREAD = re.compile(r'unrecognized token: "(.*)"', re.DOTALL)
_OF_ELSEWHERE = re.compile(r"no such (table|module|collation|view|database|index)|unknown database|already exists")
"""What depends on more than the statement and its declared tables."""
_CALL = re.compile(r"(?:function:? |aggregate: )(\w+)(?:\(\))?$")
_NAME = re.compile(r": (\S+)$")


def engine() -> Callable[[Statement], Refusal | None]:
    """Judges statements in SQLite's SQL."""
    return _Engine().refusal


@dataclass
class _Database:
    """A database in memory, with the tables that statements have named so far."""

    connection: sqlite3.Connection
    tables: dict[TableName, NamedTable] = field(default_factory=dict)

    @staticmethod
    def empty() -> _Database:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        register(connection)
        guard(connection)
        return _Database(connection)

    def has(self, table: NamedTable) -> bool:
        """Makes a table, empty; False where it cannot be one."""
        if self.tables.get(table.name) == table:
            return True
        columns = ", ".join(f"{quoted(c.name)} {_kind(c.type)}" for c in table.columns or ())
        try:
            self._attach(table.name.schema)
            self.connection.execute(f"DROP TABLE IF EXISTS {qualified(table.name)}")
            self.connection.execute(f"CREATE TABLE {qualified(table.name)} ({columns})")
        except sqlite3.Error:
            return False
        self.tables[table.name] = table
        return True

    def _attach(self, schema: str | None) -> None:
        known = {row[1].lower() for row in self.connection.execute("PRAGMA database_list")}
        if schema and schema.lower() not in known | {"temp"}:
            self.connection.execute(f"ATTACH ':memory:' AS {quoted(schema)}")

    def said(self, sql: str) -> str | None:
        """What SQLite says against a statement."""
        try:
            self.connection.execute(_EXPLAIN + sql)
        except sqlite3.OperationalError as error:
            return str(error)
        except (sqlite3.Error, sqlite3.Warning):
            return None  # parameters without values
        return None


class _Engine:
    def __init__(self) -> None:
        self._databases: dict[str, _Database] = {}

    def refusal(self, statement: Statement) -> Refusal | None:
        """Why SQLite does not take a statement."""
        database = self._databases.get(statement.place) or _Database.empty()
        self._databases[statement.place] = database
        known = statement.native and statement.named and all(map(database.has, statement.tables))
        message = database.said(statement.text.text)
        if message is None:
            return None
        return _unparsed(statement, message, database) or (_unbound(statement, message) if known else None)


def _kind(kind: object) -> str:
    try:
        return spell(kind, DIALECTS["sqlite"])  # type: ignore[arg-type]
    except UsageError:
        return ""


def _unparsed(statement: Statement, message: str, database: _Database) -> Refusal | None:
    text = statement.text.text
    if message == "incomplete input":
        return Refusal("syntax", "the SQL ends before the query does", len(text))
    if unread := _UNREAD.fullmatch(message):
        return Refusal("syntax", f"`{unread[1]}` is no SQL", max(text.find(unread[1], statement.start), 0))
    near = _NEAR.fullmatch(message)
    if near is None:
        return None
    offset = _first_refused(text, near[1], message, database)
    return Refusal("syntax", f"`{near[1]}` cannot stand here", offset, len(near[1]))


def _first_refused(text: str, word: str, message: str, database: _Database) -> int | None:
    """Where a word is at fault: the first place up to which the text is refused for it."""
    at = text.find(word)
    while at >= 0:
        if database.said(text[: at + len(word)]) == message:
            return at
        at = text.find(word, at + 1)
    return None


def _unbound(statement: Statement, message: str) -> Refusal | None:
    if message.startswith("no such table: "):  # SQLite has no others than those attached, and calls some as functions
        missing = message.rpartition(" ")[2]
        place = place_of(statement, missing, call=True)
        return Refusal("function", f"SQLite has no function `{missing}`", place) if place is not None else None
    if _OF_ELSEWHERE.search(message):
        return None
    call, name = _CALL.search(message), _NAME.search(message)
    if message.startswith("no such function: "):
        missing = message.rpartition(" ")[2]
        return Refusal("function", f"SQLite has no function `{missing}`", place_of(statement, missing, call=True))
    found = place_of(statement, call[1], call=True) if call else place_of(statement, name[1]) if name else None
    return Refusal("binding", f"SQLite: {message}", found)
