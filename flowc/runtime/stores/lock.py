"""A named lock of a lake on this machine: two loads of one table wait for each other instead of one failing.

Only for patience: what keeps loads apart is that a commit to a table that has changed fails. The lock is a file that
is locked by the system, so it ends with its process, and that is gone when nobody holds it.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

_FOLDER = "_flowc"
_OFTEN = 1000
"""More often in a row than others can take away what is made here."""


class FileLock:
    """One lock, free until `take` is called."""

    def __init__(self, lake: Path, name: str) -> None:
        self._lake = lake
        self._path = lake / _FOLDER / (re.sub(r"[^\w.-]", "_", name) + ".lock")
        self._handle: int | None = None
        self._made: list[Path] = []

    def take(self) -> None:
        """Waits for the lock. Raises OSError where its file cannot be made."""
        failed = 0
        while self._handle is None:
            try:
                self._make_folders()
                self._handle = self._locked(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644))
            except (FileNotFoundError, FileExistsError):
                # Whoever lets go removes the folders, perhaps while they are made here; a dead link stays one.
                failed += 1
                if failed > _OFTEN:
                    raise

    def release(self) -> None:
        """Lets go, and removes what `take` has made."""
        if self._handle is None:
            return
        with suppress(OSError):
            self._path.unlink()
        for folder in [self._path.parent, *reversed(self._made)]:
            # Others may have put something there.
            with suppress(OSError):
                folder.rmdir()
        self._made.clear()
        # Last: whoever waits makes the folders anew, and must not see them half removed.
        os.close(self._handle)
        self._handle = None

    def _make_folders(self) -> None:
        for folder in (*reversed(self._lake.parents), self._lake):
            if not folder.exists():
                # Who makes a folder removes it: what another has made meanwhile is not ours.
                with suppress(FileExistsError):
                    folder.mkdir()
                    self._made.append(folder)
        self._path.parent.mkdir(exist_ok=True)

    def _locked(self, handle: int) -> int | None:
        """The handle when it holds the lock; None where the one before has removed the file meanwhile."""
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.fstat(handle).st_ino == self._path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
        return None
