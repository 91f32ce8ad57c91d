"""DuckDB, in memory: each query is described over empty tables, and each literal read as the type it has to be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.sql.checks.checker import NamedTable, Refusal, Statement
from flowc.compiler.tables.ddl import spell
from flowc.diagnostics import did_you_mean
from flowc.errors import UsageError
from flowc.runtime.names import qualified, quoted


def _driver() -> Any:
    """What `duckdb` is made of: the package around it takes three times as long to load, and lint starts often."""
    try:
        return import_module("_duckdb")
    except ImportError:
        return import_module("duckdb")


duckdb = _driver()
_CONFIG = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
}
_SETTINGS = ("SET errors_as_json = true", "SET python_enable_replacements = false", "SET TimeZone = 'UTC'")
_DESCRIBE = "DESCRIBE "
_SURE = ("Binder", "Conversion", "Out of Range", "Not implemented")
"""Kinds of errors that depend on the statement and its tables alone."""
_OF_ELSEWHERE = ("xtension", "atalog ", "chema ")
"""Words of errors that depend on what is attached or loaded."""
_MACROS = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE macro_definition <> ''"
_MOST_MACROS = 8
_PARENTHESIS = re.compile(r"[()]")
_OWN = "a macro of the database's own is written with its schema: `main.{name}(…)`"


def engine() -> Callable[[Statement], Refusal | None]:
    """Judges statements in DuckDB's SQL."""
    return _Engine().refusal


@dataclass
class _Database:
    """A database in memory, with the tables that statements have named so far."""

    tables: dict[TableName, tuple[Column, ...]] = field(default_factory=dict)

    @cached_property
    def connection(self) -> Any:
        connection = duckdb.connect(config=_CONFIG)
        for setting in _SETTINGS:
            connection.execute(setting)
        return connection

    @cached_property
    def _macro_call(self) -> re.Pattern[str]:
        found = self.connection.execute(_MACROS)
        names = (re.escape(name) for (name,) in found.fetchall())
        return re.compile(rf"\b(?:{'|'.join(names)})\s*\(", re.IGNORECASE)

    def multiplies(self, text: str) -> bool:
        """Whether macros may stand in each other too deeply: the engine writes an argument wherever one uses it."""
        return text.count("(") > _MOST_MACROS and len(self._macro_call.findall(text)) > _MOST_MACROS < _depth(text)

    def has(self, table: NamedTable) -> bool:
        """Makes a table, empty; False where it cannot be one."""
        columns = table.columns or ()
        if self.tables.get(table.name) == columns:
            return True
        try:
            kinds = [f"{quoted(c.name)} {spell(c.type, DIALECTS['duckdb'])}" for c in columns]
            if table.name.schema:
                self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.name.schema)}")
            self.connection.execute(f"CREATE OR REPLACE TABLE {qualified(table.name)} ({', '.join(kinds)})")
        except (UsageError, duckdb.Error):
            return False
        self.tables[table.name] = columns
        return True


class _Engine:
    def __init__(self) -> None:
        self._databases: dict[str, _Database] = {}
        self._constants: dict[str, str | None] = {}

    def refusal(self, statement: Statement) -> Refusal | None:
        """Why DuckDB does not take a statement."""
        database = self._databases.setdefault(statement.place, _Database())
        known = statement.native and statement.typed and all(database.has(table) for table in statement.tables)
        if known and not database.multiplies(statement.text.text):
            return self._described(statement, database) or self._wrong_constant(statement, database)
        return _unparsed(statement, database)

    def _described(self, statement: Statement, database: _Database) -> Refusal | None:
        try:
            database.connection.execute(_DESCRIBE + statement.text.text)
        except duckdb.ParserException as error:
            return _unparsed(statement, database) or _late(_told(error))
        except duckdb.Error as error:
            return _refused(statement, _told(error), len(_DESCRIBE))
        return None

    def _wrong_constant(self, statement: Statement, database: _Database) -> Refusal | None:
        for sql, offset in statement.constants:
            if sql not in self._constants:
                self._constants[sql] = _constant_error(sql, database)
            if (message := self._constants[sql]) is not None:
                return Refusal("binding", f"DuckDB: {message}", offset)
        return None


def _depth(text: str) -> int:
    """How deeply parentheses stand in each other, those in quotes too."""
    deepest = depth = 0
    for bracket in _PARENTHESIS.findall(text):
        depth += 1 if bracket == "(" else -1
        deepest = max(deepest, depth)
    return deepest


def _constant_error(sql: str, database: _Database) -> str | None:
    try:
        database.connection.execute(f"SELECT {sql}").fetchall()
    except duckdb.ConversionException as error:
        return _words(_told(error))
    except duckdb.Error:
        return None
    return None


def _unparsed(statement: Statement, database: _Database) -> Refusal | None:
    try:
        database.connection.extract_statements(statement.text.text)
    except duckdb.ParserException as error:
        told = _told(error)
        return Refusal("syntax", _words(told), *_place(statement, told, 0))
    except duckdb.Error:
        return None
    return None


def _late(told: Mapping[str, str]) -> Refusal | None:
    """What its parser says of a query that it reads alone: a clause that cannot be so, wherever the query stands."""
    words = _words(told)
    return Refusal("syntax", words) if words and "syntax error" not in words else None


def _refused(statement: Statement, told: Mapping[str, str], prefix: int) -> Refusal | None:
    kind, message = told.get("exception_type", ""), _words(told)
    if any(word in message for word in _OF_ELSEWHERE):
        return None
    offset, length = _place(statement, told, prefix)
    if kind in _SURE:
        return Refusal("binding", f"DuckDB: {message}", offset, length, _near(told))
    name = told.get("name", "")
    if kind != "Catalog" or told.get("type") not in ("Scalar Function", "Aggregate Function", "Type"):
        return None
    if told["type"] == "Type":
        return Refusal("binding", f"DuckDB: {message}", offset, length, _near(told))
    if offset is None or not statement.text.text[offset:].lower().startswith(name.lower()):
        return None  # it stands behind a schema, in which it may be
    message = f"DuckDB has no function `{name}`"
    return Refusal(
        "function", message, offset, length=len(name), helps=(*_near(told), _OWN.format(name=name)), name=name
    )


def _told(error: Exception) -> Mapping[str, str]:
    """An error as DuckDB tells it to programs."""
    try:
        found = json.loads(str(error).partition(": ")[2])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _words(told: Mapping[str, str]) -> str:
    """The first line of what it says."""
    text = told.get("exception_message", "").strip().partition("\n")[0]
    return text.rstrip("!.").partition(". You might need")[0]


def _near(told: Mapping[str, str]) -> tuple[str, ...]:
    """The name that was meant, of those that it names."""
    names = told.get("candidates", "").split(",")
    return did_you_mean(told.get("name", ""), names) if "(" not in told.get("candidates", "(") else ()


def _place(statement: Statement, told: Mapping[str, str], prefix: int) -> tuple[int | None, int | None]:
    """Offset and length in characters; DuckDB counts bytes."""
    try:
        first, size = json.loads(told.get("location", ""))
    except ValueError:
        return None, None
    text = statement.text.text.encode()
    start = max(int(first) - prefix, 0)
    offset = len(text[:start].decode(errors="ignore"))
    return offset, len(text[start : start + int(size)].decode(errors="ignore")) or None
