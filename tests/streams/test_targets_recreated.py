"""Tables that somebody dropped and that were created again, by `apply` or by hand, before their stream ran again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.runtime.streams import run as runs
from tests.commands import Inside
from tests.stores import Store
from tests.streams.filefolder import put
from tests.streams.test_targets_behind_servers import Server, at_work
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("kept_files")

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


@pytest.mark.parametrize("store", ["sqlite", "postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("project", ["positions alone", "own state"], indirect=True)
def test_a_table_that_apply_creates_again_under_a_worker_stops_it(
    project: Inside, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOOK", 1e9)
    monkeypatch.setattr(runs, "_LOOK_FAR", 1e9)
    with at_work(Server(project, store.kind, "")) as (report, ended):
        _put(project, 3)
        until(lambda: report.rows == 1, lambda: f"{ended}")
        store.run("DROP TABLE events")
        _apply(project)
        _put(project, 4)
        until(lambda: bool(ended) or report.rows > 1, lambda: "the worker does not notice")
    assert report.rows == 1, "rows were written into the new table"
    _put(project, 5)
    _stops(project)
