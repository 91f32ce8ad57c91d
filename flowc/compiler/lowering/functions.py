"""The types of a project's functions: written in the YAML, or in the text of the function's module.

The text is read for `flowc.udf` and `flowc.udaf`, and never imported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowc.compiler.front.streamspec import FunctionSpec
from flowc.compiler.lowering.functioncode import code_of
from flowc.loadplan import FunctionPlan
from flowc.types import UNKNOWN, parse_type


@dataclass(frozen=True, slots=True)
class Untyped:
    """A function whose types are not known, and why; without a reason, what is wrong with it has been reported."""

    name: str
    reason: str | None = None


Functions = Mapping[str, FunctionPlan | Untyped]
"""By their names in lower case."""


def declared(functions: Mapping[str, FunctionSpec], root: str) -> Functions:
    """What is known of each function of a project."""
    return {name.lower(): _with_code(_plan(spec, Path(root)), Path(root)) for name, spec in functions.items()}


def _with_code(found: FunctionPlan | Untyped, root: Path) -> FunctionPlan | Untyped:
    return replace(found, code=code_of(root, found.python)) if isinstance(found, FunctionPlan) else found


@dataclass(frozen=True, slots=True)
class _Types:
    args: tuple[str, ...]
    returns: str
    state: tuple[str, ...] = ()


def _plan(spec: FunctionSpec, root: Path) -> FunctionPlan | Untyped:
    name, python = spec.name.value, spec.python
    if python is None or spec.gaps or (spec.args is None) != (spec.returns is None):
        return Untyped(name)
    if spec.returns is not None:
        args, state = (tuple(each.value for each in given or ()) for given in (spec.args, spec.state))
        if UNKNOWN in (*args, *state, spec.returns.value):
            return Untyped(name)
        return FunctionPlan(
            name, python.value, aggregate=spec.aggregates, args=args, returns=spec.returns.value, state=state,
        )  # fmt: skip
    found = _decorated(root, python.value)
    if isinstance(found, str):
        return Untyped(name, found)
    types, aggregate = found
    try:
        args, state = (tuple(map(parse_type, each)) for each in (types.args, types.state))
        return FunctionPlan(
            name, python.value, aggregate=aggregate, args=args, returns=parse_type(types.returns), state=state,
        )  # fmt: skip
    except ValueError:
        return Untyped(name, f"`{python.value}` is marked with what is no type")


def _decorated(root: Path, python: str) -> tuple[_Types, bool] | str:
    """The types in the decorator of a function or class and whether it is an aggregate's, or why there are none."""
    module, _, name = python.partition(":")
    path = _path(root, module)
    try:
        tree = ast.parse(_text(path))
    except SyntaxError as error:
        return f"`{path.relative_to(root)}` is no Python: line {error.lineno}: {error.msg}"
    except (OSError, ValueError):
        return f"`{path.relative_to(root)}` cannot be read in the project's root"
    found = (n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name)
    node = next(found, None)
    if node is None:
        return f"`{path.relative_to(root)}` defines no `{name}`"
    marks = (_mark(mark) for mark in node.decorator_list)
    reason = f"`{name}` in `{path.relative_to(root)}` has no `@flowc.udf` or `@flowc.udaf` with types written out"
    return next((mark for mark in marks if mark is not None), reason)


def _text(path: Path) -> str:
    """Reading a pipe or a device that has a module's name might never end."""
    if not path.is_file():
        raise OSError(f"{path} is not a file")
    return path.read_text("utf-8")


def _path(root: Path, module: str) -> Path:
    path = root.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _mark(node: ast.expr) -> tuple[_Types, bool] | None:
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in ("udf", "udaf"):
        return None
    try:
        given: dict[str, Any] = {each.arg or "": ast.literal_eval(each.value) for each in node.keywords}
        return _Types(tuple(given["args"]), str(given["returns"]), tuple(given.get("state", ()))), name == "udaf"
    except (ValueError, KeyError, TypeError):
        return None
