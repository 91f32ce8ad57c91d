"""Keeps pyarrow from loading pandas, which takes a third of a small load's time and is never given a value of ours."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

import pyarrow as pa


class _Absent:
    """Says that pandas is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def without_pandas() -> None:
    """Has pyarrow look for pandas now and not find it. It looks once, when it first makes an array from Python values.

    For a process that is flowc's own: afterwards `pandas` can be imported as ever, but pyarrow takes a Series for a
    plain sequence.
    """
    if "pandas" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(absent)
