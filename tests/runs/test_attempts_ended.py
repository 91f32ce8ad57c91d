"""A short campaign of attempts that end at any step (long: `python -m benchmarks.crash.attempts`)."""

from __future__ import annotations

import sys

import pytest

from benchmarks.crash.attempts import KINDS, main
from tests.services import variable
from tests.stores import SERVERS

pytestmark = pytest.mark.long
TRIALS = 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_there_once(
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if kind in SERVERS:
        monkeypatch.setenv(variable(kind), str(request.getfixturevalue(f"{kind}_address")))
    given = ["--trials", str(TRIALS), "--only", kind, "--seed", "3", "--timeout", "3"]
    monkeypatch.setattr(sys, "argv", ["attempts", *given])
    code, told = main(), capsys.readouterr()
    assert code == 0, told.out + told.err
    row = next(line for line in told.out.splitlines() if line.startswith(f"| {kind} | {TRIALS} |"))
    assert int(row.split("|")[3]) > TRIALS, f"no attempt ended early: {row}"
