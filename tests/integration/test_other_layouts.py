"""flowc's own tables that lack a column are refused with the words what to do, and nothing is changed."""

from __future__ import annotations

import pytest

from tests.integration.test_projects import Make, made
from tests.stores import OTHER_HALF, Store

__all__ = ["made"]
LOADS = ("run", "--once", "load")
STREAM = ("run", "--once", "ticks")
TABLES = {
    "migrations": ("owner", ("plan",)),
    "watermarks": ("value", LOADS),
    "loads": ("detail", (*LOADS, "--run-id", "again")),
    "positions": ("log_id", STREAM),
}


@OTHER_HALF
@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_flowc_that_lacks_a_column_is_refused(store: Store, made: Make, name: str) -> None:
    column, words = TABLES[name]
    project = made("orders")
    for each in (("apply", "--yes"), (*LOADS, "--run-id", "first"), STREAM):
        assert project.flowc(*each).code == 0
    store.run(f"ALTER TABLE {store.own(name)} DROP COLUMN {column}")
    before = store.rows(f"SELECT * FROM {store.own(name)}")
    done = project.flowc(*words)
    assert done.code != 0
    assert "error[other-layout]" in done.out + done.err
    assert f"has no column `{column}`" in done.out + done.err
    assert store.rows(f"SELECT * FROM {store.own(name)}") == before
