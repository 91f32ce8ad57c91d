"""The contract of a store of files: a folder of this machine, or the objects below a prefix of an object store.

Keys are paths relative to the store, with `/` between their parts.

Every store writes an object whole and reports only then that it did: after a crash the object is there as a whole, or
not at all. A call that fails may have had its effect, so callers repeat a call only where twice means the same as once.
Of an object that is absent, stores raise FileNotFoundError. Where the store itself fails, they raise TransientError or
EngineError; a folder raises OSError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from flowc.errors import TransientError


class Changed(TransientError):
    """An object is not, or no longer, at the version that was named."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` was changed meanwhile", code="unreadable-file", help="run it again")


class File(Protocol):
    """A file that can be read: a `Path`, or an object of a store, whose text is its name for people."""

    @property
    def suffix(self) -> str:
        """The end of its name, from the last dot on."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Its bytes, which can be read from any place on. Raises Changed where it is another object by now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a store lists it: bytes, nanoseconds of its last change since 1970 UTC.

    `etag` differs for each version of the object; it is empty where only size and time tell them apart.
    """

    key: str
    size: int
    mtime: int
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """All bytes of a small object, and the version that `replace` expects."""

    data: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do.

    `conditional_writes`: `create` and `replace` act only on what is absent or unchanged, whoever else writes.
    `whole_writes`: no object is listed before it is written to its end, whoever writes it. `lag`: seconds for which
    lists and reads may answer as if a write had not happened; writes, moves among them, know of all that were before.
    """

    conditional_writes: bool = True
    whole_writes: bool = True
    lag: float = 0.0


class Store(Protocol):
    """One store of files."""

    @property
    def local(self) -> Path | None:
        """The folder that holds the files, where engines can read them by their paths; None for an object store."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def shown(self, key: str = "") -> str:
        """The name of an object, or of the store, for people."""

    def identity(self, key: str) -> str:
        """What names an object alike in all stores that hold it."""

    def exists(self) -> bool:
        """Whether the store is there, be it empty."""

    def holds(self, key: str) -> bool:
        """Whether a key leads to what is in the store, and not out of it through a link."""

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """The objects whose keys begin with `prefix` and follow `after`, in the order of their keys."""

    def matching(self, pattern: str, skip: Callable[[str], bool]) -> Iterator[Entry]:
        """The objects that a glob names, in no order, but for the keys that `skip` is true of."""

    def head(self, key: str) -> Entry:
        """One object. Raises FileNotFoundError."""

    def file(self, entry: Entry) -> File:
        """An object to be read, in the version of the entry where that has an etag.

        Raises:
            DataError: it leads out of the store, or is no file.
        """

    def get(self, key: str) -> Content:
        """A small object as a whole. Raises FileNotFoundError."""

    def create(self, key: str, data: bytes) -> str:
        """Writes a small object, and returns its version.

        Raises:
            FileExistsError: there is one.
        """

    def upload(self, key: str, path: Path) -> None:
        """Writes a local file as an object of a key that nobody else writes."""

    def replace(self, key: str, data: bytes, version: str) -> str:
        """Writes an object in place of that version of it, and returns the new version.

        Raises:
            Changed: it is gone, or of another version.
        """

    def delete(self, prefix: str) -> None:
        """Removes an object, if it is there, and all whose keys begin with the prefix and `/`."""

    def move(self, moves: Sequence[tuple[str, str]]) -> None:
        """Gives objects other keys, each a former and a new one.

        May be done again, and by two at once: of an object that is absent nothing is done, and one that already has the
        new key stays as it is.
        """
