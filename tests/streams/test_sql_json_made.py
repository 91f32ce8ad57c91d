"""JSON in a stream's SQL, written as PostgreSQL has it: made of rows, and taken apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.nodes import SqlPlan
from tests.streams.compiled import SPEC, Computed, plan
from tests.unit.project import write

ROWS = [{"id": 1, "name": 'a"b', "tags": ["x", None]}, {"id": 2}]


def _docs(tmp_path: Path, value: str, rows: list[object] | None = None, more: str = "") -> list[Any]:
    computed = Computed(plan(tmp_path, f"SELECT 1 AS id, {value} AS doc FROM source", "noted", "fail", more))
    return [json.loads(row["doc"]) if row["doc"] is not None else None for row in computed.rows(rows or ROWS)]


@pytest.mark.parametrize(
    ("value", "doc"),
    [
        ("array_agg(named_struct('id', id, 'name', name))", [{"id": 1, "name": 'a"b'}, {"id": 2, "name": None}]),
        ("jsonb_agg(jsonb_build_object('a', id, 'b', tags))", [{"a": 1, "b": ["x", None]}, {"a": 2, "b": None}]),
        ("jsonb_object_agg(id, jsonb_build_array(name))", {"1": ['a"b'], "2": [None]}),
        ("coalesce(jsonb_agg(id) FILTER (WHERE id > 9), '[]'::jsonb)", []),
        ("json_build_object('n', approx_distinct(id), 'p', approx_percentile_cont(id, 0.5))", {"n": 2, "p": 1.5}),
        ("array_agg(named_struct('j', CAST('[1]' AS jsonb), 'o', jsonb_build_object('id', id)))",
         [{"j": [1], "o": {"id": 1}}, {"j": [1], "o": {"id": 2}}]),
        ("to_jsonb(array_agg(CAST(id AS decimal(9,2))) )", [1.0, 2.0]),
    ],
)  # fmt: skip
def test_rows_become_json(tmp_path: Path, value: str, doc: object) -> None:
    assert _docs(tmp_path, value) == [doc]


@pytest.mark.parametrize("dialect", ["postgres", "datafusion"])
@pytest.mark.parametrize(
    ("value", "doc"),
    [
        ("to_jsonb(name::json -> 'a' ->> -1)", "7"),
        ("to_jsonb((name::json #>> '{b,c}')::bigint + id)", 4),
        ("to_jsonb(named_struct('x', named_struct('y', id)) -> 'x' ->> 'y')", "1"),
        ("jsonb_build_object('whole', name::json, 'text', name)", {"whole": {"a": [7], "b": {"c": 3}}, "text": "…"}),
        ("name::jsonb -> 'nothing'", None),
    ],
)
def test_json_is_taken_apart(tmp_path: Path, dialect: str, value: str, doc: Any) -> None:
    text = '{"a": [7], "b": {"c": 3}}'
    wanted = {**doc, "text": text} if isinstance(doc, dict) else doc
    assert _docs(tmp_path, value, [{"id": 1, "name": text}], f"dialect: {dialect}") == [wanted]


def test_what_is_no_json_is_a_bad_row_alone(tmp_path: Path) -> None:
    computed = Computed(plan(tmp_path, "SELECT id, name::json -> 'a' AS doc FROM source", "noted"))
    rows = computed.rows([{"id": 1, "name": '{"a": 1}'}, {"id": 2, "name": "{oops"}, {"id": 3, "name": "x"}])
    assert [row["doc"] for row in rows] == ["1"]
    assert computed.bad == [
        "1 invalid-json: `{oops` is no JSON that can be read",
        "2 invalid-json: `x` is no JSON that can be read",
    ]


@pytest.mark.parametrize(
    ("value", "name", "why"),
    [
        ("jsonb_array_length(name::json)", '{"a": 1}', '`{"a": 1}` is JSON, but an object and not a list'),
        ("jsonb_array_length(name::json)", "7", "`7` is JSON, but a number and not a list"),
        ("jsonb_array_length(name::json)", "null", "`null` is JSON, but null and not a list"),
        ("jsonb_array_length(name::json)", "{oops", "`{oops` is no JSON that can be read"),
        ("name::jsonb", '"nul\\u0000x"', '`"nul\\u0000x"` holds `\\u0000`, a character that no text can hold'),
        ("name::jsonb", '"\\ud83d"', '`"\\ud83d"` holds `\\ud83d`, a character that no text can hold'),
    ],
)
def test_what_is_wrong_with_a_document_is_said(tmp_path: Path, value: str, name: str, why: str) -> None:
    computed = Computed(plan(tmp_path, f"SELECT id, to_jsonb({value}) AS doc FROM source", "noted"))
    assert computed.rows([{"id": 1, "name": name}]) == []
    assert computed.bad == [f"0 invalid-json: {why}"]


@pytest.mark.parametrize(
    ("sql", "message", "mend"),
    [
        ("SELECT id, (SELECT jsonb_agg(e) FROM jsonb_array_elements(name::jsonb) AS e) AS doc FROM source",
         "a subquery over the elements of a column of the query around it", "GROUP BY"),
        ("SELECT id, e AS doc FROM source LEFT JOIN LATERAL jsonb_array_elements(name::jsonb) AS e ON true",
         "the elements of a column beside its table", "FROM t, unnest(t.items) AS item"),
        ("SELECT id, v AS doc FROM source, jsonb_array_elements(name::jsonb) WITH ORDINALITY AS e(v, n)",
         "elements of JSON with ordinality", "doc -> 0"),
        ("SELECT id, name::jsonb || name::jsonb AS doc FROM source", "`||` of JSON", "jsonb_set"),
        ("SELECT id, name::jsonb - 'a' AS doc FROM source", "`-` of JSON", "jsonb_build_object"),
        ("SELECT id, name::jsonb #- '{a}' AS doc FROM source", "`#-` of JSON", "jsonb_build_object"),
    ],
)  # fmt: skip
def test_what_the_engine_has_not_is_refused_once_with_a_mend(tmp_path: Path, sql: str, message: str, mend: str) -> None:
    text = SPEC.format(kind="postgres", place='url: "postgres://u@h/db"', sql=sql, to="noted", on_error="drop", more="")
    reporter = Reporter()
    stages.lint([write(tmp_path, text)], reporter, env={})
    (found,) = [each for each in reporter.found if each.code == "untranslatable-sql"]
    assert found.message == f"{message} (from postgres to datafusion)"
    assert [mend in help_ and "dialect" not in help_ for help_ in found.helps] == [True]


def test_elements_are_gathered_as_the_mend_says(tmp_path: Path) -> None:
    sql = "SELECT id, jsonb_agg(e -> 'x') AS doc FROM source, jsonb_array_elements(name::jsonb) AS e GROUP BY id"
    computed = Computed(plan(tmp_path, sql, "noted", "fail"))
    rows = computed.rows([{"id": 1, "name": '[{"x": 1}, {"x": 2}]'}, {"id": 2, "name": "[]"}])
    assert [(row["id"], row["doc"]) for row in rows] == [(1, "[1, 2]")]


def test_a_backslash_before_a_u_is_no_character_that_is_missing(tmp_path: Path) -> None:
    assert _docs(tmp_path, "name::jsonb", [{"id": 1, "name": r'"\\u0000 \u0041"'}]) == [r"\u0000 A"]


def test_a_stream_that_gathers_rows_as_json_is_known_to_look_at_an_epoch(tmp_path: Path) -> None:
    for gathered in ("jsonb_agg(id)", "json_agg(id)", "jsonb_object_agg(id, name)"):
        sql = f"SELECT 1 AS id, {gathered} AS doc FROM source"
        place = 'url: "postgres://u@h/db"'
        text = SPEC.format(kind="postgres", place=place, sql=sql, to="noted", on_error="drop", more="")
        reporter = Reporter()
        stages.lint([write(tmp_path, text)], reporter, env={})
        assert "batch-dependent" in [found.code for found in reporter.found], gathered
        (node,) = plan(tmp_path, sql, "noted").nodes
    assert isinstance(node, SqlPlan)
    assert not node.traced
