"""What JSON allows in a document and flowc does not: a key that stands twice in an object, and halves of characters."""

from __future__ import annotations

import re
from collections import Counter

_SURROGATE = re.compile("[\ud800-\udfff]")


class Pairs(dict[str, object]):
    """An object that knows which of its keys stood in it twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        more = Counter(names).items() if len(self) < len(names) else ()
        self.twice = next((name for name, count in more if count > 1), None)


def odd_in(held: object) -> str | None:
    """What is odd about a document that JSON allows: a key that stands twice in an object, or half of a character."""
    if isinstance(held, str):
        half = _SURROGATE.search(held)
        return f"it holds `\\u{ord(half[0]):04x}`, which is half of a character" if half else None
    if isinstance(held, Pairs) and held.twice is not None:
        return f"the field `{held.twice}` stands in it twice"
    parts = [*held, *held.values()] if isinstance(held, dict) else held if isinstance(held, list) else []
    return next(filter(None, map(odd_in, parts)), None)
