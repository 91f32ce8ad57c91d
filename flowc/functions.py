"""The marks of Python functions that SQL calls: `flowc.udf` and `flowc.udaf`.

They leave what they mark as it is. The types that they name are read from the file's text when a project is compiled,
so they have to be written out: `@flowc.udf(args=["double"], returns="double")`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Marked = TypeVar("Marked", bound=Callable[..., Any])


def udf(*, args: Sequence[str], returns: str) -> Callable[[Marked], Marked]:
    """Marks a function of Arrow arrays of types `args`, which returns an array of `returns` and of the same length."""
    return lambda function: function


def udaf(*, args: Sequence[str], state: Sequence[str], returns: str) -> Callable[[Marked], Marked]:
    """Marks an aggregate: a class with `update`, `merge`, `state` and `evaluate`, whose state has types `state`."""
    return lambda aggregate: aggregate
