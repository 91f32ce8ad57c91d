"""merge where the target itself knows the keys: one pass by its unique index instead of a join of both tables.

An engine that counts what it wrote as one number has its new keys counted before; PostgreSQL tells them apart as it
returns them, where the table is plain. Rows go in by the order of their keys, so that neighbours in the target are
written together: five times faster than as they come where the table is larger than a cache.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.load import Load
from flowc.compiler.quote import idents, table
from flowc.loadplan import Counter, Execute, Measure, Step

COUNTS = "flowc_counts"
_DEFERRABLE = "DEFERRABLE"
"""What the catalog says of a constraint that ON CONFLICT cannot name."""
_PURPOSE = "update rows that differ, insert new keys"
_WRITTEN = "rows written, less the new ones"


def upsertable(load: Load) -> bool:
    """Whether the engine is faster so, and the keys are unique in the target by a constraint.

    Columns that the load leaves out must be able to stay out: the engine judges every row as if it were new.
    """
    if any(not (c.nullable or c.default or c.name in load.names) for c in load.table.columns):
        return False
    keys = set(load.keys)
    whole = (index for index in load.table.indexes if index.unique and index.valid and not index.where)
    unique = [set(index.columns) for index in whole if _DEFERRABLE not in index.beyond]
    primary = [] if load.table.deferrable else [set(load.table.primary_key)]
    return load.dialect.writes.upserts and keys in [*primary, *unique]


def upsert(load: Load, sets: str, condition: str) -> Iterator[Step]:
    """Updates and inserts; `sets` and `condition` speak of the target as its alias and of the row as `excluded`."""
    (t,) = load.aliases("t")
    statement = (
        f"INSERT INTO {load.target} AS {t} ({idents(load.names)}) SELECT {idents(load.names)} FROM {load.rows} "
        f"WHERE 1 = 1 ORDER BY {idents(load.keys)} "
        f"ON CONFLICT ({idents(load.keys)}) DO UPDATE SET {sets} WHERE {condition}"
    )
    if load.dialect.writes.returned_new and (load.table.plain or not load.exists):
        yield from _counting(load, statement, load.dialect.writes.returned_new)
        return
    yield Measure("count new keys", _new_keys(load), Counter.INSERTED)
    if load.dialect.writes.written_rows:
        yield Execute(_PURPOSE, statement)
        yield Measure(_WRITTEN, load.dialect.writes.written_rows, Counter.UPDATED, (Counter.INSERTED,))
        return
    yield from _counting(load, statement, None)


def _counting(load: Load, statement: str, fresh: str | None) -> Iterator[Step]:
    """An upsert that counts what it returns: all rows written, and with `fresh` those that are new."""
    counts = table(load.temporary(COUNTS))
    columns = "fresh BIGINT, n BIGINT" if fresh else "n BIGINT"
    yield Execute(
        "a place to count", f"{load.dialect.temporary.create} {counts} ({columns}){load.dialect.temporary.options}"
    )
    counted = "count(*) FILTER (WHERE fresh), count(*)" if fresh else "count(*)"
    returned = f"({fresh}) AS fresh" if fresh else "1"
    yield Execute(
        _PURPOSE, f"WITH w AS (\n{statement} RETURNING {returned}\n) INSERT INTO {counts} SELECT {counted} FROM w"
    )
    if fresh:
        yield Measure("new rows", f"SELECT fresh FROM {counts}", Counter.INSERTED)
    yield Measure(_WRITTEN, f"SELECT n FROM {counts}", Counter.UPDATED, (Counter.INSERTED,))
    yield Execute("drop the count", f"DROP TABLE {counts}")


def _new_keys(load: Load) -> str:
    t, s = load.aliases("t", "s")
    known = f"SELECT 1 FROM {load.target} AS {t} WHERE {load.equal(load.keys, t, s)}"
    return f"SELECT count(*) FROM {load.rows} AS {s} WHERE NOT EXISTS ({known})"
