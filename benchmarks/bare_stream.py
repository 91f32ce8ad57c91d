"""The bare loop of a stream: consume, decode, COPY, commit. No positions, no checks, nothing counted.

python -m benchmarks.bare_stream ADDRESS TOPIC MESSAGES DSN

Three threads with bounded queues between them, a transaction for each batch.
"""

from __future__ import annotations

import io
import queue
import sys
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.json as pj
from confluent_kafka import Consumer
from pgpq import ArrowToPostgresBinaryEncoder

BATCH = 20_000
SCHEMA = pa.schema(
    [
        ("event_id", pa.int64()), ("user_id", pa.int64()), ("event_type", pa.string()), ("amount", pa.float64()),
        ("page", pa.string()), ("country", pa.string()), ("ts", pa.int64()), ("note", pa.string()),
    ]
)  # fmt: skip
TABLE = (
    "CREATE TABLE events (event_id bigint, user_id bigint, event_type text, amount float8, page text, country text, "
    "ts bigint, note text)"
)
_FAST = {"fetch.max.bytes": 52_428_800, "max.partition.fetch.bytes": 10_485_760, "queued.min.messages": 500_000}


def consumed(address: str, topic: str, count: int) -> Iterator[list[Any]]:
    """Batches of messages, until there were `count`."""
    settings = {"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest", **_FAST}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    while count > 0:
        messages = consumer.consume(BATCH, 0.2)
        count -= len(messages)
        if messages:
            yield messages
    consumer.close()


def decoded(messages: list[Any]) -> pa.Table:
    """The rows of a batch."""
    text = b"\n".join([message.value() for message in messages])
    return pj.read_json(io.BytesIO(text), pj.ReadOptions(block_size=64 << 20), pj.ParseOptions(explicit_schema=SCHEMA))


def copied(session: psycopg.Connection, rows: pa.Table) -> None:
    """Writes a batch in a transaction of its own."""
    encoder = ArrowToPostgresBinaryEncoder(SCHEMA)
    with session.cursor() as cursor, cursor.copy("COPY events FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(encoder.write_header())
        for batch in rows.to_batches():
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())
    session.commit()


def main(address: str, topic: str, count: str, dsn: str) -> None:
    """Runs it to the end."""
    raw: queue.Queue[Any] = queue.Queue(2)
    ready: queue.Queue[Any] = queue.Queue(2)

    def read() -> None:
        for messages in consumed(address, topic, int(count)):
            raw.put(messages)
        raw.put(None)

    def decode() -> None:
        while (messages := raw.get()) is not None:
            ready.put(decoded(messages))
        ready.put(None)

    for work in (read, decode):
        threading.Thread(target=work, daemon=True).start()
    with psycopg.connect(dsn) as session:
        while (rows := ready.get()) is not None:
            copied(session, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
