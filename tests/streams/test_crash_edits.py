"""A short campaign of edits behind kills (long: `python -m benchmarks.crash.edits`), and that its model can fail."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.crash.editmodel import Event, Message, Model, Moved, Run
from benchmarks.crash.editplaces import Servers
from benchmarks.crash.editplans import Plan
from benchmarks.crash.edittrial import Found, Trial
from tests import warm, warmflowc
from tests.commands import ROOT
from tests.services import variable


def test_targets_hold_what_plans_that_took_turns_make(
    postgres_address: str, mysql_address: str, kafka_address: str
) -> None:
    servers = {"postgres": postgres_address, "mysql": mysql_address, "kafka": kafka_address}
    env = {**os.environ, **{variable(name): at for name, at in servers.items()}, "PYTHONPATH": str(ROOT)}
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
    events: list[Event] = [Run(ONE, 2, whole=False), Moved((ONE,), "held", TEN), Run(TEN, 4, whole=True)]
    twice, once = made(1, 1, 10, 10) + made(0, 10), made(1, 10, 10, 10)
    assert Model(MESSAGES).fits(events, {"first": twice, "files": once})
    assert not Model(MESSAGES).fits(events, {"first": once, "files": twice})


@pytest.mark.parametrize("targets", [("first",), ("first", "files")])
def test_the_model_goes_on_from_what_the_targets_of_the_rewound_plan_hold(targets: tuple[str, ...]) -> None:
    """The other target has nothing, and is no target of that plan any more."""
    last = replace(TEN, targets=targets)
    events: list[Event] = [Run(ONE, 2, whole=False), Moved((ONE,), "held", last), Run(last, 4, whole=True)]
    held = {"first": made(1, 1, 10, 10), "files": Counter[tuple[object, ...]]()}
    assert Model(MESSAGES).fits(events, held) is (targets == ("first",))


WINDOWS = Plan("tumbling", size=60, lateness=20)


@pytest.mark.parametrize(("minute", "fits"), [(1, True), (0, False)])
def test_the_model_knows_windows_that_a_run_without_messages_lets_out(minute: int, fits: bool) -> None:
    """The window of 40 seconds is over by the time that the run of before has left, and no message comes."""
    messages = [Message(0, "a", 0, 1, 10), Message(1, "a", 1, 1, 65), Message(2, "a", 2, 1, 200)]
    small = replace(WINDOWS, size=40)
    events = [Run(WINDOWS, 2, whole=True), Run(small, 2, whole=True), Run(replace(small, factor=10), 3, whole=True)]
    rows: Counter[tuple[object, ...]] = Counter({(40, "a", 1): minute, (80, "a", 10): 1, (240, "a", 10): 1})
    assert Model(messages).fits(events, {"first": +rows}) is fits


@pytest.mark.parametrize(("last", "factor", "fits"), [(90, 1, False), (90, 10, True), (91, 1, True), (91, 10, False)])
def test_the_model_lets_a_session_out_when_the_watermark_is_more_than_the_gap_behind(
    last: int, factor: int, fits: bool
) -> None:
    """The session of second 0 ends at 60, and the watermark of the first plan is 30 seconds behind its last message."""
    session = Plan("session", size=60, lateness=30)
    messages = [Message(0, "a", 0, 1, 0), Message(1, "b", 1, 1, last), Message(2, "b", 2, 1, 200)]
    events = [Run(session, 2, whole=True), Run(replace(session, factor=10), 3, whole=True)]
    rows: Counter[tuple[object, ...]] = Counter({(60, "a", factor): 1, (last + 60, "b", 10): 1, (260, "b", 10): 1})
    assert Model(messages).fits(events, {"first": rows}) is fits


@pytest.mark.parametrize(
    ("missing", "fits"), [((), True), ((0, 2, "a", 1), True), ((1, 2, "a", 1), False), ((0, 0, "a", 1), False)]
)
def test_the_model_knows_pairs_that_a_join_forgot_under_narrower_bounds(
    missing: tuple[object, ...], fits: bool
) -> None:
    narrow = Plan("join", size=40, lateness=20)
    messages = [Message(0, "a", 0, 1, 0), Message(1, "a", 1, 1, 70), Message(2, "a", 2, 1, 100)]
    events = [Run(narrow, 2, whole=True), Run(replace(narrow, size=120), 3, whole=True)]
    rows: Counter[tuple[object, ...]] = Counter(
        (left, right, "a", 1) for left, right in ((0, 0), (1, 1), (2, 2), (0, 2), (1, 2))
    )
    assert Model(messages).fits(events, {"first": rows - Counter([missing])}) is fits


def test_an_edit_that_is_undone_comes_to_every_plan_that_a_worker_had(tmp_path: Path) -> None:
    """The last workers may have been killed before they were refused: the state is of an earlier plan."""
    plans = [replace(ONE, factor=factor) for factor in (1, 10, 1, 100, 1)]
    trial = Trial(
        tmp_path, "project", random.Random(1), Servers(), Found(), [Run(each, 1, whole=False) for each in plans]
    )
    trial.plan = replace(ONE, least=30)
    met: list[int] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trial, "_ask", lambda _: None)
        for _ in range(3):
            trial._undo()
            met.append(trial.plan.factor)
    assert met == [1, 100, 10]
