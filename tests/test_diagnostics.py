"""Every code that flowc can report has a page, and the example on it yields exactly that code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from flowc import render
from flowc.compiler import stages
from flowc.diagnostics import Reporter
from flowc.service.checking import checker
from flowc.service.loads.planning import refuse_unplannable
from tests.golden_format import Block, read_cases

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "diagnostics"
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
SEEN_IN_A_RUN = "Seen when: run"

# What is called to report a problem; exceptions are known by their names.
REPORTERS = {"error", "warning", "info", "Diagnostic", "Check"}


def is_reporter(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name.lstrip("_") in REPORTERS or name.endswith("Error")


def literals(node: ast.expr) -> Iterator[str]:
    """The string literals that an expression may be: itself, or the branches of a conditional."""
    for inner in ast.walk(node) if isinstance(node, ast.IfExp | ast.BoolOp) else [node]:
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and CODE.fullmatch(inner.value):
            yield inner.value


def codes_of(tree: ast.Module) -> Iterator[str]:
    """Literals given as a code: to a reporter, by the keyword, assigned, or beside an exception."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for argument in node.args if is_reporter(node) else ():
                yield from literals(argument)
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from literals(keyword.value)
        elif isinstance(node, ast.Assign) and any(getattr(t, "id", "").lower() == "code" for t in node.targets):
            yield from literals(node.value)
        elif isinstance(node, ast.Tuple) and any(getattr(e, "id", "").endswith("Error") for e in node.elts):
            for element in node.elts:
                yield from literals(element)


def codes() -> set[str]:
    return {code for path in (ROOT / "flowc").rglob("*.py") for code in codes_of(ast.parse(path.read_text("utf-8")))}


def pages() -> list[Path]:
    return sorted(PAGES.glob("*.md"))


def examples(page: Path, heading: str) -> list[Block]:
    cases = [case for case in read_cases(page) if case.title == heading]
    return [block for case in cases for block in case.blocks if block.word == "yaml"]


def lint(blocks: list[Block], folder: Path) -> Reporter:
    """Lints a page's yaml block as a project of one file."""
    (folder / "specs").mkdir()
    for number, block in enumerate(blocks):
        (folder / "specs" / (block.arguments or f"project{number or ''}.yaml")).write_text(block.text, "utf-8")
    reporter = Reporter()
    with chdir(folder):
        found = stages.lint([Path("specs")], reporter, checker=checker())
        if found is not None:
            refuse_unplannable(*found, reporter)
    return reporter


def test_every_code_has_a_page():
    documented = {page.stem for page in pages()}
    assert sorted(codes() - documented) == [], "codes without a page in docs/diagnostics"


def test_every_page_is_about_a_code_that_exists():
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "flowc").rglob("*.py"))
    assert [page.name for page in pages() if f'"{page.stem}"' not in source] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_page_has_its_parts(page: Path):
    text = page.read_text("utf-8")
    assert text.startswith(f"# `{page.stem}`\n")
    assert re.findall(r"^## .*", text, re.MULTILINE) == ["## Example", "## Fix"]


LINTED = [page for page in pages() if SEEN_IN_A_RUN not in page.read_text("utf-8")]
WARNED = re.compile(r"^Severity: (.*)$", re.MULTILINE)


def warnings_of(tree: ast.Module) -> Iterator[str]:
    """The codes that are given to `warning`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "warning":
            yield from literals(node.args[0])


def test_the_page_of_what_may_be_a_warning_says_so():
    warned = {
        code for path in (ROOT / "flowc").rglob("*.py") for code in warnings_of(ast.parse(path.read_text("utf-8")))
    }
    said = {page.stem for page in pages() if WARNED.search(page.read_text("utf-8"))}
    assert sorted(warned & {page.stem for page in pages()} - said) == []


MENDED = [page for page in pages() if examples(page, "Fix")]


@pytest.mark.parametrize("page", LINTED, ids=lambda page: page.stem)
def test_the_example_yields_exactly_that_code(page: Path, tmp_path: Path):
    blocks = examples(page, "Example")
    assert blocks, "the page has no example"
    reporter = lint(blocks, tmp_path)
    found = {diagnostic.code for diagnostic in reporter.found}
    assert found == {page.stem}, render.full(reporter.sorted()) if reporter.found else "nothing was reported"
    said = WARNED.search(page.read_text("utf-8"))
    assert {str(diagnostic.severity) for diagnostic in reporter.found} <= set(said[1].split() if said else ["error"])


@pytest.mark.parametrize("page", MENDED, ids=lambda page: page.stem)
def test_the_mended_example_has_no_errors(page: Path, tmp_path: Path):
    blocks = examples(page, "Fix")
    reporter = lint(blocks, tmp_path)
    assert page.stem not in {diagnostic.code for diagnostic in reporter.found}
    assert not reporter.has_errors, render.full(reporter.sorted())
