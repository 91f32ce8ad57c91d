"""What aggregates give of a window is what the same GROUP BY gives without one: values and types, of every type."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from flowc.compiler import stages
from flowc.compiler.lowering.lower import lower
from flowc.diagnostics import Reporter
from flowc.runtime.arrow import data_type
from flowc.runtime.contracts.epoch import END, Epoch, Intent, Range
from flowc.runtime.contracts.source import Polled
from flowc.service.streams.run import planned
from flowc.stream import StreamPlan
from flowc.types import Kind
from tests.streams.compiled import NOON, Computed, messages
from tests.unit.project import write

SPEC = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: {place} }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ {columns} }} }}
    sql: |
      {sql}
    to: {{ connection: wh, table: out }}
    on_error: fail
    watermark: {{ lateness: 1h }}
"""
PLACES = {"postgres": 'postgres, url: "postgres://u@h/db"', "duckdb": "duckdb, path: x.duckdb"}
VALUES: dict[str, tuple[str, list[object]]] = {
    "i": ("bigint", [None, 1, -5, 7, 2_000_000]),
    "s": ("smallint", [150, None, 170, -3]),
    "n": ("integer", [2**15, 2**15 - 1, None, -1]),
    "d": ('"numeric(10,2)"', ["12.34", None, "-0.05", "99999999.99", "1.00"]),
    "b": ('"numeric(38,4)"', [None, "1.0001", "-999999999999.1234", "3"]),
    "f": ("double", [1.5, 0.0, None, 2.25]),
    "r": ("real", [1.5, 0.1, None]),
    "t": ("text", ["a", None, "B", "ä", "long long long text here", ""]),
    "o": ("boolean", [True, None, False]),
    "dt": ("date", [None, "2024-02-29", "1969-12-31"]),
    "ts": ("timestamp", ["2024-02-29T10:00:00", "1969-12-31T00:00:00", None, "2024-12-31T23:59:59.999999"]),
    "tz": ("timestamptz", ["2024-02-29T10:00:00Z", None, "1969-01-01T00:00:00Z"]),
    "bin": ("bytea", [None, "AAE=", "/w=="]),
    "tm": ("time", ["10:00:00", None, "23:59:59.5"]),
}
ROWS = [
    {"k": ("x", "y", None)[number % 3], **{name: values[number % len(values)] for name, (_, values) in VALUES.items()}}
    for number in range(40)
]
_ANY = ("count({c})", "count(DISTINCT {c})", "min({c})", "max({c})", "array_agg({c})", "max({c}) = min({c})",
        "count({c}) FILTER (WHERE o)", "max({c}) FILTER (WHERE i > 0)", "coalesce(max({c}), min({c}))")  # fmt: skip
_NUMBER = (
    "sum({c})", "avg({c})", "sum({c}) / 3", "sum({c}) / 1000000", "sum({c}) / count(*)", "sum({c}) * 2",
    "sum({c}) * 1.5", "-sum({c}) / 7", "avg({c}) / 2", "avg({c}) * 2", "max({c}) / 2", "max({c}) / 2.5",
    "floor(avg({c}))", "ceil(sum({c}) / 3)", "round(avg({c}))", "sum({c} + 1)", "avg({c} + 1)", "sum({c} / 2)",
    "avg(coalesce({c}, 0))", "sum(coalesce({c}, 0)) / 3", "avg(CASE WHEN o THEN {c} ELSE 0 END)", "avg(-{c})",
    "sum(CASE WHEN o THEN {c} END) / 3", "avg(abs({c}))", "coalesce(sum({c}), 0) / 3", "sum({c}) / sum(i)",
    "greatest(max({c}), 2) / 3", "CASE WHEN count(*) > 0 THEN sum({c}) ELSE 0 END / 3",
    "CAST(sum({c}) AS text)", "sum({c}) / nullif(count(o), 0)", "sum({c}) FILTER (WHERE o) / 3", "sum({c}) > avg({c})",
    "100.0 * count({c}) / count(*)", "sum({c}) / 3 + max({c}) / 7",
)  # fmt: skip
_SMALL = ("avg({c} * {c})", "sum({c} * {c}) / 7", "avg({c} * 2.5)", "sum({c} * i)", "avg(round({c}, 1))",
          "round(avg({c}), 1)", "CAST(avg({c}) AS bigint)", "avg({c}) / avg(s)", "sum({c}) % 3")  # fmt: skip
_TEXT = ("max(lower({c}))", "min(upper({c})) || 'x'", "max(substr({c}, 1, 2))", "max(length({c})) / 2.5",
         "max({c}) LIKE 'a%'", "concat(max({c}), sum(d))", "sum(length({c})) / 3", "max({c} || 'x')")  # fmt: skip
_TIME = ("max({c}) - min({c})", "date_trunc('month', max({c}))", "max(date_trunc('month', {c}))",
         "max(extract(year FROM {c}))", "to_char(max({c}), 'YYYY-MM')", "CAST(max({c}) AS text)")  # fmt: skip
CALLS = {
    **dict.fromkeys(VALUES, _ANY),
    **dict.fromkeys(("s", "n", "d"), _ANY + _NUMBER + _SMALL),
    "i": (*_ANY, *_NUMBER), "b": (*_ANY, *_NUMBER), "f": (*_ANY, *_NUMBER),
    "r": (*_ANY, *(call for call in _NUMBER if "coalesce" not in call)),
    "t": _ANY + _TEXT, "dt": (*_ANY, *_TIME[1:]), "ts": _ANY + _TIME, "tz": _ANY + _TIME,
}  # fmt: skip


def plan(folder: Path, sql: str, place: str) -> StreamPlan:
    columns = ", ".join(
        f"{name}: {kind}" for name, kind in {"k": "text", **{n: v[0] for n, v in VALUES.items()}}.items()
    )
    reporter = Reporter()
    text = SPEC.format(place=PLACES[place], columns=columns, sql=sql)
    checked = stages.check_project([write(folder, text)], reporter, env={})
    assert checked is not None, reporter.sorted()
    streams = lower(checked, reporter).streams
    assert streams, [f"{each.code}: {each.message}" for each in reporter.sorted()]
    return planned(streams[0])


def rows_of(plan: StreamPlan) -> pa.Table:
    """What comes out of all rows, which are of one moment."""
    made, rows = Computed(plan), messages(ROWS)
    at = rows.schema.get_field_index("_event_ts")
    times = pa.array([NOON] * rows.num_rows, pa.int64()).cast(rows.schema.field(at).type)
    rows = rows.set_column(at, rows.schema.field(at), times)
    found = [_epoch(made, rows, 1, None), _epoch(made, rows.slice(0, 0), 2, END)]
    return pa.Table.from_batches([each.rows for each in found if each.rows.num_rows])


def _epoch(made: Computed, rows: pa.RecordBatch, number: int, watermark: int | None) -> Epoch:
    ranges = (Range.numbered("source", 0, 0, rows.num_rows),)
    return made.compute(Polled("source", rows, ranges, 0.0), Intent(number, NOON, ranges, watermark))


def shown(table: pa.Table, name: str) -> list[str]:
    """A column by the keys of its rows, as texts: times may be any, and one zero is not the other."""
    column = table.column(name)
    plain = pa.types.is_temporal(column.type) and not (
        pa.types.is_interval(column.type) or pa.types.is_duration(column.type)
    )
    values = (column.cast(pa.string()) if plain else column.cast(_lists(column.type))).to_pylist()
    return sorted(map(repr, zip(table.column("k").to_pylist(), values, strict=True)))


def _lists(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.string()) if pa.types.is_list(kind) and pa.types.is_temporal(kind.value_type) else kind


def compared(folder: Path, calls: list[str], place: str) -> list[str]:
    """The calls that a window gives otherwise."""
    items = ", ".join(f"{call} AS v{number}" for number, call in enumerate(calls))
    plain = rows_of(plan(folder, f"SELECT k, {items} FROM source GROUP BY k", place))
    bounds = "GROUP BY window_start, window_end"
    windows = rows_of(plan(folder, f"SELECT k, {items} FROM tumble(source, INTERVAL '1 minute') {bounds}, k", place))
    return [
        f"{call}: {plain.field(name).type} {one[:2]}, in a window {windows.field(name).type} {other[:2]}"
        for number, call in enumerate(calls)
        if (one := shown(plain, name := f"v{number}")) != (other := shown(windows, name))
        or plain.field(name).type != windows.field(name).type
    ]


@pytest.mark.parametrize("column", VALUES)
def test_values_and_types_are_those_without_a_window(tmp_path: Path, column: str) -> None:
    assert not compared(tmp_path, [call.format(c=column) for call in CALLS[column]], "postgres")


DOCUMENTS = ("json_agg({c})", "jsonb_agg({c})", "json_agg({c}) FILTER (WHERE o)", "array_agg(named_struct('c', {c}))",
             "jsonb_agg(json_build_object('c', {c}, 'i', i))")  # fmt: skip


def test_documents_are_those_without_a_window(tmp_path: Path) -> None:
    calls = [call.format(c=column) for column in ("i", "d", "t", "tz") for call in DOCUMENTS]
    assert not compared(tmp_path, calls, "postgres")


def test_a_document_comes_out_as_one(tmp_path: Path) -> None:
    calls = "first(json_build_object('i', i)) AS a, json_agg(json_build_object('i', i)) AS b"
    found = plan(
        tmp_path, f"SELECT k, {calls} FROM tumble(source, INTERVAL '1 minute') GROUP BY 1, window_start", "postgres"
    )
    assert [data_type(field).kind for field in rows_of(found).schema][1:] == [Kind.JSON, Kind.JSON]


def test_they_are_in_another_dialect_too(tmp_path: Path) -> None:
    calls = [call.format(c=c) for c in ("i", "d") for call in (*_ANY, "sum({c}) / 3", "avg({c}) / 3", "avg({c} + 1)")]
    assert not compared(tmp_path, [*calls, "sum(d) / sum(i)", "max(dt) - min(dt)"], "duckdb")


@pytest.mark.parametrize(
    "limit", ["sum(d) / 10000000 > 0", "avg(d + 1) / 100000000000 > 0", "max(d / 3) / 1000000 > 0"]
)
def test_what_is_asked_of_groups_is_asked_of_those_of_windows(tmp_path: Path, limit: str) -> None:
    plain = rows_of(plan(tmp_path, f"SELECT k, count(*) AS n FROM source GROUP BY k HAVING {limit}", "postgres"))
    sql = f"SELECT k, count(*) AS n FROM tumble(source, INTERVAL '1 minute') GROUP BY window_start, k HAVING {limit}"
    assert shown(rows_of(plan(tmp_path, sql, "postgres")), "n") == shown(plain, "n")


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("SELECT k, d * 2 AS v, sum(d) AS w {F} GROUP BY {G} k, d * 2", "SELECT k, v / 3 AS a, w / 3 AS b FROM c"),
        ("SELECT k, d / 3 AS v, avg(d + 1) AS w {F} GROUP BY {G} k, d / 3", "SELECT k, v / 3 AS a, w / 7 AS b FROM c"),
        ("SELECT k, sum(i) AS v, sum(d / 3) AS w {F} GROUP BY {G} k", "SELECT k, v / 3 AS a, floor(w / 7) AS b FROM c"),
    ],
)  # fmt: skip
def test_queries_behind_compute_with_it_as_with_that_of_a_query(tmp_path: Path, before: str, behind: str) -> None:
    plain = f"WITH c AS ({before.format(F='FROM source', G='')}) {behind}"
    window = before.format(F="FROM tumble(source, INTERVAL '1 minute')", G="window_start, window_end,")
    one, other = (rows_of(plan(tmp_path, sql, "postgres")) for sql in (plain, f"WITH c AS ({window}) {behind}"))
    assert (one.schema.types, shown(one, "a"), shown(one, "b")) == (
        other.schema.types, shown(other, "a"), shown(other, "b")
    )  # fmt: skip
