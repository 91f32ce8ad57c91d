"""`flowc dlq` on real brokers and databases: letters are shown, come through once, and none is lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowc.runtime.systems import open_database
from tests.commands import Folder, Inside
from tests.topics import Message, fresh, produce

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
  side: {{ kind: sqlite, path: side.db }}
  lake: {{ kind: delta, uri: lake }}
streams:
  clean:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, name: text }} }}
    sql: |
      SELECT id, {number} AS n, _partition AS part, _offset AS pos FROM source
    to: {to}
    on_error: dlq
    batch: {{ max_rows: 500 }}
    {more}
"""
STRICT = "CAST(name AS BIGINT)"
MENDED = "CASE WHEN name LIKE 'x%' THEN -1 ELSE CAST(name AS BIGINT) END"
TO = "{ connection: wh, table: clean }"
Place = tuple[str, Mapping[str, object]]


def project(
    folder: Path, kafka: str, topic: str, wh: Place, number: str = STRICT, to: str = TO, more: str = ""
) -> Folder:
    kind, options = wh
    place = ", ".join(f'{key}: "{value}"' for key, value in options.items())
    made = Inside(folder)
    given = {"kafka": kafka, "topic": topic, "kind": kind, "place": place, "number": number, "to": to, "more": more}
    made.write("specs/s.yaml", PROJECT.format(**given))
    return made


def rows(wh: Place, sql: str) -> list[dict[str, Any]]:
    database = open_database(*wh)
    try:
        database.open()
        return list(database.query(sql).to_pylist())
    finally:
        database.close()


def fill(kafka: str, topic: str, count: int, bad: Sequence[int], first: int = 0) -> None:
    made = [
        Message(
            json.dumps({"id": n, "name": f"x{n}" if n in bad else str(n)}).encode(),
            key=b"k\xff", headers=[("h", b"\x01")],
        )
        for n in range(first, first + count)
    ]  # fmt: skip
    produce(kafka, topic, made)


def run(folder: Folder) -> dict[str, Any]:
    (report,) = folder.flowc("run", "clean", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    return dict(report)


def counted(folder: Folder) -> tuple[int, int]:
    """Dead letters, and how many of them are parked."""
    (found,) = folder.flowc("dlq", "list", "--json").json
    return found["letters"], found["parked"]


def test_letters_are_listed_shown_replayed_and_gone(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic, bad = fresh(kafka), (3, 4, 17, 70)
    fill(kafka, topic, 100, bad)
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    produce(kafka, topic, [Message(b"\xff\xfe")])
    run(folder)
    (found,) = folder.flowc("dlq", "list", "--json").json
    assert {code["code"]: code["letters"] for code in found["codes"]} == {"row-fails": 4, "undecodable-message": 1}
    assert "row-fails" in folder.flowc("dlq", "list").out
    letters = folder.flowc("dlq", "show", "clean", "--json").json
    assert sorted((letter["partition"], letter["offset"]) for letter in letters) == [(0, n) for n in (*bad, 100)]
    times = {time for code in found["codes"] for time in (code["oldest"], code["newest"])}
    assert times == {letter["failed_at"] for letter in letters}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", time) for time in times), times
    first = next(letter for letter in letters if letter["offset"] == 3)
    # The password of the tests' MySQL is the beginning of the topic's name, and is masked.
    assert (first["topic"][-12:], first["key_hex"], first["attempt"]) == (topic[-12:], "6bff", 1)
    assert json.loads(first["message"]) == {"id": 3, "name": "x3"}
    assert first["headers"] == [{"key": "h", "value": "01"}]
    (one,) = folder.flowc("dlq", "show", "clean", "--json", "--code", "undecodable-message").json
    assert (one["message"], one["message_hex"]) == (None, "fffe")
    assert len(folder.flowc("dlq", "show", "clean", "--json", "--limit", "2").json) == 2
    assert "fffe" in folder.flowc("dlq", "show", "clean").out

    again = folder.flowc("dlq", "replay", "clean", "--json")
    assert (again.json["replayed"], again.json["failed"], again.code) == (0, 5, 1), again.err
    assert {letter["attempt"] for letter in folder.flowc("dlq", "show", "clean", "--json").json} == {2}
    folder = project(tmp_path, kafka, topic, wh, MENDED)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert (done.json["replayed"], done.json["rows"], done.json["failed"]) == (4, 4, 1), done.json
    assert counted(folder) == (1, 0)
    held = rows(wh, "SELECT id, n, pos FROM clean ORDER BY id")
    assert [row["id"] for row in held] == list(range(100))
    assert {row["id"]: row["pos"] for row in held if row["n"] == -1} == {n: n for n in bad}
    assert run(folder)["messages"] == 0


def test_only_letters_of_a_code_are_replayed(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic = fresh(kafka)
    fill(kafka, topic, 10, (1, 2))
    produce(kafka, topic, [Message(b"nothing")])
    run(project(tmp_path, kafka, topic, wh))
    folder = project(tmp_path, kafka, topic, wh, MENDED)
    assert folder.flowc("dlq", "replay", "clean", "--code", "undecodable-message", "--json").json["failed"] == 1
    assert counted(folder) == (3, 0)
    assert folder.flowc("dlq", "replay", "clean", "--code", "row-fails").code == 0
    assert counted(folder) == (1, 0)


def test_letters_that_fail_too_often_are_parked(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    topic, more = fresh(kafka), "dead_letter: { table: failed, connection: wh, max_attempts: 2 }"
    fill(kafka, topic, 10, (5,))
    folder = project(tmp_path, kafka, topic, wh, more=more)
    run(folder)
    assert [folder.flowc("dlq", "replay", "clean", "--json").json["failed"] for _ in range(3)] == [1, 1, 0]
    assert counted(folder) == (1, 1)
    assert rows(wh, "SELECT attempt FROM failed") == [{"attempt": 3}]
    folder = project(tmp_path, kafka, topic, wh, MENDED, more=more)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 0
    assert folder.flowc("dlq", "replay", "clean", "--json", "--parked").json["replayed"] == 1
    assert counted(folder) == (0, 0)


def test_letters_are_purged_when_one_says_so(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic = fresh(kafka)
    fill(kafka, topic, 10, (5, 6))
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    refused = folder.flowc("dlq", "purge", "clean")
    assert (refused.code, counted(folder)) == (2, (2, 0))
    assert "nobody-to-ask" in refused.err
    assert folder.flowc("dlq", "purge", "clean", "--older-than", "1h", "--yes").out == "clean: 0 removed\n"
    assert folder.flowc("dlq", "purge", "clean", "--code", "other", "--yes").out == "clean: 0 removed\n"
    time.sleep(0.05)
    done = folder.flowc("dlq", "purge", "clean", "--older-than", "10ms", "--code", "row-fails", "--yes")
    assert done.out == "clean: 2 removed\n", done.err
    assert counted(folder) == (0, 0)


def test_words_for_mistakes(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    folder = project(tmp_path, kafka, fresh(kafka), wh)
    assert "did you mean `clean`" in folder.flowc("dlq", "show", "claen").err
    assert "missing-name" in folder.flowc("dlq", "replay").err
    assert "unreadable-argument" in folder.flowc("dlq", "purge", "clean", "--older-than", "soon").err
    assert folder.flowc("dlq", "list").err.strip().endswith("no dead letters")
    spec = folder.path / "specs/s.yaml"
    spec.write_text(spec.read_text().replace("on_error: dlq", "on_error: drop"))
    assert "keeps no dead letters" in folder.flowc("dlq", "show", "clean").err


ELSEWHERE = {
    "letters in another database": (TO, "dead_letter: { table: failed, connection: side }"),
    "several targets": (f"[{TO}, {{ connection: side, table: copy }}]", ""),
    "a lake": (f"[{{ connection: lake, table: clean }}, {TO}]", ""),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_letters_come_through_once_into_every_target(tmp_path: Path, kafka: str, postgres: str, where: str) -> None:
    to, more = ELSEWHERE[where]
    wh, topic = ("postgres", {"url": postgres}), fresh(kafka)
    fill(kafka, topic, 50, (1, 30))
    run(project(tmp_path, kafka, topic, wh, to=to, more=more))
    folder = project(tmp_path, kafka, topic, wh, MENDED, to=to, more=more)
    assert counted(folder) == (2, 0)
    done = folder.flowc("dlq", "replay", "clean", "--json")
    assert done.json["replayed"] == 2, done.json
    assert counted(folder) == (0, 0)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == 0
    assert [row["id"] for row in rows(wh, "SELECT id FROM clean ORDER BY id")] == list(range(50))
    if where == "several targets":
        side = ("sqlite", {"path": str(tmp_path / "side.db")})
        assert [row["id"] for row in rows(side, "SELECT id FROM copy ORDER BY id")] == list(range(50))
    if where == "a lake":
        lake = __import__("deltalake").DeltaTable(str(tmp_path / "lake" / "clean"))
        assert sorted(lake.to_pyarrow_table().column("id").to_pylist()) == list(range(50))
