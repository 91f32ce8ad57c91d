"""Reading a topic of Kafka into Arrow, against the client's own `consume` with nothing around it.

python -m benchmarks.kafka_read ADDRESS TOPIC MESSAGES SIDE      one run of one side; prints its seconds

The time runs from the first message to the last: connecting and importing are left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from benchmarks.context import Context
from benchmarks.measure import Result, Side, compare
from benchmarks.report import Row, speed_row
from flowc.runtime.contracts.source import RAW
from flowc.runtime.systems.kafka.source import KafkaSource

MESSAGES, PARTITIONS, BATCH = 1_000_000, 4, 20_000
Read = Callable[[], int]


def kafka_read(context: Context) -> Iterator[Row]:
    """Values alone, against values handed on as Python's bytes; and all columns, against the same."""
    from tests import topics  # its client comes with the extra `kafka`

    count = context.rows(MESSAGES)
    topic = topics.fresh(context.kafka, PARTITIONS)
    topics.fill(context.kafka, topic, count, PARTITIONS)
    for case, side, wanted in (("kafka_read", "flowc", 0.7), ("kafka_read, all columns", "flowc_all", 0.3)):
        sides = [_side(name, context.kafka, topic, count) for name in (side, "consume_values", "consume")]
        for rival in sides[1:]:
            pair = compare(sides[0], [rival], context.rounds)
            yield speed_row(case, [_inside(result) for result in pair], count, wanted=wanted)


def _side(name: str, address: str, topic: str, count: int) -> Side:
    return Side(name, [sys.executable, "-m", "benchmarks.kafka_read", address, topic, str(count), name])


def _inside(result: Result) -> Result:
    """With the seconds that the process measured itself."""
    return Result(result.name, tuple(replace(sample, seconds=float(sample.output)) for sample in result.samples))


def _consume(address: str, topic: str, take: Callable[[Sequence[object]], object]) -> Read:
    from confluent_kafka import Consumer, TopicPartition

    settings = {"bootstrap.servers": address, "group.id": "bare", "fetch.queue.backoff.ms": 10}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])

    def read() -> int:
        messages = consumer.consume(BATCH, 0.05)
        take(messages)
        return len(messages)

    return read


def _flowc(address: str, topic: str, columns: Sequence[str]) -> Read:
    source = KafkaSource("bench", topic, {"bootstrap_servers": address}, columns=columns, group="flowc")
    source.open()
    source.assign({})

    def read() -> int:
        polled = source.poll(BATCH, 0.2)
        return polled.messages.num_rows if polled else 0

    return read


def _values(messages: Sequence[object]) -> list[object]:
    return [message.value() for message in messages]  # type: ignore[attr-defined]


SIDES: Mapping[str, Callable[[str, str], Read]] = {
    "consume": lambda address, topic: _consume(address, topic, len),
    "consume_values": lambda address, topic: _consume(address, topic, _values),
    "flowc": lambda address, topic: _flowc(address, topic, ("_value",)),
    "flowc_all": lambda address, topic: _flowc(address, topic, RAW),
}


def main(address: str, topic: str, count: str, side: str) -> None:
    """Reads the topic once by that side, and prints the seconds."""
    read = SIDES[side](address, topic)
    left = int(count)
    while not (got := read()):
        pass
    began, left = time.perf_counter(), left - got
    full = int(count) / max(left, 1)
    while left > 0:
        left -= read()
    print((time.perf_counter() - began) * full)


CASES = (kafka_read,)

if __name__ == "__main__":
    main(*sys.argv[1:])
