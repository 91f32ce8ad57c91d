"""Files that are being read: rows of one that is another by now are those of no file that there ever was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flowc.runtime.contracts.store import File
from flowc.runtime.stores.files import unreadable

_LOOKED = 4096


class InUse:
    """The files that one load reads, as they stood when it began to. One thread notes them, another may check."""

    def __init__(self) -> None:
        self._stood: dict[Path, tuple[os.stat_result, bytes]] = {}

    def note(self, paths: Iterable[File]) -> None:
        """From now on these are not to change; of an object one version is read anyway.

        What cannot be read is told where it is.
        """
        for path in paths:
            if isinstance(path, Path) and path not in self._stood:
                with suppress(OSError):
                    at = path.stat()
                    self._stood[path] = at, _ends(path, at.st_size)

    def check(self) -> None:
        """Raises DataError (`unreadable-file`) where one has. A file of lines may grow, as logs do."""
        for path, (before, ends) in [*self._stood.items()]:
            if not _stands(path, before, ends):
                raise unreadable(path, "it was changed while it was read", "run it again when the file is whole")


def _stands(path: Path, before: os.stat_result, ends: bytes) -> bool:
    try:
        now = path.stat()
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            return False
        if now.st_size > before.st_size:
            return _ends(path, before.st_size) == ends
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def _ends(path: Path, size: int) -> bytes:
    """How a file of a size begins and ends: of one that is written anew, something else."""
    with path.open("rb") as file:
        head = file.read(_LOOKED)
        file.seek(max(0, size - _LOOKED))
        return head[:size] + file.read(min(size, _LOOKED))
