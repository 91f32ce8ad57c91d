"""Bad rows of a stream are found one by one, wherever they fail, and take no other along."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from flowc.errors import DataError, FlowcError
from flowc.runtime.streams import rowwise
from tests.streams.compiled import NOON, Computed, messages, plan

CAST = "SELECT id, CAST(name AS integer) AS n FROM source"


def _events(count: int, bad: dict[int, str]) -> list[object]:
    return [{"id": i, "name": bad.get(i, str(i % 100))} for i in range(count)]


def test_rows_that_fail_in_the_sql_are_left_out(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, CAST))
    assert computed.rows(_events(4, {1: "x"})) == [{"id": 0, "n": 0}, {"id": 2, "n": 2}, {"id": 3, "n": 3}]
    assert [line.split(":")[0] for line in computed.bad] == ["1 row-fails"]
    assert computed.rows(_events(2, {})) == [{"id": 0, "n": 0}, {"id": 1, "n": 1}]


@pytest.mark.parametrize(
    ("sql", "value", "code"),
    [
        ("SELECT id * 4611686018427387904 AS v FROM source", {"id": 3}, "arithmetic-overflow"),
        ("SELECT 10 / (id - 7) AS v FROM source", {"id": 7}, "row-fails"),
        ("SELECT CAST(name AS date) AS v FROM source", {"name": "2024-02-30"}, "row-fails"),
        ("SELECT 10 / (id - 7) AS v, now() AS at FROM source", {"id": 7}, "row-fails"),
        ("WITH a AS (SELECT * FROM source) SELECT CAST(name AS date) AS v FROM a", {"name": "x"}, "row-fails"),
        ("SELECT id AS v FROM source UNION ALL SELECT CAST(name AS bigint) FROM source", {"name": "x"}, "row-fails"),
    ],
)
def test_each_way_of_failing(tmp_path: Path, sql: str, value: dict[str, object], code: str) -> None:
    computed = Computed(plan(tmp_path, sql))
    good: dict[str, object] = {"id": 1, "name": None}
    epoch = computed.epoch([good, {**good, **value}, good])
    assert [line.split(":")[0] for line in computed.bad] == [f"1 {code}"]
    assert epoch.rows.num_rows == (4 if "UNION" in sql else 2)


def test_all_rows_of_a_bad_message_are_withheld(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, "SELECT id, unnest(tags) AS name, 1 AS n FROM source", "small"))
    rows = computed.rows([{"id": 1, "tags": ["a", "toolong", "b"]}, {"id": 2, "tags": ["c", "d"]}, {"id": 3}])
    assert rows == [{"id": 2, "name": "c", "n": 1}, {"id": 2, "name": "d", "n": 1}]
    assert computed.bad == ["0 value-does-not-fit: column `name`: `toolong` (text) does not fit `varchar(5)`"]


def test_what_a_table_does_not_take_is_left_out(tmp_path: Path) -> None:
    to = "{ table: small, mode: merge, keys: [id] }"
    computed = Computed(plan(tmp_path, "SELECT id, name, id * 10 AS n FROM source", to))
    values = [{"id": 1, "name": "a"}, {"id": 4000}, {"name": "no id"}, {"id": 2, "name": "a\0b"}, {"id": 3}]
    assert [row["id"] for row in computed.rows(values)] == [1, 3]
    assert [line.split(":")[0] for line in computed.bad] == [
        "1 value-does-not-fit", "2 missing-value", "3 value-does-not-fit",
    ]  # fmt: skip


def test_any_rows_anywhere_are_found(tmp_path: Path) -> None:
    computed, chance = Computed(plan(tmp_path, CAST)), random.Random(7)
    for size in (1, 7, 64, 513, 2000):
        for share in (0.0, 0.01, 0.5, 1.0):
            computed.bad.clear()
            bad = {i: "x" for i in range(size) if chance.random() < share}
            rows = computed.rows(_events(size, bad))
            assert [row["id"] for row in rows] == [i for i in range(size) if i not in bad]
            assert [int(line.split()[0]) for line in computed.bad] == sorted(bad)


def test_rows_are_found_where_partitions_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowwise.Transform, "apart", lambda *_: None)
    computed = Computed(plan(tmp_path, CAST))
    assert [row["id"] for row in computed.rows(_events(100, {5: "x", 99: "y"}))] == [*range(5), *range(6, 99)]
    assert [line.split()[0] for line in computed.bad] == ["5", "99"]


def test_the_first_bad_row_stops_a_stream_that_fails(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, CAST, on_error="fail"))
    with pytest.raises(DataError, match=r"events\[0\] at 1: ") as failure:
        computed.epoch([{"id": 1, "name": "1"}, {"id": 2, "name": "x"}, b"no json", {"id": 3, "name": "y"}])
    assert failure.value.code == "row-fails"
    assert [line[:16] for line in failure.value.details] == ["events[0] at 2: ", "events[0] at 3: "]


def test_a_query_that_looks_at_many_rows_stops(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, "SELECT sum(CAST(name AS integer)) AS n FROM source"))
    assert computed.rows([{"name": "2"}, {"name": "3"}]) == [{"n": 5}]
    with pytest.raises(FlowcError):
        computed.epoch([{"name": "2"}, {"name": "x"}])


def test_a_dead_letter_holds_what_is_known_of_its_message(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, CAST, on_error="dlq"))
    epoch = computed.epoch(messages([{"id": 1, "name": "1"}, {"id": 2, "name": "x"}, b"no json"], 3, 70), time=NOON + 5)
    assert epoch.rows.to_pylist() == [{"id": 1, "n": 1}]
    assert epoch.dead is not None
    letters = epoch.dead.to_pylist()
    assert [(row["message_position"], row["error_code"]) for row in letters] == [
        ("71", "row-fails"), ("72", "undecodable-message"),
    ]  # fmt: skip
    first = letters[0]
    assert (first["stream"], first["source"]) == (f"{tmp_path.name}/s", "source")
    assert (first["topic"], first["partition_name"]) == ("events", "3")
    assert (first["message"], first["message_key"]) == (b'{"id": 2, "name": "x"}', b"k1")
    assert json.loads(first["headers"]) == [{"key": "h", "value": "01"}]
    assert (first["attempt"], first["failed_at"].timestamp() * 1e6) == (1, NOON + 5)
    assert computed.epoch([{"id": 1, "name": "1"}]).dead is None
