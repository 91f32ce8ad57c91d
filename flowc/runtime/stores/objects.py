"""What object stores have in common: how a glob is listed, and objects as files that are read range by range."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, cast

from flowc.runtime.contracts.store import Entry
from flowc.runtime.stores.folder import naming, without_dots

_BUFFER = 1 << 20
"""Bytes that are asked for together, where a reader wants fewer."""


class ObjectStore:
    """The part of a store that follows from its `list` and from reading one range of an object."""

    @property
    def local(self) -> None:
        """No engine can read objects by paths."""
        return

    @abstractmethod
    def shown(self, key: str = "") -> str:
        """The address of an object, or of the store."""

    @abstractmethod
    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """The objects whose keys begin with `prefix` and follow `after`, in the order of their keys."""

    @abstractmethod
    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes of an object in one version of it.

        Raises:
            FileNotFoundError: it is gone.
            Changed: it is another one by now.
        """

    def identity(self, key: str) -> str:
        """The address."""
        return self.shown(key)

    def exists(self) -> bool:
        """A prefix is there even where no object has it."""
        return True

    def holds(self, key: str) -> bool:
        """There are no links."""
        return True

    def matching(self, pattern: str, skip: Callable[[str], bool]) -> Iterator[Entry]:
        """The objects that a glob names, from a list of those that begin as it does."""
        pattern = without_dots(pattern)
        plain = pattern[: next((at for at, sign in enumerate(pattern) if sign in "*?["), len(pattern))]
        named = naming(pattern)
        yield from (entry for entry in self.list(plain) if named(entry.key) and not skip(entry.key))

    def file(self, entry: Entry) -> ObjectFile:
        """An object to be read."""
        return ObjectFile(self, entry)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """One version of an object; see `flowc.runtime.contracts.store.File`."""

    store: ObjectStore
    entry: Entry

    def __str__(self) -> str:
        return self.store.shown(self.entry.key)

    @property
    def suffix(self) -> str:
        """The end of its name."""
        return PurePosixPath(self.entry.key).suffix

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Its bytes."""
        return cast("BinaryIO", io.BufferedReader(_Ranges(self.store, self.entry), _BUFFER))


class _Ranges(io.RawIOBase):
    """The bytes of an object; each read asks for one range."""

    def __init__(self, store: ObjectStore, entry: Entry) -> None:
        self._store, self._entry, self._at = store, entry, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._entry.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fills the buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        end = min(self._at + len(view), self._entry.size)
        if end <= self._at:
            return 0
        data = self._store.read(self._entry, self._at, end)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
