"""Object stores as `obstore` opens them; see `flowc.runtime.contracts.store`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from flowc.errors import EngineError, TransientError
from flowc.runtime.contracts.store import Capabilities, Changed, Content, Entry
from flowc.runtime.stores.objects import ObjectStore

_REFUSED = (PermissionDeniedError, UnauthenticatedError)
_NANOSECONDS = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class RemoteStore(ObjectStore):
    """The objects of one of `obstore.store`, whose keys are relative to its prefix; `address` is its URL for people."""

    store: Any
    address: str
    capabilities: Capabilities = field(default_factory=Capabilities)

    def shown(self, key: str = "") -> str:
        """The address of an object."""
        return f"{self.address.rstrip('/')}/{key}"

    def list(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        """The objects in the order in which the store lists them, which is that of their keys."""
        folder = prefix.rpartition("/")[0]  # the library knows prefixes of whole parts alone
        pages = iter(obstore.list(self.store, folder or None, offset=after or None))
        while (page := self._asked("", lambda: next(pages, None))) is not None:
            yield from (_entry(meta) for meta in page if meta["path"].startswith(prefix))

    def head(self, key: str) -> Entry:
        """One object."""
        return _entry(self._asked(key, lambda: obstore.head(self.store, key)))

    def read(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes of an object, if it still has the entry's etag."""
        options: Any = {"range": (start, end), **({"if_match": entry.etag} if entry.etag else {})}
        return self._asked(entry.key, lambda: bytes(obstore.get(self.store, entry.key, options=options).bytes()))

    def get(self, key: str) -> Content:
        """A small object as a whole."""
        result = self._asked(key, lambda: obstore.get(self.store, key))
        return Content(self._asked(key, lambda: bytes(result.bytes())), _version(result.meta))

    def create(self, key: str, data: bytes) -> str:
        """Writes an object that is absent."""
        written = self._asked(key, lambda: obstore.put(self.store, key, data, mode="create", use_multipart=False))
        return _version(written)

    def upload(self, key: str, path: Path) -> None:
        """Writes a local file, in several parts where it is large."""
        self._asked(key, lambda: obstore.put(self.store, key, path))

    def replace(self, key: str, data: bytes, version: str) -> str:
        """Writes an object in place of that version of it."""
        mode: Any = json.loads(version)
        return _version(self._asked(key, lambda: obstore.put(self.store, key, data, mode=mode, use_multipart=False)))

    def delete(self, prefix: str) -> None:
        """Removes an object, and those below it."""
        keys = [prefix, *(entry.key for entry in self.list(f"{prefix}/"))]
        with suppress(FileNotFoundError):
            self._asked(prefix, lambda: obstore.delete(self.store, keys))

    def move(self, moves: Sequence[tuple[str, str]]) -> None:
        """Copies objects to keys that are free, then deletes them."""
        for former, key in moves:
            with suppress(FileNotFoundError):
                self._copy(former, key)
                self.delete(former)

    def _copy(self, former: str, key: str) -> None:
        with suppress(FileExistsError):
            self._asked(former, lambda: obstore.copy(self.store, former, key, overwrite=False))

    def _asked(self, key: str, call: Callable[[], T]) -> T:
        """What a call returns, with its failures as those of the contract."""
        try:
            return call()
        except NotFoundError:
            raise FileNotFoundError(self.shown(key)) from None
        except AlreadyExistsError:
            raise FileExistsError(self.shown(key)) from None
        except PreconditionError:
            raise Changed(self.shown(key)) from None
        except _REFUSED as error:
            raise EngineError(f"`{self.shown(key)}`: {_words(error)}", code="access-denied") from None
        except BaseError as error:
            raise TransientError(f"`{self.shown(key)}`: {_words(error)}", code="connection-lost") from None


def _entry(meta: Mapping[str, Any]) -> Entry:
    # A float has no place for the nanoseconds of a time since 1970.
    seconds, micros = int(meta["last_modified"].timestamp()), meta["last_modified"].microsecond
    return Entry(meta["path"], meta["size"], seconds * _NANOSECONDS + micros * 1000, meta["e_tag"] or "")


def _version(meta: Mapping[str, Any]) -> str:
    """What a store compares before it replaces: some know an object by its etag, some by a number."""
    return json.dumps({name: meta[name] for name in ("e_tag", "version") if meta[name] is not None})


def _words(error: BaseError) -> str:
    """The first line: the rest repeats it for debuggers."""
    return str(error).partition("\n")[0]
