"""What a SQL text may hold at most, counted over its tokens before it is parsed.

The parser overflows its stack where SQL is nested deeply, and reads some parts twice, the parts in them four times, and
so on. Nothing stops it once it reads, so that what is too much is refused here, in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import Token, TokenType

from flowc.compiler.sql.text.joins import HELPS
from flowc.diagnostics import Reporter
from flowc.source import MappedText

MAX_NESTING = 150
MAX_OPERATORS = 200
"""Operators in a row, between commas, clauses and what may be a long list."""
MAX_LISTED = 3_000
"""AND, OR, `+` and the like, `||`, UNION: in a row they are lists."""
MAX_STEPS, STEPS_PER_TOKEN = 600, 15
"""How many tokens may be read again, each counted as often as it is: so many in any text, and more in a longer one."""
MAX_DIGITS = 1_000
MAX_INTERVAL = 1_000
"""Characters of an interval: the parser looks through what is in it again and again."""
_MAX_BARE_JOINS = 12
_DEEP = ("move parts of it into common table expressions: `WITH part AS (SELECT …) SELECT …`",)

_T = TokenType
_OPENERS = frozenset((_T.L_PAREN, _T.L_BRACKET, _T.L_BRACE, _T.CASE))
_CLOSERS = frozenset((_T.R_PAREN, _T.R_BRACKET, _T.R_BRACE, _T.END))

_OPERANDS = frozenset((_T.VAR, _T.IDENTIFIER, _T.STRING, _T.NUMBER, _T.NULL, _T.TRUE, _T.FALSE, _T.ALIAS))
_LISTS = frozenset(
    (_T.AND, _T.OR, _T.PLUS, _T.DASH, _T.STAR, _T.SLASH, _T.MOD, _T.DPIPE, _T.UNION, _T.EXCEPT, _T.INTERSECT)
)
_BREAKS = frozenset(
    (_T.COMMA, _T.SELECT, _T.FROM, _T.WHERE, _T.GROUP_BY, _T.ORDER_BY, _T.HAVING, _T.QUALIFY, _T.LIMIT, _T.JOIN, _T.ON,
     _T.USING, _T.WHEN, _T.THEN, _T.ELSE, _T.SEMICOLON)
)  # fmt: skip
_ANGLES, _CONDITIONS = frozenset((_T.LT, _T.GT)), frozenset((_T.ON, _T.USING))
_TYPED = frozenset((_T.ALIAS, _T.DCOLON))
"""What a type stands behind, and nothing that may be a call."""
_UNJOINED = {_T.JOIN: 1, _T.CROSS: -1, _T.NATURAL: -1}
_READ_AGAIN = {"IF": 2, "SORT_ARRAY": 2, "BINARY": 3}
"""Words beside the names of types that make the parser read what follows so many times."""
_CALLED = frozenset(("IF", "MAP", "ARRAY", "LIST"))
"""Functions among all of these: what they have in parentheses is read once."""


@dataclass(slots=True)
class _Level:
    """Between an opening bracket and its closing one: how often it is read, and what stands in a row."""

    times: int = 1
    typed: bool = False
    """Whether it holds the parts of a type, which are read once, as what they are."""
    operators: int = 0
    listed: int = 0


@dataclass(slots=True)
class _Counter:
    """Counts the tokens of a text."""

    types: frozenset[TokenType]
    nested_types: frozenset[TokenType]
    most_steps: int
    levels: list[_Level] = field(default_factory=lambda: [_Level()])
    nesting: int = 0
    angles: int = 0
    joins: int = 0
    steps: int = 0
    earlier: TokenType | None = None
    """The kind of the token before the last one."""

    def take(self, token: Token, before: Token | None) -> bool:
        """Counts a token behind another; False where it counts for nothing."""
        kind = token.token_type
        if kind in _OPERANDS and self.levels[-1].times == 1:
            return False
        self.nesting += (kind in _OPENERS) - (kind in _CLOSERS) + (self._angle(kind, before) if kind in _ANGLES else 0)
        self.joins = 0 if kind in _CONDITIONS else self.joins + _UNJOINED.get(kind, 0)
        if kind in _CLOSERS and len(self.levels) > 1:
            self.levels.pop()
        self._in_a_row(kind, self.levels[-1])
        if kind in _OPENERS:
            typed = self.levels[-1].typed or (
                self.earlier in _TYPED and before is not None and before.token_type in self.types
            )
            times = 1 if typed else self._readings(kind, before)
            self.levels.append(_Level(self.levels[-1].times * times, typed))
        elif kind is _T.LT:
            self.levels[-1].times *= self._readings(kind, before)
        self.steps += self.levels[-1].times - 1
        return True

    def _angle(self, kind: TokenType, before: Token | None) -> int:
        """1 where `<` opens the parts of a type, -1 where `>` closes them."""
        opens = kind is _T.LT and before is not None and before.token_type in self.nested_types
        change = 1 if opens else -1 if kind is _T.GT and self.angles else 0
        self.angles += change
        return change

    def _in_a_row(self, kind: TokenType, level: _Level) -> None:
        if kind in _BREAKS:
            level.operators = level.listed = 0
        elif kind in _LISTS:
            level.operators, level.listed = 0, level.listed + 1
        elif not (kind in _OPERANDS or kind in _OPENERS or kind in self.types):
            level.operators += 1

    def _readings(self, kind: TokenType, before: Token | None) -> int:
        """How often the parser reads what a bracket holds: behind what may be a type, once as the parts of that."""
        if before is None or kind is _T.CASE:
            return 1
        word = before.text.upper()
        named = 1 if kind is _T.L_PAREN and word in _CALLED else _READ_AGAIN.get(word)
        if kind is _T.LT:
            return named or 1
        return named or (2 if before.token_type in self.types else 1)

    def broken(self) -> str | None:
        """The limit that was broken, in words."""
        level = self.levels[-1]
        if self.nesting > MAX_NESTING:
            return f"more than {MAX_NESTING} levels"
        if level.operators > MAX_OPERATORS:
            return f"more than {MAX_OPERATORS} operators in a row"
        if level.listed >= MAX_LISTED:
            return f"more than {MAX_LISTED:,} terms in a row"
        if self.steps > self.most_steps:
            again = "what stands in `ARRAY[…]`, or behind a type as in `date(…)`, is read twice"
            return f"{again}, which takes over {self.most_steps:,} steps here"
        return None


def is_bounded(text: MappedText, tokens: Sequence[Token], dialect: str, reporter: Reporter) -> bool:
    """Whether a text can be parsed; else what is too much of it is reported, at the first token that is."""
    parser = Dialect.get_or_raise(dialect).parser_class
    types, nested = frozenset(parser.TYPE_TOKENS), frozenset(parser.NESTED_TYPE_TOKENS)
    counter = _Counter(types, nested, MAX_STEPS + STEPS_PER_TOKEN * len(tokens))
    before: Token | None = None
    for token in tokens:
        counted = counter.take(token, before)
        counter.earlier = before.token_type if before is not None else None
        behind, before = before, token
        if counted and (broken := counter.broken()) is not None:
            message = f"the SQL is nested too deeply: {broken}"
            reporter.error("sql-too-deep", message, text.span(token.start, token.end + 1), helps=_DEEP)
        elif counter.joins > _MAX_BARE_JOINS:
            message = f"more than {_MAX_BARE_JOINS} joins in a row have no condition"
            reporter.error("join-without-condition", message, text.span(token.start, token.end + 1), helps=HELPS)
        elif token.token_type is _T.NUMBER and len(token.text) > MAX_DIGITS:
            message = f"the number has {len(token.text):,} digits; at most {MAX_DIGITS:,} are read"
            reporter.error("sql-too-large", message, text.span(token.start, token.end + 1))
        elif behind is not None and behind.token_type is _T.INTERVAL and len(token.text) > MAX_INTERVAL:
            message = f"the interval has {len(token.text):,} characters; at most {MAX_INTERVAL:,} are read"
            reporter.error("sql-too-large", message, text.span(token.start, token.end + 1))
        else:
            continue
        return False
    return True
