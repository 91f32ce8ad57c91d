"""What JSON allows in a document and flowc does not: a key that stands twice in an object, and halves of characters.

And what JSON has not and Arrow reads: `NaN` and infinities.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SURROGATE = re.compile("[\ud800-\udfff]")
NOT_FINITE = (b"NaN", b"Inf")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BARE = re.compile(rb"-?(?:NaN|Inf(?:inity)?)")


def demand_no_constant(document: bytes) -> None:
    """Raises ValueError where a document holds a NaN or an infinity, in a field that is read or not."""
    if any(word in document for word in NOT_FINITE) and (found := _BARE.search(_TEXT.sub(b"", document))):
        raise ValueError(f"it holds `{found[0].decode()}`, which no JSON has")


def demand_no_constants(lines: bytes) -> None:
    """As `demand_no_constant`, for a document on each line."""
    if any(word in lines for word in NOT_FINITE):
        for line in lines.split(b"\n"):
            demand_no_constant(line)


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


def demand_once(messages: pa.BinaryArray, name: str) -> None:
    """Raises ValueError when an object has a field of that name twice; msgspec would take the last."""
    spelled = json.dumps(name, ensure_ascii=False).encode()
    perhaps = pc.greater(pc.count_substring(messages, spelled), 1)
    escaped = pc.match_substring(messages, b"\\u00" if name.isascii() else b"\\u")
    for message in messages.filter(pc.or_(perhaps, escaped)).to_pylist():
        demand_unique(message, (name,))


def demand_unique(message: bytes, names: Sequence[str]) -> None:
    """Raises ValueError when the object has a field of one of these names twice."""
    outermost: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> None:
        outermost[:] = pairs

    try:
        json.loads(message, object_pairs_hook=keep)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    found = [name for name, _ in outermost]
    for name in names:
        if found.count(name) > 1:
            raise ValueError(f"the field `{name}` stands in it twice")
