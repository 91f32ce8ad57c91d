"""The history of a declared table has the type that the query gives the event time, in lint, plan and load alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Inside
from tests.stores import Store

SPEC = """
connections:
  w: {{ kind: sqlite, path: store.sqlite }}
tables:
  changes: {{ connection: w, columns: {{ id: bigint, v: text, at: {kind} }} }}
  hist: {{ connection: w, columns: {{ id: bigint, v: text }} }}
  later: {{ connection: w, columns: {{ id: bigint, valid_from: {read} }} }}
pipelines:
  history:
    from: w
    sql: SELECT id, v, at FROM changes
    to: hist
    mode: scd2
    keys: [id]
    event_time: at
  reader:
    from: w
    sql: SELECT id, valid_from FROM hist
    to: later
    mode: truncate
"""
AT = {"date": "2026-01-01", "timestamp": "2026-01-01 10:00:00"}


@pytest.mark.parametrize("kind", AT)
def test_plan_makes_what_the_load_wants(tmp_path: Path, kind: str) -> None:
    project, store = Inside(tmp_path), Store("sqlite", tmp_path)
    project.write("specs/p.yaml", SPEC.format(kind=kind, read=kind))
    assert project.flowc("apply", "--yes").code == 0
    store.run(f"INSERT INTO changes VALUES (1, 'a', '{AT[kind]}')")
    ran = project.flowc("run", "--once")
    assert ran.code == 0, ran.out + ran.err
    assert store.rows("SELECT valid_from FROM later") == [(AT[kind],)]
    assert "No changes" in project.flowc("plan").out


def test_readers_of_the_history_are_told_its_type(tmp_path: Path) -> None:
    project = Inside(tmp_path)
    project.write("specs/p.yaml", SPEC.format(kind="timestamp", read="timestamptz"))
    found = project.flowc("lint")
    assert found.code == 1
    assert "`valid_from` is timestamp, its column in `later` timestamptz" in found.out + found.err


def test_a_type_that_only_the_source_knows_is_converted_by_the_time_zone(tmp_path: Path) -> None:
    """Plan has made `valid_from` by then."""
    project, store = Inside(tmp_path), Store("sqlite", tmp_path)
    head, _, tail = SPEC.partition("  changes:")
    text = (head + tail.partition("\n")[2].partition("  reader:")[0]).format(read="timestamptz")
    project.write("specs/p.yaml", text)
    assert project.flowc("apply", "--yes").code == 0
    store.run("CREATE TABLE changes (id BIGINT, v TEXT, at TIMESTAMP)")
    store.run("INSERT INTO changes VALUES (1, 'a', '2026-07-01 12:00:00')")
    refused = project.flowc("run", "--once")
    assert "`timezone: Europe/Berlin`" in refused.out + refused.err
    project.write("specs/p.yaml", f"{text}    timezone: Europe/Berlin\n")
    assert project.flowc("run", "--once").code == 0
    assert store.rows("SELECT substr(valid_from, 1, 19) FROM hist") == [("2026-07-01 10:00:00",)]
