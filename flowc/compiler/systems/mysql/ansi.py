"""An author's MySQL as flowc's sessions read it.

In them `"` stands around names and `||` joins texts, as in all of flowc's own SQL. MySQL reads them otherwise, so an
author's texts between `"` get `'`, and `||` becomes `OR`, which it means there. Nothing else is touched.
"""

from __future__ import annotations


def as_sessions_read_it(text: str) -> str:
    """The same SQL for a session with ANSI_QUOTES and PIPES_AS_CONCAT."""
    if '"' not in text and "||" not in text:
        return text
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import TokenError
    from sqlglot.tokens import TokenType

    try:
        tokens = Dialect.get_or_raise("mysql").tokenize(text)
    except TokenError:
        return text
    for token in reversed(tokens):
        start, end = token.start, token.end + 1
        if token.token_type is TokenType.DPIPE:
            text = f"{text[:start]} OR {text[end:]}"
        elif text[end - 1] == '"' and token.token_type not in (TokenType.IDENTIFIER, TokenType.VAR):
            text = text[:start] + _requoted(text[start:end]) + text[end:]
    return text


def _requoted(written: str) -> str:
    """A literal between double quotes, with what may stand before it, between single ones."""
    head, _, rest = written.partition('"')
    return head + "'" + rest[:-1].replace('""', '"').replace("'", "''") + "'"
