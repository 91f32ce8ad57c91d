"""Rows as they come, on a clock of the test's own, and the same rows at full speed: the same tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.backfill import QUERIES, Clock, Player, backfill, compared, live, played, tape

ROWS, KEYS, SECONDS = 2_000, 50, 90
TAPE = tape(ROWS, KEYS, SECONDS)


@pytest.mark.parametrize("name", QUERIES)
def test_many_small_epochs_and_few_long_ones_give_the_same_table(name: str, tmp_path: Path):
    slow = played(name, Player(TAPE, live(TAPE, Clock(4_000_000))), tmp_path / "live", threads=False)
    fast = played(name, Player(TAPE, backfill(TAPE, most=1_000)), tmp_path / "backfill", threads=False)
    rows, alone = compared(tmp_path / "live", tmp_path / "backfill")
    assert (slow[1], fast[1], alone) == (0, 0, 0)
    assert rows > KEYS
    assert slow[0] > 2 * fast[0]


def test_tables_of_other_rows_differ(tmp_path: Path):
    for folder, seed in (("one", 1), ("other", 2)):
        rows = tape(ROWS, KEYS, SECONDS, seed)
        played("tumbling", Player(rows, backfill(rows)), tmp_path / folder, threads=False)
    rows, alone = compared(tmp_path / "one", tmp_path / "other")
    assert alone > rows
