"""`python -m tests.again`: what fails is run once more, alone, and named as flaky where it passes then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
from pathlib import Path

def test_good(): pass

def test_flaky():
    seen = Path("seen")
    again = seen.exists()
    seen.touch()
    assert again

def test_bad(): assert not Path("bad").exists()
"""


def run(folder: Path) -> tuple[int, list[str]]:
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    words = [sys.executable, "-m", "tests.again", "-q", "-n", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_what_passes_alone_is_named_last(tmp_path: Path):
    code, lines = run(tmp_path)
    assert code == 0
    assert lines[-2].startswith("1 failed, 2 passed")
    assert lines[-1] == "flaky: test_it.py::test_flaky"


def test_what_fails_twice_fails_the_run(tmp_path: Path):
    (tmp_path / "bad").touch()
    code, lines = run(tmp_path)
    assert code == 1
    assert lines[-2].startswith("2 failed, 1 passed")
    assert lines[-1] == "flaky: test_it.py::test_flaky"


def test_a_run_without_failures_ends_with_pytests_closing_line(tmp_path: Path):
    (tmp_path / "seen").touch()
    code, lines = run(tmp_path)
    assert (code, lines[-1].partition(" in ")[0]) == (0, "3 passed")
