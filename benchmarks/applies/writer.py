"""An application that writes a table while it changes, and knows what its rows must hold."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import duckdb
import psycopg
import pymysql

from benchmarks.applies.shapes import Edit, Field
from flowc.runtime.connectors.mysql_address import connected
from tests.stores import Store
from tests.waiting import PATIENCE

_ERRORS = (sqlite3.Error, duckdb.Error, psycopg.Error, pymysql.Error)
_MODES = "SET SESSION time_zone = '+00:00', sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES', lock_wait_timeout = 5"


class Writer:
    """Inserts and updates. `rows` are the values that were committed, by id and the column's name before the edit."""

    def __init__(self, store: Store, edit: Edit, chance: random.Random) -> None:
        self.rows: dict[int, dict[str, object]] = {}
        self.refused = 0
        self._store, self._edit, self._chance = store, edit, chance
        self._done, self._thread = threading.Event(), threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Writes on, in a thread; DuckDB lets nobody else at its file."""
        if self._store.kind != "duckdb":
            self._thread.start()

    def stop(self) -> None:
        """Ends that."""
        self._done.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def write(self, times: int) -> None:
        """Writes so many times, now."""
        with closing(_session(self._store)) as session:
            for _ in range(times):
                self._once(session)

    def _run(self) -> None:
        with closing(_session(self._store)) as session:
            while not self._done.wait(0.002):
                self._once(session)

    def _once(self, session: Any) -> None:
        """One statement of its own transaction; refused ones change nothing, and are counted."""
        try:
            there = self._columns(session)
            if self.rows and self._chance.random() < 0.4:
                self._update(session, there)
            else:
                self._insert(session, there)
        except _ERRORS:
            self.refused += 1

    def _columns(self, session: Any) -> dict[str, Field]:
        """The declared columns that are there, by the names that they have now."""
        held = {name.lower(): name for name in _names(session)}
        found = {}
        for field in self._edit.before.fields:
            for name in (field.name, self._edit.renamed.get(field.name, field.name)):
                if name.lower() in held:
                    found[held[name.lower()]] = field
        return found

    def _insert(self, session: Any, there: Mapping[str, Field]) -> None:
        new = max(self.rows, default=0) + 1
        row = {field.name: field.value(self._chance) for field in there.values()}
        values = [new, *(row[field.name] for field in there.values())]
        names = ", ".join(f'"{name}"' for name in ("id", *there))
        marks = ", ".join([_mark(self._store.kind)] * len(values))
        _execute(session, f"INSERT INTO t ({names}) VALUES ({marks})", values)
        self.rows[new] = row

    def _update(self, session: Any, there: Mapping[str, Field]) -> None:
        chosen, (name, field) = self._chance.choice(list(self.rows)), self._chance.choice(list(there.items()))
        value, mark = field.value(self._chance), _mark(self._store.kind)
        _execute(session, f'UPDATE t SET "{name}" = {mark} WHERE id = {mark}', [value, chosen])
        self.rows[chosen][field.name] = value


def _mark(kind: str) -> str:
    return "?" if kind in ("sqlite", "duckdb") else "%s"


def _session(store: Store) -> Any:
    """A session of the engine's own driver that commits each statement."""
    if store.kind == "postgres":
        return psycopg.connect(store.dsn, autocommit=True, prepare_threshold=None)
    if store.kind == "mysql":
        from urllib.parse import urlsplit

        parts = urlsplit(store.dsn)
        return connected(pymysql, {
            "host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password,
            "database": parts.path.strip("/"), "charset": "utf8mb4", "autocommit": True, "init_command": _MODES,
        })  # fmt: skip
    path = store.folder / f"{store.file}.{store.kind}"
    if store.kind == "duckdb":
        return duckdb.connect(str(path))
    session = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    session.execute("PRAGMA foreign_keys = ON")
    return session


def _execute(session: Any, sql: str, values: list[object]) -> None:
    if isinstance(session, sqlite3.Connection | duckdb.DuckDBPyConnection | psycopg.Connection):
        session.execute(sql, values)
        return
    with session.cursor() as cursor:
        cursor.execute(sql, values)


def _names(session: Any) -> list[str]:
    sql = "SELECT * FROM t LIMIT 0"
    if isinstance(session, sqlite3.Connection | duckdb.DuckDBPyConnection | psycopg.Connection):
        return [column[0] for column in session.execute(sql).description]
    with session.cursor() as cursor:
        cursor.execute(sql)
        return [column[0] for column in cursor.description]
