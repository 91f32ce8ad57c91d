"""A query that fails in the midst of its rows is refused like one that fails at its beginning, on every engine."""

from __future__ import annotations

import pytest

from flowc.errors import DataError, EngineError, FlowcError
from flowc.runtime.systems import open_database

ROWS = 300_000
"""More than the first batches of every engine."""
LATE = {
    "duckdb": [
        (f"SELECT CAST(CASE WHEN i = {ROWS} - 9 THEN 'x' ELSE i::VARCHAR END AS INTEGER) AS a FROM range({ROWS}) t(i)",
         DataError, "value-refused"),
        (f"SELECT CASE WHEN i > {ROWS} - 9 THEN error('boom') ELSE i END AS a FROM range({ROWS}) t(i)",
         EngineError, "query-refused"),
        (f"SELECT 9223372036854775807 - {ROWS} + 9 + i AS a FROM range({ROWS}) t(i)", DataError, "value-refused"),
    ],
    "sqlite": [
        (f"WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < {ROWS})"
         f" SELECT CASE WHEN i > {ROWS} - 9 THEN abs(-9223372036854775807 - 1) ELSE i END AS a FROM t",
         EngineError, "query-refused"),
    ],
    "postgres": [
        (f"SELECT 1 / (i - {ROWS} + 9) AS a FROM generate_series(1, {ROWS}) t(i)", FlowcError, None),
    ],
    "mysql": [
        ("SELECT a.seq + 18446744073709551615 - 200000 AS a FROM seq_1_to_300000 a", FlowcError, None),
    ],
}  # fmt: skip
CASES = [(kind, *case) for kind, cases in LATE.items() for case in cases]


@pytest.mark.parametrize(("kind", "query", "error", "code"), CASES)
def test_a_late_failure_is_an_error_of_ours(request, kind, query, error, code):
    options = {"path": ":memory:"} if kind in ("duckdb", "sqlite") else {"url": request.getfixturevalue(kind)}
    database = open_database(kind, options)
    try:
        with pytest.raises(error) as found:
            for _ in database.read(query)[1]:
                pass
        assert code in (None, found.value.code)
    finally:
        database.close()
