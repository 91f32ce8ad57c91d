"""Runs that are cut off at any step, edited, and run to their end, for each operator.

What comes out is what comes out of a stream that was edited between two runs which ended well: each message is read by
one of the two plans, by all targets and the state alike.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.extended import with_extended
from tests.streams.test_edited_intents import APPEND, BOTH, MERGE, killed, project, put, table

ROWS = (
    ("a", 1, "00:10"), ("b", 200, "00:20"), ("a", 300, "01:10"), ("c", 4, "01:20"), ("b", 5, "02:10"),
    ("a", 6, "02:20"), ("c", 700, "06:00"),
)  # fmt: skip
POINTS = ("intended", "target 0", "target 1", "checkpoint")
BOTH_MERGED = BOTH.replace(" }", ", mode: merge, keys: [id] }")


@dataclass(frozen=True)
class Edit:
    """A query, another one that may go on with its state, and where its rows go."""

    before: str
    after: str
    to: str = APPEND
    settings: str = ""


def _edit(sql: str, was: str, is_: str, to: str = APPEND, settings: str = "") -> Edit:
    assert was in sql
    return Edit(sql, sql.replace(was, is_), to, settings)


_WINDOW = "SELECT window_end, id, sum(x) AS total FROM {} GROUP BY window_end, id"
_TUMBLE = _WINDOW.format("tumble(source, INTERVAL '5 minutes')")
_SESSION = _WINDOW.format("session(source, INTERVAL '40 seconds', INTERVAL '1 hour')")
_DEDUPE = "WITH big AS (SELECT id, x FROM source WHERE x > 100) SELECT id, x FROM dedupe(big, id, INTERVAL '1 hour')"
_JOIN = (
    "SELECT l.id, l.x, r.x AS y FROM source l JOIN source r ON l.id = r.id "
    "AND r._event_ts BETWEEN l._event_ts AND l._event_ts + INTERVAL '90 seconds'"
)
EDITS: Mapping[str, Edit] = {
    "no state": _edit("SELECT id, x FROM source", "x FROM", "10 * x AS x FROM", BOTH),
    "dedupe": _edit(_DEDUPE, "x > 100", "x > 0", BOTH),
    "dedupe in one target": _edit(_DEDUPE, "x > 100", "x > 0"),
    "window": _edit(_TUMBLE, "sum(x)", "10 * sum(x)", BOTH),
    "window made anew": _edit(_TUMBLE, "5 minutes", "1 minute"),
    "session": _edit(_SESSION, "sum(x)", "10 * sum(x)", BOTH),
    "running": _edit("SELECT id, sum(x) AS total FROM source GROUP BY id", "sum(x)", "10 * sum(x)", BOTH_MERGED,
                     "group_ttl: never"),
    "running in one target": _edit("SELECT id, sum(x) AS total FROM source GROUP BY id", "sum(x)", "10 * sum(x)", MERGE,
                                   "group_ttl: never"),
    "join": _edit(_JOIN, "r.x AS y", "10 * r.x AS y", BOTH),
    "lookup": _edit("SELECT s.id, s.x, n.f FROM source s JOIN names n ON n.id = s.id", "n.f", "n.f * s.x AS f", BOTH,
                    "lookups: { names: { connection: ref, sql: \"SELECT 'a' AS id, 2 AS f UNION ALL "
                    "SELECT 'b', 3 UNION ALL SELECT 'c', 4\" } }"),
}  # fmt: skip
Tables = tuple[Sequence[tuple[object, ...]], ...]


def _begun(folder: Path, edit: Edit, rows: int) -> None:
    made = project(folder, edit.before, edit.settings, edit.to)
    made.write("specs/ref.yaml", "connections:\n  ref: { kind: duckdb, path: ref.duckdb }\n")
    for number, row in enumerate(ROWS[:rows]):
        put(made, str(number), row)


def _ended(folder: Path, edit: Edit) -> Tables:
    """What is there when the edited stream has read all."""
    made = project(folder, edit.after, edit.settings, edit.to)
    for number, row in enumerate(ROWS):
        if not (folder / f"in/{number}.jsonl").exists():
            put(made, str(number), row)
    ran = made.flowc("run", "s", "--once", "--drain")
    assert ran.code == 0, ran.err
    return tuple(table(made, name=name) for name in ("t", "u")[: edit.to.count("connection")])


def edited_between_messages(kind: str) -> Sequence[Tables]:
    """What may be there: of a stream that was edited behind each number of messages."""
    found = []
    for count in range(len(ROWS) + 1):
        with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            _begun(Path(folder), EDITS[kind], count)
            if count:
                assert killed(made := project(Path(folder), EDITS[kind].before, EDITS[kind].settings, EDITS[kind].to),
                              "nowhere").error is None, made  # fmt: skip
            found.append(_ended(Path(folder), EDITS[kind]))
    return found


OFTEN = ("dedupe", "running")
"""Of every run; the others edit the same operators, or none."""


@pytest.mark.parametrize("kind", with_extended(OFTEN, (kind for kind in EDITS if kind not in OFTEN)))
def test_each_message_is_read_by_one_of_the_two_plans(kind: str, tmp_path: Path) -> None:
    edit, clean = EDITS[kind], edited_between_messages(kind)
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found = _cut_off(folder, edit, random.Random(f"{kind} {seed}"))
        assert found in clean, (seed, found)
        assert all(each == found[0] for each in found), seed


def _cut_off(folder: Path, edit: Edit, chance: random.Random) -> Tables:
    """What is there after runs that are cut off, before the edit and behind it."""
    _begun(folder, edit, len(ROWS))
    for _ in range(chance.randint(1, 3)):
        made = project(folder, edit.before, edit.settings, edit.to)
        killed(made, chance.choice(POINTS), chance.randint(1, len(ROWS)))
    made = project(folder, edit.after, edit.settings, edit.to)
    while chance.random() < 0.4:  # the edited one is cut off while it finishes what was before it
        killed(made, chance.choice(POINTS), chance.randint(1, 4))
    return _ended(folder, edit)
