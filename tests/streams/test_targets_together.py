"""`flowc run STREAM --once` into several targets of all kinds: each has every row once, whatever kills the worker."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import deltalake
import pyarrow.parquet as pq
import pytest

from flowc.runtime.systems import open_database
from tests import topics, warm
from tests.commands import Folder, Inside
from tests.extended import with_extended
from tests.sessions import await_no_other

pytestmark = pytest.mark.usefixtures("kept_files")

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  near: {{ kind: sqlite, path: near.db }}
  pg: {{ kind: postgres, url: "{postgres}" }}
  my: {{ kind: mysql, url: "{mysql}" }}
  lake: {{ kind: delta, uri: lake }}
  drop: {{ kind: files, uri: drop }}
streams:
  {name}:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    dialect: duckdb
    sql: {sql}
    to:{to}
    batch: {{ max_rows: 500 }}
"""
ALL = """
      - { connection: near, table: rows }
      - { connection: near, table: latest, mode: merge, keys: [part] }
      - { connection: pg, table: public.rows }
      - { connection: my, table: rows }
      - { connection: lake, table: rows }
      - { connection: drop, path: rows, format: parquet, partition_by: [part] }
      - { connection: bus, topic: %(out)s, key: id }
"""
SQL = "SELECT id, upper(name) AS name, id % 3 AS part FROM source"
COUNT = 6000


class Bus:
    """A broker with a topic to read and one to write, and a stream of a name that it has not seen."""

    def __init__(self, kafka: str) -> None:
        self.kafka, self.stream = kafka, f"s{uuid.uuid4().hex[:8]}"
        self.topic, self.out = topics.fresh(kafka, 3), topics.fresh(kafka, 2)

    def fill(self, start: int, end: int) -> None:
        """Messages with those ids."""
        values = (json.dumps({"id": n, "name": f"n{n}"}).encode() for n in range(start, end))
        topics.produce(self.kafka, self.topic, [topics.Message(v, partition=i % 3) for i, v in enumerate(values)])

    def written(self) -> list[int]:
        """The ids in the topic that is written."""
        return sorted(json.loads(message.value() or b"")["id"] for message in topics.committed(self.kafka, self.out))


@pytest.fixture
def bus(kafka: str) -> Iterator[Bus]:
    """Two topics of this test's own."""
    made = Bus(kafka)
    yield made
    topics.drop(kafka, made.topic)
    topics.drop(kafka, made.out)


def _project(
    made: Folder,
    bus: Bus,
    to: str,
    postgres: str = "postgres://x",
    mysql: str = "mysql://x",
    more: str = "",
    sql: str = SQL,
) -> Folder:
    text = PROJECT.format(
        kafka=bus.kafka, topic=bus.topic, name=bus.stream, to=to % {"out": bus.out}, postgres=postgres, mysql=mysql,
        sql=sql,
    )  # fmt: skip
    made.write("specs/s.yaml", text + more)
    return made


def _table(kind: str, place: str, sql: str) -> list[tuple[object, ...]]:
    database = open_database(kind, {"url" if "://" in place else "path": place})
    try:
        return [tuple(row.values()) for row in database.query(sql).to_pylist()]
    finally:
        database.close()


def _everywhere(folder: Path, bus: Bus, postgres: str, mysql: str) -> dict[str, list[int]]:
    ids = "SELECT id FROM rows ORDER BY id"
    quoted = "SELECT id FROM `rows` ORDER BY id"
    lake = deltalake.DeltaTable(str(folder / "lake" / "rows")).to_pyarrow_table()
    return {
        "near": [int(str(r[0])) for r in _table("sqlite", str(folder / "near.db"), ids)],
        "pg": [int(str(r[0])) for r in _table("postgres", postgres, "SELECT id FROM public.rows ORDER BY id")],
        "my": [int(str(r[0])) for r in _table("mysql", mysql, quoted)],
        "lake": sorted(lake.column("id").to_pylist()),
        "files": sorted(pq.read_table(folder / "drop" / "rows", partitioning="hive").column("id").to_pylist()),
        "topic": bus.written(),
    }


def test_every_target_has_every_row_once(tmp_path: Path, bus: Bus, postgres: str, mysql: str) -> None:
    folder = _project(Inside(tmp_path), bus, ALL, postgres, mysql)
    bus.fill(0, COUNT)
    done = folder.flowc("run", bus.stream, "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    bus.fill(COUNT, COUNT + 100)
    assert folder.flowc("run", bus.stream, "--once", "--json").json[0]["messages"] == 100
    assert folder.flowc("run", bus.stream, "--once", "--json").json[0]["messages"] == 0
    found = _everywhere(tmp_path, bus, postgres, mysql)
    assert {name: ids == list(range(COUNT + 100)) for name, ids in found.items()} == dict.fromkeys(found, True)
    assert len(_table("sqlite", str(tmp_path / "near.db"), "SELECT part FROM latest")) == 3


@pytest.mark.parametrize("wait", with_extended([1.0], [0.5, 1.5]))
def test_a_worker_killed_at_any_moment_leaves_every_target_whole(
    tmp_path: Path, bus: Bus, postgres: str, mysql: str, wait: float
) -> None:
    folder = _project(Folder(tmp_path), bus, ALL, postgres, mysql)
    bus.fill(0, COUNT)
    worker = folder.begin("run", bus.stream, "--once")
    time.sleep(wait)
    worker.kill()
    worker.wait()
    await_no_other("postgres", {"url": postgres})
    await_no_other("mysql", {"url": mysql})
    done = folder.flowc("run", bus.stream, "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    found = _everywhere(tmp_path, bus, postgres, mysql)
    assert {name: ids == list(range(COUNT)) for name, ids in found.items()} == dict.fromkeys(found, True)


SOME = """
      - { connection: near, table: rows }
      - { connection: lake, table: rows }
      - { connection: drop, path: rows, format: parquet, roll: { rows: 700 } }
      - { connection: bus, topic: %(out)s, key: id }
"""
POINTS = [
    ("intended", 2), ("positions", 1), ("rows", 2), ("committed", 1), ("taken", 5), ("finished", 1), ("marked", 1),
    ("renamed", 1), ("produced", 2), ("offsets", 2), ("target 0", 2), ("target 2", 1), ("target 3", 3),
    ("checkpoint", 0),
]  # fmt: skip


@pytest.mark.parametrize(("point", "after"), with_extended(POINTS[::2], POINTS[1::2]))
def test_a_worker_killed_at_any_point_leaves_every_target_whole(
    tmp_path: Path, bus: Bus, point: str, after: int
) -> None:
    folder = _project(Folder(tmp_path), bus, SOME)
    bus.fill(0, 2500)
    words = ("tests.streams.killed_run", bus.stream, point, str(after))
    killed = warm.run(*words, cwd=tmp_path, env=folder.environment())
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = _project(Inside(tmp_path), bus, SOME).flowc("run", bus.stream, "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    found = {
        "near": [r[0] for r in _table("sqlite", str(tmp_path / "near.db"), "SELECT id FROM rows ORDER BY id")],
        "lake": sorted(deltalake.DeltaTable(str(tmp_path / "lake" / "rows")).to_pyarrow_table()["id"].to_pylist()),
        "files": sorted(pq.read_table(tmp_path / "drop" / "rows").column("id").to_pylist()),
        "topic": bus.written(),
    }
    assert {name: ids == list(range(2500)) for name, ids in found.items()} == dict.fromkeys(found, True)


def test_a_topic_of_the_same_cluster_needs_no_state(tmp_path: Path, bus: Bus) -> None:
    folder = _project(Inside(tmp_path), bus, " { connection: bus, topic: %(out)s, key: id }")
    bus.fill(0, 1000)
    for messages in (1000, 0):
        done = folder.flowc("run", bus.stream, "--once", "--json")
        assert (done.json[0]["status"], done.json[0]["messages"]) == ("ok", messages), done.out
    assert bus.written() == list(range(1000))
    assert not (tmp_path / ".flowc" / "state").exists()


def test_a_second_target_begins_where_the_first_one_is(tmp_path: Path, bus: Bus) -> None:
    folder = _project(Inside(tmp_path), bus, " { connection: near, table: rows }")
    bus.fill(0, 1000)
    assert folder.flowc("run", bus.stream, "--once", "--json").json[0]["messages"] == 1000
    _project(folder, bus, "\n      - { connection: near, table: rows }\n      - { connection: near, table: more }\n")
    bus.fill(1000, 1100)
    done = folder.flowc("run", bus.stream, "--once", "--json")
    assert (done.json[0]["status"], done.json[0]["messages"]) == ("ok", 100), done.out
    near = str(tmp_path / "near.db")
    assert [r[0] for r in _table("sqlite", near, "SELECT id FROM rows ORDER BY id")] == list(range(1100))
    assert [r[0] for r in _table("sqlite", near, "SELECT id FROM more ORDER BY id")] == list(range(1000, 1100))


DEAD = """
    on_error: dlq
    dead_letter: {dead}
"""


@pytest.mark.parametrize(
    ("to", "dead"),
    [
        (" { connection: near, table: rows }", None),
        (" { connection: near, table: rows }", "{ table: failed }"),
        (" { connection: drop, path: rows }", "{ connection: near, table: failed }"),
        (" { connection: near, table: rows }", "{ topic: %(out)s }"),
        (" { connection: bus, topic: %(out)s-rows }", "{ topic: %(out)s }"),
        (" { connection: near, table: rows }", "{ connection: lake, table: failed }"),
    ],
    ids=["beside", "named", "alone", "topic", "topic beside a topic", "lake"],
)
def test_dead_letters_arrive_once(tmp_path: Path, bus: Bus, to: str, dead: str | None) -> None:
    more = "    on_error: dlq\n" if dead is None else DEAD.format(dead=dead % {"out": bus.out})
    folder = _project(Inside(tmp_path), bus, to, more=more)
    bus.fill(0, 300)
    topics.produce(bus.kafka, bus.topic, [topics.Message(b"no json", key=b"k")])
    for _ in range(2):
        done = folder.flowc("run", bus.stream, "--once", "--json")
        assert done.json[0]["status"] == "ok", done.out
    name = "flowc_dead_letters" if dead is None else "failed"
    if dead is not None and "topic" in dead:
        (letter,) = topics.committed(bus.kafka, bus.out)
        assert (letter.value(), letter.key()) == (b"no json", b"k")
        assert ("flowc_offset", b"100") in (letter.headers() or [])
    elif dead is not None and "lake" in dead:
        (row,) = deltalake.DeltaTable(str(tmp_path / "lake" / "failed")).to_pyarrow_table().to_pylist()
        assert (row["message"], row["message_key"], row["message_position"]) == (b"no json", b"k", "100")
    else:
        sql = f"SELECT message, message_key, message_position FROM {name}"
        assert _table("sqlite", str(tmp_path / "near.db"), sql) == [(b"no json", b"k", "100")]


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_numbers_that_a_table_cannot_hold_are_never_wrapped(tmp_path: Path, bus: Bus, postgres: str, kind: str) -> None:
    place = postgres if kind == "postgres" else str(tmp_path / "near.db")
    database = open_database(kind, {"url" if kind == "postgres" else "path": place})
    database.execute("CREATE TABLE rows (id bigint)")
    database.close()
    to = " { connection: pg, table: public.rows }" if kind == "postgres" else " { connection: near, table: rows }"
    folder = _project(Inside(tmp_path), bus, to, postgres, sql="SELECT CAST(id AS UBIGINT) AS id FROM source")
    bus.fill(0, 10)
    done = folder.flowc("run", bus.stream, "--once", "--json")
    assert done.json[0]["status"] == "ok", done.out
    assert [int(str(r[0])) for r in _table(kind, place, "SELECT id FROM rows ORDER BY id")] == list(range(10))
    topics.produce(bus.kafka, bus.topic, [topics.Message(b'{"id": 9223372036854775807}')])
    _project(folder, bus, to, postgres, sql="SELECT CAST(id AS UBIGINT) + 1 AS id FROM source")
    done = folder.flowc("run", bus.stream, "--once", "--json")
    assert "9223372036854775808" in done.out, done.out
    assert [int(str(r[0])) for r in _table(kind, place, "SELECT id FROM rows ORDER BY id")] == list(range(10))


def test_dead_letters_need_a_place_where_no_database_is_written(tmp_path: Path, bus: Bus) -> None:
    folder = _project(Inside(tmp_path), bus, " { connection: drop, path: rows }", more="    on_error: dlq\n")
    done = folder.flowc("lint")
    assert "needs `dead_letter` where no target is a table of a database" in done.out + done.err


def test_one_target_twice_is_refused(tmp_path: Path, bus: Bus) -> None:
    twice = "\n      - { connection: drop, path: rows }\n      - { connection: drop, path: rows, format: csv }\n"
    done = _project(Inside(tmp_path), bus, twice).flowc("run", bus.stream, "--once", "--json")
    assert done.code == 1
    assert "error[duplicate-target]" in done.err, done.err
