"""Joins that say no condition: most engines refuse them, and the others take them for a cross product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot.tokens import Token, TokenType

from flowc.compiler.dialects import source_of
from flowc.diagnostics import Reporter
from flowc.source import MappedText

HELPS = ("add `ON …` to each join, or write `CROSS JOIN`",)

_JOINS = frozenset((TokenType.JOIN, TokenType.STRAIGHT_JOIN))
_OPEN = frozenset((TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE))
_CLOSE = frozenset((TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE))
_ENDS = frozenset((
    TokenType.COMMA, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.QUALIFY, TokenType.WINDOW,
    TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH, TokenType.UNION, TokenType.INTERSECT,
    TokenType.EXCEPT, TokenType.SELECT,
))  # fmt: skip
"""What ends the list of joins in which they stand."""

_MODIFIED = frozenset(("SELECT", "DISTINCT", "DISTINCTROW", "ALL", "HIGH_PRIORITY"))
"""Words behind which STRAIGHT_JOIN is no join: it says how MySQL is to order those of the query."""
_SIDES = frozenset(("LEFT", "RIGHT", "FULL", "INNER", "OUTER", "ANY", "ALL", "GLOBAL"))
_UNCONDITIONAL = frozenset(("CROSS", "NATURAL", "POSITIONAL", "PASTE", "ARRAY", "FOR"))
"""Words before JOIN that leave no place for a condition; `FOR JOIN` stands in hints of MySQL."""


def all_conditions_said(text: MappedText, tokens: Sequence[Token], dialect: str, reporter: Reporter) -> bool:
    """Whether each join of a query has ON or USING, or none to say; reports those that lack it, at their places."""
    bare = list(_bare(tokens, source_of(dialect).row_relations))
    for token in bare:
        message = "this join has no condition: it would pair each row with every other"
        reporter.error("join-without-condition", message, text.span(token.start, token.end + 1), helps=HELPS)
    return not bare


def _bare(tokens: Sequence[Token], of_the_row: tuple[str, ...]) -> Iterator[Token]:
    """The joins that no ON or USING belongs to: each of these belongs to the last join before it that has none."""
    levels: list[list[Token]] = [[]]
    for place, token in enumerate(tokens):
        kind = token.token_type
        if kind in _JOINS:
            if _needs_condition(tokens, place, of_the_row):
                levels[-1].append(token)
        elif kind in (TokenType.ON, TokenType.USING):
            if levels[-1]:
                levels[-1].pop()
        elif kind in _OPEN:
            levels.append([])
        elif kind in _ENDS:
            yield from levels[-1]
            levels[-1] = []
        elif kind in _CLOSE and len(levels) > 1:
            yield from levels.pop()
    yield from (token for level in levels for token in level)


def _needs_condition(tokens: Sequence[Token], place: int, of_the_row: tuple[str, ...]) -> bool:
    before = place - 1
    if tokens[place].token_type is TokenType.STRAIGHT_JOIN and tokens[before].text.upper() in _MODIFIED:
        return False
    while before >= 0 and tokens[before].text.upper() in _SIDES:
        before -= 1
    if before >= 0 and tokens[before].text.upper() in _UNCONDITIONAL:
        return False
    return place + 1 == len(tokens) or tokens[place + 1].text.upper() not in of_the_row
