"""Keys that a full source loses and has again, and versions that expire: the histories that are meant, spelled out."""

from __future__ import annotations

from typing import Any

import pytest

from flowc.loadplan import Counter
from tests.model import histories as h
from tests.model.engines import Engine
from tests.model.loads import load, state
from tests.model.model import History
from tests.model.test_model_scd2 import applied

pytestmark = pytest.mark.turns("engine", 2)


def row(at: int, content: str, key: int = 1) -> dict[str, Any]:
    return {"k1": key, "K 2": "x", "a": content, "b": 0, "note": "n", "at": at}


def versions(engine: Engine, key: int = 1) -> list[tuple]:
    """Start, end and content of each version of a key; an end None is current."""
    found = [r for r in engine.query("SELECT * FROM tgt") if r["k1"] == key]
    assert all(r["is_current"] == (r["valid_to"] is None) for r in found)
    held = ((r["valid_from"], r["valid_to"], r["a"]) for r in found)
    return sorted(held, key=lambda v: (v[0], v[1] is None, v[1]))


def meant(*found: tuple[int, int | None, str]) -> list[tuple]:
    return [(h.written(start), h.written(end), content) for start, end, content in found]


def runs(engine: Engine, how: History, *loads: tuple[int, list[dict]]) -> dict[Counter, int]:
    """Loads in order, of which the last is repeated and must change nothing. Its counts."""
    apply, counts, whole = applied(engine, how), {}, []
    for now, rows in loads:
        whole = [*rows, row(9, "other", key=99)]
        counts = load(engine, apply, whole, now)
    before = state(engine)
    again = load(engine, apply, whole, loads[-1][0])
    assert (again[Counter.INSERTED], again[Counter.UPDATED], again[Counter.DELETED]) == (0, 0, 0)
    assert again[Counter.UNCHANGED] == len(whole)
    assert state(engine) == before
    return counts


CLOSE = {"deletes": "close", "allow_empty": True}
BACK = (
    (row(1, "a"), [(1, 5, "a"), (5, None, "a")]),
    (row(2, "a"), [(1, 5, "a"), (5, None, "a")]),
    (row(3, "b"), [(1, 3, "a"), (3, 5, "b"), (5, None, "b")]),
    (row(0, "b"), [(0, 1, "b"), (1, 5, "a"), (5, None, "b")]),
    (row(1, "b"), [(1, 5, "b"), (5, None, "b")]),
    (row(5, "a"), [(1, 5, "a"), (5, None, "a")]),
    (row(7, "b"), [(1, 5, "a"), (7, None, "b")]),
)
"""A key that held `a` since 1 and was gone at 5: the row with which it is back at 8, and its versions then."""


def test_a_key_that_is_back_opens_again(engine: Engine) -> None:
    """At the later of its event time and the end of what the delete closed; what it says of the time before is kept."""
    engine.reset()
    how = History(h.KEYS, h.COMPARE, "at", **CLOSE)
    first = [row(1, "a", key) for key in range(len(BACK))] + [row(7, "a", 50)]
    back = [{**found, "k1": key} for key, (found, _) in enumerate(BACK)] + [row(7, "a", 50)]
    runs(engine, how, (2, first), (5, []))
    assert versions(engine, 50) == meant((7, 7, "a"))
    counts = runs(engine, how, (8, back))
    assert counts[Counter.UNCHANGED] == 1  # the other key's
    runs(engine, how, (9, back))
    for key, (_, expected) in enumerate(BACK):
        assert versions(engine, key) == meant(*expected)
    assert versions(engine, 50) == meant((7, None, "a"))  # what had not begun is opened itself


def test_what_is_dated_before_the_return_is_history_as_before_any_current_version(engine: Engine) -> None:
    """The current row stays current, as for a key that never went; a row from the return on opens the next version."""
    engine.reset()
    how = History(h.KEYS, h.COMPARE, "at", **CLOSE)
    runs(engine, how, (2, [row(1, "a"), row(5, "a", 2)]), (5, [row(5, "a", 2)]), (8, [row(1, "a"), row(5, "a", 2)]))
    assert versions(engine) == meant((1, 5, "a"), (5, None, "a"))
    runs(engine, how, (9, [row(3, "b"), row(3, "b", 2)]))
    assert versions(engine) == meant((1, 3, "a"), (3, 5, "b"), (5, None, "a"))
    assert versions(engine, 2) == meant((3, 5, "b"), (5, None, "a"))
    runs(engine, how, (12, [row(10, "b"), row(10, "b", 2)]))
    assert versions(engine) == meant((1, 3, "a"), (3, 5, "b"), (5, 10, "a"), (10, None, "b"))
    assert versions(engine, 2) == meant((3, 5, "b"), (5, 10, "a"), (10, None, "b"))


def test_without_event_times_a_key_opens_again_when_it_is_seen(engine: Engine) -> None:
    engine.reset()
    how = History(h.KEYS, h.COMPARE, None, **CLOSE)
    runs(engine, how, (2, [row(1, "a")]), (5, []), (7, [row(1, "a")]), (9, []), (9, [row(1, "b")]))
    assert versions(engine) == meant((2, 5, "a"), (7, 9, "a"), (9, None, "b"))


def test_a_version_that_a_row_corrects_and_opens_is_updated_once(engine: Engine) -> None:
    engine.reset()
    how = History(h.KEYS, h.COMPARE, None, **CLOSE)
    counts = runs(engine, how, (2, [row(1, "a")]), (2, []), (2, [row(1, "b")]))
    assert versions(engine) == meant((2, None, "b"))
    assert (counts[Counter.INSERTED], counts[Counter.UPDATED]) == (0, 1)


def test_what_expired_stays_closed_without_event_times(engine: Engine) -> None:
    engine.reset()
    how = History(h.KEYS, h.COMPARE, None, ttl=3)
    runs(engine, how, *((now, [row(1, "a"), row(1, "a" if now < 9 else "b", 2)]) for now in (1, 2, 5, 6, 9)))
    assert versions(engine) == meant((1, 4, "a"))
    assert versions(engine, 2) == meant((1, 4, "a"), (9, None, "b"))


def test_what_expired_opens_again_with_an_event_time_past_its_end(engine: Engine) -> None:
    engine.reset()
    how = History(h.KEYS, h.COMPARE, "at", ttl=3)
    runs(engine, how, *((now, [row(at, "a")]) for now, at in ((1, 1), (5, 1), (6, 3), (7, 4))))
    assert versions(engine) == meant((1, 4, "a"), (4, 7, "a"))


def test_a_key_that_is_back_expires_too_and_then_stays_closed(engine: Engine) -> None:
    engine.reset()
    how = History(h.KEYS, h.COMPARE, "at", ttl=6, **CLOSE)
    runs(engine, how, (2, [row(1, "a")]), (4, []), (5, [row(1, "a")]))
    assert versions(engine) == meant((1, 4, "a"), (4, None, "a"))
    runs(engine, how, (12, []), (13, [row(1, "a")]))
    assert versions(engine) == meant((1, 4, "a"), (4, 10, "a"))


SOFT = (
    ([(1, "a")], (0, 1, 0), [(1, None, "a")]),
    ([(1, "b")], (0, 1, 0), [(1, None, "b")]),
    ([(0, "b")], (1, 1, 0), [(0, 1, "b"), (1, None, "a")]),
    ([(3, "b")], (1, 1, 0), [(1, 3, "a"), (3, None, "b")]),
    ([(3, "a")], (0, 1, 0), [(1, None, "a")]),
    ([(1, "b"), (3, "b")], (0, 1, 1), [(1, None, "b")]),
    ([(0, "b"), (1, "a")], (1, 1, 0), [(0, 1, "b"), (1, None, "a")]),
    ([(0, "a")], (0, 1, 0), [(0, None, "a")]),
)
"""A key that held `a` since 1 and was marked at 5: its rows at 8, how many of versions and rows they insert, update and
leave, and its versions then. The last row of a key is what takes its mark, where none corrects what has it."""


def test_a_marked_key_that_is_back_is_updated_and_not_unchanged_too(engine: Engine) -> None:
    engine.reset()
    apply = applied(engine, History(h.KEYS, h.COMPARE, "at", deletes="soft"))
    other = row(1, "a", 50)
    load(engine, apply, [*(row(1, "a", key) for key in range(len(SOFT))), other], 2)
    load(engine, apply, [other], 5)
    back = [row(*each, key) for key, (came, _, _) in enumerate(SOFT) for each in came]
    counts = load(engine, apply, [*back, other], 8)
    inserted, updated, left = map(sum, zip(*(expected for _, expected, _ in SOFT), strict=True))
    assert (counts[Counter.INSERTED], counts[Counter.UPDATED], counts[Counter.DELETED]) == (inserted, updated, 0)
    assert (counts[Counter.READ], counts[Counter.UNCHANGED]) == (len(back) + 1, left + 1)
    for key, (_, _, expected) in enumerate(SOFT):
        assert versions(engine, key) == meant(*expected)
    assert {r["deleted_at"] for r in engine.query("SELECT * FROM tgt") if r["is_current"]} == {None}


def test_without_event_times_a_marked_key_that_is_back_is_updated(engine: Engine) -> None:
    engine.reset()
    apply = applied(engine, History(h.KEYS, h.COMPARE, None, deletes="soft", allow_empty=True))
    for now, rows in ((2, [1, 2, 3]), (5, [3])):
        load(engine, apply, [row(1, "a", key) for key in rows], now)
    counts = load(engine, apply, [row(1, "b" if key == 2 else "a", key) for key in (1, 2, 3)], 8)
    assert (counts[Counter.READ], counts[Counter.UNCHANGED]) == (3, 1)
    assert (counts[Counter.INSERTED], counts[Counter.UPDATED]) == (1, 2)
