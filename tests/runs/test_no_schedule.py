"""A pipeline without a schedule: what pauses and resumes schedules says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.web.browser import OPERATOR, site

SPEC = """
connections: { db: { kind: sqlite, path: shop.db } }
pipelines:
  plain: { from: db, sql: SELECT 1 AS n, to: { connection: db, table: o }, mode: truncate }
"""


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_it_is_said_with_its_own_code(tmp_path: Path, word: str) -> None:
    project = Inside(tmp_path)
    project.write("specs/s.yaml", SPEC)
    done = project.flowc("schedule", word, "plain")
    assert done.code == 2
    assert "error[no-schedule]: `plain` has no schedule" in done.err
    with site(project) as browser:
        browser.sign_in(OPERATOR)
        answer = browser.post(f"/pipelines/plain/{word}")
        assert answer.status >= 400
        assert "no-schedule" in answer.text
