"""Whether two names of a database's own type are the same."""

from __future__ import annotations

import re

_PART = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^'\"]+")
_SHORT = ((r"\bvarbit\b", "bit varying"), (r"\btimetz\b", "time with time zone"), (r"\byear\(4\)", "year"))


def same_name(one: str, other: str) -> bool:
    """Whether they differ in nothing that engines look at: case outside of quotes, blanks, quotes that need not be."""
    return one == other or _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(_folded(match[0]) for match in _PART.finditer(name.strip()))


def _folded(part: str) -> str:
    if part.startswith("'"):
        return part
    if part.startswith('"'):
        return part[1:-1].lower() if re.fullmatch(r'"[A-Za-z_]\w*"', part) else part
    text = re.sub(r"\s*([(),.\[\]])\s*", r"\1", " ".join(re.split(r"\s+", part.lower())))
    for short, whole in _SHORT:
        text = re.sub(short, whole, text)
    return text
