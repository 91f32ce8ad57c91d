"""Sequences that number a PostgreSQL column whose type changes: only the column's own counts on as far as it."""

from __future__ import annotations

from pathlib import Path

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store

_TYPES = "SELECT sequencename, data_type::text FROM pg_sequences ORDER BY 1"


def test_a_sequence_is_widened_with_its_own_column_alone(postgres: str, tmp_path: Path):
    store = Store("postgres", tmp_path, postgres)
    project = Inside(tmp_path, {"STORE": postgres})
    store.run(
        "CREATE SEQUENCE shared",
        "CREATE TABLE other (id bigint DEFAULT nextval('shared'))",
        "CREATE TABLE t (id smallint PRIMARY KEY DEFAULT nextval('shared'), up serial, down bigserial)",
        "SELECT setval('t_down_seq', 5000000000)",
    )
    columns = "columns: {{ id: {} primary key, up: {} not null, down: {} not null }}"
    for kinds in (("smallint", "integer", "bigint"), ("integer", "bigint", "integer")):
        specs(project, store, {"t": columns.format(*kinds)})
        result = project.flowc("apply", "--yes")
        assert result.code == 0, result.err
    assert store.raw(_TYPES) == [("shared", "bigint"), ("t_down_seq", "bigint"), ("t_up_seq", "bigint")]
    store.run("SELECT setval('shared', 5000000000)", "INSERT INTO other DEFAULT VALUES")
