"""A text of SQL to its statements, each with its place and the facts of what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot.tokens import Token, TokenType

from flowc.compiler.migrationlint.facts import Fact, Unread
from flowc.compiler.migrationlint.grammar import read
from flowc.compiler.migrationlint.tokens import tokenize, word_of
from flowc.source import Located, MappedText, SourceFile, Span

_BODIES = frozenset(("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE"))
_CLIENT = frozenset(("\\", "DELIMITER", "."))
"""What a command of a client program begins with, which ends with its line."""
_NOT_CLOSED = frozenset(("IF", "LOOP", "WHILE", "REPEAT", "FOR"))
_IGNORE = re.compile(r"flowc:ignore\s+([\w-]+(?:\s*,\s*[\w-]+)*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: where it stands, its text without the semicolon, and its facts with their places."""

    span: Span
    sql: str
    facts: tuple[Located[Fact], ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """A text's statements in order; `unclosed` is where a quote or comment begins that has no end.

    `ignores` are the codes that comments switch off, by the line that the comment is about.
    """

    statements: tuple[Statement, ...]
    unclosed: Span | None
    ignores: Mapping[int, frozenset[str]]


def read_migration(source: MappedText | SourceFile, dialect: str) -> Migration:
    """Splits a text into statements and reads each in a dialect. Never raises for what the text holds."""
    text = MappedText.whole(source) if isinstance(source, SourceFile) else source
    tokens, unclosed = tokenize(text.text, dialect)
    statements = [_statement(text, group, dialect) for group in _split(tokens)]
    if unclosed is not None and statements and not _ends(tokens):
        statements[-1] = _cut_off(statements[-1])
    opened = None if unclosed is None else text.span(unclosed, unclosed + 1)
    return Migration(tuple(statements), opened, _ignores(text, tokens))


def read_statement(sql: str, dialect: str) -> Statement:
    """Reads one statement that does not come from a file, for instance one that flowc plans.

    Raises:
        ValueError: when the text holds no statement or several.
    """
    found = read_migration(SourceFile("statement", sql), dialect).statements
    if len(found) != 1:
        raise ValueError(f"one statement expected, {len(found)} found")
    return found[0]


def _ends(tokens: list[Token]) -> bool:
    return not tokens or tokens[-1].token_type is TokenType.SEMICOLON


def _cut_off(statement: Statement) -> Statement:
    """What is left of a statement with an open quote tells nothing: the open quote is reported instead."""
    return Statement(statement.span, statement.sql, ())


def _split(tokens: list[Token]) -> Iterator[list[Token]]:
    group: list[Token] = []
    depth = 0
    for index, token in enumerate(tokens):
        if group and token.line != group[0].line and word_of(group[0]) in _CLIENT:
            yield group
            group, depth = [], 0
        if token.token_type is TokenType.SEMICOLON and depth <= 0:
            if group:
                yield group
            group, depth = [], 0
            continue
        group.append(token)
        depth += _opens(group, token, tokens[index - 1 : index], tokens[index + 1 : index + 2])
    if group:
        yield group


def _opens(group: list[Token], token: Token, before: list[Token], after: list[Token]) -> int:
    """How a token changes the nesting of blocks: the body of a routine or trigger holds semicolons."""
    word = word_of(token)
    if word not in ("BEGIN", "CASE", "END") or not _has_body(group):
        return 0
    if word == "END":
        return 0 if after and word_of(after[0]) in _NOT_CLOSED else -1
    return 0 if before and word_of(before[0]) == "END" else 1


def _has_body(group: list[Token]) -> bool:
    if word_of(group[0]) != "CREATE":
        return False
    return any(word_of(token) in _BODIES for token in group[1:8])


def _statement(text: MappedText, group: list[Token], dialect: str) -> Statement:
    start, end = group[0].start, group[-1].end + 1
    sql = text.text[start:end]
    found = read(group, sql, dialect)
    facts = tuple(Located(fact, text.span(group[first].start, group[last].end + 1)) for fact, first, last in found)
    return Statement(text.span(start, end), sql, facts)


def is_unread(statement: Statement) -> bool:
    """Whether nothing is known of a statement."""
    return any(isinstance(fact.value, Unread) for fact in statement.facts)


def _ignores(text: MappedText, tokens: list[Token]) -> dict[int, frozenset[str]]:
    """The codes that comments switch off, by the line of the next token after the comment."""
    found: dict[int, frozenset[str]] = {}
    end = 0
    for token in tokens:
        gap = text.text[end : token.start]
        if "flowc:ignore" in gap:
            codes = frozenset(c.strip() for m in _IGNORE.finditer(gap) for c in m[1].split(","))
            line = text.file.position(text.span(token.start, token.end + 1).start)[0]
            found[line] = found.get(line, frozenset()) | codes
        end = token.end + 1
    return found
