"""Python functions of a project, for queries on the engine: loaded from the project's root, told by their plans.

A scalar function gets Arrow arrays and returns one of the same length, once per batch. An aggregate is a class with
`update` or `update_batch` (arrays), `merge` or `merge_batch` (arrays of states), `evaluate` and `state`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from flowc.errors import DataError, UsageError
from flowc.loadplan import FunctionPlan
from flowc.runtime.engine.context import register
from flowc.runtime.engine.functiontypes import declared_type, given_types, refused_call, scalar, spoken_types, taken
from flowc.runtime.engine.json import without_json
from flowc.runtime.exits import in_their_code

CODE = "function-failed"
_PROJECT = "flowc_project"
"""The package that holds modules of a project whose names are others'; for each root another."""
_METHODS = (("update", "update_batch"), ("merge", "merge_batch"), ("state",), ("evaluate",))
"""What an aggregate has, under one of these names."""
_SAID = 2000
"""How much is shown of what an author's code says when it fails."""

Fail = Callable[[DataError], None]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that was loaded: its plan and the Python object."""

    plan: FunctionPlan
    python: Any

    def register(self, context: Any, fail: Fail, given: Sequence[pa.DataType] | None = None) -> None:
        """Makes it known to a session of the engine, for values of the types `given` if not of those declared.

        `fail` is told of errors before they are raised.
        """
        gives, takes = declared_type(self.plan.returns), list(given or map(declared_type, self.plan.args))
        wanted = [taken(kind, of) or of for kind, of in zip(self.plan.args, takes, strict=True)]
        if not self.plan.aggregate:
            register(context, self.plan.called, self._scalar(wanted, gives, fail), takes, gives)
            return
        datafusion, aggregate = importlib.import_module("datafusion"), Aggregate.of(self, wanted, fail)
        make = _accumulator(aggregate, datafusion.Accumulator)
        context.register_udaf(datafusion.udaf(make, takes, gives, [*aggregate.state], "stable", self.plan.called))

    def _scalar(self, wanted: Sequence[pa.DataType], gives: pa.DataType, fail: Fail) -> Callable[..., pa.Array]:
        def called(*arrays: pa.Array) -> pa.Array:
            count = len(arrays[0]) if arrays else 1
            return self.guarded(fail, lambda: _array(self.python(*_exactly(arrays, wanted)), gives, count))

        return called

    def guarded(self, fail: Fail, work: Callable[[], Any]) -> Any:
        """What `work` returns; what the author's code raises is told with the function's name."""
        try:
            with in_their_code():
                return work()
        except BaseException as error:  # of any sort: the engine calls this in threads that no signal comes to
            failure = DataError(f"function `{self.plan.name}` failed: {_words(error)}", code=CODE)
            fail(failure)
            raise failure from error


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate for arguments of some types: what is called of the author's objects, one for each group.

    All of it raises DataError (`function-failed`) where the author's code fails, or gives what is not declared.
    """

    function: Function
    wanted: tuple[pa.DataType, ...]
    """The types in which it gets its arguments."""
    state: tuple[pa.DataType, ...]
    gives: pa.DataType
    fail: Fail

    @classmethod
    def of(cls, function: Function, wanted: Sequence[pa.DataType], fail: Fail) -> Aggregate:
        """That of a function that was loaded."""
        state = tuple(declared_type(kind) for kind in function.plan.state)
        return cls(function, tuple(wanted), state, declared_type(function.plan.returns), fail)

    def begin(self) -> Any:
        """The author's object, for a group that has no row yet."""
        return self.function.guarded(self.fail, self.function.python)

    def update(self, own: Any, values: Sequence[pa.Array]) -> None:
        """Adds rows: an array for each argument."""
        self.function.guarded(self.fail, lambda: _method(own, "update")(*_exactly(values, self.wanted)))

    def merge(self, own: Any, states: Sequence[pa.Array]) -> None:
        """Adds states of others: an array for each column of the state."""
        self.function.guarded(self.fail, lambda: _method(own, "merge")(*states))

    def state_of(self, own: Any) -> list[pa.Scalar]:
        """What is known so far."""
        return self.function.guarded(self.fail, lambda: _scalars(own.state(), self.state))  # type: ignore[no-any-return]

    def evaluate(self, own: Any) -> pa.Scalar:
        """The result."""
        return self.function.guarded(self.fail, lambda: scalar(own.evaluate(), self.gives, "evaluate"))


Load = Callable[[Sequence[FunctionPlan]], Sequence[Function]]
"""Loads functions by their plans."""


def no_functions(plans: Sequence[FunctionPlan]) -> tuple[Function, ...]:
    """Loads none: for reads that call none."""
    assert not plans, "a read that calls functions was not told how to load them"
    return ()


def load_functions(plans: Sequence[FunctionPlan], root: Path) -> tuple[Function, ...]:
    """Imports the functions: from files of the project's root, else from what is installed.

    Raises UsageError for a module or a name that is not there, a module that fails, and what is no such function.
    """
    return tuple(Function(plan, _loaded(plan, root)) for plan in plans)


def is_loaded(plan: FunctionPlan, root: Path) -> bool:
    """Whether this process has imported the module of a function: an edit does not change it any more."""
    name = plan.python.partition(":")[0]
    return name in sys.modules or f"{_package(root)}.{name}" in sys.modules


def register_all(functions: Sequence[Function], context: Any, sql: str, fail: Fail) -> None:
    """Makes functions known to a session of the engine, for the types that a query gives them.

    What a function does not take is left for the engine to refuse when it plans the query.
    """
    given = _given(functions, context, sql, fail)
    for function in functions:
        function.register(context, fail, given.get(function.plan.called))


def _given(functions: Sequence[Function], context: Any, sql: str, fail: Fail) -> Mapping[str, list[pa.DataType]]:
    """What functions are given that is not of the types declared, by their names in the engine."""
    stand_ins = [each if each.plan.aggregate else replace(each, python=nulls) for each in functions]
    given: dict[str, list[pa.DataType]] = {}
    while True:
        for function in stand_ins:
            function.register(context, fail, given.get(function.plan.called))
        refused = _refused(context, sql)
        if refused is None or refused[0] in given:
            return given
        plan = next(each.plan for each in functions if each.plan.called == refused[0])
        types = given_types(refused[1], plan.args)
        if not all(taken(kind, of) for kind, of in zip(plan.args, types, strict=True)):
            return given
        given[refused[0]] = types


def _refused(context: Any, sql: str) -> tuple[str, str] | None:
    try:
        # Types inside conditions are looked at by the optimizer only, which computes with literals, too.
        context.sql(without_json(sql)).optimized_logical_plan()
    except Exception as error:
        return refused_call(error)
    return None


def nulls(*arrays: pa.Array) -> pa.Array:
    """Stands for a function in a query that is only planned."""
    return pa.nulls(len(arrays[0]) if arrays else 1)


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Stands for an object of an aggregate: of no rows, which there may be a group of, it gives NULL."""

    columns: int

    def update(self, *arrays: pa.Array) -> None:
        """Adds nothing."""

    def merge(self, *arrays: pa.Array) -> None:
        """Adds nothing."""

    def state(self) -> list[None]:
        """NULL for each column."""
        return [None] * self.columns

    def evaluate(self) -> None:
        """NULL."""


def stand_in(plan: FunctionPlan) -> Function:
    """A function for queries that are run over no rows, to see what they give."""
    return Function(plan, partial(_Nothing, len(plan.state)) if plan.aggregate else nulls)


def mistyped(error: BaseException) -> DataError | None:
    """What an engine says of a call with arguments that a function does not take; None for other words of it."""
    refused = refused_call(error)
    if refused is None:
        return None
    name, given = refused[0].removeprefix("flowc_fn_"), spoken_types(refused[1])
    message = f"function `{name}` does not take what the SQL gives it ({given})"
    return DataError(message, code="wrong-arguments", help="CAST the arguments to its types, in every call alike")


def _loaded(plan: FunctionPlan, root: Path) -> Any:
    module_name, _, name = plan.python.partition(":")
    try:
        with in_their_code():
            found = getattr(_module(module_name, root), name)
        _check_kind(plan, found)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script that ends the process is no module
        message = f"function `{plan.name}` cannot be loaded from `{plan.python}`: {_words(error)}"
        raise UsageError(message, code="function-not-loaded", help=f"it is looked for under `{root}`") from error
    return found


def _words(error: BaseException) -> str:
    """What the author's code raised: its class may be the author's too, and fail to say anything, or never end."""
    try:
        said = str(error)
    except BaseException as failed:
        said = f"its text cannot be made ({type(failed).__name__})"
    shown = said if len(said) <= _SAID else f"{said[:_SAID]}…"
    return f"{type(error).__name__}: {shown}" if said else type(error).__name__


def _module(name: str, root: Path) -> ModuleType:
    """A module of the project, by its file, under its own name unless that is another's; else an installed one.

    What it imports in turn is looked for in the project last, so that no file there takes the place of a library.
    """
    if str(root) not in sys.path:
        sys.path.append(str(root))
    path = root.joinpath(*name.split("."))
    file = next((each for each in (path / "__init__.py", Path(f"{path}.py")) if each.is_file()), None)
    if file is None or _is_at(name, file):
        return importlib.import_module(name)
    package = _package(root)
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(root)]
    return importlib.import_module(f"{package}.{name}")


def _package(root: Path) -> str:
    return f"{_PROJECT}_{sha256(os.fsencode(root)).hexdigest()[:16]}"


def _is_at(name: str, file: Path) -> bool:
    """Whether an import of the name comes to the file. What the name is in is imported, it itself is not."""
    try:
        found = find_spec(name)
    except (ModuleNotFoundError, ValueError):  # in a module that is no package; made by a program
        return False
    return found is not None and os.path.realpath(found.origin or "") == os.path.realpath(file)


def _check_kind(plan: FunctionPlan, found: Any) -> None:
    if not callable(found):
        raise TypeError(f"it is {type(found).__name__}, which cannot be called")
    missing = [names for names in _METHODS if not any(callable(getattr(found, name, None)) for name in names)]
    if plan.aggregate and missing:
        raise TypeError(f"an aggregate is a class, and this one has no `{'` or `'.join(missing[0])}`")


def _array(made: Any, gives: pa.DataType, count: int) -> pa.Array:
    array = made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    if not isinstance(array, pa.Array):
        raise TypeError(f"it returned {type(made).__name__}, and has to return an Arrow array")
    if len(array) != count:
        raise ValueError(f"it returned {len(array)} values for {count} rows")
    return array if array.type == gives else array.cast(gives)


def _exactly(arrays: Sequence[pa.Array], wanted: Sequence[pa.DataType]) -> list[pa.Array]:
    """Arrays in the types that a function takes; raises where that would change a value."""
    return [a if a.type == kind else a.cast(kind) for a, kind in zip(arrays, wanted, strict=True)]


def _accumulator(aggregate: Aggregate, base: type) -> type[Any]:
    """The author's class as the engine wants it: values of state and result as Arrow scalars."""

    class Accumulator(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self._own = aggregate.begin()

        def update(self, *values: pa.Array) -> None:
            aggregate.update(self._own, values)

        def merge(self, states: list[pa.Array]) -> None:
            aggregate.merge(self._own, states)

        def state(self) -> list[pa.Scalar]:
            return aggregate.state_of(self._own)

        def evaluate(self) -> pa.Scalar:
            return aggregate.evaluate(self._own)

    return Accumulator


def _method(own: Any, name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(own, name, None) or getattr(own, f"{name}_batch")
    return method


def _scalars(given: Any, kinds: Sequence[pa.DataType]) -> list[pa.Scalar]:
    values = list(given) if isinstance(given, list | tuple) else [given]
    if len(values) != len(kinds):
        raise ValueError(f"`state` returned {len(values)} values, and {len(kinds)} are declared")
    return [scalar(value, kind, "state") for value, kind in zip(values, kinds, strict=True)]
