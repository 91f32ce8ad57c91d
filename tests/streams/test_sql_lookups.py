"""Lookups: read whole, joined with, read again in the background, and kept when that fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from flowc.catalog import Column
from flowc.errors import DataError, FlowcError
from flowc.runtime.connector import Database
from flowc.runtime.connectors import open_database
from flowc.runtime.streams import lookups as module
from flowc.runtime.streams.lookups import Lookups, Version, Versions
from flowc.stream import LookupPlan
from flowc.types import BIGINT, TEXT
from tests.streams.compiled import Computed, plan
from tests.waiting import until

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
