"""Files that commands write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from flowc.runtime.stores.private import private


def write_whole(path: Path, text: str, *, owner_only: bool = False) -> None:
    """Writes a file beside the one that is there, then renames it: nobody ever sees half of it, on a full disk neither.

    A link stays one, and what is no file, as a pipe, is written to. Raises OSError.
    """
    opener = private if owner_only else None
    if path.exists() and not path.is_file():
        with open(path, "w", encoding="utf-8", opener=opener) as pipe:
            pipe.write(text)
        return
    path = path.resolve()
    beside = path.with_name(f".flowc-{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    try:
        with open(beside, "x", encoding="utf-8", opener=opener) as file:
            file.write(text)
        if path.exists() and not owner_only:
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
