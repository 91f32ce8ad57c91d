"""MySQL renames a column under its triggers, which fail from then on: the plan names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.migrate.projects import specs
from tests.stores import Store


@pytest.fixture
def store(mysql: str, tmp_path: Path) -> Store:
    return Store("mysql", tmp_path, mysql)


def test_a_plan_names_the_triggers_of_the_table(store: Store) -> None:
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": "columns: { id: bigint primary key, a: integer }"})
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE TRIGGER theirs BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1")
    specs(project, store, {"t": "columns: { id: bigint primary key, b: { type: integer, renamed_from: a } }"})
    assert "note: trigger theirs names `a`, and fails without it: change it" in project.flowc("plan").out
