"""Who applied and ran, and of which commit."""

import os
import pwd
import re
import socket
import subprocess

import pytest

from flowc.service.access.origin import commit_of, origin_of
from tests.commands import Inside


def git(root, *arguments):
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *settings, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "a.yaml").write_text("project: a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_clean_project_has_its_commit(project):
    (project / "shop.db").write_text("data is no change of the project")
    assert commit_of(str(project)) == git(project, "rev-parse", "HEAD")[:8]


def test_what_git_does_not_hold_is_dirty(project):
    head = git(project, "rev-parse", "HEAD")[:8]
    (project / "specs" / "b.yaml").write_text("tables: {}\n")
    assert commit_of(str(project)) == f"{head}-dirty"
    (project / "specs" / "b.yaml").unlink()
    (project / "specs" / "a.yaml").write_text("project: b\n")
    assert commit_of(str(project)) == f"{head}-dirty"


def test_a_neighbour_in_the_repository_makes_nothing_dirty(project):
    (project / "other").mkdir()
    (project / "other" / "x.py").write_text("")
    assert commit_of(str(project / "specs")) == git(project, "rev-parse", "HEAD")[:8]


def test_no_repository_has_no_commit(tmp_path):
    assert commit_of(str(tmp_path)) is None
    git(tmp_path, "init", "-q")
    assert commit_of(str(tmp_path)) is None  # nothing was committed yet
    assert commit_of(str(tmp_path / "absent")) is None


def test_without_git_there_is_no_commit(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project / "absent"))
    assert commit_of(str(project)) is None


def test_settings_of_a_repository_start_nothing(project):
    started = project / "started"
    (project / "monitor").write_text(f"#!/bin/sh\ntouch {started}\n")
    (project / "monitor").chmod(0o755)
    git(project, "config", "core.fsmonitor", str(project / "monitor"))
    commit_of(str(project))
    assert not started.exists()


def test_the_user_is_that_of_the_process(project, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert origin_of(project).user == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_a_name_is_a_number(project, monkeypatch):
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert origin_of(project).user == str(os.getuid())


SPEC = """
project: shop
connections: { db: { kind: sqlite, path: shop.db } }
tables: { t: { connection: db, columns: { a: bigint } } }
pipelines: { load: { from: db, sql: SELECT 1 AS a, to: t, mode: truncate } }
"""


def test_history_and_runs_name_user_and_commit_and_no_process(project):
    folder = Inside(project)
    folder.write("specs/a.yaml", SPEC)
    (project / ".gitignore").write_text(".flowc/\n*.db\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "two")
    head, user = git(project, "rev-parse", "HEAD")[:8], pwd.getpwuid(os.getuid()).pw_name
    assert folder.flowc("apply", "--yes").code == 0
    folder.write("specs/a.yaml", SPEC + "  # edited")
    assert folder.flowc("run", "--once").code == 0
    history, run = folder.flowc("plan", "--history").out, folder.flowc("runs", "show", "last").out
    assert re.search(rf" {user} \({head}\)$", history, re.MULTILINE)
    assert re.search(rf"^by: +{user}\ncommit: +{head}-dirty\non: +{socket.gethostname()}$", run, re.MULTILINE)
    assert f":{os.getpid()}:" not in history + run
    (listed,) = folder.flowc("runs", "list", "--json").json
    assert (listed["user"], listed["commit"]) == (user, f"{head}-dirty")
