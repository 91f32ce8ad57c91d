"""Windows from a real Kafka into every kind of target: runs, ends, late rows, rewinds, and what a daemon tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from flowc.runtime.systems import open_database
from tests import lakes
from tests.commands import Folder, Inside
from tests.daemons import daemon, metrics
from tests.topics import Message, cut, fresh, produce

pytestmark = [pytest.mark.usefixtures("kept_files"), pytest.mark.turns("wh", 2)]

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ {place} }}
streams:
  clicks:
    source:
      connection: bus
      topic: {topic}
      columns: {{ page: text, n: bigint, at: timestamptz }}
      event_time: at
    watermark: {{ lateness: 10s{idle} }}
    window:
      kind: tumbling
      size: 1m
      group_by: [page]
      aggregate: {{ clicks: count(*), total: sum(n) }}
      {window}
    to: {to}
    batch: {{ max_rows: 20 }}
    restart: {{ min_backoff: 100ms, max_backoff: 500ms }}
    {more}
"""
TABLE = "{ connection: wh, table: clicks }"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
Row = tuple[int, str, int, int]
"""The minute of a window, and what is in it."""
Click = tuple[float, str, int]
"""Seconds behind noon, a page, and a number."""
Asked = Callable[[], list[dict[str, Any]]]
FIRST: list[Click] = [(5, "a", 1), (59.999999, "a", 2), (3, "b", 5), (60, "a", 10), (51, "b", 7), (70, "b", 20)]
OUT: list[Row] = [(0, "a", 2, 3), (0, "b", 2, 12)]
SECOND: list[Click] = [(61, "a", 30), (75, "b", 40), (135, "a", 100), (130, "c", 1)]
THEN: list[Row] = [(1, "a", 2, 40), (1, "b", 2, 60)]
END: list[Row] = [(2, "a", 1, 100), (2, "c", 1, 1)]


def project(
    folder: Path, kafka: str, topic: str, place: str, to: str = TABLE, *, window: str = "", more: str = "",
    idle: str = "", inside: bool = True,
) -> Folder:  # fmt: skip
    made = Inside(folder) if inside else Folder(folder)
    given = {"kafka": kafka, "topic": topic, "place": place, "to": to, "window": window, "more": more, "idle": idle}
    made.write("specs/s.yaml", PROJECT.format(**given))
    return made


def send(kafka: str, topic: str, clicks: Sequence[Click], partition: int = 0) -> None:
    produce(kafka, topic, [Message(_value(*click), partition=partition) for click in clicks])


def _value(seconds: float, page: str, number: int) -> bytes:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    return json.dumps({"page": page, "n": number, "at": at}).encode()


def run(folder: Folder, *more: str) -> dict[str, Any]:
    (report,) = folder.flowc("run", "clicks", "--once", "--json", *more).json
    assert report["status"] == "ok", report["error"]
    return dict(report)


def rows(asked: Asked) -> list[Row]:
    """What a target holds, by window and page."""
    found = [(_minute(row["window_start"]), row["page"], row["clicks"], int(row["total"])) for row in asked()]
    return sorted(found)


def _minute(start: datetime) -> int:
    aware = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    return int((aware - NOON).total_seconds() // 60)


def table(kind: str, options: Mapping[str, object], query: str = "SELECT * FROM clicks") -> Asked:
    def asked() -> list[dict[str, Any]]:
        database = open_database(kind, options)
        try:
            return list(database.query(query).to_pylist())
        finally:
            database.close()

    return asked


def _database(wh: tuple[str, Mapping[str, object]]) -> str:
    kind, options = wh
    return ", ".join((f"kind: {kind}", *(f'{key}: "{value}"' for key, value in options.items())))


def _twice(folder: Folder, kafka: str, topic: str, asked: Asked) -> None:
    """Windows come out over runs, each once, and the rest at the end."""
    send(kafka, topic, FIRST)
    assert run(folder)["messages"] == len(FIRST)
    assert rows(asked) == OUT
    send(kafka, topic, SECOND)
    assert run(folder)["late_rows"] == 0
    assert rows(asked) == OUT + THEN
    run(folder, "--drain")
    assert rows(asked) == OUT + THEN + END
    run(folder, "--drain")
    assert rows(asked) == OUT + THEN + END


@pytest.mark.covering
@pytest.mark.parametrize("more", ["", "state: { connection: wh }"], ids=["own", "beside"])
def test_windows_come_out_over_runs_into_a_database(
    tmp_path: Path, kafka: str, wh: tuple[str, Mapping[str, object]], more: str
) -> None:
    topic = fresh(kafka)
    _twice(project(tmp_path, kafka, topic, _database(wh), more=more), kafka, topic, table(*wh))


@pytest.mark.covering
@pytest.mark.parametrize("more", ["", "state: { connection: wh }"], ids=["own", "beside"])
def test_an_edited_window_is_made_anew_of_what_the_broker_still_has(
    tmp_path: Path, kafka: str, wh: tuple[str, Mapping[str, object]], more: str
) -> None:
    topic, asked = fresh(kafka), table(*wh)
    folder = project(tmp_path, kafka, topic, _database(wh), more=more)
    send(kafka, topic, FIRST)
    run(folder)
    assert rows(asked) == OUT
    path = tmp_path / "specs/s.yaml"
    path.write_text(path.read_text().replace("size: 1m", "size: 2m"))
    (told,) = folder.flowc("plan", "--json").json["states"]
    assert told["verdicts"][0]["decision"] == "replay"
    assert told["verdicts"][0]["reason"] == (
        "its size was 1m, is 2m: what is open is made anew of rows from 2026-05-04 11:59:00 on, 6 messages"
    )
    send(kafka, topic, SECOND)
    assert run(folder)["messages"] == len(SECOND)
    both = [(0, "a", 4, 43), (0, "b", 4, 72)]
    assert rows(asked) == sorted([*OUT, *both])
    run(folder, "--drain")
    assert rows(asked) == sorted([*OUT, *both, *END])
    path.write_text(path.read_text().replace("size: 2m", "size: 1m"))
    cut(kafka, topic, 0, 8)
    if "state" not in more:  # once is enough: a minute passes until it is sure that nothing comes
        return
    (report,) = folder.flowc("run", "clicks", "--once", "--json").json
    assert report["error"]["code"] in ("retention-gap", "offset-gone")


def test_windows_come_out_over_runs_into_a_lake(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    folder = project(tmp_path, kafka, topic, "kind: delta, uri: lake")
    query = "SELECT * FROM t"

    def asked() -> list[dict[str, Any]]:
        names = ("window_start", "window_end", "page", "clicks", "total")
        return [dict(zip(names, row, strict=True)) for row in lakes.rows(tmp_path / "lake/clicks", query)]

    _twice(folder, kafka, topic, asked)


def test_windows_come_out_over_runs_into_files(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    to = "{ connection: wh, path: clicks, format: parquet }"
    folder = project(tmp_path, kafka, topic, "kind: files, uri: out", to)

    def asked() -> list[dict[str, Any]]:
        found = sorted((tmp_path / "out/clicks").glob("*.parquet"))
        return [row for file in found for row in parquet.read_table(file).to_pylist()]

    _twice(folder, kafka, topic, asked)


def test_merged_windows_are_told_apart_by_their_start_and_keys(tmp_path: Path, kafka: str, postgres: str) -> None:
    topic, wh = fresh(kafka), ("postgres", {"url": postgres})
    to = "{ connection: wh, table: clicks, mode: merge }"
    _twice(project(tmp_path, kafka, topic, _database(wh), to), kafka, topic, table(*wh))


LATE: list[Click] = [(1, "a", 9), (140, "a", 50)]


def test_late_rows_are_told_of_where_they_are_dropped(tmp_path: Path, kafka: str) -> None:
    topic = fresh(kafka)
    folder = project(tmp_path, kafka, topic, "kind: sqlite, path: wh.db")
    send(kafka, topic, FIRST)
    run(folder)
    send(kafka, topic, LATE)
    done = folder.flowc("run", "clicks", "--once")
    assert "clicks: 1 late row dropped" in done.out
    assert rows(table("sqlite", {"path": str(tmp_path / "wh.db")}))[:2] == OUT


@pytest.mark.parametrize("more", ["", "state: { connection: wh }"], ids=["own", "beside"])
def test_late_rows_are_letters_that_are_listed_and_shown(tmp_path: Path, kafka: str, postgres: str, more: str) -> None:
    topic, wh = fresh(kafka), ("postgres", {"url": postgres})
    letters = f"on_error: dlq\n    dead_letter: {{ connection: wh, table: letters }}\n    {more}"
    folder = project(tmp_path, kafka, topic, _database(wh), window="late: dlq", more=letters)
    send(kafka, topic, FIRST)
    run(folder)
    send(kafka, topic, LATE)
    run(folder)
    (found,) = folder.flowc("dlq", "list", "--json").json
    assert (found["letters"], [each["code"] for each in found["codes"]]) == (1, ["late-row"])
    (shown,) = folder.flowc("dlq", "show", "clicks", "--json").json
    assert (shown["offset"], shown["code"]) == (len(FIRST), "late-row")
    assert "is of a window that was over" in shown["error"]
    run(folder, "--drain")
    assert rows(table(*wh)) == [*OUT, (1, "a", 1, 10), (1, "b", 1, 20), (2, "a", 1, 50)]


@pytest.mark.parametrize("more", ["", "state: { connection: wh }"], ids=["own", "beside"])
def test_a_rewind_takes_the_state_with_it(tmp_path: Path, kafka: str, postgres: str, more: str) -> None:
    topic, wh = fresh(kafka), ("postgres", {"url": postgres})
    to = "{ connection: wh, table: clicks, mode: merge }"
    folder = project(tmp_path, kafka, topic, _database(wh), to, more=more)
    send(kafka, topic, FIRST + SECOND)
    run(folder, "--drain")
    assert rows(table(*wh)) == OUT + THEN + END
    moved = folder.flowc("rewind", "clicks", "--to", "earliest", "--yes")
    assert moved.code == 0, moved.err
    assert "what the stream remembers (`tumble`) begins anew" in moved.out
    assert run(folder)["late_rows"] == 0
    run(folder, "--drain")
    assert rows(table(*wh)) == OUT + THEN + END


def test_a_daemon_tells_of_open_windows_and_late_rows(tmp_path: Path, kafka: str, postgres: str) -> None:
    topic, wh = fresh(kafka, 2), ("postgres", {"url": postgres})
    more = "state: { connection: wh }"
    folder = project(tmp_path, kafka, topic, _database(wh), more=more, idle=", idle: 500ms", inside=False)
    send(kafka, topic, FIRST)  # the other partition is silent, and set aside
    with daemon(folder) as running:
        running.until(lambda: running.worker("clicks")["rows"] == len(OUT))
        send(kafka, topic, [(1, "a", 9)])
        running.until(lambda: running.worker("clicks").get("late_rows") == 1)
        found = metrics(running.page("/metrics")[1])
        assert _of(found, "flowc_late_rows_total") == [1, 0]
        assert _of(found, "flowc_emitted_rows_total") == [len(OUT)]
        assert _of(found, "flowc_watermark_seconds") >= [NOON.timestamp() + 60], "it goes on while all is silent"
        assert _of(found, "flowc_partition_watermark_seconds") == [NOON.timestamp() + 60]
        status = folder.flowc("status", "clicks", "--json").json
        assert running.stop() == 0
    assert rows(table(*wh))[:2] == OUT
    assert [at["watermark"] for at in status[0]["partitions"]] == ["2026-05-04T12:01:00Z", None]


def _of(found: Mapping[tuple[str, frozenset[tuple[str, str]]], float], name: str) -> list[float]:
    return [value for (each, _), value in found.items() if each == name]
