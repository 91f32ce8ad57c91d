"""Times of messages that are far from any clock: rows that use them are bad, and dead letters are read all the same."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowc.runtime.systems import open_database
from tests.commands import Folder, Inside
from tests.streams.filefolder import aged, put
from tests.streams.test_dlq import MENDED, Place, counted, project, rows, run
from tests.topics import Message, fresh, produce

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

ANY_TIME = {"message_timestamp_after_max_ms": str(2**63 - 1), "message_timestamp_before_max_ms": str(2**63 - 1)}
USUAL = 1_760_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999
"""The first and the last millisecond of the years 1 to 9999."""
EDGES = (USUAL * 1000, USUAL * 1_000_000, 2**63 - 1, 1, 1000, 2**31 * 1000, LAST, LAST + 1, 2**32 * 1000, 2**53)


def sent(kafka: str, topic: str, times: list[int], bad: tuple[int, ...] = ()) -> None:
    made = [json.dumps({"id": n, "name": f"x{n}" if n in bad else str(n)}).encode() for n in range(len(times))]
    produce(kafka, topic, [Message(value, at=at) for value, at in zip(made, times, strict=True)])


def shown(folder: Folder) -> dict[int, dict[str, object]]:
    return {each["offset"]: each for each in folder.flowc("dlq", "show", "clean", "--json", "--limit", "99").json}


def told(letters: dict[int, dict[str, object]]) -> dict[int, object]:
    """The time of each letter: a text, or the broker's number where no column holds it."""
    return {n: each["event_ms"] if each["event_time"] is None else each["event_time"] for n, each in letters.items()}


def expected(at: int, kind: str) -> object:
    first, last = (1000, (2**31 - 1) * 1000) if kind == "mysql" else (FIRST, LAST)
    if not first <= at <= last:
        return at
    return (EPOCH + timedelta(milliseconds=at)).isoformat(timespec="seconds").replace("+00:00", "Z")


def random_times() -> list[int]:
    """Times over all that a message can have, and those at the edges."""
    chance = random.Random(5)
    return [*EDGES, *(chance.choice((chance.randrange(1, 2**63), 10 ** chance.randrange(19))) for _ in range(10))]


def letters_of_any_time(tmp_path: Path, kafka: str, wh: Place, more: str = "") -> None:
    topic, times = fresh(kafka, **ANY_TIME), random_times()
    sent(kafka, topic, times, tuple(range(len(times))))
    folder = project(tmp_path, kafka, topic, wh, more=more)
    run(folder)
    letters = shown(folder)
    assert told(letters) == {n: expected(at, "" if more else wh[0]) for n, at in enumerate(times)}
    assert all(letter["headers"] == [] for letter in letters.values())
    assert counted(folder)[0] == len(times)
    assert folder.flowc("dlq", "show", "clean").code == 0
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(times)
    assert told(shown(folder)) == told(letters)
    folder = project(tmp_path, kafka, topic, wh, MENDED, more=more)
    assert folder.flowc("dlq", "replay", "clean", "--json").json["replayed"] == len(times)
    assert [row["id"] for row in rows(wh, "SELECT id FROM clean ORDER BY id")] == list(range(len(times)))


def test_letters_of_any_time_are_shown_and_replayed(tmp_path: Path, kafka: str, wh: Place) -> None:
    letters_of_any_time(tmp_path, kafka, wh)


def test_letters_of_any_time_in_a_topic(tmp_path: Path, kafka: str) -> None:
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    letters_of_any_time(tmp_path, kafka, wh, f"dead_letter: {{ topic: {fresh(kafka)}-dead }}")


def with_times(folder: Folder) -> Folder:
    """The project, whose rows have the times of their messages."""
    spec = (folder.path / "specs/s.yaml").read_text()
    folder.write("specs/s.yaml", spec.replace(" AS n,", " AS n, _event_ts AS moment,"))
    return folder


def test_a_row_with_a_time_that_no_column_holds_is_bad(tmp_path: Path, kafka: str, wh: Place) -> None:
    topic, times = fresh(kafka, **ANY_TIME), random_times()
    sent(kafka, topic, times)
    folder = with_times(project(tmp_path, kafka, topic, wh))
    run(folder)
    fits = {n: at for n, at in enumerate(times) if expected(at, wh[0]) != at}
    found = {row["id"]: row["moment"] for row in rows(wh, "SELECT id, moment FROM clean")}
    assert found.keys() == fits.keys()
    letters = shown(folder)
    assert letters.keys() == set(range(len(times))) - fits.keys()
    # MySQL says itself where its TIMESTAMP ends.
    assert {letter["code"] for letter in letters.values()} <= {"value-does-not-fit", "value-refused"}
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == len(letters)
    bad = folder.flowc("preview", "clean", "--limit", "99")
    assert "years 1 to 9999" in bad.out


TO_LAKE = (
    "{ connection: lake, table: t }",
    "{ connection: out, path: x, format: csv }",
    "{ connection: bus, topic: TO }",
)


@pytest.mark.parametrize("to", TO_LAKE, ids=["delta", "files", "topic"])
def test_a_time_that_no_column_holds_stops_no_other_target(tmp_path: Path, kafka: str, to: str) -> None:
    topic, times = fresh(kafka, **ANY_TIME), random_times()
    sent(kafka, topic, times)
    to, more = to.replace("TO", fresh(kafka)), "dead_letter: { connection: side, table: dead }"
    folder = with_times(project(tmp_path, kafka, topic, ("sqlite", {"path": "wh.db"}), to=to, more=more))
    spec = (tmp_path / "specs/s.yaml").read_text()
    folder.write("specs/s.yaml", spec.replace("streams:", "  out: { kind: files, uri: out }\nstreams:"))
    assert run(folder)["rows"] == sum(expected(at, "") != at for at in times)


def test_a_far_time_moves_no_watermark(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka, **ANY_TIME)
    wh = ("sqlite", {"path": str(tmp_path / "wh.db")})
    sent(kafka, topic, [USUAL, USUAL * 1000, 2**63 - 1, USUAL + 1, USUAL + 2])
    folder = project(tmp_path, kafka, topic, wh, "1", more="dedupe: { keys: [id], within: 1m }")
    run(folder)
    assert [row["id"] for row in rows(wh, "SELECT id FROM clean ORDER BY id")] == [0, 3, 4]
    assert {letter["code"] for letter in shown(folder).values()} == {"value-does-not-fit"}


def test_a_stream_that_starts_before_all_times_starts_at_the_beginning(tmp_path: Path, kafka: str) -> None:
    """To a broker, the time of -1 is the end, and -2 and below are other words."""
    for second in ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z", "0001-01-01T00:00:00Z"):
        topic = fresh(kafka, **ANY_TIME)
        wh = ("sqlite", {"path": str(tmp_path / f"{topic}.db")})
        sent(kafka, topic, [1, USUAL])
        folder = project(tmp_path, kafka, topic, wh, "1", more=f'start: "{second}"')
        assert run(folder)["messages"] == 2
        (tmp_path / "specs/s.yaml").unlink()


def test_letters_of_an_earlier_version_are_read(tmp_path: Path, kafka: str) -> None:
    """It kept times that Python does not tell."""
    topic, wh = fresh(kafka, **ANY_TIME), ("duckdb", {"path": str(tmp_path / "wh.db")})
    sent(kafka, topic, [USUAL], (0,))
    folder = project(tmp_path, kafka, topic, wh)
    run(folder)
    database = open_database(*wh)
    database.open()
    database.execute(f"UPDATE flowc.dead_letters SET event_time = make_timestamptz({USUAL * 10**6})")
    database.close()
    assert shown(folder)[0]["event_ms"] == USUAL * 1000
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 1
    assert shown(folder)[0]["event_ms"] == USUAL * 1000
    assert folder.flowc("dlq", "purge", "clean", "--yes").code == 0
    assert counted(folder) == (0, 0)


def test_messages_that_are_no_letters_are_passed_over(tmp_path: Path, kafka: str) -> None:
    topic, dead, wh = fresh(kafka), fresh(kafka, **ANY_TIME), ("sqlite", {"path": str(tmp_path / "wh.db")})
    sent(kafka, topic, [USUAL], (0,))
    folder = project(tmp_path, kafka, topic, wh, more=f"dead_letter: {{ topic: {dead} }}")
    run(folder)
    names = ("stream", "source", "topic", "partition", "offset", "error_code", "attempt", "failed_at", "event_time")
    good = dict.fromkeys(names, b"1") | {"stream": b"clean", "failed_at": b"2026-01-01", "event_time": b"2026-01-01"}
    wrong = [
        {"partition": b"x"},
        {"offset": b""},
        {"attempt": b"\xff"},
        {"failed_at": b"now"},
        {"event_time": b"99999"},
    ]
    foreign = [
        Message(b"x", headers=[(f"flowc_{name}", value) for name, value in (good | each).items()], at=2**62)
        for each in wrong
    ]
    produce(kafka, dead, [*foreign, Message(None, at=2**63 - 1)])
    assert list(shown(folder)) == [0]
    assert folder.flowc("dlq", "replay", "clean", "--json").json["failed"] == 1


FAR = {
    "s": (pa.timestamp("s"), 10**12), "us": (pa.timestamp("us", "UTC"), 2**63 - 1), "date": (pa.date32(), 2**31 - 1),
    "past": (pa.timestamp("us"), -(2**63) + 1), "ns": (pa.timestamp("ns"), 2**63 - 1),
}  # fmt: skip


@pytest.mark.covering
@pytest.mark.parametrize("far", FAR.values(), ids=FAR)
@pytest.mark.parametrize("more", ["", "dedupe: { keys: [id], within: 1m }"], ids=["plain", "dedupe"])
def test_an_event_time_of_a_file_that_is_far_away_is_bad(
    tmp_path: Path, far: tuple[pa.DataType, int], more: str
) -> None:
    kind, number = far
    declared = (
        "date"
        if kind == pa.date32()
        else "timestamptz"
        if kind.tz
        else "timestamp(9)"
        if kind.unit == "ns"
        else "timestamp"
    )
    at = pa.array([number, 0], pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    (tmp_path / "drop").mkdir()
    pq.write_table(pa.table({"id": [1, 2], "at": at}), tmp_path / "drop" / "a.parquet")
    aged(tmp_path / "drop" / "a.parquet")
    made = Inside(tmp_path)
    made.write("specs/s.yaml", FILES.format(kind=declared, more=more))
    (report,) = made.flowc("run", "clean", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    good = {1, 2} if kind == pa.timestamp("ns") else {2}
    assert {row["id"] for row in rows(("duckdb", {"path": str(tmp_path / "wh.db")}), "SELECT id FROM clean")} == good
    letters = made.flowc("dlq", "show", "clean", "--json").json
    assert [str(number) in letter["message"] for letter in letters] == [True] * (2 - len(good))


FILES = """
connections:
  drop: {{ kind: files, uri: "./drop" }}
  wh: {{ kind: duckdb, path: wh.db }}
streams:
  clean:
    source: {{ connection: drop, path: "*.parquet", columns: {{ id: bigint, at: {kind} }}, event_time: at }}
    sql: SELECT id, _event_ts AS moment FROM source
    to: {{ connection: wh, table: clean, mode: append }}
    on_error: dlq
    {more}
"""


def test_letters_of_a_file_from_before_all_times_are_kept(tmp_path: Path, wh: Place) -> None:
    """Archives give files the time 0, which MySQL's TIMESTAMP has not."""
    (tmp_path / "drop").mkdir()
    put(tmp_path / "drop", "a.parquet", b"none", age=-1_000_000_000)
    place = ", ".join(f'{key}: "{value}"' for key, value in wh[1].items())
    made = Inside(tmp_path)
    text = FILES.format(kind="timestamp", more="").replace("kind: duckdb, path: wh.db", f"kind: {wh[0]}, {place}")
    made.write("specs/s.yaml", text)
    (report,) = made.flowc("run", "clean", "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    assert list(told({0: shown(made)[0]}).values()) == [expected(0, wh[0])]


AHEAD = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:1" }}
  wh: {{ kind: duckdb, path: wh.db }}
streams:
  once:
    source: {{ connection: bus, topic: t, columns: {{ id: bigint, at: timestamptz }}, event_time: at }}
    dedupe: {{ keys: [id], within: 10m }}
    watermark: {watermark}
    on_error: {on_error}
    to: {{ connection: wh, table: once, mode: append }}
tests:
  a_clock_that_is_wrong:
    stream: once
    now: "2026-01-01T00:00:00Z"
    given:
      source:
        - {{ id: 1, at: "2026-01-01T00:00:00Z" }}
        - {{ id: 2, at: "{ahead}" }}
        - {{ id: 3, at: "2026-01-01T00:00:01Z" }}
        - {{ id: 1, at: "2026-01-01T00:00:02Z" }}
    expect: {expect}
"""
HOUR, LATER = "2026-01-01T01:00:00Z", "2026-01-01T01:00:00.000001Z"


def _ahead(tmp_path: Path, watermark: str, ahead: str, ids: tuple[int, ...], on_error: str = "drop") -> str:
    times = {1: "2026-01-01T00:00:00Z", 2: ahead, 3: "2026-01-01T00:00:01Z", -1: "2026-01-01T00:00:02Z"}
    expect = json.dumps([{"id": abs(each), "at": times[each]} for each in ids])
    folder = Inside(tmp_path)
    folder.write("specs/s.yaml", AHEAD.format(watermark=watermark, ahead=ahead, on_error=on_error, expect=expect))
    said = folder.flowc("test")
    return "" if said.code == 0 else said.out + said.err


def test_a_time_too_far_ahead_is_a_bad_row_and_moves_no_time_on(tmp_path: Path) -> None:
    """Without the bound it makes the stream forget, and a repeat gets through."""
    assert _ahead(tmp_path, "{ lateness: 1s, max_ahead: 1h }", "2099-01-01T00:00:00Z", (1, 3)) == ""
    assert _ahead(tmp_path, "{ lateness: 1s }", "2099-01-01T00:00:00Z", (1, 2, 3, -1)) == ""


def test_a_time_may_be_as_far_ahead_as_it_is_said_and_no_microsecond_more(tmp_path: Path) -> None:
    assert _ahead(tmp_path, "{ lateness: 1s, max_ahead: 1h }", LATER, (1, 3)) == ""
    assert _ahead(tmp_path, "{ lateness: 2h, max_ahead: 1h }", HOUR, (1, 2, 3)) == ""


def test_a_time_too_far_ahead_stops_a_stream_that_takes_no_bad_rows(tmp_path: Path) -> None:
    said = _ahead(tmp_path, "{ max_ahead: 1h }", "9999-12-31T23:59:59Z", (), on_error="fail")
    assert "event-time-ahead" in said
    assert "the event time `at`: 9999-12-31 23:59:59+00:00 is further ahead of the clock than `max_ahead`" in said
