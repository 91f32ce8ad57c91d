"""Streams with bad messages among the good: a topic into PostgreSQL, against the same topic without any.

A third of the bad messages are no JSON, a third fail in a CAST of the SQL, a third do not fit the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.context import Context, flowc, flowc_environment
from benchmarks.measure import Side, SideFailed, compare
from benchmarks.report import Row, speed_row

MESSAGES, PARTITIONS = 1_000_000, 4
TABLE = "CREATE TABLE events (id bigint, amount bigint, page varchar(20))"


def specs(address: str, dsn: str, topic: str, on_error: str) -> str:
    """A stream of the events into the table `events`."""
    return f"""\
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{address}" }}
  target: {{ kind: postgres, url: "{dsn}" }}
tables:
  events: {{ connection: target, columns: {{ id: bigint, amount: bigint, page: varchar(20) }} }}
streams:
  events:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, amount: text, page: text }} }}
    sql: SELECT id, CAST(amount AS bigint) AS amount, page FROM source
    to: events
    on_error: {on_error}
"""


def event(number: int, every: int = 0) -> bytes:
    """A message; one of `every` is bad."""
    if every and number % every == 0:
        return _BAD[number // every % len(_BAD)] % number
    return b'{"id": %d, "amount": "%d", "page": "/p/%d", "note": "lorem ipsum dolor sit amet"}' % (
        number, number * 7 % 10_007, number % 997,
    )  # fmt: skip


_BAD = (
    b'{"id": %d, "amount": ',
    b'{"id": %d, "amount": "ten", "page": "/p"}',
    b'{"id": %d, "amount": "10", "page": "/a/page/whose/name/is/far/too/long"}',
)


def poison_kafka_postgres(context: Context) -> Iterator[Row]:
    """One bad message in a thousand, and one in ten."""
    from tests import topics  # its client comes with the extra `kafka`

    count, server = context.rows(MESSAGES), context.postgres

    def fresh() -> None:
        server.create("s")
        server.execute(TABLE, database="s")

    def side(name: str, every: int) -> Side:
        topic = topics.fresh(context.kafka, PARTITIONS)
        topics.fill(context.kafka, topic, count, PARTITIONS, partial(event, every=every))
        root = context.project(f"poison_{every}", specs(context.kafka, server.dsn("s"), topic, "drop"))
        return Side(name, flowc("run", "events", "--once", "--json"), fresh, root, flowc_environment())

    clean = side("without", 0)
    for every, wanted in ((1000, 0.5), (10, 0.05)):
        own = side("flowc", every)
        good = {"flowc": count - len(range(0, count, every)), "without": count}

        def check(name: str, good: dict[str, int] = good) -> None:
            if (found := server.value("SELECT count(*) FROM events", "s")) != good[name]:
                raise SideFailed(f"{name} left {found} rows in the target, not {good[name]}")

        case = f"kafka -> postgres, {count:,} messages, 1 bad in {every:,}"
        yield speed_row(case, compare(own, [clean], context.rounds, check), count, wanted=wanted)
    server.drop("s")


CASES = (poison_kafka_postgres,)
