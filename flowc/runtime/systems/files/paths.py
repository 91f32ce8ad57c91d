"""Which `path` a stream of files has used for each part of its positions: files that no `path` named were left out.

A stretch of positions is stored under a key that is made of its content, and nobody replaces it. The epoch that moves
the position holds the key, as `Range.log`. So the history is that of the epochs that were committed: a worker that was
overtaken may store a stretch of its own, which no position refers to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from flowc.runtime.stores.folder import without_dots

_KEY = 12
"""Bytes of a key."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The positions from `begin` on, which are read with one `path`. `before` is the key of the stretch before it."""

    path: str
    begin: int = 0
    before: str = ""

    @property
    def text(self) -> str:
        """What is stored."""
        return json.dumps([self.path, self.begin, self.before], separators=(",", ":"))

    @property
    def key(self) -> str:
        """The name that it is stored under: letters and digits."""
        return blake2b(self.text.encode(), digest_size=_KEY).hexdigest()


@dataclass(frozen=True, slots=True)
class Paths:
    """The stretches of a source by their keys, as they are stored."""

    stored: Mapping[str, str]

    def has(self, key: str) -> bool:
        """Whether all stretches from that one back to the first are known."""
        while key and key in self.stored:
            key = self._stretch(key).before
        return not key

    def until(self, end: int, key: str) -> Iterator[tuple[Stretch, int]]:
        """The stretches before a position, each with its end, the last one first. A rewind cuts off later ones."""
        while key:
            stretch = self._stretch(key)
            if stretch.begin < end:
                yield stretch, end
                end = stretch.begin
            key = stretch.before

    def following(self, path: str, end: int, key: str) -> Stretch:
        """The stretch of a worker that begins at a position: the last one where that has the same path."""
        path, last = without_dots(path), self._stretch(key) if key else None
        if last is not None and last.path == path and last.begin <= end:
            return last
        earlier = next((stretch.key for stretch, _ in self.until(end, key)), "")
        return Stretch(path, end, earlier)

    def _stretch(self, key: str) -> Stretch:
        return Stretch(*json.loads(self.stored[key]))
