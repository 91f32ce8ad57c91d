"""Runs that pages begin: what they say is shown without secrets, and nothing that they begin outlives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.waiting import until
from tests.web.browser import OPERATOR, Browser, site

SPEC = """
project: shop
connections: { db: { kind: sqlite, path: "${file:pw}" }, data: { kind: files, uri: in, format: csv } }
functions: { f: { python: "own:f", args: [text], returns: text } }
tables: { a: { connection: db, columns: { n: text } } }
pipelines:
  up:
    { from: { connection: data, path: x.csv, columns: { n: text } }, sql: SELECT f(n) AS n FROM source, to: a,
      mode: append }
"""
SECRET = "Zq81x-Hunter2"
TOLD = f"import sys\ndef f(n):\n    sys.stderr.write('password {SECRET}\\n' + %s)\n    raise ValueError\n"


@pytest.fixture
def folder(tmp_path: Path) -> Inside:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    folder.write("in/x.csv", "n\n1\n")
    folder.write("pw", SECRET)
    return folder


def ran(browser: Browser) -> str:
    """The page, once a run that it began has ended."""
    assert browser.post("/pipelines/up/run").status == 303
    until(lambda: "it ended with exit code" in browser.get("/pipelines/up").text)
    return browser.get("/pipelines/up").text


def test_what_a_run_says_is_shown_without_the_secrets_of_its_connections(folder: Inside):
    folder.write("own.py", TOLD % "''")
    with site(folder) as browser:
        browser.sign_in(OPERATOR)
        assert "password ***" in (page := ran(browser))
        assert "Hunter2" not in page


def test_no_piece_of_a_secret_is_left_where_the_end_of_many_words_begins(folder: Inside):
    folder.write("own.py", TOLD % f"'{SECRET}' * 9000")
    with site(folder) as browser:
        browser.sign_in(OPERATOR)
        page = ran(browser)
        assert len(page) < 100_000
        assert "Hunter2" not in page
        assert "unter2" not in page


def test_a_run_has_ended_when_what_it_began_has_its_pipes_and_goes_on(folder: Inside):
    began = "str(subprocess.Popen(['sleep', '600']).pid)"
    folder.write("own.py", f"import subprocess\ndef f(n):\n    open('pid', 'w').write({began})\n    raise ValueError\n")
    with site(folder) as browser:
        browser.sign_in(OPERATOR)
        ran(browser)
    left = Path("/proc", (folder.path / "pid").read_text(), "cmdline")
    until(lambda: not left.exists() or not left.read_bytes())
