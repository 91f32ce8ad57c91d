"""The engine: time zone, exact results, failures in its words, and rows put aside in a file."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column
from flowc.errors import DataError, EngineError, FlowcError
from flowc.loadplan import EngineRead, FilesRead, FunctionPlan
from flowc.runtime.arrow import data_type
from flowc.runtime.engine.engine import Engine
from flowc.runtime.engine.functions import Function
from flowc.runtime.formats.json.rows import JsonRows
from flowc.runtime.formats.pieces import Piece
from flowc.runtime.pump import Pump
from flowc.runtime.spool import Spool
from flowc.runtime.stores import lines
from flowc.runtime.stores.files import Files
from flowc.runtime.stores.inuse import InUse
from flowc.types import BIGINT, parse_type
from tests.commands import ROOT
from tests.extended import with_extended
from tests.memorystore import MemoryStore
from tests.waiting import until


def result(tmp_path, sql):
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    read = EngineRead((("source", FilesRead("d", "a.csv", "csv")),), sql)
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine:
        schema, batches = engine.read(read)
        return pa.Table.from_batches(list(batches), schema)


def test_times_are_zoned(tmp_path):
    made = result(tmp_path, "SELECT CAST('2024-01-01T00:00:00Z' AS timestamptz) AS t FROM source LIMIT 1")
    assert made.schema.field("t").type.tz == "UTC"


def test_a_full_join_keeps_rows_whose_other_side_is_missing(tmp_path):
    sides = "(SELECT n AS a, n FROM source WHERE n > 5) x FULL JOIN (SELECT n AS b, n FROM source) y ON x.n = y.n"
    made = result(tmp_path, f"SELECT x.n AS one, y.n AS other FROM {sides} AND a = b WHERE y.n <> 0 AND x.n IS NULL")
    assert sorted(made["other"].to_pylist()) == [1, 2]


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


def wide(folder, form: str, columns: int, rows: int = 40) -> float:
    """Seconds of the processors for reading a file of so many columns, whose types are inferred."""
    names, values = [f"c{i}" for i in range(columns)], [(1.5, 2, "t")[i % 3] for i in range(columns)]
    line = ",".join(map(str, values)) if form == "csv" else json.dumps(dict(zip(names, values, strict=True)))
    (folder / f"a.{form}").write_text("\n".join([",".join(names)] * (form == "csv") + [line] * rows) + "\n")
    began = time.process_time()
    with Engine(lambda _: Files({"uri": str(folder)})) as engine:
        schema, batches = engine.read(EngineRead((("source", FilesRead("d", f"a.{form}", form)),), None))
        assert (sum(batch.num_rows for batch in batches), len(schema)) == (rows, columns)
    return time.process_time() - began


@pytest.mark.parametrize("form", with_extended(["csv"], ["jsonl"]))
def test_reading_wide_files_does_not_take_the_square_of_their_columns(tmp_path, form):
    wide(tmp_path, form, 1000)
    assert wide(tmp_path, form, 6000) < 14 * wide(tmp_path, form, 1000)


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


def test_a_pump_makes_one_item_while_another_is_used_where_no_more_may_be_ahead():
    begun = list[int]()

    def items():
        for i in range(4):
            begun.append(i)
            yield i

    with Pump(items(), ahead=1) as pumped:
        for i in range(4):
            assert next(pumped) == i
            until(lambda: len(begun) >= min(i + 2, 4))  # noqa: B023 - it is called here
            threading.Event().wait(0.05)
            assert begun == list(range(min(i + 2, 4)))


def test_rows_of_json_are_read_while_others_are_put_away(tmp_path, monkeypatch):
    """The next piece of the file is read before the one at hand is away; a failure ends the reading at its place."""
    monkeypatch.setattr(lines, "BLOCK", 1 << 10)
    (tmp_path / "a.jsonl").write_text("".join(f'{{"n": {i}}}\n' for i in range(10_000)))
    read, away, ahead = list[Piece](), list[pa.RecordBatch](), list[int]()
    others = threading.enumerate()
    pieces, put = JsonRows.pieces, Spool.put

    def watched(self, path):
        for piece in pieces(self, path):
            read.append(piece)
            yield piece

    def slow(self, schema, batches):
        def each():
            for batch in batches:
                away.append(batch)
                until(lambda: len(read) > len(away))
                threading.Event().wait(0.005)  # in which no further piece may come
                ahead.append(len(read) - len(away))
                if len(away) == 20:
                    raise DataError("no more", code="unreadable-file")
                yield batch

        return put(self, schema, each())

    monkeypatch.setattr(JsonRows, "pieces", watched)
    monkeypatch.setattr(Spool, "put", slow)
    source = FilesRead("d", "a.jsonl", "jsonl", {}, (Column("n", BIGINT),))
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine, pytest.raises(DataError, match="no more"):
        engine.read(EngineRead((("source", source),), None))
    assert ahead == [1] * 20
    until(lambda: not [new for new in threading.enumerate() if new.name == "flowc-read" and new not in others])


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


def test_a_pump_that_waits_asks_what_is_wrong():
    hangs = threading.Event()

    def items():
        yield 1
        hangs.wait()

    def wrong():
        hangs.set()
        raise DataError("it was changed", code="unreadable-file", help="")

    with pytest.raises(DataError, match="it was changed"), Pump(items(), idle=wrong) as pumped:
        list(pumped)


def _replace(path):
    (path.parent / "new").write_text(path.read_text())
    (path.parent / "new").rename(path)


def _rewrite(path):
    path.write_text(path.read_text().replace("7", "8"))


def _rewrite_longer(path):
    path.write_text("n\n" + "7654321\n" * 400_000)


def _append(path):
    with path.open("a") as file:
        file.write("9\n")


@pytest.mark.parametrize(
    ("change", "refused"), [(_replace, True), (_rewrite, True), (_rewrite_longer, True), (_append, False)]
)
@pytest.mark.parametrize("skips", [False, True])
def test_rows_of_a_file_that_changes_while_it_is_read_are_not_loaded(tmp_path, change, refused, skips):
    path = tmp_path / "a.csv"
    path.write_text("n\n" + "1234567\n" * 300_000)
    read = FilesRead("d", "a.csv", "csv", columns=(Column("n", BIGINT),), skips=skips)
    with Engine(lambda _: Files({"uri": str(tmp_path)})) as engine:
        batches = engine.read(EngineRead((("source", read),), "SELECT * FROM source"))[1]
        first = next(batches)
        change(path)
        if refused:
            with pytest.raises(DataError, match=r"`.*a.csv` cannot be read: it was changed while it was read"):
                list(batches)
        else:
            assert len(first) + sum(map(len, batches)) >= 300_000


def test_a_file_that_cannot_be_opened_is_told_where_it_is_read(tmp_path):
    files = InUse()
    files.note([tmp_path / "gone.csv"])
    files.check()


CUT = """
import os, pathlib, sys
from flowc.catalog import Column
from flowc.errors import DataError
from flowc.loadplan import EngineRead, FilesRead
from flowc.runtime.stores.files import Files
from flowc.runtime.engine.engine import Engine
from flowc.runtime.stores.inuse import InUse
from flowc.runtime.pump import Pump
from flowc.types import BIGINT
path, files = pathlib.Path("a.csv"), InUse()
path.write_text("n\\n" + "1234567\\n" * 2_000_000)
read = EngineRead((("source", FilesRead("d", "a.csv", "csv", columns=(Column("n", BIGINT),))),), "SELECT * FROM source")
engine = Engine(lambda _: Files({}), files=files).__enter__()
try:
    with Pump(engine.read(read)[1], idle=files.check) as batches:
        next(batches)
        os.truncate(path, path.stat().st_size // 2 + 2)
        list(batches)
except DataError as error:
    print(error)
sys.stdout.flush()
os._exit(0)  # its threads may look for the rest for ever
"""


def test_a_file_that_is_cut_while_it_is_read_ends_its_load(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CUT], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert (done.stderr, done.stdout.endswith("cannot be read: it was changed while it was read\n")) == ("", True)


_ODD_NAMES = ["a[1]*?.csv", "ü%41#x.data", "line\nbreak.csv", "tab\t.csv", os.fsdecode(b"not-\xff-text.csv")]


@pytest.mark.parametrize("name", _ODD_NAMES, ids=range(len(_ODD_NAMES)))
@pytest.mark.parametrize("declared", [None, (Column("n", BIGINT),)], ids=["inferred", "declared"])
def test_csv_is_read_whatever_its_name_and_through_no_link(tmp_path, monkeypatch, name, declared):
    """The engine sees patterns in paths, and takes no address with control characters or bytes that are no text."""
    folder = tmp_path / os.path.splitext(name)[0]
    folder.mkdir()
    (folder / name).write_text("n\n1\n2\n")
    (folder / "a1x.csv").write_text("n\n9\n")  # what a pattern would find
    read = EngineRead((("source", FilesRead("d", name, "csv", columns=declared)),), "SELECT n FROM source")
    monkeypatch.delattr(Path, "symlink_to")
    with Engine(lambda _: Files({"uri": str(folder)})) as engine:
        schema, batches = engine.read(read)
        assert sorted(pa.Table.from_batches(list(batches), schema)["n"].to_pylist()) == [1, 2]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("declared", [None, (Column("n", BIGINT),)], ids=["inferred", "declared"])
def test_files_of_an_object_store_are_loaded_in_the_order_of_their_keys(form, ending, declared):
    store = MemoryStore()
    for name, number in (("in/b", 3), ("in/a", 1), ("other/a", 9)):
        text = f"n\n{number}\n{number + 1}\n" if form == "csv" else f'{{"n": {number}}}\n{{"n": {number + 1}}}\n'
        data = gzip.compress(text.encode()) if ending else text.encode()
        store.create(f"{name}.{form}{ending}", data)
    read = EngineRead((("source", FilesRead("d", f"in/*.{form}{ending}", form, columns=declared)),), None)
    with Engine(lambda _: Files({}, store=store)) as engine:
        schema, batches = engine.read(read)
        assert pa.Table.from_batches(list(batches), schema)["n"].to_pylist() == [1, 2, 3, 4]


def test_what_is_wrong_with_an_object_is_told_with_its_address():
    store = MemoryStore()
    store.create("a.csv", b"n\nx\n")
    store.create("a.parquet", b"PAR1")
    for path, code, words in (("a.csv", "value-does-not-fit", r"in line 2 of `memory://bucket/a\.csv`"),
                              ("none.csv", "file-not-found", "no file in `memory://bucket/`"),
                              ("a.parquet", "not-runnable-yet", "cannot be loaded yet")):  # fmt: skip
        form = path.rpartition(".")[2]
        read = EngineRead((("source", FilesRead("d", path, form, columns=(Column("n", BIGINT),))),), None)
        with Engine(lambda _: Files({}, store=store)) as engine, pytest.raises(FlowcError, match=words) as failed:
            list(engine.read(read)[1])
        assert failed.value.code == code
