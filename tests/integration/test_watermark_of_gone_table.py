"""A watermark is of one table: where that was dropped, the next run loads everything, on every engine."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from flowc.runtime.connectors import open_database
from tests.commands import Inside

SPEC = """
connections:
  source: {{ kind: sqlite, path: source.db }}
  wh: {{ kind: {kind}, {place} }}
pipelines:
  copy:
    from: source
    sql: SELECT id, at FROM raw
    to: {{ connection: wh, table: seen }}
    mode: append
    incremental: {{ column: at }}
    expect: [{{ sql: "id < 100" }}]
"""
DATABASES = ("sqlite", "duckdb", "postgres", "mysql")


@pytest.fixture(params=DATABASES)
def project(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: str, mysql: str
) -> tuple[Inside, str, dict[str, str]]:
    kind = str(request.param)
    options = {"postgres": {"url": postgres}, "mysql": {"url": mysql}}.get(kind, {"path": str(tmp_path / "wh.db")})
    folder = Inside(tmp_path)
    place = ", ".join(f'{name}: "{value}"' for name, value in options.items())
    folder.write("specs/s.yaml", SPEC.format(kind=kind, place=place))
    return folder, kind, options


def add(folder: Inside, *ids: int) -> None:
    with sqlite3.connect(folder.path / "source.db") as raw:
        raw.execute("CREATE TABLE IF NOT EXISTS raw (id BIGINT, at TIMESTAMP)")
        raw.executemany("INSERT INTO raw VALUES (?, ?)", [(n, f"2026-01-{n % 28 + 1:02d} 00:00:00") for n in ids])
    raw.close()


def execute(kind: str, options: dict[str, str], sql: str) -> None:
    database = open_database(kind, options)
    database.open()
    database.execute(sql)
    database.close()


def held(kind: str, options: dict[str, str]) -> list[int]:
    database = open_database(kind, options)
    database.open()
    try:
        return sorted(row["id"] for row in database.query("SELECT id FROM seen").to_pylist())
    finally:
        database.close()


def test_a_load_of_a_table_that_was_dropped_reads_from_the_start(project):
    folder, kind, options = project
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    execute(kind, options, "DROP TABLE seen")
    add(folder, 4)
    done = folder.flowc("run", "--once")
    assert (done.code, held(kind, options)) == (0, [1, 2, 3, 4])
    assert "`seen` was gone, so its watermark 2026-01-04" in done.out + done.err
    add(folder, 5)
    assert folder.flowc("run", "--once").code == 0
    assert held(kind, options) == [1, 2, 3, 4, 5]


def test_a_load_that_fails_between_leaves_no_watermark_of_the_table_before(project):
    """MySQL commits the table that a load creates, whatever becomes of the load."""
    folder, kind, options = project
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    execute(kind, options, "DROP TABLE seen")
    add(folder, 100)
    assert folder.flowc("run", "--once").code == 1
    with sqlite3.connect(folder.path / "source.db") as raw:
        raw.execute("DELETE FROM raw WHERE id = 100")
    raw.close()
    assert folder.flowc("run", "--once").code == 0
    assert held(kind, options) == [1, 2, 3]


def test_a_watermark_cannot_be_set_for_a_table_that_is_not_there(project):
    folder, _, _ = project
    add(folder, 1)
    refused = folder.flowc("rewind", "copy", "--to", "2026-01-01", "--yes")
    assert (refused.code, "not-movable" in refused.err) == (2, True)


def test_a_table_that_apply_makes_again_has_no_watermark(project):
    folder, kind, options = project
    declared = "tables:\n  seen: { connection: wh, columns: { id: bigint, at: timestamp } }\n"
    spec = (folder.path / "specs" / "s.yaml").read_text("utf-8").replace("{ connection: wh, table: seen }", "seen")
    folder.write("specs/s.yaml", declared + spec)
    add(folder, 1, 2, 3)
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("run", "--once").code == 0
    execute(kind, options, "DROP TABLE seen")
    assert folder.flowc("apply", "--yes").code == 0
    assert folder.flowc("run", "--once").code == 0
    assert held(kind, options) == [1, 2, 3]
