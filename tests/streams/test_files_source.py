"""Files as a source of streams: each once, in order, from any position on; what was changed is refused."""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError, TransientError
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.store import Entry
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.formats.csv.decode import CsvDecoder
from flowc.runtime.formats.csv.options import CsvOptions
from flowc.runtime.formats.parquet.decode import ParquetDecoder
from flowc.runtime.stores import lines as lines_of_bytes
from flowc.runtime.systems.files import source as filestream
from flowc.runtime.systems.files.registry import SHIFT
from flowc.runtime.systems.files.source import FileSource
from flowc.types import BIGINT, TEXT
from tests.extended import examples
from tests.memorystore import MemoryStore
from tests.streams.filefolder import Drop, Memory, drain, drop, put, remove, source
from tests.waiting import PATIENCE

_COLUMNS = (Column("id", BIGINT), Column("name", TEXT))


@pytest.fixture(params=["folder", "objects"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Drop:
    """Where files are: in a folder, or in an object store."""
    return MemoryStore() if request.param == "objects" else tmp_path


def _rows(
    of: FileSource, messages: pa.Table, columns: tuple[Column, ...] = _COLUMNS, **options: object
) -> list[object]:
    decoder = CsvDecoder(columns, CsvOptions(**options), of.headers)  # type: ignore[arg-type]
    decoded = [decoder.decode(batch) for batch in messages.to_batches()]
    return [tuple(row.values()) for each in decoded for row in each.batch.to_pylist()]


def test_files_come_by_their_time_then_name_and_each_once(place: Drop) -> None:
    drop(place, "b.csv", "id,name\n3,c\n", 5)
    drop(place, "c.csv", "name,id\nb,2\n", 1)
    drop(place, "a.csv", "id,name\n1,a\n", 1)
    for hidden in (".d.csv", "_e.csv", "x/.y/f.csv"):
        drop(place, hidden, "id,name\n9,z\n")
    facts = Memory()
    of = source(place, facts)
    messages, at = drain(of)
    assert _rows(of, messages) == [(1, "a"), (2, "b"), (3, "c")]
    assert messages.column("_topic").to_pylist() == ["a.csv", "c.csv", "b.csv"]
    assert messages.column("_offset").to_pylist() == [1, (1 << SHIFT) + 1, (2 << SHIFT) + 1]
    assert at == 3 << SHIFT
    drop(place, "0.csv", "id,name\n4,d\n", 0)
    messages, at = drain(source(place, facts), at)
    assert (messages.column("_topic").to_pylist(), at) == (["0.csv"], 4 << SHIFT)
    assert drain(source(place, facts), at) == (pa.table({"_value": pa.array([], pa.binary())}), at)


def _late_rows(store: MemoryStore, facts: Memory, at: int, start: str = "earliest") -> tuple[list[Any], int]:
    of = source(store, facts, start=start)
    messages, at = drain(of, at or None)
    return (_rows(of, messages) if messages.num_rows else []), at


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_answers_late_loses_and_repeats_nothing(seed: int) -> None:
    """Objects that a list lacks come later; ones that are gone, and versions that were replaced, are none."""
    store, facts, found, at = MemoryStore(lag=0.2, seed=seed), Memory(), list[Any](), 0
    for step in range(3):
        for n in range(4):
            drop(store, f"{step}-{n}.csv", "id,name\n9,before\n")
            drop(store, f"{step}-{n}.csv", f"id,name\n{step * 4 + n},a\n", 1)
            drop(store, f"gone-{step}-{n}.csv", "id,name\n8,gone\n")
            remove(store, f"gone-{step}-{n}.csv")
        rows, at = _late_rows(store, facts, at)
        found += rows
    assert sorted(found) == [(n, "a") for n in range(12)]


@pytest.mark.parametrize("seed", range(4))
def test_a_start_leaves_out_what_a_store_lists_late(seed: int) -> None:
    store, facts = MemoryStore(lag=0.2, seed=seed), Memory()
    for n in range(6):
        drop(store, f"{n}.csv", f"id,name\n{n},a\n")
    assert _late_rows(store, facts, 0, "latest") == ([], 0)
    drop(store, "new.csv", "id,name\n7,a\n", -1)
    assert _late_rows(store, facts, 0, "latest")[0] == [(7, "a")]


def test_a_store_that_fails_is_no_damage_of_a_file() -> None:
    """Not even where the rows of damaged files are skipped: the rest of the file would be lost."""
    for form, data in (("csv", b"id,name\n" + b"1,a\n" * 2_000_000), ("parquet", _parquet(pa.table({"id": range(9)})))):
        store = Unreachable()
        drop(store, f"a.{form}", data)
        of = source(store, Memory(), f"*.{form}", skips=True)
        of.open()
        of.assign({})
        store.fails = True
        with pytest.raises(TransientError, match="unreachable"):
            _polled(of)


def _polled(of: FileSource) -> list[Polled]:
    return list(iter(lambda: of.poll(1_000_000, 0.01), None))


class Unreachable(MemoryStore):
    """A store that can be made to answer nothing."""

    fails = False

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        if self.fails:
            raise TransientError("unreachable", code="connection-lost")
        return super().read(entry, start, end)


def test_an_object_that_is_replaced_while_it_is_read_stops_the_stream() -> None:
    store = MemoryStore()
    drop(store, "a.csv", "id,name\n" + "1,a\n" * 4_000_000)
    of = source(store, Memory())
    of.open()
    of.assign({})
    assert of.poll(10, 0.01) is not None
    drop(store, "a.csv", "id,name\n" + "2,b\n" * 4_000_000, 1)
    with pytest.raises(TransientError, match="was changed meanwhile"):
        _polled(of)
    with pytest.raises(DataError, match="changed after the stream had begun"):
        drain(of, 11)


def test_a_path_that_matches_no_file_is_a_warning(place: Drop, caplog: pytest.LogCaptureFixture) -> None:
    source(place, Memory()).assign({})
    assert "matches `*.csv` yet" in caplog.text
    caplog.clear()
    drop(place, "a.csv", "id,name\n1,a\n")
    source(place, Memory()).assign({})
    assert not caplog.text


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_compressed_files_are_read_as_others(place: Drop, ending: str) -> None:
    drop(place, f"a.csv{ending}", "\ufeffid,name\r\n1,x\r\n\r\n2,y")
    of = source(place, Memory(), f"*.csv{ending}")
    messages, _ = drain(of)
    assert _rows(of, messages) == [(1, "x"), (2, "y")]


def test_read_options_are_those_of_loads(place: Drop) -> None:
    drop(place, "a.csv", "# said\n1;'a;\n b'\n# more\n2;NA\n3\n")
    given = {"header": False, "delimiter": ";", "quote": "'", "comment": "#", "null_regex": "^NA$", "ragged": True}
    of = source(place, Memory(), columns=_COLUMNS, **given)
    messages, _ = drain(of)
    assert _rows(of, messages, **given) == [(1, "a;\n b"), (2, None), (3, None)]
    assert messages.column("_offset").to_pylist() == [1, 4, 5]


def test_bad_rows_are_isolated_with_their_bytes(place: Drop) -> None:
    lines = ["id,name", "1,a", "x,b", "3", '4,"c"', "5,d,e", '6,"two\nlines"', b"7,\xff".decode("latin-1"), '8,"open']
    drop(place, "a.csv", "\n".join(lines).encode("latin-1"))
    of = source(place, Memory())
    messages, _ = drain(of)
    (batch,) = messages.to_batches()
    decoded = CsvDecoder(_COLUMNS, CsvOptions(), of.headers).decode(batch)
    assert decoded.batch.to_pydict() == {"id": [1, 4, 6], "name": ["a", "c", "two\nlines"]}
    bad = [
        (batch.column("_value")[row.index].as_py(), batch.column("_offset")[row.index].as_py()) for row in decoded.bad
    ]
    assert bad == [(b"x,b", 2), (b"3", 3), (b"5,d,e", 5), (b"7,\xff", 8), (b'8,"open', 9)]
    assert [row.message for row in decoded.bad[:2]] == [
        "column `id`: `x` does not fit `bigint`", "it has 1 fields where 2 are expected",
    ]  # fmt: skip


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_rows_that_are_not_utf_8_and_have_too_few_or_too_many_fields_are_bad_rows_and_no_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], ending: str, ragged: bool
) -> None:
    rows = [b"id,name,rest", b"1,a,\xff", b"2,\xe9", b"3,b,\xff,d", b"4", b"5,\xff,", b"\xff", b"6,\xc3\xa9,"]
    put(tmp_path, "a.csv", ending.encode().join([*rows, b""]))
    of = source(tmp_path, Memory())
    (batch,) = drain(of)[0].to_batches()
    options = CsvOptions(ragged=ragged)
    decoded = CsvDecoder(_COLUMNS, options, of.headers).decode(batch)
    filled = [(4, None)] * ragged
    assert [tuple(row.values()) for row in decoded.batch.to_pylist()] == [(1, "a"), *filled, (6, "é")]
    short = [(2, 2), (4, 1), (6, 1)]
    said = {
        2: "column `name`: the text is not UTF-8", 3: "it has 4 fields where 3 are expected",
        5: "column `name`: the text is not UTF-8", 6: "column `id`: the text is not UTF-8",
        **({} if ragged else {at: f"it has {count} fields where 3 are expected" for at, count in short}),
    }  # fmt: skip
    assert {batch.column("_offset")[row.index].as_py(): row.message for row in decoded.bad} == said
    only = CsvDecoder(_COLUMNS, options, of.headers).decode(batch.slice(2, 1))  # none is left
    assert (only.batch.num_rows, len(only.bad)) == (0, 1)
    assert capfd.readouterr() == ("", "")


def test_files_that_are_still_written_are_left_and_found_when_they_are_whole(tmp_path: Path) -> None:
    facts = Memory()
    path = put(tmp_path, "a.csv", "id,name\n1,a\n")
    put(tmp_path, "b.csv.part", "id,name\n2,a\n")
    of = source(tmp_path, facts, "*", once=False)
    os.utime(path, (time.time() + 3600, time.time() + 3600))  # a clock that runs ahead
    of.open()
    of.assign({})
    began, polled = time.monotonic(), None
    while polled is None and time.monotonic() < began + PATIENCE:
        polled = of.poll(100, 0.05)
    assert polled is not None
    assert polled.messages.num_rows == 1
    assert time.monotonic() - began > 1.9
    put(tmp_path, "c.csv", "id,name\n3,a\n")
    while (polled := of.poll(100, 0.05)) is None or not polled.messages.num_rows:
        assert time.monotonic() < began + PATIENCE
    assert polled.messages.column("_topic").to_pylist() == ["c.csv"]


class Clock:
    """Time that passes while one sleeps, and while one looks into the folder."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def looked_at(self) -> int:
        """Nanoseconds, of a machine that stalls for long before it looks."""
        now, self.now = self.now, self.now + 1.8
        return int(now * 1e9)


_FRESH = 1_000_000_000 * 10**9
"""When a file of age 0 was written."""


def test_a_file_that_was_just_written_is_read_by_a_run_that_ends_however_slow_the_machine_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.csv", "id,name\n1,a\n")
    of, clock = source(tmp_path, Memory()), Clock()
    monkeypatch.setattr(filestream, "time", clock)
    of._registry.clock, of._registry.steady = lambda: _FRESH, clock.looked_at
    of.open()
    of.assign({})
    assert of.end_offsets() == {0: 1 << SHIFT}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_file_whose_last_row_was_given_may_go(place: Drop, name: str) -> None:
    """However many rows a poll may give, the position that is kept with the last one is behind the file."""
    lines = [f'{{"id": {n}}}' for n in range(6)] if name == "a.jsonl" else ["id", *map(str, range(6))]
    data: str | bytes = "\n".join(lines) + "\n"
    if name == "a.parquet":
        data = _parquet(pa.table({"id": range(6)}))
    drop(place, name, data)
    of = source(place, Memory(), f"*{Path(name).suffix}")
    of.open()
    of.assign({})
    for end in (2, 4):
        polled = of.poll(2, 0.1)
        assert polled is not None
        assert polled.messages.num_rows == 2
        assert of.positions()[0] == end + (name == "a.csv")
    assert of.poll(2, 0.1) is not None
    assert of.positions() == {0: 1 << SHIFT}
    remove(place, name)
    assert of.poll(2, 0.1) is None


def test_a_file_that_changed_or_is_gone_stops_the_stream(place: Drop) -> None:
    facts = Memory()
    text = "id,name\n" + "".join(f"{n},a\n" for n in range(100))
    drop(place, "a.csv", text)
    of = source(place, facts)
    of.open()
    of.assign({})
    assert of.poll(10, 0.1) is not None
    drop(place, "a.csv", text[:-3])
    with pytest.raises(FlowcError, match="changed after the stream had begun") as changed:
        drain(source(place, facts), 11)
    assert "its time of change" in str(changed.value.help)
    assert "or remove it" in str(changed.value.help)
    remove(place, "a.csv")
    with pytest.raises(FlowcError, match="is gone, and not all of it was read"):
        drain(source(place, facts), 11)
    drop(place, "a.csv", text)
    messages, at = drain(source(place, facts), 11)
    assert (messages.num_rows, at) == (90, 1 << SHIFT)
    remove(place, "a.csv")
    assert drain(source(place, facts), at)[1] == at
    drop(place, "a.csv", "id,name\n1,other\n")
    with pytest.raises(FlowcError, match="changed after the stream had begun"):
        drain(source(place, facts), at)


def test_a_position_that_the_store_does_not_know_is_refused(place: Drop) -> None:
    with pytest.raises(FlowcError, match="unknown to its state"):
        drain(source(place, Memory()), (7 << SHIFT) + 3)


class Meddled(Memory):
    """Facts into which another worker writes each time before this one."""

    def remember(self, facts: Mapping[str, str]) -> None:
        other = json.dumps({"path": "other.csv", "size": 1, "mtime": 1})
        numbers = [name for name in facts if name.split(".")[2].isdigit()]
        super().remember({**facts, **dict.fromkeys(numbers, other)})
        if numbers:
            raise Fenced("another worker has stored other facts")


def test_two_workers_never_give_one_number_to_two_files(place: Drop) -> None:
    drop(place, "a.csv", "id,name\n1,a\n", 0)
    facts = Memory()
    first, second = source(place, facts), source(place, facts)
    second.open()
    drain(first)
    drop(place, "b.csv", "id,name\n2,a\n", -5)
    second.assign({0: 0})
    assert [json.loads(facts.kept[f"files.source.{n}"])["path"] for n in (0, 1)] == ["a.csv", "b.csv"]
    with pytest.raises(FlowcError, match="another worker"):
        drain(source(place, Meddled()))


@pytest.mark.parametrize(
    ("start", "read"),
    [("earliest", "old new future past"), ("2001-09-09T01:48:00Z", "new future"), ("2200-01-01T00:00:00Z", ""),
     ("1960-01-01T00:00:00Z", "old new future"), ("latest", "")],
)  # fmt: skip
def test_a_start_leaves_out_of_what_is_there_and_of_nothing_that_comes(place: Drop, start: str, read: str) -> None:
    facts = Memory()
    ages = {"old": 0, "new": 100, "future": 4_000_000_000, "past": -2_000_000_000}
    for name, age in ages.items():
        drop(place, f"{name}.csv", f"id,name\n1,{name}\n", age)
    assert _names(place, facts, start) == set(read.split())
    for name, age in ages.items():  # as a copy that keeps times, or a clock that was set back
        drop(place, f"later_{name}.csv", f"id,name\n1,later_{name}\n", age)
    drop(place, "moved.csv", "id,name\n1,old\n", 0)
    later = {*read.split(), "moved", *(f"later_{name}" for name in ages)}
    assert _names(place, facts, "earliest") == later
    if "old" not in read:
        drop(place, "old.csv", "id,name\n1,changed\n", -1)  # another file by now
        assert _names(place, facts, "earliest") == {*later, "old"}


def _names(folder: Drop, facts: Memory, start: str) -> set[str]:
    """The names of the files that are read from the beginning on."""
    found, _ = drain(source(folder, facts, start=start))
    return {Path(str(topic)).stem for topic in found.to_pydict().get("_topic", ())}


def _parquet(table: pa.Table, **options: int) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def test_what_a_file_says_beside_its_rows(place: Drop) -> None:
    drop(place, "a.csv", "id,name\n1,a\n", 7)
    asked = ("_event_ts", "_key", "_headers")
    (row,) = drain(source(place, Memory(), asked=asked))[0].to_pylist()
    assert row["_event_ts"].timestamp() == 1_000_000_007
    assert (row["_key"], row["_headers"], row["_partition"]) == (None, None, 0)


def test_parquet_files_are_read_from_any_row(place: Drop) -> None:
    table = pa.table({"id": pa.array(range(500), pa.int32()), "name": [f"n{n}" for n in range(500)]})
    other = table.slice(0, 3).cast(pa.schema([("id", pa.float64()), ("name", pa.string())]))
    drop(place, "a.parquet", _parquet(table, row_group_size=60))
    drop(place, "b.parquet", _parquet(other))
    facts = Memory()
    of = source(place, facts, "*.parquet")
    of.open()
    of.assign({})
    at, ids = 0, list[object]()
    while at < of.end_offsets()[0]:
        polled = of.poll(77, 0.01)
        if polled is None:
            continue
        at = int(polled.ranges[0].end)
        decoded = ParquetDecoder(_COLUMNS).decode(polled.messages.column("_value"))
        assert not decoded.bad
        ids += decoded.batch.column("id").to_pylist()
    assert ids == [*range(500), 0, 1, 2]
    again = source(place, facts, "a.parquet")
    again.open()
    again.assign({0: 333})
    polled = again.poll(5, 0.01)
    assert polled is not None
    assert polled.messages.column("_value").field("id").to_pylist() == [333, 334, 335, 336, 337]


_TEXT = st.text(st.sampled_from('a,"\n# é'), max_size=6)


def _spelled(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"\n') or not value else value


@settings(max_examples=examples(75), deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(), _TEXT), max_size=12), min_size=1, max_size=4),
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
    st.sampled_from([3, 20, 1 << 22]),
)
def test_positions_lose_and_repeat_nothing(files: list[list[tuple[int, str]]], steps: list[int], block: int) -> None:
    """However many rows each run takes, and bytes each block, all runs together read every row once, in order."""
    with tempfile.TemporaryDirectory() as place, mock.patch.object(lines_of_bytes, "BLOCK", block):
        folder, facts, at, found = Path(place), Memory(), 0, list[object]()
        for number, rows in enumerate(files):
            lines = "".join(f"{n % 1000},{_spelled(text)}\n" for n, text in rows)
            put(folder, f"{number}.csv", "id,name\n" + lines, number)
        for step in [*steps, 1000, 1000]:
            of = source(folder, facts)
            of.open()
            of.assign({0: at} if at else {})
            polled = of.poll(step, 0.001)
            if polled is not None:
                assert int(polled.ranges[0].start) == at
                at = int(polled.ranges[0].end)
                found += _rows(of, pa.Table.from_batches([polled.messages]))
        assert found == [(n % 1000, text or None) for rows in files for n, text in rows]


_ARRIVAL = st.tuples(st.integers(-2 * 10**9, 7 * 10**8), st.integers(1, 4), st.integers(0, 5))
"""The age of a file, its rows, and how many rows are taken after it has come."""


@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(_ARRIVAL, min_size=1, max_size=10),
    st.integers(1, 3),
    st.sampled_from(["earliest", "latest", "2001-09-09T01:46:40Z"]),
)
def test_times_of_files_lose_and_repeat_nothing(arrivals: list[tuple[int, int, int]], there: int, start: str) -> None:
    """Files come with any times, between runs that are cut off; all that comes after the start is read once."""
    with tempfile.TemporaryDirectory() as place:
        folder, facts, at, found, wanted = Path(place), Memory(), 0, list[object](), list[object]()
        for number, (age, rows, taken) in enumerate([*arrivals, (0, 1, 100), (0, 1, 100)]):
            put(folder, f"{number}.csv", "id,name\n" + f"{number},a\n" * rows, age)
            if number >= there or start == "earliest" or (start != "latest" and age >= 0):
                wanted += [number] * rows
            if number + 1 < there:
                continue  # the stream has not begun
            of = source(folder, facts, start=start)
            of.open()
            of.assign({0: at} if at else {})
            while taken > 0 and (polled := of.poll(taken, 0.001)) is not None:
                assert int(polled.ranges[0].start) == at
                at, taken = int(polled.ranges[0].end), taken - max(1, polled.messages.num_rows)
                if polled.messages.num_rows:
                    found += [row[0] for row in _rows(of, pa.Table.from_batches([polled.messages]))]  # type: ignore[index]
        assert sorted(found) == sorted(wanted)  # type: ignore[type-var]


def test_it_reads_no_further_while_it_is_paused(place: Drop) -> None:
    drop(place, "a.csv", "id,name\n1,a\n2,b\n")
    of = source(place, Memory())
    of.open()
    of.assign({})
    first = of.poll(1, 0.0)
    assert first is not None
    of.pause([0])
    assert (of.poll(10, 0.0), of.positions(), of.behind, of.caught_up) == (None, {0: 2}, {0}, True)
    of.resume([0])
    rest = of.poll(10, 0.0)
    assert rest is not None
    assert _rows(of, pa.Table.from_batches([first.messages, rest.messages])) == [(1, "a"), (2, "b")]
