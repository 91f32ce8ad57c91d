"""Conditions of checks of severity `quarantine` that cannot be computed of a row: it fails, as with `warn`."""

from __future__ import annotations

import pytest

from tests.integration.test_quarantine import ran, reads_on

CONDITIONS = [
    "s > 5",
    "CAST(s AS SIGNED) > 5",
    "100 / (id - 4) < 0 OR s + 0 > 5",
    "CAST(s AS DATE) IS NOT NULL OR s + 0 > 5",
]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_what_cannot_be_computed_of_a_row_fails_as_with_warn(project, store, condition):
    """Where MySQL writes, it takes for an error what is a warning where it reads; what is kept is read once more."""
    store.run("CREATE TABLE src (id BIGINT, s VARCHAR(20))", "INSERT INTO src VALUES (1, '2026'), (3, '2'), (4, 'abc')")
    counted = []
    for severity in ("warn", "quarantine", "quarantine"):
        reads_on(project, store, condition, severity)
        target = ran(project)
        counted += [(check["failed"], check["total"]) for check in target["expects"]]
        assert severity == "warn" or target["counts"]["bad"] == counted[-1][0]
        if severity == "warn":
            store.run("DROP TABLE t, flowc_watermarks")
    assert counted[0] == counted[1]
    assert 0 < counted[0][0] < 3
    assert counted[2][0] == 0


@pytest.mark.parametrize("store", ["mysql"], indirect=True)
def test_other_errors_of_a_condition_fail_the_load(project, store):
    store.run("CREATE TABLE src (id BIGINT, s VARCHAR(20))", "INSERT INTO src VALUES (1, '2026'), (2, 'abc')")
    reads_on(project, store, "id < (SELECT id FROM src)", "quarantine")
    assert ran(project)["status"] == "failed"
