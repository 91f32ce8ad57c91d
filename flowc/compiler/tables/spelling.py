"""What is the same although it is spelled in another way: names of columns by their case, and expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from flowc.catalog import Table
from flowc.compiler.dialect import Dialect

NO_NAMES: Mapping[str, str] = MappingProxyType({})


def respelled(table: Table, names: Iterable[str], dialect: Dialect) -> Table:
    """The table with its columns as `names` spell them; of two spellings the first counts."""
    known: dict[str, str] = {}
    for name in names:
        known.setdefault(dialect.names.fold(name), name)
    return table.with_names({c.name: known.get(dialect.names.fold(c.name), c.name) for c in table.columns})


def words(text: str, dialect: Dialect, renamed: Mapping[str, str] = NO_NAMES) -> tuple[str, ...]:
    """The words of an expression as they are written, without white space, comments and the case of what is not quoted.

    `renamed` are old names of columns and new ones.
    """
    try:
        return tuple(_word(token, text, renamed) for token in sqlglot.tokenize(text, read=dialect.sqlglot))
    except SqlglotError:
        return tuple(text.split())


def _word(token: Token, text: str, renamed: Mapping[str, str]) -> str:
    written = text[token.start : token.end + 1]
    held = str(token.text)
    name = renamed.get(held, held)
    if written == held:
        return name.upper()
    return written.replace(held, name) if token.token_type is TokenType.IDENTIFIER or written[0] == '"' else written


def backquoted(text: str, dialect: Dialect) -> str:
    """An expression with names as sqlglot reads them, where it takes those in double quotes for texts.

    Raises sqlglot's TokenError for what it cannot read.
    """
    if not dialect.literals.quotes_texts or '"' not in text:
        return text
    for token in reversed(sqlglot.tokenize(text, read=dialect.sqlglot)):
        if text[token.start] == '"':
            text = f"{text[: token.start]}`{token.text}`{text[token.end + 1 :]}"
    return text
