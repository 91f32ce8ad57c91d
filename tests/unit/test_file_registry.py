"""Files that a stream finds get their numbers when they are whole, by a clock that may be set."""

from __future__ import annotations

import os
from pathlib import Path

from flowc.runtime.connectors.filestream_registry import Passing, Registry

HOUR, SECOND = 3600 * 10**9, 10**9


def test_a_clock_that_is_set_back_holds_up_no_file(tmp_path: Path) -> None:
    now = [1_800_000_000 * SECOND]
    registry = Registry("s", tmp_path, "*.csv", Passing(), lambda: now[0])
    file = tmp_path / "a.csv"
    file.write_text("id\n1\n")
    os.utime(file, ns=(now[0], now[0]))
    registry.begin(0)
    assert registry.look()
    now[0] -= HOUR
    assert registry.look()
    now[0] += 3 * SECOND
    assert not registry.look()
    assert [seen.path for seen in registry.files] == ["a.csv"]
