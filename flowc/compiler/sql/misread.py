"""What is read in another way than PostgreSQL reads it, found in the words of a query: refused, for no tree shows it.

`date '2024-01-31'::text` is a date from there on, and an interval has lost what is behind its first unit.
A `%` in a format cannot be told from the marks of strftime, in which trees keep formats.
"""

from __future__ import annotations

import re

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.sql.clocks import POSTGRES, with_named_clock
from flowc.compiler.sql.sqltext import SqlTree
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
    if parsed.dialect not in POSTGRES or not _MAY_BE.search(parsed.text.text):
        return
    tokens = Dialect.get_or_raise(parsed.dialect).tokenize(parsed.text.text)
    calls: list[str] = []
    for before, token, after in zip(tokens, tokens[1:], [*tokens[2:], None], strict=False):
        if token.token_type is TokenType.L_PAREN:
            calls.append(before.text.lower())
        elif token.token_type is TokenType.R_PAREN and calls:
            calls.pop()
        if before.token_type is TokenType.PARAMETER:
            span = parsed.text.span(before.start, before.end + 1)
            reporter.error("untranslatable-sql", "`@` as an operator", span, helps=["write `abs(x)` for `@ x`"])
        if token.token_type is not TokenType.STRING:
            continue
        ends = after is not None and after.token_type is TokenType.R_PAREN
        if "%" in token.text and before.token_type is TokenType.COMMA and ends and calls and calls[-1] in _FORMATTED:
            span = parsed.text.span(token.start, token.end + 1)
            reporter.error("untranslatable-sql", f"`%` in a format of {calls[-1]}", span, helps=[_PERCENT])
        elif why := _misread(before, token, after):
            span = parsed.text.span(before.start, token.end + 1)
            reporter.error("untranslatable-sql", why[0], span, helps=why[1:])


_PERCENT = "leave it out of the format: `to_char(d, 'YYYY') || '%'`, or `replace(text, '%', '-')` before it is read"


def _misread(before: Token, text: Token, after: Token | None) -> tuple[str, ...]:
    part = before.token_type is TokenType.INTERVAL and _ANY_PART.match(text.text)
    if part and not _PARTS.fullmatch(with_named_clock(text.text)):
        return ("an interval of anything but numbers and units", "write `interval '1 day 2 hours'`")
    cast = after is not None and after.token_type is TokenType.DCOLON
    if cast and (before.token_type in _TYPES or before.text.upper() == "ZONE"):
        written = f"{before.text} '{text.text}'"
        return (f"`::` right after `{written}`", f"put brackets around it: `({written})`")
    return ()
