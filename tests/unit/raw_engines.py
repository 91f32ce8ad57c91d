"""Real engines by their own drivers, for SQL expressions that are judged one by one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import psycopg

from flowc.runtime.systems.sqlite.functions import register


@dataclass(frozen=True)
class Engine:
    """An open session; instants come as UTC text on every engine."""

    kind: str
    connection: Any

    def query(self, sql: str) -> list[tuple]:
        return [tuple(map(plain, row)) for row in self.connection.execute(sql).fetchall()]


def plain(value: Any) -> Any:
    """A value in one form for all engines."""
    if not isinstance(value, datetime):
        return value
    moment = value.astimezone(UTC) if value.tzinfo else value
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00:00" if value.tzinfo else "")


def open_engine(kind: str, dsn: str | None) -> Engine:
    if kind == "postgres":
        connection: Any = psycopg.connect(str(dsn), autocommit=True)
        connection.execute("SET TimeZone = 'UTC'")
    elif kind == "duckdb":
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
    else:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        register(connection)
    return Engine(kind, connection)
