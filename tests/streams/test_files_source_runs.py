"""`flowc run STREAM --once` from a folder of files: every row once, whatever kills the worker."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from flowc.runtime.systems import open_database
from tests import warm
from tests.commands import Folder, Inside
from tests.streams.filefolder import put
from tests.waiting import PATIENCE

PROJECT = """
connections:
  drop: {{ kind: files, uri: "./drop" }}
  wh: {{ kind: {kind}, path: wh.db }}
streams:
  clean:
    source: {{ connection: drop, path: "{path}", format: {form}, columns: {{ id: bigint, name: text }}{more} }}
    sql: SELECT id, upper(name) AS name, _topic AS file, _event_ts AS at FROM source
    to: {{ connection: wh, table: clean, mode: append }}
    batch: {{ max_rows: 500 }}
    on_error: {on_error}
"""

_MARKED = (
    r'line 2: `\ufeff{"id": 2}` is not a JSON object that can be read: '
    "a byte order mark (EF BB BF) stands before it"
)


def _project(folder: Path, form: str = "csv", on_error: str = "fail", more: str = "", kind: str = "sqlite") -> Folder:
    made = Inside(folder)
    (folder / "drop").mkdir(exist_ok=True)
    text = PROJECT.format(path=f"*.{form}", form=form, on_error=on_error, more=more, kind=kind)
    made.write("specs/s.yaml", text)
    return made


def _rows(
    folder: Path, sql: str = "SELECT id, name, file FROM clean ORDER BY id", kind: str = "sqlite"
) -> list[object]:
    database = open_database(kind, {"path": str(folder / "wh.db")})
    try:
        return [tuple(row.values()) for row in database.query(sql).to_pylist()]
    finally:
        database.close()


def _report(made: Folder) -> dict[str, object]:
    done = made.flowc("run", "clean", "--once", "--json")
    (report,) = done.json
    assert report["status"] == "ok", done.out
    return dict(report)


def test_new_files_are_read_once(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", more=", read: { delimiter: ';' }")
    put(tmp_path / "drop", "a.csv", "id;name\n1;x\n2;y\n")
    assert _report(made)["messages"] == 2
    (tmp_path / "drop" / "a.csv").unlink()
    put(tmp_path / "drop", "b.csv", "name;id\nz;3\n")
    assert _report(made)["messages"] == 1
    assert _report(made)["messages"] == 0
    assert _rows(tmp_path) == [(1, "X", "a.csv"), (2, "Y", "a.csv"), (3, "Z", "b.csv")]


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_json_lines(tmp_path: Path, form: str) -> None:
    made = _project(tmp_path, form, "drop")
    lines = ['{"id": 1, "name": "x", "more": 1}', "", "{bad", '{"id": "2"}', '{"id": 3, "name": null}']
    put(tmp_path / "drop", f"a.{form}", "\n".join(lines))
    report = _report(made)
    assert report["bad_rows"] == 2
    assert _rows(tmp_path) == [(1, "X", f"a.{form}"), (3, None, f"a.{form}")]


@pytest.mark.parametrize(
    ("connection", "name"), [(", format: csv", "a.txt"), ("", "a.csv"), (", format: jsonl", "a.csv")]
)
def test_a_format_that_is_not_said_is_that_of_the_connection_or_of_the_name(
    connection: str, name: str, tmp_path: Path
) -> None:
    made = _project(tmp_path)
    spec = (tmp_path / "specs" / "s.yaml").read_text().replace(", format: csv", "").replace("*.csv", "*")
    made.write("specs/s.yaml", spec.replace('uri: "./drop"', f'uri: "./drop"{connection}').replace('"*"', f'"{name}"'))
    put(tmp_path / "drop", name, '{"id": 1, "name": "x"}\n' if "jsonl" in connection else "id,name\n1,x\n")
    _report(made)
    assert _rows(tmp_path) == [(1, "X", name)]


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("csv", 'id,name\n1,"two\nlines"\nx,b\n', "line 4: column `id`: `x` does not fit `bigint`"),
        ("jsonl", '\n \t\n{"id": 1}\n\n{"id": []}\n', "line 5: column `id`: `[]` does not fit `bigint`"),
        ("jsonl", '\ufeff{"id": 1}\n\ufeff{"id": 2}\n', _MARKED),
        ("json", '\n[{"id": 1},\n{"id": []}]\n', "line or element 2: column `id`: `[]` does not fit `bigint`"),
    ],
)
def test_a_bad_row_is_shown_with_its_file_and_line(form: str, text: str, words: str, tmp_path: Path) -> None:
    made = _project(tmp_path, form)
    put(tmp_path / "drop", f"a.{form}", text)
    failed = made.flowc("run", "clean", "--once")
    assert failed.code == 1
    assert f"`a.{form}`, {words}" in failed.err


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_worker_killed_in_the_middle_of_a_file_loses_and_repeats_nothing(tmp_path: Path, kind: str) -> None:
    made = _project(tmp_path, kind=kind)
    for number in range(3):
        rows = "".join(f"{number * 20_000 + n},n{n}\n" for n in range(20_000))
        put(tmp_path / "drop", f"{number}.csv.gz", "id,name\n" + rows, number)
    made.write("specs/s.yaml", (tmp_path / "specs/s.yaml").read_text().replace("*.csv", "*.csv.gz"))
    for wait in (0.6, 0.3, 0.9):
        worker = made.begin("run", "clean", "--once")
        time.sleep(wait)
        worker.kill()
        worker.wait()
    _report(made)
    assert _rows(tmp_path, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM clean", kind) == [(60_000, 60_000)]


def test_dead_letters_keep_the_lines(tmp_path: Path) -> None:
    made = _project(tmp_path, "csv", "dlq")
    put(tmp_path / "drop", "a.csv", "id,name\n1,x\nnone,y\n2,z,z\n")
    _report(made)
    tables = _rows(tmp_path, "SELECT name FROM sqlite_master WHERE name LIKE '%dead%'")
    (table,) = [str(row[0]) for row in tables if isinstance(row, tuple)]
    found = _rows(tmp_path, f'SELECT topic, message FROM "{table}" ORDER BY message_position')
    assert json.dumps([[r[0], bytes(r[1]).decode()] for r in found if isinstance(r, tuple)]) == (
        '[["a.csv", "none,y"], ["a.csv", "2,z,z"]]'
    )


def test_with_intents_a_worker_that_is_killed_reads_the_same_rows_again(tmp_path: Path) -> None:
    """Two targets need a state store: what was intended is read again from the files, exactly."""
    made = _project(tmp_path)
    targets = [f"{{ connection: wh, table: {name}, mode: append }}" for name in ("clean", "again")]
    both = f"to: [{', '.join(targets)}]"
    text = (tmp_path / "specs/s.yaml").read_text()
    made.write("specs/s.yaml", text.replace("to: { connection: wh, table: clean, mode: append }", both))
    for number in range(4):
        rows = "".join(f'{number * 5000 + n},"n\n{n}"\n' for n in range(5000))
        put(tmp_path / "drop", f"{number}.csv", "id,name\n" + rows, number)
    for wait in (0.6, 0.4, 0.9):
        worker = made.begin("run", "clean", "--once")
        time.sleep(wait)
        worker.kill()
        worker.wait()
    _report(made)
    for table in ("clean", "again"):
        rows = _rows(tmp_path, f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM {table}")
        assert rows == [(20_000, 20_000)]


def _status(made: Folder) -> list[object]:
    (status,) = made.flowc("status", "clean", "--json").json
    return [(at["known"], at["removable"], at["first_to_keep"]) for at in status["files"]]


@pytest.mark.parametrize("state", [False, True])
def test_a_file_that_status_counts_as_removable_may_go_after_a_kill(tmp_path: Path, state: bool) -> None:
    """A checkpoint is behind it, or all targets hold its rows and nothing keeps state."""
    made = _project(tmp_path)
    to = "[{ connection: wh, table: clean, mode: append }, { connection: wh, table: again, mode: append }]"
    text = (tmp_path / "specs/s.yaml").read_text()
    text = text.replace("{ connection: wh, table: clean, mode: append }", to)
    made.write(
        "specs/s.yaml",
        text + ("    dedupe: { keys: [id], within: 1d }\n    watermark: { lateness: 1h }\n" if state else ""),
    )
    put(tmp_path / "drop", "a.csv", "id,name\n1,x\n")
    assert _status(made) == [(0, 0, None)]
    words = ("tests.streams.killed_run", "clean", "target 1", "0")
    done = warm.run(*words, cwd=tmp_path, env=made.environment())
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert _status(made) == [(1, 0, "a.csv")]
    if not state:
        (tmp_path / "drop" / "a.csv").unlink()
    put(tmp_path / "drop", "b.csv", "id,name\n2,y\n", 1)
    _report(made)
    assert _status(made) == [(2, 2, None)]
    assert ["clean", "source", "2", "2", "-"] in [
        line.split() for line in made.flowc("status", "clean").out.splitlines()
    ]
    for table in ("clean", "again"):
        assert _rows(tmp_path, f"SELECT id, name, file FROM {table} ORDER BY id") == [
            (1, "X", "a.csv"),
            (2, "Y", "b.csv"),
        ]


def test_the_daemon_reads_files_that_come_while_it_runs(tmp_path: Path) -> None:
    made = _project(tmp_path)
    put(tmp_path / "drop", "a.csv", "id,name\n1,x\n")
    worker = made.start("run", "clean")
    try:
        _until(tmp_path, [(1, "X", "a.csv")])
        (tmp_path / "drop" / "b.csv.tmp").write_text("id,name\n2,y\n")
        (tmp_path / "drop" / "b.csv.tmp").rename(tmp_path / "drop" / "b.csv")
        put(tmp_path / "drop", "0.csv", "id,name\n3,z\n", -5)
        _until(tmp_path, [(1, "X", "a.csv"), (2, "Y", "b.csv"), (3, "Z", "0.csv")])
    finally:
        worker.terminate()
        assert worker.wait(PATIENCE) == 0


def _until(folder: Path, wanted: list[object]) -> None:
    end, found = time.monotonic() + PATIENCE, list[object]()
    while found != wanted and time.monotonic() < end:
        time.sleep(0.3)
        found = _rows(folder) if (folder / "wh.db").exists() and _has(folder) else []
    assert found == wanted


def _has(folder: Path) -> bool:
    return bool(_rows(folder, "SELECT name FROM sqlite_master WHERE name = 'clean'"))


def test_a_star_takes_in_what_only_a_live_lookup_tells(tmp_path: Path) -> None:
    made = _project(tmp_path)
    text = PROJECT.format(path="*.csv", form="csv", on_error="fail", more="", kind="sqlite")
    sql = "SELECT s.id, t.* FROM source s JOIN t ON t.name = s.name"
    lookups = "lookups: { t: { connection: wh, table: towns } }"
    text = text.replace(
        "SELECT id, upper(name) AS name, _topic AS file, _event_ts AS at FROM source", f"{sql}\n    {lookups}"
    )
    made.write("specs/s.yaml", text)
    towns = open_database("sqlite", {"path": str(tmp_path / "wh.db")})
    towns.execute("CREATE TABLE towns (name TEXT, town TEXT)")
    towns.execute("INSERT INTO towns VALUES ('ann', 'Rome'), ('bob', 'Bern')")
    towns.close()
    put(tmp_path / "drop", "a.csv", b"id,name\n1,ann\n2,bob\n3,cleo\n")
    assert _report(made)["rows"] == 2
    assert _rows(tmp_path, "SELECT id, name, town FROM clean ORDER BY id") == [(1, "ann", "Rome"), (2, "bob", "Bern")]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_what_is_remembered_of_files_in_the_database_of_the_rows_disturbs_no_epoch(tmp_path: Path, kind: str) -> None:
    made = _project(tmp_path, kind=kind)
    made.write(
        "specs/s.yaml",
        (tmp_path / "specs/s.yaml").read_text().replace("    sql:", "    state: { connection: wh }\n    sql:"),
    )
    for number in range(40):
        rows = "".join(f"{number * 100 + at},x\n" for at in range(100))
        put(tmp_path / "drop", f"{number:02}.csv", f"id,name\n{rows}", age=number)
    assert _report(made)["messages"] == 4000
    assert _rows(tmp_path, "SELECT count(*) AS n, count(DISTINCT id) AS d FROM clean", kind) == [(4000, 4000)]
