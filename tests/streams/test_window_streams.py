"""Windows in a whole stream: messages become rows of windows, late ones are counted or dead letters, time lets out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from flowc.nodes import ROW, TIME, AggregatePlan, SqlPlan, WindowPlan
from flowc.runtime.contracts.epoch import END, Epoch, Intent, Range
from flowc.runtime.contracts.letternotes import JUDGED, SEEN_BY_SOME, parted
from flowc.runtime.contracts.source import Polled
from flowc.runtime.streams.operators.passing import Taken
from flowc.service.daemon.watch import Watch
from flowc.service.streams.run import StreamReport
from flowc.stream import StreamPlan
from flowc.types import BIGINT
from tests.streams.compiled import NOON, Computed, messages, plan

MINUTE = 60_000_000


def _stream(folder: Path, late: Any = "drop", on_error: str = "drop") -> StreamPlan:
    """The mean of the ids by name and minute."""
    made = plan(folder, "SELECT id, name FROM source", on_error=on_error)
    window = WindowPlan(
        "w", ("source",), "tumbling", MINUTE, MINUTE, ("name",),
        (AggregatePlan("n", "count", BIGINT), AggregatePlan("total", "sum", BIGINT, "id")), "{}", late=late,
    )  # fmt: skip
    text = f'SELECT total / n AS id, name, "{ROW}" FROM w'
    query = SqlPlan("query", ("w",), ("w",), text, traced=True)
    sources = tuple(replace(source, beside=(TIME, "_partition")) for source in made.sources)
    return replace(made, sources=sources, nodes=(window, query))


def _epoch(made: Computed, values: list[object], minute: int, watermark: int | None, number: int = 1) -> Epoch:
    batch = messages(values, start=100 * number)
    at = batch.schema.get_field_index("_event_ts")
    times = pa.array([NOON + minute * MINUTE] * batch.num_rows).cast(batch.schema.field(at).type)
    batch = batch.set_column(at, "_event_ts", times)
    ranges = (Range.numbered("source", 0, 100 * number, 100 * number + batch.num_rows),)
    return made.compute(Polled("source", batch, ranges, 0.0), Intent(number, NOON, ranges, watermark))


def _rows(epoch: Epoch) -> list[tuple[Any, ...]]:
    return [(row["name"], row["id"]) for row in epoch.rows.to_pylist()]


def test_rows_of_windows_come_out_when_their_time_is_over(tmp_path: Path) -> None:
    made = Computed(_stream(tmp_path))
    values: list[object] = [{"id": id_, "name": name} for id_, name in ((2, "a"), (4, "a"), (7, "b"))]
    assert _rows(_epoch(made, values, 0, None)) == []
    assert not made.compute.due(NOON + MINUTE - 1)
    assert made.compute.due(NOON + MINUTE)
    assert sorted(_rows(_epoch(made, values, 1, NOON + MINUTE, 2))) == [("a", 3), ("b", 7)]
    assert sorted(_rows(_epoch(made, [], 1, END, 3))) == [("a", 3), ("b", 7)]


def test_late_rows_are_counted(tmp_path: Path) -> None:
    made = Computed(_stream(tmp_path))
    epoch = _epoch(made, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], 0, NOON + MINUTE)
    assert (epoch.late, epoch.dead, epoch.rows.num_rows) == (2, None, 0)
    watch = Watch()
    written = watch._also(lambda _: None, StreamReport("s"))
    written(epoch)
    written(epoch)
    assert watch.report.counts.late == 4


def test_late_rows_are_dead_letters_where_that_is_said(tmp_path: Path) -> None:
    made = Computed(_stream(tmp_path, late="dlq", on_error="dlq"))
    epoch = _epoch(made, [{"id": 1, "name": "a"}, b"nothing"], 0, NOON + MINUTE)
    assert epoch.dead is not None
    told = epoch.dead.select(["message_position", "error_code"]).to_pylist()
    assert [tuple(row.values()) for row in told] == [("100", "late-row"), ("101", "undecodable-message")]
    assert epoch.late == 0


@pytest.mark.parametrize("first", [1, 60])
def test_what_is_late_for_one_window_is_in_time_for_another(tmp_path: Path, first: int) -> None:
    made = plan(tmp_path, "SELECT id, name FROM source", on_error="dlq")
    aggregates = (AggregatePlan("n", "count", BIGINT),)
    windows = [
        WindowPlan(f"w{size}", ("source",), "tumbling", size * MINUTE, size * MINUTE, (), aggregates, "{}", late="dlq")
        for size in (first, 61 - first)
    ]
    text = f"SELECT n AS id, 'w1' AS name, \"{ROW}\" FROM w1 UNION ALL SELECT n, 'w60', \"{ROW}\" FROM w60"
    query = SqlPlan("query", ("w1", "w60"), ("w1", "w60"), text, traced=True)
    sources = tuple(replace(source, beside=(TIME, "_partition")) for source in made.sources)
    computed = Computed(replace(made, sources=sources, nodes=(*windows, query)))
    found = [_epoch(computed, [{"id": 1}, {"id": 2}], 0, None), _epoch(computed, [{"id": 3}], 0, NOON + MINUTE, 2)]
    found.append(_epoch(computed, [], 0, END, 3))
    assert [row for each in found for row in _rows(each)] == [("w1", 2), ("w60", 3)]
    assert [each.dead.num_rows if each.dead is not None else 0 for each in found] == [0, 1, 0]
    assert found[1].dead is not None
    notes = parted(found[1].dead.column("headers")[0].as_py())[1]
    assert notes[JUDGED] == SEEN_BY_SOME


def test_messages_that_a_window_has_taken_in_are_not_taken_again(tmp_path: Path) -> None:
    made = Computed(replace(_stream(tmp_path), passing=True))
    assert isinstance(made.compute.graph.nodes[0].operator, Taken)
    assert _rows(_epoch(made, [{"id": 1, "name": "a"}], 0, None)) == []
    assert _rows(_epoch(made, [], 0, END, 2)) == []


def test_sessions_come_out_when_their_gap_is_over(tmp_path: Path) -> None:
    stream = _stream(tmp_path, late="dlq", on_error="dlq")
    window = stream.nodes[0]
    assert isinstance(window, WindowPlan)
    nodes = replace(window, kind="session", size=60 * MINUTE, step=5 * MINUTE), *stream.nodes[1:]
    made = Computed(replace(stream, nodes=nodes))
    assert _rows(_epoch(made, [{"id": 2, "name": "a"}, {"id": 7, "name": "b"}], 0, None)) == []
    assert _rows(_epoch(made, [{"id": 4, "name": "a"}], 5, NOON + MINUTE, 2)) == []
    assert not made.compute.due(NOON + 5 * MINUTE)
    assert made.compute.due(NOON + 5 * MINUTE + 1)
    late = _epoch(made, [{"id": 1, "name": "b"}], 0, NOON + 5 * MINUTE + 1, 3)
    assert _rows(late) == [("b", 7)]
    assert late.dead is not None
    assert late.dead.column("error_code").to_pylist() == ["late-row"]
    assert _rows(_epoch(made, [], 0, END, 4)) == [("a", 3)]
