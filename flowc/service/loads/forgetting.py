"""Removes what a database stores of loads into a table whose rows are gone: watermarks, and loaded due times.

Positions of streams stay, with a mark: the stream stops until a rewind says where it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowc.catalog import TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply
from flowc.compiler.loads.identity import LOADS, Recorded, forget_load, key_of
from flowc.compiler.loads.lifetimes import TABLE_ID, look_at
from flowc.compiler.loads.watermark import WATERMARKS, forget_stored
from flowc.compiler.quote import ident, text
from flowc.compiler.quote import table as quoted
from flowc.compiler.streamplan.positions import POSITIONS, orphan_positions
from flowc.errors import EngineError
from flowc.runtime.contracts.database import Database, TableStore, stored_name
from flowc.service.access.locks import waiting_for


def forget_loads(name: TableName, database: Database, kind: str) -> None:
    """Removes all that is stored of loads into a table that is gone, of all projects.

    The log of a lake's table goes with it.
    """
    if isinstance(database, TableStore):
        return
    dialect = DIALECTS[kind]
    for state, row in _gone(name, database, dialect):
        with waiting_for(dialect.state_table(state), database):
            database.execute(_FORGET[state](row, dialect))


def gone_loads(apply: Apply, database: Database, recorded: Recorded | None) -> tuple[str, ...]:
    """Statements that do the same beside a load, whose own row stays where the load changes it."""
    if isinstance(database, TableStore):
        return ()
    dialect = DIALECTS[apply.target.kind]
    own = key_of(apply, recorded.target, recorded.identity.lane) if recorded and recorded.due_at else None
    gone = _gone(apply.target.name, database, dialect)
    return tuple(_FORGET[state](row, dialect) for state, row in gone if not _is(own, row))


def _gone(name: TableName, database: Database, dialect: Dialect) -> list[tuple[str, Mapping[str, Any]]]:
    """What is stored of loads into a table that is gone, each with which of flowc's own tables holds it.

    What a load has written of the table that is there now is not: another load may make it at any time.
    """
    rows = [(state, row) for state in (WATERMARKS, LOADS) for row in _rows(state, name, database, dialect)]
    gone = _of_another(name, database, dialect)  # after the rows were read
    return [(state, row) for state, row in rows if gone(row)]


def _rows(state: str, name: TableName, database: Database, dialect: Dialect) -> Iterator[dict[str, Any]]:
    place = dialect.state_table(state)
    if database.table(place) is not None:
        for target in _targets(place, name, database):
            where = f"{ident('target')} = {text(target, dialect)}"
            yield from database.query(f"SELECT * FROM {quoted(place)} WHERE {where}").to_pylist()


def _of_another(name: TableName, database: Database, dialect: Dialect) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a row is of a table that is gone: any is where there is none, and none is of a table with rows."""
    if database.table(name) is None:
        return lambda _: True
    (seen,) = database.query(look_at(name, dialect)).to_pylist()
    known = (None, seen[TABLE_ID.name])
    return lambda row: not seen["filled"] and row.get(TABLE_ID.name) not in known


def _is(key: Mapping[str, str] | None, row: Mapping[str, Any]) -> bool:
    return key is not None and all(row.get(column) == value for column, value in key.items())


_FORGET: Mapping[str, Callable[[Mapping[str, Any], Dialect], str]] = {
    WATERMARKS: forget_stored,
    LOADS: forget_load,
}


def orphan_streams(name: TableName, database: Database, kind: str) -> None:
    """Marks the positions of all streams that have filled a table as those of a table that is gone."""
    dialect = DIALECTS[kind]
    state = dialect.state_table(POSITIONS)
    if isinstance(database, TableStore) or database.table(state) is None:
        return
    for target in _stored(state, database):
        if stored_name((target,), name, database) == target:
            with waiting_for(state, database):
                database.execute(orphan_positions(target, dialect))


def _stored(state: TableName, database: Database) -> Iterator[str]:
    found = database.query(f"SELECT DISTINCT t.{ident('target')} AS target FROM {quoted(state)} AS t")
    yield from map(str, found.column(0).to_pylist())


def _targets(state: TableName, name: TableName, database: Database) -> Iterator[str]:
    """The stored names that mean the table; each stands behind that of a connection."""
    wanted = database.resolved(name).table
    for stored in _stored(state, database):
        try:
            table = TableName.parse(stored.partition(".")[2])
            if database.resolved(table).table == wanted:
                yield stored
        except (ValueError, EngineError):  # a name of which this database can make nothing
            continue
