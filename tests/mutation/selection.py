"""The tests that run a function, from the records of an instrumented run, and the order in which they are tried."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path


@dataclass(frozen=True)
class Trace:
    """Which tests run which functions, and how long each test took, in seconds."""

    tests: dict[str, list[str]]
    """The tests of a function, which is written `path:Class.name`."""
    seconds: dict[str, float]
    calls: Counter[str]
    """How many of the functions each test runs."""

    def selected(self, function: str, budget: float) -> tuple[list[str], int]:
        """The tests of a function that take no longer than the budget together, and how many there are in all.

        Tests that run few functions and take little time come first. Cases of one test function do not follow each
        other, because what one of them misses the next one is likely to miss as well.
        """
        tests, chosen, sum_of_seconds = self.tests.get(function, []), list[str](), 0.0
        for test in _mixed(sorted(tests, key=self._cost)):
            sum_of_seconds += self.seconds[test] + 0.02
            if sum_of_seconds > budget and chosen:
                break
            chosen.append(test)
        return chosen, len(tests)

    def _cost(self, test: str) -> tuple[float, str]:
        return (self.seconds[test] + 0.02) * self.calls[test], test


def read(folder: Path) -> Trace:
    """Read the records of a run."""
    seconds = {test: float(time) for test, time, outcome in _lines(folder, "times") if outcome == "passed"}
    tests: dict[str, set[str]] = defaultdict(set)
    for test, function in _lines(folder, "calls"):
        if test in seconds:
            tests[function].add(test)
    calls = Counter(test for names in tests.values() for test in names)
    return Trace({function: sorted(names) for function, names in tests.items()}, seconds, calls)


def _lines(folder: Path, kind: str) -> Iterator[list[str]]:
    for path in sorted(folder.glob(f"{kind}.*.tsv")):
        yield from (line.split("\t") for line in path.read_text("utf-8").splitlines())


def _mixed(tests: Sequence[str]) -> Iterator[str]:
    """The tests in their order, but first one case of each test function, then the second one of each, and so on."""
    functions: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        functions[test.partition("[")[0]].append(test)
    for round_of_cases in zip_longest(*functions.values()):
        yield from (test for test in round_of_cases if test is not None)
