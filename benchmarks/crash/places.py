"""Where campaigns write: an empty place of each kind for every trial, and what it holds afterwards."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from flowc.runtime.connectors import open_database
from tests import topics
from tests.services.mysql import fresh_database

Ids = Callable[[], list[int]]


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Place:
    """An empty place: its connections in a spec, its targets, and how to ask each for the ids that it holds."""

    connections: Mapping[str, str]
    targets: tuple[str, ...]
    ids: tuple[Ids, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stream: str = ""
    """More keys of the stream."""
    repeats: bool = False
    """Whether it reads the topic in which some ids are twice."""
    tune: Callable[[], None] = _nothing
    """Called in a worker before it begins."""


def _database(kind: str, options: Mapping[str, object], name: str = "out") -> Place:
    def ids() -> list[int]:
        database = open_database(kind, options)
        try:
            return [int(value) for value in database.query("SELECT id FROM events").column(0).to_pylist()]
        finally:
            database.close()

    # An address holds a password, and lint wants it out of the specs.
    given = ", ".join(f'{key}: "${{{name.upper()}_{key.upper()}}}"' for key in options)
    env = {f"{name.upper()}_{key.upper()}": str(value) for key, value in options.items()}
    target = f"{{ connection: {name}, table: events, mode: append }}"
    return Place({name: f"kind: {kind}, {given}"}, (target,), (ids,), env)


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    """A file of SQLite."""
    yield _database("sqlite", {"path": str(folder / "out.sqlite")})


@contextmanager
def duckdb(folder: Path) -> Iterator[Place]:
    """A file of DuckDB."""
    yield _database("duckdb", {"path": str(folder / "out.duckdb")})


@contextmanager
def postgres(_: Path, name: str = "out") -> Iterator[Place]:
    """A database of its own on the server that `FLOWC_TEST_POSTGRES` names."""
    address, database = os.environ["FLOWC_TEST_POSTGRES"], f"crash_{uuid.uuid4().hex[:12]}"
    _administer(address, f"CREATE DATABASE {database}")
    yield _database("postgres", {"url": urlunsplit(urlsplit(address)._replace(path=f"/{database}"))}, name)
    _administer(address, f"DROP DATABASE {database} WITH (FORCE)")


def _administer(address: str, statement: str) -> None:
    """Runs a statement in a session that ends with it, for servers are killed meanwhile."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(statement)


@contextmanager
def mysql(_: Path, name: str = "out") -> Iterator[Place]:
    """A database of its own on the server that `FLOWC_TEST_MYSQL` names."""
    with fresh_database(os.environ["FLOWC_TEST_MYSQL"]) as url:
        yield _database("mysql", {"url": url}, name)


@contextmanager
def delta(folder: Path) -> Iterator[Place]:
    """A Delta table in a folder, with a commit every few epochs."""

    def ids() -> list[int]:
        from deltalake import DeltaTable

        table = DeltaTable(str(folder / "lake" / "events")).to_pyarrow_table(columns=["id"])
        return [int(value) for value in table["id"].to_pylist()]

    def tune() -> None:
        from flowc.runtime.streams.targets import delta as target

        target.ROWS = 900

    target = "{ connection: out, table: events, mode: append }"
    yield Place({"out": f'kind: delta, uri: "{folder / "lake"}"'}, (target,), (ids,), tune=tune)


@contextmanager
def files(folder: Path) -> Iterator[Place]:
    """A folder of Parquet files, rolled every few epochs."""

    def ids() -> list[int]:
        from pyarrow import parquet

        found = [path for path in (folder / "out" / "events").glob("*.parquet") if path.name[0] not in "._"]
        return [int(value) for path in found for value in parquet.read_table(path)["id"].to_pylist()]

    target = "{ connection: out, path: events, format: parquet, roll: { rows: 900 } }"
    yield Place({"out": f'kind: files, uri: "{folder / "out"}"'}, (target,), (ids,))


@contextmanager
def kafka(_: Path) -> Iterator[Place]:
    """A topic of the broker that is read, counted by a reader of what is committed."""
    address = os.environ["FLOWC_TEST_KAFKA"].partition("?")[0]
    topic = topics.fresh(address, 2)
    target = f"{{ connection: bus, topic: {topic}, key: id }}"

    def ids() -> list[int]:
        return [json.loads(message.value())["id"] for message in topics.committed(address, topic)]

    yield Place({}, (target,), (ids,))
    topics.drop(address, topic)


@contextmanager
def several(folder: Path) -> Iterator[Place]:
    """Two tables in two databases."""
    with postgres(folder, "one") as one, mysql(folder, "two") as two:
        yield Place(
            {**one.connections, **two.connections}, one.targets + two.targets, one.ids + two.ids, {**one.env, **two.env}
        )


@contextmanager
def dedupe(folder: Path) -> Iterator[Place]:
    """A table of PostgreSQL that repeats are dropped before; what was seen stands in the embedded store."""
    with postgres(folder) as out:
        yield Place(out.connections, out.targets, out.ids, out.env, _DEDUPE, repeats=True)


@contextmanager
def shared(folder: Path) -> Iterator[Place]:
    """The same, but what was seen stands beside the table, in the same transactions."""
    with postgres(folder) as out:
        stream = f"{_DEDUPE}\n    state: {{ connection: out }}"
        yield Place(out.connections, out.targets, out.ids, out.env, stream, repeats=True)


_DEDUPE = "    dedupe: { keys: [id], within: 10m }\n    watermark: { lateness: 1h }"

PLACES: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "sqlite": sqlite, "duckdb": duckdb, "postgres": postgres, "mysql": mysql, "delta": delta, "files": files,
    "kafka": kafka, "several": several, "dedupe": dedupe, "shared": shared,
}  # fmt: skip

SERVERS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres",), "mysql": ("mysql",), "several": ("postgres", "mysql"), "dedupe": ("postgres",),
    "shared": ("postgres",),
}  # fmt: skip
"""The database servers that kinds of places are on."""
SHARED = ("postgres", "mysql")
"""The kinds of places that several workers may write at once."""
ROLLING = ("delta", "files")
"""The kinds of places that take rows of several epochs at once."""
WITHOUT: Mapping[str, tuple[str, ...]] = {
    "rewind": ("duckdb", "dedupe", "shared"), "dlq-replay": ("duckdb", "delta", "files", "kafka"),
}  # fmt: skip
"""The kinds of places that a way does not fit: a file that one process opens, state that begins anew, other letters."""
