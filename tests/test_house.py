"""The rules of the house: budgets for functions and files, docstrings, layers, and what the repository may not hold."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "flowc").rglob("*.py"))
PYTHON = [*PACKAGE, *sorted(p for name in ("tests", "benchmarks", "scripts") for p in (ROOT / name).rglob("*.py"))]
SUFFIXES = {".md", ".toml", ".yaml", ".yml", ".json", ".py", ".sh", ".html", ".sql"}
MADE = {".venv", ".git", "build", "dist", ".flowc", ".hypothesis"}


def texts() -> Iterator[Path]:
    """What people have written. Every process of a run of tests looks for it, so what was made is not looked into."""
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in MADE]
        scripts = Path(folder) in (ROOT / "scripts", ROOT / ".ci")
        yield from (path for name in files if (path := Path(folder, name)).suffix in SUFFIXES or scripts)


TEXTS = sorted(texts())

LONGEST_FUNCTION = 40
MEDIAN_FUNCTION = 10
LONGEST_FILE = 600

# Spelt in parts, so that this file does not hold what it forbids.
UNFINISHED = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "Not" + "Implemented" + "Error")) + r"\b")
MACHINE_PATHS = re.compile(
    "|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/(?!ada/|user/)\w+/", r"\.r-se" + "ed", "/opt/wh" + "eels"))
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of every function, its docstring not counted."""
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            first = node.body[0]
            docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) and first.end_lineno else 0
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1 - docstring


def test_functions_are_short():
    lengths = dict(entry for path in PACKAGE for entry in functions(path))
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    assert statistics.median(lengths.values()) <= MEDIAN_FUNCTION


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in PYTHON}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


DOCSTRING = re.compile(r'(#.*\n|\s)*[rR]?("""|"|\')')


def test_modules_say_what_they_are():
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PYTHON}
    silent = [name for name, text in texts.items() if text and not DOCSTRING.match(text)]
    assert silent == []


def test_public_names_are_documented():
    silent = []
    for path in PACKAGE:
        for node in tree(path).body:
            public = isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


@pytest.mark.parametrize(
    ("pattern", "where"), [(UNFINISHED, PACKAGE), (MACHINE_PATHS, TEXTS)], ids=["unfinished", "paths"]
)
def test_nothing_forbidden_is_in_the_repository(pattern: re.Pattern[str], where: list[Path]):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in where
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


INSIDE = re.compile(r"^.+\bfrom\s+flowc\b", re.MULTILINE)


def test_no_own_module_is_imported_inside_a_function():
    """Such an import hides a cycle. The command line loads its commands when they are named, to start fast, and a
    stream its operators.
    """
    hidden = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in PACKAGE
        if not str(path.parent).endswith(("flowc/cli", "streams/graph"))
        if INSIDE.search(path.read_text("utf-8"))
        for node in ast.walk(tree(path))
        if isinstance(node, Function)
        for inner in ast.walk(node)
        if isinstance(inner, ast.ImportFrom) and (inner.module or "").split(".")[0] == "flowc"
    ]
    assert hidden == []


def test_layers():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


SYSTEMS = {
    path.stem for path in (ROOT / "schemas/connectors").glob("*.json") if '"x-stream"' in path.read_text("utf-8")
}
OF_EACH_SYSTEM = {
    "flowc/compiler/dialects/__init__.py", "flowc/compiler/dialects/delta.py", "flowc/compiler/front/connections.py",
    "flowc/compiler/ir.py", "flowc/compiler/migrate/engines/__init__.py", "flowc/compiler/migrate/facts.py",
    "flowc/compiler/names/tables.py", "flowc/runtime/streams/targets/kafka_producer.py",
    "flowc/service/access/reach.py",
    "flowc/service/streams/replayplans.py", "flowc/service/streams/sources.py", "flowc/service/testing/streams.py",
    "flowc/stream.py",
}  # fmt: skip
"""Tables by the kind of system, and what is truly of one; all else asks `flowc/compiler/front/streamkinds.py`."""


def test_systems_are_told_apart_by_what_they_can_do():
    """No module but connectors compares a kind with the name of a system, and few hold such a name at all."""
    named, compared = set[str](), []
    holding = re.compile(rf"[\"']({'|'.join(SYSTEMS)})[\"']")
    modules = (path for path in PACKAGE if "connectors" not in path.parts)
    for path in (path for path in modules if holding.search(path.read_text("utf-8"))):
        where = str(path.relative_to(ROOT))
        for node in ast.walk(tree(path)):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            held = {inner.value for side in sides for inner in ast.walk(side) if isinstance(inner, ast.Constant)}
            if held & SYSTEMS and any(re.search(r"\bkind(\.value)?$", ast.unparse(side)) for side in sides):
                compared.append(f"{where}:{node.lineno}")
            if isinstance(node, ast.Constant) and node.value in SYSTEMS - {"files"}:
                named.add(where)
    assert (compared, named) == ([], OF_EACH_SYSTEM)


TIME_OF_DAY = {"flowc/cli/dlq.py", "flowc/service/daemon/watch.py", "flowc/web/views.py"}
"""Where it is reckoned with: `--older-than`, and pages, are about times that were written down, latency about those of
brokers.
"""


def test_no_time_is_measured_by_a_clock_that_is_set():
    """What waits, ends or is renewed goes by `time.monotonic()`; the time of day is only written down."""
    asked = re.compile(r"\b(?:time\.time|(?<!monotonic_)time_ns|datetime\.(?:now|utcnow))\(")
    found = {
        str(path.relative_to(ROOT))
        for path in PACKAGE
        if asked.search(path.read_text("utf-8"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Compare) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub))
        if asked.search(ast.unparse(node))
    }
    assert found == TIME_OF_DAY
