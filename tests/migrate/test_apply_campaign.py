"""A short campaign of applies (long: `python -m benchmarks.applies`): killed beside an application, and made again."""

from __future__ import annotations

import os

import pytest

from tests import warm
from tests.commands import ROOT
from tests.extended import amount
from tests.services import variable
from tests.stores import KINDS, SERVERS

pytestmark = pytest.mark.long
TRIALS = amount(1, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_by_applies_that_are_killed(kind: str, request: pytest.FixtureRequest) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    if kind in SERVERS:
        env[variable(kind)] = str(request.getfixturevalue(f"{kind}_address"))
    words = ("--trials", str(TRIALS), "--only", kind)
    done = warm.run("benchmarks.applies", *words, cwd=ROOT, env=env, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| {kind} | {TRIALS} |" in done.stdout
