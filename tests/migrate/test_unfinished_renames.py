"""Renames of an apply that was cut off: every later plan, back or to another version, finds the values."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.migrate.killing import killed_after
from tests.migrate.looking import values
from tests.migrate.projects import specs
from tests.stores import SERVERS, Store

FIRST = "columns: { id: bigint primary key, a: integer, s: varchar(20) not null default 'n' }"
SECOND = """columns:
  id: bigint primary key
  b: { type: bigint, renamed_from: a }
  s: varchar(20) not null default 'n'
indexes: [{ columns: [b] }]"""
OTHER = (
    "columns: { id: bigint primary key, c: { type: integer, renamed_from: a }, s: varchar(20) not null default 'n' }"
)
ROWS = "INSERT INTO t (id, a) VALUES (1, 5), (2, -7), (3, NULL)"
KEPT = [["1", "5"], ["2", "-7"], ["3", None]]

pytestmark = pytest.mark.parametrize("store", SERVERS, indirect=True)


def _begin(store: Store) -> Inside:
    project = Inside(store.folder, {"STORE": store.dsn})
    specs(project, store, {"t": FIRST})
    assert project.flowc("apply", "--yes").code == 0
    store.run(ROWS)
    return project


def _state(store: Store) -> str:
    return "flowc." if store.kind == "postgres" else "flowc_"


def _renamed(store: Store) -> bool:
    query = "SELECT count(*) FROM information_schema.columns WHERE table_schema {} AND table_name = 't'"
    schema = "= 'public'" if store.kind == "postgres" else "= database()"
    return bool(store.raw(query.format(schema) + " AND column_name = 'b'")[0][0])


def _cut_off(store: Store) -> Inside:
    """A project whose second version was killed as soon as it had renamed the column."""
    project = _begin(store)
    specs(project, store, {"t": SECOND})
    killed_after(project, store.kind, ("RENAME COLUMN", "CHANGE COLUMN"), "--yes")
    assert _renamed(store)
    store.run(f"DELETE FROM {_state(store)}locks")  # the lease of the dead owner ends too late
    return project


def _finds(project: Inside, store: Store, column: str) -> None:
    done = project.flowc("apply", "--yes")
    assert done.code == 0, done.out + done.err
    assert values(store, "t", ("id", column)) == KEPT
    assert project.flowc("plan", "--detailed-exitcode").code == 0
    assert not _renamed(store)


def _roll_back(project: Inside, store: Store) -> None:
    made = project.flowc("plan", "--rollback-to", "1", "--out", "back.json")
    assert "rename" in made.out, made.out + made.err
    done = project.flowc("apply", "back.json")
    assert done.code == 0, done.out + done.err
    assert values(store, "t", ("id", "a")) == KEPT


def test_reverted_specs_rename_the_column_back(store: Store):
    project = _cut_off(store)
    specs(project, store, {"t": FIRST})
    plan = project.flowc("plan").out
    assert "rename" in plan
    assert "add column" not in plan
    _finds(project, store, "a")


def test_a_rollback_renames_the_column_back(store: Store):
    project = _cut_off(store)
    _roll_back(project, store)
    assert not _renamed(store)


def test_another_version_takes_the_column_under_its_new_name(store: Store):
    project = _cut_off(store)
    specs(project, store, {"t": OTHER})
    _finds(project, store, "c")
    _roll_back(project, store)


def test_a_column_that_no_spec_wants_any_more_is_dropped_as_what_it_was(store: Store):
    project = _cut_off(store)
    specs(project, store, {"t": "columns: { id: bigint primary key, s: varchar(20) not null default 'n' }"})
    assert "destructive" in project.flowc("plan").out
    done = project.flowc("apply", "--yes", "--allow-destructive", "w.t.b")
    assert done.code == 0, done.out + done.err
    assert not _renamed(store)


def test_an_apply_of_other_tables_does_not_forget_the_rename(store: Store):
    project = _cut_off(store)
    specs(project, store, {"t": FIRST, "o": "columns: { id: bigint primary key }"})
    done = project.flowc("apply", "--yes", "o")
    assert done.code == 0, done.out + done.err
    _finds(project, store, "a")


def test_a_project_that_takes_the_table_over_finds_the_column(store: Store):
    project = _cut_off(store)
    specs(project, store, {"t": FIRST, "o": "columns: { id: bigint primary key }"})
    assert project.flowc("apply", "--yes", "o").code == 0
    (store.folder / "other").mkdir()
    other = Inside(store.folder / "other", {"STORE": store.dsn})
    specs(other, store, {"t": FIRST})
    other.write("specs/name.yaml", "project: other\n")
    taken = other.flowc("project", "take", "w.t", "--yes")
    assert taken.code == 0, taken.out + taken.err
    _finds(other, store, "a")
