"""The files of a stream by number: found when they are whole, and remembered before their rows are read.

A number stays with its file for ever. The offset of a row is its file's number times 2^40, plus the number of its line
(in Parquet: of its row), so that a position is one whole number that only grows.
"""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flowc.errors import EngineError
from flowc.runtime.connectors.files import keeps_bad_rows, unreadable
from flowc.runtime.connectors.folder import Folder, shown
from flowc.runtime.streams.targets.contract import Fenced

SHIFT = 40
_SETTLED = 2.0
"""Seconds for which a file must not have changed before it is taken to be whole."""
_UNFINISHED = (".tmp", ".part")


class Facts(Protocol):
    """What a stream remembers by name; see `flowc.runtime.streams.state.contract.StateStore`."""

    def facts(self) -> dict[str, str]:
        """What is remembered."""

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts, or replaces them."""


@dataclass
class Passing:
    """Facts that nobody keeps: for a look at what there is."""

    known: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """What was found so far."""
        return self.known

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts for as long as this lives."""
        self.known.update(facts)


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A file as it was found: nanoseconds of its modification since 1970 UTC, its path in the folder, bytes."""

    mtime: int
    path: str
    size: int


def _now() -> int:
    return time.time_ns()


@dataclass
class Registry:
    """The files of one source. `clock` gives nanoseconds since 1970 UTC."""

    source: str
    folder: Path
    path: str
    facts: Facts
    clock: Callable[[], int] = _now
    files: list[Seen] = field(default_factory=list, init=False)
    _since: int | None = field(default=None, init=False)
    _known: dict[str, Seen] = field(default_factory=dict, init=False)
    _young: dict[Seen, int] = field(default_factory=dict, init=False)
    """Files that may still be written, and when they were first seen as they are."""

    def load(self) -> None:
        """Takes what was remembered."""
        found = self.facts.facts()
        since = found.get(self._named("since"))
        self._since = None if since is None else int(since)
        self.files = []
        while (text := found.get(self._named(str(len(self.files))))) is not None:
            kept = json.loads(text)
            self.files.append(Seen(kept["mtime"], kept["path"], kept["size"]))
        self._known = {seen.path: seen for seen in self.files}

    def begin(self, since: int) -> None:
        """Remembers that only files changed since then (nanoseconds) count; what an earlier start said stays."""
        if self._since is None:
            self._since = since
            self.facts.remember({self._named("since"): str(since)})

    def look(self) -> bool:
        """Gives numbers to the whole files that have none; says whether others are still being written.

        Raises:
            DataError: a file that has a number is another one now.
            Fenced: another worker gives numbers at the same time.
        """
        now, fresh = self.clock(), dict[Seen, int]()
        for seen in self._there():
            known = self._known.get(seen.path)
            if known is not None and known != seen:
                raise changed(self.folder / seen.path)
            if known is None and (self._since is None or seen.mtime >= self._since):
                fresh[seen] = min(self._young.get(seen, now), now)  # a clock may be set back
        settled = int(_SETTLED * 1e9)
        whole = sorted(seen for seen, at in fresh.items() if now - max(0, min(at, seen.mtime)) >= settled)
        self._young = {seen: at for seen, at in fresh.items() if seen not in set(whole)}
        self._register(whole)
        return bool(self._young)

    def _register(self, whole: list[Seen]) -> None:
        if not whole:
            return
        self.load()  # numbers that another worker gave stay
        fresh = [seen for seen in whole if seen.path not in self._known]
        first = len(self.files)
        self.facts.remember({self._named(str(first + i)): _text(seen) for i, seen in enumerate(fresh)})
        self.load()
        if self.files[first : first + len(fresh)] != fresh:
            raise Fenced(f"another worker reads the files of source `{self.source}`")

    def _named(self, what: str) -> str:
        return f"files.{self.source}.{what}"

    def _there(self) -> list[Seen]:
        found, folder = [], Folder(self.folder)
        for name in set(folder.names(self.path)):
            if _is_hidden(name) or keeps_bad_rows(name, self.path):
                continue
            try:
                found.append(self._stat(name, folder))
            except OSError:
                continue  # gone since, or a folder
        return [seen for seen in found if seen is not None]

    def _stat(self, name: str, folder: Folder) -> Seen | None:
        """A file; of a link that leads out, what it is itself. What cannot be read is seen too, and told when it is."""
        path = self.folder / name
        at = path.stat() if folder.holds(path) else path.lstat()
        return None if stat.S_ISDIR(at.st_mode) else Seen(at.st_mtime_ns, name, at.st_size)

    def check(self, number: int) -> Path:
        """Where a file is that is to be read.

        Raises:
            EngineError: it is gone.
            DataError: it is no longer what it was when it got its number.
        """
        seen = self.files[number]
        try:
            now = self._stat(seen.path, Folder(self.folder))
        except OSError:
            now = None
        if now is None:
            message = f"`{shown(self.folder / seen.path)}` is gone, and not all of it was read"
            raise EngineError(message, code="file-not-found", help="bring it back as it was")
        if now != seen:
            raise changed(self.folder / seen.path)
        return self.folder / seen.path


def changed(path: Path) -> Exception:
    """The error for a file that is another one than it was."""
    error = unreadable(path, "it was changed after the stream had begun to read it")
    error.help = "a stream reads each file once: bring it back as it was, and give new rows in a file of a new name"
    return error


def _text(seen: Seen) -> str:
    return json.dumps({"path": seen.path, "size": seen.size, "mtime": seen.mtime}, separators=(",", ":"))


def _is_hidden(name: str) -> bool:
    parts = Path(name).parts
    return any(part.startswith((".", "_")) for part in parts) or name.endswith(_UNFINISHED)
