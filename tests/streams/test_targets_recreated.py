"""Tables that somebody dropped and that were created again, by `apply` or by hand, before their stream ran again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from flowc.cli.opened import open_project
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.streamplan.positions import orphan_positions
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.target import PutBack
from flowc.runtime.streams import run as runs
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.streams.run import StreamReport, assembled, plan_of
from tests.commands import Inside
from tests.extended import with_extended
from tests.stores import Store
from tests.streams.filefolder import put
from tests.streams.test_targets_behind_servers import Server, at_work
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("store", 2)]

PROJECT = """
connections:
  inbox: {{ kind: files, uri: inbox }}
  out: {connection}
tables:
  events:
    connection: out
    columns: {{ id: bigint }}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    sql: SELECT id FROM source
    to: {{ connection: out, table: events, mode: append }}
    {more}
"""
DEDUPE = "dedupe: { keys: [id], within: 10m }\n    watermark: { lateness: 1h }"
FORMS = {"positions alone": "", "own state": DEDUPE, "state beside": DEDUPE + "\n    state: { connection: out }"}


@pytest.fixture(params=FORMS)
def project(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Inside:
    """A project whose stream has written two rows."""
    made = Inside(tmp_path)
    made.write("specs/s.yaml", PROJECT.format(connection=store.connection, more=FORMS[request.param]))
    _apply(made)
    _put(made, 1, 2)
    done = made.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    return made


def _put(project: Inside, *ids: int) -> None:
    rows = (json.dumps({"id": n, "at": f"2026-01-01T00:00:{n:02}Z"}) for n in ids)
    put(project.path / "inbox", f"{ids[0]}.jsonl", "\n".join(rows) + "\n", ids[0])


def _apply(project: Inside) -> None:
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.out + done.err


def _stops(project: Inside) -> None:
    for _ in range(2):
        done = project.flowc("run", "s", "--once")
        assert (done.code, "error[target-behind]" in done.err) == (1, True), done.out + done.err


def _goes_on(project: Inside, place: str, id_: int) -> None:
    """After a rewind the stream runs, now and once more."""
    done = project.flowc("rewind", "s", "--to", place, "--yes")
    assert done.code == 0, done.out + done.err
    _put(project, id_)
    for _ in range(2):
        done = project.flowc("run", "s", "--once")
        assert done.code == 0, done.out + done.err


@pytest.mark.covering
def test_a_table_that_apply_creates_again_stops_the_stream_until_a_rewind(project: Inside, store: Store) -> None:
    store.run("DROP TABLE events")
    _apply(project)
    _put(project, 3)
    _stops(project)
    _goes_on(project, "held", 4)
    assert store.rows("SELECT id FROM events") == [(1,), (2,), (3,), (4,)]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_stream_may_go_on_without_the_rows_of_the_table_before(project: Inside, store: Store) -> None:
    store.run("DROP TABLE events")
    _apply(project)
    _stops(project)
    _goes_on(project, "current", 3)
    assert store.rows("SELECT id FROM events") == [(3,)]


def _rows_around(replaced: Callable[[], None], project: Inside, store: Store, monkeypatch: pytest.MonkeyPatch) -> int:
    """The rows that a worker counts, which does not look at its table, and whose table is replaced behind the first."""
    monkeypatch.setattr(runs, "_LOOK", 1e9)
    monkeypatch.setattr(runs, "_LOOK_FAR", 1e9)
    with at_work(Server(project, store.kind, "")) as (report, ended):
        _put(project, 3)
        until(lambda: report.rows == 1, lambda: f"{ended}")
        replaced()
        _put(project, 4)
        until(lambda: bool(ended) or report.rows > 1, lambda: "the worker does not notice")
    return report.rows


@pytest.mark.covering
@pytest.mark.parametrize("store", ["sqlite", "postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("project", ["positions alone", "own state"], indirect=True)
def test_a_table_that_apply_creates_again_under_a_worker_stops_it(
    project: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced() -> None:
        store.run("DROP TABLE events")
        _apply(project)

    assert _rows_around(replaced, project, store, monkeypatch) == 1, "rows were written into the new table"
    _put(project, 5)
    _stops(project)


ANOTHER = ("CREATE TABLE other AS SELECT * FROM events WHERE {rows}", "DROP TABLE events",
           "ALTER TABLE other RENAME TO events")  # fmt: skip
postgres = pytest.mark.parametrize("store", ["postgres"], indirect=True)
plain = pytest.mark.parametrize("project", ["positions alone"], indirect=True)
worked = pytest.mark.parametrize("project", ["positions alone", "own state"], indirect=True)


def _another(store: Store, rows: str = "1 = 0") -> None:
    """Somebody puts a table of that name in place of the one that the stream filled."""
    for statement in ANOTHER:
        store.run(statement.format(rows=rows))


@postgres
@pytest.mark.parametrize("rows", with_extended(["1 = 0"], ["id = 1"]))
def test_a_table_that_somebody_replaces_stops_the_stream_until_a_rewind(
    project: Inside, store: Store, rows: str
) -> None:
    _another(store, rows)
    _put(project, 3)
    _stops(project)
    store.run("DELETE FROM events")
    _goes_on(project, "held", 4)
    assert store.rows("SELECT id FROM events") == [(1,), (2,), (3,), (4,)]


@postgres
def test_the_table_that_is_there_counts_from_a_rewind_on(project: Inside, store: Store) -> None:
    _another(store)
    _goes_on(project, "current", 3)
    _another(store, "1 = 1")
    _stops(project)
    _goes_on(project, "current", 4)
    assert store.rows("SELECT id FROM events") == [(3,), (4,)]


@postgres
@worked
def test_a_table_that_somebody_replaces_under_a_worker_gets_no_rows(
    project: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _rows_around(partial(_another, store), project, store, monkeypatch)
    assert (rows, store.rows("SELECT id FROM events")) == (1, [])
    _stops(project)


@postgres
@worked
def test_a_worker_to_which_nothing_comes_notices_another_table(project: Inside, store: Store) -> None:
    with at_work(Server(project, store.kind, "")) as (report, ended):
        _put(project, 3)
        until(lambda: report.rows == 1, lambda: f"{ended}")
        _another(store)
        until(lambda: bool(ended), lambda: "the worker does not notice")


@postgres
@plain
def test_what_keeps_a_table_the_same_stops_no_stream(project: Inside, store: Store) -> None:
    kept = (
        "ALTER TABLE events ADD COLUMN more TEXT", "VACUUM FULL events", "DELETE FROM events", "TRUNCATE events",
        "VACUUM FULL flowc.positions", "ALTER TABLE events RENAME TO aside; ALTER TABLE aside RENAME TO events",
    )  # fmt: skip
    for number, statement in enumerate(kept, 3):
        store.run(statement)
        _put(project, number)
        done = project.flowc("run", "s", "--once")
        assert done.code == 0, (statement, done.err)


@pytest.mark.parametrize("project", ["positions alone"], indirect=True)
@pytest.mark.parametrize("store", ["sqlite", "duckdb", "mysql"], indirect=True)
def test_a_run_says_that_a_table_is_empty_where_nobody_knows_another_one(
    project: Inside, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A consumer may have removed the rows, so the stream goes on."""
    _another(store)
    for id_, warned in ((3, True), (4, False)):
        _put(project, id_)
        caplog.clear()
        assert project.flowc("run", "s", "--once").code == 0
        assert ("`out.events` has no rows after epoch 1" in caplog.text) == warned
        assert "flowc rewind s --to earliest" in caplog.text or not warned


@postgres
@plain
def test_a_copy_of_the_whole_database_stops_no_stream(project: Inside, store: Store) -> None:
    """All tables are others in it. From then on, the stream knows these."""
    copied = ("flowc.positions", "flowc.aside", "positions"), ("events", "other", "events")
    for name, aside, back in copied:
        store.run(f"CREATE TABLE {aside} (LIKE {name} INCLUDING ALL)", f"INSERT INTO {aside} SELECT * FROM {name}",
                  f"DROP TABLE {name}", f"ALTER TABLE {aside} RENAME TO {back}")  # fmt: skip
    _put(project, 3)
    done = project.flowc("run", "s", "--once")
    assert (done.code, store.rows("SELECT id FROM events")) == (0, [(1,), (2,), (3,)]), done.err
    _another(store)
    _stops(project)


@postgres
@plain
@pytest.mark.parametrize("rows", [True, False])
def test_an_epoch_that_begins_partitions_alone_is_not_written_into_another_table(
    project: Inside, store: Store, rows: bool
) -> None:
    with opened_writer(project) as writer:
        held = writer.open()
        _another(store)
        begun = Range("source", "another", "", "9")
        epoch = Epoch(Intent(held.epoch + 1, 0, (begun,)), pa.record_batch({"id": pa.array([3] * rows, pa.int64())}), 1)
        with pytest.raises(PutBack):
            writer.write(epoch)
    assert (store.rows("SELECT id FROM events"), len(store.rows("SELECT 1 FROM flowc.positions"))) == ([], 1)


@plain
def test_an_epoch_that_begins_partitions_alone_is_not_written_where_apply_dropped_the_table(
    project: Inside, store: Store
) -> None:
    with opened_writer(project) as writer:
        held = writer.open()
        writer.database.execute(orphan_positions(writer.stored, DIALECTS[store.kind]))
        begun = (Range("source", "another", "", "9"), Range("source", "one more", "", "9"))
        epoch = Epoch(Intent(held.epoch + 1, 0, begun), pa.record_batch({"id": pa.array([3], pa.int64())}), 1)
        with pytest.raises(PutBack):
            writer.write(epoch)
    assert store.rows("SELECT id FROM events") == [(1,), (2,)]


@postgres
@plain
def test_nobody_replaces_the_table_between_the_positions_and_the_rows(project: Inside, store: Store) -> None:
    tried = []

    def replace(point: str) -> None:
        if point == "positions":
            tried.append(point)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                store.run("SET lock_timeout = '100ms'", "DROP TABLE events")
            store.run("RESET lock_timeout")

    with opened_writer(project) as writer:
        writer.pause = replace
        held = writer.open()
        ((source, partition), at), *_ = held.positions.items()
        moved = Range(source, partition, at, at + " ")
        writer.write(Epoch(Intent(held.epoch + 1, 0, (moved,)), pa.record_batch({"id": pa.array([3], pa.int64())}), 1))
    assert (tried, store.rows("SELECT id FROM events")) == (["positions"], [(1,), (2,), (3,)])


@contextmanager
def opened_writer(project: Inside) -> Iterator[DatabaseWriter]:
    """The writer of the stream's table."""
    with chdir(project.path):
        opened = open_project([Path("specs")], None, "nothing was run")
    run = assembled(plan_of(opened.checked, opened.ir, "s", opened.sessions), opened.sessions, StreamReport("s"))
    (writer,) = run.writers
    assert isinstance(writer, DatabaseWriter)
    with closing(run):
        yield writer


APART = """
connections:
  inbox: {{ kind: files, uri: inbox }}
  out: {{ kind: sqlite, path: out.db }}
  side: {connection}
streams:
  s:
    source: {{ connection: inbox, path: "*.jsonl", columns: {{ id: bigint, at: timestamptz }} }}
    sql: SELECT id FROM source
    to: {{ connection: out, table: events, mode: append }}
    on_error: dlq
    dead_letter: {{ connection: side, table: events }}
"""


@postgres
def test_a_table_of_letters_apart_that_somebody_replaces_stops_the_stream(tmp_path: Path, store: Store) -> None:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", APART.format(connection=store.connection))
    put(made.path / "inbox", "1.jsonl", '{"id": "no number"}\n', 1)
    assert made.flowc("run", "s", "--once").code == 0
    assert len(store.rows("SELECT 1 FROM events")) == 1
    _another(store)
    _put(made, 2)
    _stops(made)
