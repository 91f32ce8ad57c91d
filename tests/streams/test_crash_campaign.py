"""Short crash campaigns (long: `python -m benchmarks.crash`): workers and servers killed or asleep, and operators."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest

from benchmarks.crash.__main__ import EVENTS
from benchmarks.crash.places import PLACES, SHARED, TIMED
from tests import warm, warmflowc
from tests.commands import ROOT
from tests.extended import amount, with_extended

pytestmark = pytest.mark.long
TRIALS = 2
"""Of each kind where there are two ways."""
FEW = amount(1, TRIALS)
"""Of each kind elsewhere: of four kinds that follow each other, each meets another one of four ways."""
FEWER = 4000
"""Messages that daemons do not get through before each of them has had its turn: they take two at a time."""
SHORT = 2500
"""Messages of kinds whose workers keep a checkpoint every tenth of a second."""
SERVERS = ["broker", "database"]
DAEMONS = ["second-daemon", "rolling"]
BEHIND = 9
"""The column of stops with `target-behind`."""
LONG = ("windows beside", "hopping", "sessions", "running beside", "join", "reopened sessions", "reopened join")
"""Kinds that are like another one but for their operator or where they keep state: the campaign itself has them."""
ALSO = ("postgres", "several", "dedupe", "windows")
"""Kinds whose workers other tests here kill, too, or that are like another one."""


@pytest.mark.parametrize("kind", with_extended((each for each in PLACES if each not in (*LONG, *ALSO)), ALSO))
def test_every_event_is_there_once_whatever_happened_to_the_workers(kind: str, env: Mapping[str, str]) -> None:
    events = SHORT if kind in TIMED else EVENTS
    row = campaign(kind, env, "points", "moments", "beside", "zombie", events=events, trials=FEW)
    assert f"| {kind} | {FEW} |" in row


@pytest.mark.parametrize("kind", with_extended(SHARED[:1], SHARED[1:]))
def test_every_event_is_there_once_when_partitions_move_to_another_worker(kind: str, env: Mapping[str, str]) -> None:
    row = campaign(kind, env, "rebalance", "frozen")
    assert row.startswith(f"| {kind} | {TRIALS} |")
    assert "rebalance 1" in row
    assert "frozen 1" in row


@pytest.mark.parametrize("kind", with_extended(["several"], ["postgres"]))
def test_what_operators_were_told_is_what_happened(kind: str, env: Mapping[str, str]) -> None:
    row = campaign(kind, env, "rewind", "dlq-replay")
    assert f"| {kind} | {TRIALS} |" in row
    assert "rewind 1 dlq-replay 1" in row or "dlq-replay 1 rewind 1" in row


def test_every_event_is_there_once_when_others_look_at_workers_that_are_killed(env: Mapping[str, str]) -> None:
    row = campaign("dedupe", env, "looked-at", events=FEWER, trials=FEW)
    assert f"| dedupe | {FEW} |" in row
    assert f"looked-at {FEW}" in row


@pytest.mark.parametrize("kind", with_extended(["dedupe"], ["sqlite"]))
def test_no_event_is_missing_where_a_target_was_dropped_or_restored(kind: str, env: Mapping[str, str]) -> None:
    row = campaign(kind, env, "dropped", "restored", events=FEWER)
    assert f"| {kind} | {TRIALS} |" in row
    assert "dropped 1 restored 1" in row or "restored 1 dropped 1" in row
    behind = int(row.split("|")[BEHIND])
    assert behind or kind == "sqlite", row  # its positions are lost with its rows


def test_every_event_is_there_once_when_daemons_take_turns(env: Mapping[str, str]) -> None:
    row = campaign("postgres", env, *DAEMONS[-FEW:], events=FEWER, trials=FEW)
    assert f"| postgres | {FEW} |" in row
    assert all(f"{way} 1" in row for way in DAEMONS[-FEW:])


def test_every_event_is_there_once_when_its_servers_died(env: Mapping[str, str]) -> None:
    rows = campaigns(("postgres", "mysql"), env, *SERVERS, trials=FEW)
    for row, kind, first in zip(rows, ("postgres", "mysql"), SERVERS, strict=True):
        assert f"| {kind} | {FEW} | {FEW} | 0 | 0 | 0 | 0 |" in row
        assert f" {first} 1" in row


@pytest.fixture
def env(kafka_address: str, postgres_address: str, mysql_address: str) -> Mapping[str, str]:
    """The environment of a campaign."""
    return {
        **os.environ, "FLOWC_TEST_KAFKA": kafka_address, "FLOWC_TEST_POSTGRES": postgres_address,
        "FLOWC_TEST_MYSQL": mysql_address, "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def campaign(kind: str, env: Mapping[str, str], *ways: str, events: int = EVENTS, trials: int = TRIALS) -> str:
    """The row of a short campaign."""
    return campaigns((kind,), env, *ways, events=events, trials=trials)[0]


def campaigns(
    kinds: Sequence[str], env: Mapping[str, str], *ways: str, events: int = EVENTS, trials: int = TRIALS
) -> list[str]:
    """The rows of short campaigns on the same servers."""
    words = ("--trials", str(trials), "--events", str(events), "--only", *kinds, "--ways", *ways)
    within = ("benchmarks.crash", warm.server())
    done = warm.run(warmflowc.NAME, *within, *words, cwd=ROOT, env=env, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-len(kinds) :]
