"""Where campaigns write: an empty place of each kind for every trial, and what it holds afterwards."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from benchmarks.crash.feeds import Item, distinct, pair, pairs, sessions, total, totals, window, windows
from benchmarks.crash.losses import Damage, of_files, of_topic, often
from flowc.runtime.systems import open_database
from tests import topics
from tests.services.mysql import ask, fresh_database

Held = Callable[[], Sequence[Item]]


def _nothing() -> None:
    return


_EVENTS = """\
    source: {{ connection: bus, topic: {0}, columns: {{ id: bigint, note: text }} }}
    sql: SELECT id, upper(note) AS note, _partition AS part, _offset AS pos{more} FROM source"""


@dataclass(frozen=True)
class Place:
    """An empty place: its connections in a spec, its targets, and how to ask each for the rows that it holds."""

    connections: Mapping[str, str]
    targets: tuple[str, ...]
    held: tuple[Held, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stream: str = ""
    """More keys of the stream."""
    feed: str = "events"
    """What it reads."""
    reads: str = _EVENTS
    """The keys of the stream that say so, with the topics in braces, and `more` for more columns."""
    wanted: Callable[[int], Sequence[Item]] = range
    """What is to be there at the end of so many events."""
    late: Held | None = None
    """How to ask for the messages that were too late, which none is; None where they are only counted."""
    drained: bool = False
    """Whether the end of the topic is to let out what it holds."""
    properties: str = ""
    """What the broker's connection is told."""
    most: int = 4
    """How often a worker may come to a point before it is killed there."""
    tune: Callable[[], None] = _nothing
    """Called in a worker before it begins."""
    damage: Damage | None = None
    """How its first target may lose rows."""


def _database(kind: str, options: Mapping[str, object], name: str = "out") -> Place:
    def ids() -> list[Item]:
        return [int(id_) for (id_,) in _rows(kind, options, "SELECT id FROM events")]

    # An address holds a password, and lint wants it out of the specs.
    given = ", ".join(f'{key}: "${{{name.upper()}_{key.upper()}}}"' for key in options)
    env = {f"{name.upper()}_{key.upper()}": str(value) for key, value in options.items()}
    target = f"{{ connection: {name}, table: events, mode: append }}"
    return Place({name: f"kind: {kind}, {given}"}, (target,), (ids,), env)


def _rows(kind: str, options: Mapping[str, object], query: str) -> list[tuple[Any, ...]]:
    database = open_database(kind, options)
    try:
        return list(zip(*(column.to_pylist() for column in database.query(query).columns), strict=True))
    finally:
        database.close()


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    """A file of SQLite."""
    yield replace(_database("sqlite", {"path": str(folder / "out.sqlite")}), damage=of_files(folder, "out.sqlite"))


@contextmanager
def duckdb(folder: Path) -> Iterator[Place]:
    """A file of DuckDB."""
    yield replace(_database("duckdb", {"path": str(folder / "out.duckdb")}), damage=of_files(folder, "out.duckdb"))


@contextmanager
def postgres(_: Path, name: str = "out") -> Iterator[Place]:
    """A database of its own on the server that `FLOWC_TEST_POSTGRES` names."""
    address, database = os.environ["FLOWC_TEST_POSTGRES"], f"crash_{uuid.uuid4().hex[:12]}"
    _administer(address, f"CREATE DATABASE {database}")
    place = _database("postgres", {"url": urlunsplit(urlsplit(address)._replace(path=f"/{database}"))}, name)
    yield replace(place, damage=_of_postgres(address, database))
    _administer(address, f"DROP DATABASE {database} WITH (FORCE)")
    _administer(address, f"DROP DATABASE IF EXISTS {database}_copy WITH (FORCE)")


def _of_postgres(address: str, database: str) -> Damage:
    def remake(template: str = "template1") -> None:
        _administer(address, f"DROP DATABASE {database} WITH (FORCE)")
        _administer(address, f"CREATE DATABASE {database} TEMPLATE {template}")

    def copy() -> None:
        _administer(address, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        _administer(address, ended)
        _administer(address, f"CREATE DATABASE {database}_copy TEMPLATE {database}")
        _administer(address, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")

    return Damage(remake, copy, lambda: remake(f"{database}_copy"))


def _administer(address: str, statement: str) -> None:
    """Runs a statement in a session that ends with it, for servers are killed meanwhile."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(statement)


@contextmanager
def mysql(_: Path, name: str = "out") -> Iterator[Place]:
    """A database of its own on the server that `FLOWC_TEST_MYSQL` names."""
    address = os.environ["FLOWC_TEST_MYSQL"]
    with fresh_database(address) as url, fresh_database(address) as spare:
        yield replace(_database("mysql", {"url": url}, name), damage=_of_mysql(address, url, spare))


def _of_mysql(address: str, url: str, spare: str) -> Damage:
    database, copied = (urlsplit(each).path[1:] for each in (url, spare))

    def drop() -> None:
        ask(address, f"DROP DATABASE {database}", f"CREATE DATABASE {database} CHARACTER SET utf8mb4")

    def fill(one: str, other: str) -> None:
        """Makes the tables of one database in another one, with their rows."""
        names = ask(address, f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{one}'")
        for (name,) in names:
            ask(address, f'CREATE TABLE {other}."{name}" LIKE {one}."{name}"')
        with_rows = [f'INSERT INTO {other}."{name}" SELECT * FROM {one}."{name}"' for (name,) in names]
        ask(address, "START TRANSACTION", *with_rows, "COMMIT")  # as a backup has it: all tables of one moment

    def restore() -> None:
        drop()
        fill(copied, database)

    return Damage(drop, lambda: fill(database, copied), restore)


@contextmanager
def delta(folder: Path) -> Iterator[Place]:
    """A Delta table in a folder, with a commit every few epochs."""

    def ids() -> list[Item]:
        from deltalake import DeltaTable

        table = DeltaTable(str(folder / "lake" / "events")).to_pyarrow_table(columns=["id"])
        return [int(value) for value in table["id"].to_pylist()]

    def tune() -> None:
        from flowc.runtime.systems.delta import target

        target.ROWS = 900

    target = "{ connection: out, table: events, mode: append }"
    connections = {"out": f'kind: delta, uri: "{folder / "lake"}"'}
    yield Place(connections, (target,), (ids,), tune=tune, damage=of_files(folder, "lake"))


@contextmanager
def files(folder: Path) -> Iterator[Place]:
    """A folder of Parquet files, rolled every few epochs."""

    def ids() -> list[Item]:
        from pyarrow import parquet

        found = [path for path in (folder / "out" / "events").glob("*.parquet") if path.name[0] not in "._"]
        return [int(value) for path in found for value in parquet.read_table(path)["id"].to_pylist()]

    target = "{ connection: out, path: events, format: parquet, roll: { rows: 900 } }"
    (folder / "out").mkdir()
    connections = {"out": f'kind: files, uri: "{folder / "out"}"'}
    yield Place(connections, (target,), (ids,), damage=of_files(folder / "out", "events"))


@contextmanager
def kafka(_: Path) -> Iterator[Place]:
    """A topic of the broker that is read, counted by a reader of what is committed."""
    address = os.environ["FLOWC_TEST_KAFKA"].partition("?")[0]
    topic = topics.fresh(address, 2)
    target = f"{{ connection: bus, topic: {topic}, key: id }}"

    def ids() -> list[Item]:
        return [json.loads(message.value())["id"] for message in topics.committed(address, topic)]

    yield Place({}, (target,), (ids,), damage=of_topic(address, topic, 2))
    topics.drop(address, topic)


@contextmanager
def several(folder: Path) -> Iterator[Place]:
    """Two tables in two databases."""
    with postgres(folder, "one") as one, mysql(folder, "two") as two:
        yield Place(
            {**one.connections, **two.connections}, one.targets + two.targets, one.held + two.held,
            {**one.env, **two.env}, damage=one.damage,
        )  # fmt: skip


@contextmanager
def dedupe(folder: Path, *, beside: bool = False) -> Iterator[Place]:
    """A table of PostgreSQL that repeats are dropped before; what was seen stands in the embedded store.

    Or `beside` the table, in the same transactions.
    """
    stream = "    dedupe: { keys: [id], within: 10m }\n    watermark: { lateness: 1h }" + _BESIDE * beside
    with postgres(folder) as out:
        yield replace(out, stream=stream, feed="repeats", wanted=lambda events: range(distinct(events)), tune=often)


@contextmanager
def timed(folder: Path, kind: _Timed, *, beside: bool = False) -> Iterator[Place]:
    """A table of PostgreSQL that operators of event time write, with their state in one of both places."""
    with postgres(folder) as out:
        options = {"url": out.env["OUT_URL"]}

        def held() -> list[Item]:
            return [kind.row(*row) for row in _rows("postgres", options, kind.query)]

        def late() -> list[Item]:
            return [f"{id_}" for (id_,) in _rows("postgres", options, "SELECT message_position FROM letters")]

        yield replace(
            out, held=(held,), stream=kind.stream + _BESIDE * beside, feed=kind.feed, reads=kind.reads,
            wanted=kind.wanted, late=late if "late: dlq" in kind.stream else None, drained=True, tune=often,
            most=30, properties=_BY_TURNS, targets=(kind.to,),
        )  # fmt: skip


@dataclass(frozen=True)
class _Timed:
    """A stream of event time: what it reads and does, and what is to be there."""

    feed: str
    reads: str
    stream: str
    query: str
    row: Callable[..., Item]
    wanted: Callable[[int], Sequence[Item]]
    to: str = "{ connection: out, table: events, mode: append }"


_BY_TURNS = ", properties: { max.partition.fetch.bytes: 4096 }"
"""So that partitions are read by turns, and time goes on."""
_BESIDE = "\n    state: { connection: out }"
_LATE = "\n    on_error: dlq\n    dead_letter: { connection: out, table: letters }"
_SALES = """\
    source:
      connection: bus
      topic: {0}
      columns: {{ id: bigint, key: text, amount: bigint, at: timestamptz }}
      event_time: at
    watermark: {{ lateness: 1s }}"""
_ORDERS = """\
    sources:
      orders: {{ connection: bus, topic: {0}, columns: {{ order_id: bigint, at: timestamptz }}, event_time: at }}
      payments:
        connection: bus
        topic: {1}
        columns: {{ payment_id: bigint, order_id: bigint, at: timestamptz }}
        event_time: at
    watermark: {{ lateness: 1s }}"""
_MADE = "count(*) AS n, sum(amount) AS total, min(id) AS least, max(id) AS most"
_WINDOWS = "SELECT window_start, key, n, total, least, most FROM events"
WINDOWS = _Timed(
    "sales", _SALES, """\
    window:
      { kind: tumbling, size: 1s, group_by: [key], late: dlq,
        aggregate: { n: count(*), total: sum(amount), least: min(id), most: max(id) } }""" + _LATE,
    _WINDOWS, window, lambda events: windows(events, 1000, 1000),
)  # fmt: skip
HOPPING = _Timed(
    "sales", _SALES, f"""\
    sql: |
      SELECT window_start, key, {_MADE} FROM hop(source, INTERVAL '3 seconds', INTERVAL '10 seconds')
      GROUP BY window_start, window_end, key""",
    _WINDOWS, window, lambda events: windows(events, 10_000, 3000),
)  # fmt: skip
SESSIONS = _Timed(
    "sales", _SALES, f"""\
    sql: |
      SELECT window_start, id % 41 AS key, {_MADE} FROM session(source, INTERVAL '1 second', INTERVAL '1 hour')
      GROUP BY window_start, window_end, id % 41""",
    _WINDOWS, window, lambda events: sessions(events, 41, 1000),
)  # fmt: skip
_AGAIN = "late: reopen, allowed_lateness: 2s"
_EAGER = ("lateness: 1s", "lateness: 0s")
"""So that rows of a partition are late, as many as are out of order."""
REOPENED_SESSIONS = replace(
    SESSIONS, reads=_SALES.replace(*_EAGER),
    to="{ connection: out, table: events, mode: merge, keys: [session_id] }", stream=f"""\
    sql: SELECT id, amount, id % 41 AS key FROM source
    window:
      {{ kind: session, gap: 1s, max_duration: 1h, group_by: [key], {_AGAIN},
        aggregate: {{ n: count(*), total: sum(amount), least: min(id), most: max(id) }} }}""",
)  # fmt: skip
RUNNING = _Timed(
    "sales", _SALES, f"""\
    group_ttl: 1h
    sql: SELECT id % 97 AS key, {_MADE} FROM source GROUP BY id % 97""",
    "SELECT key, n, total, least, most FROM events", total, lambda events: totals(events, 97),
    "{ connection: out, table: events, mode: merge, keys: [key] }",
)  # fmt: skip
JOIN = _Timed(
    "orders", _ORDERS, """\
    join: { kind: left, left: orders, right: payments, on: [order_id], between: [-1s, 3s], late: dlq }""" + _LATE,
    "SELECT left_order_id, payment_id FROM events", pair, lambda events: pairs(events, -1000, 3000),
)  # fmt: skip
REOPENED_JOIN = replace(
    JOIN, reads=_ORDERS.replace(*_EAGER), wanted=lambda events: pairs(events, -1000, 3000, outer=False), stream=f"""\
    join: {{ kind: inner, left: orders, right: payments, on: [order_id], between: [-1s, 3s], {_AGAIN} }}""",
)  # fmt: skip

PLACES: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "sqlite": sqlite, "duckdb": duckdb, "postgres": postgres, "mysql": mysql, "delta": delta, "files": files,
    "kafka": kafka, "several": several, "dedupe": dedupe, "shared": partial(dedupe, beside=True),
    "windows": partial(timed, kind=WINDOWS), "windows beside": partial(timed, kind=WINDOWS, beside=True),
    "hopping": partial(timed, kind=HOPPING), "sessions": partial(timed, kind=SESSIONS),
    "running": partial(timed, kind=RUNNING), "running beside": partial(timed, kind=RUNNING, beside=True),
    "join": partial(timed, kind=JOIN), "join beside": partial(timed, kind=JOIN, beside=True),
    "reopened sessions": partial(timed, kind=REOPENED_SESSIONS), "reopened join": partial(timed, kind=REOPENED_JOIN),
}  # fmt: skip

TIMED = (
    "windows", "windows beside", "hopping", "sessions", "running", "running beside", "join", "join beside",
    "reopened sessions", "reopened join",
)  # fmt: skip
"""The kinds of places that operators of event time write."""
SERVERS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres",), "mysql": ("mysql",), "several": ("postgres", "mysql"), "dedupe": ("postgres",),
    "shared": ("postgres",), **dict.fromkeys(TIMED, ("postgres",)),
}  # fmt: skip
"""The database servers that kinds of places are on."""
SHARED = ("postgres", "mysql")
"""The kinds of places that several workers may write at once."""
ROLLING = ("delta", "files")
"""The kinds of places that take rows of several epochs at once."""
WITHOUT: Mapping[str, tuple[str, ...]] = {
    "rewind": ("duckdb", "dedupe", "shared", *TIMED), "dlq-replay": ("duckdb", "delta", "files", "kafka", *TIMED),
    "second-daemon": TIMED, "rolling": TIMED, "looked-at": ("duckdb",), "dropped": TIMED,
    "restored": TIMED,
}  # fmt: skip
"""The kinds of places that a way does not fit: a file that one process opens, state that begins anew, other letters,
daemons that hold back what the end lets out."""
