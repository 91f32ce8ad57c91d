"""Rollbacks over versions in which a name became that of another column."""

from __future__ import annotations

import pytest

from tests.commands import Inside
from tests.migrate.looking import values
from tests.migrate.projects import specs
from tests.stores import Store

pytestmark = pytest.mark.turns("store", 2)


def _apply(project: Inside, store: Store, columns: str, *words: str) -> None:
    specs(project, store, {"t": f"columns: {{ id: bigint primary key, {columns} }}"})
    done = project.flowc("apply", "--yes", *words)
    assert done.code == 0, done.out + done.err


def test_a_rollback_is_refused_that_would_mix_columns_up(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    _apply(project, store, "a: integer, b: integer")
    store.run("INSERT INTO t (id, a, b) VALUES (1, 5, 7)")
    _apply(project, store, "x: { type: integer, renamed_from: a }, b: integer")
    _apply(project, store, "x: integer, a: { type: integer, renamed_from: b }")
    refused = project.flowc("plan", "--rollback-to", "1", "--out", "one.json")
    assert refused.code == 2
    assert "`a` of `t` is `x` today, and `a` is another column than it was then; nothing was changed" in refused.err
    assert "roll back to the versions between, one after the other" in refused.err
    for version in ("2", "1"):
        assert project.flowc("plan", "--rollback-to", version, "--out", "back.json").code == 0
        done = project.flowc("apply", "back.json")
        assert done.code == 0, done.err
    assert values(store, "t", ("id", "a", "b")) == [["1", "5", "7"]]


def test_a_column_that_came_again_under_a_name_is_not_the_one_that_was_dropped(store: Store):
    project = Inside(store.folder, {"STORE": store.dsn})
    _apply(project, store, "a: integer, s: integer")
    _apply(project, store, "x: { type: integer, renamed_from: a }, s: integer")
    _apply(project, store, "s: integer", "--allow-destructive", "w.t.x")
    _apply(project, store, "s: integer, x: integer")
    store.run("INSERT INTO t (id, x) VALUES (1, 5)")
    plan = project.flowc("plan", "--rollback-to", "1")
    assert "+ add column a integer" in plan.out, plan.out + plan.err
    assert "- drop column x integer" in plan.out
