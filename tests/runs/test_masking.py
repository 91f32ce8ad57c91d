"""Secrets that are changed while a scheduler runs are masked in what workers say, and pieces of them too."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from flowc.cli.opened import open_project
from flowc.service.runs import masking
from flowc.service.runs.log import RunLog
from flowc.service.runs.masking import Masking
from flowc.service.runs.minding import Settling
from tests.commands import Inside

SPEC = """
connections: { db: { kind: postgres, url: "postgres://u:${file:pw}@h/d" } }
tables: { a: { connection: db, columns: { n: bigint } } }
pipelines: { up: { from: db, sql: SELECT 1 AS n, to: a, mode: append } }
"""


def test_what_was_changed_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(masking, "_FRESH", -1.0)
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SPEC)
    folder.write("pw", "older-Zq81x")
    opened = open_project([tmp_path / "specs"], None, "nothing is masked")
    masked = Masking(opened.sessions, opened.ir.pipelines)
    assert masked("older-Zq81x") == "***"
    assert masked("no: postgres://u:pw1@h/db") == "no: postgres://u:***@h/db", "an address that nobody has named"
    folder.write("pw", "newer-Yk92w")
    Settling(cast(RunLog, None), lambda _: None, lambda _: None, masked).learn()
    folder.write("pw", "third-Xj03v")
    assert masked("older-Zq81x, newer-Yk92w, er-Yk92w") == "***, ***, ***"
