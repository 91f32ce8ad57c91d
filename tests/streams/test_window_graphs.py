"""Windows in the SQL of streams, with SQL before and behind them: computed, against DuckDB over all rows."""

# ruff: noqa: E501 -- queries that are compared read best with one in a line

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.runtime.contracts.epoch import END, Epoch, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.stream import StreamPlan
from tests.commands import ROOT, Inside
from tests.extended import examples
from tests.golden_format import Block, read_cases
from tests.streams.compiled import NOON, Computed, messages
from tests.streams.compiled import plan as planned

Row = tuple[int | None, str | None, int]
"""An id, a name, and seconds of event time."""
G = "GROUP BY window_start, window_end"
LENIENT = "watermark: { lateness: 1h }"


@cache
def plan_of(sql: str, more: str = LENIENT) -> StreamPlan:
    with TemporaryDirectory() as folder:
        return planned(Path(folder), sql, on_error="fail", more=more)


def batch(rows: Sequence[Row], start: int = 0) -> pa.RecordBatch:
    made = messages([{"id": id_, "name": name} for id_, name, _ in rows], start=start)
    times = [datetime.fromtimestamp(NOON / 1_000_000, UTC) + timedelta(seconds=at) for _, _, at in rows]
    at = made.schema.get_field_index("_event_ts")
    return made.set_column(at, made.schema.field(at), pa.array(times, made.schema.field(at).type))


def epoch(made: Computed, rows: pa.RecordBatch, number: int = 1, watermark: int | None = None) -> Epoch:
    ranges = (Range.numbered("source", 0, 0, rows.num_rows),)
    return made.compute(Polled("source", rows, ranges, 0.0), Intent(number, NOON, ranges, watermark))


def rows_of(found: Sequence[Epoch]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(map(_plain, row.values())) for each in found for row in each.rows.to_pylist())


def _plain(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def expected(sql: str, rows: Sequence[Row]) -> Counter[tuple[Any, ...]]:
    with duckdb.connect() as db:
        db.execute("CREATE TABLE rows (id BIGINT, name VARCHAR, ts TIMESTAMP)")
        start = datetime.fromtimestamp(NOON / 1_000_000, UTC).replace(tzinfo=None)
        for id_, name, at in rows:
            db.execute("INSERT INTO rows VALUES (?, ?, ?)", [id_, name, start + timedelta(seconds=at)])
        return Counter(db.execute(sql).fetchall())


MINUTE = "time_bucket(INTERVAL '1 minute', ts)"
CASES = {
    "tumbling": (
        f"SELECT window_start, window_end, name, count(*) AS n, count(DISTINCT id) AS ids, sum(id) AS total, max(id) - min(id) AS spread FROM tumble(source, INTERVAL '1 minute') WHERE id > 0 OR id IS NULL {G}, name HAVING count(*) > 1",
        f"SELECT {MINUTE}, {MINUTE} + INTERVAL '1 minute', name, count(*), count(DISTINCT id), sum(id)::BIGINT, max(id) - min(id) FROM rows WHERE id > 0 OR id IS NULL GROUP BY {MINUTE}, name HAVING count(*) > 1",
    ),
    "filtered": (
        f"SELECT window_end, count(*) FILTER (WHERE name = 'a') AS n, coalesce(sum(id * 2) FILTER (WHERE id > 1), 0) + count(*) AS s FROM tumble(source, INTERVAL '1 minute') {G}",
        f"SELECT {MINUTE} + INTERVAL '1 minute', count(*) FILTER (WHERE name = 'a'), (coalesce(sum(id * 2) FILTER (WHERE id > 1), 0) + count(*))::BIGINT FROM rows GROUP BY {MINUTE}",
    ),
    "filtered by nothing": (
        f"SELECT window_end, count(*) FILTER (WHERE NULL) AS n, sum(id) FILTER (WHERE NULL AND id > 1) AS s FROM tumble(source, INTERVAL '1 minute') {G}",
        f"SELECT {MINUTE} + INTERVAL '1 minute', 0, NULL FROM rows GROUP BY {MINUTE}",
    ),
    "hopping": (
        "SELECT window_start, upper(name) AS name, count(*) AS n FROM hop(source, INTERVAL '30 seconds', INTERVAL '1 minute') GROUP BY window_start, window_end, upper(name)",
        "SELECT time_bucket(INTERVAL '30 seconds', ts) - INTERVAL (30 * shift) SECOND, upper(name), count(*) FROM rows, (VALUES (0), (1)) AS t(shift) GROUP BY 1, 2",
    ),
    "behind": (
        f"WITH c AS (SELECT window_start, id, count(*) AS n FROM tumble(source, INTERVAL '1 minute') {G}, id) SELECT window_start, id, n FROM (SELECT *, row_number() OVER (PARTITION BY window_start ORDER BY n DESC, id NULLS LAST) AS place FROM c) AS t WHERE place <= 2",
        f"WITH c AS (SELECT {MINUTE} AS m, id, count(*) AS n FROM rows GROUP BY 1, 2) SELECT m, id, n FROM c QUALIFY row_number() OVER (PARTITION BY m ORDER BY n DESC, id NULLS LAST) <= 2",
    ),
    "twice": (
        f"WITH c AS (SELECT window_start AS minute, id, count(*) AS n FROM tumble(source, INTERVAL '1 minute') {G}, id) SELECT window_start, max(n) AS most, count(*) AS groups FROM tumble(c, INTERVAL '5 minutes') {G}",
        f"WITH c AS (SELECT {MINUTE} AS m, id, count(*) AS n FROM rows GROUP BY 1, 2) SELECT time_bucket(INTERVAL '5 minutes', m), max(n), count(*) FROM c GROUP BY 1",
    ),
    "dedupe": (
        f"WITH once AS (SELECT * FROM dedupe(source, id, INTERVAL '1 day')) SELECT window_start, count(*) AS n FROM tumble(once, INTERVAL '1 hour') {G}",
        "SELECT time_bucket(INTERVAL '1 hour', min(ts)), count(DISTINCT id) + count(*) FILTER (WHERE id IS NULL) FROM rows HAVING count(*) > 0",
    ),
}  # fmt: skip
ROWS = st.lists(
    st.tuples(st.none() | st.integers(-1, 3), st.none() | st.sampled_from("ab"), st.integers(0, 400)), max_size=25
)


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=examples(6), deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_same_rows_as_over_the_whole_input_whatever_batches_and_restarts(
    case: str, rows: list[Row], data: st.DataObject
) -> None:
    sql, model = CASES[case]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=4)))
    restarts = data.draw(st.sets(st.integers(0, 4)))
    made, point, found = Computed(plan_of(sql)), Checkpoint(), list[Epoch]()
    parts = list(zip([0, *cuts], [*cuts, len(rows)], strict=True))
    for number, (start, end) in enumerate([*parts, (len(rows), len(rows))]):
        if number in restarts:
            made = Computed(plan_of(sql))
            made.compute.restore(point)
        last = END if number == len(parts) else None
        found.append(epoch(made, batch(rows[start:end], start), number + 1, last))
        new = made.compute.snapshot(Checkpoint(number + 1))
        point = replace(new, segments=(*point.segments, *new.segments))
    assert rows_of(found) == expected(model, rows)


def test_state_goes_on_under_other_names_of_what_comes_out() -> None:
    before = f"SELECT window_start, lower(name) AS who, sum(id + 1) AS s FROM tumble(source, INTERVAL '1 minute') {G}, lower(name)"
    after = f"SELECT lower(name) AS name, 2 * sum(id + 1) AS twice, window_end FROM tumble(source, INTERVAL '1 minute') AS tumble {G}, lower(name)"
    first = Computed(plan_of(before))
    epoch(first, batch([(1, "A", 0), (2, "a", 5)]))
    second = Computed(plan_of(after))
    second.compute.restore(first.compute.snapshot(Checkpoint(1)))
    found = [epoch(second, batch([(5, "a", 7)], 2), 2), epoch(second, batch([], 3), 3, END)]
    assert [row[:2] for row in rows_of(found)] == [("a", 22)]


@pytest.mark.parametrize(("on_error", "letters"), [("fail", 1), ("drop", 1), ("dlq", 2)])
def test_late_rows_become_dead_letters_whatever_becomes_of_bad_ones(on_error: str, letters: int) -> None:
    sql = "SELECT id, CAST(name AS bigint) AS n FROM source"
    window = "window: { kind: tumbling, size: 1m, aggregate: { s: sum(n) }, late: dlq }"
    with TemporaryDirectory() as folder:
        plan = planned(Path(folder), sql, on_error=on_error, more=window)
    made = Computed(plan)
    bad: list[Row] = [] if on_error == "fail" else [(3, "x", 301)]
    found = [epoch(made, batch([(1, "1", 10)]), 1), epoch(made, batch([(1, "1", 300)], 1), 2)]
    found.append(epoch(made, batch([(2, "2", 20), *bad], 2), 3, NOON + 300_000_000))
    dead = [row for each in found if each.dead is not None for row in each.dead.to_pylist()]
    assert len(dead) == letters
    assert dead[0]["error_code"] == "late-row"
    assert dead[0]["message_position"] == "2"


GUIDES = [
    ROOT / "docs" / "guides" / f"{name}.md"
    for name in ("windows", "sessions", "joins", "running-totals", "testing-with-a-clock")
]
TESTED = [
    pytest.param(block, id=f"{guide.stem}-{block.first}")
    for guide in GUIDES
    for case in read_cases(guide)
    for block in case.blocks
    if block.word == "yaml" and block.arguments != "fragment" and "tests:" in block.text
]


@pytest.mark.parametrize("block", TESTED)
def test_the_guide_gives_what_it_says(block: Block, tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", block.text)
    done = folder.flowc("test")
    assert (done.code, "0 failed" in done.out) == (0, True), done.out + done.err


STREAM = """
connections:
  drop: { kind: files, uri: in }
  wh: { kind: duckdb, path: wh.duckdb }
streams:
  per_minute:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint, at: timestamptz }, event_time: at }
    window: { kind: tumbling, size: 1m, group_by: [id], aggregate: { n: count(*) }, late: dlq }
    to: { connection: wh, table: per_minute, mode: merge }
"""


def test_windows_run_from_files_into_a_table_and_late_rows_into_another(tmp_path: Path) -> None:
    folder = Inside(tmp_path)
    folder.write("specs/project.yaml", STREAM)
    folder.write("in/a.jsonl", "".join(f'{{"id": 1, "at": "2026-01-01T10:0{m}:05Z"}}\n' for m in (0, 0, 2)))
    assert folder.flowc("run", "per_minute", "--once").code == 0
    folder.write("in/b.jsonl", '{"id": 1, "at": "2026-01-01T10:00:30Z"}\n{"id": 1, "at": "2026-01-01T10:02:30Z"}\n')
    assert folder.flowc("run", "per_minute", "--once", "--drain").code == 0
    with duckdb.connect(str(tmp_path / "wh.duckdb")) as db:
        found = db.execute("SELECT minute(window_start), id, n FROM per_minute ORDER BY 1").fetchall()
        dead = db.execute("SELECT error_code FROM flowc.dead_letters").fetchall()
    assert (found, dead) == ([(0, 1, 2), (2, 1, 2)], [("late-row",)])
