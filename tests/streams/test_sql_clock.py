"""The time in a stream's SQL is that of its epoch: the same intent gives the same rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.streams.compiled import NOON, Computed, plan

AT = dt.datetime(2024, 5, 6, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("now()", AT),
        ("CURRENT_TIMESTAMP", AT),
        ("now() - INTERVAL '1 day'", AT - dt.timedelta(days=1)),
        ("CURRENT_DATE", AT.date()),
        ("CAST(now() AS timestamp)", AT.replace(tzinfo=None)),
        ("CASE WHEN now() > _event_ts THEN '{now}' ELSE '{}' END", "{}"),
    ],
)
def test_it_is_the_time_of_the_intent(tmp_path: Path, sql: str, value: object) -> None:
    computed = Computed(plan(tmp_path, f"SELECT id, {sql} AS v FROM source"))
    assert [computed.epoch([{"id": 1}]).rows.to_pylist() for _ in range(2)] == [[{"id": 1, "v": value}]] * 2


def test_it_moves_with_the_intent_and_filters(tmp_path: Path) -> None:
    computed = Computed(
        plan(tmp_path, "SELECT id + 1 AS id FROM source WHERE now() >= TIMESTAMPTZ '2024-05-06 12:00:00Z'")
    )
    assert computed.epoch([{"id": 1}], time=NOON - 1).rows.num_rows == 0
    assert computed.epoch([{"id": 1}], time=NOON).rows.to_pylist() == [{"id": 2}]
