"""The last row of each key, where the target may hold keys equal that came as different bytes.

The runtime of a stream reduces its rows by their bytes. That is all where keys of one type are equal to themselves
alone; else (a uuid in two spellings, 1.0 and 1.00, a collation) the target's own columns decide, in the table of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.checks import null_keys
from flowc.compiler.loads.load import ROWS, Load, find_column
from flowc.compiler.loads.staging import copies, without_copies
from flowc.compiler.quote import idents
from flowc.plan import Execute, Step
from flowc.types import Kind

_EXACT = (Kind.BOOL, Kind.TEXT, Kind.BINARY, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
"""Kinds whose values are equal exactly where they are the same in Arrow."""


def exact_keys(load: Load) -> bool:
    """Whether keys that came as different values are different keys to the target."""
    return all(_exact(load, key) for key in load.keys)


def _exact(load: Load, name: str) -> bool:
    target, source = load.row_column(name), find_column(load.columns, name)
    if target is None or source is None or target.native is not None:
        return False
    if target.type.is_integer or target.type.kind is Kind.DECIMAL:
        return source.type.is_integer or (source.type.kind is Kind.DECIMAL and source.type.precision is not None)
    return target.type.kind is source.type.kind and target.type.kind in _EXACT


def last_of_each(load: Load) -> Iterator[Step]:
    """Removes all rows of a key but its last one, of the few keys that have several."""
    yield null_keys(load)
    rid, keys = load.dialect.writes.row_id, idents(load.keys)
    yield from copies(load, ROWS, 2)
    repeated = f"SELECT {keys} FROM {load.again(ROWS, 2)} GROUP BY {keys} HAVING count(*) > 1"
    ranked = (
        f"SELECT s.{rid} AS rid, row_number() OVER (PARTITION BY {idents(load.keys, 's')} ORDER BY s.{rid} DESC) AS n "
        f"FROM {load.again(ROWS, 1)} AS s JOIN ({repeated}) AS d ON {load.equal(load.keys, 's', 'd')}"
    )
    sql = f"DELETE FROM {load.rows} WHERE {rid} IN (SELECT rid FROM (\n{ranked}\n) AS r WHERE n > 1)"
    yield Execute("keep the last row of each key", sql)
    yield from without_copies(load, ROWS, 2)
