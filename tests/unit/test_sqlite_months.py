"""Months on SQLite are those of PostgreSQL: what would be beyond the end of a month is its last day."""

from __future__ import annotations

import random
from datetime import date, timedelta

import psycopg
import pytest

from flowc.runtime.systems.sqlite.functions import add_months


def test_months_are_those_of_postgres(postgres: str):
    chance = random.Random(3)
    days = [date(1899, 12, 31) + timedelta(days=chance.randint(0, 80_000)) for _ in range(2000)]
    months = [chance.randint(-400, 400) for _ in days]
    with psycopg.connect(postgres) as session:
        rows = session.execute(
            "SELECT (d + m * interval '1 month')::date::text"
            " FROM unnest(%s::date[], %s::int[]) WITH ORDINALITY AS _(d, m, n)"
            " ORDER BY n", [days, months],
        ).fetchall()  # fmt: skip
    assert [add_months(day.isoformat(), count) for day, count in zip(days, months, strict=True)] == [r[0] for r in rows]


@pytest.mark.parametrize(
    ("text", "months", "later"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29 10:30:00.123456", -12, "2023-02-28 10:30:00.123456"),
        ("2024-12-31 23:59:59.000000+00:00", 2, "2025-02-28 23:59:59.000000+00:00"),
        (None, 1, None),
        ("2024-01-31", None, None),
        ("no date", 1, None),
    ],
)
def test_what_is_moved_keeps_its_form(text: str | None, months: int | None, later: str | None):
    assert add_months(text, months) == later
