"""Temporary folders that end with their process: what one that was killed has left, the next removes.

Each holds a file that is locked by the system for as long as its process lives, so that no folder in use is taken away.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

_PREFIX = "flowc-"
_LOCK = ".lock"


class Scratch:
    """A temporary folder that only its owner may read, gone when closed."""

    def __init__(self) -> None:
        _remove_left(tempfile.gettempdir())
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self.path = Path(self._folder.name)
        made = self.path / f"{_LOCK}.new"
        self._lock = made.open("x")
        with suppress(OSError):  # where files cannot be locked, none is found to be let go
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        made.rename(self.path / _LOCK)  # nobody sees it before it is locked

    def close(self) -> None:
        """Removes it with all that is in it."""
        self._folder.cleanup()
        self._lock.close()


@cache
def of_process() -> Path | None:
    """A folder that all of this process may use, and that ends with it; None where no file can be made."""
    try:
        scratch = Scratch()
    except OSError:
        return None
    atexit.register(scratch.close)
    return scratch.path


@cache
def _remove_left(folder: str) -> None:
    """Removes the folders of processes that are no more, once in each process."""
    with suppress(OSError), os.scandir(folder) as entries:  # a folder may take files in and show none
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with suppress(OSError):  # gone since, in use, or somebody else's
                    _remove_unused(entry)


def _remove_unused(entry: os.DirEntry[str]) -> None:
    if not entry.is_dir(follow_symlinks=False) or entry.stat(follow_symlinks=False).st_uid != os.geteuid():
        return
    lock = os.open(Path(entry.path) / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(entry.path)
    finally:
        os.close(lock)
