"""`flowc run --once` of a project with streams and pipelines: in which order, and what it says."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.topics import fill, fresh
from tests.waiting import PATIENCE, until

PROJECT = """
connections:
  drop: { kind: files, uri: inbox }
  db: { kind: sqlite, path: out.db }
tables:
  events: { connection: db, columns: { id: bigint, kind: text } }
  per_kind: { connection: db, columns: { kind: text, n: bigint } }
  names: { connection: db, columns: { kind: text, name: text } }
streams:
  ingest:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint, kind: text } }
    to: events
pipelines:
  count_kinds:
    sql: SELECT kind, count(*) AS n FROM events GROUP BY kind
    to: per_kind
    mode: truncate
  name_kinds:
    from: { connection: drop, path: names.csv, format: csv }
    sql: SELECT kind, name FROM source
    to: names
    mode: truncate
"""
ENDLESS = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  db: {{ kind: sqlite, path: out.db }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint }} }}
    to: {{ connection: db, table: clean }}
    batch: {{ max_rows: {rows} }}
"""
MANY = 60_000
"""Messages that a worker who takes few of them at a time needs many seconds for."""
NAMED = """
streams:
  named:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint, kind: text } }
    lookups: { names: { connection: db, table: names } }
    sql: SELECT s.id, n.name FROM source s LEFT JOIN names n ON s.kind = n.kind
    to: { connection: db, table: named }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", PROJECT)
    put(tmp_path, "inbox/one.jsonl", '{"id": 1, "kind": "a"}\n{"id": 2, "kind": "a"}\n{"id": 3, "kind": "b"}\n')
    put(tmp_path, "inbox/names.csv", "kind,name\na,apple\nb,pear\n")
    return made


def rows(folder: Folder, sql: str) -> list[tuple[object, ...]]:
    import sqlite3

    with sqlite3.connect(folder.path / "out.db", timeout=PATIENCE) as database:
        return database.execute(sql).fetchall()


def test_pipelines_run_on_what_streams_of_the_same_run_wrote(folder: Folder) -> None:
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 0, done.err
    (stream,) = done.json["streams"]
    assert (stream["stream"], stream["rows"], done.json["status"]) == ("ingest", 3, "ok")
    assert rows(folder, "SELECT kind, n FROM per_kind ORDER BY kind") == [("a", 2), ("b", 1)]
    again = folder.flowc("run", "--once")
    assert (again.code, "2 pipelines" in again.out, "ingest" in again.out) == (0, True, True), again.out


@pytest.mark.parametrize("look", ["connection: db, table: names", "connection: again, table: main.Names"])
def test_a_stream_runs_after_the_pipeline_whose_table_it_looks_up(folder: Folder, look: str) -> None:
    again = "connections: { again: { kind: sqlite, path: ./out.db } }"
    folder.write("specs/named.yaml", again + NAMED.replace("connection: db, table: names", look))
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 0, done.err
    assert [stream["stream"] for stream in done.json["streams"]] == ["ingest", "named"]
    assert rows(folder, "SELECT id, name FROM named ORDER BY id") == [(1, "apple"), (2, "apple"), (3, "pear")]


def test_a_pipeline_whose_stream_failed_is_skipped_and_the_others_run(folder: Folder) -> None:
    put(folder.path, "inbox/two.jsonl", '{"id": "no number"}\n')
    done = folder.flowc("run", "--once", "--json")
    assert done.code == 1
    found = {pipeline["name"]: (pipeline["status"], pipeline["reason"]) for pipeline in done.json["pipelines"]}
    assert found == {"count_kinds": ("skipped", "because stream `ingest` failed"), "name_kinds": ("ok", None)}
    (stream,) = done.json["streams"]
    assert stream["status"] == "failed"


@pytest.mark.parametrize("read", ["table: events", "sql: SELECT id FROM EVENTS", "sql: SELECT id FROM main.events"])
def test_a_pipeline_that_copies_the_table_of_a_stream_that_failed_is_skipped(folder: Folder, read: str) -> None:
    copy = f"{{ from: db, {read}, to: {{ connection: db, table: copied }} }}"
    folder.write("specs/copy.yaml", f"pipelines: {{ copy: {copy} }}\n")
    put(folder.path, "inbox/two.jsonl", '{"id": "no number"}\n')
    done = folder.flowc("run", "--once", "--json")
    found = {pipeline["name"]: pipeline["reason"] for pipeline in done.json["pipelines"]}
    assert found["copy"] == "because stream `ingest` failed"


@pytest.mark.parametrize(("path", "skipped"), [("./out.db", True), ("other.db", False)])
def test_a_table_is_that_of_a_stream_where_its_database_is(folder: Folder, path: str, skipped: bool) -> None:
    import sqlite3

    with sqlite3.connect(folder.path / "other.db") as other:
        other.execute("CREATE TABLE events (id bigint)")
    other.close()
    copy = "{ from: other, table: events, to: { connection: db, table: copied } }"
    place = f"connections: {{ other: {{ kind: sqlite, path: {path} }} }}\n"
    folder.write("specs/copy.yaml", f"{place}pipelines: {{ copy: {copy} }}\n")
    put(folder.path, "inbox/two.jsonl", '{"id": "no number"}\n')
    done = folder.flowc("run", "--once", "--json")
    found = {pipeline["name"]: (pipeline["status"], pipeline["reason"]) for pipeline in done.json["pipelines"]}
    assert found["copy"] == (("skipped", "because stream `ingest` failed") if skipped else ("ok", None))


def test_streams_and_pipelines_can_be_named_together(folder: Folder) -> None:
    done = folder.flowc("run", "ingest", "count_kinds", "--once", "--json")
    assert done.code == 0, done.err
    assert [pipeline["name"] for pipeline in done.json["pipelines"]] == ["count_kinds"]
    assert [stream["stream"] for stream in done.json["streams"]] == ["ingest"]
    alone = folder.flowc("run", "name_kinds", "--once", "--json")
    assert "streams" not in alone.json


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_after_its_epoch_and_the_next_one_goes_on(
    tmp_path: Path, kafka: str, number: signal.Signals
) -> None:
    topic, folder = fresh(kafka, 3), Folder(tmp_path)
    folder.write("specs/s.yaml", ENDLESS.format(kafka=kafka, topic=topic, rows=50))
    fill(kafka, topic, MANY, 3, lambda n: b'{"id": %d}' % n)
    process = folder.start("run", "clean", "--once", "--json")
    until(lambda: process.poll() is not None or ((folder.path / "out.db").exists() and _count(folder)), pause=0.01)
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "stopping after the epoch" in err) == (128 + number, True), err
    (report,) = json.loads(out)
    assert (report["status"], report["rows"]) == ("stopped", _count(folder))
    assert 0 < _count(folder) < MANY
    folder.write("specs/s.yaml", ENDLESS.format(kafka=kafka, topic=topic, rows=10_000))
    assert folder.flowc("run", "clean", "--once").code == 0
    assert rows(folder, "SELECT count(*), count(DISTINCT id) FROM clean") == [(MANY, MANY)]


def _count(folder: Folder) -> int:
    if not rows(folder, "SELECT 1 FROM sqlite_master WHERE name = 'clean'"):
        return 0
    return int(str(rows(folder, "SELECT count(*) FROM clean")[0][0]))


def test_a_drained_stream_is_run_to_its_end(folder: Folder) -> None:
    done = folder.flowc("run", "ingest", "--drain", "--json")
    assert (done.code, done.json[0]["rows"]) == (0, 3), done.err
    refused = folder.flowc("run", "--json")
    assert (refused.code, "conflicting-options" in refused.err) == (2, True)
