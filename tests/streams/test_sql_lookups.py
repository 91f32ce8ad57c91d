"""Lookups: read whole, joined with, read again in the background, and kept when that fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.errors import DataError, FlowcError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.streams import lookups as module
from flowc.runtime.streams.compute import Compute
from flowc.runtime.streams.lookups import Lookups, Version, Versions
from flowc.runtime.streams.origins import fail
from flowc.runtime.streams.run import StreamRun
from flowc.runtime.streams.state.store import DatabaseStore
from flowc.runtime.systems import open_database
from flowc.runtime.systems.shared.target import DatabaseWriter
from flowc.service.streams.run import planned
from flowc.service.streams.sources import decoding_of
from flowc.service.testing.messages import Feed
from flowc.stream import LookupPlan, TableTarget
from flowc.types import BIGINT, TEXT
from tests.streams.compiled import Computed, messages, plan
from tests.streams.epochs import Cut, CutAt
from tests.unit.project import write
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("kept_files")

COLUMNS = (Column("id", BIGINT), Column("country", TEXT))
JOIN = "SELECT s.id, u.country FROM source s LEFT JOIN users u ON s.id = u.id"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with a table of users."""
    database = open_database("sqlite", {"path": str(tmp_path / "ref.db")})
    database.open()
    database.execute("CREATE TABLE users (id BIGINT, country TEXT)")
    database.execute("INSERT INTO users VALUES (1, 'de'), (2, 'fr')")
    yield database
    database.close()


def _lookups(tmp_path: Path, refresh: float | None = None, query: str = "SELECT id, country FROM users") -> Lookups:
    def opened(_: str) -> Database:
        return open_database("sqlite", {"path": str(tmp_path / "ref.db")})

    return Lookups([LookupPlan("users", "ref", query, COLUMNS, refresh)], opened)


def _computed(tmp_path: Path, lookups: Versions, sql: str = JOIN) -> Computed:
    more = "lookups: { users: { connection: wh, table: users } }"
    declared = plan(tmp_path, sql, more=more, lookups={"users": COLUMNS})
    return Computed(declared, {"lookups": lookups})


def test_rows_are_joined_and_a_refresh_is_seen_by_the_next_batch(tmp_path: Path, database: Database) -> None:
    lookups = _lookups(tmp_path, refresh=0.02)
    lookups.open()
    computed = _computed(tmp_path, lookups)
    assert computed.rows([{"id": 2}, {"id": 9}]) == [{"id": 2, "country": "fr"}, {"id": 9, "country": None}]
    database.execute("UPDATE users SET country = 'be' WHERE id = 2")
    seen = lookups.current()["users"].number
    until(lambda: lookups.current()["users"].number > seen + 1)
    assert computed.rows([{"id": 2}]) == [{"id": 2, "country": "be"}]
    lookups.close()


def test_a_failed_refresh_keeps_the_last_good_version(tmp_path: Path, database: Database) -> None:
    lookups = _lookups(tmp_path, refresh=0.02)
    told: list[tuple[str, FlowcError]] = []
    lookups.failed = lambda name, error: told.append((name, error))
    lookups.open()
    database.execute("ALTER TABLE users RENAME TO gone")
    until(lambda: len(told) > 1)
    assert told[0][0] == "users"
    assert lookups.failures["users"] >= 2
    assert _computed(tmp_path, lookups).rows([{"id": 1}]) == [{"id": 1, "country": "de"}]
    database.execute("ALTER TABLE gone RENAME TO users")
    good = lookups.current()["users"].number
    until(lambda: lookups.current()["users"].number > good)
    lookups.close()


def test_a_lookup_that_cannot_be_read_at_the_start_is_an_error(tmp_path: Path, database: Database) -> None:
    with pytest.raises(FlowcError, match=r"lookup `users`: .*nowhere"):
        _lookups(tmp_path, query="SELECT id FROM nowhere").open()


def test_a_lookup_that_is_too_large_is_refused(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real limit would take gigabytes."""
    lookups = _lookups(tmp_path)
    lookups.open()
    size = sum(batch.nbytes for batch in lookups.current()["users"].batches)
    monkeypatch.setattr(module, "MAX_BYTES", size)
    _lookups(tmp_path).open()
    monkeypatch.setattr(module, "MAX_BYTES", size - 1)
    with pytest.raises(DataError) as failure:
        _lookups(tmp_path).open()
    assert failure.value.code == "lookup-too-large"


def test_bad_rows_are_found_beside_a_lookup(tmp_path: Path, database: Database) -> None:
    lookups = _lookups(tmp_path)
    lookups.open()
    computed = _computed(
        tmp_path, lookups, "SELECT CAST(s.name AS integer) AS n, u.country FROM source s JOIN users u ON s.id = u.id"
    )
    assert computed.rows([{"id": 1, "name": "1"}, {"id": 2, "name": "x"}, {"id": 3, "name": "y"}]) == [
        {"n": 1, "country": "de"}
    ]
    assert [line.split(":")[0] for line in computed.bad][:1] == ["1 row-fails"]


class Refreshing:
    """A lookup that is read anew whenever anybody asks for it."""

    def __init__(self) -> None:
        self.number = 0

    def current(self) -> Mapping[str, Version]:
        self.number += 1
        rows = pa.RecordBatch.from_pylist([{"id": n, "country": str(self.number)} for n in range(600)])
        return {"users": Version(self.number, rows.schema, (rows,))}

    def close(self) -> None: ...


def test_an_epoch_sees_one_version_however_often_its_query_runs(tmp_path: Path) -> None:
    """A row that fails is searched for by many statements, some of which make the rows of the others."""
    query = "SELECT s.id, u.country, 10 / s.id AS tenth FROM source s JOIN users u ON s.id = u.id"
    computed = _computed(tmp_path, Refreshing(), query)
    for _ in range(2):
        rows = computed.rows([{"id": n} for n in range(600)])
        assert len(rows) == 599
        assert len({row["country"] for row in rows}) == 1


TWO = """
connections:
  bus: { kind: kafka, bootstrap_servers: "localhost:9092" }
  one: { kind: sqlite, path: one.db }
  two: { kind: duckdb, path: two.db }
tables:
  users: { connection: one, columns: { id: bigint, country: text } }
streams:
  s:
    source: { connection: bus, topic: events, columns: { id: bigint } }
    lookups: { users: { connection: one, table: users } }
    sql: SELECT s.id, u.country FROM source s LEFT JOIN users u ON s.id % 3 = u.id
    to: [{ connection: one, table: out }, { connection: two, table: out }]
"""


@dataclass
class Users:
    """The lookup as it is in one life of a worker; with `moving` another version at every look."""

    country: str
    moving: bool = False
    looks: int = 0
    kept: Version | None = None

    def current(self) -> Mapping[str, Version]:
        self.looks += 1
        country = f"{self.country}{self.looks}" if self.moving else self.country
        if self.kept is None or self.moving:
            rows = pa.RecordBatch.from_pylist([{"id": n, "country": country} for n in range(3)])
            self.kept = Version(self.looks, rows.schema, (rows,))
        return {"users": self.kept}

    def close(self) -> None: ...


@dataclass
class Two:
    """A stream that joins events with users, into two databases; each message is an epoch."""

    folder: Path

    def run(self, users: Users, cut: str | None = None, count: int = 0, every: float = 1000.0) -> None:
        reporter = Reporter()
        checked = stages.check_project([write(self.folder, TWO)], reporter, env={})
        assert checked is not None, reporter.sorted()
        (stream,) = lower(checked, reporter).streams
        made = planned(stream)
        assert made.state is not None
        made = replace(made, state=replace(made.state, every=every))
        places = (("sqlite", "sqlite"), ("duckdb", "duckdb"), ("sqlite", "state"))
        databases = [open_database(kind, {"path": str(self.folder / name)}) for kind, name in places]
        pause = CutAt(cut, count) if cut is not None else lambda _: None
        writers = [
            DatabaseWriter(target, database, pause=pause)
            for target, database in zip(made.targets, databases, strict=False)
            if isinstance(target, TableTarget)
        ]
        store = DatabaseStore("s", made.state.sql, databases[2])
        decoder = decoding_of(made.sources[0])
        compute = Compute(made, {"source": decoder}, fail, lookups=users)  # type: ignore[arg-type]
        given = [
            Polled(
                "source",
                messages([{"id": number}], start=number),
                (Range.numbered("source", 0, number, number + 1),),
                0.0,
            )
            for number in range(9)
        ]
        try:
            StreamRun(made, {"source": Feed(given, once=True)}, compute, writers, store, pause=pause).run()
        finally:
            for database in databases:
                database.close()

    def rows(self, kind: str) -> list[tuple[int, str]]:
        database = open_database(kind, {"path": str(self.folder / kind)})
        database.open()
        rows = database.query("SELECT id, country FROM out ORDER BY id").to_pylist()
        database.close()
        return [(row["id"], row["country"]) for row in rows]

    def kept(self) -> int:
        """How many rows of payloads the state has, but for the plan."""
        database = open_database("sqlite", {"path": str(self.folder / "state")})
        database.open()
        count = database.query("SELECT count(*) AS n FROM flowc_payloads WHERE name <> 'plan:'").to_pylist()[0]["n"]
        database.close()
        return int(count)


@pytest.mark.covering
@pytest.mark.parametrize("moving", [False, True], ids=["at the restart", "all the time"])
@pytest.mark.parametrize("point", ["intended", "target 0"])
@pytest.mark.parametrize("count", [0, 4])
def test_two_targets_have_the_same_rows_whatever_a_lookup_does(
    tmp_path: Path, moving: bool, point: str, count: int
) -> None:
    two = Two(tmp_path)
    with pytest.raises(Cut):
        two.run(Users("de", moving), point, count)
    two.run(Users("fr", moving))
    one, other = two.rows("sqlite"), two.rows("duckdb")
    assert one == other
    assert [id_ for id_, _ in one] == list(range(9))
    assert {country[:2] for _, country in one[: count + 1]} == {"de"}, "what was intended sees what it saw"
    assert {country[:2] for _, country in one[count + 1 :]} == {"fr"}
    assert len({country for _, country in one}) == (9 if moving else 2)


def test_versions_of_a_lookup_are_kept_no_longer_than_intents_name_them(tmp_path: Path) -> None:
    two = Two(tmp_path)
    with pytest.raises(Cut):
        two.run(Users("de"), "target 1", 7)
    assert two.kept() == 1, "a version is kept once, however many epochs read it"
    two.run(Users("fr", moving=True), every=0.0)
    assert two.kept() == 1, "of versions that nobody names none is left"
