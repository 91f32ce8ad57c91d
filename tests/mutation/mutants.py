"""The mutants of a module: one small error each, as a replacement of a part of its source."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.mutation.tracing import functions

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_NOTHING = ast.Constant(None)
_DELETED = ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break
"""Statements without which a function can still run."""


@dataclass(frozen=True)
class Mutant:
    """One error in one function of a module, whose path is relative to the tree."""

    path: str
    function: str
    kind: str
    begin: tuple[int, int]
    """The line, from 1, and the position in its UTF-8 where the replaced part begins."""
    end: tuple[int, int]
    replacement: str

    def __str__(self) -> str:
        return f"{self.path}:{self.begin[0]} {self.kind}: {' '.join(self.replacement.split())}"

    def applied(self, source: str) -> str:
        """The source of the module with the error."""
        lines = source.encode().splitlines(keepends=True)
        before = [*lines[: self.begin[0] - 1], lines[self.begin[0] - 1][: self.begin[1]]]
        after = [lines[self.end[0] - 1][self.end[1] :], *lines[self.end[0] :]]
        return b"".join([*before, self.replacement.encode(), *after]).decode()


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """The mutants of all functions of a module, in the order of its source."""
    for name, function in functions(ast.parse(source)):
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        for statement in body:
            for node in _nodes(statement):
                for part, kind, replacement in _errors(node):
                    begin, end = (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)
                    yield Mutant(path, name, kind, begin, end, replacement)


def _nodes(node: ast.AST) -> Iterator[Any]:
    """The nodes that may hold an error: no annotations, messages of assertions, or parts of f-strings."""
    if isinstance(node, ast.JoinedStr | ast.Assert | ast.arguments | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.expr | ast.stmt):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _nodes(child)


def _errors(node: Any) -> Iterator[tuple[Any, str, str]]:
    """The errors of a node: the part that is replaced, the kind of error, and the replacement."""
    if isinstance(node, _DELETED) and not _is_docstring(node):
        yield node, "deleted statement", "pass"
    if isinstance(node, ast.Assign) and not any(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
        yield node, "deleted statement", "pass"
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield node, "return", ast.unparse(ast.Return(_NOTHING))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield node.test, "boolean", f"(not ({ast.unparse(node.test)}))"
    for kind, changed in _expressions(node):
        yield node, kind, f"({ast.unparse(changed)})"


def _expressions(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare(ops=[comparison, *_]) if other_comparison := _COMPARISONS.get(type(comparison)):
            yield "comparison", _with(node, lambda copied: copied.ops.__setitem__(0, other_comparison()))
        case ast.BoolOp(op=operator):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "boolean", _with(node, lambda copied: setattr(copied, "op", other))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "boolean", operand
        case ast.BinOp(op=operator, left=left) if type(operator) in _ARITHMETIC and not isinstance(left, ast.JoinedStr):
            yield "arithmetic", _with(node, lambda copied: setattr(copied, "op", _ARITHMETIC[type(operator)]()))
        case ast.Constant(value=bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield "constant", ast.Constant(value + 1)


def _with(node: Any, change: Callable[[Any], None]) -> Any:
    copied = copy.deepcopy(node)
    change(copied)
    return copied


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Yield | ast.YieldFrom | ast.Await)
