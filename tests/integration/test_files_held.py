"""Commands beside a process that has a DuckDB file open."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Inside

SPEC = """
project: shop
connections:
  drop: { kind: files, uri: ./drop }
  wh: { kind: sqlite, path: wh.db }
  lake: { kind: duckdb, path: lake.duckdb }
streams:
  mine:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint } }
    to: { connection: wh, table: mine, mode: append }
  held:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint } }
    to: { connection: lake, table: held, mode: append }
"""
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Inside]:
    made = Inside(tmp_path)
    made.write("specs/s.yaml", SPEC)
    made.write("drop/a.jsonl", '{"id": 1}\n')
    assert made.flowc("run", "--once").code == 0
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lake.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        yield made
        holder.communicate()


def test_a_plan_of_another_stream_needs_no_file_that_is_held(folder: Inside):
    done = folder.flowc("plan", "--select", "mine")
    assert done.code == 0, done.err
    assert "mine" in done.out
    assert "lake" not in done.out + done.err
    for refused in (folder.flowc("plan", "--select", "held"), folder.flowc("plan")):
        assert refused.code == 2
        assert "has it open" in refused.err


def test_status_shows_no_epoch_of_a_stream_that_it_could_not_look_at(folder: Inside):
    done = folder.flowc("status")
    assert done.code == 1
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if line.strip()}
    assert (lines["mine"][1], lines["held"][1]) == ("1", "-")
    found = {each["stream"]: each["epoch"] for each in folder.flowc("status", "--json").json}
    assert found == {"mine": 1, "held": None}
