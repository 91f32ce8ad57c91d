"""How old the newest row of a table is, on every kind of target."""

# ruff: noqa: E501 -- specs read best in one line

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.errors import TransientError, UsageError
from flowc.service.access.secrets import Resolver
from flowc.service.access.sessions import Sessions
from flowc.service.alerts.freshness import Asker, newest, watched
from tests.alerts.specs import codes
from tests.waiting import until

SPEC = """
project: shop
connections: {{ db: {connection}, src: {{ kind: sqlite, path: src.db }} }}
tables:
  t: {{ connection: db, columns: {{ id: bigint primary key, zoned: timestamptz, local: timestamp, day: date, name: text }} }}
pipelines:
  p: {{ from: src, sql: "SELECT id, zoned, local, day, name FROM raw", to: t, freshness: {{ column: {column}, max_age: 2h }} }}
"""
EXPECTED = {
    "zoned": datetime(2026, 3, 10, 11, 30, 0, 250000, tzinfo=UTC),
    "local": datetime(2026, 3, 10, 12, 30, 0, 250000, tzinfo=UTC),
    "day": datetime(2026, 3, 10, tzinfo=UTC),
}


def project(folder: Path, connection: str, column: str):
    specs = folder / "specs"
    specs.mkdir(exist_ok=True)
    (specs / "a.yaml").write_text(SPEC.format(connection=connection, column=column), "utf-8")
    reporter = Reporter()
    found = stages.lint([specs], reporter)
    assert found is not None
    return found, reporter.sorted()


def asked(folder: Path, connection: str, column: str):
    (checked, ir), _ = project(folder, connection, column)
    sessions = Sessions(checked.project.connections, Resolver({}, folder), checked.project.name)
    try:
        (each,) = watched(ir.pipelines)
        return newest(each, sessions)
    finally:
        sessions.close()


def test_the_newest_row_of_each_type_on_each_database(store):
    assert asked(store.folder, store.connection, "zoned") is None
    types = (
        f"{name} {store.type(kind)}"
        for name, kind in (("zoned", "timestamptz"), ("local", "timestamp"), ("day", "date"))
    )
    store.run(f"CREATE TABLE t (id BIGINT, {', '.join(types)})")
    assert asked(store.folder, store.connection, "zoned") is None
    offset = "+00:00" if store.kind != "mysql" else ""
    for hour, day in ((9, 8), (11, 10)):
        at = f"2026-03-{day:02} {{:02}}:30:00.250000"
        store.run(
            f"INSERT INTO t VALUES ({day}, '{at.format(hour)}{offset}', '{at.format(hour + 1)}', '2026-03-{day:02}')"
        )
    assert {column: asked(store.folder, store.connection, column) for column in EXPECTED} == EXPECTED


def test_the_newest_row_of_a_delta_table(tmp_path):
    deltalake = pytest.importorskip("deltalake")
    lake = "{ kind: delta, uri: lake }"
    assert asked(tmp_path, lake, "zoned") is None
    for day in (8, 10):
        moment = datetime(2026, 3, day, 11, 30, 0, 250000)
        rows = pa.table({
            "id": [day], "zoned": pa.array([moment.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "local": pa.array([moment + timedelta(hours=1)], pa.timestamp("us")), "day": [moment.date()],
        })  # fmt: skip
        deltalake.write_deltalake(str(tmp_path / "lake/t"), rows, mode="append")
    assert {column: asked(tmp_path, lake, column) for column in EXPECTED} == EXPECTED


def test_a_table_that_is_not_as_declared_says_so(tmp_path, store):
    store.run("CREATE TABLE t (id BIGINT, zoned BIGINT)", "INSERT INTO t VALUES (1, 2)")
    with pytest.raises(UsageError) as missing:
        asked(store.folder, store.connection, "local")
    assert missing.value.message == "table `t` has no column `local`"
    with pytest.raises(UsageError) as untimely:
        asked(store.folder, store.connection, "zoned")
    assert untimely.value.code == "freshness-not-a-time"


def test_lint_wants_a_time(tmp_path):
    db = "{ kind: sqlite, path: a.db }"
    assert codes(project(tmp_path, db, "name")[1]) == ["freshness-not-a-time"]
    assert codes(project(tmp_path, db, "gone")[1]) == ["missing-column"]
    assert codes(project(tmp_path, db, "day")[1]) == []
    assert codes(project(tmp_path, "{ kind: duckdb, path: ':memory:' }", "day")[1]) == ["unsupported-target"]


def test_looking_makes_no_file(tmp_path):
    assert asked(tmp_path, "{ kind: duckdb, path: gone.duckdb }", "day") is None
    assert not (tmp_path / "gone.duckdb").exists()


def test_a_target_that_fails_is_told_once_and_one_that_may_pass_later():
    answers, warned = [], []
    each = SimpleNamespace(pipeline="p", targets=[], freshness=None)

    asker = Asker(
        [each], lambda: SimpleNamespace(redacted=lambda e: e, close=lambda: None), answers.append, warned.append
    )
    errors = [TransientError("busy", code="x")]
    asker._look = lambda _: SimpleNamespace(watched=each, error=errors[0])
    for _ in range(2):
        asker.ask(each)
    until(lambda: len(answers) == 2)
    assert warned == []
    for _ in range(2):
        asker.ask(each)
    until(lambda: len(answers) == 4)
    assert warned == ["how fresh the table of `p` is cannot be asked: busy"]
    errors[0] = UsageError("wrong", code="y")
    asker.ask(each)
    asker.ask(each)
    until(lambda: len(answers) == 6)
    assert len(warned) == 2
