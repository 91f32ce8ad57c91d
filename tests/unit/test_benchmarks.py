"""The benchmarks run, at a scale that measures nothing, and count what they should: so that they do not rot."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import peer, windowpeers
from benchmarks.__main__ import CASES, main
from benchmarks.context import Context
from benchmarks.measure import Result, Sample, Side, SideFailed, compare, run, shell
from benchmarks.report import failed_row, speed_row, table, time_row
from tests import warm, warmflowc

SCALE = 0.002


PEERS = ("ematix", "connect", "laminardb", "bytewax")
"""Cases that install or fetch another system first."""


def warmly(name, command, *, cwd=None, env=None):
    """Runs a command as `run` does, but modules without importing all that they need: here nothing is measured."""
    match command:
        case [sys.executable, "-m", module, *arguments]:
            words = [module, *arguments]
        case [program, *arguments] if Path(program).name == "flowc":
            words = ["flowc", *arguments]
        case _:
            return run(name, command, cwd=cwd, env=env)
    done = warm.run(*words, cwd=cwd or Path.cwd(), env={**os.environ, **(env or {})})
    if done.returncode:
        raise SideFailed(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return Sample(1.0, 1.0, done.stdout)


def begun(command, *, cwd, stderr, env):
    """A daemon that has imported everything before it begins."""
    words = command[3:] if command[1] == "-m" else command[1:]
    with open(os.devnull, "r+") as nothing:
        return warmflowc.begin(words, (nothing.fileno(), nothing.fileno(), stderr.fileno()), cwd=cwd, env=env)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(PEERS)])
def test_every_case_runs_and_leaves_the_rows_it_should(name, tmp_path, request, monkeypatch):
    monkeypatch.setattr("benchmarks.measure.run", warmly)
    monkeypatch.setattr("benchmarks.latency.subprocess", SimpleNamespace(Popen=begun))
    monkeypatch.setattr("benchmarks.latency.SINGLES", 3)
    for kind in ("postgres", "mysql", "kafka"):
        if kind in name:
            monkeypatch.setenv(f"FLOWC_TEST_{kind.upper()}", request.getfixturevalue(f"{kind}_address"))
    with ExitStack() as stack:
        rows = list(CASES[name](Context(tmp_path, SCALE, 1, stack)))
    assert [row for row in rows if row.flowc == "not run"] == []
    assert rows


def test_a_peer_may_be_there_already(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWC_BENCHMARK_LAMINARDB", sys.executable)
    with ExitStack() as stack:
        assert peer.interpreter(Context(tmp_path, SCALE, 1, stack), "laminardb==0.17.0") == Path(sys.executable)


def test_operator_and_stream_count_what_peers_are_given(tmp_path):
    with ExitStack() as stack:
        given = windowpeers.given_rows(Context(tmp_path, SCALE, 1, stack), 1_000_000, 100_000)
    operator, stream = (windowpeers.measured(way, str(given.path), given.size) for way in ("operator", "stream"))
    assert (operator.count, operator.total) == (given.rows, given.total)
    assert (stream.groups, stream.count, stream.total) == (operator.groups, given.rows, given.total)


def test_a_case_that_fails_is_a_row_and_an_exit_code(monkeypatch, capsys):
    def failing(context):
        raise SideFailed("flowc ended with 2: no luck")

    monkeypatch.setitem(CASES, "help_text", failing)
    assert main(["--only", "help_text", "--markdown"]) == 1
    assert "| help_text | not run | flowc ended with 2: no luck |" in " ".join(capsys.readouterr().out.split())


def test_peak_memory_is_the_childs_own():
    ballast = bytearray(200 * 2**20)
    small = run("small", [sys.executable, "-c", "pass"])
    large = run("large", [sys.executable, "-c", "x = bytearray(150 * 2**20)"])
    assert len(ballast) / 2**20 > small.peak_mib * 2
    assert 150 < large.peak_mib < 200


def test_a_failing_part_of_a_pipeline_is_a_failure():
    with pytest.raises(SideFailed, match="ended with 1: so it is"):
        run("pipe", shell("(echo so it is >&2; exit 1) | cat"))


def test_only_the_fastest_of_the_others_goes_on():
    runs = []

    @dataclass(frozen=True)
    class Timed(Side):
        seconds: float = 0.0

        def run(self):
            runs.append(self.name)
            return Sample(self.seconds, 1.0, "")

    results = compare(Timed("flowc", []), [Timed("slow", [], seconds=0.2), Timed("fast", [], seconds=0.1)], rounds=3)
    assert [result.name for result in results] == ["flowc", "fast"]
    assert runs == ["flowc", "slow", "fast", "flowc", "fast", "flowc", "fast"]
    assert [len(result.samples) for result in results] == [3, 3]


def test_a_run_is_timed():
    assert 0.2 <= run("sleep", ["sleep", "0.2"]).seconds < 60


def test_rows_judge_speed_and_memory():
    def result(seconds, mib=100.0):
        return Result("by hand", (Sample(seconds, mib, ""),))

    assert speed_row("x", [result(2), result(1)], 1000, wanted=0.6).met is False
    assert speed_row("x", [result(1), result(1)], 1000, wanted=0.6, below_mib=400).met is True
    assert speed_row("x", [result(1, 500), result(1)], 1000, wanted=0.6, below_mib=400).met is False
    assert time_row("x", result(0.1), below=0.15).met is True
    lines = table([time_row("x", result(0.2), below=0.15), failed_row("y", "why")], markdown=False).splitlines()
    assert [line.split()[0] for line in lines] == ["case", lines[1].split()[0], "x", "y"]
    assert lines[2].endswith("NO")
