"""Times of messages that are far from any clock: rows that use them are bad, and dead letters are read all the same."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.streams.test_dlq import MENDED, Place, counted, project, rows, run
from tests.topics import Message, fresh, produce

ANY_TIME = {"message_timestamp_after_max_ms": str(2**63 - 1), "message_timestamp_before_max_ms": str(2**63 - 1)}
USUAL = 1_760_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999
"""The first and the last millisecond of the years 1 to 9999."""
EDGES = (USUAL * 1000, USUAL * 1_000_000, 2**63 - 1, 1, 1000, 2**31 * 1000, LAST, LAST + 1, 2**32 * 1000, 2**53)


def sent(kafka: str, topic: str, times: list[int], bad: tuple[int, ...] = ()) -> None:
    made = [json.dumps({"id": n, "name": f"x{n}" if n in bad else str(n)}).encode() for n in range(len(times))]
    produce(kafka, topic, [Message(value, at=at) for value, at in zip(made, times, strict=True)])


def shown(folder) -> dict[int, dict[str, object]]:
    return {each["offset"]: each for each in folder.flowc("dlq", "show", "clean", "--json", "--limit", "99").json}


def told(letters) -> dict[int, object]:
    """The time of each letter: a text, or the broker's number where no column holds it."""
    return {n: each["event_time"] or each["event_ms"] for n, each in letters.items()}


def expected(at: int, kind: str) -> object:
    first, last = (1000, (2**31 - 1) * 1000) if kind == "mysql" else (FIRST, LAST)
    if not first <= at <= last:
        return at
    return (EPOCH + timedelta(milliseconds=at)).isoformat(timespec="seconds").replace("+00:00", "Z")


@pytest.mark.parametrize("dead", ["table", "topic"])
def test_letters_of_any_time_are_shown_and_replayed(tmp_path: Path, kafka: str, wh: Place, dead: str) -> None:
    if dead == "topic" and wh[0] != "sqlite":
        return
    topic, more = fresh(kafka, **ANY_TIME), f"dead_letter: {{ topic: {fresh(kafka)}-dead }}" if dead == "topic" else ""
    chance = random.Random(5)
    times = [*EDGES, *(chance.choice((chance.randrange(1, 2**63), 10 ** chance.randrange(19))) for _ in range(10))]
    sent(kafka, topic, times, tuple(range(len(times))))
    folder = project(tmp_path, kafka, topic, wh, more=more)
    run(folder)
    letters = shown(folder)
    assert told(letters) == {n: expected(at, wh[0] if dead == "table" else "") for n, at in enumerate(times)}
    assert all(letter["headers"] == [] for letter in letters.values())
    assert counted(folder)[0] == len(times)
    assert folder.flowc("dlq", "show", "clean").code == 0
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(times)
    assert told(shown(folder)) == told(letters)
    folder = project(tmp_path, kafka, topic, wh, MENDED, more=more)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == len(times)
    assert [row["id"] for row in rows(wh, "SELECT id FROM clean ORDER BY id")] == list(range(len(times)))
