"""An apply that is killed at any point: the next one takes its lock over, ends what it began, and loses nothing."""

from __future__ import annotations

import pytest

from flowc.service.access import locks
from tests.commands import Inside
from tests.migrate.killing import killed
from tests.migrate.looking import declared, look, values
from tests.migrate.projects import specs
from tests.stores import KINDS, Store

BEFORE = """columns:
  id: bigint primary key
  a: integer
  b: varchar(20)
  c: text
indexes: [{ columns: [a] }]"""
AFTER = """description: All of it.
columns:
  id: bigint primary key
  a: bigint not null default 7
  bb: { type: varchar(30), renamed_from: b, unique: true }
  d: { type: integer, description: New. }
indexes: [{ columns: [d] }]"""
ROWS = "INSERT INTO t (id, a, b, c) VALUES (1, 5, 'x', 'gone'), (2, -7, NULL, NULL), (3, 9, 'y', NULL)"
KEPT = [["1", "5", "x", None], ["2", "-7", None, None], ["3", "9", "y", None]]
ALLOWED = ("--yes", "--allow-destructive", "w.t.c")


def begin_anew(store: Store, project: Inside) -> None:
    """The table as it was before, with its rows, and nothing of the history."""
    if store.dsn:
        state = ["DROP SCHEMA IF EXISTS flowc CASCADE"] if store.kind == "postgres" else [
            f"DROP TABLE IF EXISTS flowc_{name}" for name in ("migrations", "migration_steps", "locks")
        ]  # fmt: skip
        store.run("DROP TABLE IF EXISTS t", *state)
    for file in store.folder.glob("store.*"):
        file.unlink()
    specs(project, store, {"t": BEFORE})
    assert project.flowc("apply", "--yes").code == 0
    store.run(ROWS)
    specs(project, store, {"t": AFTER})


@pytest.mark.turns("store", 2)  # `test_apply_campaign` kills applies on all of them
def test_an_apply_that_was_killed_anywhere_is_ended_by_the_next(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    # Six calls make a statement with its records, so that this comes by each place between two of them.
    point, dead = -2 * KINDS.index(store.kind), True
    while dead:
        point += 11
        begin_anew(store, project)
        dead = killed(project, store.kind, point, *ALLOWED)
        # The lease of the dead owner would end too late for this one.
        done = project.flowc("apply", *ALLOWED, "--lock-timeout", str(locks.LEASE / 3))
        assert done.code == 0, f"killed at {point}: {done.err}"
        _check(store, project, point)
    assert point > 11


def _check(store: Store, project: Inside, point: int) -> None:
    plan = project.flowc("plan", "--detailed-exitcode")
    assert plan.code == 0, f"killed at {point}: {plan.out}"
    assert look(store, "t") == declared(AFTER, store.kind), f"killed at {point}"
    assert values(store, "t", ("id", "a", "bb", "d")) == KEPT, f"killed at {point}"
    state = "flowc.{}" if store.kind in ("postgres", "duckdb") else "flowc_{}"
    versions = store.raw(f"SELECT status, snapshot IS NOT NULL FROM {state.format('migrations')} ORDER BY version")
    assert versions[-1] == ("done", True)
    # One that was killed after its end left nothing to do but a lock, which the next one with work takes over.
    held = store.raw(f"SELECT count(*) FROM {state.format('locks')}")[0][0]
    assert held == 0 or len(versions) == 2, f"killed at {point}"


@pytest.mark.parametrize("store", ["postgres", "mysql"], indirect=True)
def test_a_saved_plan_goes_on_after_a_kill(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    begin_anew(store, project)
    assert project.flowc("plan", "--out", "plan.json").code == 0
    assert killed(project, store.kind, 7, "plan.json", *ALLOWED[1:])
    done = project.flowc("apply", "plan.json", *ALLOWED[1:])
    assert done.code == 0, done.err
    _check(store, project, 7)
    again = project.flowc("apply", "plan.json", *ALLOWED[1:])
    assert again.code == 2
    assert "error[stale-plan]" in again.err
