"""Cases that only `./scripts/test --long` runs: each is like another one that every run has, or tests the tests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import pytest

T = TypeVar("T")

EXTENDED = pytest.mark.extended
COVERING = "covering"
"""The marker of tests whose short run has the fewest cases that have each value of each parameter.

Its argument is how many parameters are taken together: with 2, each pair of values is met.
"""
TURNS = "turns"
"""The marker of tests whose short run has some values of one parameter; the next test of the module has others.

Its arguments are the parameter and how many of its values each test has.
"""
Cases = dict[pytest.Item, Any]


def amount(short: T, long: T) -> T:
    """How many of them, or which, a test takes in the short run, and in the long one."""
    return long if "FLOWC_TEST_LONG" in os.environ else short


def examples(count: int) -> int:
    """How many examples hypothesis takes of a test: so many in the long run, and half of them in the short one."""
    return amount((count + 1) // 2, count)


def with_extended(cases: Iterable[Any], extended: Iterable[Any]) -> list[Any]:
    """The parameters of a test: the `cases` of every run, and the `extended` ones."""
    marked = (pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=EXTENDED) for case in extended)
    return [*cases, *marked]


def mark_what_is_extended(items: Iterable[pytest.Item]) -> None:
    """Marks the cases of `covering` tests, and of those that take turns, that only the long run has."""
    positions: Counter[Path] = Counter()
    for cases in _tests(items):
        test, chosen = next(iter(cases)), cases
        if turns := [each.args for each in test.iter_markers(TURNS) if each.args[0] in cases[test].params]:
            chosen = _in_turn(cases, *turns[0], crc32(test.path.name.encode()) + positions[test.path])
            positions[test.path] += 1
        if marker := test.get_closest_marker(COVERING):
            together = {item: _together(spec, *marker.args) for item, spec in chosen.items()}
            chosen = {item: cases[item] for item in covering(together)}
        for item in cases.keys() - chosen.keys():
            item.add_marker(EXTENDED)


def _tests(items: Iterable[pytest.Item]) -> Iterable[Cases]:
    """The cases of each test that has parameters, with these, except for cases that are extended anyway."""
    tests: dict[str, Cases] = {}
    for item in items:
        if (spec := vars(item).get("callspec")) and not item.get_closest_marker(EXTENDED.name):
            tests.setdefault(item.nodeid.partition("[")[0], {})[item] = spec
    return tests.values()


def _together(spec: Any, size: int = 1) -> set[Any]:
    """The values of a case, or the pairs of them; `parametrize` has one id for what it sets together."""
    return set(combinations(enumerate(spec._idlist), size))


def _in_turn(cases: Cases, parameter: str, count: int, position: int) -> Cases:
    """The cases with those values of the parameter whose turn it is."""
    values = {item: str(spec.params[parameter]) for item, spec in cases.items()}
    wanted = turn(list(dict.fromkeys(values.values())), count, position)
    return {item: spec for item, spec in cases.items() if values[item] in wanted}


def covering(cases: Mapping[T, set[Any]]) -> set[T]:
    """The fewest cases, or nearly so, that have all that any case has; the same ones in each process."""
    missing, chosen = set().union(*cases.values()), set()
    while missing:
        best = max(cases, key=lambda case: len(cases[case] & missing))
        missing -= cases[best]
        chosen.add(best)
    return chosen


def turn(values: Sequence[str], count: int, position: int) -> set[str]:
    """As many of the values, which stand apart in their order; with the position, they move on by one."""
    return {values[(position + len(values) * each // count) % len(values)] for each in range(count)}
