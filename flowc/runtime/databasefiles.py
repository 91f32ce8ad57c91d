"""The files of embedded databases that this process has open, so that no other code opens them.

SQLite and DuckDB lock their files by POSIX locks. A process that closes any descriptor of a file loses all its POSIX
locks on that file. Another process then takes itself for the only one: SQLite removes the write-ahead log that is in
use, and DuckDB opens the file a second time.
"""

from __future__ import annotations

import os
import threading
from collections import Counter

BESIDE = ("-wal", "-shm", "-journal", ".wal")
"""What the names of files end in that an embedded database keeps next to its own."""
_OPEN = Counter[str]()
_GUARD = threading.Lock()


def note_open(path: str) -> str:
    """Registers a session of the database at a path; returns the path without links, for `note_closed`."""
    real = os.path.realpath(path)
    with _GUARD:
        _OPEN[real] += 1
    return real


def note_closed(real: str) -> None:
    """Removes a session that has ended."""
    with _GUARD:
        _OPEN[real] -= 1


def is_open(real: str) -> bool:
    """Whether a file, by its path without links, belongs to a database that this process has open."""
    return any(_OPEN[real.removesuffix(ending)] > 0 for ending in ("", *BESIDE))
