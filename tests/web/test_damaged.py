"""A row of the run log whose value has another type than its column is shown as damaged, and hides nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from flowc.compiler.tables import runlog
from tests.commands import Inside
from tests.extended import amount, with_extended
from tests.web.browser import SPEC, VIEWER, site

VALUES = {
    "blob": b"\xff\xfe\x00", "text": "no such", "bad text": "CAST(x'ff' AS TEXT)", "real": 1e300, "small": -0.5,
    "nul": "a\0b", "huge": 2**63 - 1, "least": -(2**63), "long": "x" * 100_000,
    "bad JSON": '{"pipelines": [', "null": None,
    "bad time": "2026-13-45 99:99:99+00:00", "far": "9999-12-31 23:59:59.999999+00:00",
    "first": "0001-01-01 00:00:00+14:00",
}  # fmt: skip
ALIKE = ("bad text", "real", "small", "nul", "least", "null", "first")
"""Values that pages read as they read others of these."""
COLUMNS = [
    (table, column.name)
    for table, columns in (
        ("runs", runlog._RUNS), ("schedules", runlog._SCHEDULES), ("leases", runlog._LEASES),
        ("conditions", runlog._CONDITIONS),
    )
    for column in columns
    if column.name != "project"
]  # fmt: skip
PAGES = ("/", "/runs", "/pipelines/up")
"""In the short run a column is read by one of them with each value, by all of them with some."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Inside:
    """A project with two runs, a schedule and a condition."""
    folder = Inside(tmp_path_factory.mktemp("damaged"))
    folder.write("specs/s.yaml", SPEC)
    folder.flowc("run-due", "--now", "2026-03-10T11:59:00Z")
    folder.flowc("run-due", "--now", "2026-03-10T12:00:00Z")
    folder.flowc("run", "up", "--once")
    with closing(sqlite3.connect(folder.path / ".flowc/runs.sqlite")) as log:
        found = {
            table: log.execute(f"SELECT count(*) FROM flowc_{table}").fetchone()[0] for table in ("runs", "schedules")
        }
        project = log.execute("SELECT project FROM flowc_runs").fetchone()[0]
        log.execute(
            "INSERT INTO flowc_conditions"
            " VALUES (?, 'up', 'stale', '', 0, '2026-03-10 12:00:00+00:00', NULL, NULL, NULL, 0)",
            [project],
        )
        log.execute("INSERT INTO flowc_leases VALUES (?, 'me', 1, '2026-03-10 12:00:00+00:00')", [project])
        log.commit()
    assert found == {"runs": 2, "schedules": 1}
    return folder


@pytest.mark.parametrize("kind", with_extended((each for each in VALUES if each not in ALIKE), ALIKE))
def test_no_page_fails_by_a_value_of_another_type(filled: Inside, kind: str):
    path = filled.path / ".flowc/runs.sqlite"
    value = VALUES[kind]
    broken = []
    with site(filled) as browser, closing(sqlite3.connect(path)) as log:
        browser.sign_in(VIEWER)
        log.execute("PRAGMA busy_timeout = 20000")
        for place, (table, column) in enumerate(COLUMNS, list(VALUES).index(kind)):
            row, before = log.execute(f"SELECT rowid, {column} FROM flowc_{table} ORDER BY rowid").fetchone()
            written = value if isinstance(value, str) and value.startswith("CAST") else "?"
            given = [] if written != "?" else [value]
            try:
                log.execute(f"UPDATE flowc_{table} SET {column} = {written} WHERE rowid = {row}", given)
            except sqlite3.IntegrityError:  # NULL where that may not be
                continue
            log.commit()
            for page in amount([PAGES[place % len(PAGES)]], PAGES):
                answer = browser.get(page)
                if answer.status != 200 or "up" not in answer.text:
                    broken.append((table, column, page, answer.status, answer.text[-300:]))
            log.execute(f"UPDATE flowc_{table} SET {column} = ? WHERE rowid = {row}", [before])
            log.commit()
    assert broken == []


def test_a_damaged_row_says_which_of_its_columns_are(filled: Inside):
    path = filled.path / ".flowc/runs.sqlite"
    with site(filled) as browser, closing(sqlite3.connect(path)) as log:
        browser.sign_in(VIEWER)
        log.execute("UPDATE flowc_runs SET attempt = 'many', started_at = 17 WHERE rowid = 1")
        log.execute("UPDATE flowc_schedules SET since = x'00'")
        log.commit()
        (run,) = log.execute("SELECT run_id FROM flowc_runs WHERE rowid = 1").fetchone()
        assert "its row in the run log is damaged: attempt, started_at" in browser.get(f"/runs/{run}").text
        assert "damaged in the run log: since" in browser.get("/pipelines/up").text
        listed = browser.get("/runs").text
    assert listed.count('<th scope="row"><a href="/runs/') == 2
    for words in (("runs", "list"), ("runs", "show", run), ("schedule", "list"), ("status",)):
        done = filled.flowc(*words)
        assert "damaged" in done.out, (words, done.out, done.err)
