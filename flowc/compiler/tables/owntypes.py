"""Whether two names of a database's own type are the same."""

from __future__ import annotations

import re

_PART = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\s+|[^'\"\s]+")
_SHORT = ((r"\bvarbit\b", "bit varying"), (r"\btimetz\b", "time with time zone"), (r"\byear\(4\)", "year"))


def same_name(one: str, other: str) -> bool:
    """Whether they differ in nothing that engines look at: case outside of quotes, blanks, quotes that need not be."""
    return one == other or _plain(one) == _plain(other)


def _plain(name: str) -> str:
    parts = (_folded(match[0]) for match in _PART.finditer(name.strip()))
    text = re.sub(r"\s*([(),.\[\]])\s*", r"\1", "".join(parts))
    for short, whole in _SHORT:
        text = re.sub(short, whole, text)
    return text


def _folded(part: str) -> str:
    if part.startswith("'"):
        return part
    if part.startswith('"'):
        return part[1:-1].lower() if re.fullmatch(r'"[A-Za-z_]\w*"', part) else part
    return " " if part.isspace() else part.lower()
