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


RICH = ("--help", "connections list", "lint", "run --once")
"""Commands for which nothing is drawn where they print to no terminal."""


def test_what_commands_of_files_and_databases_do_not_need_is_not_loaded(tmp_path: Path):
    """Neither pandas, of which nothing is said where it is not installed, nor what draws on terminals."""
    project = shutil.copytree(ROOT / "specs" / "quickstart", tmp_path / "project")
    lines = ["from flowc.cli.main import run; import os", f"os.chdir({str(project)!r}); sys.stdout = sys.stderr"]
    for command in (*RICH, "compile", "plan"):
        lines.append(f"assert run({command.split()!r}) == 0")
        for package in ("pandas", "rich") if command in RICH else ("pandas",):
            lines.append(f"assert {package!r} not in sys.modules, {f'{package} is loaded by {command}'!r}")
    assert loaded_after("\n".join([*lines, "sys.stdout = sys.__stdout__"])) == "False"


def test_pandas_can_be_imported_afterwards():
    pytest.importorskip("pandas")
    assert (
        loaded_after("without_pandas(); import pandas; assert pa.table({'a': [1]}).to_pandas()['a'][0] == 1") == "True"
    )
