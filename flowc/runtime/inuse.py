"""Files that are being read: rows of one that is another by now are those of no file that there ever was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flowc.runtime.connectors.files import unreadable


class InUse:
    """The files that one load reads, as they stood when it began to. One thread notes them, another may check."""

    def __init__(self) -> None:
        self._stood: dict[Path, os.stat_result] = {}

    def note(self, paths: Iterable[Path]) -> None:
        """From now on these are not to change."""
        for path in paths:
            self._stood.setdefault(path, path.stat())

    def check(self) -> None:
        """Raises DataError (`unreadable-file`) where one has. A file may grow: what is added is for the next load."""
        for path, before in [*self._stood.items()]:
            if not _stands(path, before):
                raise unreadable(path, "it was changed while it was read", "run it again when the file is whole")


def _stands(path: Path, before: os.stat_result) -> bool:
    try:
        now = path.stat()
    except OSError:
        return False
    if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
        return False
    return now.st_size > before.st_size or (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
