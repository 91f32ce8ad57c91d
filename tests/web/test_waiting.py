"""What is answered while the run log does not answer, and how soon the server ends while a run goes on."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from flowc.web import waiting
from tests.commands import Inside
from tests.services.machine import free_port
from tests.waiting import until
from tests.web.browser import OPERATOR, SPEC, VIEWER, Browser, site

SLOW = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) AS n FROM n"
)


def test_a_run_log_that_is_locked_holds_up_its_own_pages_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "_LONGEST", 3.0)
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    folder.flowc("run", "up", "--once")
    with site(folder) as browser, closing(sqlite3.connect(tmp_path / ".flowc/runs.sqlite")) as other:
        browser.sign_in(VIEWER)
        other.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(45) as many:
            asked = [many.submit(browser.get, "/") for _ in range(45)]
            until(lambda: any(each.done() for each in asked))  # those for which there is no place
            begun = time.monotonic()
            for path in ("/healthz", "/static/style.css", "/sign-in"):
                assert Browser(browser.port).get(path).status == 200
            assert time.monotonic() - begun < 1
            answers = [each.result() for each in asked]
        assert {answer.status for answer in answers} == {503}
        assert sum("40 pages wait for the run log" in answer.text for answer in answers) == 5
        other.rollback()
        until(lambda: browser.get("/").status == 200)


def test_an_act_that_is_not_waited_for_any_longer_may_still_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "_LONGEST", 1.0)
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    folder.flowc("run", "up", "--once")
    with site(folder) as browser, closing(sqlite3.connect(tmp_path / ".flowc/runs.sqlite")) as other:
        browser.sign_in(OPERATOR)
        other.execute("BEGIN EXCLUSIVE")
        answer = browser.post("/pipelines/up/pause")
        assert (answer.status, "may still be done" in answer.text) == (503, True)
        other.rollback()
        until(lambda: "Resume its schedule" in browser.get("/pipelines/up").text)


def test_it_ends_soon_while_a_run_goes_on_that_was_begun_here(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC.replace("SELECT n FROM a,", f'"{SLOW}",'))
    port = free_port()
    command = [sys.executable, "-m", "flowc", "web", "--listen", f"127.0.0.1:{port}"]
    environ = {"FLOWC_WEB_TOKENS": f"operator: {OPERATOR}", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as served:
        browser = Browser(port, headers={"Authorization": f"Bearer {OPERATOR}"})
        assert served.stderr is not None
        assert "http://" in served.stderr.readline()
        assert browser.post("/pipelines/down/run").status == 303
        until(lambda: "running" in browser.get("/runs?status=running").text.partition("<tbody>")[2])
        begun = time.monotonic()
        served.send_signal(signal.SIGTERM)
        assert served.wait(20) == 0
        assert time.monotonic() - begun < 10
    said = folder.flowc("runs", "list", "down").out
    assert "cancelled" in said or "lost" in said


def test_what_others_see_of_a_run_that_was_begun_here_names_no_run_log(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC.replace("SELECT n FROM a,", f'"{SLOW}",'))
    log = f"sqlite:///{tmp_path}/hunter2.sqlite"
    with site(folder, run_log=log) as browser:
        browser.headers["Authorization"] = f"Bearer {OPERATOR}"
        assert browser.post("/pipelines/down/run").status == 303
        until(lambda: "running" in browser.get("/runs?status=running").text.partition("<tbody>")[2])
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
        assert any(str(tmp_path).encode() in line for line in lines)
        assert not any(b"hunter2" in line for line in lines)
