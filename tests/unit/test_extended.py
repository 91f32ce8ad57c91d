"""The short run of tests with many parameters has each value, or each pair of values, at least once."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from tests.extended import covering, turn

AXES = (("sqlite", "duckdb", "postgres", "mysql"), ("append", "merge", "scd2"), ("files", "same"))


@pytest.mark.parametrize(("size", "fewest"), [(1, 4), (2, 12), (3, 24)])
def test_each_value_or_pair_is_met_by_few_cases(size: int, fewest: int) -> None:
    cases = {ids: set(combinations(enumerate(ids), size)) for ids in product(*AXES)}
    chosen = covering(cases)
    assert set().union(*(cases[ids] for ids in chosen)) == set().union(*cases.values())
    assert fewest <= len(chosen) <= fewest + size


def test_neighbours_have_other_values_and_a_file_and_a_server_each() -> None:
    turns = [turn(AXES[0], 2, position) for position in range(7, 11)]
    assert turns == [{"duckdb", "mysql"}, {"sqlite", "postgres"}] * 2
    assert set().union(*(turn("abcde", 2, position) for position in range(3))) == set("abcde")
