"""The files of embedded databases that this process has open, so that no other code opens them.

SQLite and DuckDB lock their files by POSIX locks. A process that closes any descriptor of a file loses all its POSIX
locks on that file. Another process then takes itself for the only one: SQLite removes the write-ahead log that is in
use, and DuckDB opens the file a second time.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter

BESIDE = ("-wal", "-shm", "-journal", ".wal")
"""What the names of files end in that an embedded database keeps next to its own."""
_READ = re.compile(
    r"(?:\b(?:sqlite|read|parquet|sniff)_\w+\s*\(\s*\[?|\b(?:FROM|JOIN)|(\bATTACH(?:\s+DATABASE)?(?:\s+IF\s+NOT\s+EXISTS)?))"
    r"\s*'((?:[^']|'')+)'",
    re.IGNORECASE,
)
"""A path in DuckDB's SQL, where it means a file that the statement opens, and the ATTACH before it."""
_MEMORY = ":memory:"
_OPEN = Counter[str]()
_GUARD = threading.Lock()


def note_open(path: str) -> str:
    """Registers a session of the database at a path; returns the path without links, for `note_closed`."""
    real = path if path == _MEMORY else os.path.realpath(path)
    with _GUARD:
        _OPEN[real] += 1
    return real


def note_closed(real: str) -> None:
    """Removes a session that has ended."""
    with _GUARD:
        _OPEN[real] -= 1
        if not _OPEN[real]:
            del _OPEN[real]


def is_open(real: str) -> bool:
    """Whether a file, by its path without links, belongs to a database that this process has open."""
    return any(_OPEN[real.removesuffix(ending)] > 0 for ending in ("", *BESIDE))


def opened_by(sql: str, own: str) -> str | None:
    """The path in a statement of DuckDB of a file that belongs to a database which this process has open.

    To attach the file `own` once more opens nothing.
    """
    if not any(count > 0 and os.path.basename(path).replace("'", "''") in sql for path, count in [*_OPEN.items()]):
        return None
    for found in _READ.finditer(sql):
        attach, path = found[1], str(found[2]).replace("''", "'")
        real = os.path.realpath(path)
        if is_open(real) and not (attach and real == own):
            return path
    return None
