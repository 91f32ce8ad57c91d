"""merge: rows are brought up to date by key.

A matched row is written only where a `compare` column differs; then all its non-key columns are. Missing keys are
inserted, and `deletes` says what happens to keys that the (full) source no longer has.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowc.compiler.loads.changes import completion, removals, unordered_parts
from flowc.compiler.loads.checks import empty_source, key_checks, null_keys
from flowc.compiler.loads.load import ROWS, Load, find_column
from flowc.compiler.loads.overwrites import overwritten
from flowc.compiler.loads.sifting import still_there
from flowc.compiler.loads.softdelete import mark, marked, unmark
from flowc.compiler.loads.staging import copies, without_copies
from flowc.compiler.loads.statements import delete, update_from
from flowc.compiler.loads.upsert import upsert, upsertable
from flowc.compiler.quote import ident, idents
from flowc.loadplan import Counter, Execute, Measure, Step
from flowc.nodes import Changelog
from flowc.types import Kind

_EXACT = (Kind.BOOL, Kind.TEXT, Kind.BINARY, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
"""Kinds whose values are equal exactly where they are the same in Arrow."""


def merge(load: Load) -> Iterator[Step]:
    """The steps of a merge, from checks to counts."""
    yield from _last_of_each(load) if load.last_wins and not _exact_keys(load) else key_checks(load)
    if load.changes is not Changelog.INSERT_ONLY:
        yield from removals(load)
    if load.changes is Changelog.PARTIAL:
        yield from completion(load)
    if load.apply.deletes != "ignore":
        if not load.apply.allow_empty:
            (t,) = load.aliases("t")
            yield empty_source(load, f"NOT ({marked(load, t)})" if load.apply.deletes == "soft" else "1 = 1")
        yield _delete(load)
    yield from _write(load)
    yield Measure(
        "rows that did not differ",
        f"SELECT count(*) FROM {load.rows}",
        Counter.UNCHANGED,
        less=(Counter.INSERTED, Counter.UPDATED),
    )


def _write(load: Load) -> Iterator[Step]:
    soft = load.apply.deletes == "soft"
    if (load.compare or soft) and upsertable(load):
        yield from upsert(load, ", ".join(_assignments(load, "excluded")), _condition(load, "excluded"))
        return
    if load.compare or soft:
        yield from _update(load)
    yield Execute("insert new keys", _insert(load), Counter.INSERTED)


def _assignments(load: Load, row: str) -> list[str]:
    sets = [f"{ident(n)} = {row}.{ident(n)}" for n in load.names if n not in load.keys]
    return [*sets, unmark(load)] if load.apply.deletes == "soft" else sets


def _condition(load: Load, row: str) -> str:
    (t,) = load.aliases("t")
    differs = load.differs(load.compare, t, row)
    return f"{differs} OR {marked(load, t)}" if load.apply.deletes == "soft" else differs


def _update(load: Load) -> Iterator[Execute]:
    t, s = load.aliases("t", "s")
    condition = f"{load.equal(load.keys, t, s)} AND ({_condition(load, s)})"
    yield from overwritten(load, load.rows, s, condition)
    sql = update_from(load, _assignments(load, s), load.rows, s, condition)
    yield Execute("update rows that differ", sql, Counter.UPDATED)


def _insert(load: Load) -> str:
    t, s = load.aliases("t", "s")
    return (
        f"INSERT INTO {load.target} ({idents(load.names)}) SELECT {idents(load.names, s)} FROM {load.rows} AS {s} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {load.target} AS {t} WHERE {load.equal(load.keys, t, s)})"
    )


def _delete(load: Load) -> Execute:
    t, s = load.aliases("t", "s")
    gone = f"NOT EXISTS (SELECT 1 FROM {load.rows} AS {s} WHERE {load.equal(load.keys, t, s)}){still_there(load, t)}"
    if load.apply.deletes == "hard":
        return Execute("delete keys that are gone", delete(load, load.target, t, gone), Counter.DELETED)
    sql = f"UPDATE {load.target} AS {t} SET {mark(load)} WHERE NOT ({marked(load, t)}) AND {gone}"
    return Execute("mark keys that are gone", sql, Counter.DELETED)


def _exact_keys(load: Load) -> bool:
    """Whether keys that came as different values are different keys to the target."""
    return all(_exact(load, key) for key in load.keys)


def _exact(load: Load, name: str) -> bool:
    target, source = load.row_column(name), find_column(load.columns, name)
    if target is None or source is None or target.native is not None:
        return False
    if target.type.is_integer or target.type.kind is Kind.DECIMAL:
        return source.type.is_integer or (source.type.kind is Kind.DECIMAL and source.type.precision is not None)
    return target.type.kind is source.type.kind and target.type.kind in _EXACT


def _last_of_each(load: Load) -> Iterator[Step]:
    """Removes all rows of a key but its last one, of the few keys that have several."""
    yield null_keys(load)
    if load.changes is Changelog.PARTIAL:
        yield unordered_parts(load)
    rid, keys = load.row_id, idents(load.keys)
    yield from copies(load, ROWS, 2)
    repeated = f"SELECT {keys} FROM {load.again(ROWS, 2)} GROUP BY {keys} HAVING count(*) > 1"
    ranked = (
        f"SELECT s.{rid} AS rid, row_number() OVER (PARTITION BY {idents(load.keys, 's')} ORDER BY s.{rid} DESC) AS n "
        f"FROM {load.again(ROWS, 1)} AS s JOIN ({repeated}) AS d ON {load.equal(load.keys, 's', 'd')}"
    )
    sql = f"DELETE FROM {load.rows} WHERE {rid} IN (SELECT rid FROM (\n{ranked}\n) AS r WHERE n > 1)"
    yield Execute("keep the last row of each key", sql)
    yield from without_copies(load, ROWS, 2)
