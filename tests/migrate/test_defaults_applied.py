"""What rows get by default after an apply that changes a column's type, or makes a table anew."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store


def test_a_default_is_as_declared_when_its_column_gets_another_type(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    key = "columns:\n  id: bigint primary key\n"
    for kind, default in (("numeric(14,2)", "0"), ("varchar(20)", "'0'")):
        specs(project, store, {"t": f'{key}  c: {{ type: "{kind}", nullable: false, default: "{default}" }}'})
        assert project.flowc("apply", "--yes").code == 0
    store.run("INSERT INTO t (id) VALUES (1)")
    assert store.raw("SELECT c FROM t")[0][0] == "0"
    assert project.flowc("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("store", ["duckdb"], indirect=True)
def test_a_table_that_is_made_anew_gets_the_sequence_of_a_new_column(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    key = "columns:\n  id: bigint primary key\n"
    specs(project, store, {"t": f"{key}  a: bigint"})
    assert project.flowc("apply", "--yes").code == 0
    specs(project, store, {"t": f"{key}  a: bigint\n  c: bigint not null default nextval('s')"})
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.err
    store.run("INSERT INTO t (id) VALUES (1)")
    assert store.raw("SELECT c FROM t") == [(1,)]
