"""Finding and reading the files of migrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowc.compiler.front.reach import Reach
from flowc.compiler.front.specfiles import SUFFIXES, is_own, is_readable, read_text
from flowc.diagnostics import Reporter
from flowc.source import SourceFile

_SUFFIX = ".sql"


def holds_migrations(path: Path) -> bool:
    """Whether a path is an SQL file, or a folder of SQL files without YAML, which would make it a folder of specs."""
    if not path.is_dir():
        return path.suffix == _SUFFIX
    below = [file.suffix for file in path.rglob("*") if file.is_file()]
    return _SUFFIX in below and not any(suffix in SUFFIXES for suffix in below)


def read_migrations(paths: Sequence[Path], reporter: Reporter) -> list[list[SourceFile]]:
    """The SQL files below the paths, each once and in the order of their names, folder by folder.

    What cannot be read is reported and left out.
    """
    folders: dict[Path, dict[Path, None]] = {}
    for path in paths:
        for file in _below(path, reporter) if path.is_dir() else [path]:
            folders.setdefault(file.parent, {}).setdefault(file)
    return [[text for file in files if (text := read_text(file, reporter))] for files in folders.values()]


def _below(folder: Path, reporter: Reporter) -> list[Path]:
    reach = Reach(folder.absolute())
    return [
        file
        for file in sorted(folder.rglob("*" + _SUFFIX))
        if is_own(file, reach, reporter) and is_readable(file, reporter)
    ]
