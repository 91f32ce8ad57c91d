"""The columns that a CREATE TABLE computes from others, where the engine keeps its text alone (SQLite)."""

from __future__ import annotations

import re
from collections.abc import Iterator

QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""What is no word of SQL: texts, quoted names and remarks."""
_NAME = re.compile(r"\s*(?:\"((?:[^\"]|\"\")*)\"|`((?:[^`]|``)*)`|\[([^\]]*)\]|(\w+))")
_AS = re.compile(r"\bAS\s*\(", re.IGNORECASE)


def generated(sql: str) -> dict[str, str]:
    """The expressions of a table's computed columns, by the names of the columns."""
    bare = QUOTED.sub(lambda match: " " * len(match[0]), sql)
    found = {}
    for start, end in _parts(bare):
        name, made = _NAME.match(sql, start), _AS.search(bare, start, end)
        if name is not None and made is not None:
            inner = _closed(bare, made.end())
            bare_name = next(part for part in name.groups() if part is not None)
            found[bare_name.replace('""', '"')] = sql[made.end() : inner].strip()
    return found


def _parts(bare: str) -> Iterator[tuple[int, int]]:
    """Where the definitions between the parentheses of a CREATE TABLE begin and end."""
    opened = bare.find("(") + 1
    start, end = opened, _closed(bare, opened) if opened else 0
    depth = 0
    for at in range(opened, end):
        depth += (bare[at] == "(") - (bare[at] == ")")
        if bare[at] == "," and depth == 0:
            yield start, at
            start = at + 1
    yield start, end


def _closed(bare: str, start: int) -> int:
    """Where the parenthesis closes that was opened just before `start`."""
    depth = 1
    for at in range(start, len(bare)):
        depth += (bare[at] == "(") - (bare[at] == ")")
        if depth == 0:
            return at
    return len(bare)
