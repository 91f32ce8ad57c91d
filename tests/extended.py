"""Cases that only `./scripts/test --long` runs: each is like another one that every run has, or tests the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

EXTENDED = pytest.mark.extended
COVERING = "covering"
"""The marker of tests whose short run has the fewest cases that have each value of each parameter.

Its argument is how many parameters are taken together: with 2, each pair of values is met.
"""


def with_extended(cases: Iterable[Any], extended: Iterable[Any]) -> list[Any]:
    """The parameters of a test: the `cases` of every run, and the `extended` ones."""
    marked = (pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=EXTENDED) for case in extended)
    return [*cases, *marked]


def mark_all_but_covering(items: Iterable[pytest.Item]) -> None:
    """Marks the cases of `covering` tests as extended, except for those of the short run."""
    tests: dict[str, dict[pytest.Item, set[Any]]] = {}
    for item in items:
        marker = item.get_closest_marker(COVERING)
        if marker and not item.get_closest_marker(EXTENDED.name):
            callspec: Any = vars(item)["callspec"]
            values = enumerate(callspec._idlist)  # one id for each `parametrize`
            tests.setdefault(item.nodeid.partition("[")[0], {})[item] = set(combinations(values, *marker.args or (1,)))
    for cases in tests.values():
        for item in cases.keys() - covering(cases):
            item.add_marker(EXTENDED)


def covering(cases: Mapping[T, set[Any]]) -> set[T]:
    """The fewest cases, or nearly so, that have all that any case has; the same ones in each process."""
    missing, chosen = set().union(*cases.values()), set()
    while missing:
        best = max(cases, key=lambda case: len(cases[case] & missing))
        missing -= cases[best]
        chosen.add(best)
    return chosen
