"""Databases of one MySQL server are apart: what is imported from one is not what is in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.services.mysql import ask


@pytest.fixture
def project(mysql: str, tmp_path: Path) -> Inside:
    found = Inside(tmp_path)
    found.write("specs/project.yaml", f'connections: {{ wh: {{ kind: mysql, url: "{mysql}" }} }}')
    return found


def test_tables_of_another_database_are_imported_by_name_alone(project: Inside, mysql: str):
    other = mysql.rpartition("/")[2] + "_other"
    ask(mysql, f"CREATE DATABASE {other}")
    try:
        ask(mysql, "CREATE TABLE mine (id BIGINT PRIMARY KEY)")
        for name in ("mine", "theirs", "flowc_locks", "flowc_checkpoints", "flowc_dead_letters"):
            ask(mysql, f"CREATE TABLE {other}.{name} (id BIGINT PRIMARY KEY)")
        whole = project.flowc("import", "wh").out
        assert "mine:" in whole
        assert other not in whole
        assert "theirs" not in whole
        assert "flowc_" not in whole
        assert project.flowc("import", "wh", f"{other}.theirs", "--out", "theirs.yaml").code == 0
        named = (project.path / "theirs.yaml").read_text()
        assert f"schema: {other}" in named
        assert "theirs:" in named
    finally:
        ask(mysql, f"DROP DATABASE {other}")
