"""The wheel holds all: installed without extras, away from the checkout, it lints and runs the quick start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.extended import EXTENDED

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.13")
"""The oldest and the newest; it is tried on one that the tests themselves do not run on, where there is one."""
PROBE = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as a release would be, by the build backend that is declared."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("flowc-*.whl")
    return built


def interpreter(version: str) -> str | None:
    """A Python of that version that can make environments: on the PATH, or pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    known = pyenv.glob(f"{version}.*/bin/python") if os.access(pyenv, os.R_OK | os.X_OK) else ()
    candidates = [shutil.which(f"python{version}"), *(str(p) for p in sorted(known))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        candidates.insert(0, getattr(sys, "_base_executable", sys.executable))
    return next((found for found in candidates if found and answers(found, version)), None)


def answers(python: str, version: str) -> bool:
    """Whether it is that version; a name on the PATH may be a launcher that finds nothing."""
    done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def flowc(environment: Path, *arguments: str, cwd: Path) -> str:
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"}
    command = [environment / "bin" / "flowc", *arguments]
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_resources(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("schemas", "specs", "docs/diagnostics"):
        shipped = {
            name.removeprefix("flowc/_resources/") for name in names if name.startswith(f"flowc/_resources/{folder}/")
        }
        wanted = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {name for name in wanted if "/.flowc/" not in name and not name.endswith(".duckdb")} - shipped == set()
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def another() -> str:
    """An interpreter of another version than that of the tests, or of that where there is no other."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wanted = [version for version in VERSIONS[::-1] if version != own]
    return next(filter(None, map(interpreter, [*wanted, own])))


@EXTENDED
def test_the_quick_start_runs_from_the_wheel(wheel: Path, tmp_path: Path):
    python = another()
    environment = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True, capture_output=True)
    pip = [environment / "bin" / "python", "-m", "pip"]
    # Most of what is compiled to bytecode is never imported.
    command = [*pip, "install", "-q", "--no-compile", "--disable-pip-version-check", wheel]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    project = tmp_path / "quickstart"
    (resources,) = environment.glob("lib/python*/site-packages/flowc/_resources")
    shutil.copytree(resources / "specs" / "quickstart", project)
    flowc(environment, "lint", cwd=project)
    assert flowc(environment, "--version", cwd=project).startswith("flowc ")
    assert "6 pipelines" in flowc(environment, "run", "--once", cwd=project)
    assert "unknown-column" in flowc(environment, "explain", "unknown-column", cwd=project)
    starter = tmp_path / "starter"
    flowc(environment, "init", str(starter), cwd=tmp_path)
    shutil.copy(wheel, starter / "vendor")
    asked = [*pip, "download", "-q", "--no-deps", "-r", "requirements.txt", "-d", tmp_path / "downloaded"]
    subprocess.run(asked, cwd=starter, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "downloaded").iterdir()] == [wheel.name]
