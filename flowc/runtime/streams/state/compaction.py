"""Makes few segments of many, in the background: an epoch only adds some, and never waits for this.

What is put in place of neighbours says the same as they do, and only where each of them is still there, told by all
that it was made of. So it is harmless at any moment, also when it is done by a worker that another one has overtaken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from queue import SimpleQueue

from flowc.errors import FlowcError, TransientError
from flowc.runtime.connector import Database
from flowc.runtime.streams.keyed.segments import joined, readable
from flowc.runtime.streams.state.contract import Segment
from flowc.runtime.streams.state.encoding import encoded
from flowc.runtime.streams.state.segmentrows import Place, read_places, write_segments
from flowc.stream import StateSql

FEW = 8
"""How many segments of one group are left as they are."""
_TOGETHER = 4 << 20
"""Bytes that one transaction takes, about: others wait for it where a database has one writer."""
_PATIENCE = 2.0
"""Seconds in which what has begun is finished at the end of a run."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of neighbours: how many segments and bytes there are less, and how many bytes these had."""

    node: str
    group: int
    segments: int
    bytes: int


def due(sizes: Sequence[int]) -> int:
    """From which segment of a group on all are made one; as many as there are where none have to be.

    Older ones are left alone that are more than twice as large as all behind them, so that each byte is written again
    a few times only, and what is stored is never much more than what it says.
    """
    if len(sizes) <= FEW:
        return len(sizes)
    start, total = len(sizes) - 1, sizes[-1]
    while start and (sizes[start - 1] <= 2 * total or start > FEW - 1):
        start -= 1
        total += sizes[start]
    return start


def to_merge(places: Iterable[Place]) -> Iterator[tuple[list[Place], bool]]:
    """The neighbours that are made one, and whether nothing is before them."""
    for _, parts in groupby(places, key=lambda place: (place.node, place.group)):
        found = list(parts)
        start = due([place.size for place in found])
        if len(found) - start > 1:
            yield found[start:], start == 0


def compacted(database: Database, sql: StateSql, stream: str, stop: Callable[[], bool] = lambda: False) -> list[Merged]:
    """Makes one of all neighbours that have become many; what it did."""
    database.open()
    done: list[Merged] = []
    waiting: list[tuple[list[Place], Segment | None]] = []
    for places, whole in to_merge(read_places(database, sql)):
        if stop():
            break
        made = _made(database, sql, places, whole=whole)
        if made is not None:
            waiting.append((places, made))
        if sum(len(each.data) for _, each in waiting if each is not None) > _TOGETHER:
            done += _replaced(database, sql, stream, waiting)
            waiting = []
    return done + _replaced(database, sql, stream, waiting)


def _made(database: Database, sql: StateSql, places: Sequence[Place], *, whole: bool) -> Segment | None:
    """Neighbours as one segment; None where they are no more, or nobody but their node can read them."""
    first, last = places[0], places[-1]
    query = sql.templates["neighbours"].format(
        node=encoded(first.node), group=first.group, first=first.first, last=last.last
    )
    rows = database.query(query).to_pylist()
    found = [(int(row["first_sequence"]), int(row["sequence"])) for row in rows]
    parts = [bytes(row["data"]) for row in rows]
    if found != [(place.first, place.last) for place in places] or not all(map(readable, parts)):
        return None
    data = joined(parts, first.node, whole=whole).data()
    count = sum(place.rows for place in places)
    return Segment(last.node, last.fingerprint, last.group, last.last, data, count)


def _replaced(
    database: Database, sql: StateSql, stream: str, waiting: Sequence[tuple[list[Place], Segment | None]]
) -> list[Merged]:
    """Puts segments in place of those that they were made of; nothing where one of these is not there any more."""
    if not waiting:
        return []
    database.begin()
    try:
        for places, _ in waiting:
            if database.execute(_taking(sql, places)) != len(places):
                database.rollback()
                return []
        made = [(each, places[0].first) for places, each in waiting if each is not None]
        write_segments(database, sql, stream, made)
        database.commit()
    except FlowcError:
        database.rollback()
        raise
    return [
        Merged(each.node, each.group, len(places) - 1, sum(place.size for place in places) - len(each.data))
        for places, each in waiting
        if each is not None
    ]


def _taking(sql: StateSql, places: Sequence[Place]) -> str:
    pairs = " OR ".join(sql.templates["pair"].format(first=place.first, last=place.last) for place in places)
    return sql.templates["merge"].format(node=encoded(places[0].node), group=places[0].group, pairs=pairs)


@dataclass
class Compactor:
    """Does so in a thread, through a session of its own, when it is told that there are many."""

    sql: StateSql
    stream: str
    opened: Callable[[], AbstractContextManager[Database]]
    done: SimpleQueue[Merged] = field(default_factory=SimpleQueue, init=False)
    """What was merged since somebody looked."""
    _failure: FlowcError | None = field(default=None, init=False)
    _asked: threading.Event = field(default_factory=threading.Event, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _hurry: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def ask(self) -> None:
        """There are many segments.

        Raises FlowcError: what failed before, and would fail again.
        """
        if self._failure is not None:
            raise self._failure
        self._asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"flowc-merge-{self.stream}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends it, when what it has begun is done or has taken too long. May be called twice."""
        if self._thread is not None:
            self._stopping.set()
            self._asked.set()
            self._thread.join(_PATIENCE)
            self._hurry.set()
            self._thread.join(_PATIENCE)
            self._thread = None

    def _run(self) -> None:
        try:
            with self.opened() as database:
                while True:
                    self._asked.wait()
                    self._asked.clear()
                    self._round(database)
                    if self._stopping.is_set():
                        return
        except FlowcError as error:
            self._failure = error

    def _round(self, database: Database) -> None:
        try:
            for merged in compacted(database, self.sql, self.stream, self._hurry.is_set):
                self.done.put(merged)
        except TransientError:
            database.close()  # the next time it is asked, it connects and tries again
