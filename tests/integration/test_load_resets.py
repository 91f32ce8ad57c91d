"""Watermarks are shown, moved and forgotten; loads are run again, in part or in full."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from flowc.catalog import TableName
from flowc.cli.opened import open_project
from flowc.errors import TransientError, UsageError
from flowc.runtime.contracts.database import TableStore
from flowc.service.loads.resets import make_moves, plan_moves
from tests.commands import Folder, Inside
from tests.extended import with_extended

pytestmark = pytest.mark.turns("kind", 2)

KINDS = ("sqlite", "duckdb", "postgres", "mysql")
SPECS = """connections:
  source: {{ kind: sqlite, path: source.db }}
  target: {target}
tables:
  t: {{ connection: target, columns: {{ id: {id}, day: date, v: bigint }} }}
pipelines:
  fill:
    from: source
    sql: {sql}
    to: t
    mode: {mode}
    {keys}
    incremental: {{ column: day{more} }}
"""
PLAIN = "SELECT id, day, v FROM s"
TEMPLATE = '"SELECT id, day, v FROM s WHERE {{ incremental }}"'
ROWS = [(1, "2026-01-01", 1), (2, "2026-01-02", 2), (3, "2026-01-03", 3)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Inside(tmp_path)
    source(folder, "CREATE TABLE s (id BIGINT, day DATE, v BIGINT)")
    source(folder, *(f"INSERT INTO s VALUES {row}" for row in ROWS))
    return folder


def source(folder: Folder, *statements: str) -> None:
    with sqlite3.connect(folder.path / "source.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def write(folder: Folder, target: str, *, mode: str, sql: str = PLAIN, more: str = "") -> None:
    keyed = mode == "merge"
    text = SPECS.format(
        target=target, id="bigint primary key" if keyed else "bigint", mode=mode, sql=sql, more=more,
        keys="keys: [id]" if keyed else "",
    )  # fmt: skip
    folder.write("specs/a.yaml", text)


def run(folder: Folder, *options: str) -> dict[str, int]:
    done = folder.flowc("run", "fill", *(options or ("--once",)), "--json")
    assert done.code == 0, done.out + done.err
    return done.json["pipelines"][0]["targets"][0]["counts"]


def held(folder: Folder) -> list[tuple[int, int]]:
    """The rows of the target, read back by a load of its own."""
    folder.write(
        "specs/back/b.yaml",
        "pipelines:\n  back: { from: { connection: target, table: t }, to: { connection: source, table: back }, "
        "mode: truncate, allow_empty: true }\n",
    )
    assert folder.flowc("run", "back", "--once").code == 0
    connection = sqlite3.connect(folder.path / "source.db")
    rows = connection.execute("SELECT id, v FROM back ORDER BY 1, 2").fetchall()
    connection.close()
    return rows


def watermark(folder: Folder) -> str | None:
    [found] = folder.flowc("status", "fill", "--json").json
    return found["watermark"]


@pytest.mark.parametrize("sql", [PLAIN, TEMPLATE])
@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_part_is_loaded_again(folder, targets, kind, sql):
    write(folder, targets[kind], mode="merge", sql=sql)
    run(folder)
    assert watermark(folder) == "2026-01-03"
    source(folder, "UPDATE s SET v = v + 10", "INSERT INTO s VALUES (4, '2026-01-02', 4)")
    assert run(folder)["updated"] == 1  # the boundary
    found = run(folder, "--from", "2026-01-02", "--to", "2026-01-03")
    assert (found["read"], found["inserted"], found["updated"]) == (2, 1, 1)
    assert watermark(folder) == "2026-01-03"
    assert held(folder) == [(1, 1), (2, 12), (3, 13), (4, 4)]


@pytest.mark.parametrize("sql", with_extended([PLAIN], [TEMPLATE]))
@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_appended_rows_are_not_there_twice(folder, targets, kind, sql):
    write(folder, targets[kind], mode="append", sql=sql)
    run(folder)
    source(folder, "INSERT INTO s VALUES (4, '2026-01-02', 4)")
    found = run(folder, "--from", "2026-01-01")
    assert (found["read"], found["inserted"]) == (4, 1)
    assert held(folder) == [(1, 1), (2, 2), (3, 3), (4, 4)]


@pytest.mark.parametrize(
    ("sql", "mode"),
    with_extended([(PLAIN, "append"), (TEMPLATE, "merge")], [(PLAIN, "merge"), (TEMPLATE, "append")]),
)
@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_load_is_made_anew(folder, targets, kind, mode, sql):
    write(folder, targets[kind], mode=mode, sql=sql)
    run(folder)
    source(folder, "UPDATE s SET v = v + 10", "DELETE FROM s WHERE id = 3")
    run(folder, "--full")
    assert watermark(folder) == "2026-01-02", "what is there now"
    gone = [] if mode == "append" else [(3, 3)]
    assert held(folder) == [(1, 11), (2, 12), *gone]
    assert run(folder)["read"] == 1, "later runs go on from there"


@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_watermark_is_moved_and_forgotten(folder, targets, kind):
    write(folder, targets[kind], mode="merge", more=', start: "2026-01-02"')
    assert folder.flowc("apply", "--yes").code == 0
    moved = folder.flowc("rewind", "fill", "--to", "2026-01-01", "--yes")
    assert moved.code == 0, moved.err
    assert watermark(folder) == "2026-01-01"
    assert run(folder)["read"] == 3
    shown = folder.flowc("rewind", "fill", "--to", "2026-01-03", "--yes").out
    assert "target.t: 2026-01-03 → 2026-01-03; the next run reads from there on" in shown
    forgotten = folder.flowc("rewind", "fill", "--to", "earliest", "--yes").out
    assert "2026-01-03 → forgotten; the next run reads from 2026-01-02 on" in forgotten
    assert watermark(folder) is None
    assert run(folder)["read"] == 2
    assert watermark(folder) == "2026-01-03"


def test_a_watermark_lies_with_a_delta_table(folder, targets):
    write(folder, targets["delta"], mode="merge")
    done = folder.flowc("rewind", "fill", "--to", "2026-01-02", "--yes")
    assert done.code == 2
    assert "error[not-movable]" in done.err


@pytest.mark.parametrize("to", ["2026-01-02", "earliest"])
@pytest.mark.parametrize("kind", [*KINDS, "delta"])
def test_a_move_that_a_load_overtakes_changes_nothing(folder, targets, kind, to):
    write(folder, targets[kind], mode="merge")
    run(folder)
    whole = open_project([folder.path / "specs"], None, "")
    pipeline = whole.ir.pipeline("fill")
    assert pipeline is not None
    moves = plan_moves(pipeline, whole.sessions, to)
    whole.sessions.close()
    source(folder, "INSERT INTO s VALUES (4, '2026-01-04', 4)")
    run(folder)
    with pytest.raises(UsageError) as refused:
        make_moves(moves, whole.sessions)
    whole.sessions.close()
    assert refused.value.code == "load-overtaken"
    assert watermark(folder) == "2026-01-04"


def test_a_commit_between_the_look_and_the_move_of_a_delta_table_stops_it(folder, targets):
    write(folder, targets["delta"], mode="append")
    run(folder)
    whole = open_project([folder.path / "specs"], None, "")
    store = whole.sessions.target("target")
    assert isinstance(store, TableStore)
    name = TableName(None, "t")
    [row] = store.watermarks(name).to_pylist()
    source(folder, "INSERT INTO s VALUES (4, '2026-01-04', 4)")
    run(folder)
    with pytest.raises(TransientError) as refused:
        store.set_watermarks(name, [{**row, "value": "2026-01-01"}])
    whole.sessions.close()
    assert refused.value.code == "write-conflict"
    assert watermark(folder) == "2026-01-04"


def test_nothing_is_moved_unasked(folder, targets):
    write(folder, targets["sqlite"], mode="merge")
    run(folder)
    done = folder.flowc("rewind", "fill", "--to", "earliest")
    assert done.code != 0
    assert watermark(folder) == "2026-01-03"


def test_a_stored_watermark_that_cannot_be_read_is_forgotten(folder, targets):
    write(folder, targets["sqlite"], mode="merge")
    run(folder)
    with sqlite3.connect(folder.path / "target.db") as database:
        database.execute("UPDATE flowc_watermarks SET value = 'soon'")
    assert "flowc rewind NAME --to earliest" in folder.flowc("run", "fill", "--once").err
    assert folder.flowc("rewind", "fill", "--to", "earliest", "--yes").code == 0
    run(folder)
    assert watermark(folder) == "2026-01-03"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("rewind", "fill", "--to", "soon", "--yes"), "unreadable-watermark"),
        (("run", "fill", "--from", "soon"), "unreadable-watermark"),
        (("run", "fill", "--from", "2026-02-01", "--to", "2026-01-01"), "conflicting-options"),
        (("run", "--full"), "missing-name"),
        (("run", "fill", "--full", "--from", "2026-01-01"), "conflicting-options"),
        (("rewind", "other", "--to", "earliest", "--yes"), "not-incremental"),
        (("run", "other", "--from", "1"), "not-incremental"),
        (("rewind", "nothing", "--to", "earliest"), "unknown-selection"),
    ],
)
def test_what_cannot_be_is_told(folder, targets, words, code):
    write(folder, targets["sqlite"], mode="merge")
    other = "{ from: source, sql: SELECT 1 AS a, to: { connection: target, table: o } }"
    folder.write("specs/b.yaml", f"pipelines: {{ other: {other} }}\n")
    run(folder)
    done = folder.flowc(*words)
    assert done.code in (1, 2)
    assert f"error[{code}]" in done.err, done.err
    assert watermark(folder) == "2026-01-03"


def test_rows_of_another_load_are_not_replaced(folder, targets):
    write(folder, targets["sqlite"], mode="append")
    folder.write("specs/b.yaml", "pipelines: { also: { from: source, sql: SELECT id FROM s, to: t } }\n")
    run(folder)
    done = folder.flowc("run", "fill", "--full")
    assert done.code == 2
    assert "error[shared-target]: `--full` would replace the rows that `also` has appended" in done.err


@pytest.mark.parametrize(("connection", "table"), [("target", "main.t"), ("target", "T"), ("again", "t")])
def test_rows_of_a_load_that_spells_the_table_otherwise_are_not_replaced(folder, targets, connection, table):
    write(folder, targets["sqlite"], mode="append")
    other = f"{{ from: source, sql: SELECT id FROM s, to: {{ connection: {connection}, table: {table} }} }}"
    again = f"{{ again: {targets['sqlite']} }}"
    folder.write("specs/b.yaml", f"connections: {again}\npipelines: {{ also: {other} }}\n")
    run(folder)
    done = folder.flowc("run", "fill", "--full")
    assert done.code == 2
    assert "error[shared-target]: `--full` would replace the rows that `also` has appended" in done.err


FILE_OF = "{ kind: sqlite, path: '${%s}' }"
STREAM = """
  also:
    source: { connection: drop, path: "*.jsonl", format: jsonl, columns: { id: bigint } }
    on_error: dlq
    dead_letter: { connection: again, table: t }
    to: { connection: other, table: u }
"""


def test_rows_of_a_load_by_another_reference_to_the_database_are_not_replaced(folder):
    folder.env.update({"ONE": "target.db", "TWO": str(folder.path / "target.db")})
    write(folder, FILE_OF % "ONE", mode="append")
    other = "{ from: source, sql: SELECT id FROM s, to: { connection: again, table: t } }"
    folder.write("specs/b.yaml", f"connections: {{ again: {FILE_OF % 'TWO'} }}\npipelines: {{ also: {other} }}\n")
    run(folder)
    assert "error[shared-target]" in folder.flowc("run", "fill", "--full").err
    folder.env["TWO"] = "other.db"
    assert folder.flowc("run", "fill", "--full").code == 0


@pytest.mark.parametrize("other", ["from: source, sql: SELECT nope( FROM s", "from: nowhere, sql: SELECT id FROM s"])
def test_rows_of_a_load_that_has_errors_are_not_replaced(folder, targets, other):
    write(folder, targets["sqlite"], mode="append")
    folder.write("specs/b.yaml", f"pipelines: {{ also: {{ {other}, to: t }} }}\n")
    run(folder)
    done = folder.flowc("run", "fill", "--full")
    assert (done.code, "`--full` would replace the rows that `also` has appended" in done.err) == (2, True), done.err


def test_dead_letters_of_a_stream_are_not_replaced(folder, targets):
    write(folder, targets["sqlite"], mode="append")
    connections = f"again: {targets['sqlite']}, other: {{ kind: sqlite, path: o.db }}, drop: {{ kind: files, uri: . }}"
    folder.write("specs/b.yaml", f"connections: {{ {connections} }}\nstreams:{STREAM}")
    done = folder.flowc("run", "fill", "--full")
    assert (done.code, "would replace the rows that stream `also` has" in done.err) == (2, True), done.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_knows_that_a_load_has_run(folder, targets, kind):
    write(folder, targets[kind], mode="merge")
    assert "its first run reads everything" in folder.flowc("plan").out
    run(folder)
    shown = folder.flowc("plan").out
    assert "first run" not in shown
    assert "its next run reads on from its watermark, 2026-01-03" in shown


def test_errors_of_other_pipelines_keep_no_named_load_from_being_moved(folder, targets):
    write(folder, targets["sqlite"], mode="merge")
    run(folder)
    broken = (
        "pipelines: { other: { from: { connection: target, table: t }, sql: SELECT no FROM source, to: nowhere } }\n"
    )
    folder.write("specs/broken.yaml", broken)
    assert folder.flowc("status").code == 1
    assert watermark(folder) == "2026-01-03"
    moved = folder.flowc("rewind", "fill", "--to", "2026-01-01", "--yes")
    assert moved.code == 0, moved.err
    assert "specs/broken.yaml" in moved.err
    assert watermark(folder) == "2026-01-01"
    assert folder.flowc("rewind", "other", "--to", "earliest", "--yes").code == 1
    folder.write("specs/broken.yaml", "tables: { t2: { connection: nowhere } }\n")
    assert folder.flowc("status", "fill").code == 1
