"""What a process of flowc's own does without: pandas, and asking the system for the memory of each batch anew.

pyarrow loads pandas, which takes a third of a small load's time and is never given a value of ours. The GNU C library
gives memory back that is free at the end of its heap, so that each batch of a stream faults its pages in again, which
takes a tenth of the time of one that counts.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.machinery import ModuleSpec

_TRIM, _MMAP = (-1, 64 << 20), (-3, 32 << 20)
"""Options of the library, by their numbers, and the bytes that are kept for it, and from which on others are not."""


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
    import pyarrow as pa

    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(absent)


def keep_memory() -> None:
    """Has the C library keep so much of what is freed; others than GNU's have no such option."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for option, size in (_TRIM, _MMAP):
            library.mallopt(option, size)
