"""The tokens of a migration and a cursor over those of one statement.

The words are read by sqlglot's tokenizer of the dialect, with positions; its parser keeps no positions of actions and
gives up on many forms of ALTER, so the small grammars of DDL beside this module walk the tokens themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokens import Token, Tokenizer, TokenType

from flowc.catalog import TableName

SQLGLOT = {"postgres": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite", "duckdb": "duckdb"}
"""The dialects of migrations, and the sqlglot dialect that reads each."""

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


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


class UnreadError(Exception):
    """A statement that the grammar does not know; the cursor stands where it stopped."""


@cache
def _tokenizer(dialect: str) -> Tokenizer:
    """Sqlglot's tokenizer without its habit of keeping the rest of some statements as one text."""
    base = Dialect.get_or_raise(SQLGLOT[dialect]).tokenizer_class
    return type("MigrationTokenizer", (base,), {"COMMANDS": set()})(dialect=SQLGLOT[dialect])


def tokenize(sql: str, dialect: str) -> tuple[list[Token], int | None]:
    """The tokens, and where a quote or comment starts that has no end (the tokens end there), else None."""
    found = _try(sql, dialect)
    if found is None:
        sql = _PARAMETER.sub("_", sql)  # sqlglot takes `$1,$2` for a quote that begins with `$1,$`
        found = _try(sql, dialect)
    if found is not None:
        return found, None
    places = sorted((at for quote in _OPEN_QUOTES for at in _places(sql, quote)), reverse=True)
    for at in places[:_MAX_TRIES]:
        found = _try(sql[:at], dialect)
        if found is not None:
            return found, at
    return [], places[-1] if places else 0


def _try(sql: str, dialect: str) -> list[Token] | None:
    try:
        tokens = _tokenizer(dialect).tokenize(sql)
    except TokenError:
        return None
    return [word for token in tokens for word in _words(token, sql)]


def _words(token: Token, sql: str) -> Iterable[Token]:
    """The tokenizer keeps `PRIMARY KEY` and its like as one token; here every word is one."""
    if token.token_type is TokenType.IDENTIFIER or is_text(token) or not _SPACE.search(token.text):
        return (token,)
    written = sql[token.start : token.end + 1]
    return (
        Token(
            TokenType.VAR, match[0], token.line, token.col, token.start + match.start(), token.start + match.end() - 1
        )
        for match in re.finditer(r"\S+", written)
    )


def _places(sql: str, quote: str) -> Iterable[int]:
    at = sql.find(quote)
    while at >= 0:
        yield at
        at = sql.find(quote, at + 1)


def is_text(token: Token) -> bool:
    """Whether a token is a literal text."""
    return token.token_type in _TEXTS


def word_of(token: Token | None) -> str:
    """A bare word in upper case; empty for quoted names, texts and the end."""
    if token is None or token.token_type is TokenType.IDENTIFIER or is_text(token):
        return ""
    return str(token.text).upper()


@dataclass
class Cursor:
    """Reads the tokens of one statement from left to right."""

    tokens: Sequence[Token]
    dialect: str
    at_index: int = 0

    def peek(self, ahead: int = 0) -> Token | None:
        """The token `ahead` of the next one."""
        index = self.at_index + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    @property
    def done(self) -> bool:
        """Whether all is read."""
        return self.at_index >= len(self.tokens)

    def next(self) -> Token:
        """Reads one token.

        Raises:
            UnreadError: at the end.
        """
        token = self.peek()
        if token is None:
            raise UnreadError
        self.at_index += 1
        return token

    def at(self, *words: str) -> bool:
        """Whether the next tokens are these words."""
        return all(word_of(self.peek(i)) == word for i, word in enumerate(words))

    def at_any(self, words: Iterable[str]) -> bool:
        """Whether the next token is one of these words."""
        return word_of(self.peek()) in words

    def take(self, *words: str) -> bool:
        """Reads these words when they come next."""
        if not self.at(*words):
            return False
        self.at_index += len(words)
        return True

    def take_any(self, *words: str) -> str:
        """Reads one of these words when it comes next, and returns it; else the empty text."""
        word = word_of(self.peek())
        if word in words and word:
            self.at_index += 1
            return word
        return ""

    def expect(self, *words: str) -> None:
        """Reads these words.

        Raises:
            UnreadError: when something else comes.
        """
        if not self.take(*words):
            raise UnreadError

    def ident(self) -> str:
        """Reads a name; a bare one in lower case, a quoted one as it is.

        Raises:
            UnreadError: when no name comes.
        """
        token = self.next()
        if token.token_type is TokenType.IDENTIFIER:
            return str(token.text)
        if self.dialect in ("mysql", "mariadb", "sqlite") and is_text(token):
            return str(token.text)
        if not is_text(token) and token.text and (token.text[0].isalpha() or token.text[0] == "_"):
            return str(token.text).lower()
        self.at_index -= 1
        raise UnreadError

    def name(self) -> TableName:
        """Reads `a`, `a.b` or `a.b.c`, of which the last two count."""
        parts = [self.ident()]
        while self.take("."):
            parts.append(self.ident())
        return TableName(parts[-2] if len(parts) > 1 else None, parts[-1])

    def text(self) -> str:
        """Reads a literal text."""
        token = self.next()
        if not is_text(token):
            self.at_index -= 1
            raise UnreadError
        return str(token.text)

    def group(self) -> Cursor:
        """Reads a pair of parentheses and returns a cursor over what stands inside.

        Raises:
            UnreadError: when none opens here or it has no end.
        """
        self.expect("(")
        start, depth = self.at_index, 1
        while depth:
            word = word_of(self.next())
            depth += (word == "(") - (word == ")")
        return Cursor(self.tokens[start : self.at_index - 1], self.dialect)

    def names(self) -> tuple[str, ...]:
        """Reads `(a, b DESC, …)` and returns the plain names; an expression counts as none."""
        return tuple(name for item in split(self.group()) if (name := _leading_name(item)))

    def until(self, stops: frozenset[str]) -> Cursor:
        """Reads up to one of the words outside parentheses, or to the end."""
        start = self.at_index
        while not self.done and not self.at_any(stops):
            if self.at("("):
                self.group()
            else:
                self.at_index += 1
        return Cursor(self.tokens[start : self.at_index], self.dialect)


def _leading_name(item: Cursor) -> str | None:
    if item.peek(1) is not None and word_of(item.peek(1)) in ("(", "."):
        return None
    try:
        return item.ident()
    except UnreadError:
        return None


def split(cursor: Cursor, separator: str = ",") -> list[Cursor]:
    """The parts between separators that stand outside parentheses and brackets."""
    parts: list[Cursor] = []
    start = depth = 0
    for index, token in enumerate(cursor.tokens):
        word = word_of(token)
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if word == separator and depth == 0:
            parts.append(Cursor(cursor.tokens[start:index], cursor.dialect))
            start = index + 1
    if cursor.tokens:
        parts.append(Cursor(cursor.tokens[start:], cursor.dialect))
    return parts
