"""A folder of this machine as a store; see `flowc.runtime.contracts.store`.

What is written is on the disk when a call returns, and readers see it whole: it is renamed into place. `replace`
compares and renames under a lock of the system, which ends with its process.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from flowc.runtime.contracts.store import Capabilities, Changed, Content, Entry
from flowc.runtime.stores.folder import Folder, shown, without_dots
from flowc.runtime.stores.lock import FileLock

_CAPABILITIES = Capabilities(whole_writes=False)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NEW = ".new"
"""The end of the name of a file that is to replace another."""


@dataclass(frozen=True, slots=True)
class LocalStore:
    """The regular files below a folder. Calls raise OSError where the system does, DataError where a link leads out."""

    folder: Path

    @property
    def local(self) -> Path:
        """The folder."""
        return self.folder

    @property
    def capabilities(self) -> Capabilities:
        """Others may write files bit by bit."""
        return _CAPABILITIES

    def shown(self, key: str = "") -> str:
        """The path."""
        return shown(self.folder / key)

    def identity(self, key: str) -> str:
        """The path that no link is in."""
        return os.path.realpath(self.folder / key)

    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.folder.is_dir()

    def holds(self, key: str) -> bool:
        """Whether the path leads to what is below the folder."""
        return Folder(self.folder).holds(self.folder / key)

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """The files below the folder, through no link to another one, in the order of their paths."""
        top, found = prefix.rpartition("/")[0], list[str]()
        for parent, _, names in os.walk(self.folder / top):
            below = os.path.relpath(parent, self.folder)
            found += (os.path.normpath(f"{below}/{name}") for name in names)
        for key in sorted(key for key in found if key.startswith(prefix) and key > after):
            with suppress(OSError):
                yield self.head(key)

    def matching(self, pattern: str, skip: Callable[[str], bool]) -> Iterator[Entry]:
        """The files that a glob names; links that lead out are among them, as what they are themselves."""
        folder = Folder(self.folder)
        named = (self.folder / pattern).is_file()
        for name in map(without_dots, {pattern} if named else set(folder.names(pattern))):
            if not skip(name):
                with suppress(OSError):  # gone since, or a folder
                    yield self._entry(name, folder)

    def head(self, key: str) -> Entry:
        """One file; of a link that leads out, what it is itself. Raises OSError: it is gone, or a folder."""
        return self._entry(key, Folder(self.folder))

    def _entry(self, key: str, folder: Folder) -> Entry:
        path = self.folder / key
        at = path.stat() if folder.holds(path) else path.lstat()
        if stat.S_ISDIR(at.st_mode):
            raise IsADirectoryError(key)
        return Entry(key, at.st_size, at.st_mtime_ns)

    def file(self, entry: Entry) -> Path:
        """The path of a file that can be read to its end."""
        return Folder(self.folder).file(self.folder / entry.key)

    def get(self, key: str) -> Content:
        """A small file as a whole; its version is a digest of its bytes."""
        data = (self.folder / key).read_bytes()
        return Content(data, _version(data))

    def create(self, key: str, data: bytes) -> str:
        """Writes a file that is absent."""
        with self._locked(key):
            if (self.folder / key).exists():
                raise FileExistsError(self.shown(key))
            return self._write(key, data)

    def upload(self, key: str, path: Path) -> None:
        """Copies a file."""
        self._parent(key)
        self._write(key, path.read_bytes())

    def replace(self, key: str, data: bytes, version: str) -> str:
        """Writes a file in place of that version of it."""
        with self._locked(key):
            try:
                if self.get(key).version != version:
                    raise Changed(self.shown(key))
            except FileNotFoundError:
                raise Changed(self.shown(key)) from None
            return self._write(key, data)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """While nobody else writes a file; its folder is there."""
        parent, _, name = key.rpartition("/")
        Folder(self.folder).require(self.folder / parent)
        lock = FileLock(self.folder / parent.removesuffix("_flowc"), name)
        lock.take()
        try:
            yield
        finally:
            lock.release()

    def _write(self, key: str, data: bytes) -> str:
        path = self.folder / key
        draft = path.with_name(path.name + _NEW)
        draft.unlink(missing_ok=True)  # with "x" it is no link to another file
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
        sync(path.parent)
        return _version(data)

    def _parent(self, key: str) -> Path:
        """The path of a file, whose folder is there."""
        path = self.folder / key
        Folder(self.folder).require(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def delete(self, prefix: str) -> None:
        """Removes a file, or a folder with what is in it."""
        path = self.folder / prefix
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def move(self, moves: Sequence[tuple[str, str]]) -> None:
        """Renames files; the names are on the disk when it returns."""
        folders: set[Path] = set()
        for former, key in moves:
            source = self.folder / former
            if source.exists():
                path = self._parent(key)
                with suppress(FileNotFoundError):  # another has done it meanwhile
                    source.replace(path)
                folders.update((path.parent, path.parent.parent))
        for folder in folders:
            sync(folder)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def url(path: Path) -> str:
    """The address by which the engine finds a file, whatever is in its name: in a path it sees patterns."""
    return "file://" + quote(os.fsencode(path.resolve()))


def has_url(path: Path) -> bool:
    """Whether the engine takes the address of a file: none that holds control characters, or bytes that are no text."""
    try:
        return not _CONTROL.search(os.fsencode(path.resolve()).decode())
    except UnicodeDecodeError:
        return False


def _version(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
