"""A load that fails at any of its statements leaves the target, and flowc's own tables, as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import pytest

from flowc.compiler.ir import Apply, Expectation, Incremental, Statement
from flowc.errors import FlowcError
from flowc.loadplan import LoadPlan
from flowc.runtime.contracts.database import Database
from flowc.runtime.loads.load import run_load
from flowc.source import MappedText, SourceFile
from tests.extended import with_extended
from tests.model import histories as h
from tests.model.engines import TARGETS, WAYS, Engine
from tests.model.loads import load, plan, state

pytestmark = pytest.mark.turns("engine", 3)

FIRST = [
    {"k1": 1, "K 2": "x", "a": "1", "b": 0, "note": "n", "at": 1},
    {"k1": 2, "K 2": "x", "a": "2", "b": 0, "note": "n", "at": 2},
]
SECOND = [
    {"k1": 1, "K 2": "x", "a": "changed", "b": 0, "note": "n", "at": 5},
    {"k1": 3, "K 2": "x", "a": "3", "b": 0, "note": "n", "at": 3},
    {"k1": 4, "K 2": "x", "a": "4", "b": None, "note": "n", "at": 4},
]
UNIQUE = Expectation("unique", "unique", ("k1",), None, False, 0, None)
KNOWN = Expectation("known", "not_null", ("b",), None, True, 0, 1.0, quarantine=True)
AFTER = Statement("SELECT 1", MappedText.whole(SourceFile("specs.yaml", "SELECT 1")))
CASES = {
    "append": {"mode": "append", "keys": ()},
    "append incremental": {
        "mode": "append",
        "incremental": Incremental("at", None, 0.0, False),
        "expect": (KNOWN,),
    },
    "truncate": {"mode": "truncate", "keys": (), "compare": None},
    "truncate checked": {"mode": "truncate", "expect": (UNIQUE,)},
    "merge": {"mode": "merge", "deletes": "hard", "dedupe": '"at"', "expect": (UNIQUE, KNOWN)},
    "merge soft": {"mode": "merge", "deletes": "soft", "soft_delete_column": "deleted_at"},
    "scd2": {"mode": "scd2", "event_time": "at", "deletes": "close", "expect": (KNOWN, UNIQUE)},
    "scd2 ttl": {"mode": "scd2", "event_time": "at", "ttl": 86400.0, "deletes": "hard", "after": (AFTER,)},
}


def applied(engine: Engine, case: str) -> Apply:
    """Of a lake, rows that fail a check cannot be kept beside it."""
    options = dict(CASES[case])
    if engine.kind == "delta":
        options["expect"] = tuple(e for e in options.get("expect", ()) if not e.quarantine)
    kept = engine.bad_rows if KNOWN in options.get("expect", ()) else None
    return h.apply_for(engine.kind, str(options.pop("mode")), failed_rows=kept, **options)


class Injected(FlowcError):
    """The failure that a test asked for."""


class Failing:
    """A session that fails at its n-th call of a kind that may fail, having done what was asked or not; 0 is none."""

    CALLS = ("begin", "lock", "attach", "execute", "query", "ingest", "wire_in", "commit")
    ONCE = ("query", "commit")
    """A query leaves nothing behind that could be seen, and a commit that failed is never carried out here."""

    def __init__(self, database: Database, place: int, *, done: bool) -> None:
        self._database, self._place, self._done = database, place, done
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._database, name)
        return partial(self._counted, name, found) if name in self.CALLS else found

    def _counted(self, name: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        self.called.append(name)
        fails = len(self.called) == self._place
        if fails and self._done and name != "commit":
            call(*arguments, **more)
        if fails:
            raise Injected("injected", code="injected")
        return call(*arguments, **more)


def survived(engine: Engine, made: LoadPlan, turn: int) -> list[str]:
    """Fails a load at some of its calls, before or after they are carried out; returns which calls it has."""
    before = state(engine)
    whole = Failing(engine.database, 0, done=False)
    assert run_load(made, whole, engine.sources, commit=False).error is None  # type: ignore[arg-type]
    assert state(engine) == before
    calls = [*whole.called[: len(whole.called) - len(made.cleanup)], "commit"]
    for place, done in (every_failure if h.CAMPAIGN else some_failures)(calls, turn):
        result = run_load(made, Failing(engine.database, place, done=done), engine.sources)  # type: ignore[arg-type]
        assert isinstance(result.error, Injected), result.error
        assert state(engine) == before, f"call {place}: {calls[place - 1]}"
    assert run_load(made, engine.database, engine.sources).error is None
    return calls


def every_failure(calls: Sequence[str], _: int) -> Iterator[tuple[int, bool]]:
    """Each call, before and after it is carried out."""
    for place, name in enumerate(calls, 1):
        yield from ((place, done) for done in (False, True)[: 1 if name in Failing.ONCE else 2])


def some_failures(calls: Sequence[str], turn: int) -> Iterator[tuple[int, bool]]:
    """A quarter of the calls of each kind, one at least; turns differ in which, and eight have each both ways."""
    for name in dict.fromkeys(calls):
        places = [place for place, each in enumerate(calls, 1) if each == name]
        for number, place in enumerate(places[turn % min(4, len(places)) :: 4]):
            yield place, (turn // 4 + number) % 2 == 1


EACH = [(case, way) for case in CASES for way in WAYS]
TURNS = list(zip(CASES, cycle(("here", "postgres", "csv"))))
"""One way for each case; a campaign goes each of them, and fails at every call."""


def turn_of(engine: Engine, case: str) -> int:
    """All turns of `some_failures` are had by each engine in the long run; a short one has half of them."""
    return list(CASES).index(case) + TARGETS.index(engine.kind)


@pytest.mark.parametrize(("case", "way"), EACH if h.CAMPAIGN else with_extended(TURNS[1::2], TURNS[::2]))
def test_a_failure_at_any_call_changes_nothing(engine: Engine, case: str, way: str) -> None:
    """Also a commit that fails; then the load runs as if nothing had been."""
    apply = applied(engine, case)
    engine.reset()
    load(engine, apply, FIRST, 9, way=way)
    again = replace(apply, input=engine.fill(way, SECOND))
    made = plan(engine, again, 10)
    before = state(engine)
    assert len(survived(engine, made, turn_of(engine, case))) >= len(made.steps) + 2
    after = state(engine)
    assert after != before
    engine.reset()
    load(engine, apply, FIRST, 9, way=way)
    load(engine, apply, SECOND, 10, way=way)
    assert state(engine) == after


@pytest.mark.parametrize("case", ["append", "truncate checked", "merge soft", "scd2 ttl"])
def test_a_failure_before_the_target_exists_creates_nothing(engine: Engine, case: str) -> None:
    apply = applied(engine, case)
    engine.reset()
    made = plan(engine, replace(apply, input=engine.fill("here", FIRST)), 9)
    assert state(engine) == [None, None, None]
    assert survived(engine, made, turn_of(engine, case)) != []
    assert state(engine) != [None, None, None]
