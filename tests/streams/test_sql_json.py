"""Nested values of a stream's SQL in columns of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from tests.streams.compiled import Computed, plan


def _docs(tmp_path: Path, sql: str, values: list[object], to: str = "noted") -> list[object]:
    computed = Computed(plan(tmp_path, sql, to, on_error="fail", more="dialect: datafusion"))
    return [row["doc"] for row in computed.rows(values)]


def test_a_struct_is_an_object(tmp_path: Path) -> None:
    parts = "'name', name, 'tags', tags, 'price', CAST('1.50' AS decimal(9,2)), 'at', _event_ts"
    sql = f"SELECT id, named_struct({parts}) AS doc FROM source"
    (doc,) = _docs(tmp_path, sql, [{"id": 1, "name": 'a"b', "tags": ["x", None]}])
    assert doc == '{"name":"a\\"b","tags":["x",null],"price":1.50,"at":"2024-05-06T12:00:00+00:00"}'


def test_an_array_of_structs_is_a_list_of_objects(tmp_path: Path) -> None:
    parts = "'id', id, 'half', id / 2.0, 'none', CAST('NaN' AS double)"
    sql = f"SELECT 1 AS id, array_agg(named_struct({parts})) AS doc FROM source"
    (doc,) = _docs(tmp_path, sql, [{"id": 1}, {"id": 4}])
    assert json.loads(str(doc)) == [{"id": 1, "half": 0.5, "none": "NaN"}, {"id": 4, "half": 2.0, "none": "NaN"}]


def test_a_table_that_is_made_for_it_has_a_json_column(tmp_path: Path) -> None:
    made = plan(tmp_path, "SELECT id, named_struct('a', name) AS doc FROM source", more="dialect: datafusion")
    assert "JSONB" in " ".join(made.targets[0].create)


def test_a_nested_value_in_another_column_is_refused_before_any_row(tmp_path: Path) -> None:
    sql = "SELECT id, named_struct('a', name) AS name, 1 AS n FROM source"
    with pytest.raises(FlowcError) as failure:
        plan(tmp_path, sql, "small", more="dialect: datafusion")
    assert failure.value.code == "type-mismatch"
    assert "`name`" in failure.value.message
