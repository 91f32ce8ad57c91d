"""Values that PostgreSQL's words mean: texts of numbers and times, and times in zones."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.streams.compiled import Computed, plan

NOON = dt.datetime(2024, 5, 6, 12, 0)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("_event_ts AT TIME ZONE 'Europe/Berlin'", NOON.replace(hour=14)),
        ("date_trunc('day', _event_ts AT TIME ZONE 'Pacific/Kiritimati')", dt.datetime(2024, 5, 7)),
        ("CAST(name AS timestamp) AT TIME ZONE 'Europe/Berlin'", dt.datetime(2024, 5, 6, 10, 0, tzinfo=dt.UTC)),
        ("CAST(name AS timestamp) AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo'", NOON.replace(hour=21)),
        ("_event_ts::text", "2024-05-06 12:00:00+00"),
        ("(_event_ts + INTERVAL '1 millisecond')::text", "2024-05-06 12:00:00.001+00"),
        ("'at ' || _event_ts", "at 2024-05-06 12:00:00+00"),
        ("concat(CAST(name AS timestamp), '|')", "2024-05-06 12:00:00|"),
        ("CAST(id AS double precision)::text", "1"),
        ("'n' || CAST(1e20 AS double precision)", "n1e+20"),
        ("CAST(CAST(id AS double precision) * 1.005 AS numeric(10,2))::text", "1.01"),
        ("round(CAST(id AS double precision) + 1.5)::text", "2"),
        ("concat_ws(',', CAST(0.0000001 AS double precision), CAST(0.5 AS double precision))", "1e-07,0.5"),
    ],
)
def test_it_is_the_value_that_postgresql_gives(tmp_path: Path, expression: str, value: object) -> None:
    computed = Computed(plan(tmp_path, f"SELECT {expression} AS v FROM source"))
    (row,) = computed.rows([{"id": 1, "name": "2024-05-06T12:00:00"}])
    assert row == {"v": value}


@pytest.mark.parametrize("zone", ["name", "'Europe/' || name"])
def test_a_zone_that_is_no_literal_is_refused(tmp_path: Path, zone: str) -> None:
    with pytest.raises(AssertionError, match="AT TIME ZONE with a zone that is not a literal"):
        plan(tmp_path, f"SELECT _event_ts AT TIME ZONE ({zone}) AS v FROM source")
