"""An application beside an apply: a process that inserts and updates rows, and notes each one that was committed."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.applies.shape import literal
from tests.services.mysql import ask
from tests.stores import Store

FIRST = 1_000_000
"""The first id that it inserts."""
_PATIENCE = 40.0
"""Seconds for which it tries to write one row."""


def session(store: Store) -> Callable[[str], Any]:
    """What runs a statement of its own, committed when it returns."""
    if store.kind == "postgres":
        opened = psycopg.connect(store.dsn, autocommit=True, prepare_threshold=None)
        return opened.execute
    if store.kind == "mysql":
        return lambda sql: ask(store.dsn, sql)
    own = sqlite3.connect(store.folder / f"{store.file}.{store.kind}", timeout=_PATIENCE, isolation_level=None)
    return own.execute


@dataclass(frozen=True)
class Writer:
    """Writes the columns of `values`, each by what makes one of its values, until it is told to stop."""

    store: Store
    values: Mapping[str, Callable[[random.Random], str]]
    known: tuple[int, ...]
    """Ids of rows that it may change."""
    seed: str

    @property
    def journal(self) -> Path:
        """A line for each row that was committed: its id and its values; or what went wrong for too long."""
        return self.store.folder / "journal.jsonl"

    def start(self) -> int:
        """Starts it; the number of its process."""
        self.journal.touch()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self._write()
                code = 0
            finally:
                os._exit(code)
        return child

    def _write(self) -> None:
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
        chance, run, number = random.Random(self.seed), session(self.store), 0
        with self.journal.open("a") as journal:
            while not stopped and number < 5000:
                row = {name: make(chance) for name, make in self.values.items()}
                old = chance.choice(self.known) if number % 3 == 2 and len(row) > 1 else None
                row.pop("u")
                if old is None:
                    row["u"] = str(FIRST + number)
                error = self._committed(run, FIRST + number if old is None else old, row, new=old is None)
                journal.write(json.dumps({"id": FIRST + number if old is None else old, "row": row, "error": error}))
                journal.write("\n")
                journal.flush()
                number += 1
                time.sleep(0.01)

    def _committed(self, run: Callable[[str], Any], number: int, row: Mapping[str, str], *, new: bool) -> str | None:
        """Writes a row, again and again until that works; what was wrong when it never did."""
        until, error = time.monotonic() + _PATIENCE, "never tried"
        names = ", ".join(row)
        insert = f"INSERT INTO t (id, {names}) VALUES ({number}, {', '.join(map(literal, row.values()))})"
        update = f"UPDATE t SET {', '.join(f'{n} = {literal(v)}' for n, v in row.items())} WHERE id = {number}"
        while time.monotonic() < until:
            try:
                run(insert if new else update)
            except Exception as failure:
                error = f"{type(failure).__name__}: {failure}"
                # A commit whose answer was lost is there the next time.
                if new and any(word in error.lower() for word in ("duplicate", "unique constraint failed: t.id")):
                    return None
                time.sleep(0.02)
            else:
                return None
        return error
