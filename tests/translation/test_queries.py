"""Random queries on flowc's engine: the rows of PostgreSQL, or refused; never others."""

from __future__ import annotations

import os
from random import Random

from tests.translation.engines import Failed, Rows, Run, open_datafusion, open_postgres
from tests.translation.queries import Queries
from tests.translation.test_postgres import agree, translated

EXAMPLES = int(os.environ.get("FLOWC_MODEL_EXAMPLES", "80"))
"""Always the same ones; more begin with these."""
LEAST = 0.9
"""The share of those that PostgreSQL runs which flowc's engine runs too."""


def test_random_queries_mean_what_they_mean_in_postgresql(postgres_module: str):
    ran, agreed = 0, 0
    with open_postgres(postgres_module) as postgres, open_datafusion() as datafusion:
        for seed in range(EXAMPLES):
            sql = Queries(Random(seed)).query()
            text, why = translated(sql)
            assert text is not None or why, sql
            expected, found = _rows(postgres, sql), None if text is None else _rows(datafusion, text)
            if expected is not None:
                ran += 1
                if found is not None:
                    assert agree(expected, found, ordered=" ORDER BY " in sql), (seed, sql, expected, found, text)
                    agreed += 1
    assert agreed >= LEAST * ran > 0


def _rows(run: Run, sql: str) -> Rows | None:
    """What an engine gives; None where it fails."""
    try:
        return run(sql)
    except Failed:
        return None
