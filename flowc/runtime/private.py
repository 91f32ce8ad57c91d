"""Files that only their owner may read: they hold SQL or rows, and stand where no one chose who reads them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from flowc.runtime.databasefiles import BESIDE

_OWNER = 0o600


def private(path: str, flags: int) -> int:
    """Opens a file for `open(…, opener=private)`; a file that exists is closed to other users from now on.

    Not for databases: see `make_private`.
    """
    handle = os.open(path, flags, _OWNER)
    found = os.fstat(handle)
    if _is_shared(found):
        os.fchmod(handle, _OWNER)
    return handle


def make_private(path: str) -> None:
    """Creates the file of a database, empty, where it is absent, before a library opens it; opens no other file.

    A process that closes any descriptor of a file loses all its POSIX locks on that file, also those of SQLite. So this
    function creates the file without a descriptor, and changes the mode of a file that exists by its path.
    """
    with suppress(FileExistsError):
        _create(path)
        return
    for each in (path, *(path + ending for ending in BESIDE)):
        with suppress(FileNotFoundError):
            if _is_shared(os.stat(each)):
                os.chmod(each, _OWNER)


def _create(path: str) -> None:
    """Raises FileExistsError, also where another process has created it meanwhile."""
    try:
        os.mknod(path, stat.S_IFREG | _OWNER)
    except PermissionError:  # macOS lets no user call it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER))


def _is_shared(found: os.stat_result) -> bool:
    """Whether it is a file of this user that other users may read or write, or that the owner may not."""
    return stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) != _OWNER and found.st_uid == os.geteuid()
