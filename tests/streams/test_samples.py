"""Systems that nothing in `flowc/` knows are sources of streams, from lint to redelivery."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from flowc.cli.opened import open_project
from flowc.runtime.systems import open_database
from flowc.service.streams.run import StreamReport, run_stream
from tests.commands import Inside
from tests.stores import KINDS, Store
from tests.streams.broker import acknowledged, send, twice
from tests.streams.epochs import Cut
from tests.streams.samples.registered import samples
from tests.streams.samples.samplelog.runtime import source as samplelog
from tests.streams.shards import sequence

__all__ = ["samples"]
pytestmark = pytest.mark.usefixtures("samples")

QUEUE = """
connections: {{ jobs: {{ kind: samplequeue, path: {path} }}, w: {{ kind: sqlite, path: w.sqlite }} }}
streams:
  s:
    source: {{ connection: jobs, queue: orders{columns} }}
    sql: SELECT id, 60 / n AS part FROM source
    to: {to}
    on_error: {on_error}
"""
EVENTS = 60
ONE = "{ connection: w, table: t, mode: append }"
TWO = "[{ connection: w, table: t, mode: append }, { connection: w, table: u, mode: append }]"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inside:
    monkeypatch.chdir(tmp_path)
    _filled(tmp_path)
    return Inside(tmp_path)


def _filled(folder: Path) -> None:
    send(folder / "queue.db", ((str(n), b'{"id": %d, "n": %d}' % (n, n % 10)) for n in range(EVENTS)))


def _spec(project: Inside, to: str, on_error: str, columns: str = ", columns: { id: bigint, n: bigint }") -> None:
    path = project.path / "queue.db"
    project.write("specs/s.yaml", QUEUE.format(path=path, to=to, on_error=on_error, columns=columns))


def _run(pause: Callable[[str], None] = lambda _: None) -> StreamReport:
    whole = open_project([Path("specs")], None, "")
    try:
        return run_stream(whole.checked, whole.ir, "s", whole.sessions, pause)
    finally:
        whole.sessions.close()


def _whole(project: Inside, tables: Sequence[str], times: int = 1) -> None:
    """Every message is in every table once, and forgotten."""
    wanted = sorted([(n, 60 // (n % 10)) for n in range(EVENTS) if n % 10] * times)
    for table in tables:
        assert Store("sqlite", project.path, file="w").rows(f"SELECT id, part FROM {table} ORDER BY id") == wanted
    assert len(acknowledged(project.path / "queue.db")) == EVENTS


@pytest.mark.parametrize(("to", "tables"), [(ONE, ["t"]), (TWO, ["t", "u"])])
def test_a_queue_loses_and_repeats_nothing_wherever_a_run_is_cut_off(
    project: Inside, to: str, tables: Sequence[str]
) -> None:
    _spec(project, to, "drop")
    points, again = list[str](), 0
    assert _run(points.append).error is None
    _whole(project, tables)
    for cut in range(0, len(points), 11):
        for file in (*project.path.glob("*.sqlite*"), *project.path.glob("queue.db*")):
            file.unlink()
        shutil.rmtree(project.path / ".flowc", ignore_errors=True)
        _filled(project.path)
        passed = iter(range(cut + 1))

        def pause(_: str, passed: Iterator[int] = passed) -> None:
            if next(passed, None) is None:
                raise Cut

        report = _run(pause)
        assert report.error is None or report.error.code == "cut"
        report = _run()
        assert report.error is None, report.error
        _whole(project, tables)
        again += twice(project.path / "queue.db")
    assert again, "nothing was delivered again"


def test_commands_know_a_queue_by_its_schema(project: Inside) -> None:
    _spec(project, ONE, "drop", columns="")
    for command in (["lint"], ["connections", "check", "jobs"], ["preview", "s"], ["run", "s", "--once"]):
        done = project.flowc(*command)
        assert done.code in (0, 1 if command[0] == "preview" else 0), (command, done.out, done.err)
    _whole(project, ["t"])
    done = project.flowc("status", "s", "--json")
    assert done.code == 0, done.err
    assert str(EVENTS) in done.out, done.out
    done = project.flowc("rewind", "s", "--to", "earliest")
    assert done.code == 2, done.out
    assert "`source` cannot be read again: it forgets what is acknowledged" in done.err


LOG = """
connections: {{ log: {{ kind: samplelog }}, w: {connection} }}
streams:
  s:
    source: {{ connection: log, stream: orders, columns: {{ id: bigint, n: bigint }} }}
    sql: SELECT id, 60 / {divisor} AS part, _partition AS shard, _offset AS place FROM source
    to: {{ connection: w, table: t, mode: append }}
    on_error: dlq
"""


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A stream of two shards of 20 messages, whose positions are neither as numbers nor as text in their order."""
    names = ("shard-a", "shard-b")
    messages = {name: [(100 * at + n, 60 * n) for n in range(20)] for at, name in enumerate(names)}
    monkeypatch.setitem(samplelog.STREAMS, "orders", messages)
    return names


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_dead_letters_keep_positions_that_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, shards: tuple[str, str]
) -> None:
    """They are listed, shown, replayed and, by a rewind, removed. One in four messages divides by zero."""
    monkeypatch.chdir(tmp_path)
    project = Inside(tmp_path)

    def write(divisor: str) -> None:
        project.write("specs/s.yaml", LOG.format(connection=store.connection, divisor=divisor))

    write("(n % 4)")
    assert project.flowc("lint").code == 0
    done = project.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    bad = sorted((shard, sequence(shard, n)) for shard in shards for n in range(0, 20, 4))
    kept = f"SELECT partition_name, message_position FROM {store.own('dead_letters')}"
    assert sorted(store.rows(kept)) == bad
    places = [(shard, sequence(shard, n)) for shard in shards for n in range(20) if n % 4]
    assert sorted(store.rows("SELECT shard, place FROM t")) == sorted(places)
    shown = project.flowc("dlq", "show", "s", "--json").json
    assert sorted((letter["partition"], letter["offset"]) for letter in _letters(shown)) == bad
    assert project.flowc("dlq", "replay", "s").code == 1, "they fail again"
    assert store.rows(f"SELECT min(attempt), max(attempt) FROM {store.own('dead_letters')}") == [(2, 2)]
    first = shards[0]
    done = project.flowc("rewind", "s", "--to", f"{first}:{sequence(first, 7)}", "--yes")
    assert done.code == 0, done.err + done.out
    left = [place for place in bad if place not in [(first, sequence(first, n)) for n in (8, 12, 16)]]
    assert sorted(store.rows(kept)) == left
    write("(n % 4 + 1)")
    done = project.flowc("dlq", "replay", "s", "--json")
    assert done.code == 0, done.err + done.out
    assert store.rows(kept) == []
    assert project.flowc("run", "s", "--once").code == 0
    every = sorted((shard, sequence(shard, n)) for shard in shards for n in range(20))
    assert sorted(set(store.rows("SELECT shard, place FROM t"))) == every


def _letters(shown: object) -> list[dict[str, object]]:
    assert isinstance(shown, dict | list)
    return shown["letters"] if isinstance(shown, dict) else shown


def test_a_table_of_letters_with_numbers_is_refused(tmp_path: Path, shards: tuple[str, str]) -> None:
    project, store = Inside(tmp_path), Store("sqlite", tmp_path, file="w")
    project.write("specs/s.yaml", LOG.format(connection="{ kind: sqlite, path: w.sqlite }", divisor="n"))
    database = open_database("sqlite", {"path": str(tmp_path / "w.sqlite")})
    database.execute("CREATE TABLE flowc_dead_letters (stream TEXT, partition_number INT, message_offset INT)")
    database.close()
    for command in (["run", "s", "--once"], ["dlq", "list"], ["dlq", "replay", "s"]):
        done = project.flowc(*command)
        assert done.code, done.out
        assert "other-layout" in done.err + done.out, command
        assert "rename or drop that table" in done.err + done.out
    assert store.rows("SELECT count(*) FROM flowc_dead_letters") == [(0,)]


@pytest.mark.parametrize("to", [ONE, TWO])
def test_rows_that_were_never_messages_come_beside_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: tuple[str, str], to: str
) -> None:
    """One in four fails, becomes a letter whatever it was, and is replayed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(samplelog.STREAMS, "snapshots", samplelog.STREAMS["orders"])
    project, store = Inside(tmp_path), Store("sqlite", tmp_path, file="w")

    def write(divisor: str) -> None:
        spec = LOG.format(connection="{ kind: sqlite, path: w.sqlite }", divisor=divisor)
        project.write("specs/s.yaml", spec.replace("stream: orders", "stream: snapshots").replace(ONE, to))

    write("(n % 4)")
    done = project.flowc("run", "s", "--once")
    assert done.code == 0, done.err
    wanted = [(100 * at + n, 60 // (n % 4)) for at in range(2) for n in range(20) if n % 4]
    assert store.rows("SELECT id, part FROM t ORDER BY id") == wanted
    assert store.rows("SELECT count(*) FROM flowc_dead_letters") == [(10,)]
    write("(n % 4 + 1)")
    done = project.flowc("dlq", "replay", "s")
    assert done.code == 0, done.err + done.out
    ids = [(100 * at + n,) for at in range(2) for n in range(20)]
    assert store.rows("SELECT id FROM t ORDER BY id") == ids
