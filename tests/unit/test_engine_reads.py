"""The engine: time zone, exact results, failures in its words, and rows put aside in a file."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from flowc.errors import EngineError
from flowc.plan import EngineRead, FilesRead
from flowc.runtime.connectors.files import Files
from flowc.runtime.engine import Engine
from flowc.runtime.pump import Pump
from flowc.runtime.spool import Spool


def result(tmp_path, sql):
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    read = EngineRead((("source", FilesRead("d", "a.csv", "csv")),), sql)
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine:
        schema, batches = engine.read(read)
        return pa.Table.from_batches(list(batches), schema)


def test_times_are_zoned(tmp_path):
    made = result(tmp_path, "SELECT CAST('2024-01-01T00:00:00Z' AS timestamptz) AS t FROM source LIMIT 1")
    assert made.schema.field("t").type.tz == "UTC"


def test_results_are_plain_types(tmp_path):
    sql = "SELECT md5('x') AS m, named_struct('a', n) AS s, string_agg('x', ',') AS g FROM source GROUP BY n"
    made = result(tmp_path, sql)
    assert [field.type for field in made.schema] == [pa.string()] * 3


def test_a_refused_query_says_why(tmp_path):
    with pytest.raises(EngineError) as caught:
        result(tmp_path, "SELECT nothing FROM source")
    assert caught.value.code == "query-refused"
    assert "nothing" in caught.value.message
    assert not caught.value.message.startswith("DataFusion")


def test_many_rows_are_put_aside_in_a_file_and_taken_back():
    batch = pa.record_batch({"n": pa.array(range(100_000), pa.int64())})
    spool = Spool()
    kept = spool.put(batch.schema, iter([batch] * 60))
    assert not isinstance(kept, list)
    assert sum(b.num_rows for b in spool.take(kept)) == 6_000_000
    spool.close()
    assert not kept.exists()


def test_few_rows_stay_in_memory():
    batch = pa.record_batch({"n": pa.array([1])})
    spool = Spool()
    assert spool.put(batch.schema, iter([batch])) == [batch]
    spool.close()


def test_a_pump_reads_ahead_only_so_far():
    taken = []

    def items():
        for i in range(100):
            taken.append(i)
            yield i

    with Pump(items()) as pumped:
        assert next(pumped) == 0
        threading.Event().wait(0.2)
        assert len(taken) < 10
        assert list(pumped) == list(range(1, 100))


def test_a_pump_closes_what_it_reads_when_left_early():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with Pump(items()) as pumped:
        next(pumped)
    assert closed.is_set()


def test_a_failure_of_reading_is_raised_where_the_rows_are_used():
    def items():
        yield 1
        raise ValueError("broken")

    with Pump(items()) as pumped, pytest.raises(ValueError, match="broken"):
        list(pumped)
