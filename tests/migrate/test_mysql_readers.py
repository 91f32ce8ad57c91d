"""What MySQL computes from a column is named by `plan` where the column gets a type in which it would differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store

COMPUTED = "g VARCHAR(20) AS (concat(a, 'x')) STORED"
CHECKED = "CONSTRAINT great CHECK (a > '5')"


@pytest.mark.parametrize(
    ("before", "more", "after", "said"),
    [
        ("VARCHAR(10)", COMPUTED, "integer", "column g, which is computed from it"),
        ("INT", COMPUTED, '"numeric(12,2)"', "column g, which is computed from it"),
        ("NUMERIC(10,2)", COMPUTED, '"numeric(12,4)"', "column g, which is computed from it"),
        ("TIME(3)", COMPUTED, "time", "column g, which is computed from it"),
        ("VARCHAR(10)", CHECKED, "integer", "CHECK great"),
        ("VARCHAR(10)", COMPUTED, "varchar(20)", ""),
        ("INT", COMPUTED, "bigint", ""),
        ("NUMERIC(10,2)", COMPUTED, '"numeric(12,2)"', ""),
    ],
)
def test_what_reads_a_column_is_named_before_its_type_changes(
    mysql: str, tmp_path: Path, before: str, more: str, after: str, said: str
):
    store = Store("mysql", tmp_path, mysql)
    project = Inside(tmp_path, {"STORE": mysql})
    store.run(f"CREATE TABLE t (id BIGINT PRIMARY KEY, a {before}, {more})", "INSERT INTO t (id, a) VALUES (1, '7')")
    rows = store.raw("SELECT * FROM t")
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, a: {after} }}"})
    done = project.flowc("apply", "--yes")
    assert (done.code == 2, said in done.err) == (bool(said), True), done.err
    assert (f"{said} would take the values of `a` for something else" in done.err) == bool(said)
    assert store.raw("SELECT * FROM t") == rows
