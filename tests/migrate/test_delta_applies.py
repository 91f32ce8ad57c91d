"""Applies to Delta tables: killed anywhere, beside other writers, of saved plans, between loads."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from flowc.runtime.systems.delta.bench import Bench
from tests import lakes, warm
from tests.commands import ROOT, Folder, Inside
from tests.extended import with_extended
from tests.lakes import Lake
from tests.migrate.beginning import AFTER, ALLOWED, BEFORE, IN_PLACE, KEPT, QUERY, begun, specs, text_column
from tests.waiting import until

SCHEMA = json.loads((ROOT / "schemas" / "plan.json").read_text("utf-8"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def project(lake: Lake) -> Inside:
    return begun(lake, lake.folder)


def killed(project: Inside, where: str, point: int, *arguments: str) -> bool:
    """Runs `flowc apply` in a process of its own that dies at a point; whether it died."""
    words = ("tests.migrate.dying", where, str(point), "apply", *arguments)
    done = warm.run(*words, cwd=project.path, env=project.environment())
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("after", with_extended([IN_PLACE], [AFTER]), ids=["in place", "anew"])
def test_an_apply_that_was_killed_anywhere_is_ended_by_the_next(tmp_path: Path, after: str):
    point, dead = 0, True
    while dead:
        point += 1 if after is AFTER else 3
        folder = tmp_path / str(point)
        folder.mkdir()
        lake = Lake(folder)
        project = begun(lake, folder)
        specs(project, {"t": after})
        dead = killed(project, "steps", point, *ALLOWED)
        done = project.flowc("apply", *ALLOWED)
        assert done.code == 0, f"killed at {point}: {done.err}"
        assert project.flowc("plan", "--detailed-exitcode").code == 0, f"killed at {point}"
        if after is AFTER:
            assert lake.raw(QUERY) == KEPT, f"killed at {point}"
        else:
            assert lake.raw("SELECT id, b, d FROM t ORDER BY id") == [(1, "x", None), (2, None, None), (3, "y", None)]
        statuses = [status for (status,) in lake.control("SELECT status FROM flowc_migrations ORDER BY version")]
        assert statuses[-1] == "done", f"killed at {point}"
    assert point > 8


def test_a_rewrite_that_is_killed_halfway_leaves_the_table_as_it_was(lake: Lake, project: Inside):
    specs(project, {"t": AFTER})
    version = lakes.version(lake.path("t"))
    assert killed(project, "rows", 1, *ALLOWED)
    assert lakes.version(lake.path("t")) == version
    assert lake.raw("SELECT a FROM t ORDER BY id") == [(5,), (-7,), (9,)]
    assert project.flowc("apply", *ALLOWED).code == 0
    assert lake.raw(QUERY) == KEPT


def meanwhile(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], None]) -> None:
    """Other writers act while the table is being written anew, one in each attempt."""
    original, left = Bench.stream, list(acts)

    def stream(self: Any, sql: str, schema: pa.Schema) -> Any:
        if left:
            left.pop(0)()
        return original(self, sql, schema)

    monkeypatch.setattr(Bench, "stream", stream)


def test_what_others_add_meanwhile_is_in_the_table_that_is_written_anew(
    lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    specs(project, {"t": AFTER})
    seen = []

    def act() -> None:
        lake.run("INSERT INTO t (id, a, b) VALUES (4, 44, 'late')")
        seen.append(lake.raw("SELECT count(*) FROM t"))

    meanwhile(monkeypatch, act)
    done = project.flowc("apply", *ALLOWED)
    assert done.code == 0, done.err
    assert "another writer changed `t` meanwhile" in done.err
    assert seen == [[(4,)]]
    assert lake.raw(QUERY) == [*KEPT, (4, 44, "late", 7)]


def test_a_value_that_comes_meanwhile_and_does_not_fit_stops_it(
    lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    specs(project, {"t": BEFORE.replace("integer", "smallint")})
    meanwhile(monkeypatch, lambda: lake.run("INSERT INTO t (id, a) VALUES (4, 70000)"))
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert "error[precheck-failed]" in done.err
    assert lake.raw("SELECT a FROM t ORDER BY id") == [(5,), (-7,), (9,), (70000,)]


def test_a_null_that_comes_meanwhile_stops_a_not_null(lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch):
    specs(project, {"t": BEFORE.replace("integer", "integer not null")})
    meanwhile(monkeypatch, lambda: lake.run("INSERT INTO t (id, a) VALUES (4, NULL)"))
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert "error[precheck-failed]" in done.err
    assert lake.raw("SELECT a FROM t ORDER BY id") == [(5,), (-7,), (9,), (None,)]
    assert "1 row has no `a`" in project.flowc("plan").out


def test_a_column_that_comes_meanwhile_is_not_lost(lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch):
    specs(project, {"t": AFTER})

    def act() -> None:
        rows = pa.table({"id": [4], "mine": ["m"]})
        lakes.write(lake.path("t"), rows, schema_mode="merge")

    meanwhile(monkeypatch, act)
    monkeypatch.setattr("flowc.service.changes.applying._BACKOFF", 0.01)
    done = project.flowc("apply", *ALLOWED)
    assert "error[write-conflict]" in done.err
    again = project.flowc("apply", *ALLOWED)
    assert again.code == 0, again.err
    assert lake.raw("SELECT id, mine FROM t WHERE mine IS NOT NULL") == [(4, "m")]


def test_old_versions_can_be_read(lake: Lake, project: Inside):
    version = lakes.version(lake.path("t"))
    specs(project, {"t": AFTER})
    assert project.flowc("apply", *ALLOWED).code == 0
    old = DeltaTable(lake.path("t"), version=version).to_pyarrow_table()
    assert sorted(old.column("c").to_pylist(), key=str) == [None, None, "gone"]


def test_constraints_and_properties_of_others_stay(lake: Lake, project: Inside):
    found = DeltaTable(lake.path("t"))
    found.alter.add_constraint({"plain": "id > 0"})
    found.alter.set_column_metadata("b", {"mark": "kept"})
    specs(project, {"t": AFTER})
    assert project.flowc("apply", *ALLOWED).code == 0
    assert DeltaTable(lake.path("t")).metadata().configuration["delta.constraints.plain"] == "id > 0"
    assert {c["name"]: c["metadata"] for c in lake.schema("t")}["bb"] == {"mark": "kept"}


def test_a_column_of_a_constraint_cannot_go(lake: Lake, project: Inside):
    DeltaTable(lake.path("t")).alter.add_constraint({"named": "c IS NULL OR c <> ''"})
    version = lakes.version(lake.path("t"))
    specs(project, {"t": AFTER})
    done = project.flowc("apply", *ALLOWED)
    assert done.code != 0
    assert "error[" in done.err
    assert lakes.version(lake.path("t")) == version


def test_a_saved_plan_is_carried_out_or_stale(lake: Lake, project: Inside):
    specs(project, {"t": AFTER})
    assert project.flowc("plan", "--out", "plan.json").code == 0
    DeltaTable(lake.path("t")).alter.add_columns([text_column("z")])
    stale = project.flowc("apply", "plan.json", *ALLOWED[1:])
    assert (stale.code, "error[stale-plan]" in stale.err) == (2, True)
    assert project.flowc("plan", "--out", "plan.json").code == 0
    lake.run("INSERT INTO t (id, a, b) VALUES (4, 44, 'late')")
    done = project.flowc("apply", "plan.json", *ALLOWED[1:])
    assert done.code == 0, done.err
    assert lake.raw(QUERY) == [*KEPT, (4, 44, "late", 7)]


def test_a_saved_plan_goes_on_after_a_kill(lake: Lake, project: Inside):
    specs(project, {"t": AFTER})
    assert project.flowc("plan", "--out", "plan.json").code == 0
    assert killed(project, "steps", 4, "plan.json", *ALLOWED[1:])
    done = project.flowc("apply", "plan.json", *ALLOWED[1:])
    assert done.code == 0, done.err
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert lake.raw(QUERY) == KEPT


PIPELINE = """
connections:
  shop: {{ kind: sqlite, path: shop.db }}
  w: {{ kind: delta, uri: ./lake }}
tables:
  t:
    connection: w
    columns: {{ id: bigint primary key, n: {kind}, at: timestamp }}
pipelines:
  t:
    from: shop
    sql: SELECT id, CAST(n AS INTEGER) AS n, at FROM t
    to: t
    mode: merge
    incremental: {{ column: at }}
"""


def test_loads_go_on_from_their_watermark_in_a_table_that_was_written_anew(lake: Lake):
    project = Inside(lake.folder)
    with closing(sqlite3.connect(lake.folder / "shop.db")) as shop:
        shop.execute("CREATE TABLE t (id BIGINT, n INTEGER, at TIMESTAMP)")
        shop.execute("INSERT INTO t VALUES (1, 5, '2024-01-01 00:00:00'), (2, 6, '2024-01-02 00:00:00')")
        shop.commit()
    project.write("specs/project.yaml", PIPELINE.format(kind="integer"))
    assert project.flowc("apply", "--yes").code == 0
    assert project.flowc("run", "--once").code == 0
    project.write("specs/project.yaml", PIPELINE.format(kind="bigint"))
    plan = project.flowc("plan", "--json")
    jsonschema.validate(plan.json, SCHEMA)
    assert project.flowc("apply", "--yes").code == 0
    with closing(sqlite3.connect(lake.folder / "shop.db")) as shop:
        # What lies before the watermark is not read again.
        shop.execute("UPDATE t SET n = 99 WHERE id = 1")
        shop.execute("INSERT INTO t VALUES (3, 7, '2024-01-03 00:00:00')")
        shop.commit()
    done = project.flowc("run", "--once")
    assert done.code == 0, done.err
    assert lake.raw("SELECT id, n FROM t ORDER BY id") == [(1, 5), (2, 6), (3, 7)]
    assert [column["type"] for column in lake.schema("t")] == ["long", "long", "timestamp_ntz"]


def test_a_table_to_which_rows_are_only_added_is_not_written_anew(lake: Lake, project: Inside):
    DeltaTable(lake.path("t")).alter.set_table_properties({"delta.appendOnly": "true"})
    version = lakes.version(lake.path("t"))
    specs(project, {"t": BEFORE.replace("integer", "bigint")})
    done = project.flowc("apply", "--yes")
    assert done.code == 2
    assert "would lose the rule that rows are only appended" in done.err
    assert lakes.version(lake.path("t")) == version
    assert lake.raw("SELECT count(*) FROM t") == [(3,)]


def test_a_second_apply_is_refused_while_the_first_one_works(
    lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    specs(project, {"t": AFTER})
    said: list[str] = []

    def act() -> None:
        said.append(Folder(project.path).flowc("apply", *ALLOWED, "--lock-timeout", "1").err)

    meanwhile(monkeypatch, act)
    assert project.flowc("apply", *ALLOWED).code == 0
    assert "error[apply-locked]" in said[0]
    assert lake.raw(QUERY) == KEPT


def test_the_lease_is_renewed_while_a_table_is_written_anew(
    lake: Lake, project: Inside, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flowc.service.access.locks.LEASE", 0.6)
    specs(project, {"t": AFTER})
    leases = []

    def is_renewed() -> bool:
        leases.extend(lake.control("SELECT expires_at FROM flowc_locks"))
        return leases[-1] > leases[0]

    def act() -> None:
        until(is_renewed)

    meanwhile(monkeypatch, act)
    done = project.flowc("apply", *ALLOWED)
    assert done.code == 0, done.err
    assert leases[0] < leases[-1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("a: integer, c: { type: integer, renamed_from: b }", "the engine does not rename `b` while there is CHECK c"),
        ("a: integer", "the engine does not drop `b` while there is CHECK c"),
        ("a: integer, b: text", "the engine does not change the type of `b` while there is CHECK c"),
    ],
)
def test_a_plan_names_the_conditions_on_rows_that_name_a_column(
    lake: Lake, project: Inside, columns: str, words: str
) -> None:
    specs(project, {"u": "columns: { a: integer, b: integer }"})
    assert project.flowc("apply", *ALLOWED, "--allow-destructive", "w.t").code == 0
    DeltaTable(lake.path("u")).alter.add_constraint({"c": "b > 0"})
    specs(project, {"u": f"columns: {{ {columns} }}"})
    assert words in " ".join(project.flowc("plan").out.split())
    done = project.flowc("apply", *ALLOWED, "--allow-destructive", "w.u.b")
    assert (done.code, "error[precheck-failed]" in done.err) == (2, True), done.err
