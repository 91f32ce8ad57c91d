"""What loads mean, in plain Python: written from the semantics, row by row, without a thought for SQL.

Rows are dicts. Every load returns its counters and changes the table it is given in place.
"""

from __future__ import annotations

from collections import Counter as Bag
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowc.loadplan import Counter

Row = dict[str, Any]


class Refused(Exception):
    """The load stops with this code and changes nothing."""


def counted(**counts: int) -> dict[Counter, int]:
    return {c: counts.get(c.value, 0) for c in Counter}


def differ(left: Row, right: Row, names: Sequence[str]) -> bool:
    return any(left[n] != right[n] for n in names)


def key_of(row: Row, keys: Sequence[str]) -> tuple:
    return tuple(row[k] for k in keys)


def first_of_each(rows: Sequence[Row], by: Sequence[str], order: str | None, keys: Sequence[str]) -> list[Row]:
    """`dedupe`: of the rows that agree in `by`, the one with the greatest `order`, then the least in all columns."""
    if order is None:
        return list(rows)

    def rank(row: Row) -> tuple:
        given = (row[order] is None, -(row[order] or 0))
        return (given, *((row[n] is None, row[n] if row[n] is not None else 0) for n in row if n not in keys))

    best: dict[tuple, Row] = {}
    for row in sorted(rows, key=rank):
        best.setdefault(key_of(row, by), row)
    return list(best.values())


def no_null_keys(rows: Sequence[Row], keys: Sequence[str]) -> None:
    if any(row[k] is None for row in rows for k in keys):
        raise Refused("null-key")


# append, incremental


def append(table: list[Row], rows: Sequence[Row], keys: Sequence[str], cursor: str) -> dict[Counter, int]:
    """Rows at or past the watermark come in again; those that are there already are dropped."""
    if keys:
        no_null_keys(rows, keys)
        if len({key_of(r, keys) for r in rows}) < len(rows):
            raise Refused("duplicate-keys")
        held = {(*key_of(r, keys), r[cursor]) for r in table}
        new = [r for r in rows if (*key_of(r, keys), r[cursor]) not in held]
    else:
        copies = Bag(tuple(sorted(r.items())) for r in table)
        new = []
        for row in rows:
            if copies[tuple(sorted(row.items()))] > 0:
                copies[tuple(sorted(row.items()))] -= 1
            else:
                new.append(row)
    table.extend(new)
    return counted(read=len(rows), inserted=len(new), unchanged=len(rows) - len(new))


# merge


@dataclass(frozen=True)
class Merge:
    """How a merge is set up; `soft` is the column that marks deleted rows."""

    keys: Sequence[str]
    compare: Sequence[str]
    deletes: str = "ignore"
    soft: str = "deleted_at"
    order: str | None = None
    allow_empty: bool = False


def merge(
    table: dict[tuple, Row], rows: Sequence[Row], how: Merge, now: str, there: Collection[tuple] = ()
) -> dict[Counter, int]:
    """`there` are keys that the source has beside those of the rows."""
    read, rows = len(rows), first_of_each(rows, how.keys, how.order, how.keys)
    no_null_keys(rows, how.keys)
    incoming = {key_of(r, how.keys): r for r in rows}
    if len(incoming) < len(rows):
        raise Refused("duplicate-keys")
    deleted = _merge_deletes(table, incoming, how, now, there)
    inserted = updated = 0
    for key, row in incoming.items():
        if key not in table:
            table[key] = dict(row) | ({how.soft: None} if how.deletes == "soft" else {})
            inserted += 1
        elif differ(table[key], row, how.compare) or (how.deletes == "soft" and table[key][how.soft] is not None):
            table[key].update(row)
            if how.deletes == "soft":
                table[key][how.soft] = None
            updated += 1
    same = len(incoming) - inserted - updated
    return counted(read=read, inserted=inserted, updated=updated, deleted=deleted, unchanged=same)


def _merge_deletes(
    table: dict[tuple, Row], incoming: dict[tuple, Row], how: Merge, now: str, there: Collection[tuple]
) -> int:
    if how.deletes == "ignore":
        return 0
    gone = [
        k
        for k in table
        if k not in incoming and k not in there and (how.deletes == "hard" or table[k][how.soft] is None)
    ]
    if gone and not incoming and not how.allow_empty:
        raise Refused("empty-source")
    for key in gone:
        if how.deletes == "hard":
            del table[key]
        else:
            table[key][how.soft] = now
    return len(gone)


# scd2


@dataclass
class Version:
    """`start` up to `end`; `end` None is current."""

    start: int
    end: int | None
    row: Row
    mark: int | None = None

    def facts(self) -> tuple:
        return self.start, self.end, tuple(sorted(self.row.items(), key=repr)), self.mark


@dataclass(frozen=True)
class History:
    """How an scd2 load is set up. `time` None: the time of the load."""

    keys: Sequence[str]
    compare: Sequence[str]
    time: str | None
    ttl: int | None = None
    deletes: str = "ignore"
    order: str | None = None
    allow_empty: bool = False


Table = dict[tuple, list[Version]]


def scd2(
    table: Table, rows: Sequence[Row], how: History, now: int, there: Collection[tuple] = ()
) -> dict[Counter, int]:
    """`there` are keys that the source has beside those of the rows."""
    read, batches = len(rows), _batches(rows, how, now)
    if how.time is None:
        _none_later(table, batches, how, now)
    before = {key: {id(v): v.facts() for v in versions} for key, versions in table.items()}
    result = _Result()
    for key, points in batches.items():
        versions = table.setdefault(key, [])
        changed = _one_key(versions, points, how, now)
        if how.deletes == "close":
            changed |= _return(versions, points, how, now)
        result.counted |= {(key, moment) for moment in changed}
    for key, versions in table.items():
        if key in batches:
            for version in versions:
                if version.end is None and version.mark is not None:
                    version.mark = None
                    if (key, version.start) not in result.counted:  # else its correction has taken the mark
                        result.counted.add((key, max(batches[key])))
        elif how.ttl is not None:
            for version in versions:
                expiry = version.start + how.ttl
                if expiry <= now and (version.end is None or version.end > expiry):
                    version.end = expiry
    old = {i for facts in before.values() for i in facts}
    after = [v for versions in table.values() for v in versions]
    inserted = sum(id(v) not in old for v in after)
    facts = {i: f for held in before.values() for i, f in held.items()}
    updated = sum(id(v) in old and facts[id(v)] != v.facts() for v in after)
    deleted = _scd2_deletes(table, {*batches, *there}, how, now)
    unchanged = sum(map(len, batches.values())) - len(result.counted)
    return counted(read=read, inserted=inserted, updated=updated, deleted=deleted, unchanged=unchanged)


def _none_later(table: Table, batches: dict[tuple, Any], how: History, now: int) -> None:
    """A load at its own time, by a clock that was set back, changes nothing that is later."""
    for key, versions in table.items():
        for version in versions:
            gone = how.deletes == "close" and version.end is None
            ends = version.end is not None and (how.ttl is None or version.end != version.start + how.ttl)
            if version.start > now and (key in batches or gone):
                raise Refused("later-version")
            if key in batches and ends and version.end > now:
                raise Refused("later-version")


@dataclass
class _Result:
    """The rows, by key and time, that changed something."""

    counted: set[tuple] = field(default_factory=set)


def _batches(rows: Sequence[Row], how: History, now: int) -> dict[tuple, dict[int, Row]]:
    """The rows of each key by time; copies count once."""
    by = (*how.keys, how.time) if how.time else how.keys
    rows = first_of_each(rows, by, how.order, how.keys)
    no_null_keys(rows, how.keys)
    if how.time and any(r[how.time] is None for r in rows):
        raise Refused("null-event-time")
    batches: dict[tuple, dict[int, Row]] = {}
    for row in rows:
        points = batches.setdefault(key_of(row, how.keys), {})
        moment = row[how.time] if how.time else now
        if points.setdefault(moment, row) != row:
            raise Refused("conflicting-versions" if how.time else "duplicate-keys")
    return batches


def _one_key(versions: list[Version], points: dict[int, Row], how: History, now: int) -> set[int]:
    """Puts the rows where they belong; the times of those that changed something."""
    versions.sort(key=lambda v: v.start)
    written: set[int] = set()
    closed = {id(v): _closed(v, versions[i + 1 :], how.ttl) for i, v in enumerate(versions)}
    expired = {id(v) for v in versions if how.ttl is not None and v.end == v.start + how.ttl}
    for version in versions:
        row = points.get(version.start)
        if row is not None and differ(version.row, row, how.compare):
            version.row = dict(row)
            written.add(version.start)
    starts = {v.start for v in versions}
    places = _places(versions, closed)
    new: list[Version] = []
    for head, begin, stop, following in places:
        inside = [
            Version(t, None, dict(r)) for t, r in sorted(points.items()) if t not in starts and _in(t, begin, stop)
        ]
        chain = _chain(head, inside, how, now)
        if chain and following is not None and stop == following.start and _joins(chain[-1], following, how, now):
            last = chain.pop()
            following.start, following.row = last.start, last.row
            written.add(last.start)
            expired.discard(id(following))
        if head is not None and chain and closed[id(head)] is not None:
            closed[id(chain[-1])] = closed.pop(id(head))
        new += chain
    written |= {v.start for v in new}
    versions += new
    versions.sort(key=lambda v: v.start)
    for version, following in _followed(versions):
        ends = [e for e in (closed.get(id(version)), following.start if following else None) if e is not None]
        if how.ttl is not None and (version.start + how.ttl <= now or id(version) in expired):
            ends.append(version.start + how.ttl)
        version.end = min(ends, default=None)
    return written


def _return(versions: list[Version], points: dict[int, Row], how: History, now: int) -> set[int]:
    """A key that a full source has is there: after a delete it opens again where it was closed, if not later.

    Rows that are later than that have opened a version already. What was closed as it began never held, and is it.
    """
    last = max(versions, key=lambda v: v.start)
    if last.end is None or (how.ttl is not None and last.end == last.start + how.ttl):
        return set()
    moment = max(points)
    opened = last if last.end == last.start else Version(last.end, None, {})
    opened.row = dict(points[moment])
    opened.end = opened.start + how.ttl if how.ttl is not None and opened.start + how.ttl <= now else None
    if opened is not last:
        versions.append(opened)
    return {moment}


def _followed(versions: Sequence[Version]) -> list[tuple[Version, Version | None]]:
    return [(v, versions[i + 1] if i + 1 < len(versions) else None) for i, v in enumerate(versions)]


def _closed(version: Version, later: Sequence[Version], ttl: int | None) -> int | None:
    """Where a version ended without a successor, by a delete; not by its age."""
    by_age = ttl is not None and version.end == version.start + ttl
    by_successor = bool(later) and version.end == later[0].start
    return None if by_age or by_successor else version.end


def _places(versions: Sequence[Version], closed: dict[int, int | None]) -> list[tuple]:
    """The stretches of time: (version or None, begin, stop, the version that follows)."""
    places: list[tuple] = [(None, None, versions[0].start if versions else None, versions[0] if versions else None)]
    for version, following in _followed(versions):
        stop = following.start if following else None
        end = closed[id(version)]
        if end is None:
            places.append((version, version.start, stop, following))
        else:
            places.append((version, version.start, end, None if end != stop else following))
            places.append((None, end, stop, following))
    return places


def _in(moment: int, begin: int | None, stop: int | None) -> bool:
    return (begin is None or moment >= begin) and (stop is None or moment < stop)


def _chain(head: Version | None, inside: Sequence[Version], how: History, now: int) -> list[Version]:
    """The rows of one stretch that are versions: those that differ from the one before, or outlive its age.

    The time of a load is none of the row's own: without event times, what has expired is not there again.
    """
    chain, last = [], head
    for version in inside:
        aged = (
            how.time is not None
            and how.ttl is not None
            and last is not None
            and last.start + how.ttl <= min(now, version.start)
        )
        if last is None or aged or differ(last.row, version.row, how.compare):
            chain.append(version)
            last = version
    return chain


def _joins(last: Version, following: Version, how: History, now: int) -> bool:
    if how.ttl is not None and last.start + how.ttl <= min(now, following.start):
        return False
    return not differ(last.row, following.row, how.compare)


def _scd2_deletes(table: Table, batches: Collection[tuple], how: History, now: int) -> int:
    if how.deletes == "ignore":
        return 0
    gone = [key for key in table if key not in batches]
    if how.deletes == "hard":
        removed = sum(len(table[k]) for k in gone)
        if removed and not batches and not how.allow_empty:
            raise Refused("empty-source")
        for key in gone:
            del table[key]
        return removed
    current = [v for k in gone for v in table[k] if v.end is None and (how.deletes == "close" or v.mark is None)]
    if current and not batches and not how.allow_empty:
        raise Refused("empty-source")
    for version in current:
        if how.deletes == "close":
            version.end = max(now, version.start)
        else:
            version.mark = now
    return len(current)
