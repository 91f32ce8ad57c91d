"""A query as its author wrote it: a tree in which every call has the name and the arguments of the text.

sqlglot reads functions of all dialects into nodes of its own, so that `ifnull` becomes COALESCE in SQL that has no
`ifnull`. Here the words of a call are marked before they are parsed, and so are taken for names that it does not know.
"""

from __future__ import annotations

from functools import cache

from sqlglot import ErrorLevel, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.dialects import source_of
from flowc.compiler.sql.text.sqltext import FAULTS, SqlTree

_MARK = "\x01"
_QUOTED = (TokenType.IDENTIFIER, TokenType.STRING)


@cache
def _known(dialect: str) -> frozenset[str]:
    parser = Dialect.get_or_raise(dialect).parser_class
    return (frozenset(parser.FUNCTIONS) | frozenset(parser.FUNCTION_PARSERS)).difference(
        source_of(dialect).unusual_calls
    )


def literal(parsed: SqlTree) -> SqlTree | None:
    """The tree of a text whose calls are as written, with the same places; None where it cannot be read so."""
    dialect, text = Dialect.get_or_raise(parsed.dialect), parsed.text.text
    known = _known(parsed.dialect)
    try:
        tokens = list(dialect.tokenize(text))
        marked = [_marked(t, n, known) for t, n in zip(tokens, [*tokens[1:], None], strict=True)]
        tree = dialect.parser(error_level=ErrorLevel.RAISE).parse(marked, text)[0]
    except (RecursionError, *FAULTS):
        return None  # what is wrong with it is told where the query itself is read
    return SqlTree(tree, parsed.text, parsed.dialect, parsed.start) if isinstance(tree, exp.Expression) else None


def _marked(token: Token, following: Token | None, known: frozenset[str]) -> Token:
    called = following is not None and following.token_type is TokenType.L_PAREN
    if not called or token.token_type in _QUOTED or token.text.upper() not in known:
        return token
    return Token(
        token.token_type, token.text + _MARK, line=token.line, col=token.col, start=token.start, end=token.end,
        comments=token.comments,
    )  # fmt: skip


def bare(name: str) -> str:
    """A name without its mark."""
    return name.removesuffix(_MARK)


def called(node: exp.Anonymous) -> tuple[str, bool]:
    """The name that a call is written with, in lower case unless it is quoted, and whether it is quoted."""
    name = node.this
    if isinstance(name, exp.Identifier):
        return str(name.this), True
    return bare(str(name)).lower(), False
