"""The short run of tests with many parameters has each value, or each pair of values, at least once."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from tests.extended import covering

AXES = (("sqlite", "duckdb", "postgres", "mysql"), ("append", "merge", "scd2"), ("files", "same"))


@pytest.mark.parametrize(("size", "fewest"), [(1, 4), (2, 12), (3, 24)])
def test_each_value_or_pair_is_met_by_few_cases(size: int, fewest: int) -> None:
    cases = {ids: set(combinations(enumerate(ids), size)) for ids in product(*AXES)}
    chosen = covering(cases)
    assert set().union(*(cases[ids] for ids in chosen)) == set().union(*cases.values())
    assert fewest <= len(chosen) <= fewest + size
