"""The statements of a text that holds several, each with its place and its words.

sqlglot's tokenizer reads it; its parser keeps no places of statements and gives up on many that engines run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, Tokenizer, TokenType

from flowc.source import MappedText, Span

_TEXTS = frozenset(
    (
        TokenType.STRING, TokenType.BYTE_STRING, TokenType.HEX_STRING, TokenType.BIT_STRING, TokenType.NATIONAL_STRING,
        TokenType.UNICODE_STRING, TokenType.RAW_STRING, TokenType.HEREDOC_STRING,
    )
)  # fmt: skip
_OPEN_QUOTES = ("'", '"', "`", "$", "/*")
_MAX_TRIES = 40
_PARAMETER = re.compile(r"\$(?=\d)")
_SPACE = re.compile(r"\s")
_BODIES = frozenset(("FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE"))
_CLIENT = frozenset(("\\", "DELIMITER", "."))
"""What a command of a client program begins with, which ends with its line."""
_NOT_CLOSED = frozenset(("IF", "LOOP", "WHILE", "REPEAT", "FOR"))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: where it stands, and its tokens, of which each is one word."""

    span: Span
    tokens: tuple[Token, ...]


def read_statements(text: MappedText, dialect: str) -> list[Statement]:
    """The statements of a text, up to a quote or comment that has no end. Never raises for what the text holds."""
    groups = _split(tokenize(text.text, dialect))
    return [Statement(text.span(group[0].start, group[-1].end + 1), tuple(group)) for group in groups]


def tokenize(sql: str, dialect: str) -> list[Token]:
    """The tokens before a quote or comment that has no end."""
    found = _try(sql, dialect)
    if found is None:
        sql = _PARAMETER.sub("_", sql)  # sqlglot takes `$1,$2` for a quote that begins with `$1,$`
        found = _try(sql, dialect)
    places = sorted(match.start() for quote in _OPEN_QUOTES for match in re.finditer(re.escape(quote), sql))
    for at in [] if found is not None else places[: -_MAX_TRIES - 1 : -1]:
        found = _try(sql[:at], dialect)
        if found is not None:
            break
    return found or []


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def word_of(token: Token) -> str:
    """A bare word in upper case; empty for quoted names and texts."""
    return "" if _is_quoted(token) else str(token.text).upper()


def _is_quoted(token: Token) -> bool:
    return token.token_type is TokenType.IDENTIFIER or token.token_type in _TEXTS


def _try(sql: str, dialect: str) -> list[Token] | None:
    try:
        tokens = _tokenizer(dialect).tokenize(sql)
    except TokenError:
        return None
    return [word for token in tokens for word in _words(token, sql)]


@cache
def _tokenizer(dialect: str) -> Tokenizer:
    """Sqlglot's tokenizer without its habit of keeping the rest of some statements as one text."""
    base = Dialect.get_or_raise(dialect).tokenizer_class
    return type("StatementTokenizer", (base,), {"COMMANDS": set()})(dialect=dialect)


def _words(token: Token, sql: str) -> Iterable[Token]:
    """The tokenizer keeps `PRIMARY KEY` and its like as one token; here every word is one."""
    if _is_quoted(token) or not _SPACE.search(token.text):
        return (token,)
    written = re.finditer(r"\S+", sql[token.start : token.end + 1])
    token_of = partial(Token, TokenType.VAR, line=token.line, col=token.col)
    return (token_of(m[0], start=token.start + m.start(), end=token.start + m.end() - 1) for m in written)


def _split(tokens: Sequence[Token]) -> Iterator[list[Token]]:
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
        depth += _opens(group, tokens[index - 1 : index], tokens[index + 1 : index + 2])
    if group:
        yield group


def _opens(group: Sequence[Token], before: Sequence[Token], after: Sequence[Token]) -> int:
    """How the last token changes the nesting of blocks: the body of a routine or trigger holds semicolons."""
    word = word_of(group[-1])
    if word not in ("BEGIN", "CASE", "END") or not _has_body(group):
        return 0
    if word == "END":
        return 0 if after and word_of(after[0]) in _NOT_CLOSED else -1
    return 0 if before and word_of(before[0]) == "END" else 1


def _has_body(group: Sequence[Token]) -> bool:
    return word_of(group[0]) == "CREATE" and any(word_of(token) in _BODIES for token in group[1:8])
