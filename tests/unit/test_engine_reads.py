"""The engine: time zone, exact results, failures in its words, and rows put aside in a file."""

from __future__ import annotations

import threading
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flowc.errors import EngineError
from flowc.plan import EngineRead, FilesRead, FunctionPlan
from flowc.runtime.arrow import data_type
from flowc.runtime.connectors.files import Files
from flowc.runtime.engine import Engine
from flowc.runtime.functions import Function
from flowc.runtime.pump import Pump
from flowc.runtime.spool import Spool
from flowc.types import BIGINT, parse_type


def result(tmp_path, sql):
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    read = EngineRead((("source", FilesRead("d", "a.csv", "csv")),), sql)
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine:
        schema, batches = engine.read(read)
        return pa.Table.from_batches(list(batches), schema)


def test_times_are_zoned(tmp_path):
    made = result(tmp_path, "SELECT CAST('2024-01-01T00:00:00Z' AS timestamptz) AS t FROM source LIMIT 1")
    assert made.schema.field("t").type.tz == "UTC"


@pytest.mark.parametrize(
    ("sql", "kind", "values"),
    [
        (
            "SELECT DATE '2024-01-01' AS v FROM source WHERE n = 1 UNION ALL SELECT TIMESTAMP '2024-03-04 10:00:00'",
            "timestamp(9)",
            [datetime(2024, 1, 1), datetime(2024, 3, 4, 10)],
        ),
        (
            "SELECT CASE WHEN n = 1 THEN DATE '2024-01-01' ELSE TIMESTAMP '2024-03-04 10:00:00' END AS v FROM source",
            "timestamp(9)",
            [datetime(2024, 1, 1), datetime(2024, 3, 4, 10)],
        ),
        ("SELECT CAST(0.5 AS REAL) AS v FROM source WHERE n = 1 UNION ALL SELECT 0.1", "double", [0.1, 0.5]),
        (
            "SELECT CASE WHEN n = 1 THEN 0 ELSE CAST(1.25 AS DECIMAL(10, 2)) END AS v FROM source",
            "decimal(22,2)",
            [Decimal(0), Decimal("1.25")],
        ),
        (
            "WITH u AS (SELECT CAST(1 AS DECIMAL(20, 0)) AS v FROM source WHERE n = 1"
            " UNION ALL SELECT CAST(1.25 AS DECIMAL(10, 2))) SELECT v FROM u",
            "decimal(22,2)",
            [Decimal(1), Decimal("1.25")],
        ),
    ],
)
def test_a_column_of_several_types_has_the_one_that_holds_them_all(tmp_path, sql, kind, values):
    made = result(tmp_path, sql)
    assert sorted(made["v"].to_pylist()) == values
    assert data_type(made.schema.field("v")) == parse_type(kind)
    read = EngineRead((("source", FilesRead("d", "a.csv", "csv")),), sql)
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine:
        assert [column.type for column in engine.describe(read)] == [parse_type(kind)]


def test_results_are_plain_types(tmp_path):
    sql = "SELECT md5('x') AS m, named_struct('a', n) AS s, string_agg('x', ',') AS g FROM source GROUP BY n"
    made = result(tmp_path, sql)
    assert [field.type for field in made.schema] == [pa.string()] * 3


class Total:
    """Counts the calls of its updates."""

    calls = 0

    def __init__(self):
        self.value = 0

    def update(self, numbers):
        Total.calls += 1
        self.merge(numbers)

    def merge(self, numbers):
        self.value += pc.sum(numbers).as_py() or 0

    def state(self):
        return [self.value]

    def evaluate(self):
        return self.value


def test_an_aggregate_of_the_project_is_called_for_large_batches(tmp_path):
    """A call for each group and batch of the engine's own size would be twelve times as many."""
    pq.write_table(pa.table({"n": range(100_000)}), tmp_path / "n.parquet")
    plan = FunctionPlan("total", "m:Total", True, (BIGINT,), BIGINT, (BIGINT,))
    sql = "SELECT flowc_fn_total(n) AS t FROM source GROUP BY n % 10 ORDER BY t"
    read = EngineRead((("source", FilesRead("d", "n.parquet", "parquet")),), sql, functions=(plan,))
    files = Files({"uri": str(tmp_path)})
    with Engine(lambda _: files, functions=lambda plans: [Function(each, Total) for each in plans]) as engine:
        schema, batches = engine.read(read)
        totals = pa.Table.from_batches(list(batches), schema).column("t").to_pylist()
    assert totals == [499_950_000 + 10_000 * digit for digit in range(10)]
    assert Total.calls <= 20


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
