"""Streams into Delta tables: rows and the number of the epoch in one commit, whatever is cut off when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from flowc.catalog import Column, TableName
from flowc.compiler.ir import Apply, Source, Stream, Target
from flowc.compiler.streamplan.targets import table_target
from flowc.errors import FlowcError, TransientError
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.systems import open_database
from flowc.runtime.systems.delta.target import DeltaWriter
from flowc.source import SourceFile, Span
from flowc.stream import TableTarget
from flowc.types import BIGINT, TEXT, parse_type
from tests.extended import amount
from tests.streams.epochs import Cut, CutAt, epoch, numbered, numbers
from tests.waiting import until

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))


def _plan(
    keys: tuple[str, ...] = (), parts: tuple[str, ...] = (), columns: tuple[Column, ...] = COLUMNS
) -> TableTarget:
    node = Source("s.source", "source", "bus", "kafka", path="events", columns=columns)
    span = Span(SourceFile("s.yaml", ""), 0, 0)
    apply = Apply(
        pipeline="s", input=node, target=Target("lake", "delta", TableName(None, "events"), None, (), parts),
        mode="merge" if keys else "append", keys=keys, compare=None, event_time=None, ttl=None, deletes="ignore",
        soft_delete_column=None, allow_empty=False, dedupe=None, incremental=None, normalize=(), derived=(),
        before=(), after=(), expect=(), timezone=None, span=span,
    )  # fmt: skip
    return table_target(apply, columns, Stream("s", (node,), node, (apply,), (), span))


def _writer(lake: Path, plan: TableTarget | None = None, **more: Any) -> DeltaWriter:
    return DeltaWriter(plan or _plan(), "s", open_database("delta", {"uri": str(lake)}), **more)


def _rows(lake: Path) -> list[dict[str, Any]]:
    return sorted(deltalake.DeltaTable(str(lake / "events")).to_pyarrow_table().to_pylist(), key=lambda r: r["id"])


def _ids(lake: Path) -> list[int]:
    return [row["id"] for row in _rows(lake)]


def test_epochs_are_gathered_and_committed_together(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    assert writer.open().epoch == 0
    assert [writer.write(e) for e in numbers(3)] == [0, 0, 0]
    assert _ids(tmp_path) == []
    assert writer.flush() == 3
    assert _ids(tmp_path) == list(range(30))
    assert deltalake.DeltaTable(str(tmp_path / "events")).version() == 1
    writer.close()
    assert _writer(tmp_path).open().epoch == 3


def test_what_is_gathered_is_committed_when_nothing_more_comes(tmp_path: Path) -> None:
    writer = _writer(tmp_path, age=0.2)
    writer.open()
    writer.write(numbers(1)[0])
    until(lambda: _ids(tmp_path))
    assert _ids(tmp_path) == list(range(10))
    assert writer.write(epoch(2, numbered(2))) == 1
    writer.close()


@pytest.mark.covering
@pytest.mark.parametrize("keys", [(), ("id",)], ids=["append", "merge"])
@pytest.mark.parametrize("point", ["taken", "rows", "committed"])
def test_a_worker_that_is_cut_off_anywhere_loses_and_repeats_nothing(
    tmp_path: Path, point: str, keys: tuple[str, ...]
) -> None:
    writer = _writer(tmp_path, _plan(keys), pause=CutAt(point, 2))
    writer.open()
    with pytest.raises(Cut):
        [(writer.write(e), writer.flush()) for e in numbers(5)]
    writer._rolling.stop()
    again = _writer(tmp_path, _plan(keys))
    for each in numbers(5)[again.open().epoch :]:
        again.write(each)
    assert again.flush() == 5
    again.close()
    assert _ids(tmp_path) == list(range(50))


_WORKER = """
import sys, itertools
from pathlib import Path
from tests.streams.test_targets_delta import _writer
from tests.streams.epochs import epoch, numbered
writer = _writer(Path(sys.argv[1]), age=0.1)
for number in itertools.count(writer.open().epoch + 1):
    writer.write(epoch(number, numbered(number)))
    print(writer.flush(), flush=True)
"""


def test_a_worker_that_is_killed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    for wait in (0.5, 0.73)[: amount(1, 2)]:
        worker = subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(wait)
        os.kill(worker.pid, signal.SIGKILL)
        worker.stdout.close()
        worker.wait()
    held = _writer(tmp_path).open().epoch
    assert held > 1
    assert _ids(tmp_path) == list(range(10 * held))


def test_a_zombie_is_fenced(tmp_path: Path) -> None:
    zombie, worker = _writer(tmp_path), _writer(tmp_path)
    zombie.open()
    worker.open()
    zombie.write(numbers(1)[0])
    worker.write(numbers(1)[0])
    assert worker.flush() == 1
    with pytest.raises(Fenced):
        zombie.flush()
    zombie.close()
    assert _ids(tmp_path) == list(range(10))


def test_a_zombie_that_has_gathered_more_than_the_next_worker_wrote_is_fenced(tmp_path: Path) -> None:
    zombie, worker = _writer(tmp_path), _writer(tmp_path)
    zombie.open()
    worker.open()
    [zombie.write(each) for each in numbers(3)]
    [worker.write(each) for each in numbers(2)]
    assert worker.flush() == 2
    with pytest.raises(Fenced):
        zombie.flush()
    zombie.close()
    assert _ids(tmp_path) == list(range(20))


def test_a_zombie_that_commits_at_the_same_time_is_overtaken(tmp_path: Path) -> None:
    def overtake(point: str) -> None:
        if point == "rows" and worker.flush() == 1:
            return

    worker = _writer(tmp_path)
    worker.open()
    zombie = _writer(tmp_path, pause=overtake)
    zombie.database.lock = lambda _: None  # type: ignore[attr-defined]
    zombie.open()
    worker.database.lock = lambda _: None  # type: ignore[attr-defined]
    worker.write(numbers(1)[0])
    zombie.write(numbers(1)[0])
    with pytest.raises(TransientError):
        zombie.flush()
    assert zombie.open().epoch == 1
    assert _ids(tmp_path) == list(range(10))


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize("keys", [(), ("id",)])
def test_a_worker_that_is_shut_out_while_it_commits_is_overtaken(
    tmp_path: Path, keys: tuple[str, ...], epochs: int
) -> None:
    worker, zombie = (_writer(tmp_path, _plan(keys)) for _ in range(2))
    zombie.open()
    [zombie.write(each) for each in numbers(epochs)]
    zombie.flush()
    worker.open()
    zombie.pause = lambda point: worker.fence() if point == "rows" else None
    zombie.write(numbers(epochs + 1)[epochs])
    with pytest.raises(TransientError):
        zombie.flush()
    zombie.close()
    assert worker.open().epoch == epochs
    assert _ids(tmp_path) == list(range(10 * epochs))


def test_another_writer_may_append_meanwhile(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.open()
    rows = pa.table({"id": [1000], "name": ["other"]})
    deltalake.write_deltalake(str(tmp_path / "events"), rows, mode="append")
    writer.write(numbers(1)[0])
    assert writer.flush() == 1
    assert _ids(tmp_path) == [*range(10), 1000]
    writer.close()


@pytest.mark.parametrize("keys", [(), ("id",)])
def test_a_table_that_gets_a_column_under_its_worker_is_named(tmp_path: Path, keys: tuple[str, ...]) -> None:
    """The plan stays what it was: to try again for ever would help nobody."""
    writer = _writer(tmp_path, _plan(keys))
    writer.open()
    writer.write(numbers(1)[0])
    assert writer.flush() == 1
    more = deltalake.schema.Field("more", deltalake.schema.PrimitiveType("long"))
    deltalake.DeltaTable(str(tmp_path / "events")).alter.add_columns([more])
    writer.write(numbers(2)[1])
    with pytest.raises(FlowcError) as told:
        writer.flush()
    writer.close()
    assert (told.value.code, isinstance(told.value, TransientError)) == ("table-differs", False)
    assert "`more` came or went" in told.value.message
    assert _ids(tmp_path) == list(range(10))


def test_merge_keeps_the_last_row_of_each_key_over_epochs(tmp_path: Path) -> None:
    writer = _writer(tmp_path, _plan(("id",)))
    writer.open()
    for number in (1, 2, 3):
        rows = [{"id": i % 5, "name": f"{number}-{i}"} for i in range(10)]
        writer.write(epoch(number, pa.RecordBatch.from_pylist(rows, schema=numbered(1).schema)))
        if number == 2:
            writer.flush()
    writer.flush()
    writer.close()
    assert [(r["id"], r["name"]) for r in _rows(tmp_path)] == [(i, f"3-{i + 5}") for i in range(5)]


def test_an_epoch_that_changes_no_row_is_committed_with_its_number(tmp_path: Path) -> None:
    """Else the next one stops: the table would not hold what this worker has written."""
    writer = _writer(tmp_path, _plan(("id",)))
    writer.open()
    for number in range(1, 4):
        writer.write(numbers(1)[0] if number == 1 else epoch(number, numbers(1)[0].rows))
        assert writer.flush() == number
    writer.close()
    assert _writer(tmp_path).open().epoch == 3
    assert _ids(tmp_path) == list(range(10))


def test_a_table_is_made_with_its_partitions(tmp_path: Path) -> None:
    writer = _writer(tmp_path, _plan(parts=("name",)))
    writer.open()
    writer.write(numbers(1)[0])
    writer.flush()
    writer.close()
    assert deltalake.DeltaTable(str(tmp_path / "events")).metadata().partition_columns == ["name"]
    assert _ids(tmp_path) == list(range(10))


def test_unsigned_and_wide_numbers_arrive_as_they_are(tmp_path: Path) -> None:
    columns = (Column("id", parse_type("ubigint")), Column("n", parse_type("uinteger")))
    writer = _writer(tmp_path, _plan(columns=columns))
    writer.open()
    rows = pa.record_batch({"id": pa.array([2**64 - 1, 0], pa.uint64()), "n": pa.array([2**32 - 1, 0], pa.uint32())})
    writer.write(epoch(1, rows))
    writer.flush()
    writer.close()
    assert [(int(r["id"]), r["n"]) for r in _rows(tmp_path)] == [(0, 0), (2**64 - 1, 2**32 - 1)]


def test_a_folder_that_is_no_lake_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FlowcError):
        _writer(tmp_path / "file").open()
