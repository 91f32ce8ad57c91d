"""The files that `flowc init` writes for containers, systemd and CI parse, and their commands work by hand."""

from __future__ import annotations

import configparser
import json
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

import flowc
from tests.commands import Folder, Inside

NAME = "100% orders"


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Inside(tmp_path_factory.mktemp("starter"))
    assert folder.flowc("init", NAME).code == 0
    return Inside(folder.path / NAME)


def by_hand(starter: Folder, command: str) -> str:
    """What a command of flowc prints that no shell has a part in, run in this process."""
    words = shlex.split(command)
    assert Path(words[0]).name == "flowc", command
    assert not set(command) & set("|&;<>$`*?"), command
    done = Inside(starter.path).flowc(*words[1:])
    assert done.code == 0, done.out + done.err
    return done.out


def on_the_path(starter: Folder, command: str) -> str:
    """What a command prints in a shell where `flowc` is on the PATH."""
    environment = starter.environment()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=starter.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_workflow_lints_with_this_version(starter):
    workflow = yaml.safe_load((starter.path / ".github/workflows/lint.yml").read_text("utf-8"))
    assert workflow[True] == ["push", "pull_request"]  # YAML 1.1 reads the key `on` so
    [job] = workflow["jobs"].values()
    assert job["runs-on"] == "ubuntu-latest"
    steps = job["steps"]
    assert all(set(step) <= {"uses", "with", "run"} and ("uses" in step) != ("run" in step) for step in steps)
    install, lint = (step["run"] for step in steps if "run" in step)
    assert shlex.split(install) == ["pip", "install", "-r", "requirements.txt"]
    assert f"flowc=={flowc.__version__}" in (starter.path / "requirements.txt").read_text("utf-8").splitlines()
    assert on_the_path(starter, lint) == ""
    starter.write("specs/wrong.yaml", "pipelines: { p: { sql: SELECT 1 AS one, to: nowhere } }\n")
    found = starter.flowc(*shlex.split(lint)[1:])
    (starter.path / "specs/wrong.yaml").unlink()
    assert found.code == 1
    assert found.out.startswith("::error file=specs/wrong.yaml,line=1,")


def test_the_image_holds_what_its_commands_need(starter):
    lines = (starter.path / "Dockerfile").read_text("utf-8").splitlines()
    steps = [line.split(" ", 1) for line in lines if line]
    assert {word for word, _ in steps} == {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    ignored = (starter.path / ".dockerignore").read_text("utf-8").split()
    copied = [rest.split()[-2:] for word, rest in steps if word == "COPY"]
    assert [source for source, _ in copied] == ["requirements.txt", "vendor", "specs", "data"]
    for source, target in copied:
        assert target in (source, ".")
        assert (starter.path / source).is_dir() is (source == target)
        assert not any(fnmatch(source, pattern.rstrip("/")) for pattern in ignored)
    assert "pip install --no-cache-dir -r requirements.txt" in next(rest for word, rest in steps if word == "RUN")
    said = dict(steps)
    by_hand(starter, next(rest for word, rest in steps if word == "RUN" and rest.startswith("flowc")))
    command = shlex.join(json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"]))
    assert "load_orders" in by_hand(starter, command)


def test_the_units_are_systemds(starter):
    units = [starter.path / "deploy" / name for name in ("flowc.service", "flowc.timer")]
    service, timer = (configparser.RawConfigParser() for _ in units)
    for parser, unit in zip((service, timer), units, strict=True):
        parser.optionxform = str  # type: ignore[assignment]
        parser.read_string(unit.read_text("utf-8"))
    assert service["Service"]["WorkingDirectory"] == "/srv/100%% orders"
    assert (service["Service"]["Type"], timer["Timer"]["OnCalendar"]) == ("oneshot", "hourly")
    assert "load_orders" in on_the_path(starter, service["Service"]["ExecStart"])
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_names_commands_that_work(starter):
    readme = (starter.path / "README.md").read_text("utf-8")
    commands = [line.split("#")[0].strip() for line in readme.splitlines() if line.startswith("    flowc")]
    assert commands == ["flowc lint", "flowc run --once", "flowc graph"]
    assert "inbox.orders*.csv" in by_hand(starter, commands[-1])  # the others are run above
