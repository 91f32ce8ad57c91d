"""A short soak (the long one: `python -m benchmarks.soak`): the daemon at a rate, while all that it needs dies once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak.samples import memory
from tests.commands import ROOT
from tests.extended import EXTENDED


@EXTENDED
@pytest.mark.long
@pytest.mark.usefixtures("kafka_address", "postgres_address")  # who has none cannot start any either
def test_nothing_is_lost_or_twice_while_worker_broker_and_database_die(tmp_path: Path) -> None:
    told = tmp_path / "soak.jsonl"
    words = ["--rate", "1000", "--minutes", "0.3", "--every", "0.5", "--faults", "worker", "broker", "database"]
    command = [sys.executable, "-m", "benchmarks.soak", *words, "--json", str(told)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    *looks, result = map(json.loads, told.read_text().splitlines())
    assert (result["good"], result["lost"], result["twice"]) == (True, 0, 0)
    assert result["sent"] > 10_000
    assert result["bad"] > 10
    assert result["faults"] == ["worker", "broker", "database"]
    assert {"running", "degraded"} <= {look["status"] for look in looks}
    assert looks[-1]["restarts"] > 1
    assert "| lost, twice | 0, 0 |" in done.stdout


@pytest.mark.parametrize(("each", "flat"), [(0.0, True), (0.01, True), (0.1, False)])
def test_memory_that_grows_is_not_flat(each: float, flat: bool) -> None:
    at = [float(second) for second in range(0, 1000, 5)]
    found = memory("worker", at, [300.0 + each * second for second in at])
    assert (found.flat, found.peak_mib) == (flat, 300.0 + each * 995)
    assert memory("worker", at[:10], [300.0] * 10).flat is None
