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
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.state import Segment
from flowc.runtime.streams.keyed.segments import joined, readable
from flowc.runtime.streams.state.encoding import decoded, encoded
from flowc.runtime.streams.state.segmentrows import Place, read_places, write_segments
from flowc.stream import StateSql

FEW = 8
"""How many segments of one group are left as they are."""
_TOGETHER = 1 << 20
"""Bytes that one transaction takes, about: others wait for it where a database has one writer."""
_NEIGHBOURS = 600
"""Segments that one transaction replaces: they all stand in its statements."""
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


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbours that are made one; `whole` where nothing is before them."""

    places: Sequence[Place]
    whole: bool

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(place.size for place in self.places)


def to_merge(places: Iterable[Place]) -> Iterator[list[Run]]:
    """What is to be merged, as much together as one transaction takes."""
    together: list[Run] = []
    for _, parts in groupby(places, key=lambda place: (place.node, place.group)):
        found = list(parts)
        start = due([place.size for place in found])
        run = Run(found[start : start + _NEIGHBOURS], start == 0)
        if len(run.places) < 2:
            continue
        if sum(len(each.places) for each in together) + len(run.places) > _NEIGHBOURS or (
            sum(each.size for each in together) + run.size > _TOGETHER and together
        ):
            yield together
            together = []
        together.append(run)
    if together:
        yield together


def compacted(database: Database, sql: StateSql, stream: str, stop: Callable[[], bool] = lambda: False) -> list[Merged]:
    """Makes one of all neighbours that have become many; what it did."""
    database.open()
    done: list[Merged] = []
    for runs in to_merge(read_places(database, sql)):
        if stop():
            break
        made = list(_made(database, sql, runs))
        if made and _replace(database, sql, stream, made):
            done += [
                Merged(each.node, each.group, len(run.places) - 1, run.size - len(each.data)) for run, each in made
            ]
    return done


def _made(database: Database, sql: StateSql, runs: Sequence[Run]) -> Iterator[tuple[Run, Segment]]:
    """Each run as one segment, but for those that are no more, and those that nobody but their node can read."""
    parts: dict[tuple[str, int], list[tuple[int, int, bytes]]] = {}
    for row in database.query(sql.templates["neighbours"].format(which=_which(sql, runs))).to_pylist():
        at = decoded(row["node"]), int(row["group_number"])
        parts.setdefault(at, []).append((int(row["first_sequence"]), int(row["sequence"]), bytes(row["data"])))
    for run in runs:
        first, last = run.places[0], run.places[-1]
        found = parts.get((last.node, last.group), [])
        same = [(place.first, place.last) for place in run.places] == [part[:2] for part in found]
        alike = len({place.fingerprint for place in run.places}) == 1
        if same and alike and all(readable(data) for *_, data in found):
            data = joined([data for *_, data in found], last.node, whole=run.whole).data()
            rows = sum(place.rows for place in run.places)
            yield run, Segment(last.node, first.fingerprint, last.group, sequence=last.last, data=data, rows=rows)


def _replace(database: Database, sql: StateSql, stream: str, made: Sequence[tuple[Run, Segment]]) -> bool:
    """Puts segments in place of those that they were made of; nothing where one of these is not there any more."""
    which = _which(sql, [run for run, _ in made])
    database.begin()
    try:
        if database.execute(sql.templates["merge"].format(which=which)) != sum(len(run.places) for run, _ in made):
            database.rollback()
            return False
        write_segments(database, sql, stream, ((each, run.places[0].first) for run, each in made))
        database.commit()
    except FlowcError:
        database.rollback()
        raise
    return True


def _which(sql: StateSql, runs: Iterable[Run]) -> str:
    """The condition that chooses these segments, each by all that it was made of."""
    return " OR ".join(
        sql.templates["of group"].format(
            node=encoded(run.places[0].node), group=run.places[0].group,
            pairs=" OR ".join(sql.templates["pair"].format(first=at.first, last=at.last) for at in run.places),
        )
        for run in runs
    )  # fmt: skip


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
