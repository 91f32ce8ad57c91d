"""A table of dead letters that somebody dropped: it is created again, and the run says so."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.streams.filefolder import put

SPEC = """
connections:
  drop: { kind: files, uri: drop }
  wh: { kind: sqlite, path: wh.db }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", columns: { id: bigint } }
    sql: SELECT id FROM source
    to: { connection: wh, table: t, mode: append }
    on_error: dlq
"""


def test_a_run_says_that_the_table_of_letters_is_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    put(tmp_path / "drop", "1.jsonl", '{"id": 1}\n{"id": "bad"}\n', 1)
    for dropped in (False, True, False):
        if dropped:
            with sqlite3.connect(tmp_path / "wh.db") as db:
                db.execute("DROP TABLE flowc_dead_letters")
        caplog.clear()
        assert folder.flowc("run", "s", "--once").code == 0
        assert ("`flowc_dead_letters` of dead letters is new" in caplog.text) == dropped
