"""A saved plan is one piece: an edit of any part of its file is refused, wherever and however small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.commands import Inside
from tests.stores import Store

PROJECT = """
connections:
  w: { kind: sqlite, path: unnamed.sqlite }
environments:
  staging: { connections: { w: { kind: sqlite, path: staging.sqlite } } }
  prod: { connections: { w: { kind: sqlite, path: prod.sqlite } } }
tables:
  t:
    connection: w
    columns: { id: bigint primary key%s }
"""


@pytest.fixture
def project(tmp_path: Path) -> Inside:
    made = Inside(tmp_path, {})
    made.write("specs/project.yaml", PROJECT % ", a: integer, b: text")
    for name in ("staging", "prod"):
        assert made.flowc("apply", "--yes", "--env", name).code == 0
        store(made, name).run("INSERT INTO t VALUES (1, 5, 'x'), (2, 6, NULL)")
    made.write("specs/project.yaml", PROJECT % "")
    planned = made.flowc("plan", "--env", "staging", "--select", "t", "--out", "plan.json")
    assert planned.code == 0, planned.err
    return made


def store(project: Inside, name: str) -> Store:
    return Store("sqlite", project.path, "", name)


def apply(project: Inside, *options: str) -> tuple[int, str]:
    done = project.flowc("apply", "plan.json", "--allow-destructive", "all", *options)
    return done.code, done.err


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values that hold no others."""
    if isinstance(value, (dict, list)) and value:
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))
    else:
        yield path


def edited(value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "prod"


def test_an_edit_of_any_value_is_refused(project: Inside):
    file = project.path / "plan.json"
    whole = file.read_text("utf-8")
    ways = list(leaves(json.loads(whole)))
    assert {way[0] for way in ways} >= {"plan", "specs", "environment", "select", "rollback", "hash", "flowc"}
    assert any(way[-1] == "lost" for way in ways)
    taken = []
    for way in ways:
        plan = json.loads(whole)
        inner = plan
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = edited(inner[way[-1]])
        file.write_text(json.dumps(plan), "utf-8")
        code, said = apply(project)
        if code != 2 or "error[unreadable-plan]" not in said:
            taken.append((way, said))
    assert taken == []
    file.write_text(json.dumps(json.loads(whole)), "utf-8")
    assert apply(project)[0] == 0, "the layout of the file is no part of the plan"


def test_a_field_that_is_added_or_taken_away_is_refused(project: Inside):
    file = project.path / "plan.json"
    plan = json.loads(file.read_text("utf-8"))
    without = {name: value for name, value in plan.items() if name != "environment"}
    for changed in ({**plan, "note": "looks good"}, without):
        file.write_text(json.dumps(changed), "utf-8")
        code, said = apply(project)
        assert (code, "was changed after it was made" in said) == (2, True), said


def test_a_kind_that_there_is_not_is_refused_though_the_hash_fits(project: Inside):
    file = project.path / "plan.json"
    plan = json.loads(file.read_text("utf-8"))
    del plan["hash"]
    plan["plan"]["databases"][0]["kind"] = ""
    file.write_text(json.dumps({"hash": sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest(), **plan}))
    code, said = apply(project)
    assert (code, "error[unreadable-plan]: `plan.json` is not a plan: there is no kind ``" in said) == (2, True), said


def test_statements_that_no_fresh_plan_has_are_refused_though_the_hash_fits(project: Inside):
    file = project.path / "plan.json"
    plan = json.loads(file.read_text("utf-8"))
    del plan["hash"]
    changes = plan["plan"]["databases"][0]["tables"][0]["changes"]
    statement = next(statement for change in changes for statement in change["statements"])
    statement["sql"] = "DELETE FROM t"
    file.write_text(json.dumps({"hash": sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest(), **plan}))
    code, said = apply(project)
    assert (code, "error[stale-plan]: the plan has other statements" in said) == (2, True), said
    assert "only in the file: DELETE FROM t" in said
    assert store(project, "staging").raw("SELECT count(*) FROM t") == [(2,)]


def test_a_plan_of_an_older_format_is_refused_with_words(project: Inside):
    file = project.path / "plan.json"
    plan = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**plan, "format": 1}), "utf-8")
    code, said = apply(project)
    assert (code, "`plan.json` has format 1, and this version of flowc reads format 4" in said) == (2, True), said
    assert "flowc plan --out" in said


def test_a_plan_of_one_environment_is_not_applied_to_another(project: Inside):
    code, said = apply(project, "--env", "prod")
    assert (code, "was made for environment `staging`" in said) == (2, True), said
    assert store(project, "prod").rows("SELECT a FROM t ORDER BY id") == [(5,), (6,)]
    assert apply(project, "--env", "staging")[0] == 0


@pytest.mark.parametrize(
    "data",
    [b'{"a":' * 100_000, b'{"a": "\xff"}', b"\xff", b'{"format": "' + b"x" * 1_000_000 + b'"}'],
    ids=["depth", "bytes", "byte", "long"],
)
def test_what_is_no_plan(project: Inside, data: bytes):
    (project.path / "plan.json").write_bytes(data)
    code, told = apply(project)
    assert (code, "unreadable-plan" in told, len(told) < 1000) == (2, True, True), told[:1000]
