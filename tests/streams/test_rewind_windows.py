"""A rewind of a stream with windows: what comes out of it are the windows of what is read from the place on, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.commands import Inside
from tests.streams.filefolder import put

SPEC = """
connections: {{ drop: {{ kind: files, uri: drop }}, w: {{ kind: sqlite, path: w.db }} }}
streams:
  s:
    source: {{ connection: drop, path: "*.jsonl", columns: {{ n: bigint, at: timestamptz }}, event_time: at }}
    sql: |
      SELECT window_start, count(*) AS n, sum(n) AS total FROM {window} GROUP BY window_start, window_end
    to: {{ connection: w, table: t, mode: {mode}{keys} }}
    {state}
"""
TUMBLE, SESSION = "tumble(source, INTERVAL '1 minute')", "session(source, INTERVAL '20 seconds', INTERVAL '1 hour')"
FILES = ((10, 20, 65), (30, 35, 70), (75, 130))
"""Seconds behind noon."""
PLACE = 1 << 40
"""Behind the first file."""
Row = tuple[int, int, int]


def tumbling(seconds: Sequence[int]) -> list[Row]:
    """Each window's start, and how many rows are in it and their sum."""
    starts = sorted({at // 60 * 60 for at in seconds})
    return [(start, len(found), sum(found)) for start in starts
            if (found := [at for at in seconds if at // 60 * 60 == start])]  # fmt: skip


def sessions(seconds: Sequence[int]) -> list[Row]:
    """The same of sessions."""
    found = list[list[int]]()
    for at in sorted(seconds):
        if found and at - found[-1][-1] <= 20:
            found[-1].append(at)
        else:
            found.append([at])
    return [(rows[0], len(rows), sum(rows)) for rows in found]


def rows(folder: Inside) -> list[Row]:
    with sqlite3.connect(folder.path / "w.db") as database:
        at = "CAST(strftime('%s', window_start) AS INTEGER) - CAST(strftime('%s', '2026-01-01T12:00:00') AS INTEGER)"
        found = database.execute(f"SELECT {at}, n, CAST(total AS INTEGER) FROM t").fetchall()
    return sorted(found)


@pytest.mark.parametrize(
    ("mode", "window", "model", "state"),
    [
        ("append", TUMBLE, tumbling, ""),
        ("merge", TUMBLE, tumbling, "state: { connection: w }"),
        ("append", SESSION, sessions, "state: { connection: w }"),
        ("merge", SESSION, sessions, ""),
    ],
)
def test_what_comes_out_is_of_what_is_read_again(
    tmp_path: Path, mode: str, window: str, model: Callable[[Sequence[int]], list[Row]], state: str
) -> None:
    folder = Inside(tmp_path)
    keys = ", keys: [window_start]" if mode == "merge" else ""
    folder.write("specs/s.yaml", SPEC.format(window=window, mode=mode, keys=keys, state=state))
    for number, seconds in enumerate(FILES):
        text = [f'{{"n": {at}, "at": "2026-01-01T12:{at // 60:02}:{at % 60:02}Z"}}\n' for at in seconds]
        put(tmp_path / "drop", f"{number}.jsonl", "".join(text), number)
    everything, behind = model([*FILES[0], *FILES[1], *FILES[2]]), model([*FILES[1], *FILES[2]])
    assert folder.flowc("run", "s", "--once").code == 0  # some windows are open, and go
    before = rows(folder)

    def moved(place: str, held: list[Row], new: list[Row]) -> str:
        done = folder.flowc("rewind", "s", "--to", place, "--yes")
        assert folder.flowc("run", "s", "--once", "--drain").code == 0
        merged = {row[0]: row for row in held + new}  # a later row takes the place of the earlier one
        assert rows(folder) == sorted(held + new if mode == "append" else merged.values())
        return done.out

    said = moved(f"0:{PLACE}", before, behind)
    assert "sees only what is behind the place: what the place cuts in two comes out with a part of its rows" in said
    assert "forgets rows" not in said
    for begin in ("earliest", "0:0"):
        assert "sees only" not in moved(begin, rows(folder), everything)
    said = folder.flowc("rewind", "s", "--to", "latest", "--yes").out
    assert "forgets rows that it holds of partitions that are not moved back" in said


SHOWN = """
connections: { drop: { kind: files, uri: drop }, w: { kind: sqlite, path: w.db } }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", columns: { n: bigint, at: timestamptz }, event_time: at }
    window: { kind: session, gap: 20s, max_duration: 1h, aggregate: { n: count(*), total: sum(n) }, emit: EMIT }
    to: { connection: w, table: t, mode: merge, keys: [session_id] }
"""


@pytest.mark.parametrize("emit", ["{ every: 1s }", "final"])
def test_it_is_told_where_sessions_are_out_that_are_open(tmp_path: Path, emit: str) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", SHOWN.replace("EMIT", emit))
    put(
        tmp_path / "drop",
        "0.jsonl",
        '{"n": 1, "at": "2026-01-01T12:00:00Z"}\n{"n": 2, "at": "2026-01-01T12:00:05Z"}\n',
        0,
    )
    assert folder.flowc("run", "s", "--once").code == 0
    assert len(rows(folder)) == (emit != "final")
    said = folder.flowc("rewind", "s", "--to", "earliest", "--yes").out
    assert ("came out before they were over stay in the target" in said) == (emit != "final")
