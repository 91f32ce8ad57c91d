"""Targets that lost rows while their stream has gone on: it stops, and says how the rows come back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import deltalake
import pyarrow.parquet as pq
import pytest

from flowc.runtime.systems import open_database
from tests.commands import Inside
from tests.streams.filefolder import put

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("kind", 2)]

PROJECT = """
connections:
  inbox: { kind: files, uri: inbox }
  near: { kind: sqlite, path: near.db }
  other: { kind: sqlite, path: other.db }
  duck: { kind: duckdb, path: duck.db }
  lake: { kind: delta, uri: lake }
  drop: { kind: files, uri: drop }
streams:
  s:
    source: { connection: inbox, path: "*.jsonl", columns: { id: bigint, at: timestamptz }, event_time: at }
    sql: SELECT id FROM source
    to:%(to)s
    %(more)s
"""
DEDUPE = "dedupe: { keys: [id], within: 10m }\n    watermark: { lateness: 1h }"
TARGETS = {
    "sqlite": ("{ connection: near, table: rows }", "near.db"),
    "duckdb": ("{ connection: duck, table: rows }", "duck.db"),
    "delta": ("{ connection: lake, table: rows }", "lake"),
    "files": ("{ connection: drop, path: rows, format: parquet }", "drop"),
}
OTHER = "{ connection: other, table: rows }"


class Stream:
    """A stream of files into targets, and what one of these holds."""

    def __init__(self, path: Path, kind: str, *targets: str, more: str = DEDUPE) -> None:
        self.folder, self.kind, self.files = Inside(path), kind, 0
        self.target, self.place = TARGETS[kind]
        self.write(self.target, *targets, more=more)

    def write(self, *targets: str, more: str = DEDUPE) -> None:
        to = "".join(f"\n      - {target}" for target in targets)
        self.folder.write("specs/s.yaml", PROJECT % {"to": to, "more": more})

    def put(self, *ids: int) -> None:
        self.files += 1
        rows = (json.dumps({"id": n, "at": f"2026-01-01T00:00:{n:02}Z"}) for n in ids)
        put(self.folder.path / "inbox", f"{self.files}.jsonl", "\n".join(rows) + "\n", self.files)

    def run(self, *ids: int) -> None:
        """Gets these messages, and a run that ends well."""
        self.put(*ids)
        done = self.folder.flowc("run", "s", "--once")
        assert done.code == 0, done.out + done.err

    def stops(self) -> str:
        """What a run says that ends with `target-behind`, and how often it does."""
        said = [self.folder.flowc("run", "s", "--once") for _ in range(2)]
        for done in said:
            assert (done.code, "error[target-behind]" in done.err) == (1, True), done.out + done.err
        return said[-1].err

    def rewind(self, place: str) -> str:
        done = self.folder.flowc("rewind", "s", "--to", place, "--yes")
        assert done.code == 0, done.out + done.err
        return done.out

    def drop(self) -> None:
        """Removes the target with all that it holds."""
        for path in self.folder.path.glob(f"{self.place}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def keep(self) -> None:
        """Copies the target, with the files that belong to it."""
        for path in self.folder.path.glob(f"{self.place}*"):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, path.with_name(f"copy-{path.name}"))

    def put_back(self) -> None:
        """Puts the copy in place of the target."""
        self.drop()
        for path in self.folder.path.glob(f"copy-{self.place}*"):
            path.rename(path.with_name(path.name.removeprefix("copy-")))

    def ids(self, kind: str = "", name: str = "") -> list[int]:
        kind, place = kind or self.kind, self.folder.path / (name or self.place)
        if kind == "delta":
            found = deltalake.DeltaTable(str(place / "rows")).to_pyarrow_table()["id"].to_pylist()
        elif kind == "files":
            found = [n for file in (place / "rows").glob("*.parquet") for n in pq.read_table(file)["id"].to_pylist()]
        else:
            database = open_database(kind, {"path": str(place)})
            found = database.query("SELECT id FROM rows").column(0).to_pylist()
            database.close()
        return sorted(found)


@pytest.fixture(params=TARGETS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.covering
@pytest.mark.parametrize("damage", [Stream.drop, Stream.put_back])
def test_a_target_that_lost_rows_stops_the_stream(tmp_path: Path, kind: str, damage: Callable[[Stream], None]) -> None:
    stream = Stream(tmp_path, kind)
    stream.run(1, 2)
    stream.keep()
    stream.run(3, 4)
    damage(stream)
    stream.put(5)
    assert "flowc rewind s --to" in stream.stops()


def test_rows_that_were_lost_come_back_by_a_rewind(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind)
    stream.run(1, 2)
    stream.keep()
    stream.run(3, 4)
    stream.drop()
    stream.put(5)
    stream.stops()
    assert "4" not in stream.rewind("held")
    stream.run(6)
    assert stream.ids() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"], indirect=True)
def test_a_rewind_to_what_is_held_reads_nothing_twice(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind)
    stream.run(1, 2)
    stream.keep()
    stream.run(3, 4)
    stream.put_back()
    stream.stops()
    stream.rewind("held")
    stream.run(5)
    assert stream.ids() == [1, 2, 3, 4, 5]


def test_a_stream_may_go_on_without_the_rows(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind)
    stream.run(1, 2)
    stream.drop()
    stream.stops()
    assert "stay missing there" in stream.rewind("current")
    stream.run(3)
    stream.run(4)
    assert stream.ids() == [3, 4]


@pytest.mark.parametrize("more", ["", "dedupe: { keys: [id], within: 10m }\n    state: { connection: near }"])
def test_a_table_that_is_gone_beside_its_positions_stops_the_stream(tmp_path: Path, more: str) -> None:
    stream = Stream(tmp_path, "sqlite", more=more)
    stream.run(1, 2)
    database = open_database("sqlite", {"path": str(tmp_path / "near.db")})
    database.execute("DROP TABLE rows")
    database.close()
    stream.put(3)
    assert "its positions are still there" in stream.stops()
    stream.rewind("held")
    stream.run(4)
    assert stream.ids() == [1, 2, 3, 4]


@pytest.mark.covering
@pytest.mark.parametrize("more", ["", DEDUPE])
def test_a_target_of_several_that_lost_rows_stops_all(tmp_path: Path, kind: str, more: str) -> None:
    stream = Stream(tmp_path, kind, OTHER, more=more)
    stream.run(1, 2)
    stream.drop()
    stream.put(3)
    stream.stops()
    assert "`other.rows` will hold" in stream.rewind("held")
    stream.run(4)
    assert stream.ids() == [1, 2, 3, 4]
    assert sorted(set(stream.ids("sqlite", "other.db"))) == [1, 2, 3, 4]


def test_a_target_that_comes_back_is_not_taken_for_whole(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind, OTHER)
    stream.run(1, 2)
    stream.write(OTHER)
    stream.run(3)
    stream.write(stream.target, OTHER)
    stream.put(4)
    assert "comes back" in stream.stops()
    stream.rewind("current")
    stream.run(5)
    assert stream.ids() == [1, 2, 4, 5]
    assert stream.ids("sqlite", "other.db") == [1, 2, 3, 4, 5]


def test_a_target_that_is_new_gets_what_comes(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind)
    stream.write(OTHER)
    stream.run(1, 2)
    stream.write(stream.target, OTHER)
    stream.run(3)
    stream.run(4)
    assert stream.ids() == [3, 4]


@pytest.mark.parametrize("more", ["", DEDUPE])
def test_a_stream_whose_state_is_gone_reads_all_again(tmp_path: Path, more: str) -> None:
    """The state knows the files too: without it no position means anything."""
    merge = "{ connection: near, table: rows, mode: merge, keys: [id] }"
    stream = Stream(tmp_path, "delta", more=more)
    stream.write(stream.target, merge, more=more)
    stream.run(1, 2)
    shutil.rmtree(tmp_path / ".flowc" / "state")
    stream.put(3)
    done = stream.folder.flowc("run", "s", "--once")
    assert (done.code, "error[state-lost]" in done.err, "flowc rewind" in done.err) == (1, True, True), done.err
    assert stream.folder.flowc("rewind", "s", "--to", "held", "--yes").code != 0
    assert "`lake.rows` will hold" in stream.rewind("earliest")
    stream.run(4)
    assert stream.ids() == [1, 1, 2, 2, 3, 4]
    assert stream.ids("sqlite", "near.db") == [1, 2, 3, 4]


def test_a_target_comes_back_beside_one_whose_transactions_have_the_state(tmp_path: Path) -> None:
    """Nothing is new to be read when it comes back: the run that begins has to see it all the same."""
    more = f"{DEDUPE}\n    state: {{ connection: other }}"
    stream = Stream(tmp_path, "sqlite", OTHER, more=more)
    stream.run(1, 2)
    stream.write(OTHER, more=more)
    stream.run(3)
    stream.write(stream.target, OTHER, more=more)
    assert "comes back" in stream.stops()
    assert "`near.rows` will hold" in stream.rewind("held")
    stream.run(4)
    assert sorted(set(stream.ids())) == [1, 2, 3, 4]


def test_a_plan_tells_of_targets_that_go_and_come(tmp_path: Path, kind: str) -> None:
    stream = Stream(tmp_path, kind, OTHER)
    stream.run(1, 2)
    stream.write(OTHER)
    gone = stream.folder.flowc("plan").out
    assert "no target any more" in gone, gone
    stream.run(3)
    stream.write(stream.target, OTHER)
    returns = stream.folder.flowc("plan").out
    assert "comes back" in returns, returns
    assert "flowc rewind s --to" in returns, returns


def test_a_plan_tells_of_a_target_that_comes_back_to_a_stream_without_state(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "sqlite", OTHER, more="")
    stream.run(1, 2)
    stream.write(OTHER, more="")
    stream.run(3)
    stream.write(stream.target, OTHER, more="")
    planned = stream.folder.flowc("plan").out
    assert "will not start" in planned or "REFUSE" in planned, planned
    assert "flowc rewind s --to held" in planned, planned
    stream.put(4)
    assert stream.folder.flowc("run", "s", "--once").code == 1
    assert "another target holds epoch" in stream.rewind("current")
    stream.run(5)
    assert stream.ids() == [1, 2, 4, 5]
    assert stream.ids("sqlite", "other.db") == [1, 2, 3, 4, 5]


def test_a_plan_tells_of_a_target_that_is_new(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "sqlite")
    stream.write(OTHER)
    stream.run(1)
    stream.write(stream.target, OTHER)
    planned = stream.folder.flowc("plan").out
    assert "a new target" in planned, planned
