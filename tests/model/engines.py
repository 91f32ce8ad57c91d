"""Real engines for load plans: a fresh table space each, and a plain executor of plans."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.quote import ident, table
from flowc.errors import DataError
from flowc.plan import Check, Counter, Execute, Expect, LoadPlan, Measure
from flowc.runtime.connectors.sqlite_functions import register


class Injected(Exception):
    """The failure that a test asked for."""


@dataclass
class Engine:
    """One open database. `rows` reads a table as plain values, instants as UTC text on every engine."""

    kind: str
    connection: Any
    created: list[str] = field(default_factory=list)

    def execute(self, sql: str) -> int:
        cursor = self.connection.execute(sql)
        if self.kind == "duckdb":
            found = cursor.fetchone() if cursor.description and cursor.description[0][0] == "Count" else None
            return int(found[0]) if found else 0
        return max(cursor.rowcount, 0)

    def query(self, sql: str) -> list[tuple]:
        return [tuple(plain(v) for v in row) for row in self.connection.execute(sql).fetchall()]

    def rows(self, name: str, order: str) -> list[dict]:
        cursor = self.connection.execute(f"SELECT * FROM {ident(name)} ORDER BY {order}")
        names = [d[0] for d in cursor.description]
        return [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT" if commit else "ROLLBACK")

    def drop(self, *names: str) -> None:
        for name in names:
            self.connection.execute(f"DROP TABLE IF EXISTS {ident(name)}")
        with suppress(Exception):
            self.connection.execute(f"DELETE FROM {table(DIALECTS[self.kind].state_table('watermarks'))}")


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00:00" if value.tzinfo else "")
    return value


def open_engine(kind: str, dsn: str | None = None) -> Engine:
    if kind == "sqlite":
        connection = sqlite3.connect(":memory:", isolation_level=None)
        register(connection)
        return Engine(kind, connection)
    if kind == "duckdb":
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'")
        return Engine(kind, connection)
    import psycopg

    return Engine(kind, psycopg.connect(dsn, autocommit=True, prepare_threshold=None))


def run(plan: LoadPlan, engine: Engine, *, fail_after: int | None = None, commit: bool = True) -> dict[Counter, int]:
    """Runs a plan of one database; `fail_after` raises when so many steps are done."""
    counts = dict.fromkeys(Counter, 0)
    with engine.transaction(commit=commit):
        for number, step in enumerate(plan.steps):
            if number == fail_after:
                raise Injected
            _step(step, engine, counts)
    return counts


def _step(step: Any, engine: Engine, counts: dict[Counter, int]) -> None:
    match step:
        case Execute():
            touched = engine.execute(step.sql)
            for counter in (step.counts, step.also):
                if counter:
                    counts[counter] += touched
        case Check():
            if rows := engine.query(step.sql):
                raise DataError(step.message, code=step.code, details=tuple(map(str, rows)))
        case Measure():
            counts[step.counts] = engine.query(step.sql)[0][0] - sum(counts[c] for c in step.less)
        case Expect():
            failed, total = engine.query(step.sql)[0]
            allowed = step.max_failures if step.max_ratio is None else step.max_ratio * total
            if step.error and failed > allowed:
                raise DataError(step.name, code="expectation-failed")
        case _:
            raise AssertionError(f"not a step of one database: {step}")


def insert(engine: Engine, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    mark = "%s" if engine.kind == "postgres" else "?"
    sql = f"INSERT INTO {ident(name)} VALUES ({', '.join([mark] * len(columns))})"
    cursor = engine.connection.cursor() if engine.kind == "postgres" else engine.connection
    cursor.executemany(sql, [list(r) for r in rows])
