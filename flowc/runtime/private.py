"""Files that only their owner may read: they hold SQL or rows, and stand where no one chose who reads them."""

from __future__ import annotations

import os
import stat

_OWNER = 0o600


def private(path: str, flags: int) -> int:
    """Opens a file for `open(…, opener=private)`; also one that is there already is closed to others from now on."""
    handle = os.open(path, flags, _OWNER)
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) != _OWNER and found.st_uid == os.geteuid():
        os.fchmod(handle, _OWNER)
    return handle


def make_private(path: str) -> None:
    """Makes a file, empty, where there is none, before a library opens it."""
    os.close(private(path, os.O_RDWR | os.O_CREAT))
