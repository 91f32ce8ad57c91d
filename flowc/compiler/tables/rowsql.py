"""Statements on single rows of flowc's own tables: values as literals, and the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flowc.catalog import TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, instant, table, text
from flowc.compiler.tables.ddl import cast
from flowc.types import TIMESTAMPTZ


@dataclass(frozen=True, slots=True)
class Ahead:
    """The time of the database, and so many seconds more, as a value: that clock is the same for all that ask it."""

    seconds: float = 0


def insert(state: str, values: Mapping[str, object], dialect: Dialect, *others: Mapping[str, object]) -> str:
    """Adds a row to one of flowc's own tables, or several of the same columns."""
    rows = (", ".join(value(each, dialect) for each in row.values()) for row in (values, *others))
    return f"INSERT INTO {state_name(state, dialect)} ({idents(values)}) VALUES {', '.join(f'({row})' for row in rows)}"


def newest_value(name: TableName, column: str) -> str:
    """The greatest value of a column, as `newest`."""
    return f"SELECT max({ident(column)}) AS {ident('newest')} FROM {table(name)}"


def assignments(values: Mapping[str, object], dialect: Dialect) -> str:
    """What stands behind SET."""
    return ", ".join(f"{ident(name)} = {value(each, dialect)}" for name, each in values.items())


def state_name(state: str, dialect: Dialect) -> str:
    """One of flowc's own tables, as SQL names it."""
    return table(dialect.state_table(state))


def clock(dialect: Dialect, seconds: float = 0) -> str:
    """The time of the database, which is the same for all that ask it, and so many seconds more."""
    now = dialect.function("clock")
    return dialect.function("add_seconds", now, f"{seconds:f}") if seconds else now


def value(given: object, dialect: Dialect) -> str:
    """A literal: of a number, an instant, a text, or NULL."""
    if given is None:
        return "NULL"
    if isinstance(given, Ahead):
        return clock(dialect, given.seconds)
    if isinstance(given, int):
        return str(int(given))
    if isinstance(given, datetime):
        written = instant(given) if dialect.literals.zoned else instant(given).removesuffix("+00:00")
        quoted = text(written, dialect)
        return cast(quoted, TIMESTAMPTZ, dialect) if dialect.literals.typed else quoted
    return text(str(given), dialect)
