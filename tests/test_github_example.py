"""The workflow of the guide on production, played job by job in a project on SQLite, with stand-ins for pip and gh."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import warm
from tests.commands import ROOT
from tests.stores import Store

EXAMPLE = ROOT / "docs" / "examples" / "github-plan-apply.yml"
WORKFLOW: dict[Any, Any] = yaml.safe_load(EXAMPLE.read_text("utf-8"))
INPUTS = {
    "actions/checkout@v4": set[str](),
    "actions/setup-python@v5": {"python-version"},
    "actions/upload-artifact@v4": {"name", "path"},
    "actions/download-artifact@v4": {"name"},
}
"""The actions that it uses, with the inputs that it may give them."""
STARTED = "connections:\n  warehouse: { kind: sqlite, path: '${WAREHOUSE_URL}' }\ntables:\n  people:\n"
TABLE = "    connection: warehouse\n    columns: { id: bigint primary key, name: text%s }\n"


@dataclass
class Runner:
    """A checkout in which the steps of jobs run."""

    folder: Path

    def specs(self, more: str = "") -> None:
        (self.folder / "specs").mkdir(exist_ok=True)
        (self.folder / "specs" / "project.yaml").write_text(STARTED + TABLE % more, "utf-8")

    def play(self, job: str, **values: str) -> subprocess.CompletedProcess[str]:
        """The `run` steps of a job in order; the first that fails ends it."""
        done = subprocess.CompletedProcess[str]([], 0, "", "")
        for step in WORKFLOW["jobs"][job]["steps"]:
            if "run" in step and done.returncode == 0:
                done = self.step(step, values)
        return done

    def step(self, step: dict[str, Any], values: dict[str, str]) -> subprocess.CompletedProcess[str]:
        given = {name: values.get(name, "") for name in step.get("env", {})}
        bin_ = self.folder / "bin"
        environment = given | {
            "PATH": f"{bin_}:{warm.commands()}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "WAREHOUSE_URL": str(self.folder / "store.sqlite"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "bin").mkdir()
    for name in ("pip", "gh"):
        tool = tmp_path / "bin" / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >> "{tmp_path}/called"\n', "utf-8")
        tool.chmod(0o755)
    made = Runner(tmp_path)
    made.specs()
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("sqlite", tmp_path)


def test_steps_use_actions_and_inputs_that_exist():
    used = [step for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]
    assert [step["uses"] for step in used if set(step.get("with", {})) - INPUTS[step["uses"]]] == []
    assert {job.get("environment") for job in WORKFLOW["jobs"].values()} == {"plan", "production"}
    assert WORKFLOW["jobs"]["apply"]["environment"] == "production"


def test_every_job_has_its_event():
    events = WORKFLOW[True]  # YAML reads `on` as true
    named = {event for event in events if any(event in job.get("if", "") for job in WORKFLOW["jobs"].values())}
    assert named == set(events)


def test_a_pull_request_gets_the_plan_as_a_comment(runner: Runner, store: Store):
    assert runner.play("comment", NUMBER="7").returncode == 0
    assert runner.text("plan.md").startswith("### Plan: 1 to add")
    assert "gh pr comment 7 --edit-last --create-if-none --body-file plan.md" in runner.text("called")
    assert not (runner.folder / "store.sqlite").exists(), "a plan changes nothing"


def test_what_was_planned_is_applied(runner: Runner, store: Store):
    assert runner.play("plan").returncode == 0
    assert runner.text("output") == "changes=2\n"
    assert runner.text("summary.md").startswith("### Plan: 1 to add")
    done = runner.play("apply")
    assert (done.returncode, "warehouse: version 1" in done.stdout) == (0, True), done.stderr
    assert store.rows("SELECT * FROM people") == []


def test_nothing_to_do_skips_apply(runner: Runner):
    runner.play("plan")
    runner.play("apply")
    (runner.folder / "output").unlink()
    assert runner.play("plan").returncode == 0
    assert runner.text("output") == "changes=0\n"


def test_specs_that_are_wrong_stop_both(runner: Runner):
    runner.specs(", name2: nonsense")
    assert runner.play("comment", NUMBER="7").returncode == 1
    assert runner.play("plan").returncode == 1
    assert not (runner.folder / "output").exists()


def test_a_database_that_cannot_be_reached_fails_the_plan(runner: Runner):
    (runner.folder / "store.sqlite").mkdir()
    done = runner.play("plan")
    assert (done.returncode, "error[connection-failed]" in done.stderr) == (1, True)
    assert not (runner.folder / "output").exists()


def test_data_is_lost_only_by_a_run_that_names_it(runner: Runner, store: Store):
    runner.specs(", note: text")
    runner.play("plan")
    runner.play("apply")
    runner.specs()
    runner.play("plan")
    refused = runner.play("apply")
    assert (refused.returncode, "error[destructive-change]" in refused.stderr) == (2, True)
    assert "> [!CAUTION]" in runner.text("summary.md")
    allowed = runner.play("apply", ALLOWED="warehouse.people.note")
    assert allowed.returncode == 0, allowed.stderr
    assert [row[1] for row in store.raw("PRAGMA table_info(people)")] == ["id", "name"]


def test_a_table_that_changed_since_is_left_alone(runner: Runner, store: Store):
    runner.play("plan")
    runner.play("apply")
    runner.specs(", note: text")
    runner.play("plan")
    store.run("ALTER TABLE people ADD COLUMN by_hand text")
    done = runner.play("apply")
    assert (done.returncode, "error[stale-plan]" in done.stderr) == (2, True), done.stderr


def test_a_change_by_hand_fails_the_nightly_job(runner: Runner, store: Store):
    runner.play("plan")
    runner.play("apply")
    assert runner.play("drift").returncode == 0
    store.run("ALTER TABLE people ADD COLUMN by_hand text")
    assert runner.play("drift").returncode == 1
