"""Streams: a topic of JSON into tables, exactly once, against the bare loop and against peers, on one broker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from benchmarks import connect, peer
from benchmarks.bare_stream import TABLE
from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Result, Sample, Side, SideFailed, compare
from benchmarks.postgres import Server
from benchmarks.report import Row, speed_row
from tests.services import service
from tests.services.mysql import fresh_database

MESSAGES, OTHERS_MESSAGES, PEERS_MESSAGES, PARTITIONS = 5_000_000, 1_000_000, 300_000, 4
USERS = 100_003
_PATIENCE = 180.0
_CONNECT_TYPES = {
    "event_id": "int64", "user_id": "int64", "event_type": "string", "amount": "double", "page": "string",
    "country": "string", "ts": "int64", "note": "string",
}  # fmt: skip
_TYPES = ("click", "view", "purchase")
_COLUMNS = (
    "{ event_id: bigint, user_id: bigint, event_type: text, amount: double, page: text, country: text, ts: bigint, "
    "note: text }"
)


def event(number: int) -> bytes:
    """A message of about 190 bytes and 8 fields."""
    user = number * 7919 % USERS
    return (
        b'{"event_id": %d, "user_id": %d, "event_type": "%s", "amount": %d.%02d, "page": "/p/%d", "country": "DE", '
        b'"ts": %d, "note": "lorem ipsum dolor sit amet consectetur"}'
        % (
            number, user, _TYPES[number % 3].encode(), number % 97, number % 100, user % 997,
            1_760_000_000_000 + number // 100,
        )
    )  # fmt: skip


def specs(
    address: str,
    topic: str,
    target: str,
    rest: str = "",
    to: str = "{ connection: target, table: events, mode: append }",
) -> str:
    """A stream of the events into `events` of the connection `target`."""
    return f"""\
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{address}" }}
  target: {{ {target} }}
streams:
  events:
    source: {{ connection: bus, topic: {topic}, columns: {_COLUMNS} }}
    to: {to}
{rest}
"""


def filled(context: Context, count: int) -> str:
    """A topic with so many events; the same one for all cases of a run that share a broker."""
    from tests import topics  # its client comes with the extra `kafka`

    broker = context.kafka
    if (broker, count) not in _TOPICS:
        _TOPICS[broker, count] = topics.fresh(broker, PARTITIONS)
        topics.fill(broker, _TOPICS[broker, count], count, PARTITIONS, event)
    return _TOPICS[broker, count]


_TOPICS: dict[tuple[str, int], str] = {}


def stream_kafka_postgres(context: Context) -> Iterator[Row]:
    """Into a table of PostgreSQL, against the same calls with nothing around them."""
    count, ours = context.rows(MESSAGES), _ours(context)
    topic, server = filled(context, count), context.postgres
    command = [sys.executable, "-m", "benchmarks.bare_stream", context.kafka, topic, str(count), server.dsn("s")]
    bare = Side("bare loop", command, ours.prepare, Path(__file__).resolve().parents[1])

    def check(side: str) -> None:
        if (found := server.value("SELECT count(*) FROM events", "s")) != count:
            raise SideFailed(f"{side} left {found} rows in the target, not {count}")

    yield speed_row(_case(count), compare(ours, [bare], context.rounds, check), count, wanted=0.8, below_mib=500)
    server.drop("s")


def connect_stream(context: Context) -> Iterator[Row]:
    """The same, against Kafka Connect with a JDBC sink."""
    yield _beside(context, "Kafka Connect", 1.0, _connect)


def ematix_stream(context: Context) -> Iterator[Row]:
    """The same, against ematix-flow."""
    yield _beside(context, "ematix-flow", 15.0, _ematix)


def stream_kafka_mysql_and_others(context: Context) -> Iterator[Row]:
    """Into the other kinds of target, with a merge, and with SQL."""
    count, folder = context.rows(OTHERS_MESSAGES), context.folder / "others"
    folder.mkdir(exist_ok=True)
    topic = filled(context, count)
    with service("mysql") as address, fresh_database(address) as mysql:
        for name, (target, to, rest, wanted) in _others(folder, mysql, context.kafka).items():
            root = context.project(f"stream_{name}", specs(context.kafka, topic, target, rest, to))
            side = Side("flowc", flowc("run", "events", "--once", "--json"), cwd=root, env=flowc_environment())
            speed = count / side.run().seconds
            met = speed >= wanted if wanted and context.scale == 1 else None
            shown, goal = f"{speed / 1000:,.0f} k rows/s", f">= {wanted / 1000:.0f} k" if wanted else "-"
            yield Row(f"kafka -> {name}, {count:,} messages", shown, "-", "-", goal, met)


def _others(folder: Path, mysql: str, kafka: str) -> dict[str, tuple[str, str, str, int]]:
    table = "{ connection: target, table: events, mode: append }"
    merged = "{ connection: target, table: events, mode: merge, keys: [user_id], primary_key: [user_id] }"
    query = (
        "    sql: SELECT event_id, user_id, upper(country) AS country, amount * 2 AS twice FROM source WHERE amount > 1"
    )
    places = {name: f'"{folder / name}"' for name in ("duckdb", "sqlite", "merged", "queried", "delta", "files")}
    return {
        "mysql": (f'kind: mysql, url: "{mysql}"', table, "", 100_000),
        "duckdb": (f"kind: duckdb, path: {places['duckdb']}", table, "", 0),
        "sqlite": (f"kind: sqlite, path: {places['sqlite']}", table, "", 0),
        "duckdb, merge": (f"kind: duckdb, path: {places['merged']}", merged, "", 0),
        "duckdb, SQL": (f"kind: duckdb, path: {places['queried']}", table, query, 0),
        "delta": (f"kind: delta, uri: {places['delta']}", table, "", 0),
        "parquet": (
            f"kind: files, uri: {places['files']}", "{ connection: target, path: events, format: parquet }", "", 0,
        ),
        "kafka": (
            f'kind: kafka, bootstrap_servers: "{kafka}"',
            f"{{ connection: target, topic: out-{uuid4().hex[:8]} }}", "", 0,
        ),
    }  # fmt: skip


def _case(count: int) -> str:
    return f"kafka -> postgres, {count:,} messages"


def _ours(context: Context) -> Side:
    """flowc with all messages, into a database of its own that is made anew for every run."""
    topic, server = filled(context, context.rows(MESSAGES)), context.postgres
    root = context.project("stream_postgres", specs(context.kafka, topic, f'kind: postgres, url: "{server.dsn("s")}"'))

    def fresh() -> None:
        server.create("s")
        server.execute(TABLE, database="s")

    return Side("flowc", flowc("run", "events", "--once", "--json"), fresh, root, flowc_environment())


def _beside(context: Context, name: str, wanted: float, started: Callable[[Context, str, str], list[str]]) -> Row:
    """A peer that never ends, by its rate over fewer messages, once it is running."""
    ours, count = _ours(context), context.rows(MESSAGES)
    own = Result("flowc", tuple(ours.run() for _ in range(context.rounds)))
    ours.prepare()
    few = filled(context, context.rows(PEERS_MESSAGES))
    rate = _rate(context.postgres, context.rows(PEERS_MESSAGES), started(context, few, context.postgres.dsn("s")))
    context.postgres.drop("s")
    return speed_row(_case(count), [own, Result(name, (Sample(count / rate, 0.0, ""),))], count, wanted=wanted)


def _connect(context: Context, topic: str, dsn: str) -> list[str]:
    folder = context.folder / "connect"
    folder.mkdir(exist_ok=True)
    return connect.command(folder, context.kafka, topic, dsn, _CONNECT_TYPES)


def _ematix(context: Context, topic: str, dsn: str) -> list[str]:
    script = Path(__file__).with_name("ematix_stream.py")
    return [str(peer.installed(context)), str(script), context.kafka, topic, dsn, "events"]


def _rate(server: Server, count: int, command: Sequence[str]) -> float:
    """Rows a second of a process that never ends: from the first rows that are seen in the table to the last."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return _watched(server, count, process)
        finally:
            process.kill()


def _watched(server: Server, count: int, process: subprocess.Popen[bytes]) -> float:
    first: tuple[float, int] | None = None
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        found, now = int(str(server.value("SELECT count(*) FROM events", "s"))), time.monotonic()
        first = first or ((now, found) if found else None)
        if first is not None and found >= count:
            return max(found - first[1], 1) / max(now - first[0], 0.001)
        time.sleep(0.05)
    raise SideFailed(f"{command_name(process)} left {found} of {count} rows")


def command_name(process: subprocess.Popen[bytes]) -> str:
    """The program of a process."""
    arguments = process.args
    return str(arguments[0] if isinstance(arguments, list) else arguments)


CASES = (stream_kafka_postgres, connect_stream, ematix_stream, stream_kafka_mysql_and_others)
