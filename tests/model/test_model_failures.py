"""A load that fails at any of its statements leaves the target, and flowc's own tables, as they were."""

from __future__ import annotations

import pytest

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.ir import Apply, Expectation, Incremental
from flowc.compiler.shape import target_table
from tests.model import histories as h
from tests.model.engines import Engine, Injected, run
from tests.model.loads import fill, fresh, load, plan, target

FIRST = [
    {"k1": 1, "K 2": "x", "a": "1", "b": 0, "note": "n", "at": 1},
    {"k1": 2, "K 2": "x", "a": "2", "b": 0, "note": "n", "at": 2},
]
SECOND = [
    {"k1": 1, "K 2": "x", "a": "changed", "b": 0, "note": "n", "at": 5},
    {"k1": 3, "K 2": "x", "a": "3", "b": 0, "note": "n", "at": 3},
]
UNIQUE = Expectation("unique", "unique", ("k1",), None, False, 0, None)
CASES = {
    "append": {"mode": "append", "keys": ()},
    "append incremental": {"mode": "append", "incremental": Incremental("at", None, 0.0, False)},
    "truncate": {"mode": "truncate", "keys": (), "compare": None},
    "truncate checked": {"mode": "truncate", "expect": (UNIQUE,)},
    "merge": {"mode": "merge", "deletes": "hard", "dedupe": '"at"', "expect": (UNIQUE,)},
    "merge soft": {"mode": "merge", "deletes": "soft", "soft_delete_column": "deleted_at"},
    "scd2": {"mode": "scd2", "event_time": "at", "deletes": "close", "expect": (UNIQUE,)},
    "scd2 ttl": {"mode": "scd2", "event_time": "at", "ttl": 86400.0, "deletes": "hard", "after": ("SELECT 1",)},
}


def state(engine: Engine) -> list:
    """Everything that a load may change."""
    watermarks = DIALECTS[engine.kind].state_table("watermarks")
    try:
        held = engine.query(f"SELECT * FROM {watermarks}")
    except Exception as missing:  # each driver has its own class for a table that is not there
        held = [type(missing).__name__]
    return [target(engine), held]


def applied(engine: Engine, case: str) -> Apply:
    options = dict(CASES[case])
    return h.apply_for(engine.kind, str(options.pop("mode")), **options)


@pytest.mark.parametrize("case", CASES)
def test_a_failure_at_any_statement_changes_nothing(engine: Engine, case: str) -> None:
    apply = applied(engine, case)
    fresh(engine)
    load(engine, apply, FIRST, None, 9)
    live = target_table(apply, h.COLUMNS, DIALECTS[engine.kind])
    before = state(engine)
    fill(engine, SECOND)
    steps = plan(engine, apply, live, 10).steps
    for number in range(len(steps)):
        with pytest.raises(Injected):
            run(plan(engine, apply, live, 10), engine, fail_after=number)
        assert state(engine) == before, steps[number].purpose if hasattr(steps[number], "purpose") else number
    run(plan(engine, apply, live, 10), engine, commit=False)
    assert state(engine) == before
    run(plan(engine, apply, live, 10), engine)
    assert state(engine) != before


@pytest.mark.parametrize("case", CASES)
def test_a_failure_before_the_target_exists_creates_nothing(engine: Engine, case: str) -> None:
    apply = applied(engine, case)
    fresh(engine)
    fill(engine, FIRST)
    for number in range(1, len(plan(engine, apply, None, 9).steps)):
        with pytest.raises(Injected):
            run(plan(engine, apply, None, 9), engine, fail_after=number)
        with pytest.raises(Exception, match="tgt"):
            engine.query("SELECT * FROM tgt")
