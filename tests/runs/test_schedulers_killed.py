"""A short campaign of killed schedulers (long: `python -m benchmarks.crash.schedulers`)."""

from __future__ import annotations

import os

import pytest

from tests import warm
from tests.commands import ROOT
from tests.services import variable
from tests.stores import KINDS, SERVERS

pytestmark = pytest.mark.long
KILLS = 3


@pytest.mark.parametrize(("kind", "executor"), [*((kind, "subprocess") for kind in KINDS), ("postgres", "k8s")])
def test_every_due_time_runs_once(kind: str, executor: str, request: pytest.FixtureRequest) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    if kind in SERVERS:
        env[variable(kind)] = str(request.getfixturevalue(f"{kind}_address"))
    words = ("--kills", str(KILLS), "--only", kind, "--executor", executor)
    done = warm.run("benchmarks.crash.schedulers", *words, cwd=ROOT, env=env, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| {kind} | {KILLS} |" in done.stdout
