"""A watermark is of one table: where that was dropped, the next run loads everything, on every engine."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import deltalake
import pytest

from flowc.runtime.systems import open_database
from tests.commands import Inside

pytestmark = pytest.mark.turns("project", 2)

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


def anew(kind: str, options: dict[str, str], rows: str = "1 = 0") -> None:
    """Another table takes the place of the one that was loaded, with some of its rows."""
    for sql in (f"CREATE TABLE other AS SELECT * FROM seen WHERE {rows}", "DROP TABLE seen"):
        execute(kind, options, sql)
    execute(kind, options, "ALTER TABLE other RENAME TO seen")


@pytest.mark.covering
@pytest.mark.parametrize("dropped", [True, False])
def test_a_table_that_is_empty_is_in_the_report(project, dropped):
    """Where the engine knows that it is another table, the load reads from the start."""
    folder, kind, options = project
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    if dropped:
        anew(kind, options)
    else:
        execute(kind, options, "DELETE FROM seen")
    add(folder, 4)
    done = folder.flowc("run", "--once")
    told, another = done.out + done.err, kind == "postgres" and dropped
    assert done.code == 0
    assert held(kind, options) == ([1, 2, 3, 4] if another else [3, 4])  # a read begins at the watermark itself
    words = "is another table than before" if another else "rewind copy --to earliest` loads what is gone again"
    assert words in told
    add(folder, 5)
    done = folder.flowc("run", "--once")
    assert "`seen`" not in done.out + done.err


def test_a_delta_table_that_is_empty_is_in_the_report(tmp_path: Path):
    folder = Inside(tmp_path)
    (tmp_path / "lake").mkdir()
    folder.write("specs/s.yaml", SPEC.format(kind="delta", place="uri: lake"))
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    deltalake.DeltaTable(tmp_path / "lake" / "seen").delete()
    add(folder, 4)
    done = folder.flowc("run", "--once")
    assert (done.code, deltalake.DeltaTable(tmp_path / "lake" / "seen").to_pyarrow_table().num_rows) == (0, 2)
    assert "rewind copy --to earliest` loads what is gone again" in done.out + done.err


def test_a_restored_table_keeps_its_watermark(project):
    """It has another identity and rows. What a consumer takes out of it later is not loaded again."""
    folder, kind, options = project
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    anew(kind, options, "1 = 1")
    done = folder.flowc("run", "--once")
    assert done.code == 0
    assert ("`seen` is another table than before" in done.out) == (kind == "postgres"), "where the engine knows it"
    assert held(kind, options) == [1, 2, 3]
    execute(kind, options, "DELETE FROM seen")
    add(folder, 4)
    assert folder.flowc("run", "--once").code == 0
    assert 1 not in held(kind, options)


def test_a_watermark_that_was_set_counts_for_an_empty_table(project):
    folder, kind, options = project
    add(folder, 1, 2, 3)
    assert folder.flowc("run", "--once").code == 0
    anew(kind, options)
    assert folder.flowc("rewind", "copy", "--to", "2026-01-03 00:00:00", "--yes").code == 0
    assert folder.flowc("run", "--once").code == 0
    assert held(kind, options) == [2, 3]


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


def test_a_run_that_was_recorded_of_another_table_is_not_passed_by(project):
    """Where the engine does not tell tables of one name apart, the report says that the table is empty."""
    folder, kind, options = project
    add(folder, 1, 2, 3)
    for _ in range(2):
        assert folder.flowc("run", "--once", "--run-id", "r").code == 0
    assert held(kind, options) == [1, 2, 3]
    anew(kind, options)
    done = folder.flowc("run", "--once", "--run-id", "r")
    assert done.code == 0
    if kind == "postgres":
        assert held(kind, options) == [1, 2, 3]
        assert "passed by" not in done.out + done.err
    else:
        assert "the table is empty now" in done.out + done.err
    anew(kind, options, "id = 1")
    assert "passed by" in folder.flowc("run", "--once", "--run-id", "r").out
    assert held(kind, options) == ([1] if kind == "postgres" else [])


TWO = SPEC.replace("SELECT id, at FROM raw\n", "SELECT id, at FROM raw WHERE id < 10\n")
TWO += TWO[TWO.index("  copy:") :].replace("copy:", "others:").replace("id < 10\n", "id >= 10\n")


@pytest.fixture
def two(project) -> tuple[Inside, str, dict[str, str]]:
    folder, kind, options = project
    place = ", ".join(f'{name}: "{value}"' for name, value in options.items())
    folder.write("specs/s.yaml", TWO.format(kind=kind, place=place))
    add(folder, 1, 2, 3, 11, 12, 13)
    return project


@pytest.mark.parametrize("recorded", [(), ("--run-id", "r")])
def test_all_pipelines_of_a_table_that_was_dropped_read_from_the_start(two, recorded):
    """The load that makes the table makes it for all: those after it find a table with rows."""
    folder, kind, options = two
    for _ in range(2):
        assert folder.flowc("run", "--once", *recorded).code == 0
        assert held(kind, options) == [1, 2, 3, 11, 12, 13]
        execute(kind, options, "DROP TABLE seen")
    assert folder.flowc("run", "copy", "--once").code == 0
    assert folder.flowc("run", "others", "--once", *recorded).code == 0
    assert held(kind, options) == [1, 2, 3, 11, 12, 13]


@pytest.mark.parametrize("project", ["postgres"], indirect=True)  # which alone tells tables of one name apart
@pytest.mark.parametrize("recorded", [(), ("--run-id", "r")])
def test_all_pipelines_of_a_table_that_was_made_anew_read_from_the_start(two, recorded):
    folder, kind, options = two
    assert folder.flowc("run", "--once", *recorded).code == 0
    anew(kind, options)
    assert folder.flowc("run", "--once", *recorded).code == 0
    assert held(kind, options) == [1, 2, 3, 11, 12, 13]
    anew(kind, options, "id = 1")
    done = folder.flowc("run", "--once", "--run-id", "r")
    assert done.code == 0
    if recorded:
        assert "the table is another one than before" in done.out


def test_a_load_that_fails_leaves_what_is_stored_of_a_table_that_is_gone(two):
    """The table may be restored; MySQL has committed the empty table before the load fails."""
    folder, kind, options = two
    assert folder.flowc("run", "--once").code == 0
    execute(kind, options, "CREATE TABLE saved AS SELECT * FROM seen")
    execute(kind, options, "DROP TABLE seen")
    add(folder, 100)
    assert folder.flowc("run", "others", "--once").code == 1
    if kind == "mysql":
        execute(kind, options, "DROP TABLE seen")
    execute(kind, options, "ALTER TABLE saved RENAME TO seen")
    assert folder.flowc("run", "copy", "--once").code == 0
    assert held(kind, options) == [1, 2, 3, 11, 12, 13]
