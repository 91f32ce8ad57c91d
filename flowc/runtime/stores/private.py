"""Files that only their owner may read: they hold SQL or rows, and stand where no one chose who reads them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from flowc.runtime.stores.databasefiles import BESIDE

_OWNER = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private(path: str, flags: int) -> int:
    """Opens a file for `open(…, opener=private)`; a file that exists is closed to other users from now on.

    Not for databases: see `make_private`.
    """
    handle = os.open(path, flags, _OWNER)
    found = os.fstat(handle)
    if _is_own(found) and stat.S_IMODE(found.st_mode) != _OWNER:
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
            found = os.stat(each)
            if _is_own(found) and found.st_mode & _OTHERS:
                os.chmod(each, stat.S_IMODE(found.st_mode) & ~_OTHERS)  # one that is read-only stays so


def _create(path: str) -> None:
    """Raises FileExistsError, also where another process has created it meanwhile."""
    try:
        os.mknod(path, stat.S_IFREG | _OWNER)
    except FileExistsError:
        raise
    except OSError:  # macOS lets no user call it, and some file systems have it not
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _OWNER))


def _is_own(found: os.stat_result) -> bool:
    """Whether it is a file, and this user's."""
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
