r"""Reads regular expressions of every dialect that flowc knows them in, one that all engines have in common among them.

What dialects read differently is spelt out when it is read: `.`, `\d`, `\s`, `\w`, the names of POSIX.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowc.compiler.regex.tree import Chars, Choice, Codes, Edge, Group, Node, Repeat, Sequence, joined, write

_MOST_COUNT, _DEEPEST = 255, 50
_COUNT = re.compile(r"\{(\d{1,3})(?:(,)(\d{0,3}))?\}")
_POSIX_NAME = re.compile(r":(\w+):\]")
_SPECIAL, _SPECIAL_IN_BRACKETS = r"\.^$*+?()[]{}|", r"\[]^-&~|"
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
POSIX = {"alnum": "0-9A-Za-z", "alpha": "A-Za-z", "digit": "0-9", "lower": "a-z", "upper": "A-Z"}


class PatternError(Exception):
    """What a pattern may not hold; `at` counts its characters before that."""

    def __init__(self, words: str, at: int) -> None:
        super().__init__(words)
        self.words, self.at = words, at


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a dialect reads patterns. Sets of characters are written as between brackets."""

    dot: str = r"[^\n]"
    digit: str = "0-9"
    space: str = " \\t\\n\\r\\f\x0b"
    word: str = "0-9A-Za-z_"
    word_class: str = ""
    r"""`\w` outside of brackets, where it is no set that could be spelt out; `\W` is that of the other case."""
    boundary: bool = False
    r"""It has `\b`, between a letter, digit or underscore of ASCII and anything else."""
    posix: tuple[str, ...] = tuple(POSIX)
    any_case: bool = False


COMMON = Syntax()
"""The syntax of normalisers, which means the same on every engine."""


def parse(pattern: str, syntax: Syntax = COMMON) -> Node:
    """A pattern's tree. Raises PatternError at the first thing that is not of the syntax."""
    reader = _Reader(pattern, syntax)
    tree = reader.branches()
    if reader.at < len(pattern):
        raise PatternError("`)` without its pair", reader.at)
    return tree


def _escaped(letter: str, special: str) -> str:
    return f"\\{letter}" if letter in special else letter


@dataclass
class _Reader:
    """Reads a pattern from the left."""

    pattern: str
    syntax: Syntax
    at: int = 0
    groups: int = 0
    depth: int = 0

    @property
    def _next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self) -> str:
        letter = self._next
        self.at += 1
        return letter

    def branches(self) -> Node:
        """Alternatives, up to the end or a closing parenthesis."""
        found = [self._sequence()]
        while self._next == "|":
            self.at += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else Choice(tuple(found))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._next not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _atom(self) -> Node:
        start, letter = self.at, self._take()
        if letter == "(":
            return self._group(start)
        if letter == "[":
            return self._brackets(start)
        if letter == "\\":
            return self._escape(start)
        if letter == ".":
            return Chars(self.syntax.dot, joined(((10, 10),), negated=True))
        if letter in "^$":
            return Edge(letter)
        if letter in "*+?{}]":
            raise PatternError(f"`{letter}` by itself", start)
        return self._letter(letter, start)

    def _letter(self, letter: str, start: int) -> Chars:
        return self._cased(_escaped(letter, _SPECIAL), ((ord(letter), ord(letter)),), start)

    def _cased(self, text: str, codes: Codes | None, start: int) -> Chars:
        """Letters in any case: those of ASCII, as Python finds relatives of a few of them elsewhere in Unicode."""
        if not self.syntax.any_case:
            return Chars(text, codes)
        if not text.isascii():
            raise PatternError("letters beyond ASCII in any case", start)
        return Chars(f"(?ai:{text})", None)

    def _repeated(self, atom: Node) -> Node:
        """The atom, or how often it comes."""
        start = self.at
        counted = self._quantifier()
        if counted is None:
            return atom
        least, most = counted
        if isinstance(atom, Edge):
            raise PatternError(f"`{write(atom)}` repeated", start)
        lazy = self._next == "?"
        self.at += lazy
        if self._next and self._next in "*+?{":
            raise PatternError(f"`{self._next}` after a quantifier", self.at)
        return Repeat(atom, least, most, lazy)

    def _quantifier(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self._next in simple:
            return simple[self._take()]
        if self._next != "{":
            return None
        found = _COUNT.match(self.pattern, self.at)
        if found is None:
            raise PatternError("`{` without a count", self.at)
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if max(least, most or 0) > _MOST_COUNT or (most is not None and most < least):
            raise PatternError(f"the count `{found[0]}`", self.at)
        self.at = found.end()
        return least, most

    def _group(self, start: int) -> Group:
        number = 0
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self._next == "?":
            raise PatternError("a group with `(?`", start)
        else:
            self.groups += 1
            number = self.groups
        if self.depth == _DEEPEST:
            raise PatternError(f"more than {_DEEPEST} groups in each other", start)
        self.depth += 1
        inner = self.branches()
        if self._next != ")":
            raise PatternError("`(` without its pair", start)
        self.at += 1
        self.depth -= 1
        return Group(inner, number)

    def _escape(self, start: int) -> Node:
        letter = self._take()
        if letter == "b" and self.syntax.boundary:
            return Edge("b")
        if letter.lower() not in ("d", "s", "w") or not letter:
            return self._letter(self._character(letter, start), start)
        if letter.lower() == "w" and self.syntax.word_class:
            return Chars(f"\\{letter}", None)
        text, codes = self._shorthand(letter.lower())
        return Chars(f"[{'^' * letter.isupper()}{text}]", joined(codes, letter.isupper()))

    def _character(self, letter: str, start: int) -> str:
        """What a letter behind a backslash stands for."""
        if letter in _CONTROL:
            return _CONTROL[letter]
        if not letter or letter.isalnum() or letter == "_" or not letter.isascii():
            raise PatternError(f"`\\{letter}`", start)
        return letter

    def _shorthand(self, letter: str) -> tuple[str, Codes]:
        text = {"d": self.syntax.digit, "s": self.syntax.space, "w": self.syntax.word}[letter]
        return text, _codes(text)

    def _brackets(self, start: int) -> Chars:
        """What stands between brackets; the opening one has been read."""
        negated = self._next == "^"
        self.at += negated
        if self._next == "]":
            raise PatternError("`]` first in brackets", start)
        texts: list[str] = []
        codes: list[tuple[int, int]] = []
        while self._next != "]":
            text, found = self._member(start, first=not texts)
            texts.append(text)
            codes += found
        self.at += 1
        return self._cased(f"[{'^' * negated}{''.join(texts)}]", joined(tuple(codes), negated), start)

    def _member(self, start: int, *, first: bool) -> tuple[str, Codes]:
        """A character, a range, or a set of characters by its name."""
        rest = self.pattern[self.at : self.at + 2]
        if rest[:1] == "[":
            return self._posix()
        if rest[:1] == "\\" and rest[1:] in ("d", "s", "w"):
            self.at += 2
            return (r"\w", ()) if rest[1:] == "w" and self.syntax.word_class else self._shorthand(rest[1:])
        if rest == "-]" or (first and rest[:1] == "-"):
            self.at += 1
            return r"\-", ((45, 45),)
        low = high = self._one(start)
        text = _escaped(low, _SPECIAL_IN_BRACKETS)
        if self._next == "-" and self.pattern[self.at : self.at + 2] != "-]":
            self.at += 1
            high = self._one(start)
            text += f"-{_escaped(high, _SPECIAL_IN_BRACKETS)}"
        if high < low:
            raise PatternError(f"the range `{low}-{high}`", start)
        return text, ((ord(low), ord(high)),)

    def _one(self, start: int) -> str:
        letter = self._take()
        if letter == "\\":
            return self._character(self._take(), self.at - 2)
        if not letter or letter in "[]-":
            raise PatternError("such brackets" if letter else "`[` without its pair", start)
        if letter in "&~|" and self._next == letter:
            raise PatternError(f"`{letter}{letter}` in brackets", self.at - 1)
        return letter

    def _posix(self) -> tuple[str, Codes]:
        start = self.at
        self.at += 1
        found = _POSIX_NAME.match(self.pattern, self.at)
        if found is None or found[1] not in self.syntax.posix:
            raise PatternError("`[` in brackets", start)
        self.at = found.end()
        return POSIX[found[1]], _codes(POSIX[found[1]])


def _codes(members: str) -> Codes:
    """The code points of such a set as the syntaxes spell out."""
    text = re.sub(r"\\(.)", lambda code: _CONTROL.get(code[1], code[1]), members)
    found = re.findall(r"(.)(?:-(.))?", text, re.DOTALL)
    return tuple((ord(low), ord(high or low)) for low, high in found)
