"""Values of rows in quarantine: what differs is kept as different JSON, and nothing as another value."""

from __future__ import annotations

import json

import pytest

from tests.integration.test_quarantine import copied, kept, ran, reads_on


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "TIMESTAMPTZ"])
@pytest.mark.parametrize("store", ["postgres", "duckdb"], indirect=True)
def test_times_before_christ_are_told_from_those_after(project, store, kind):
    reads_on(project, store, "v < 2", "quarantine")
    end = "" if kind == "DATE" else " 12:30:00.5" + ("+00:00" if kind == "TIMESTAMPTZ" else "")
    bc = " (BC)" if store.kind == "duckdb" else " BC"
    store.run(f"CREATE TABLE src (id BIGINT, v BIGINT, d {kind})", "INSERT INTO src VALUES (5, 1, NULL)")
    first = f"'0044-03-15{end}'", f"'0044-03-15{bc}{end}'" if store.kind == "duckdb" else f"'0044-03-15{end}{bc}'"
    for written in first:
        store.run(f"INSERT INTO src VALUES (5, 9, {written})")
        assert ran(project)["counts"]["bad"] == 1
    assert len({json.loads(row[5])["d"] for row in kept(store)}) == 2


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_a_boolean_column_of_mysql_may_hold_other_numbers(project, store):
    rows = copied(project, store, "b BOOLEAN", "(1, 1)", "(2, 1)", "(3, 0)", "(4, 7)", "(5, NULL)")
    assert [json.loads(row)["b"] for row in rows] == [True, False, 7, None]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_boolean_column_of_sqlite_may_hold_anything(project, store):
    values = {1: True, 0: False, 7: 7, 0.5: 0.5, "'abc'": "abc", "x'fe31'": "fe31", "NULL": None, "'7'": 7}
    rows = copied(project, store, "b BOOLEAN", *(f"({n}, {value})" for n, value in enumerate(["1", *values], 1)))
    assert [json.loads(row)["b"] for row in rows] == list(values.values())
