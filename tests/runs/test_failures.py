"""A failed run says everywhere where it failed, and what helps."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from flowc.service.runs.details import read_detail
from flowc.service.runs.failures import Failure, failure_of
from tests.commands import Inside
from tests.web.browser import VIEWER, site

SPEC = """
project: shop
connections: { src: { kind: sqlite, path: src.db }, db: { kind: sqlite, path: shop.db } }
tables:
  out: { connection: db, columns: { a: bigint } }
pipelines:
  copy: { from: { connection: src, table: t }, to: out, mode: append, schedule: "0 * * * *" }
alerts: { log: { kind: stdout } }
"""
PLAN = json.loads((Path(__file__).parents[2] / "schemas" / "plan.json").read_text("utf-8"))
WORDS = ("target: db.out", "at: specs/s.yaml:7:", "note: `out` has `a`", "help: add `b` to the table, or leave it out")


@pytest.mark.usefixtures("warm_runs")
def test_log_alert_command_and_page_say_where_a_run_failed(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    with closing(sqlite3.connect(tmp_path / "src.db")) as source:
        source.execute("CREATE TABLE t (a bigint, b text)")
    folder.flowc("run-due", "--now", "2026-03-10T11:59:00Z")
    failed = folder.flowc("run-due", "--now", "2026-03-10T12:00:00Z")
    (run,) = folder.flowc("runs", "list", "--json").json
    with site(folder, run_log=None) as browser:
        browser.sign_in(VIEWER)
        page = browser.get(f"/runs/{run['run']}").text.replace("&#39;", "'")
    alert = json.loads(failed.out.splitlines()[0])["message"]
    shown = folder.flowc("runs", "show", run["run"]).out
    for said in (failed.err, alert, shown, folder.flowc("logs", "copy").out, page):
        assert [words for words in WORDS if words not in said] == [], said


def test_log_command_and_page_say_which_columns_differ(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    with (
        closing(sqlite3.connect(tmp_path / "src.db")) as source,
        closing(sqlite3.connect(tmp_path / "shop.db")) as shop,
    ):
        source.execute("CREATE TABLE t (a bigint)")
        shop.execute("CREATE TABLE out (a text)")
    folder.flowc("run", "--once")
    for said in (folder.flowc("runs", "show", "last").out, folder.flowc("logs", "copy").out):
        assert "column `a` is text, declared bigint" in said


def test_plan_says_that_the_source_of_a_copy_has_a_column_more(tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    with closing(sqlite3.connect(tmp_path / "src.db")) as source:
        source.execute("CREATE TABLE t (a bigint)")
        folder.flowc("apply", "--yes")
        assert folder.flowc("run", "--once").code == 0
        assert folder.flowc("plan", "--detailed-exitcode").code == 0
        source.execute("ALTER TABLE t ADD COLUMN b text")
        assert _says_of_copy(folder, ("plan",), ("plan", "copy")) == "1 load cannot run"
        folder.write("specs/s.yaml", SPEC.replace("a: bigint }", "a: bigint, c: text }"))
        said = _says_of_copy(folder, ("plan",))
        assert said == "Plan: 1 to add, 0 to change, 0 to drop. 1 load cannot run."
        folder.write("specs/s.yaml", SPEC)
        source.execute("DROP TABLE t")
    assert folder.flowc("plan", "--detailed-exitcode").code == 0


def _says_of_copy(folder: Inside, *commands: tuple[str, ...]) -> str:
    """What the text says of the load in one line. Every form says why it fails, and none that nothing is wrong."""
    for command in commands:
        shown = folder.flowc(*command, "--detailed-exitcode")
        comment, planned = folder.flowc(*command, "--markdown"), folder.flowc(*command, "--json").json
        jsonschema.validate(planned, PLAN)
        (found,) = planned["failures"]
        assert (found["pipeline"], found["target"], found["code"]) == ("copy", "db.out", "unknown-output-column")
        for said in (shown.out, comment.out):
            texts = (found["message"], found["place"], found["help"], *found["notes"], "1 load cannot run")
            assert [text for text in texts if text not in " ".join(said.split())] == [], said
            assert "what the specs say" not in said
        assert (shown.code, shown.err, comment.code) == (2, "", 0)
    line = next(line for line in shown.out.splitlines() if "1 load cannot run" in line)
    return line if line.startswith("Plan") else line.removesuffix(":").rpartition("; ")[2]


SAID = """warning[old]: something
 --> specs/a.yaml:1:1
help: not this
error[unknown-table]: there is no table `x`
 --> specs/s.yaml:3:4
  |
3 | x
help: name one of `a`

error[other]: more
 --> specs/z.yaml:9:9
help: not this either
"""


@pytest.mark.parametrize(
    ("detail", "found"),
    [
        ({}, Failure()),
        ({"said": SAID}, Failure(place="specs/s.yaml:3:4", help="name one of `a`")),
        ({"said": "error[x]: y\n\nerror[z]: w\n --> a:1:1\n"}, Failure()),
        ({"pipelines": [{"error": {"code": "c", "message": "m", "help": "h"}}]}, Failure(help="h")),
        ({"pipelines": [{"error": {"code": "c", "message": "m", "help": "h", "details": ["a is b", "c is d"]}}]},
         Failure(notes=("a is b", "c is d"), help="h")),
        ({"pipelines": [{"targets": [{"target": "db.a"}, {"target": "db.b", "error": {"help": None}}]}]},
         Failure("db.b")),
        ({"pipelines": [{"diagnostics": [{"file": "f", "line": None}]}]}, Failure(place="f")),
        ({"pipelines": [{"targets": [{"target": 1, "diagnostics": [{"file": 1, "line": "x", "notes": 3}]}]}]},
         Failure()),
        ({"pipelines": [{"diagnostics": 3, "error": "x", "targets": [{"diagnostics": [3]}]}]}, Failure()),
    ],
)  # fmt: skip
def test_details_of_any_shape_say_what_they_hold(detail, found):
    assert failure_of(read_detail(json.dumps(detail))) == found
