"""Where commands find their project, and the forms in which they show what they found."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.commands import ROOT, Folder, Inside

SPECS = """connections: { db: { kind: duckdb, path: a.duckdb } }
tables:
  t: { connection: db, columns: { id: bigint } }
pipelines:
  p: { sql: SELECT 1 AS id, to: t }
tests:
  one: { pipeline: p, given: {}, expect: [{ id: 1 }] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Inside(tmp_path)
    folder.write("specs/a.yaml", SPECS)
    return folder


@pytest.mark.parametrize("below", ["specs", "specs/deep", "data/2026"])
def test_a_project_is_found_from_any_folder_below(folder, below):
    inner = Inside(folder.path / below)
    inner.path.mkdir(parents=True, exist_ok=True)
    assert inner.flowc("lint").code == 0
    assert inner.flowc("run", "p", "--once").code == 0
    assert (folder.path / "a.duckdb").exists(), "paths of specs start at the project's root"
    assert inner.flowc("connections", "list", "--json").json[0]["name"] == "db"


def test_no_project_is_told(tmp_path):
    done = Inside(tmp_path).flowc("lint")
    assert done.code == 2
    assert "error[missing-specs]: there is no folder `specs`, neither here nor in a folder above" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("lint",), ("plan",), ("drift",), ("test",), ("status",), ("run", "--once"), ("validate", "p"),
        ("preview", "p"), ("connections", "list"), ("dlq", "list"),
    ],
)  # fmt: skip
def test_json_is_a_format_of_every_command(folder, command):
    folder.flowc("run", "--once")
    long, short = folder.flowc(*command, "--format", "json"), folder.flowc(*command, "--json")
    assert type(long.json) is type(short.json)
    assert not folder.flowc(*command, "--format", "text").out.startswith(("{", "["))


def test_forms_of_a_plan(folder):
    assert folder.flowc("plan", "--format", "sql").out == folder.flowc("plan", "--sql").out
    assert folder.flowc("plan", "--format", "markdown").out == folder.flowc("plan", "--markdown").out


def test_init_needs_no_folder_when_this_one_is_empty(tmp_path):
    folder = Inside(tmp_path / "shop")
    folder.path.mkdir()
    (folder.path / ".git").mkdir()
    assert folder.flowc("init").code == 0
    assert folder.flowc("run", "--once").code == 0
    again = folder.flowc("init")
    assert again.code == 2
    assert "error[existing-file]: this folder is not empty" in again.err


def test_doctor_lists_the_extras_that_there_are(folder):
    listed = {line.split()[0] for line in folder.flowc("doctor").out.split("\n\n")[1].splitlines()[1:]}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert listed >= set(declared) - {"all", "dev"}
    assert "kafka" in listed
