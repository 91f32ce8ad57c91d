"""DuckDB files that stay open between the questions of tests: to open one takes far longer than to ask.

Flowc in the same process shares what is open. Another process could not open the file, so that whoever starts one
releases it before.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_OPEN: dict[Path, tuple[Any, int]] = {}
"""The file that was asked last, with its inode."""


def session(path: Path) -> Any:
    """A connection of one's own with the file, as if it had just been opened."""
    import duckdb  # warm processes are begun by some that need nothing of it

    refresh()
    if path not in _OPEN:
        release()
        opened = duckdb.connect(str(path))
        _OPEN[path] = opened, path.stat().st_ino
    return _OPEN[path][0].cursor()


def keep(path: Path) -> None:
    """Holds a file that is open already, so that whoever opens it next shares what is open."""
    if path not in _OPEN:
        session(path).close()


def refresh() -> None:
    """Closes what is open of a file that is gone, or another one by now."""
    if any(not path.exists() or path.stat().st_ino != inode for path, (_, inode) in _OPEN.items()):
        release()


def release() -> None:
    """Closes what is open."""
    while _OPEN:
        _OPEN.popitem()[1][0].close()


os.register_at_fork(before=release)
