"""A short campaign of killed schedulers (long: `python -m benchmarks.crash.schedulers`)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import IO

import pytest

from benchmarks.crash.schedulers import main
from tests import warmflowc
from tests.commands import ROOT
from tests.extended import with_extended
from tests.services import variable
from tests.stores import KINDS, SERVERS

pytestmark = pytest.mark.long
KILLS = 3


def warmly(command: Sequence[str], *, stdout: int, stderr: IO[bytes]) -> warmflowc.Worker:
    """A scheduler that has imported everything before it begins."""
    assert (command[1], stdout) == ("-m", subprocess.PIPE)
    return warmflowc.worker(command[2:], stderr=stderr.fileno(), cwd=ROOT, env=os.environ)


@pytest.mark.parametrize(
    ("kind", "executor"),
    with_extended([("sqlite", "subprocess"), ("postgres", "k8s")], [(kind, "subprocess") for kind in KINDS[1:]]),
)
def test_every_due_time_runs_once(
    kind: str,
    executor: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if kind in SERVERS:
        monkeypatch.setenv(variable(kind), str(request.getfixturevalue(f"{kind}_address")))
    namespace = SimpleNamespace(Popen=warmly, PIPE=subprocess.PIPE)
    monkeypatch.setattr("benchmarks.crash.schedulers.subprocess", namespace)
    words = ("--kills", str(KILLS), "--only", kind, "--executor", executor)
    monkeypatch.setattr(sys, "argv", ["schedulers", *words])
    code, told = main(), capsys.readouterr()
    assert code == 0, told.out + told.err
    assert f"| {kind} | {KILLS} |" in told.out
