"""Streams that have much to catch up with, and streams with SQL and a lookup: into PostgreSQL, with peak memory."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bare_stream import TABLE
from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Result, Side, SideFailed
from benchmarks.report import Row, load_row
from benchmarks.streams import OTHERS_MESSAGES, USERS, filled, specs

MESSAGES, LOOKED_UP, MIB = 20_000_000, 100_000, 500
_DATABASE = "backlog"
_LOOKUP = (
    f"CREATE TABLE users AS SELECT g AS id, 'region ' || g % 50 AS region FROM generate_series(0, {LOOKED_UP - 1}) g"
)
_QUERY = """\
    lookups: { users: { connection: target, sql: "SELECT id, region FROM public.users" } }
    sql: |
      SELECT s.event_id, s.user_id, upper(s.page) AS page, s.amount * 2 AS twice, u.region
      FROM source s LEFT JOIN users u ON s.user_id = u.id"""
_MERGED = "{ connection: target, table: looked_up, mode: merge, keys: [user_id], primary_key: [user_id] }"
_APPENDED = "{ connection: target, table: looked_up, mode: append }"


def backlog_kafka_postgres(context: Context) -> Iterator[Row]:
    """A backlog of 20 million messages, which must not show in memory."""
    count = context.rows(MESSAGES)
    topic = filled(context, count)
    command = _side(context, "backlog", specs(context.kafka, topic, _target(context)), TABLE)
    result = _measured(context, command, "SELECT count(*) FROM events", count)
    yield load_row(f"kafka -> postgres, backlog of {count:,} messages", result, count, below_mib=MIB)
    context.postgres.drop(_DATABASE)


def stream_lookup_postgres(context: Context) -> Iterator[Row]:
    """A query that joins each message with a lookup of 100,000 rows; appended, and merged by the user."""
    count = context.rows(OTHERS_MESSAGES)
    topic = filled(context, count)
    for mode, to, wanted in (("append", _APPENDED, count), ("merge", _MERGED, min(count, USERS))):
        text = specs(context.kafka, topic, _target(context), _QUERY, to)
        side = _side(context, f"lookup_{mode}", text, _LOOKUP)
        result = _measured(context, side, "SELECT count(*) FROM looked_up", wanted)
        yield load_row(f"kafka -> postgres, SQL and lookup, {mode}, {count:,} messages", result, count, below_mib=MIB)
    context.postgres.drop(_DATABASE)


def _target(context: Context) -> str:
    return f'kind: postgres, url: "{context.postgres.dsn(_DATABASE)}"'


def _side(context: Context, name: str, text: str, *statements: str) -> Side:
    """flowc, into a database that is made anew with these statements for every run."""

    def fresh() -> None:
        context.postgres.create(_DATABASE)
        context.postgres.execute(*statements, database=_DATABASE)

    command = flowc("run", "events", "--once", "--json")
    return Side("flowc", command, fresh, context.project(name, text), flowc_environment())


def _measured(context: Context, side: Side, query: str, wanted: int) -> Result:
    result = Result(side.name, tuple(side.run() for _ in range(context.rounds)))
    if (found := context.postgres.value(query, _DATABASE)) != wanted:
        raise SideFailed(f"{side.name} left {found} rows in the target, not {wanted}")
    return result


CASES = (backlog_kafka_postgres, stream_lookup_postgres)
