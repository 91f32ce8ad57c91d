"""Aggregates of a project that give plain values, Arrow scalars or arrays of one, under either name of a method."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowc.errors import FlowcError
from flowc.runtime.engine.functions import load_functions
from tests.streams.compiled import Computed, plan

MODULE = """
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Product:
    def __init__(self):
        self.value = 1

    def {update}(self, numbers):
        self.value *= pc.product(numbers).as_py() or 1

    def {merge}(self, values):
        self.{update}(values)

    def state(self):
        value = self.value
        return {state}

    def evaluate(self):
        value = self.value
        return {evaluate}
"""
ONE = ("value", "pa.scalar(value)", "pa.array([value])", "pa.chunked_array([[value]])", "np.int64(value)")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project's root whose module is made by the test."""
    sys.modules.pop("own_functions", None)
    yield tmp_path
    sys.modules.pop("own_functions", None)
    sys.path.remove(str(tmp_path)) if str(tmp_path) in sys.path else None


def _product(root: Path, state: str, evaluate: str, update: str = "update", merge: str = "merge") -> object:
    text = MODULE.format(state=state, evaluate=evaluate, update=update, merge=merge)
    (root / "own_functions.py").write_text(text)
    made = plan(root, "SELECT id % 2 AS odd, product(id) AS n FROM source GROUP BY id % 2", on_error="fail")
    computed = Computed(made, {"functions": load_functions(made.functions, root)})
    return sorted((row["odd"], row["n"]) for row in computed.rows([{"id": each} for each in (2, 3, 4, 5)]))


@pytest.mark.parametrize("value", ONE)
def test_what_evaluate_gives_is_one_value(root: Path, value: str) -> None:
    assert _product(root, f"[{value}]", value) == [(0, 8), (1, 15)]


def test_a_single_state_needs_no_list_and_methods_have_two_names(root: Path) -> None:
    assert _product(root, "value", "value", "update_batch", "merge_batch") == [(0, 8), (1, 15)]


@pytest.mark.parametrize(
    ("evaluate", "words"),
    [
        ("'much'", "`evaluate` returned 'much', which is no value of the type `bigint` that is declared"),
        ("value + 0.5", "`evaluate` returned 8.5, which is no value of the type `bigint` that is declared"),
        ("pa.scalar('much')", "`evaluate` returned 'much', which is no value of the type `bigint` that is declared"),
        ("pa.array([1, 2])", "`evaluate` returned an array of 2 values, and has to give one"),
        ("pa.array([], pa.int64())", "`evaluate` returned an array of 0 values, and has to give one"),
    ],
)
def test_a_result_that_is_no_value_of_its_type_is_told(root: Path, evaluate: str, words: str) -> None:
    with pytest.raises(FlowcError) as failure:
        _product(root, "[value]", evaluate.replace("value + 0.5", "8.5"))
    assert failure.value.code == "function-failed"
    assert words in failure.value.message


def test_a_class_without_a_method_is_told_both_of_its_names(root: Path) -> None:
    with pytest.raises(FlowcError) as failure:
        _product(root, "[value]", "value", merge="join")
    assert "this one has no `merge` or `merge_batch`" in failure.value.message
