"""The POSIX locks that processes have on files, as Linux lists them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowc.runtime.stores.databasefiles import BESIDE

LISTED = Path("/proc/locks")
needs_list = pytest.mark.skipif(not LISTED.exists(), reason="only Linux lists the locks of files")


def locks(*databases: Path, process: int | None = None) -> list[tuple[str, ...]]:
    """The locks of a process, or of this one, on the files of databases: the file, the kind of lock, and the range."""
    files = {
        f"{file.stat().st_ino}": file.name
        for database in databases
        for ending in ("", *BESIDE)
        if (file := Path(f"{database}{ending}")).exists()
    }
    rows = (line.split() for line in LISTED.read_text().splitlines() if "->" not in line)
    mine = (row for row in rows if row[4] == str(process or os.getpid()))
    # Devices are left out: an overlay has others than the files below it.
    return sorted((files[inode], *row[3:4], *row[6:]) for row in mine if (inode := row[5].split(":")[2]) in files)
