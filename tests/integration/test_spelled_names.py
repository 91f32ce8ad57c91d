"""One table under several names: its lock, its watermark and its positions are those of the table, not of a name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from flowc.catalog import TableName
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from tests.commands import Inside
from tests.stores import KINDS, Store, address
from tests.streams.test_loop_epochs import _ROWS, _plan
from tests.waiting import until

pytestmark = pytest.mark.turns("place", 2)


@dataclass
class Place:
    """An empty database, and all the names that a table `t` of it has."""

    store: Store
    sessions: ExitStack

    @property
    def spellings(self) -> tuple[str, ...]:
        own = {
            "sqlite": ("main.t", "T", "MAIN.T"),
            "duckdb": ("main.t", "T", "Main.T"),
            "postgres": ("public.t", 'public."t"'),
            "mysql": (f"{urlsplit(self.store.dsn).path[1:]}.t",),
        }
        return ("t", *own[self.store.kind])

    def session(self) -> Database:
        options = {"url": self.store.dsn} if self.store.dsn else {"path": str(self.file)}
        return self.sessions.enter_context(closing(open_database(self.store.kind, options)))

    @property
    def file(self) -> Path:
        return self.store.folder / f"store.{self.store.kind}"

    @property
    def state(self) -> str:
        return "flowc." if self.store.kind in ("postgres", "duckdb") else "flowc_"


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as sessions:
        yield Place(Store(request.param, tmp_path, address(request, request.param)), sessions)


def test_every_spelling_means_one_table_before_and_after_it_is_made(place: Place):
    names = [TableName.parse(spelling) for spelling in place.spellings]
    with closing(place.session()) as session:
        before = {session.resolved(name).table for name in names}
    place.store.run("CREATE TABLE t (id INTEGER)", "CREATE TABLE other (id INTEGER)")
    session = place.session()
    found = [session.resolved(TableName.parse(spelling)) for spelling in place.spellings]
    assert {entry.table for entry in found} == before
    assert len({entry.table for entry in found}) == len({entry.kept for entry in found}) == 1
    assert session.resolved(TableName(None, "other")) not in found
    assert all(session.table(TableName.parse(spelling)) is not None for spelling in place.spellings)


@pytest.mark.parametrize("place", ["duckdb", "postgres", "mysql"], indirect=True)  # SQLite has one writer at a time
def test_the_lock_of_a_table_is_one_lock(place: Place):
    place.store.run("CREATE TABLE t (id INTEGER)")
    for spelling in place.spellings[1:]:
        first, second = place.session(), place.session()
        first.begin()
        first.lock(TableName(None, "t"))
        taken = threading.Event()
        thread = threading.Thread(target=_lock, args=(second, TableName.parse(spelling), taken))
        thread.start()
        assert not taken.wait(0.2), spelling
        first.commit()
        thread.join()
        assert taken.is_set()


def _lock(session: Database, name: TableName, taken: threading.Event) -> None:
    session.begin()
    session.lock(name)
    taken.set()
    session.rollback()


PIPELINE = """
connections:
  source: {{ kind: sqlite, path: source.sqlite }}
  w: {connection}
pipelines:
  p:
    from: {{ connection: source, table: s }}
    to: {{ connection: w, table: '{table}' }}
    {how}
"""
INCREMENTAL = "mode: append\n    incremental: { column: id }"


def run(place: Place, table: str, how: str) -> None:
    project = Inside(place.store.folder, {})
    project.write("specs/p.yaml", PIPELINE.format(connection=place.store.connection, table=table, how=how))
    done = project.flowc("run", "--once")
    assert done.code == 0, done.out + done.err


def test_a_watermark_is_found_under_every_spelling(place: Place):
    source = Store("sqlite", place.store.folder, "", "source")
    source.run("CREATE TABLE s (id BIGINT PRIMARY KEY)")
    for n, spelling in enumerate((*place.spellings, "t")):
        source.run(f"INSERT INTO s VALUES ({n})")
        run(place, spelling, INCREMENTAL)
        assert place.store.rows("SELECT id FROM t") == [(i,) for i in range(n + 1)], spelling
    assert len(place.store.raw(f"SELECT target FROM {place.state}watermarks")) == 1


def test_a_watermark_that_an_earlier_version_kept_under_a_spelling_is_found(place: Place):
    source, marks = Store("sqlite", place.store.folder, "", "source"), f"{place.state}watermarks"
    source.run("CREATE TABLE s (id BIGINT PRIMARY KEY)", "INSERT INTO s VALUES (1), (2)")
    run(place, "t", INCREMENTAL)
    place.store.run("DELETE FROM t WHERE id = 1")  # comes again where the source is read from its beginning
    for kept in place.spellings:
        place.store.run(f"UPDATE {marks} SET target = 'w.{kept}'")
        for spelling in (place.spellings[0], place.spellings[-1]):
            run(place, spelling, INCREMENTAL)
            assert place.store.rows("SELECT id FROM t") == [(2,)], (kept, spelling)
    # Of several that mean the table, the newest is that of the last load.
    place.store.run(
        f"UPDATE {marks} SET target = 'w.t'",
        f"INSERT INTO {marks} SELECT project, pipeline_name, 'w.{place.spellings[1]}', column_name, '0', "
        f"'2020-01-01 00:00:00{'+00:00' if place.store.kind == 'sqlite' else ''}' FROM {marks}",
    )
    run(place, place.spellings[1], INCREMENTAL)
    assert place.store.rows("SELECT id FROM t") == [(2,)]


@pytest.mark.parametrize("place", ["duckdb", "postgres", "mysql"], indirect=True)
def test_a_transaction_that_had_to_wait_sees_what_was_committed_meanwhile(place: Place):
    place.store.run("CREATE TABLE t (id BIGINT)")
    one, two = place.session(), place.session()
    two.begin()
    two.lock(TableName(None, "t"))
    one.execute("INSERT INTO t VALUES (1)")
    assert two.query("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 1}]
    two.rollback()


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_two_merges_under_two_names_give_a_key_once(place: Place):
    source = Store("sqlite", place.store.folder, "", "source")
    source.run("CREATE TABLE s (id BIGINT PRIMARY KEY)", "INSERT INTO s VALUES (1)")
    place.store.run("CREATE TABLE t (id BIGINT)")
    first = place.session()
    first.begin()
    first.lock(TableName("public", "t"))
    first.execute("INSERT INTO t VALUES (1)")
    thread = threading.Thread(target=lambda: run(place, "t", "mode: merge\n    keys: [id]"))
    thread.start()
    with psycopg.connect(place.store.dsn, autocommit=True) as looker:
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        until(lambda: bool(looker.execute(waits).fetchall()))
    first.commit()
    thread.join()
    assert place.store.rows("SELECT id FROM t") == [(1,)]


@pytest.fixture
def writer(place: Place) -> Callable[[str], DatabaseWriter]:
    """Makes a worker of one stream that spells its table so."""
    plan = _plan(place.store.kind).targets[0]
    place.store.run("CREATE TABLE t (id BIGINT, part BIGINT)")

    def made(spelling: str) -> DatabaseWriter:
        name = TableName.parse(spelling)
        return DatabaseWriter(replace(plan, table=name, load=replace(plan.load, table=name)), place.session())

    return made


def epoch(number: int, start: int, end: int) -> Epoch:
    return Epoch(
        Intent(number, 0, (Range.numbered("source", 0, start, end),)), pa.RecordBatch.from_pylist([], schema=_ROWS), 0
    )


def test_positions_are_found_under_every_spelling(place: Place, writer: Callable[[str], DatabaseWriter]):
    for n, spelling in enumerate((*place.spellings, "t")):
        worker = writer(spelling)
        assert worker.open().positions == ({("source", "0"): str(n)} if n else {}), spelling
        worker.write(epoch(n + 1, n, n + 1))
        worker.close()
    assert place.store.raw(f"SELECT next_position FROM {place.state}positions") == [(str(len(place.spellings) + 1),)]
    for kept in place.spellings:
        place.store.run(f"UPDATE {place.state}positions SET target = '{kept}'")
        for spelling in (place.spellings[0], place.spellings[-1]):
            worker = writer(spelling)
            assert worker.open().positions == {("source", "0"): str(len(place.spellings) + 1)}, (kept, spelling)
            worker.close()


def test_two_workers_that_begin_under_two_names_are_fenced(place: Place, writer: Callable[[str], DatabaseWriter]):
    one, two = writer("t"), writer(place.spellings[1])
    one.open()
    two.open()
    one.write(epoch(1, 0, 5))
    with pytest.raises(Fenced):
        two.write(epoch(1, 0, 5))
    assert two.held().positions == {("source", "0"): "5"}
