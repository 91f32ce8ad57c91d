"""Short crash campaigns (long: `python -m benchmarks.crash`): workers and servers killed, workers put to sleep."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from benchmarks.crash.places import PLACES, SHARED
from tests.commands import ROOT

TRIALS = 2
"""Of each kind; two kinds meet all ways of workers."""
SERVERS = ["broker", "database"]


@pytest.mark.parametrize("kind", list(PLACES))
def test_every_event_is_there_once_whatever_happened_to_the_workers(kind: str, env: Mapping[str, str]) -> None:
    row = campaign(kind, env, "points", "moments", "beside", "zombie")
    assert f"| {kind} | {TRIALS} |" in row


@pytest.mark.parametrize("kind", SHARED)
def test_every_event_is_there_once_when_partitions_move_to_another_worker(kind: str, env: Mapping[str, str]) -> None:
    row = campaign(kind, env, "rebalance", "frozen")
    assert row.startswith(f"| {kind} | {TRIALS} |")
    assert "rebalance 1" in row
    assert "frozen 1" in row


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_every_event_is_there_once_when_its_servers_died(kind: str, env: Mapping[str, str]) -> None:
    assert f"| {kind} | {TRIALS} | {TRIALS} | 0 | 0 | 0 |" in campaign(kind, env, *SERVERS)


@pytest.fixture
def env(kafka_address: str, postgres_address: str, mysql_address: str) -> Mapping[str, str]:
    """The environment of a campaign."""
    return {
        **os.environ, "FLOWC_TEST_KAFKA": kafka_address, "FLOWC_TEST_POSTGRES": postgres_address,
        "FLOWC_TEST_MYSQL": mysql_address, "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def campaign(kind: str, env: Mapping[str, str], *ways: str) -> str:
    """The row of a short campaign."""
    command = [sys.executable, "-m", "benchmarks.crash", "--trials", str(TRIALS), "--only", kind, "--ways", *ways]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]
