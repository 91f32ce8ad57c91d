"""Streams into files: every row in one file once, in every format, whatever is cut off when."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from flowc.catalog import Column
from flowc.compiler.ir import FilesOutput
from flowc.compiler.systems.files.target import plan_target
from flowc.errors import DataError, EngineError, UsageError
from flowc.nodes import Changelog
from flowc.runtime.arrow import arrow_schema
from flowc.runtime.contracts.target import Fenced, Publishing
from flowc.runtime.formats.encoding import TextFile
from flowc.runtime.systems.files.target import FilesWriter
from flowc.service.daemon.watch import Watch, WatchedWriter
from flowc.source import SourceFile, Span
from flowc.stream import FilesTarget, Roll
from flowc.types import BIGINT, TEXT, DataType, Kind, parse_type
from tests.extended import amount
from tests.streams.epochs import Cut, CutAt, epoch, numbered, numbers
from tests.waiting import until

COLUMNS = (Column("id", BIGINT), Column("name", TEXT))
SPAN = Span(SourceFile("s.yaml", ""), 0, 0)


def _plan(columns: tuple[Column, ...] = COLUMNS, form: str = "jsonl", **more: Any) -> FilesTarget:
    options: dict[str, Any] = {"write": {}, "partition_by": (), **more}
    return plan_target(FilesOutput("out", "rows", form, span=SPAN, **options), columns, "s", Changelog.INSERT_ONLY)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "_flowc" not in path.parts)


def _ids(folder: Path) -> list[int]:
    return sorted(json.loads(line)["id"] for path in _files(folder) for line in path.read_text().splitlines())


def test_nothing_is_seen_before_a_file_is_whole(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(), "s", str(tmp_path))
    assert writer.open().epoch == 0
    assert [writer.write(e) for e in numbers(3)] == [0, 0, 0]
    assert _files(tmp_path) == []
    assert writer.flush() == 3
    assert [path.name for path in _files(tmp_path)] == ["s-0000000001-0000000003-0000.jsonl"]
    assert _ids(tmp_path) == list(range(30))
    writer.close()
    again = FilesWriter(_plan(), "s", str(tmp_path))
    assert again.open().epoch == 3
    again.close()


def test_files_are_rolled_by_rows(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(rows=25), "s", str(tmp_path))
    writer.open()
    assert [writer.write(e) for e in numbers(6)] == [0, 0, 3, 3, 3, 6]
    counts = [len(path.read_text().splitlines()) for path in _files(tmp_path)]
    assert (counts, _ids(tmp_path)) == ([25, 5, 25, 5], list(range(60)))
    writer.close()


def test_files_are_rolled_by_bytes(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(bytes=1000), "s", str(tmp_path))
    writer.open()
    held = [writer.write(e) for e in numbers(10)]
    assert 0 < held[-1] <= 10
    assert all(path.stat().st_size >= 1000 for path in _files(tmp_path))
    writer.close()


def test_files_are_rolled_by_age_also_when_nothing_more_comes(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(age=0.2), "s", str(tmp_path))
    writer.open()
    assert writer.write(numbers(1)[0]) == 0
    until(lambda: _files(tmp_path))
    assert _ids(tmp_path) == list(range(10))
    assert writer.flush() == 1
    assert writer.write(epoch(2, numbered(2).slice(0, 0))) == 2
    writer.close()
    assert FilesWriter(_plan(), "s", str(tmp_path)).open().epoch == 1


@pytest.mark.parametrize("point", ["taken", "finished", "marked", "renamed"])
@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("closes", [False, True], ids=["gone", "closes"])
def test_a_worker_that_is_cut_off_anywhere_loses_and_repeats_nothing(
    tmp_path: Path, point: str, after: int, closes: bool
) -> None:
    writer = FilesWriter(_plan(rows=20), "s", str(tmp_path), pause=CutAt(point, after))
    writer.open()
    with pytest.raises(Cut):
        [writer.write(each) for each in numbers(7)]
    writer.close() if closes else writer._rolling.stop()
    again = FilesWriter(_plan(rows=30), "s", str(tmp_path))
    held = again.open().epoch
    for each in numbers(7)[held:]:
        again.write(each)
    assert again.flush() == 7
    again.close()
    assert _ids(tmp_path) == list(range(70))
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("fails", ["write", "finish"])
def test_what_was_taken_in_part_is_never_published(tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the second of two files, and a timer that comes before anybody lets go of the folder."""
    writer = FilesWriter(_plan(age=0.1, partition_by=("name",)), "s", str(tmp_path))
    writer.open()
    assert writer.write(epoch(1, numbered(1).slice(0, 1))) == 0
    opened: list[Any] = []

    def full(file: TextFile, *_: object) -> None:
        opened.append(file)
        if len(opened) == 2:
            raise OSError(28, "No space left on device")
        real(file, *_)

    real = getattr(TextFile, fails)
    monkeypatch.setattr(TextFile, fails, full)
    with pytest.raises(EngineError, match="No space"):
        (writer.write(epoch(2, numbered(2))), writer.flush())
    monkeypatch.undo()
    time.sleep(0.3)
    with pytest.raises(EngineError, match="No space"):
        writer.write(epoch(3, numbered(3)))
    assert not _files(tmp_path)
    held = writer.open().epoch
    assert held == 0
    for each in (epoch(1, numbered(1).slice(0, 1)), epoch(2, numbered(2))):
        writer.write(each)
    assert writer.flush() == 2
    writer.close()
    assert _ids(tmp_path) == [0, *range(10, 20)]


def test_a_publish_that_fails_while_nothing_comes_is_told(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(age=0.05), "s", str(tmp_path))
    writer.open()
    writer.write(numbers(1)[0])
    shutil.rmtree(tmp_path / "rows")
    (tmp_path / "rows").write_text("")

    watched = WatchedWriter(writer, Watch())  # as a daemon has it
    assert isinstance(watched, Publishing)

    def told() -> bool:
        with suppress(EngineError):
            watched.check()
            return False
        return True

    until(told)
    writer.close()


_WORKER = """
import sys, itertools
from tests.streams.test_targets_files import _plan
from tests.streams.epochs import epoch, numbered
from flowc.runtime.systems.files.target import FilesWriter
writer = FilesWriter(_plan(rows=200), "s", sys.argv[1])
held = writer.open().epoch
for number in itertools.count(held + 1):
    print(writer.write(epoch(number, numbered(number))), flush=True)
"""


def test_a_worker_that_is_killed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    for wait in (0.3, 0.6)[: amount(1, 2)]:
        worker = subprocess.Popen([sys.executable, "-c", _WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert any(int(held) > 0 for held in worker.stdout)  # it has published a file
        time.sleep(wait)
        os.kill(worker.pid, signal.SIGKILL)
        worker.stdout.close()
        worker.wait()
    writer = FilesWriter(_plan(), "s", str(tmp_path))
    held = writer.open().epoch
    assert held > 0
    assert _ids(tmp_path) == list(range(held * 10))
    writer.close()


def test_a_zombie_is_fenced(tmp_path: Path) -> None:
    zombie = FilesWriter(_plan(), "s", str(tmp_path))
    zombie.open()
    zombie.write(numbers(1)[0])
    worker = FilesWriter(_plan(), "s", str(tmp_path))
    worker.open()
    worker.write(numbers(1)[0])
    worker.flush()
    with pytest.raises((Fenced, EngineError)):
        zombie.flush()
    zombie.close()
    assert _ids(tmp_path) == list(range(10))
    assert worker.write(epoch(2, numbered(2))) == 1
    assert worker.flush() == 2
    worker.close()


def test_two_streams_share_a_folder(tmp_path: Path) -> None:
    first, second = (FilesWriter(_plan(), name, str(tmp_path)) for name in ("s", "other stream"))
    for writer in (first, second):
        writer.open()
        writer.write(numbers(1)[0])
        writer.flush()
        writer.close()
    assert _ids(tmp_path) == sorted([*range(10)] * 2)


ODD: dict[str, tuple[str, list[Any]]] = {
    "id": ("bigint", [1, -(2**63), None]),
    "text": ("text", ['a;"b"\n\\', "", None]),
    "money": ("numeric(12,2)", [Decimal("1.50"), Decimal("-0.01"), None]),
    "flag": ("boolean", [True, False, None]),
    "day": ("date", [datetime.date(2026, 1, 31), datetime.date(1, 1, 1), None]),
    "at": ("timestamptz", [datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.UTC), None, None]),
    "local": ("timestamp", [datetime.datetime(2026, 1, 2, 3, 4, 5), None, None]),
    "big": ("ubigint", [2**64 - 1, 0, None]),
    "half": ("double", [0.5, 1e300, None]),
    "bytes": ("binary", [b"\x00\xff", b"", None]),
    "list": ("integer[]", [[1, None, 3], [], None]),
    "more": ("json", ['{"a": [1]}', "null", None]),
}
STRUCT = DataType(Kind.STRUCT, fields=(("a", BIGINT), ("b", DataType(Kind.ARRAY, element=TEXT))))
WIDE = (*(Column(name, parse_type(kind)) for name, (kind, _) in ODD.items()), Column("nested", STRUCT))
NESTED = [{"a": 2**53 + 1, "b": ["x", None]}, {"a": None, "b": []}, None]


def _odd_rows() -> pa.RecordBatch:
    rows = [{name: values[i] for name, (_, values) in ODD.items()} for i in range(3)]
    for row, nested in zip(rows, NESTED, strict=True):
        row["nested"] = None if nested is None else json.dumps(nested)
    return pa.RecordBatch.from_pylist(rows, schema=arrow_schema(WIDE))


def _written(tmp_path: Path, form: str, write: dict[str, object]) -> Path:
    writer = FilesWriter(_plan(WIDE, form, write=write), "s", str(tmp_path))
    writer.open()
    writer.write(epoch(1, _odd_rows()))
    writer.write(epoch(2, _odd_rows()))
    writer.flush()
    writer.close()
    (path,) = _files(tmp_path)
    return path


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "lz4", "brotli"])
def test_parquet_reads_back_equal(tmp_path: Path, compression: str) -> None:
    path = _written(tmp_path, "parquet", {"compression": compression})
    assert path.suffix == ".parquet"
    read = pq.ParquetFile(path).read().to_pylist()
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    wanted = [{**{n: v[i] for n, (_, v) in ODD.items()}, "nested": NESTED[i]} for i in (0, 1, 2, 0, 1, 2)]
    assert read == wanted


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "lz4"])
def test_orc_reads_back_equal(tmp_path: Path, compression: str) -> None:
    read = orc.ORCFile(_written(tmp_path, "orc", {"compression": compression})).read().to_pylist()
    wanted = [{**{n: v[i] for n, (_, v) in ODD.items()}, "nested": NESTED[i]} for i in (0, 1, 2, 0, 1, 2)]
    assert [{**row, "big": None if row["big"] is None else int(row["big"])} for row in read] == wanted


def _bytes(path: Path) -> bytes:
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}
    if path.suffix in openers:
        with openers[path.suffix](path) as stream:
            return bytes(stream.read())
    if path.suffix in (".csv", ".jsonl"):
        return path.read_bytes()
    codec = {".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4", ".br": "brotli"}[path.suffix]
    with pa.CompressedInputStream(pa.OSFile(str(path)), codec) as stream:
        return bytes(stream.read())


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "bzip2", "lz4", "xz", "brotli"])
def test_json_lines_read_back_equal(tmp_path: Path, compression: str) -> None:
    text = _bytes(_written(tmp_path, "jsonl", {"compression": compression})).decode()
    read = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
    assert len(read) == 6
    assert read[0] | {"at": 0, "local": 0, "half": 0} == {
        "id": 1, "text": 'a;"b"\n\\', "money": Decimal("1.50"), "flag": True, "day": "2026-01-31", "at": 0, "local": 0,
        "big": 2**64 - 1, "half": 0, "bytes": "AP8=", "list": [1, None, 3], "more": {"a": [1]}, "nested": NESTED[0],
    }  # fmt: skip
    assert read[0]["at"] == "2026-01-02T03:04:05.678901Z"
    assert set(read[2].values()) == {None}


@pytest.mark.parametrize("write", [{}, {"delimiter": ";", "quote": "'", "null_value": "NA"}, {"escape": "\\"}])
def test_csv_reads_back_equal(tmp_path: Path, write: dict[str, Any]) -> None:
    text = _written(tmp_path, "csv", write).read_text()
    escape = write.get("escape")
    rows = list(
        csv.reader(
            text.splitlines(keepends=True), delimiter=write.get("delimiter", ","), quotechar=write.get("quote", '"'),
            escapechar=escape, doublequote=escape is None,
        )
    )  # fmt: skip
    assert rows[0] == [column.name for column in WIDE]
    assert len(rows) == 7
    first = dict(zip(rows[0], rows[1], strict=True))
    assert (first["text"], first["money"], first["big"]) == ('a;"b"\n\\', "1.50", str(2**64 - 1))
    assert json.loads(first["nested"]) == NESTED[0]
    assert json.loads(first["list"]) == [1, None, 3]
    assert set(rows[3]) == {write.get("null_value", "")}


def test_an_empty_text_and_null_differ_in_csv(tmp_path: Path) -> None:
    lines = _written(tmp_path, "csv", {"header": False}).read_text().split("\n")
    assert lines[2].split(",")[1] == '""'
    assert lines[3] == "," * (len(WIDE) - 1)


@pytest.mark.parametrize(("write", "lines"), [({}, ["x", '""', '""']), ({"null_value": "NA"}, ["x", "NA", '""'])])
def test_no_row_of_one_column_is_a_blank_line_of_csv(tmp_path: Path, write: dict[str, Any], lines: list[str]) -> None:
    columns = (Column("name", TEXT),)
    writer = FilesWriter(_plan(columns, "csv", write={"header": False, **write}), "s", str(tmp_path))
    writer.open()
    writer.write(epoch(1, pa.RecordBatch.from_arrays([pa.array(["x", None, ""])], schema=arrow_schema(columns))))
    writer.flush()
    writer.close()
    assert _files(tmp_path)[0].read_text().splitlines() == lines


def test_partitions_are_folders(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(partition_by=("name",)), "s", str(tmp_path))
    writer.open()
    rows = [{"id": i, "name": [None, "a/b", "ü=1"][i % 3]} for i in range(9)]
    writer.write(epoch(1, pa.RecordBatch.from_pylist(rows, schema=arrow_schema(COLUMNS))))
    writer.flush()
    writer.close()
    found = {p.parent.name: [json.loads(x) for x in p.read_text().splitlines()] for p in _files(tmp_path)}
    assert found == {
        "name=__HIVE_DEFAULT_PARTITION__": [{"id": 0}, {"id": 3}, {"id": 6}],
        "name=a%2Fb": [{"id": 1}, {"id": 4}, {"id": 7}],
        "name=%C3%BC%3D1": [{"id": 2}, {"id": 5}, {"id": 8}],
    }


def test_more_partitions_than_open_files(tmp_path: Path) -> None:
    columns = (Column("id", BIGINT), Column("part", BIGINT))
    writer = FilesWriter(_plan(columns, "parquet", partition_by=("part",)), "s", str(tmp_path))
    writer.open()
    for number in range(1, 4):
        rows = [{"id": number * 1000 + i, "part": i % 150} for i in range(300)]
        writer.write(epoch(number, pa.RecordBatch.from_pylist(rows, schema=arrow_schema(columns))))
        assert len(writer._growing) <= 100
    assert writer.flush() == 3
    writer.close()
    read = pq.read_table(tmp_path / "rows", partitioning="hive").select(["id", "part"]).to_pylist()
    assert sorted((r["id"] - 1000 * (r["id"] // 1000)) % 150 - r["part"] for r in read) == [0] * 900


def test_an_empty_text_cannot_name_a_folder(tmp_path: Path) -> None:
    writer = FilesWriter(_plan(partition_by=("name",)), "s", str(tmp_path))
    writer.open()
    with pytest.raises(DataError, match="empty text"):
        writer.write(epoch(1, pa.RecordBatch.from_pylist([{"id": 1, "name": ""}], schema=arrow_schema(COLUMNS))))
    writer.close()


def test_a_folder_that_cannot_be_written_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("a file in the way")
    with pytest.raises(EngineError) as failed:
        FilesWriter(_plan(), "s", str(tmp_path)).open()
    assert failed.value.code == "unwritable-file"


def test_a_link_that_leads_nowhere_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "rows").symlink_to(tmp_path / "gone")
    with pytest.raises(EngineError) as failed:
        FilesWriter(_plan(), "s", str(tmp_path)).open()
    assert failed.value.code == "unwritable-file"


def test_other_places_are_refused() -> None:
    with pytest.raises(UsageError, match="object store"):
        FilesWriter(_plan(), "s", "s3://bucket/x")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"form": "avro"}, "avro"),
        ({"form": "csv", "write": {"compression": "snappy"}}, "snappy"),
        ({"form": "parquet", "write": {"delimiter": ";"}}, "delimiter"),
        ({"partition_by": ("nothing",)}, "nothing"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_runs(more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        _plan(**more)


def test_files_are_large_and_no_older_than_five_minutes_by_default() -> None:
    assert _plan().roll == Roll(None, 128 << 20, 300.0)
    assert _plan(rows=5).roll == Roll(5, 128 << 20, 300.0)


FORMS = [
    ("parquet", "zstd"),
    ("orc", "zstd"),
    *((f, c) for f in ("csv", "jsonl") for c in ("none", "gzip", "zstd", "xz")),
]


def test_a_file_that_is_given_up_says_nothing(tmp_path: Path) -> None:
    """In a process of its own: what ends with a file, or after it, speaks on stderr and not to its caller."""
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_UP, str(tmp_path / "file")], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "".join(f"{form}\n" for form in FORMS), "")


GIVEN_UP = """
import gc, pathlib, sys
from tests.streams.epochs import numbered
from tests.streams.test_targets_files import COLUMNS, FORMS, _plan
from flowc.runtime.systems.files.formats import maker
for form, compression in FORMS:
    file = maker(_plan(form=form, write={"compression": compression}), COLUMNS)(pathlib.Path(sys.argv[1]))
    file.write(numbered(0, 100))
    file.abandon()
    del file
    gc.collect()
    print((form, compression))
"""
