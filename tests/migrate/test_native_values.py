"""Changes of type over values that other programs write: no value changes, and what cannot change is found by plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pytest

from flowc.catalog import Column
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.migrate.engines import ENGINES
from flowc.compiler.tables.ddl import spellable, stored
from flowc.compiler.tables.difference import same_type
from flowc.runtime.contracts.database import Database
from flowc.runtime.systems import open_database
from flowc.service.changes.prechecks import judged
from flowc.types import DataType, Kind
from tests.migrate.nativevalues import NATIVE
from tests.migrate.test_type_pairs import NAME, apply, found, planned
from tests.migrate.typepairs import TYPES
from tests.stores import address

_TEXT = {"mysql": "CAST({0} AS CHAR)", "postgres": "CAST({0} AS TEXT)", "duckdb": "CAST({0} AS VARCHAR)"}
_LAX = "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'"


@pytest.fixture(params=NATIVE)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    dsn = address(request, request.param)
    options = {"url": dsn} if dsn else {"path": str(tmp_path / f"store.{request.param}")}
    with closing(open_database(request.param, options)) as opened:
        if opened.kind == "mysql":
            opened.execute(_LAX)
        for limit in ENGINES[opened.kind].limits:
            opened.execute(limit.format(lock_ms=9000, lock_s=9, statement_ms=90_000, statement_s=90))
        yield opened


def test_no_value_of_an_own_type_is_changed_by_a_plan_without_misfits(database: Database):
    wrong = [line for native in NATIVE[database.kind] for line in tried(database, native)]
    assert wrong == []


def tried(database: Database, native: str) -> Iterator[str]:
    """A table with a column for each type that the values may become: what went wrong, a line for each pair."""
    types = targets(database)
    filled(database, native, len(types))
    live = database.table(NAME)
    assert live is not None
    old = live.columns[1].type
    same = (old, live.columns[1].own is None)
    new = {f"c{n}": kind for n, kind in enumerate(types)}
    new = {name: kind for name, kind in new.items() if not (same[1] and same_type(kind, old, DIALECTS[database.kind]))}
    blocked = {change.column for change in found(planned(database, live, new)) if change.blocked}
    for name in blocked:
        database.execute(f"ALTER TABLE t DROP COLUMN {name}")
    live, new = database.table(NAME), {name: kind for name, kind in new.items() if name not in blocked}
    assert live is not None
    yield from changed(database, native, old, judged(planned(database, live, new), database), new)
    database.execute("DROP TABLE t")


def targets(database: Database) -> list[DataType]:
    dialect = DIALECTS[database.kind]
    return [kind for kind in TYPES if spellable([Column("a", kind)], dialect) and stored(kind, dialect) == kind]


def filled(database: Database, native: str, width: int) -> None:
    columns = ", ".join(f"c{n} {native}" for n in range(width))
    database.execute(f"CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, {columns})")
    for n, value in enumerate(NATIVE[database.kind][native]):
        database.execute(f"INSERT INTO t VALUES ({n}, {', '.join([value] * width)})")


def changed(database: Database, native: str, old: DataType, plan, new: dict[str, DataType]) -> Iterator[str]:
    for change in found(plan):
        for check in change.prechecks:
            if check.error is not None and not (native == "text" and new[str(change.column)].kind is Kind.JSON):
                yield f"{native}: {change.summary}: {check.error}"
            where = check.sql.partition(" WHERE ")[2] if check.error is None else "true"
            ids = database.query(f"SELECT id FROM t WHERE {where}").column(0).to_pylist()
            if ids:
                database.execute(f"UPDATE t SET {change.column} = NULL WHERE id IN ({', '.join(map(str, ids))})")
    before = texts(database, new)
    apply(database, plan)
    after = texts(database, new)
    for name, kind in new.items():
        pairs = zip(before[name], after[name], strict=True)
        if lost := [pair for pair in pairs if not alike(*pair, old, kind)]:
            yield f"{native} to {kind}: {lost}"


def texts(database: Database, columns: dict[str, DataType]) -> dict[str, list[str | None]]:
    live = database.table(NAME)
    assert live is not None
    precise = {c.name: "({0} + 0e0)" if database.kind == "mysql" and c.type.is_float else "{0}" for c in live.columns}
    shown = (f"{_TEXT[database.kind].format(precise[name].format(name))} AS {name}" for name in columns)
    return database.query(f"SELECT {', '.join(('id', *shown))} FROM t ORDER BY id").to_pydict()


def alike(was: str | None, now: str | None, old: DataType, new: DataType) -> bool:
    """Whether two texts of values say the same, of which the second is the first one in another type."""
    if was is None or now is None:
        return was is now
    return plain(was) == plain(now) or same_number(was, now, old, new)


def plain(text: str) -> str:
    return re.sub(r"[ T]00:00:00|\.0+\b|\+00\b|(?<=\.[0-9]{3})000|^\"|\"$|(?<=:) ", "", text)


def same_number(was: str, now: str, old: DataType, new: DataType) -> bool:
    try:
        if Kind.FLOAT32 in (old.kind, new.kind):
            return bool(np.float32(was) == np.float32(now))
        return Decimal(was) == Decimal(now) or (old.is_float and float(was) == float(now))
    except (InvalidOperation, ValueError):
        return False
