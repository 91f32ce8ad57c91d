"""A column of fewer fractional digits takes no time that has more: nothing is rounded without a word."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.stores import Store, address

VALUES = {
    "a time": "CAST('2026-01-31 23:59:59.5' AS {type})",
    "its text": "'2026-01-31 23:59:59.5'",
}


@pytest.mark.covering
@pytest.mark.parametrize("kind", ["duckdb", "postgres", "mysql"])
@pytest.mark.parametrize("value", VALUES)
def test_a_load_refuses_fractions_that_its_column_would_round(
    request: pytest.FixtureRequest, tmp_path, kind: str, value: str
):
    store = Store(kind, tmp_path, address(request, kind))
    project = Inside(tmp_path, {})
    time = VALUES[value].format(type=store.type("timestamp"))
    project.write(
        "specs/p.yaml",
        f"""
connections:
  w: {store.connection}
tables:
  t:
    connection: w
    columns: {{ id: bigint primary key, a: "timestamp(0)" }}
pipelines:
  p:
    from: {{ connection: w, sql: "SELECT 1 AS id, {time} AS a" }}
    to: t
    mode: append
""",
    )
    assert project.flowc("apply", "--yes").code == 0
    done = project.flowc("run", "--once")
    assert (done.code, "does-not-fit" in done.out + done.err) == (1, True), done.out + done.err
    assert store.rows("SELECT * FROM t") == []
