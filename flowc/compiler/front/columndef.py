"""The short form of a column: an SQL column definition such as `bigint primary key` or `text not null default 'x'`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<word>[A-Za-z_][A-Za-z0-9_]*) | (?P<open>[(\[]) | (?P<close>[)\]]) | \S""",
    re.VERBOSE,
)
_CLAUSES = {
    ("primary", "key"): "primary key", ("not", "null"): "not null", ("null",): "null", ("unique",): "unique",
    ("default",): "default", ("references",): "references", ("check",): "check", ("generated",): "generated",
    ("collate",): "collate", ("constraint",): "constraint", ("autoincrement",): "autoincrement",
    ("auto_increment",): "auto_increment", ("comment",): "comment",
}  # fmt: skip
UNDERSTOOD = ("primary key", "not null", "null", "unique", "default")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a definition: its clause (`type` for the first), and where the words after the clause stand."""

    clause: str
    start: int
    body: int
    end: int


@lru_cache(maxsize=4096)
def split_definition(text: str) -> tuple[Part, ...]:
    """The parts of a column definition in order: the type, then each clause."""
    marks = [("type", 0, 0), *_marks(text)]
    ends = [start for _, start, _ in marks[1:]] + [len(text)]
    placed = zip(marks, ends, strict=True)
    return tuple(Part(clause, start, *_trim(text, body, end)) for (clause, start, body), end in placed)


def source_column(text: str) -> tuple[Part, bool, Part | None]:
    """The type of a source's column, whether it may be NULL, and a clause that such a column has not."""
    kind, *clauses = split_definition(text)
    strange = next((part for part in clauses if part.clause not in ("not null", "null")), None)
    return kind, all(part.clause != "not null" for part in clauses), strange


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    body = text[start:end]
    if not body.strip():
        return start, start
    return start + len(body) - len(body.lstrip()), start + len(body.rstrip())


def _marks(text: str) -> Iterator[tuple[str, int, int]]:
    """Where clauses begin, outside of quotes and brackets."""
    depth, words = 0, list(_TOKEN.finditer(text))
    in_default = False
    for i, token in enumerate(words):
        depth += bool(token["open"]) - bool(token["close"])
        clause = None if depth else _clause(words[i : i + 2])
        # `default null` is a default, not a clause
        if clause is None or (clause == "null" and (in_default or _follows_not(words, i))):
            in_default = False
            continue
        in_default = clause == "default"
        last = words[i + 1] if " " in clause else token
        yield clause, token.start(), last.end()


def _follows_not(words: list[re.Match[str]], i: int) -> bool:
    return i > 0 and words[i - 1][0].lower() == "not"


def _clause(words: list[re.Match[str]]) -> str | None:
    spelled = tuple((token["word"] or "").lower() for token in words)
    return _CLAUSES.get(spelled) or _CLAUSES.get(spelled[:1])
