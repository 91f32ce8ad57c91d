"""Numbers that a numeric of the SQL does not take: told in flowc's words, in loads and in streams."""

from __future__ import annotations

import pytest

TOO_LARGE = {
    "CAST(t AS numeric(38,2))": ("1e99", "is too large for the numeric that the SQL casts it to"),
    "CAST(CAST(t AS double precision) AS numeric(38,2))": (
        "1e99",
        "too large for the numeric that the SQL casts it to",
    ),
    "CAST(t AS numeric(10,2))": ("-12345678901.5", "`-12345678901.50` is too large for numeric(10,2)"),
    "CAST(CAST(t AS numeric(38,0)) AS numeric(38,2))": ("1e37", "a number is too large for numeric(38,2)"),
    "CAST(CAST(t AS bigint) AS numeric(5,2))": ("-1234", "`-1234.00` is too large for numeric(5,2)"),
}


SPEC = """
connections:
  drop: {{ kind: files, uri: ./inbox }}
  w: {{ kind: duckdb, path: w.duckdb }}
pipelines:
  p:
    from: {{ connection: drop, path: t.csv, columns: {{ id: bigint, t: text }} }}
    sql: SELECT {0} AS v FROM source
    to: {{ connection: w, table: t }}
    mode: append
streams:
  s:
    source: {{ connection: drop, path: t.csv, columns: {{ id: bigint, t: text }} }}
    sql: SELECT {0} AS v FROM source
    to: {{ connection: w, table: s, mode: append }}
    on_error: fail
"""


@pytest.mark.covering
@pytest.mark.parametrize("expression", TOO_LARGE)
@pytest.mark.parametrize("name", ["p", "s"])
def test_a_number_that_a_numeric_does_not_take(project, expression, name):
    """Said by the type that the SQL names, and not in the engine's words."""
    text, words = TOO_LARGE[expression]
    project.write("inbox/t.csv", f"id,t\n1,5\n2,{text}\n")
    project.write("specs/p.yaml", SPEC.format(expression))
    done = project.flowc("run", name, "--once")
    said = done.out + done.err
    assert done.code != 0, said
    assert "error[arithmetic-overflow]" in said
    assert words in said
    assert "Decimal128" not in said
