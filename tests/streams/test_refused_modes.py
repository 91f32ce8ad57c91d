"""Modes that streams do not write are refused by name; nothing is written in another mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.streams.filefolder import put

PROJECT = """
connections: {{ in: {{ kind: files, uri: . }}, wh: {{ kind: duckdb, path: wh.duckdb }} }}
streams:
  s:
    source: {{ connection: in, path: "*.jsonl", format: jsonl, columns: {{ id: bigint }} }}
    to: {{ connection: wh, table: s, mode: {mode}, keys: [id] }}
"""


@pytest.mark.parametrize("mode", ["scd2", "truncate"])
def test_a_mode_that_streams_do_not_write_is_refused(mode: str, tmp_path: Path):
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", PROJECT.format(mode=mode))
    put(tmp_path, "a.jsonl", '{"id": 1}\n')
    done = folder.flowc("run", "s", "--once")
    assert done.code == 1
    assert f"it has `mode: {mode}`" in done.err
    assert "not-runnable-yet" in done.err
