"""Generated expressions on flowc's engine: what PostgreSQL says, or an error, or refused; never anything else.

PostgreSQL's errors are ours too, but where the engine knows without it that a result is NULL.
"""

from __future__ import annotations

import os

from hypothesis import given, settings

from tests.translation.engines import Failed, Rows, Run, open_datafusion, open_postgres
from tests.translation.expressions import expressions
from tests.translation.test_postgres import agree, translated

_USUAL = 200
EXAMPLES = int(os.environ.get("FLOWC_MODEL_EXAMPLES", _USUAL))
"""Always the same ones, unless more or fewer are asked for."""
LEAST = 0.7
"""The share of those that PostgreSQL computes which flowc's engine computes too."""


def test_generated_expressions_mean_what_they_mean_in_postgresql(postgres_module: str):
    computed, agreed = [0], [0]
    with open_postgres(postgres_module) as postgres, open_datafusion() as datafusion:

        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES == _USUAL)
        @given(expressions)
        def compared(expression: str) -> None:
            sql = f"SELECT {expression} AS v"
            text, why = translated(sql)
            assert text is not None or why
            expected, found = _rows(postgres, sql), None if text is None else _rows(datafusion, text)
            computed[0] += expected is not None
            if expected is None:
                assert found in (None, [(None,)]), (expression, text)
            elif found is not None:
                assert agree(expected, found, ordered=False), (expression, expected, found, text)
                agreed[0] += 1

        compared()
    assert agreed[0] >= LEAST * computed[0]


def _rows(run: Run, sql: str) -> Rows | None:
    """What an engine gives; None where it fails."""
    try:
        return run(sql)
    except Failed:
        return None
