"""Which tests run which functions: each function of a copied tree records its first call during each test.

This module is also the plugin that says which test runs. Another process finds the test of its nearest ancestor that
runs one, because `tests.warm` splits processes off from a child of pytest's process.
"""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.mutation import calls

_HOOK = "_mutation_call"
_IMPORT = f"from tests.mutation.calls import call as {_HOOK}\n"
_unsuccessful: list[str] = []
Function = ast.FunctionDef | ast.AsyncFunctionDef


def instrument(root: Path, paths: Iterable[Path]) -> None:
    """Rewrite the modules of a copied tree so that their functions record that they are called."""
    for path in paths:
        path.write_text(instrumented(path.read_text("utf-8"), path.relative_to(root).as_posix()), "utf-8")


def instrumented(source: str, name: str) -> str:
    """The source of a module, in which each function records its first call."""
    lines = source.splitlines(keepends=True)
    tree = ast.parse(source)
    for qualified, function in reversed(list(functions(tree))):
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        if body and body[0].lineno > function.lineno and not isinstance(body[0], Function | ast.ClassDef):
            first = body[0]
            lines.insert(first.lineno - 1, f'{" " * first.col_offset}{_HOOK}("{name}:{qualified}")\n')
    lines.insert(_after_future(tree), _IMPORT)
    return "".join(lines)


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Each function with its qualified name, in the order of the source. Nested functions belong to the outer one."""

    def within(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, Function]]:
        for node in body:
            if isinstance(node, Function):
                yield f"{prefix}{node.name}", node
            elif isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}{node.name}.")

    return within(tree.body, "")


def _after_future(tree: ast.Module) -> int:
    """The line after the docstring and `from __future__` imports."""
    ends = [0]
    for position, node in enumerate(tree.body):
        docstring = position == 0 and isinstance(node, ast.Expr)
        if docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            ends.append(node.end_lineno or 0)
    return max(ends)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Record which test runs, how long it takes, and whether it passes."""
    folder, begin = os.environ[calls.FOLDER], time.perf_counter()
    calls.seen.clear()
    Path(folder, f"test.{os.getpid()}").write_text(item.nodeid, "utf-8")
    calls.current[:] = [item.nodeid]
    _unsuccessful.clear()
    yield
    calls.current.clear()
    outcome = "failed" if _unsuccessful else "passed"
    with open(f"{folder}/times.{os.getpid()}.tsv", "a") as file:
        file.write(f"{item.nodeid}\t{time.perf_counter() - begin:.3f}\t{outcome}\n")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember that the test did not pass."""
    if not report.passed:
        _unsuccessful.append(report.nodeid)
