"""What is read in another way than PostgreSQL reads it, found in the words of a query: refused, for no tree shows it.

`date '2024-01-31'::text` is a date from there on, and an interval has lost what is behind its first unit.
A `%` in a format cannot be told from the marks of strftime, in which trees keep formats.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.dialects import source_of
from flowc.compiler.sql.text.clocks import with_named_clock
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.diagnostics import Reporter

_PART = r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*[a-z]+"
_ANY_PART, _PARTS = re.compile(_PART, re.IGNORECASE), re.compile(rf"(?:{_PART})+\s*", re.IGNORECASE)
_MAY_BE = re.compile(r"interval|::|@|\bto_\w+.*%", re.IGNORECASE | re.DOTALL)
_FORMATTED = frozenset(("to_char", "to_date", "to_timestamp"))
_TYPES = frozenset((
    TokenType.DATE, TokenType.TIME, TokenType.TIMETZ, TokenType.TIMESTAMP, TokenType.TIMESTAMPTZ, TokenType.DECIMAL,
    TokenType.BOOLEAN, TokenType.JSON, TokenType.JSONB, TokenType.UUID, TokenType.INT, TokenType.BIGINT,
))  # fmt: skip


def report_misread(parsed: SqlTree, reporter: Reporter) -> None:
    """Reports each such place of a query that is to be translated."""
    if not source_of(parsed.dialect).postgres or not _MAY_BE.search(parsed.text.text):
        return
    for start, end, message, help in _places(parsed.text.text, parsed.dialect):
        reporter.error("untranslatable-sql", message, parsed.text.span(start, end), helps=[help])


@lru_cache(maxsize=4)  # each window of a query is translated with the text of the whole
def _places(text: str, dialect: str) -> tuple[tuple[int, int, str, str], ...]:
    """Where such places begin and end, what is wrong with each, and the mend."""
    tokens, calls = Dialect.get_or_raise(dialect).tokenize(text), list[str]()
    found = list[tuple[int, int, str, str]]()
    for before, token, after in zip(tokens, tokens[1:], [*tokens[2:], None], strict=False):
        if token.token_type is TokenType.L_PAREN:
            calls.append(before.text.lower())
        elif token.token_type is TokenType.R_PAREN and calls:
            calls.pop()
        if before.token_type is TokenType.PARAMETER:
            found.append((before.start, before.end + 1, "`@` as an operator", "write `abs(x)` for `@ x`"))
        if token.token_type is not TokenType.STRING:
            continue
        ends = after is not None and after.token_type is TokenType.R_PAREN
        if "%" in token.text and before.token_type is TokenType.COMMA and ends and calls and calls[-1] in _FORMATTED:
            found.append((token.start, token.end + 1, f"`%` in a format of {calls[-1]}", _PERCENT))
        elif why := _misread(before, token, after):
            found.append((before.start, token.end + 1, *why))
    return tuple(found)


_PERCENT = "leave it out of the format: `to_char(d, 'YYYY') || '%'`, or `replace(text, '%', '-')` before it is read"


def _misread(before: Token, text: Token, after: Token | None) -> tuple[str, str] | None:
    part = before.token_type is TokenType.INTERVAL and _ANY_PART.match(text.text)
    if part and not _PARTS.fullmatch(with_named_clock(text.text)):
        return ("an interval of anything but numbers and units", "write `interval '1 day 2 hours'`")
    cast = after is not None and after.token_type is TokenType.DCOLON
    if cast and (before.token_type in _TYPES or before.text.upper() == "ZONE"):
        written = f"{before.text} '{text.text}'"
        return (f"`::` right after `{written}`", f"put brackets around it: `({written})`")
    return None
