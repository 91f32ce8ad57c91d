"""The files of a stream by number: found when they are whole, and remembered before their rows are read.

A number stays with its file for ever. The offset of a row is its file's number times 2^40, plus the number of its line
(in Parquet: of its row), so that a position is one whole number that only grows.

Where a stream starts later than with the first file, what was there then and does not count is remembered. All else
counts, whenever it says that it was changed: copies keep older times, and clocks are set.
"""

from __future__ import annotations

import json
import logging
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path

from flowc.errors import EngineError, TransientError
from flowc.runtime.contracts.opening import Facts
from flowc.runtime.contracts.store import Entry, Store
from flowc.runtime.contracts.target import Fenced
from flowc.runtime.stores.files import SHIFT, keeps_bad_rows, unreadable
from flowc.runtime.stores.folder import is_named, naming
from flowc.runtime.stores.local import LocalStore
from flowc.runtime.systems.files.paths import Paths, Stretch

_log = logging.getLogger("flowc.files")
EVER = 1 << 80
"""Later than any modification; its negative is before all of them."""
_SETTLED = 2 * 10**9
"""Nanoseconds for which a file must not have changed before it is taken to be whole."""
_DIGEST, _TOGETHER = 16, 4096
"""Bytes by which a file that does not count is remembered, and how many of them stand in one fact."""
_TRIES = 5
"""How often numbers are given that other workers may take first."""
_FEW = 1000
"""Numbers up to which each is asked for by its name."""
_UNFINISHED = (".tmp", ".part")


@dataclass
class Passing:
    """Facts that nobody keeps: for a look at what there is."""

    known: dict[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """What was found so far."""
        return self.known

    def recall(self, names: Iterable[str]) -> dict[str, str]:
        """Those of some names that were found so far."""
        return {name: self.known[name] for name in names if name in self.known}

    def remember(self, facts: Mapping[str, str]) -> None:
        """Adds facts for as long as this lives."""
        if any(self.known.get(name, value) != value for name, value in facts.items()):
            raise Fenced("another worker has stored other facts")
        self.known.update(facts)


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A file as it was found: nanoseconds of its modification since 1970 UTC, its path in the store, bytes."""

    mtime: int
    path: str
    size: int
    etag: str = ""
    """As in `flowc.runtime.contracts.store.Entry`."""

    @classmethod
    def of(cls, entry: Entry) -> Seen:
        """A file as its store lists it."""
        return cls(entry.mtime, entry.key, entry.size, entry.etag)

    @property
    def entry(self) -> Entry:
        """The same for its store."""
        return Entry(self.path, self.size, self.mtime, self.etag)


@dataclass
class Registry:
    """The files of one source. `clock` gives nanoseconds since 1970 UTC, `steady` those of a clock that nobody sets."""

    source: str
    store: Store
    path: str
    facts: Facts
    clock: Callable[[], int] = time.time_ns
    steady: Callable[[], int] = time.monotonic_ns
    files: list[Seen] = field(default_factory=list, init=False)
    _since: int | None = field(default=None, init=False)
    _left: frozenset[bytes] | None = field(default=None, init=False)
    """The digests of the files that were there at the start and do not count."""
    _numbers: dict[str, int] = field(default_factory=dict, init=False)
    """By path, the number under which a file was read or will be read: none for a file that was left out."""
    _paths: dict[str, str] = field(default_factory=dict, init=False)
    _place: tuple[int, str] = field(default=(0, ""), init=False)
    """The position that the stream stands at, and the key of the stretch that ends there."""
    stretch: Stretch = field(default=Stretch(""), init=False)
    """The positions from there on."""
    _young: dict[Seen, int] = field(default_factory=dict, init=False)
    """Files that may still be written, and since when they are as they are."""
    _looked: bool = field(default=False, init=False)

    def load(self) -> None:
        """Takes what was remembered."""
        found = self.facts.facts()
        since = found.get(self._named("since"))
        self._since = None if since is None else int(since)
        self.files = [_seen(text) for text in self._numbered("", found)]
        paths = self._named("path.")
        self._paths |= {name.removeprefix(paths): text for name, text in found.items() if name.startswith(paths)}
        self._assign_numbers()
        if self._left is None and (parts := list(self._numbered("left.", found))):
            self._left = frozenset(_digests(parts))

    def knows(self, key: str) -> bool:
        """Whether the history of paths that ends with a stretch is known."""
        return Paths(self._paths).has(key)

    def stand(self, position: int, key: str) -> None:
        """Starts at a position: files before it that were left out get another number when `path` names them again."""
        self._place, self.stretch = (position, key), Paths(self._paths).following(self.path, position, key)
        self._assign_numbers()

    @property
    def unedited(self) -> bool:
        """Whether files are read by the same path as before the position."""
        return self.stretch.key == self._place[1]

    def store_stretch(self) -> None:
        """Stores by which path files are read from now on, before a position refers to it."""
        key = self.stretch.key
        if key not in self._paths:
            self.facts.remember({self._named(f"path.{key}"): self.stretch.text})
            self._paths[key] = self.stretch.text

    def _assign_numbers(self) -> None:
        """Finds the first number under which each file was read or will be read, as it was found last."""
        newest = {seen.path: seen for seen in self.files}
        self._numbers = {}
        for number in self.read_numbers():
            seen = self.files[number]
            if newest[seen.path] == seen:
                self._numbers.setdefault(seen.path, number)

    def read_numbers(self) -> Iterator[int]:
        """The numbers of the files that were read up to where the stream stands, and of all behind it, in order.

        The path at the first position of a file decides for all of it.
        """
        (position, key), last = self._place, 0
        for stretch, end in sorted(Paths(self._paths).until(position, key), key=lambda part: part[1]):
            yield from self._begun(last, stretch.begin)
            named, last = naming(stretch.path), end
            yield from (number for number in self._begun(stretch.begin, end) if named(self.files[number].path))
        yield from self._begun(last, len(self.files) << SHIFT)

    def _begun(self, start: int, end: int) -> range:
        """The numbers of the files that begin between two positions."""
        return range(-(-start >> SHIFT), min(-(-end >> SHIFT), len(self.files)))

    def begin(self, since: int) -> None:
        """Remembers the files that do not count: they are there, and were changed before `since` (nanoseconds).

        What an earlier start said stays.

        Raises:
            TransientError: the folder is not there, so that nobody can tell what does not count.
        """
        if self._since is None:
            if since > -EVER and not self.store.exists():
                raise TransientError(
                    f"`{self.store.shown()}`, the folder of source `{self.source}`, is not there, and `start` leaves "
                    "out what is in it when the stream first starts",
                    code="file-not-found",
                    help="make the folder, or mount it",
                )
            self._leave(since)

    def _leave(self, since: int) -> None:
        time.sleep(0 if since <= -EVER else self._lags)  # from then on a list has what is there now
        there = () if since <= -EVER else self._there()
        left = [_digest(seen) for seen in there if seen.mtime < since and seen.path not in self._numbers]
        parts = (left[first : first + _TOGETHER] for first in range(0, max(1, len(left)), _TOGETHER))
        facts = {self._named(f"left.{n}"): b64encode(b"".join(part)).decode() for n, part in enumerate(parts)}
        try:
            self.facts.remember({self._named("since"): str(since), **facts})
        except Fenced:  # another worker began first
            self.load()
        else:
            self._since, self._left = since, frozenset(left)

    def look(self) -> bool:
        """Gives numbers to the whole files that have none; says whether others are still being written.

        Only at the first look do files tell by their own times how long they have been as they are.

        Raises:
            DataError: a file that has a number is another one now.
            Fenced: another worker gives numbers at the same time.
        """
        now = self.steady()
        fresh = {seen: self._young.get(seen, now - self._age(seen)) for seen in self._fresh()}
        self._looked = True
        self._young = {seen: at for seen, at in fresh.items() if now - at < self._settled or not self._confirmed(seen)}
        self._register(sorted(fresh.keys() - self._young.keys()))
        return bool(self._young)

    def warn_of_none(self) -> None:
        """Says that no file matches the path, where none ever did: the path may be wrong, or the files come later."""
        if not self.files and not self._there():
            message = "source `%s`: no file in `%s` matches `%s` yet: if none will come, correct `path` or the `uri`"
            _log.warning(message, self.source, self.store.shown(), self.path)

    def _fresh(self) -> Iterator[Seen]:
        """The files that count and have no number."""
        for seen in self._there():
            number = self._numbers.get(seen.path)
            known = self.files[number] if number is not None else None
            if known is not None and known != seen and self._current(known) != known:
                raise changed(self.store.shown(seen.path))
            if known is None and not self._is_left(seen):
                yield seen

    def _is_left(self, seen: Seen) -> bool:
        """Whether a file without a number does not count. `path` finds a link that leads out, and may not name it."""
        if self._left and _digest(seen) in self._left:
            return True
        return not is_named(seen.path, self.path) and seen in self.files

    def _age(self, seen: Seen) -> int:
        return 0 if self._looked else max(0, self.clock() - seen.mtime)

    def _register(self, whole: list[Seen]) -> None:
        if not whole:
            return
        for left in reversed(range(_TRIES)):
            self._renew(len(whole))  # numbers that another worker gave stay
            fresh = [seen for seen in whole if seen.path not in self._numbers]
            try:
                self.facts.remember({self._named(str(n)): _text(seen) for n, seen in enumerate(fresh, len(self.files))})
                break
            except Fenced:
                if not left:
                    raise
        self._renew(len(fresh))

    def _renew(self, count: int) -> None:
        """Takes the numbers that were given since, of which `count` are expected: what was taken is not read again."""
        if count > _FEW:
            self.load()
            return
        count = max(1, count)
        while True:
            first = len(self.files)
            names = [self._named(str(number)) for number in range(first, first + count)]
            found = self.facts.recall(names)
            for text in takewhile(lambda text: text is not None, map(found.get, names)):
                assert text is not None
                seen = _seen(text)
                self._numbers.setdefault(seen.path, len(self.files))
                self.files.append(seen)
            if len(self.files) < first + count:
                return

    def _numbered(self, what: str, found: Mapping[str, str]) -> Iterator[str]:
        """The facts of that name, from the first one on."""
        number = 0
        while (text := found.get(self._named(f"{what}{number}"))) is not None:
            yield text
            number += 1

    def _named(self, what: str) -> str:
        return f"files.{self.source}.{what}"

    def _there(self) -> list[Seen]:
        """The files that `path` names. A link that leads nowhere is none yet: what it leads to may come."""
        return [Seen.of(entry) for entry in self.store.matching(self.path, self._is_other)]

    def _is_other(self, name: str) -> bool:
        return _is_hidden(name) or keeps_bad_rows(name, self.path)

    def _head(self, name: str) -> Seen | None:
        """A file as it is now; what cannot be read is seen too, and told when it is."""
        try:
            return Seen.of(self.store.head(name))
        except OSError:
            return None

    def _current(self, seen: Seen) -> Seen | None:
        """A file as it is now; a store that answers late is asked until it says what is expected, or must know."""
        end = time.monotonic() + self._lags
        while (now := self._head(seen.path)) != seen and time.monotonic() < end:
            time.sleep(self._lags / 10)
        return now

    def _confirmed(self, seen: Seen) -> bool:
        """Whether a file is as it was listed, where a list may be late: one that is gone may be in it."""
        return not self._lags or self._head(seen.path) == seen

    @property
    def _settled(self) -> int:
        return 0 if self.store.capabilities.whole_writes else _SETTLED

    @property
    def _lags(self) -> float:
        return self.store.capabilities.lag

    def read_by(self, former: str, position: str, key: str) -> frozenset[str]:
        """The files that `path` names and that the source of that name has read, whole or in part."""
        before = Registry(former, self.store, self.path, self.facts)
        before.load()
        if not before.files:
            return frozenset()
        before.stand(end := int(position), key if before.knows(key) else "")
        read = {before.files[number] for number in before.read_numbers() if number << SHIFT < end}
        found = read.intersection(self._there()) if read else ()
        return frozenset(f"{self.store.identity(seen.path)} {seen.mtime} {seen.size}" for seen in found)

    def names(self, number: int, position: int) -> bool:
        """Whether a file is read from a position on: `path` names it, and it was not read under an earlier number.

        A link that leads out counts as named, as it was found: it is to be refused. Before the place where the stream
        stands, what was read then is read again, whatever `path` names by now.
        """
        name = self.files[number].path
        if self._numbers.get(name) != number:
            return False
        if position < self._place[0]:
            return True
        return is_named(name, self.path) or not self.store.holds(name)

    def check(self, number: int) -> Entry:
        """A file that is to be read.

        Raises:
            EngineError: it is gone.
            DataError: it is no longer what it was when it got its number.
        """
        seen = self.files[number]
        now = self._current(seen)
        if now is None:
            message = f"`{self.store.shown(seen.path)}` is gone, and not all of it was read"
            raise EngineError(message, code="file-not-found", help="bring it back as it was")
        if now != seen:
            raise changed(self.store.shown(seen.path))
        return seen.entry

    def check_again(self, number: int) -> None:
        """Does the same of a file that is being read. Of an object one version is read: nothing else can come."""
        if self.store.local is not None:
            self.check(number)


@dataclass(frozen=True, slots=True)
class Known:
    """The files of a source that have numbers, as facts tell: how many, and how many of them nothing reads again."""

    source: str
    known: int
    removable: int
    next: str | None
    """The path of the first file that must stay."""

    @classmethod
    def at(cls, source: str, facts: Mapping[str, str], position: int) -> Known:
        """At a position behind which everything is durable."""
        registry = Registry(source, LocalStore(Path()), "", Passing(dict(facts)))
        registry.load()
        files, passed = registry.files, min(position >> SHIFT, len(registry.files))
        return cls(source, len(files), passed, files[passed].path if passed < len(files) else None)


def changed(path: str) -> Exception:
    """The error for a file that is another one than it was."""
    error = unreadable(path, "it was changed after the stream had begun to read it")
    error.help = (
        "a stream reads each file once, and from then on neither its bytes nor its time of change may differ: "
        "give new rows in a file of a new name, and bring this one back as it was; "
        "or remove it, if all of it was read, and the stream goes on"
    )
    return error


def _seen(text: str) -> Seen:
    kept = json.loads(text)
    return Seen(kept["mtime"], kept["path"], kept["size"], kept.get("etag", ""))


def _digest(seen: Seen) -> bytes:
    text = b"%d %d %b" % (seen.mtime, seen.size, os.fsencode(seen.path + (f" {seen.etag}" if seen.etag else "")))
    return blake2b(text, digest_size=_DIGEST).digest()


def _digests(parts: Iterable[str]) -> Iterator[bytes]:
    for part in map(b64decode, parts):
        yield from (part[at : at + _DIGEST] for at in range(0, len(part), _DIGEST))


def _text(seen: Seen) -> str:
    etag = {"etag": seen.etag} if seen.etag else {}
    return json.dumps({"path": seen.path, "size": seen.size, "mtime": seen.mtime, **etag}, separators=(",", ":"))


def _is_hidden(name: str) -> bool:
    parts = Path(name).parts
    return any(part.startswith((".", "_")) for part in parts) or name.endswith(_UNFINISHED)
