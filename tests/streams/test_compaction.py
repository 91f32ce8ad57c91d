"""Merging segments on every database: wherever it is cut off, and whoever goes on meanwhile, state reads the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest

from flowc.errors import EngineError, TransientError
from flowc.runtime.contracts.database import Database
from flowc.runtime.contracts.epoch import Intent, Range
from flowc.runtime.contracts.state import Checkpoint, Segment
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.streams.keyed.table import Table
from flowc.runtime.streams.state import compaction
from flowc.runtime.streams.state.compaction import FEW, Compactor, compacted
from flowc.runtime.streams.state.segmentrows import read_places
from flowc.runtime.streams.state.store import DatabaseStore
from tests.stores import KINDS
from tests.streams.test_state_store import Open, made, opened

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("made", 2)]

__all__ = ["made", "opened"]
DATABASES = pytest.mark.parametrize("made", KINDS, indirect=True)


class Killed(Exception):
    """The process ended here."""


@dataclass
class Cut:
    """A session that ends before the statement of some number; nothing is closed in an orderly way."""

    inner: Database
    left: int

    def __getattr__(self, name: str) -> object:
        found = getattr(self.inner, name)
        return self._counted(found) if name in ("begin", "execute", "query", "ingest", "commit") else found

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*given: object, **named: object) -> object:
            if not self.left:
                raise Killed
            self.left -= 1
            return call(*given, **named)

        return counted


def _filled(store: DatabaseStore, first: int = 1, last: int = 2 * FEW) -> Table:
    """A store with as many checkpoints of rows that come and go, in two groups; the table that wrote them."""
    kept = store.open().checkpoint
    table = Table("a 'node'", "f {x}").restored(kept.segments)
    for number in range(first, last + 1):
        hi = np.array([number, 1 << 60], np.uint64)
        table.insert(hi, hi, np.array([number, 100 + number]))
        if number % 3 == 0:
            _, found = table.find(np.array([number - 2], np.uint64), np.array([number - 2], np.uint64))
            table.remove(found)
        table.forget(number - 8)
        segments = tuple(replace(each, sequence=number) for each in table.snapshot())
        store.save(Checkpoint(number, segments=segments, fingerprints={"a 'node'": "f {x}"}))
    return table


def _rows(segments: tuple[Segment, ...]) -> list[tuple[int, int, int]]:
    due, _ = Table("a 'node'", "f {x}").restored(segments).take_due(10**6)
    return list(zip(due.hi.tolist(), due.at.tolist(), due.row.tolist(), strict=True))


def _untouched(opened: Open) -> DatabaseStore:
    """A store that merges nothing by itself."""
    store = opened()

    class Never(Compactor):
        def ask(self) -> None:
            """Nobody is to be asked."""

    store.compactor = Never(store.sql, store.stream, _never)
    return store


@contextmanager
def _never() -> Iterator[Database]:
    raise AssertionError
    yield


@DATABASES
def test_a_merging_that_is_cut_off_between_any_two_statements_changes_nothing_that_is_read(opened: Open) -> None:
    first = _untouched(opened)
    _filled(first)
    wanted, cut = _rows(first.open().checkpoint.segments), 0
    assert len(wanted) > 20
    first.close()
    while True:
        store = _untouched(opened)
        session = Cut(store.database, cut)
        try:
            compacted(session, store.sql, store.stream)  # type: ignore[arg-type]
            break
        except Killed:
            store.close()
        again = _untouched(opened)
        assert _rows(again.open().checkpoint.segments) == wanted, f"cut off before statement {cut}"
        again.close()
        cut += 1
    assert cut >= 6
    assert _rows(store.open().checkpoint.segments) == wanted
    places = read_places(store.database, store.sql)
    assert len(places) == 2
    assert sum(place.rows for place in places) == len(wanted)
    assert not compacted(store.database, store.sql, store.stream)


@pytest.mark.covering
@DATABASES
@pytest.mark.parametrize("meanwhile", ["merged", "merged in part", "dropped", "dropped and written anew", "added"])
def test_what_was_read_before_others_went_on_replaces_nothing_of_theirs(
    opened: Open, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """A worker that was overtaken has read segments, and comes to write what it made of them."""
    store, zombie = _untouched(opened), _untouched(opened)
    table = _filled(store)
    zombie.open()
    wanted = list[tuple[int, int, int]]()
    replaced = compaction._replace

    def late(*given: object) -> object:
        monkeypatch.setattr(compaction, "_replace", replaced)
        if meanwhile == "merged in part":
            monkeypatch.setattr(compaction, "due", lambda sizes: len(sizes) // 2)
        if meanwhile.startswith("merged"):
            assert compacted(store.database, store.sql, store.stream)
        if meanwhile.startswith("dropped"):
            store.save(Checkpoint(100, dropped=frozenset({"a 'node'"})))
        if meanwhile == "dropped and written anew":
            other = Table("a 'node'", "f {x}")
            hi = np.array([3, 1 << 60], np.uint64)
            other.insert(hi, hi, np.array([3, 4]))
            segments = tuple(replace(each, sequence=101) for each in other.snapshot())
            store.save(Checkpoint(101, segments=segments))
        if meanwhile == "added":
            hi = np.array([77], np.uint64)
            table.insert(hi, hi, np.array([500]))
            store.save(Checkpoint(100, segments=tuple(replace(each, sequence=100) for each in table.snapshot())))
        wanted.extend(_rows(store.read().checkpoint.segments))
        return replaced(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "_replace", late)
    done = compacted(zombie.database, zombie.sql, zombie.stream)
    assert bool(done) == (meanwhile == "added")
    assert _rows(store.open().checkpoint.segments) == wanted


@DATABASES
def test_a_worker_that_runs_has_few_segments_and_its_epochs_wait_for_none(opened: Open) -> None:
    """The thread and the worker write at the same time, each through a session of its own."""
    store = opened()

    @contextmanager
    def own() -> Iterator[Database]:
        yield opened().database

    store.compactor = Compactor(store.sql, store.stream, own)
    store.open()
    table, counts, number = Table("n", "f"), list[int](), 0
    while number < 120:
        number += 1
        hi = np.arange(number * 100, number * 100 + 100, dtype=np.uint64) << np.uint64(50)
        table.insert(hi, hi, np.full(100, number))
        table.forget(number - 30)
        store.intend(Intent(number, 0, (Range.numbered("s", 0, number, number + 1),)))
        segments = tuple(replace(each, sequence=number) for each in table.snapshot())
        store.save(Checkpoint(number, segments=segments, fingerprints={"n": "f"}))
        counts.append(_most(store))
    store.close()
    again = opened()
    found = again.open().checkpoint
    assert again.saved is not None
    assert again.saved.nodes["n"].rows == len(table)
    due, _ = table.take_due(10**6)
    assert _rows(found.segments) == list(zip(due.hi.tolist(), due.at.tolist(), due.row.tolist(), strict=True))
    assert _most(again) <= FEW
    assert min(counts[60:]) <= FEW + 1


@pytest.mark.covering
@DATABASES
@pytest.mark.parametrize(("neighbours", "together"), [(3, 1 << 20), (600, 1), (5, 200)])
def test_much_is_merged_in_several_transactions(
    opened: Open, monkeypatch: pytest.MonkeyPatch, neighbours: int, together: int
) -> None:
    monkeypatch.setattr(compaction, "_NEIGHBOURS", neighbours)
    monkeypatch.setattr(compaction, "_TOGETHER", together)
    store = _untouched(opened)
    _filled(store, last=24)
    wanted, before = _rows(store.open().checkpoint.segments), len(read_places(store.database, store.sql))
    while compacted(store.database, store.sql, store.stream):
        assert _rows(store.read().checkpoint.segments) == wanted
    after = read_places(store.database, store.sql)
    assert len(after) <= 2 * FEW < before
    assert sum(place.rows for place in after) == len(wanted)


@DATABASES
def test_segments_of_two_that_wrote_under_one_name_stay_apart(opened: Open) -> None:
    store = _untouched(opened)
    _filled(store)
    data = store.open().checkpoint.segments[0].data
    store.save(Checkpoint(100, segments=(Segment("a 'node'", "another", 0, 100, data),)))
    compacted(store.database, store.sql, store.stream)
    assert {each.fingerprint for each in store.open().checkpoint.segments} == {"f {x}", "another"}


def _most(store: DatabaseStore) -> int:
    return max(state.segments for state in store._tally.groups.values())


@DATABASES
def test_what_is_reckoned_along_is_what_is_there(opened: Open) -> None:
    store = opened()
    _filled(store)
    store.save(Checkpoint(100, segments=(Segment("w", "g", 3, 100, b"12345", 7, whole=True),)))
    store.save(Checkpoint(101, segments=(Segment("w", "g", 3, 101, b"123", 5, whole=True),)))
    store.save(Checkpoint(102, segments=(Segment("gone", "g", 3, 102, b"123", 5),)))
    store.save(Checkpoint(103, segments=(Segment("w", "g", 4, 103, b"12", 1),), dropped=frozenset({"gone"})))
    assert store.saved is not None
    told = {name: replace(node, last_bytes=0) for name, node in store.saved.nodes.items()}
    assert told == opened().sizes()
    assert (told["w"].rows, told["w"].bytes, store.saved.nodes["w"].last_bytes) == (6, 5, 2)


@DATABASES
def test_what_fails_for_good_stops_the_stream_and_what_passes_does_not(opened: Open) -> None:
    store, errors = opened(), [TransientError("busy", code="write-conflict"), EngineError("no", code="query-refused")]

    @contextmanager
    def own() -> Iterator[Database]:
        session = opened().database

        def query(sql: str) -> object:
            raise errors.pop(0)

        session.query = query  # type: ignore[method-assign, assignment]
        yield session

    store.compactor = Compactor(store.sql, store.stream, own)
    store.compactor.ask()
    while len(errors) > 1:
        time.sleep(0.01)
    store.compactor.ask()
    while errors or store.compactor._failure is None:
        time.sleep(0.01)
    with pytest.raises(EngineError, match="no"):
        _filled(store)


@DATABASES
def test_a_fenced_worker_keeps_no_segment(opened: Open) -> None:
    zombie, other = opened(), opened()
    zombie.open()
    _filled(other, last=4)
    wanted = other.open().checkpoint.segments
    with pytest.raises(Fenced):
        zombie.save(
            Checkpoint(1, segments=(Segment("a 'node'", "f {x}", 0, 1, b"1"),), dropped=frozenset({"a 'node'"}))
        )
    assert other.open().checkpoint.segments == wanted
