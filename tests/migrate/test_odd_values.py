"""Changes of a type on SQLite, whose columns may hold values of other types than their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowc.catalog import Column, Table
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.tables.ddl import create_table, spellable, stored
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.service.changes.prechecks import judged
from flowc.types import BIGINT, TEXT, DataType, parse_type
from tests.migrate.test_type_pairs import NAME, apply, found, planned
from tests.migrate.typepairs import TYPES

_DIALECT = DIALECTS["sqlite"]
_OLD = [kind for kind in TYPES if spellable([Column("a", kind)], _DIALECT) and stored(kind, _DIALECT) == kind]
_ODD = (
    "x", "true", "FALSE", " 1", "1_0", "\u0663", "10:00", "1700000000", "10:00:00+02:00", "2026-01-31 10:00:00",
    0, 1, 2, -1, 1.5, 0.1 + 0.2, 9.223372036854776e18, b"\x00", b"text",
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def begin(file: Path, columns: Sequence[DataType], values: Sequence[object]) -> None:
    """A table with those values in each column, as another program writes them."""
    made = Table(NAME, (Column("id", BIGINT, False), *(Column(f"c{n}", k) for n, k in enumerate(columns))), ("id",))
    marks = ", ".join("?" * (len(columns) + 1))
    with closing(sqlite3.connect(file)) as session:
        for statement in create_table(made, _DIALECT):
            session.execute(statement)
        rows = [(n, *[value] * len(columns)) for n, value in enumerate(values)]
        session.executemany(f"INSERT INTO t VALUES ({marks})", rows)
        session.commit()


def changed(file: Path, new: DataType) -> Iterator[tuple[str, Any, Any]]:
    """The columns with their values before and after each gets the type, without those that prechecks find."""
    with closing(open_database("sqlite", {"path": str(file)})) as database:
        wanted = possible(database, new)
        _empty(database, wanted)
        before = _stored(file)
        live = database.table(NAME)
        assert live is not None
        apply(database, judged(planned(database, live, wanted), database))
    after = _stored(file)
    yield from ((name, *pair) for name in wanted for pair in zip(before[name], after[name], strict=True))


def possible(database: Database, new: DataType) -> dict[str, DataType]:
    """The columns that can get the type."""
    live = database.table(NAME)
    assert live is not None
    wanted = {column.name: new for column in live.columns[1:]}
    return {c.column or "": new for c in found(planned(database, live, wanted)) if not c.blocked}


def _empty(database: Database, wanted: dict[str, DataType]) -> None:
    live = database.table(NAME)
    assert live is not None
    for change in found(judged(planned(database, live, wanted), database)):
        for check in change.prechecks:
            assert check.error is None, f"{change.summary}: {check.error}"
            database.execute(f"UPDATE t SET {change.column} = NULL WHERE {check.sql.partition(' WHERE ')[2]}")


def _stored(file: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(file)) as session:
        rows = session.execute("SELECT * FROM t ORDER BY id")
        names = [entry[0] for entry in rows.description]
        return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def test_a_value_of_another_type_becomes_the_text_that_says_it(file: Path):
    begin(file, _OLD, _ODD)
    done = list(changed(file, TEXT))
    bools = [f"c{n}" for n, kind in enumerate(_OLD) if str(kind) == "boolean"]
    assert bools
    wrong = [(name, was, now) for name, was, now in done if not _says(was, now, truth=name in bools)]
    assert wrong == []
    assert any(isinstance(was, float) for _, was, _ in done)


def _says(was: object, now: object, *, truth: bool) -> bool:
    if was is None or isinstance(was, str):
        return now == was and not (truth and isinstance(was, str))
    if truth:
        return was in (0, 1) and now == ("true" if was else "false")
    if isinstance(was, bytes):
        return now == was  # in a column of texts, which it stays
    return isinstance(was, int | float) and type(was)(str(now)) == was


@pytest.mark.parametrize(
    ("new", "taken"),
    [
        ("time", {"10:00": "10:00:00.000000"}),
        ("timestamp", {"2026-01-31 10:00:00": "2026-01-31 10:00:00.000000"}),
        ("numeric(38,10)", {1: "1.0000000000"}),
        ("timestamptz", {}),
    ],
)
def test_a_text_becomes_no_value_that_its_column_could_not_hold(file: Path, new: str, taken: dict[object, str]):
    texts = [*taken, "1_0", "\u0663", "10:00:00+02:00", "10:00:00.1234567", "0001-01-01 00:00:00+05:00"]
    begin(file, [parse_type("uuid")], [*texts, "2026-01-31 10:00:00.1234567"])
    assert {was: now for _, was, now in changed(file, parse_type(new)) if was is not None} == taken
