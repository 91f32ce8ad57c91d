"""A broker for tests that forgets what is acknowledged: a queue in a file of SQLite, which outlives its consumers.

What is not acknowledged is delivered again, in any order: when the process that has it ended or its connection closed,
and now and then while it is still in hand, as brokers do whose patience ends.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

_TABLE = """
CREATE TABLE IF NOT EXISTS messages (
  id TEXT PRIMARY KEY, body BLOB NOT NULL, owner TEXT, acknowledged INTEGER NOT NULL DEFAULT 0,
  deliveries INTEGER NOT NULL DEFAULT 0
)
"""


def _nothing(_: object) -> None:
    return


def send(file: Path, bodies: Iterable[tuple[str, bytes]]) -> None:
    """Fills the queue in a file with messages, each with its id."""
    with _connected(file) as connection:
        connection.execute(_TABLE)
        connection.executemany("INSERT INTO messages (id, body) VALUES (?, ?)", bodies)
    connection.close()


def acknowledged(file: Path) -> set[str]:
    """The ids of the messages that the broker has forgotten."""
    return {row[0] for row in _asked(file, "SELECT id FROM messages WHERE acknowledged > 0")}


def twice(file: Path) -> int:
    """How many messages were delivered more than once."""
    return int(_asked(file, "SELECT count(*) FROM messages WHERE deliveries > 1")[0][0])


def _asked(file: Path, query: str) -> list[tuple[object, ...]]:
    connection = _connected(file)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _connected(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=60, isolation_level="IMMEDIATE", check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")  # consumers are killed, not the machine
    return connection


@dataclass
class Broker:
    """A consumer of the queue; see `flowc.runtime.streams.queues.Queue`."""

    file: Path
    seed: int = 0
    name: str = "source"
    pause: Callable[[str], None] = _nothing
    acknowledging: Callable[[set[str]], None] = _nothing
    """Told of the ids that are to be forgotten, before they are."""
    again: float = 0.05
    """How likely a message that is in hand comes once more."""
    _connection: sqlite3.Connection | None = None
    _owner: str = ""
    _chance: random.Random = field(init=False)
    _empty: bool = False

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def open(self) -> None:
        if self._connection is None:
            self._connection = _connected(self.file)
            self._owner = f"{os.getpid()}-{time.monotonic_ns()}"

    def close(self) -> None:
        if self._connection is not None:
            with self._connection:
                self._connection.execute("UPDATE messages SET owner = NULL WHERE owner = ?", (self._owner,))
            self._connection.close()
        self._connection = None

    def receive(self, max_rows: int, max_wait: float, max_bytes: int) -> pa.RecordBatch | None:
        assert self._connection is not None
        with self._connection as connection:
            rows = connection.execute("SELECT id, body, owner FROM messages WHERE acknowledged = 0").fetchall()
            free = [(id_, body) for id_, body, owner in rows if owner is None or _gone(owner)]
            mine = [(id_, body) for id_, body, owner in rows if owner == self._owner]
            self._empty = not free
            taken = self._chance.sample(free, min(len(free), self._chance.randint(1, min(max_rows, 20))))
            taken += [each for each in mine if self._chance.random() < self.again]
            self._chance.shuffle(taken)
            owned = "UPDATE messages SET owner = ?, deliveries = deliveries + 1 WHERE id = ?"
            connection.executemany(owned, [(self._owner, id_) for id_, _ in taken])
        if not taken:
            time.sleep(min(max_wait, 0.002))
            return None
        columns = [
            pa.array([id_ for id_, _ in taken], pa.string()), pa.array([body for _, body in taken], pa.binary()),
            pa.repeat(pa.scalar(time.time_ns() // 1000, pa.timestamp("us", "UTC")), len(taken)),
        ]  # fmt: skip
        return pa.RecordBatch.from_arrays(columns, ["_id", "_value", "_event_ts"])

    def acknowledge(self, ids: pa.Array) -> pa.Array:
        assert self._connection is not None
        wanted = ids.to_pylist()
        self.acknowledging(set(wanted))
        self.pause("acknowledging")
        with self._connection as connection:
            forget = "UPDATE messages SET acknowledged = acknowledged + 1 WHERE id = ?"
            connection.executemany(forget, [(id_,) for id_ in wanted])
        self.pause("acknowledged")
        return ids

    @property
    def caught_up(self) -> bool:
        return self._empty


def _gone(owner: str) -> bool:
    """Whether the process of a consumer has ended; one of this process says when it leaves."""
    pid = int(owner.partition("-")[0])
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
