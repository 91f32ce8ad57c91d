"""A short campaign of edits behind kills (long: `python -m benchmarks.crash.edits`), and that its model can fail."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from benchmarks.crash.editmodel import Event, Message, Model, Moved, Run
from benchmarks.crash.editplans import Plan
from tests import warm, warmflowc
from tests.commands import ROOT


def test_targets_hold_what_plans_that_took_turns_make(postgres_address: str) -> None:
    env = {**os.environ, "FLOWC_TEST_POSTGRES": postgres_address, "PYTHONPATH": str(ROOT)}
    words = ("benchmarks.crash.edits", warm.server(), "--trials", "1", "--only", "project", "hopping", "running")
    done = warm.run(warmflowc.NAME, *words, cwd=ROOT, env=env, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()[-3:]] == ["project", "hopping", "running"]


MESSAGES = [Message(n, "a", n, 1, n) for n in range(4)]
ONE, TEN = Plan("project", targets=("first", "files")), Plan("project", factor=10, targets=("first", "files"))


def made(*values: int) -> Counter[tuple[object, ...]]:
    """The rows of messages with these values; 0 for none."""
    return Counter((n, "a", value) for n, value in enumerate(values) if value)


@pytest.mark.parametrize(
    ("first", "files", "fits"),
    [
        (made(1, 1, 10, 10), made(1, 1, 10, 10), True),
        (made(10, 10, 10, 10), made(10, 10, 10, 10), True),
        (made(1, 1, 10, 10), made(1, 10, 10, 10), False),  # one target has another plan's row
        (made(1, 1, 10, 0), made(1, 1, 10, 0), False),
        (made(1, 1, 10, 10), made(1, 0, 10, 10), False),
        (made(1, 1, 10, 10) + made(0, 10), made(1, 1, 10, 10) + made(0, 10), False),
        (made(1, 1, 1, 1), made(1, 1, 1, 1), False),  # the first plan had two messages
    ],
)
def test_the_model_finds_rows_that_are_lost_twice_or_of_the_wrong_plan(
    first: Counter[tuple[object, ...]], files: Counter[tuple[object, ...]], fits: bool
) -> None:
    events = [Run(ONE, 2, whole=False), Run(TEN, 4, whole=True)]
    assert Model(MESSAGES).fits(events, {"first": first, "files": files}) is fits


def test_the_model_lets_the_first_target_alone_have_rows_twice_behind_a_rewind() -> None:
    events: list[Event] = [Run(ONE, 2, whole=False), Moved((ONE,), "held"), Run(TEN, 4, whole=True)]
    twice, once = made(1, 1, 10, 10) + made(0, 10), made(1, 10, 10, 10)
    assert Model(MESSAGES).fits(events, {"first": twice, "files": once})
    assert not Model(MESSAGES).fits(events, {"first": once, "files": twice})
