"""A load that fails at any of its statements leaves the target, and flowc's own tables, as they were."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from typing import Any

import pytest

from flowc.compiler.ir import Apply, Expectation, Incremental, Statement
from flowc.errors import FlowcError
from flowc.loadplan import LoadPlan
from flowc.runtime.connector import Database
from flowc.runtime.load import run_load
from flowc.source import MappedText, SourceFile
from tests.model import histories as h
from tests.model.engines import WAYS, Engine
from tests.model.loads import load, plan, state

FIRST = [
    {"k1": 1, "K 2": "x", "a": "1", "b": 0, "note": "n", "at": 1},
    {"k1": 2, "K 2": "x", "a": "2", "b": 0, "note": "n", "at": 2},
]
SECOND = [
    {"k1": 1, "K 2": "x", "a": "changed", "b": 0, "note": "n", "at": 5},
    {"k1": 3, "K 2": "x", "a": "3", "b": 0, "note": "n", "at": 3},
]
UNIQUE = Expectation("unique", "unique", ("k1",), None, False, 0, None)
AFTER = Statement("SELECT 1", MappedText.whole(SourceFile("specs.yaml", "SELECT 1")))
CASES = {
    "append": {"mode": "append", "keys": ()},
    "append incremental": {"mode": "append", "incremental": Incremental("at", None, 0.0, False)},
    "truncate": {"mode": "truncate", "keys": (), "compare": None},
    "truncate checked": {"mode": "truncate", "expect": (UNIQUE,)},
    "merge": {"mode": "merge", "deletes": "hard", "dedupe": '"at"', "expect": (UNIQUE,)},
    "merge soft": {"mode": "merge", "deletes": "soft", "soft_delete_column": "deleted_at"},
    "scd2": {"mode": "scd2", "event_time": "at", "deletes": "close", "expect": (UNIQUE,)},
    "scd2 ttl": {"mode": "scd2", "event_time": "at", "ttl": 86400.0, "deletes": "hard", "after": (AFTER,)},
}


def applied(engine: Engine, case: str) -> Apply:
    options = dict(CASES[case])
    return h.apply_for(engine.kind, str(options.pop("mode")), **options)


class Injected(FlowcError):
    """The failure that a test asked for."""


class Failing:
    """A session that fails at its n-th call of a kind that may fail, having done what was asked or not."""

    CALLS = ("begin", "lock", "attach", "execute", "query", "ingest", "wire_in", "commit")
    ONCE = ("query", "commit")
    """A query leaves nothing behind that could be seen, and a commit that failed is never carried out here."""

    def __init__(self, database: Database, place: int, *, done: bool) -> None:
        self._database, self._left, self._done = database, place, done
        self.failed = ""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._database, name)
        return partial(self._counted, name, found) if name in self.CALLS else found

    def _counted(self, name: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left == 0 and self._done and name != "commit":
            call(*arguments, **more)
        if self._left == 0:
            self.failed = name
            raise Injected("injected", code="injected")
        return call(*arguments, **more)


def survived(engine: Engine, made: LoadPlan) -> int:
    """Fails a load at each call, before and after it is carried out; returns how many there were."""
    before = state(engine)
    for place in count(1):
        for done in (False, True):
            failing = Failing(engine.database, place, done=done)
            result = run_load(made, failing, engine.sources)  # type: ignore[arg-type]
            if result.error is None:
                return place - 1
            assert isinstance(result.error, Injected), result.error
            assert state(engine) == before, f"call {place}"
            if failing.failed in Failing.ONCE:
                break
    raise AssertionError


EACH = [(case, way) for case in CASES for way in WAYS]
TURNS = list(zip(CASES, cycle(("here", "postgres", "csv"))))
"""One way for each case; a campaign goes each of them."""


@pytest.mark.parametrize(("case", "way"), EACH if "FLOWC_MODEL_EXAMPLES" in os.environ else TURNS)
def test_a_failure_at_any_call_changes_nothing(engine: Engine, case: str, way: str) -> None:
    """Also a commit that fails; then the load runs as if nothing had been."""
    apply = applied(engine, case)
    engine.reset()
    load(engine, apply, FIRST, 9, way=way)
    again = replace(apply, input=engine.fill(way, SECOND))
    made = plan(engine, again, 10)
    before = state(engine)
    assert run_load(made, engine.database, engine.sources, commit=False).error is None
    assert state(engine) == before
    assert survived(engine, made) >= len(made.steps) + 2
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
    assert state(engine) == [None, None]
    assert survived(engine, made) > 0
    assert state(engine) != [None, None]
