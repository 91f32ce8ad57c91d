"""SQL for reviewers: statements in short lines, and what another engine says in their place as a difference.

Only white space outside of quotes is changed, and nothing in a statement that holds a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

WIDTH = 110
_CLAUSES = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "UNION ALL", "UNION", "LEFT JOIN",
    "CROSS JOIN", "JOIN", "WINDOW", "UPDATE", "SET", "VALUES", "RETURNING", "INSERT INTO", "ON CONFLICT",
    "ON DUPLICATE KEY UPDATE", "USING",
)  # fmt: skip
_PHRASES = ("DISTINCT FROM", "DELETE FROM", "DO UPDATE", "BETWEEN .{1,60}? AND", *_CLAUSES)
"""What is one word, so that no line begins within it."""
_SEPARATORS = (_CLAUSES, ("WHEN", "ELSE"), ("THEN",), ("OR",), ("AND",), ("||",))
"""Words that begin a line, those first that part more."""
_ALIGNED = (*_CLAUSES, "WHEN", "ELSE")
_CLOSED_BY = {"(": ")", "[": "]", "CASE": "END"}
_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`"""
_TOKEN = re.compile(rf"(\s*)((?:{'|'.join(_PHRASES)})\b|{_QUOTED}|\w+|[][(),;]|[^][\w\s'\"`(),;]+)")
_STATEMENT = re.compile(r"^(?!--|$).*?;$", re.MULTILINE | re.DOTALL)
_SPACE = re.compile(r"\s+")
_STAGE = re.compile(r"\"\w+\"\.(?=\"flowc_rows\")")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    spaced: bool
    depth: int
    """How much is open where it stands; what opens and what closes stand outside."""


def laid_out(text: str) -> str:
    """A text of statements and comments, with each statement in lines that are short and tell how it is nested."""
    made = _STATEMENT.sub(lambda statement: _laid_out(statement[0]), text)
    assert _SPACE.sub("", made) == _SPACE.sub("", text)
    return made


def difference(one: str, other: str) -> str:
    """The lines in which two such texts differ, each under the comment of its statement.

    What the one calls the schema of staging tables is what the other calls it.
    """
    stages = _STAGE.search(one), _STAGE.search(other)
    if stages[0] and stages[1]:
        one = one.replace(stages[0][0], stages[1][0])
    here, there = one.splitlines(), other.splitlines()
    lines, told = [], ""
    for what, a, b, c, d in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
        if what != "equal":
            head = next((line for line in reversed(here[: a + 1]) if line.startswith("-- ")), "")
            lines += [*([f"@@ {head}"] if head != told else []), *(f"-{line}" for line in here[a:b])]
            lines += [f"+{line}" for line in there[c:d]]
            told = head
    return "".join(f"{line}\n" for line in lines)


def _laid_out(statement: str) -> str:
    if "--" in statement:
        return statement
    return "\n".join(_lines(_tokens(statement), 0))


def _tokens(statement: str) -> list[_Token]:
    found: list[_Token] = []
    closing: list[str] = []
    for space, text in _TOKEN.findall(statement):
        if closing and closing[-1] == text:
            closing.pop()
        lone = "\n" in space and (text == ")" or found[-1].text == "(")
        found.append(_Token(text, bool(space) and not lone, len(closing)))
        if text in _CLOSED_BY:
            closing.append(_CLOSED_BY[text])
    return found


def _joined(tokens: Sequence[_Token]) -> str:
    return "".join(" " * token.spaced + token.text for token in tokens).strip()


def _lines(tokens: Sequence[_Token], indent: int) -> Iterator[str]:
    """The tokens in lines that fit, as far as there are places to part them."""
    if indent + len(_joined(tokens)) <= WIDTH:
        yield " " * indent + _joined(tokens)
        return
    parts = next((parts for parts in _partings(tokens) if len(parts) > 1), None)
    if parts is None:
        yield from _opened(tokens, indent)
        return
    below = indent + 2 * (tokens[0].text in _ALIGNED)
    for number, part in enumerate(parts):
        yield from _lines(part, below if number and part[0].text not in _ALIGNED else indent)


def _partings(tokens: Sequence[_Token]) -> Iterator[list[Sequence[_Token]]]:
    """The tokens parted in one way after the other, where nothing is open."""
    depth = min(token.depth for token in tokens)
    own = [(i, token.text) for i, token in enumerate(tokens) if token.depth == depth]
    yield _parted(tokens, [i + 1 for i, text in own if text == ";"])
    for words in _SEPARATORS:
        yield _parted(tokens, [i for i, text in own if text in words])
        if words is _CLAUSES:
            yield _filled(_parted(tokens, [i + 1 for i, text in own if text == ","]))


def _parted(tokens: Sequence[_Token], places: Sequence[int]) -> list[Sequence[_Token]]:
    ends = [0, *places, len(tokens)]
    return [tokens[a:b] for a, b in pairwise(ends) if a < b]


def _filled(parts: list[Sequence[_Token]]) -> list[Sequence[_Token]]:
    """Neighbours together as long as they are short."""
    found: list[Sequence[_Token]] = []
    for part in parts:
        if found and len(_joined([*found[-1], *part])) <= WIDTH // 2:
            found[-1] = [*found[-1], *part]
        else:
            found.append(part)
    return found


def _opened(tokens: Sequence[_Token], indent: int) -> Iterator[str]:
    """The longest of what stands in parentheses on lines of its own."""
    depth = min(token.depth for token in tokens)
    outer = [i for i, token in enumerate(tokens) if token.depth == depth]
    begin, end = max(pairwise(outer), key=lambda pair: pair[1] - pair[0], default=(0, 0))
    if end - begin < 2:
        yield " " * indent + _joined(tokens)
        return
    yield " " * indent + _joined(tokens[: begin + 1])
    yield from _lines(tokens[begin + 1 : end], indent + 2)
    yield from _lines(tokens[end:], indent)
