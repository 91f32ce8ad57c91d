"""No function of flowc takes more than five positional arguments, and no call passes more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = 5

FORCED = {
    "datafusion.udaf", "nodes.Filter", "pc.binary_join_element_wise",
    "sdk.HistogramDataPoint", "super().redirect_request",
}  # fmt: skip
"""Functions of libraries whose arguments are positional, or any number of values."""
INHERITED = {"redirect_request"}
"""Methods whose parameters a library sets."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
MODULES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "flowc").rglob("*.py"))
}
VARIADIC = {
    node.name
    for module in MODULES.values()
    for node in ast.walk(module)
    if isinstance(node, Function) and node.args.vararg is not None
}
"""Functions that take any number of values of one kind, as `*values`."""


def is_command(function: Function) -> bool:
    """Whether click calls the function, which passes each option by its name."""
    marks = {getattr(mark, "attr", "") for mark in map(_called, function.decorator_list)}
    return not marks.isdisjoint({"command", "group", "option", "argument"})


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _parameters(function: Function) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def _arguments(call: ast.Call) -> int:
    name = ast.unparse(call.func)
    is_free = name in FORCED or name.rpartition(".")[2] in VARIADIC
    return 0 if is_free else sum(not isinstance(argument, ast.Starred) for argument in call.args)


def offenders(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the name of each function and call with more than five positional arguments."""
    for node in ast.walk(module):
        if isinstance(node, Function):
            if _parameters(node) > MOST and not is_command(node) and node.name not in INHERITED:
                yield node.lineno, f"def {node.name}"
        elif isinstance(node, ast.Call) and _arguments(node) > MOST:
            yield node.lineno, ast.unparse(node.func)


def test_no_more_than_five_arguments_are_positional():
    seen = {path: list(offenders(module)) for path, module in MODULES.items()}
    assert [f"{path}:{line}: {name}" for path, lines in seen.items() for line, name in lines] == []


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("def f(a, b, c, d, e): ...", True),
        ("def f(a, b, c, d, e, f): ...", False),
        ("def f(a, b, /, c, d, e, f): ...", False),
        ("def f(a, b, c, d, e, *, f, g): ...", True),
        ("async def f(a, b, c, d, e, f): ...", False),
        ("class C:\n    def f(self, a, b, c, d, e): ...", True),
        ("class C:\n    def f(self, a, b, c, d, e, f): ...", False),
        ("@main.command()\ndef f(a, b, c, d, e, f): ...", True),
        ("@cache\ndef f(a, b, c, d, e, f): ...", False),
        ("f(1, 2, 3, 4, 5)", True),
        ("f(1, 2, 3, 4, 5, 6)", False),
        ("f(1, 2, 3, 4, 5, f=6)", True),
        ("f(1, 2, 3, 4, 5, *rest)", True),
        ("module.C(1, 2, 3, 4, 5, 6)", False),
        ("datafusion.udaf(1, 2, 3, 4, 5, 6)", True),
    ],
)
def test_many_positional_arguments_are_seen(code: str, allowed: bool):
    assert (not list(offenders(ast.parse(code)))) is allowed
