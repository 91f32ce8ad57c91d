"""Targets on servers that lost rows: dropped, made again, or restored from a copy, between two runs or under one."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from flowc.cli.opened import open_project
from flowc.errors import FlowcError
from flowc.runtime.streams import run as runs
from flowc.runtime.systems import open_database
from flowc.service.streams.run import StreamReport, assembled, plan_of
from tests import topics
from tests.commands import Inside
from tests.streams.filefolder import put
from tests.streams.test_targets_behind import DEDUPE, Stream
from tests.waiting import until

pytestmark = pytest.mark.turns("server", 3)

PROJECT = """
connections:
  inbox: { kind: files, uri: inbox }
  out: { %(out)s }
streams:
  s:
    source: { connection: inbox, path: "*.jsonl", columns: { id: bigint, at: timestamptz }, event_time: at }
    sql: SELECT id FROM source
    to: { connection: out, %(target)s }
    %(more)s
"""


@dataclass
class Server:
    """A stream of files into one table or topic of a server."""

    folder: Inside
    kind: str
    address: str
    files: int = 0
    topic: str = ""
    tables: list[str] = field(default_factory=list)

    def write(self, more: str = DEDUPE) -> None:
        """Writes the specs."""
        key, target = {
            "kafka": ("bootstrap_servers", f"topic: {self.topic}"), "delta": ("uri", "table: events, mode: append"),
            "files": ("uri", "path: events, format: parquet"),
        }.get(self.kind, ("url", "table: events, mode: append"))  # fmt: skip
        self.folder.env["OUT"] = self.address
        out = f'kind: {self.kind}, {key}: "${{OUT}}"'
        self.folder.write("specs/s.yaml", PROJECT % {"out": out, "target": target, "more": more})

    def put(self, *ids: int) -> None:
        self.files += 1
        rows = (json.dumps({"id": n, "at": f"2026-01-01T00:00:{n:02}Z"}) for n in ids)
        put(self.folder.path / "inbox", f"{self.files}.jsonl", "\n".join(rows) + "\n", self.files)

    def run(self, *ids: int) -> None:
        self.put(*ids)
        done = self.folder.flowc("run", "s", "--once")
        assert done.code == 0, done.out + done.err

    def stops(self) -> str:
        done = self.folder.flowc("run", "s", "--once")
        assert (done.code, "error[target-behind]" in done.err) == (1, True), done.out + done.err
        return done.err

    def rewind(self, place: str) -> str:
        done = self.folder.flowc("rewind", "s", "--to", place, "--yes")
        assert done.code == 0, done.out + done.err
        return done.out

    def sql(self, *statements: str) -> None:
        database = open_database(self.kind, {"url": self.address})
        database.open()
        for statement in statements:
            database.execute(statement)
        database.close()

    def drop(self) -> None:
        """Drops the database or topic, and makes it again."""
        name = urlsplit(self.address).path[1:]
        if self.kind == "kafka":
            topics.remake(self.address, self.topic)
        elif self.kind in ("delta", "files"):
            shutil.rmtree(Path(self.address) / "events")
        elif self.kind == "postgres":
            self.sql("DROP SCHEMA public, flowc CASCADE", "CREATE SCHEMA public")
        else:
            self.sql(f"DROP DATABASE {name}", f"CREATE DATABASE {name}")

    def create_again(self) -> None:
        """Replaces the table or topic by another one that has its rows."""
        if self.kind == "kafka":
            held = topics.committed(self.address, self.topic)
            topics.remake(self.address, self.topic)
            topics.produce(self.address, self.topic, [topics.Message(each.value()) for each in held])
            return
        made = "CREATE TABLE copied AS SELECT * FROM events", "DROP TABLE events", "ALTER TABLE copied RENAME TO events"
        self.sql(*made)

    def keep(self) -> None:
        """Copies all tables."""
        database = open_database(self.kind, {"url": self.address})
        within = ("public", "flowc") if self.kind == "postgres" else (urlsplit(self.address).path[1:], "flowc")
        every = "SELECT table_schema AS place, table_name AS name FROM information_schema.tables"
        found = database.query(f"{every} WHERE table_schema IN {within}").to_pylist()
        self.tables = [f"{row['place']}.{row['name']}" for row in found]
        database.close()
        self.sql(*(f"CREATE TABLE {table}_copy AS SELECT * FROM {table}" for table in self.tables))

    def restore(self) -> None:
        """Restores all tables from their copies."""
        for table in self.tables:
            self.sql(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM {table}_copy")

    def ids(self) -> list[int]:
        if self.kind == "kafka":
            return sorted(json.loads(m.value())["id"] for m in topics.committed(self.address, self.topic))
        if self.kind in ("delta", "files"):
            files = (file for file in Path(self.address).rglob("*.parquet") if file.parent.name == "events")
            return sorted(id_ for file in files for id_ in pq.read_table(file)["id"].to_pylist())
        database = open_database(self.kind, {"url": self.address})
        found = database.query("SELECT id FROM events").column(0).to_pylist()
        database.close()
        return sorted(found)


@contextmanager
def at_work(server: Server) -> Iterator[tuple[StreamReport, list[FlowcError]]]:
    """A worker that waits for files, as in the daemon: what it has done, and what it ended with."""
    ended, stopping = list[FlowcError](), threading.Event()
    with chdir(server.folder.path):
        opened = open_project([Path("specs")], None, "nothing was run")
    plan = plan_of(opened.checked, opened.ir, "s", opened.sessions)
    report = StreamReport("s")
    run = assembled(plan, opened.sessions, report, once=False)
    run.stopping = stopping

    def work() -> None:
        try:
            run.run()
        except FlowcError as error:
            ended.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield report, ended
    finally:
        stopping.set()
        worker.join()
        run.close()
        opened.sessions.close()


@pytest.fixture(params=["postgres", "mysql", "kafka"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    local = request.param in ("delta", "files")
    address = str(tmp_path / "out") if local else str(request.getfixturevalue(request.param))
    monkeypatch.setenv("OUT", address)
    (tmp_path / "out").mkdir()
    made = Server(Inside(tmp_path), str(request.param), address)
    if made.kind == "kafka":
        made.topic = topics.fresh(address)
    made.write()
    yield made
    if made.kind == "kafka":
        topics.drop(address, made.topic)


def test_a_target_that_was_made_again_stops_the_stream_and_gets_all_rows_by_a_rewind(server: Server) -> None:
    server.run(1, 2)
    server.run(3)
    server.drop()
    server.put(4)
    assert "rewind s --to" in server.stops()
    assert "twice" not in server.rewind("earliest" if server.kind == "kafka" else "held")
    server.run(5)
    assert server.ids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("server", ["postgres", "kafka"], indirect=True)
def test_a_rewind_names_a_target_that_was_created_again_with_rows(server: Server) -> None:
    server.run(1, 2)
    server.create_again()
    server.put(3)
    server.stops()
    name = f"out:{server.topic}" if server.kind == "kafka" else "out.events"
    assert f"`{name}` was created again and has rows: it will hold" in server.rewind("earliest")
    server.run(4)
    assert server.ids() == [1, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("server", ["postgres", "mysql"], indirect=True)
def test_a_database_that_was_restored_stops_the_stream_and_gets_what_it_lacks(server: Server) -> None:
    server.run(1, 2)
    server.keep()
    server.run(3)
    server.restore()
    server.put(4)
    assert "and held epoch" in server.stops()
    server.rewind("held")
    server.run(5)
    assert server.ids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("server", ["postgres", "mysql", "kafka", "delta", "files"], indirect=True)
def test_a_worker_with_nothing_to_do_finds_that_its_target_lost_rows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOOK", 0.1)
    monkeypatch.setattr(runs, "_LOOK_FAR", 0.1)
    server.run(1, 2)
    server.put(3)
    with at_work(server) as (report, ended):
        until(lambda: report.rows == 1, lambda: f"{ended}")
        server.drop()
        until(lambda: bool(ended), lambda: "the worker does not notice")
    server.stops()


@pytest.mark.parametrize("server", ["postgres", "mysql", "kafka", "delta", "files"], indirect=True)
def test_a_worker_that_writes_finds_that_its_target_lost_rows(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_LOOK", 1e9)
    server.run(1, 2)
    with at_work(server) as (report, ended):
        until(lambda: report.epochs >= 0 and server.ids() == [1, 2], lambda: f"{ended}")
        server.put(3)
        until(lambda: report.rows == 1, lambda: f"{ended}")
        server.drop()
        server.put(4)
        until(lambda: bool(ended) or report.rows > 1, lambda: "the worker does not notice")
    server.put(5)
    server.stops()


TOPICS = """
connections:
  bus: { kind: kafka, bootstrap_servers: "%(kafka)s" }
streams:
  s:
    source: { connection: bus, topic: %(source)s, columns: { id: bigint } }
    to: { connection: bus, topic: %(topic)s }
"""


def test_a_topic_that_alone_keeps_positions_and_was_made_again_under_its_writer_stops_the_stream(
    tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOOK", 1e9)
    source, server = topics.fresh(kafka), Server(Inside(tmp_path), "kafka", kafka, topic=topics.fresh(kafka))
    server.folder.write("specs/s.yaml", TOPICS % {"kafka": kafka, "source": source, "topic": server.topic})

    def send(*ids: int) -> None:
        topics.produce(kafka, source, [topics.Message(b'{"id": %d}' % id_) for id_ in ids])

    send(1, 2)
    with at_work(server) as (report, ended):
        until(lambda: report.rows == 2, lambda: f"{ended}")
        server.drop()
        send(3)
        until(lambda: bool(ended) or report.rows > 2, lambda: "the worker does not notice")
    send(4)
    assert "is gone" in server.stops()
    server.rewind("earliest")
    assert server.folder.flowc("run", "s", "--once").code == 0
    assert sorted(set(server.ids())) == [1, 2, 3, 4]
    topics.drop(kafka, source)
    topics.drop(kafka, server.topic)


def test_letters_that_come_back_name_the_way_on_that_doubles_no_row(tmp_path: Path, kafka: str) -> None:
    topic, stream = topics.fresh(kafka), Stream(tmp_path, "sqlite")
    letters = f"on_error: dlq\n    dead_letter: {{ connection: bus, topic: {topic} }}"

    def write(more: str) -> None:
        stream.write(stream.target, more=f"{DEDUPE}\n    {more}")
        file = tmp_path / "specs" / "s.yaml"
        bus = f'bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}'
        stream.folder.write("specs/s.yaml", file.read_text().replace("connections:", f"connections:\n  {bus}", 1))

    write(letters)
    put(tmp_path / "inbox", "bad.jsonl", '{"id": "x"}\n', 0)
    stream.run(1, 2)
    write("on_error: drop")
    stream.run(3)
    write(letters)
    stream.put(4)
    said = stream.stops()
    assert "help: `flowc rewind s --to current` goes on" in said, said
    stream.rewind("current")
    stream.run(5)
    assert stream.ids() == [1, 2, 3, 4, 5]
    topics.drop(kafka, topic)
