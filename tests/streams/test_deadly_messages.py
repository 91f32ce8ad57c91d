"""Messages that kill the worker: they are found, and set aside or told; all others arrive once."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from flowc.runtime.systems import open_database
from tests.commands import Folder
from tests.daemons import Running, daemon, lives
from tests.streams.filefolder import put
from tests.topics import Message, fresh, produce
from tests.waiting import PATIENCE, until

PROJECT = """
connections:
  bus:
    kind: kafka
    bootstrap_servers: "{kafka}"
    properties: {{ session.timeout.ms: 1500, heartbeat.interval.ms: 300 }}
  wh: {{ kind: {kind}, {place} }}
functions:
  tested: {{ python: 'deadly:tested', args: [bigint], returns: bigint }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint }} }}
    sql: SELECT tested(id) AS id FROM source
    to: {{ connection: wh, table: clean }}
    restart: {{ min_backoff: 50ms, max_backoff: 200ms }}
    {rest}
"""
DEADLY = """
import os, signal, time
import pyarrow as pa
import pyarrow.compute as pc

def tested(ids):
    time.sleep({pause})
    if pc.any(pc.is_in(ids, value_set=pa.array([{dead}], pa.int64()))).as_py():
        os.kill(os.getpid(), signal.{signal})
        time.sleep(60)  # the signal may reach another thread, and this one is not to go on until then
    return ids
"""
PARTITIONS, FEW, MANY = 3, 15, 90
"""Of few messages each is taken alone at once, many are cut once before that; `test_suspects` has more."""


def project(
    path: Path, kafka: str, place: tuple[str, str], dead: list[int], number: str, rest: str, count: int = FEW
) -> Folder:
    topic, folder = fresh(kafka, PARTITIONS), Folder(path)
    produce(kafka, topic, [Message(b'{"id": %d}' % n, partition=n % PARTITIONS) for n in range(count)])
    kind, where = place
    folder.write("specs/s.yaml", PROJECT.format(kafka=kafka, kind=kind, place=where, topic=topic, rest=rest))
    folder.write("deadly.py", DEADLY.format(dead=", ".join(map(str, dead)), signal=number, pause=0 if dead else 0.02))
    return folder


FILES = """
connections:
  drop: { kind: files, uri: in }
  wh: { kind: sqlite, path: wh.db }
functions:
  tested: { python: 'deadly:tested', args: [bigint], returns: bigint }
streams:
  clean:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint } }
    dedupe: { keys: [id], within: 1h }
    sql: SELECT tested(id) AS id FROM source
    to: { connection: wh, table: clean }
    restart: { min_backoff: 50ms, max_backoff: 200ms }
    on_error: dlq
"""


def ids(kind: str, place: Mapping[str, object]) -> list[int]:
    """What has arrived; nothing where there is no table yet."""
    database = open_database(kind, place)
    try:
        database.open()
        return sorted(database.query("SELECT id FROM clean").column("id").to_pylist())
    except FlowcError:
        return []
    finally:
        database.close()


def arrive(running: Running, dead: list[int], kind: str, place: Mapping[str, object], count: int = FEW) -> None:
    """All but the deadly ones arrive, once."""
    wanted = [n for n in range(count) if n not in dead]
    running.until(lambda: len(ids(kind, place)) >= len(wanted), 3 * PATIENCE)
    assert running.stop() == 0
    assert ids(kind, place) == wanted


@pytest.mark.parametrize(
    ("dead", "number", "count"), [([52], "SIGSEGV", MANY), ([0, 3], "SIGKILL", FEW)], ids=["one", "neighbours"]
)
def test_what_kills_the_worker_is_a_dead_letter(
    tmp_path: Path, kafka: str, dead: list[int], number: str, count: int
) -> None:
    folder = project(tmp_path, kafka, ("sqlite", "path: wh.db"), dead, number, "on_error: dlq", count)
    with daemon(folder) as running:
        arrive(running, dead, "sqlite", {"path": str(tmp_path / "wh.db")}, count)
    letters = folder.flowc("dlq", "show", "clean", "--json").json
    found = sorted((letter["message"], letter["code"], letter["left_out"]) for letter in letters)
    assert found == sorted((f'{{"id": {n}}}', "worker-lost", False) for n in dead)
    assert all(f"({number}) while it was processed" in letter["error"] for letter in letters)


def test_a_row_of_a_file_is_found_in_a_stream_that_remembers(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("specs/s.yaml", FILES)
    folder.write("deadly.py", DEADLY.format(dead="2, 8", signal="SIGSEGV", pause=0))
    for number, name in enumerate(("a", "b")):
        lines = "".join(f'{{"id": {n}}}\n' for n in range((0, 7)[number], (7, FEW)[number]))
        put(tmp_path / "in", f"{name}.jsonl", lines, number)
    with daemon(folder) as running:
        arrive(running, [2, 8], "sqlite", {"path": str(tmp_path / "wh.db")})
    letters = folder.flowc("dlq", "show", "clean", "--json").json
    assert sorted(letter["message"] for letter in letters) == ['{"id": 2}', '{"id": 8}']


def test_a_stream_that_is_to_fail_names_the_message(tmp_path: Path, kafka: str) -> None:
    folder = project(tmp_path, kafka, ("sqlite", "path: wh.db"), [10], "SIGSEGV", "on_error: fail")
    with daemon(folder) as running:
        assert running.process.wait(PATIENCE) == 1, running.log()  # it has nothing left to do
        assert "worker-lost" in running.log()
        assert "[1] at 3: the worker died of signal 11 (SIGSEGV)" in running.log()
    found = ids("sqlite", {"path": str(tmp_path / "wh.db")})
    assert len(found) == len(set(found)) < FEW
    assert 10 not in found


def test_workers_that_share_partitions_share_what_is_known(tmp_path: Path, kafka: str, postgres: str) -> None:
    dead = [10]
    folder = project(
        tmp_path, kafka, ("postgres", f'url: "{postgres}"'), dead, "SIGSEGV", "on_error: dlq\n    parallelism: 2"
    )
    with daemon(folder) as running:
        # One worker may have written all others before the last one dies of the deadly message.
        running.until(lambda: len(folder.flowc("dlq", "show", "clean", "--json").json) == len(dead), 3 * PATIENCE)
        arrive(running, dead, "postgres", {"url": postgres})
    assert len(folder.flowc("dlq", "show", "clean", "--json").json) == len(dead)


def test_who_kills_workers_from_outside_sets_nothing_aside(tmp_path: Path, kafka: str) -> None:
    rest = "on_error: dlq\n    batch: { max_rows: 2 }"
    folder = project(tmp_path, kafka, ("sqlite", "path: wh.db"), [], "SIGKILL", rest, 300)
    killed, seen, place = set[int](), 0, {"path": str(tmp_path / "wh.db")}
    with daemon(folder) as running:
        while len(killed) < 6 and (found := len(ids("sqlite", place))) < 300:
            pid = running.worker("clean").get("pid")
            if pid is not None and pid not in killed and found > seen:
                os.kill(int(pid), signal.SIGKILL)
                killed.add(int(pid))
                seen = found
        assert len(killed) >= 3
        arrive(running, [], "sqlite", place, 300)
    assert folder.flowc("dlq", "show", "clean", "--json").json == []


FORKING = """
import os, signal, time

def tested(ids):
    if not os.path.exists("child"):
        child = os.fork()
        if not child:
            time.sleep(600)
        open("child", "w").write(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return ids
"""


def test_a_process_that_the_worker_began_ends_with_it_and_does_not_hide_its_death(tmp_path: Path, kafka: str) -> None:
    folder = project(tmp_path, kafka, ("sqlite", "path: wh.db"), [], "SIGKILL", "on_error: dlq")
    folder.write("deadly.py", FORKING)
    with daemon(folder) as running:
        arrive(running, [], "sqlite", {"path": str(tmp_path / "wh.db")})
    until(lambda: not lives(int((tmp_path / "child").read_text())))
