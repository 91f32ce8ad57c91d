"""flowc's own process does without pandas, and anybody's may still import it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT


def loaded_after(lines: str, *packages: str) -> str:
    code = f"import sys; import pyarrow as pa; from flowc.runtime.lean import without_pandas\n{lines}"
    told = f"{code}\nprint(*[name in sys.modules for name in {packages or ('pandas',)}])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_arrays_are_made_without_pandas():
    pytest.importorskip("pandas")
    assert loaded_after("pa.array([1])") == "True"
    assert loaded_after("without_pandas(); pa.array([1]); pa.RecordBatch.from_pylist([{'a': 1}])") == "False"


@pytest.mark.parametrize("command", ["compile", "plan"])
def test_commands_of_files_and_databases_do_without_pandas(command: str, tmp_path: Path):
    pytest.importorskip("pandas")
    assert loaded_after(ran(command, tmp_path)) == "False"


@pytest.mark.parametrize("command", ["--help", "connections list"])
def test_what_draws_on_terminals_is_loaded_for_them_alone(command: str, tmp_path: Path):
    assert loaded_after(ran(command, tmp_path), "rich") == "False"


@pytest.mark.parametrize("command", ["lint", "run --once"])
def test_neither_is_loaded(command: str, tmp_path: Path):
    """Where pandas is not installed, nothing is said of it."""
    assert loaded_after(ran(command, tmp_path), "pandas", "rich") == "False False"


def ran(command: str, folder: Path) -> str:
    """The quick start with a command that works."""
    project = shutil.copytree(ROOT / "specs" / "quickstart", folder / "project")
    lines = f"from flowc.cli.main import run; import os; os.chdir({str(project)!r}); sys.stdout = sys.stderr"
    return f"{lines}; assert run({command.split()!r}) == 0; sys.stdout = sys.__stdout__"


def test_pandas_can_be_imported_afterwards():
    pytest.importorskip("pandas")
    assert (
        loaded_after("without_pandas(); import pandas; assert pa.table({'a': [1]}).to_pandas()['a'][0] == 1") == "True"
    )
