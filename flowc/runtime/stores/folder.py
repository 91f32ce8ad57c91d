"""What a connection's folder holds: regular files below it. A link counts as what it leads to.

Who may put files into a folder need not be who may read or write elsewhere on the machine.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from pathlib import Path, PurePath

from flowc.errors import DataError
from flowc.runtime.contracts.store import File
from flowc.runtime.stores.databasefiles import is_open

OUTSIDE = "path-outside"


@dataclass(slots=True)
class Folder:
    """A folder as it is now: where its parts lead is asked once."""

    path: Path
    _parents: dict[str, str] = field(default_factory=dict)

    def holds(self, path: Path) -> bool:
        """Whether a path leads to what is below the folder, or would be if it were there."""
        real, top = self._real_of(path), self._real(str(self.path))
        return real == top or real.startswith(os.path.join(top, ""))

    def _real_of(self, path: Path) -> str:
        parent, name = os.path.split(path)
        plain = name != ".." and not os.path.islink(path)
        return os.path.join(self._real(parent), name) if plain else os.path.realpath(path)

    def _real(self, path: str) -> str:
        if path not in self._parents:
            self._parents[path] = os.path.realpath(path)
        return self._parents[path]

    def require(self, path: Path) -> Path:
        """The path.

        Raises:
            DataError: it leads out of the folder.
        """
        if self.holds(path):
            return path
        message = f"`{shown(path)}` leads out of `{shown(self.path)}`, the folder of its connection"
        help = "what is read or written lies below the connection's `uri`: copy it there, and remove the link"
        raise DataError(message, code=OUTSIDE, help=help)

    def file(self, path: Path) -> Path:
        """The path of a file that can be read to its end.

        Raises:
            DataError: it leads out of the folder, nowhere, to a pipe, a device or a socket, or to a database that this
                process has open.
        """
        try:
            mode = self.require(path).stat().st_mode
        except OSError:
            if not path.is_symlink():
                raise
            mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            message = f"`{shown(path)}` cannot be read: it is {_kind(mode)}, and not a file"
            raise DataError(message, code="unreadable-file", help="take it out of the folder")
        if is_open(self._real_of(path)):
            message = f"`{shown(path)}` cannot be read: it belongs to a database that flowc has open"
            raise DataError(message, code="unreadable-file", help="take it out of the folder, or name other files")
        return path

    def require_links(self, top: Path, files: Iterable[str]) -> None:
        """Requires the folders of files below `top`, and what is a link in them: each is looked at once.

        Raises:
            DataError: one leads out of the folder.
        """
        parts = {PurePath(parent) for parent in {os.path.dirname(file) for file in files}}
        for folder in {top, *(top / each for part in parts for each in (part, *part.parents))}:
            if self.require(folder).is_dir():
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_symlink():
                            self.require(Path(entry.path))

    def names(self, pattern: str, start: Path | None = None) -> Iterator[str]:
        """The paths that a pattern finds from `start` on, in no order; `**` goes through no link to a folder.

        Where `**` comes to a link that leads out of the folder, that is found: it is to be refused as a file is.
        """
        base = start or self.path
        before, deep, after = f"/{pattern}/".partition("/**/")
        if not deep:
            yield from glob.iglob(pattern, root_dir=base)
            return
        for top in glob.iglob(before[1:], root_dir=base) if before else ("",):
            if not self.holds(base / top):
                yield top
                continue
            for parent, folders, _ in os.walk(base / top):
                below = os.path.relpath(parent, base)
                folders[:] = [name for name in folders if not name.startswith(".")]
                found = (name for name in folders if not self.holds(Path(parent, name)))
                for name in (*found, *self.names(after[:-1] or "*", Path(parent))):
                    yield os.path.normpath(f"{below}/{name}")


def is_named(name: str, pattern: str) -> bool:
    """Whether a pattern names a path, which `names` found by another one, or is that path itself."""
    return naming(pattern)(name)


@lru_cache
def naming(pattern: str) -> Callable[[str], bool]:
    """As `is_named`, for many paths."""
    plain = without_dots(pattern)
    parts = plain.split("/")
    if len(parts) == 1 and plain != "**":
        match = re.compile(translate(plain)).match
        return lambda name: name == plain or ("/" not in name and match(name) is not None)
    return lambda name: name == plain or _matches(name.split("/"), parts)


def without_dots(name: str) -> str:
    """A path in its shortest spelling; behind a link, `..` may lead elsewhere, and stays."""
    return str(PurePath(name))


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns or not parts:
        return not parts and all(each == "**" for each in patterns)
    if patterns[0] != "**":
        return fnmatchcase(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])
    return len(patterns) == 1 or _matches(parts, patterns[1:]) or _matches(parts[1:], patterns)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISLNK(mode):
        return "a link that leads nowhere"
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def shown(path: File | str) -> str:
    """A path as text: bytes of a name that are not UTF-8 are marked."""
    return os.fsencode(str(path)).decode(errors="replace")
