"""`dedupe` in the SQL of streams, with SQL before and behind it: placed, planned and computed, against plain Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowc.catalog import Column
from flowc.compiler import stages
from flowc.compiler.ir import Dedupe, Stream
from flowc.compiler.lowering.lower import lower
from flowc.compiler.streamplan.nodes import plan_nodes
from flowc.diagnostics import Reporter
from flowc.errors import UsageError
from flowc.nodes import ROW
from flowc.runtime.contracts.epoch import Epoch, Intent, Range
from flowc.runtime.contracts.letternotes import JUDGED, parted
from flowc.runtime.contracts.source import Polled
from flowc.runtime.contracts.state import Checkpoint
from flowc.stream import StreamPlan
from flowc.types import BIGINT
from tests.commands import Inside
from tests.extended import examples
from tests.streams.compiled import NOON, Computed, messages
from tests.streams.compiled import plan as planned
from tests.streams.filefolder import put
from tests.unit.project import write

CLEANED = "WITH cleaned AS (SELECT id, trim(name) AS name FROM source WHERE id > 0)\n"
FIRSTS = CLEANED + "SELECT id * 10 AS id, upper(name) AS name FROM dedupe(cleaned, id, name, INTERVAL '10 seconds')"
Row = tuple[int, str, int]
"""An id, a name, and seconds of event time."""


@cache
def plan_of(sql: str, on_error: str = "drop", more: str = "") -> StreamPlan:
    with TemporaryDirectory() as folder:
        return planned(Path(folder), sql, on_error=on_error, more=more)


def batch(rows: Sequence[Row | tuple[object, str, int]], start: int = 0) -> pa.RecordBatch:
    made = messages([{"id": id_, "name": name} for id_, name, _ in rows], start=start)
    times = [datetime.fromtimestamp(NOON / 1_000_000, UTC) + timedelta(seconds=at) for _, _, at in rows]
    at = made.schema.get_field_index("_event_ts")
    return made.set_column(at, made.schema.field(at), pa.array(times, made.schema.field(at).type))


def epoch(made: Computed, rows: pa.RecordBatch, number: int = 1, watermark: int | None = None) -> Epoch:
    ranges = (Range.numbered("source", 0, 0, rows.num_rows),)
    return made.compute(Polled("source", rows, ranges, 0.0), Intent(number, NOON, ranges, watermark))


def kept(rows: Sequence[Row], within: int = 10) -> list[tuple[int, str]]:
    """What `FIRSTS` gives."""
    seen: list[Row] = []
    for id_, text, at in rows:
        name = text.strip(" ")
        if id_ > 0 and not any((id_, name) == (i, n) and abs(at - t) <= within for i, n, t in seen):
            seen.append((id_, name, at))
    return [(id_ * 10, name.upper()) for id_, name, _ in seen]


def rows_of(found: Sequence[Epoch]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for each in found for row in each.rows.to_pylist()]


ROWS = st.lists(st.tuples(st.integers(-1, 2), st.sampled_from(("a", " a", "b ")), st.integers(0, 40)), max_size=25)


@settings(max_examples=examples(30), deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_same_rows_as_the_model_whatever_batches_and_restarts(rows: list[Row], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=4)))
    restarts = data.draw(st.sets(st.integers(0, 4)))
    made, point, found = Computed(plan_of(FIRSTS)), Checkpoint(), list[Epoch]()
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        if number in restarts:
            made = Computed(plan_of(FIRSTS))
            made.compute.restore(point)
        found.append(epoch(made, batch(rows[start:end], start), number + 1))
        new = made.compute.snapshot(Checkpoint(number + 1))
        point = replace(new, segments=(*point.segments, *new.segments))
    assert rows_of(found) == kept(rows)


def _stream(folder: Path, sql: str, more: str = "") -> Stream:
    text = f"""
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, name: text }} }}
    sql: {sql}
    to: {{ connection: wh, table: out }}
    {more}
"""
    reporter = Reporter()
    checked = stages.check_project([write(folder, text)], reporter, env={})
    assert checked is not None, reporter.sorted()
    found = lower(checked, reporter)
    assert not reporter.errors, reporter.sorted()
    return found.streams[0]


def test_the_block_and_the_function_are_the_same_graph(tmp_path: Path) -> None:
    block = _stream(tmp_path, "SELECT source.id, name FROM source", "dedupe: { keys: [id, name], within: 10m }")
    sql = "SELECT source.id, name FROM dedupe(source, id, name, INTERVAL '10 minutes')"
    function = _stream(tmp_path, sql)
    assert [node.id for node in block.nodes] == ["dedupe", "query"]
    for one, other in zip(block.nodes, function.nodes, strict=True):
        if isinstance(one, Dedupe):
            assert other == replace(one, span=other.span)
        else:
            assert other == replace(one, source=other.source, places=other.places, stars=other.stars)  # type: ignore[union-attr]


def test_a_name_finds_what_is_remembered_whatever_is_edited_elsewhere() -> None:
    before = "WITH a AS (SELECT * FROM dedupe(source, id, INTERVAL '1 day')) SELECT id, name FROM a"
    after = (
        "WITH b AS (SELECT id, name FROM source WHERE name <> ''), "
        "a AS (SELECT * FROM dedupe(b, id, INTERVAL '1 day')), c AS (SELECT id, lower(name) AS name FROM a) "
        "SELECT name, id FROM dedupe(c, name, INTERVAL '1 day') AS names"
    )
    first = Computed(plan_of(before))
    epoch(first, batch([(1, "x", 0), (2, "y", 0)]))
    point = first.compute.snapshot(Checkpoint(1))
    second = Computed(plan_of(after))
    second.compute.restore(point)
    found = epoch(second, batch([(1, "q", 1), (3, "Z", 1), (4, "z", 1), (5, "", 1)]))
    assert rows_of([found]) == [("z", 3)]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("SELECT id FROM dedupe(source, name, INTERVAL '1 day') AS a", "was changed"),
        ("SELECT id FROM dedupe(source, id, INTERVAL '1 day') AS b", "remembers what `a` has seen"),
    ],
)
def test_other_keys_and_another_name_do_not_take_what_is_remembered_in_silence(after: str, words: str) -> None:
    first = Computed(plan_of("SELECT id FROM dedupe(source, id, INTERVAL '1 day') AS a"))
    epoch(first, batch([(1, "x", 0)]))
    with pytest.raises(UsageError, match=words) as caught:
        Computed(plan_of(after)).compute.restore(first.compute.snapshot(Checkpoint(1)))
    assert caught.value.code == "state-changed"


@pytest.mark.parametrize(("within", "passes"), [("5 seconds", [1, 3]), ("1 day", [3])])
def test_another_within_goes_on_with_what_is_remembered(within: str, passes: list[int]) -> None:
    first = Computed(plan_of("SELECT id FROM dedupe(source, id, INTERVAL '10 seconds') AS a"))
    epoch(first, batch([(1, "x", 0), (2, "x", 5)]))
    second = Computed(plan_of(f"SELECT id FROM dedupe(source, id, INTERVAL '{within}') AS a"))
    second.compute.restore(first.compute.snapshot(Checkpoint(1)))
    found = epoch(second, batch([(1, "x", 7), (2, "x", 7), (3, "x", 7)]))
    assert [row[0] for row in rows_of([found])] == passes


def _notes(found: Epoch) -> list[tuple[int, int]]:
    """The offset of each letter, and which dedupes had seen its message."""
    assert found.dead is not None
    return [(int(row["message_position"]), parted(row["headers"])[1][JUDGED]) for row in found.dead.to_pylist()]


def test_a_message_that_fails_before_a_dedupe_is_not_remembered_by_it() -> None:
    sql = (
        "WITH a AS (SELECT id, CAST(name AS bigint) AS n FROM source), b AS (SELECT * FROM dedupe(a, id, "
        "INTERVAL '1 day')), c AS (SELECT id, 10 / n AS n FROM b)\n"
        "SELECT id, 10 / (n - 5) AS n FROM dedupe(c, n, INTERVAL '1 day') AS d"
    )
    made = Computed(replace(plan_of(sql), on_error="dlq"))
    found = epoch(made, batch([(1, "x", 0), (2, "0", 0), (3, "2", 0), (1, "10", 0), (2, "10", 0), (4, "5", 0)]))
    # The second message was seen by the first dedupe, so that its repeat gives no row, and by the other one not.
    assert _notes(found) == [(0, 0), (1, 2), (2, 1)]
    assert rows_of([found]) == [(1, -2), (4, -3)]


def test_a_message_that_fails_on_one_way_is_remembered_on_no_other() -> None:
    sql = (
        "WITH a AS (SELECT CAST(name AS bigint) AS n FROM source)\n"
        "SELECT id FROM dedupe(source, id, INTERVAL '1 day') AS ids "
        "UNION ALL SELECT n FROM dedupe(a, n, INTERVAL '1 day') AS numbers"
    )
    made = Computed(replace(plan_of(sql), on_error="dlq"))
    found = epoch(made, batch([(1, "x", 0), (1, "5", 0), (1, "6", 0)]))
    assert _notes(found) == [(0, 0)]
    assert sorted(rows_of([found])) == [(1,), (5,), (6,)]


def test_several_rows_of_a_message_are_judged_each_and_fail_together() -> None:
    sql = (
        "WITH a AS (SELECT id, CAST(unnest(tags) AS bigint) AS tag FROM source)\n"
        "SELECT id, tag FROM dedupe(a, tag, INTERVAL '1 day')"
    )
    made = Computed(plan_of(sql))
    values = [{"id": 1, "tags": ["1", "2"]}, {"id": 2, "tags": ["3", "x"]}, {"id": 3, "tags": ["2", "3"]}]
    assert rows_of([made.epoch(values)]) == [(1, 1), (1, 2), (3, 3)]
    again = Polled("source", messages([{"id": 4, "tags": ["3", "4"]}]), (), 0.0)
    with pytest.raises(UsageError, match="knows some of them") as caught:
        made.compute.repeats(again, Intent(2, NOON, ()))
    assert caught.value.code == "partly-known"


def test_a_replay_lets_everything_through_what_keeps_state() -> None:
    made = Computed(replace(plan_of(FIRSTS), passing=True))
    assert rows_of([epoch(made, batch([(1, "a", 0), (1, "a", 0)]))]) == [(10, "A"), (10, "A")]
    assert not made.compute.graph.states.nodes


def test_a_star_has_no_hidden_column_and_a_column_that_is_asked_for_is_none() -> None:
    plain = "WITH a AS (SELECT * FROM source) SELECT * FROM dedupe(a, id, INTERVAL '1 day')"
    assert Computed(plan_of(plain)).epoch([{"id": 1}]).rows.schema.names == ["id", "name", "tags"]
    asked = "WITH a AS (SELECT _event_ts, id FROM source) SELECT *, id AS n FROM dedupe(a, id, INTERVAL '1 day')"
    assert Computed(plan_of(asked)).epoch([{"id": 1}]).rows.schema.names == ["_event_ts", "id", "n"]


def test_the_rows_of_a_source_with_and_without_its_repeats() -> None:
    sql = "SELECT id, 'all' AS what FROM source UNION ALL SELECT id, 'first' FROM dedupe(source, id, INTERVAL '1 day')"
    found = Computed(plan_of(sql)).rows([{"id": 1}, {"id": 1}, {"id": 2}])
    assert sorted((row["what"], row["id"]) for row in found) == [
        ("all", 1),
        ("all", 1),
        ("all", 2),
        ("first", 1),
        ("first", 2),
    ]


def test_a_column_of_the_name_of_the_hidden_one_is_refused_where_rows_are_remembered(tmp_path: Path) -> None:
    stream = _stream(tmp_path, "SELECT id FROM dedupe(source, id, INTERVAL '1 day')")
    (source,) = stream.sources
    own = replace(source, columns=(*(source.columns or ()), Column(ROW, BIGINT)))
    with pytest.raises(UsageError, match="one of flowc's own"):
        plan_nodes(replace(stream, sources=(own,)))
    assert plan_nodes(replace(stream, sources=(own,), nodes=stream.nodes[-1:]))[0].traits.state == "none"


def test_a_plain_stream_has_one_node_and_no_column_more() -> None:
    made = plan_of("SELECT id FROM source")
    assert [node.id for node in made.nodes] == ["query"]
    assert (made.sources[0].extras, made.sources[0].beside, made.stateful) == ((), (), ())
    assert json.loads(json.dumps(made.nodes[0].traits.mode)) == "insert-only"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (
            "WITH Cleaned AS (SELECT ID, name FROM source) SELECT F.id FROM DEDUPE(CLEANED, ID, INTERVAL '1 day') AS F",
            [1, 2],
        ),
        (
            'WITH "My ids" AS (SELECT id AS "Id" FROM source) '
            'SELECT "F f"."Id" FROM dedupe("My ids", "Id", INTERVAL \'1 day\') AS "F f"',
            [1, 2],
        ),
        (
            "WITH source AS (SELECT id + 1 AS id FROM source) SELECT id FROM dedupe(source, id, INTERVAL '1 day')",
            [2, 3],
        ),
        (
            "WITH a AS (SELECT id FROM source), b AS (SELECT * FROM dedupe(a, id, INTERVAL '1 day'))"
            "SELECT id FROM a UNION ALL SELECT id + 10 FROM b",
            [1, 1, 2, 11, 12],
        ),
        (
            "SELECT id FROM dedupe(source, id, INTERVAL '1 day') one "
            "UNION ALL SELECT id + 10 FROM dedupe(source, name, INTERVAL '1:00:00') other",
            [1, 2, 11],
        ),
        ("SELECT x.id FROM (SELECT source.id FROM dedupe(source, id, INTERVAL '1 day')) AS x WHERE id > 1", [2]),
        (
            "WITH a AS (SELECT id FROM source), b AS (SELECT id FROM a) SELECT id FROM dedupe(a, id, INTERVAL '1 s')",
            [1, 2],
        ),
        ("WITH a AS (SELECT id FROM source) SELECT a.id FROM dedupe(a, id, INTERVAL '1 day') AS a", [1, 2]),
        ("WITH a AS (SELECT id FROM dedupe(source, id, INTERVAL '1 day')) SELECT 7 AS id", [7]),
        ("SELECT count(*) AS id FROM dedupe(source, id, INTERVAL '1 day')", [2]),
    ],
)  # fmt: skip
def test_calls_in_many_places_and_names_in_any_case(sql: str, found: list[int]) -> None:
    values = [{"id": 1, "name": "x"}, {"id": 1, "name": "x"}, {"id": 2, "name": "x"}]
    made = epoch(Computed(plan_of(sql)), messages(values), watermark=0)
    assert sorted(row[0] for row in rows_of([made])) == found


def _told(folder: Path, sql: str) -> list[str]:
    """What lint tells of a query."""
    text = f"""
connections:
  bus: {{ kind: kafka, bootstrap_servers: "localhost:9092" }}
  wh: {{ kind: sqlite, path: wh.db }}
streams:
  s:
    source: {{ connection: bus, topic: events, columns: {{ id: bigint, name: text, doc: json }} }}
    sql: {json.dumps(sql)}
    to: {{ connection: wh, table: out }}
"""
    reporter = Reporter()
    checked = stages.check_project([write(folder, text)], reporter, env={})
    if checked is not None:
        lower(checked, reporter)
    return [problem.code for problem in reporter.sorted()]


def test_a_query_has_as_many_dedupes_as_are_quick(tmp_path: Path) -> None:
    for count, codes in ((100, []), (101, ["sql-too-large"])):
        parts = (f"SELECT id FROM dedupe(source, id, INTERVAL '1 day') AS d{n}" for n in range(count))
        assert _told(tmp_path, " UNION ALL ".join(parts)) == codes


@pytest.mark.parametrize(
    ("interval", "codes"),
    [
        *((each, []) for each in ("10 minutes", "1.5 hours", "90 s", "00:10:00")),
        *(
            (each, ["wrong-arguments"])
            for each in (
                "10 minutes ago", "- 10 minutes", "-10 minutes", "P10M", "1,5 minutes", "1.5.2 minutes",
                "10 minutes!", "10 minutes 5", "0 hours", "9" * 400 + " days", "9" * 5000 + ":00", "1 month", "01:99",
                "99999999999999999 days", "0.0000001 seconds", "1_000 seconds", "\u0661\u0660 minutes",
            )
        ),
    ],
)  # fmt: skip
def test_an_interval_is_read_whole_or_refused(tmp_path: Path, interval: str, codes: list[str]) -> None:
    expected = codes if len(interval) <= 1_000 else ["sql-too-large"]
    assert _told(tmp_path, f"SELECT id FROM dedupe(source, id, INTERVAL '{interval}')") == expected


def test_a_dedupe_reads_what_stands_before_it(tmp_path: Path) -> None:
    """A CTE of the same name behind it is another one."""
    later = """
        WITH a AS (SELECT id, name FROM dedupe(source, id, INTERVAL '1 hour')),
        source AS (SELECT id + 100 AS id, name FROM source)
        SELECT id, name FROM a UNION ALL SELECT id, name FROM source
    """
    made = Computed(plan_of(later))
    found = sorted(id_ for id_, _ in rows_of([epoch(made, batch([(1, "a", 0), (2, "b", 1), (2, "c", 2)], 0), 1)]))
    assert found == [1, 2, 101, 102, 102]
    own = "WITH source AS (SELECT id, name FROM dedupe(source, id, INTERVAL '1 hour')) SELECT id, name FROM source"
    made = Computed(plan_of(own))
    assert rows_of([epoch(made, batch([(1, "a", 0), (1, "b", 1)], 0), 1)]) == [(1, "a")]


@pytest.mark.parametrize(
    "sql",
    [
        # The engine gives the rows of branches in any order, and the first one would count.
        "WITH u AS (SELECT id, 'a' AS name FROM source UNION ALL SELECT id, 'b' FROM source) "
        "SELECT id FROM dedupe(u, id, INTERVAL '1 hour')",
        # Each branch has a time of its own.
        "WITH u AS (SELECT id, _event_ts FROM source UNION ALL SELECT id, CAST('2020-01-01' AS timestamptz) FROM "
        "source)"
        " SELECT id FROM dedupe(u, id, INTERVAL '1 hour')",
        # Rows of a source and of its dedupe come one after the other.
        "SELECT id FROM source EXCEPT SELECT id FROM dedupe(source, id, INTERVAL '1 hour')",
        "SELECT id, (SELECT count(*) FROM source) AS n FROM dedupe(source, id, INTERVAL '1 hour')",
        "SELECT count(*) AS n FROM ("
        "SELECT id FROM source UNION ALL SELECT id FROM dedupe(source, id, INTERVAL '1 day')) AS u",
    ],
)
def test_what_would_hang_on_the_order_of_rows_is_refused(tmp_path: Path, sql: str) -> None:
    assert "misplaced-dedupe" in _told(tmp_path, sql)


def test_documents_are_no_keys(tmp_path: Path) -> None:
    """Equal ones may be written in many ways."""
    assert _told(tmp_path, "SELECT id FROM dedupe(source, doc, INTERVAL '1 hour')") == ["unusable-keys"]


def test_a_letter_without_event_time_fails_again(tmp_path: Path) -> None:
    """It was never judged by what remembers, and has nothing to be judged by."""
    folder = Inside(tmp_path)
    folder.write(
        "specs/s.yaml",
        """
connections:
  drop: { kind: files, uri: inbox, format: jsonl }
  wh: { kind: sqlite, path: wh.db }
streams:
  s:
    source: { connection: drop, path: "*.jsonl", columns: { id: bigint, at: timestamptz }, event_time: at }
    dedupe: { keys: [id], within: 1h }
    to: { connection: wh, table: out }
    on_error: dlq
""",
    )
    times = ['"2026-01-01T00:00:00Z"', "null", "null"]
    put(tmp_path, "inbox/a.jsonl", "".join(f'{{"id": 1, "at": {at}}}\n' for at in times))
    assert folder.flowc("run", "s", "--once").code == 0
    assert "2 failed again" in folder.flowc("dlq", "replay", "s").out
    assert folder.flowc("dlq", "list", "--json").json[0]["letters"] == 2
