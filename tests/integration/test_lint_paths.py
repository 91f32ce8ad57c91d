"""By which paths `flowc lint` names files: from the working folder for people, from the repository for code hosts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands import Inside

SPECS = """connections:
  db: { kind: sqlite, path: a.db }
tables:
  t: { connection: db, columns: { id: bigint } }
pipelines:
  p: { sql: SELECT nope AS id FROM t, to: t, mode: append }
  t: { sql_file: q.sql, to: { connection: db, table: o }, mode: append }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a folder of a repository."""
    project = tmp_path / "repository" / "etl"
    for folder in ("specs/more", "below/deep"):
        (project / folder).mkdir(parents=True)
    (project / "specs/a.yaml").write_text(SPECS)
    (project / "q.sql").write_text("SELECT nope2 FROM t")
    return project


def named(out: str, form: str) -> set[str]:
    """The files that problems are told in."""
    if form == "json":
        return {each["file"] for each in json.loads(out)}
    if form == "sarif":
        results = json.loads(out)["runs"][0]["results"]
        places = [p for r in results for p in (*r["locations"], *r.get("relatedLocations", ()))]
        return {place["physicalLocation"]["artifactLocation"]["uri"] for place in places}
    pattern = {"text": r"--> (.*?):\d", "concise": r"(?m)^(.*?):\d", "github": r"file=(.*?),"}[form]
    return set(re.findall(pattern, out))


@pytest.mark.parametrize("form", ["text", "concise", "json"])
@pytest.mark.parametrize(
    ("here", "yaml", "sql"),
    [
        (".", "specs/a.yaml", "q.sql"),
        ("below/deep", "../../specs/a.yaml", "../../q.sql"),
        ("specs", "a.yaml", "../q.sql"),
        ("specs/more", "../a.yaml", "../../q.sql"),
    ],
)
def test_people_read_paths_from_where_they_are(root: Path, form: str, here: str, yaml: str, sql: str) -> None:
    done = Inside(root / here).flowc("lint", "--format", form)
    assert done.code == 1
    assert named(done.out, form) == {yaml, sql}


@pytest.mark.parametrize("form", ["github", "sarif"])
@pytest.mark.parametrize("here", [".", "below/deep", "specs"])
@pytest.mark.parametrize("git", ["folder", "file", "none"])
def test_code_hosts_read_paths_from_the_repository(root: Path, form: str, here: str, git: str) -> None:
    if git == "folder":
        (root.parent / ".git").mkdir()
    elif git == "file":
        (root.parent / ".git").write_text("gitdir: elsewhere")  # a worktree's
    done = Inside(root / here).flowc("lint", "--format", form)
    before = "" if git == "none" else "etl/"
    assert named(done.out, form) == {f"{before}specs/a.yaml", f"{before}q.sql"}


@pytest.mark.parametrize("form", ["text", "github"])
def test_what_lies_elsewhere_keeps_its_whole_path(root: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else/specs").mkdir()
    done = Inside(tmp_path / "else").flowc("lint", str(root / "specs"), "--format", form)
    assert named(done.out, form) == {str(root / "specs/a.yaml"), str(root / "q.sql")}
