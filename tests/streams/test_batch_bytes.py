"""Epochs are bounded in bytes: what a stream holds does not grow with the size of its messages, and none is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.errors import EngineError
from flowc.nodes import ROW
from flowc.runtime.contracts.oversize import counted, one_batch
from flowc.runtime.contracts.source import Polled, Source
from flowc.runtime.formats.parquet.framing import ParquetFraming
from flowc.runtime.streams.rowwise import Rowwise
from flowc.runtime.streams.transform import Transform
from flowc.runtime.systems.kafka.source import KafkaSource
from tests.commands import Folder
from tests.extended import EXTENDED
from tests.streams.filefolder import Memory, put, source
from tests.streams.test_daemon_shared import rows
from tests.topics import Message, fresh, produce

MIB = 1 << 20
PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  large:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, note: text }} }}
    sql: SELECT id, length(note) AS size FROM source
    to: {{ connection: wh, table: large }}
    batch: {{ max_bytes: {most} }}
"""
MEASURED = """
import sys
from flowc.cli.main import run
code = run(sys.argv[1:])
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
open("peak.txt", "w").write(line.split()[1])
sys.exit(code)
"""


def message(number: int, size: int, partition: int = 0, **more: bytes) -> Message:
    value = json.dumps({"id": number, "note": "x" * size}).encode()
    return Message(value, partition=partition, **more)  # type: ignore[arg-type]


def polls(of: Source, end: int, max_rows: int, max_bytes: int) -> list[Polled]:
    """All up to the end of partition 0. Its ranges follow each other without a gap."""
    found, at = list[Polled](), 0
    while at < end:
        polled = of.poll(max_rows, 0.01, max_bytes)
        if polled is not None and int(polled.ranges[0].end) > at:
            assert int(polled.ranges[0].start) == at
            at = int(polled.ranges[0].end)
            found.append(polled)
    assert at == end
    return found


def sizes(found: list[Polled]) -> list[list[int]]:
    return [[len(value) for value in polled.messages.column("_value").to_pylist()] for polled in found]


def reading(kafka: str, topic: str) -> KafkaSource:
    of = KafkaSource("source", topic, {"bootstrap_servers": kafka}, columns=("_value", "_key", "_offset"))
    of.open()
    of.assign({})
    return of


def test_messages_of_a_topic_come_together_up_to_so_many_bytes(kafka: str) -> None:
    topic = fresh(kafka)
    made = [400, 400, 400, 5000, 100, 100, 400, 400, 5000]
    produce(kafka, topic, [Message(b"x" * size) for size in made])
    of = reading(kafka, topic)
    try:
        found = polls(of, len(made), 100, 1000)
        assert all(len(each) == 1 or sum(each) <= 1000 for each in sizes(found))
        assert [size for each in sizes(found) for size in each] == made
        assert [polled.messages.column("_offset").to_pylist()[0] for polled in found] == [
            int(r.ranges[0].start) for r in found
        ]
        assert len(found) < len(made)
    finally:
        of.close()


def test_keys_are_bytes_of_a_message(kafka: str) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, [Message(None, key=b"k" * 600) for _ in range(6)])
    of = reading(kafka, topic)
    try:
        assert [polled.messages.num_rows for polled in polls(of, 6, 100, 1000)] == [1] * 6
    finally:
        of.close()


def test_headers_are_bytes_of_a_message(kafka: str) -> None:
    topic = fresh(kafka)
    produce(kafka, topic, [Message(b"v", headers=[("h", b"x" * 300), ("none", None), ("h", b"y" * 300)])] * 6)
    of = reading(kafka, topic)
    try:
        assert [polled.messages.num_rows for polled in polls(of, 6, 100, 1000)] == [1] * 6
    finally:
        of.close()


def test_rows_of_a_file_come_together_up_to_so_many_bytes(tmp_path: Path) -> None:
    made = [400, 400, 400, 5000, 100, 100, 400, 400, 5000]
    put(tmp_path, "a.jsonl", "".join("x" * size + "\n" for size in made))
    put(tmp_path, "b.jsonl", "y\n", 1)
    of = source(tmp_path, Memory(), "*.jsonl")
    of.open()
    of.assign({})
    found = polls(of, of.end_offsets()[0], 100, 1000)
    assert all(len(each) <= 1 or sum(each) <= 1000 for each in sizes(found))
    assert [size for each in sizes(found) for size in each] == [*made, 1]


def test_rows_of_parquet_come_together_up_to_so_many_bytes(tmp_path: Path) -> None:
    names = ["n" * (5000 if n % 7 == 0 else 100) for n in range(50)]
    pq.write_table(pa.table({"id": range(50), "name": names}), tmp_path / "a.parquet", row_group_size=30)
    of = source(tmp_path, Memory(), "*.parquet")
    of.open()
    of.assign({})
    found = polls(of, of.end_offsets()[0], 100, 1000)
    assert all(polled.messages.num_rows <= 1 or polled.messages.column("_value").nbytes <= 1000 for polled in found)
    read = [row["name"] for polled in found for row in polled.messages.column("_value").to_pylist()]
    assert (read, len(found) < 50) == (names, True)


def peak(folder: Path, kafka: str, topic: str, most: str) -> int:
    """The most memory, in MiB, of a process that runs the stream to its end."""
    made = Folder(folder)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, topic=topic, most=most))
    command = [sys.executable, "-c", MEASURED, "run", "large", "--once"]
    subprocess.run(command, cwd=folder, env=made.environment(), check=True, capture_output=True)
    return int((folder / "peak.txt").read_text()) >> 10


def test_texts_that_parquet_keeps_once_are_counted_where_they_stand(tmp_path: Path) -> None:
    rows = pa.table({"note": pa.array(["x" * 20_000]).take(pa.array([0] * 8_000))})
    (tmp_path / "in").mkdir()
    pq.write_table(rows, tmp_path / "in" / "a.parquet")
    assert (tmp_path / "in" / "a.parquet").stat().st_size < 10_000
    blocks = list(ParquetFraming(10, ()).records(tmp_path / "in" / "a.parquet", 0, ()))
    assert sum(len(block.values) for block in blocks) == 8_000
    assert max(block.values.nbytes for block in blocks) <= 40 << 20


def test_memory_does_not_grow_with_the_size_of_messages(tmp_path: Path, kafka: str) -> None:
    """As getrusage tells the memory of the parent too, the child reads its own."""
    small, large = fresh(kafka, max_message_bytes=str(4 * MIB)), fresh(kafka, max_message_bytes=str(4 * MIB))
    limits = {"message_max_bytes": 4 * MIB, "queue_buffering_max_kbytes": 64 << 10}
    produce(kafka, small, [message(n, 10) for n in range(300)], **limits)
    for first in range(0, 300, 30):
        produce(kafka, large, [message(n, 3 * MIB if n == 150 else MIB) for n in range(first, first + 30)], **limits)
    before, after = (tmp_path / name for name in ("small", "large"))
    for each in (before, after):
        each.mkdir()
    grown = peak(after, kafka, large, "2MiB") - peak(before, kafka, small, "2MiB")
    assert grown < 120, f"{grown} MiB more for 300 MiB of messages"
    (row,) = rows(after / "wh.db", "SELECT count(DISTINCT id) AS n, count(*) AS m, sum(size) AS s FROM large", "sqlite")
    assert tuple(row.values()) == (300, 300, 302 * MIB)


def lengthy(count: int) -> pa.Array:
    """Texts of nearly 2 GiB together that take no memory: their pages are never touched."""
    data = pa.py_buffer(np.zeros(2**31 - 2, np.uint8))
    ends = pa.py_buffer(np.linspace(0, 2**31 - 2, count + 1).astype(np.int32))
    return pa.Array.from_buffers(pa.string(), count, [None, ends, data])


@EXTENDED
def test_no_row_is_lost_where_a_column_becomes_too_large() -> None:
    schema = pa.schema([("note", pa.string()), (ROW, pa.int64())])
    rowwise = Rowwise(Transform(f"SELECT repeat(note, 1100000000) AS n, {ROW} FROM source", {"source": schema}))
    with pytest.raises(EngineError, match="more than 2 GiB"):
        rowwise({"source": pa.record_batch([["x", "y"], [0, 1]], schema=schema)}, "source")


def test_more_bytes_than_a_column_counts_are_a_diagnostic() -> None:
    batch = pa.record_batch([lengthy(2)], names=["a"])
    with pytest.raises(EngineError, match="more than 2 GiB") as caught:
        one_batch([batch, batch])
    assert caught.value.code == "epoch-too-large"
    assert "max_rows" in (caught.value.help or "")
    with pytest.raises(pa.ArrowInvalid), counted():
        pa.array(["x"]).cast(pa.int64())
