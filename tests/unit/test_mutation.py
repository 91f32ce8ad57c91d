"""Mutation runs: which errors they make, and which tests they run against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.mutation import calls, selection
from tests.mutation.__main__ import sample
from tests.mutation.mutants import mutants
from tests.mutation.tracing import instrumented

SOURCE = '''\
"""A module."""

from __future__ import annotations

STEP = 1


class Account:
    """An account."""

    def paid(self, amount: int = 1) -> int | None:
        """Return the balance."""
        if amount <= 0 or not self.open:
            return None
        self.tell(f"{amount + 1}")
        self.balance += amount
        return self.balance
'''


def test_each_kind_of_error_is_made_once() -> None:
    made = [(mutant.kind, mutant.begin[0], mutant.replacement) for mutant in mutants("a.py", SOURCE)]
    assert made == [
        ("boolean", 13, "(amount <= 0 and (not self.open))"),
        ("comparison", 13, "(amount < 0)"),
        ("constant", 13, "(1)"),
        ("boolean", 13, "(self.open)"),
        ("deleted statement", 15, "pass"),
        ("deleted statement", 16, "pass"),
        ("return", 17, "return None"),
    ]
    assert {mutant.function for mutant in mutants("a.py", SOURCE)} == {"Account.paid"}


def test_a_mutant_differs_in_its_place_alone() -> None:
    comparison = next(mutant for mutant in mutants("a.py", SOURCE) if mutant.kind == "comparison")
    assert comparison.applied(SOURCE) == SOURCE.replace("amount <= 0", "(amount < 0)")


def test_the_place_of_a_mutant_counts_bytes() -> None:
    source = 'def name():\n    return "é" == "é"\n'
    comparison = next(mutant for mutant in mutants("a.py", source) if mutant.kind == "comparison")
    assert "return ('é' != 'é')" in comparison.applied(source)


def test_the_same_seed_makes_the_same_mutants() -> None:
    packages = ["flowc/compiler/migrate", "flowc/runtime/loads"]
    first, again, other = (sample(packages, 12, seed) for seed in (1, 1, 2))
    assert (len(first), first) == (12, again)
    assert first != other
    assert sum(mutant.path.startswith(packages[0]) for mutant in first) == 9


def test_a_function_records_the_test_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(calls.FOLDER, str(tmp_path))
    monkeypatch.setattr(calls, "current", ["tests/test_a.py::test_b"])
    monkeypatch.setattr(calls, "seen", set())
    source, names = instrumented('def one() -> int:\n    """One."""\n    return 1\n', "a.py"), dict[str, Any]()
    exec(compile(source, "a.py", "exec"), names)
    assert names["one"]() + names["one"]() == 2
    (file,) = tmp_path.iterdir()
    assert file.read_text() == "tests/test_a.py::test_b\ta.py:one\n"


def test_tests_that_run_little_else_come_first(tmp_path: Path) -> None:
    times = {"t.py::broad": 1, "t.py::slow": 9, "t.py::case[1]": 1, "t.py::case[2]": 1, "t.py::red": 1}
    lines = (f"{name}\t{took}\t{'failed' if 'red' in name else 'passed'}\n" for name, took in times.items())
    (tmp_path / "times.1.tsv").write_text("".join(lines))
    called = [f"{name}\ta.py:one\n" for name in times] + [f"t.py::broad\ta.py:{n}\n" for n in range(5)]
    (tmp_path / "calls.1.tsv").write_text("".join(called))
    trace = selection.read(tmp_path)
    assert trace.selected("a.py:one", 100) == (["t.py::case[1]", "t.py::broad", "t.py::slow", "t.py::case[2]"], 4)
    assert trace.selected("a.py:one", 3) == (["t.py::case[1]", "t.py::broad"], 4)
    assert trace.selected("a.py:none", 3) == ([], 0)
