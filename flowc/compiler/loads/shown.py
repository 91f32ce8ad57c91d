"""What a rehearsal shows of a load: some rows as they will be written, and what each of them would change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowc.compiler.loads.load import IS_CURRENT, Load, free_name
from flowc.compiler.loads.sifting import still_there
from flowc.compiler.loads.softdelete import marked
from flowc.compiler.quote import ident, idents, qualified
from flowc.loadplan import Show

_ADDED, _CHANGED, _SAME, _GONE = "insert", "update", "unchanged", "delete"


def before_writing(load: Load) -> Iterator[Show]:
    """Of loads by key: each row against the one that the target holds, changes first, and rows that would go."""
    if load.shown and load.apply.mode in ("merge", "scd2"):
        yield _matched(load)
        if load.apply.deletes != "ignore":
            yield _gone(load)


def after_writing(load: Load) -> Iterator[Show]:
    """Of the other modes: the rows that were added."""
    if load.shown and load.apply.mode in ("append", "truncate"):
        rows = f"SELECT {idents(load.names)} FROM {load.rows} LIMIT {load.shown}"
        yield Show("rows that are added", rows, load.names, _ADDED)


def _matched(load: Load) -> Show:
    t, s = load.aliases("t", "s")
    names = {name.lower() for name in load.names}
    change, rank = free_name("flowc_change", names), free_name("flowc_rank", names)
    old = [free_name(f"flowc_before_{number}", names) for number, _ in enumerate(load.names)]
    missing = f"{qualified(load.keys[0], t)} IS NULL"
    words = (("1", missing, _ADDED), ("2", _differs(load, t, s), _CHANGED))
    case = " ".join(f"WHEN {condition} THEN '{word}'" for _, condition, word in words)
    order = " ".join(f"WHEN {condition} THEN {number}" for number, condition, _ in words)
    before = [f"{qualified(name, t)} AS {ident(alias)}" for name, alias in zip(load.names, old, strict=True)]
    same = load.equal(load.keys, t, s)
    if load.apply.mode == "scd2":
        same += f" AND {qualified(IS_CURRENT, t)}"
    query = (
        f"SELECT CASE {case} ELSE '{_SAME}' END AS {ident(change)}, CASE {order} ELSE 3 END AS {ident(rank)}, "
        f"{idents(load.names, s)}, {', '.join(before)} "
        f"FROM {load.rows} AS {s} LEFT JOIN {load.target} AS {t} ON {same}"
    )
    wanted = ", ".join(ident(name) for name in (change, *load.names, *old))
    sql = f"SELECT {wanted} FROM ({query}) AS m ORDER BY {ident(rank)} LIMIT {load.shown}"
    return Show("rows, and what they change", sql, load.names)


def _differs(load: Load, t: str, s: str) -> str:
    parts: Sequence[str] = [load.differs(load.compare, t, s)] if load.compare else []
    if load.apply.deletes == "soft":
        parts = [*parts, marked(load, t)]
    return load.any_of(parts)


def _gone(load: Load) -> Show:
    t, s = load.aliases("t", "s")
    there = "1 = 1"
    if load.apply.mode == "scd2":
        there = qualified(IS_CURRENT, t)
    elif load.apply.deletes == "soft":
        there = f"NOT ({marked(load, t)})"
    missing = f"NOT EXISTS (SELECT 1 FROM {load.rows} AS {s} WHERE {load.equal(load.keys, t, s)}){still_there(load, t)}"
    sql = f"SELECT {idents(load.names, t)} FROM {load.target} AS {t} WHERE {there} AND {missing} LIMIT {load.shown}"
    return Show("rows that would go", sql, load.names, _GONE)
