"""What streams that are edited read, and where they write: files or a Kafka topic, and targets of every kind."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from benchmarks.crash.editmodel import Message
from benchmarks.crash.editplans import LETTERS
from flowc.runtime.systems import open_database
from tests import topics

_OLD = 1_000_000_000


@dataclass(frozen=True)
class Servers:
    """The addresses of a PostgreSQL and a MySQL database and of a Kafka broker."""

    postgres: str = ""
    mysql: str = ""
    kafka: str = ""

    @property
    def env(self) -> Mapping[str, str]:
        """The variables of the addresses that hold passwords."""
        return {"PG_URL": self.postgres, "MY_URL": self.mysql}


class Feed(Protocol):
    """What a stream reads."""

    name: str
    """Of the connection."""
    letter: str
    """The column of dead letters that has the number of the message."""

    @property
    def connection(self) -> str:
        """The keys of the connection."""

    @property
    def source(self) -> str:
        """The keys of the source that say where it is, with the place of the `path` that files have."""

    def put(self, messages: Sequence[Message]) -> None:
        """Adds messages."""

    def close(self) -> None:
        """Removes it."""


@dataclass
class Files:
    """A folder of a project, with a file for each message."""

    folder: Path
    name = "drop"
    letter = "topic"
    connection = "kind: files, uri: in"
    source = 'connection: drop, path: "{path}"'

    def put(self, messages: Sequence[Message]) -> None:
        """Writes them."""
        (self.folder / "in").mkdir(exist_ok=True)
        for message in messages:
            path = self.folder / "in" / f"{message.n:03}.jsonl"
            path.write_text(f"{_text(message)}\n", "utf-8")
            os.utime(path, (_OLD + message.n, _OLD + message.n))

    def close(self) -> None:
        """It goes with the folder of the trial."""


@dataclass
class Topic:
    """A topic with one partition, whose offsets are the numbers of the messages."""

    address: str
    topic: str
    name = "bus"
    letter = "message_position"

    @property
    def connection(self) -> str:
        """The keys of the connection."""
        return f'kind: kafka, bootstrap_servers: "{self.address}"'

    @property
    def source(self) -> str:
        """The keys of the source that say where it is."""
        return f"connection: bus, topic: {self.topic}"

    def put(self, messages: Sequence[Message]) -> None:
        """Produces them."""
        topics.produce(self.address, self.topic, [topics.Message(_text(each).encode()) for each in messages])

    def close(self) -> None:
        """Deletes the topic."""
        topics.drop(self.address, self.topic)


def feed_of(folder: Path, servers: Servers, chance: random.Random) -> Feed:
    """Files, and for a third of the trials a topic."""
    address = servers.kafka.partition("?")[0]
    return Topic(address, topics.fresh(address)) if chance.random() < 1 / 3 else Files(folder)


def _text(message: Message) -> str:
    at = datetime.fromtimestamp(message.at, UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({**vars(message), "x": "none" if message.x is None else message.x, "at": at})


@dataclass(frozen=True)
class Places:
    """Where the streams of a folder write."""

    folder: Path
    servers: Servers

    @property
    def connections(self) -> Mapping[str, str]:
        """The keys of the connections of all targets."""
        databases = {
            name: f"kind: {kind}, path: {Path(options['path']).name}"
            for name, (kind, options) in self._databases.items()
            if "path" in options
        }
        urls = {"postgres": 'kind: postgres, url: "${PG_URL}"', "mysql": 'kind: mysql, url: "${MY_URL}"'}
        return {**databases, **urls, "files": "kind: files, uri: out", "delta": "kind: delta, uri: lake"}

    @property
    def _databases(self) -> Mapping[str, tuple[str, Mapping[str, str]]]:
        files = {
            "first": ("sqlite", "first.sqlite"),
            "database": ("sqlite", "db.sqlite"),
            "duckdb": ("duckdb", "db.duckdb"),
        }
        found = {name: (kind, {"path": str(self.folder / file)}) for name, (kind, file) in files.items()}
        urls = {"postgres": self.servers.postgres, "mysql": self.servers.mysql}
        return {**found, **{kind: (kind, {"url": url}) for kind, url in urls.items()}}

    def rows(self, table: str, name: str, columns: Sequence[str]) -> Iterator[Sequence[object]]:
        """What a target holds, behind its name; nothing where it was not made yet."""
        from deltalake import DeltaTable
        from pyarrow import parquet

        if name == "files":
            there = (self.folder / "out" / table).glob("*.parquet")
            found = [parquet.read_table(path) for path in there if path.name[0] not in "._"]
        elif name == "delta":
            path = self.folder / "lake" / table
            found = [DeltaTable(str(path)).to_pyarrow_table()] if path.exists() else []
        else:
            at, held = ("first", f"letters_{table}") if name == LETTERS else (name, table)
            found = [_asked(*self._databases[at], f"SELECT {', '.join(columns)} FROM {held}")]
        for each in filter(None, found):
            for row in each.to_pylist():
                yield [name, *(_plain(value) for value in row.values())]


def _plain(value: object) -> object:
    """A value of a row; of a letter, the number of its message, which is an offset or the name of a file."""
    text = str(value)
    return value if isinstance(value, str) and text in "abc" else int(Path(text).stem)


def _asked(kind: str, options: Mapping[str, str], query: str) -> object:
    database = open_database(kind, options)
    try:
        return database.query(query)
    except Exception:
        return None
    finally:
        database.close()
