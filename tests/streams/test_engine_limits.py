"""Values that fit a column and that its engine cannot hold: bad rows, on real engines, that take no others along."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from tests.commands import Inside
from tests.streams.test_run_streams import _rows
from tests.topics import Message, fresh, produce

PROJECT = """
connections:
  bus: {{ kind: kafka, bootstrap_servers: "{kafka}" }}
  wh: {{ kind: {kind}, {place} }}
streams:
  s:
    source:
      connection: bus
      topic: {topic}
      columns: {{ id: bigint, x: double, t: timestamptz, j: json, s: "struct(k text)", a: "text[]" }}
    sql: SELECT id, CASE WHEN x = 0 THEN CAST('NaN' AS double precision) ELSE x END AS x, t, j, s, a FROM source
    to: {{ connection: wh, table: made, mode: append }}
    on_error: dlq
  plain:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, n: numeric }} }}
    to: {{ connection: wh, table: plainly, mode: append }}
    on_error: dlq
  computed:
    source: {{ connection: bus, topic: {topic}, columns: {{ id: bigint, n: numeric, ns: "numeric[]" }} }}
    sql: SELECT id, n, n * 2 AS twice, ns[1] AS first FROM source
    to: {{ connection: wh, table: computed, mode: append }}
    on_error: dlq
"""
MESSAGES = [
    b'{"id": 1, "x": 0.5, "t": "2026-01-01T00:00:00Z", "j": {"a": 1}, "s": {"k": "v"}, "a": ["x", null]}',
    b'{"id": 2, "x": 0}',
    b'{"id": 3, "t": "0001-01-01T00:00:00Z"}',
    b'{"id": 4, "n": 1.5, "ns": [2.25]}',
    b'{"id": 5, "j": {"a": "\\u0000"}}',
    b'{"id": 6, "s": {"k": "\\u0000"}}',
    b'{"id": 7, "a": ["x", "\\u0000"]}',
    b'{"id": 8, "j": "\\\\u0000", "n": 1e60}',
]
REFUSED = {
    "postgres": {5: 'column `j`: `{"a": "\\u0000"}` holds a NUL', 6: '`{"k":"\\u0000"}` holds', 7: "column `a`"},
    "mysql": {2: "`nan` is no number in MySQL", 3: "TIMESTAMP holds"},
    "sqlite": {2: "`nan` would become NULL in SQLite"},
    "duckdb": {},
}
"""What each engine does not hold, and words of its dead letter."""
DIGITS = {"postgres": None, "mysql": "does not fit `numeric(65,30)`", "sqlite": None, "duckdb": "`numeric(38,10)`"}
"""What is said of a number that the engine's decimals do not hold."""


def _run(folder: Path, kafka: str, wh: tuple[str, Mapping[str, object]], stream: str) -> dict[int, str]:
    """The dead letters of a run, by the id of their message."""
    kind, options = wh
    place = ", ".join(f'{key}: "{value}"' for key, value in options.items())
    topic = fresh(kafka)
    produce(kafka, topic, [Message(value) for value in MESSAGES], enable_idempotence=True)
    made = Inside(folder)
    made.write("specs/s.yaml", PROJECT.format(kafka=kafka, kind=kind, place=place, topic=topic))
    (report,) = made.flowc("run", stream, "--once", "--json").json
    assert report["status"] == "ok", report["error"]
    return {letter["offset"] + 1: letter["error"] for letter in made.flowc("dlq", "show", stream, "--json").json}


def _ids(wh: tuple[str, Mapping[str, object]], table: str) -> set[int]:
    return {int(str(row[0])) for row in _rows(wh, f"SELECT id FROM {table}")}


def test_each_is_a_dead_letter_and_the_others_are_written(
    tmp_path: Path, kafka: str, wh: tuple[str, Mapping[str, object]]
) -> None:
    letters, refused = _run(tmp_path, kafka, wh, "s"), REFUSED[wh[0]]
    assert letters.keys() == refused.keys()
    assert [letters[id_] for id_, words in refused.items() if words not in letters[id_]] == []
    assert _ids(wh, "made") == set(range(1, 9)) - refused.keys()


def test_a_decimal_without_precision_keeps_its_digits_as_far_as_the_engine_does(
    tmp_path: Path, kafka: str, wh: tuple[str, Mapping[str, object]]
) -> None:
    letters, words = _run(tmp_path, kafka, wh, "plain"), DIGITS[wh[0]]
    assert [words in letter for letter in letters.values()] == ([] if words is None else [True])
    assert _ids(wh, "plainly") == set(range(1, 9)) - letters.keys()


def test_a_decimal_without_precision_is_computed_with(tmp_path: Path, kafka: str) -> None:
    wh = ("duckdb", {"path": str(tmp_path / "wh.db")})
    assert "`1e60` does not fit `numeric(38,10)`" in _run(tmp_path, kafka, wh, "computed")[8]
    rows = _rows(wh, "SELECT n, twice, first FROM computed WHERE id = 4")
    assert rows == [(Decimal("1.5"), Decimal(3), Decimal("2.25"))]
