"""The queries of Nexmark: as specs of streams, and as DuckDB answers them over all events at once.

Person, auction and bid are rows of one topic, told apart by `type`. Where the original joins windows of people and of
sellers (q8), or bids with the window of the greatest price (q7), the same rows are asked for by one window.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.nexmark_events import COLUMNS

EPOCH = 50_000
"""Events of an epoch."""
_SPEC = """\
project: nexmark
connections:
  memory: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  nowhere: {{ kind: files, uri: out, format: parquet }}
streams:
  {name}:
    source: {{ connection: memory, topic: events, columns: {{ {columns} }}, event_time: date_time }}
    watermark: {{ lateness: 4s }}
    batch: {{ max_rows: {epoch} }}
    sql: |
      {sql}
    to: {{ connection: nowhere, path: {name} }}
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of Nexmark: as the SQL of a stream, and as DuckDB answers it over all `events` at once.

    `flink` are the events a second that Flink 2.0 is published to reach on a core. Nobody measured them here.
    """

    flink: int
    sql: str
    whole: str


_TUMBLED = "time_bucket(INTERVAL '10 seconds', date_time)"
QUERIES = {
    "q1": Query(
        395_000,
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM source WHERE type = 2",
        "SELECT auction, bidder, 0.908 * price AS price, date_time, extra FROM events WHERE type = 2",
    ),
    "q2": Query(
        414_000,
        "SELECT auction, price FROM source WHERE type = 2 AND auction % 123 = 0",
        "SELECT auction, price FROM events WHERE type = 2 AND auction % 123 = 0",
    ),
    "q5": Query(
        75_000,
        """\
WITH counts AS (
  SELECT window_start, window_end, auction, count(*) AS bids
  FROM hop(source, INTERVAL '2 seconds', INTERVAL '10 seconds') WHERE type = 2
  GROUP BY window_start, window_end, auction
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY window_start, window_end ORDER BY bids DESC) AS place FROM counts
)
SELECT window_start, window_end, auction, bids FROM ranked WHERE place = 1""",
        """\
WITH counts AS (
  SELECT slide - INTERVAL (2 * ahead) SECOND AS window_start, auction, count(*) AS bids
  FROM (SELECT *, time_bucket(INTERVAL '2 seconds', date_time) AS slide FROM events WHERE type = 2), range(5) r(ahead)
  GROUP BY ALL
)
SELECT window_start, window_start + INTERVAL '10 seconds' AS window_end, auction, bids
FROM counts QUALIFY rank() OVER (PARTITION BY window_start ORDER BY bids DESC) = 1""",
    ),
    "q7": Query(
        23_000,
        """\
WITH bids AS (
  SELECT window_start, window_end, auction, price, bidder, date_time, extra, _offset
  FROM tumble(source, INTERVAL '10 seconds') WHERE type = 2
  GROUP BY window_start, window_end, auction, price, bidder, date_time, extra, _offset
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY window_start, window_end ORDER BY price DESC) AS place FROM bids
)
SELECT window_end, auction, price, bidder, date_time, extra FROM ranked WHERE place = 1""",
        f"""\
SELECT {_TUMBLED} + INTERVAL '10 seconds' AS window_end, auction, price, bidder, date_time, extra
FROM events WHERE type = 2 QUALIFY rank() OVER (PARTITION BY {_TUMBLED} ORDER BY price DESC) = 1""",
    ),
    "q8": Query(
        162_000,
        """\
SELECT window_start, coalesce(person_id, seller) AS id, max(name) AS name
FROM tumble(source, INTERVAL '10 seconds') WHERE type < 2
GROUP BY window_start, window_end, coalesce(person_id, seller)
HAVING count(person_id) > 0 AND count(seller) > 0""",
        f"""\
WITH people AS (SELECT DISTINCT {_TUMBLED} AS window_start, person_id AS id, name FROM events WHERE type = 0),
sellers AS (SELECT DISTINCT {_TUMBLED} AS window_start, seller AS id FROM events WHERE type = 1)
SELECT window_start, id, name FROM people JOIN sellers USING (window_start, id)""",
    ),
    "q11": Query(
        46_000,
        """\
SELECT bidder, count(*) AS bids, window_start, window_end
FROM session(source, INTERVAL '10 seconds', INTERVAL '1 day') WHERE type = 2
GROUP BY bidder, window_start, window_end""",
        """\
WITH bids AS (
  SELECT bidder, date_time, date_time - lag(date_time) OVER own > INTERVAL '10 seconds' AS begins
  FROM events WHERE type = 2
  WINDOW own AS (PARTITION BY bidder ORDER BY date_time)
), numbered AS (
  SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY bidder ORDER BY date_time) AS session FROM bids
)
SELECT bidder, count(*) AS bids, min(date_time) AS window_start, max(date_time) + INTERVAL '10 seconds' AS window_end
FROM numbered GROUP BY bidder, session""",
    ),
}  # fmt: skip


_PAIRS = """\
WITH auctions AS (SELECT auction_id AS id, item, category, expires, _event_ts FROM source WHERE type = 1),
bids AS (SELECT auction, bidder, price, _event_ts FROM source WHERE type = 2),
pairs AS (
  SELECT a.id, a.item, a.category, b.bidder, b.price, b._event_ts
  FROM auctions a JOIN bids b ON a.id = b.auction AND b._event_ts BETWEEN a._event_ts AND a.expires
)"""
REFUSED = {
    "q4": f"""{_PAIRS}, highest AS (SELECT id, category, max(price) AS price FROM pairs GROUP BY id, category)
SELECT category, avg(price) AS price FROM highest GROUP BY category""",
    "q9": f"""{_PAIRS},
ranked AS (SELECT *, row_number() OVER (PARTITION BY id ORDER BY price DESC, _event_ts) AS place FROM pairs)
SELECT id, item, bidder, price FROM ranked WHERE place = 1""",
}
"""Queries that nothing bounds: an auction waits for its bids until a time that its own row names."""


def spec_of(name: str, sql: str) -> str:
    """The project of a query."""
    columns = ", ".join(f"{column}: {type_}" for column, type_ in COLUMNS.items())
    return _SPEC.format(name=name, columns=columns, epoch=EPOCH, sql=sql.replace("\n", "\n      "))
