"""Where DataFusion's SQL computes with numbers in a way that could overflow: `+ - *`, a minus sign, and sum().

DataFusion wraps such results around without a word, so the runtime has to know where they are. The text itself is kept
character by character; only places in it are given. Which of them compute with integers is known by the engine alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

from sqlglot.tokens import TokenType

from flowc.compiler.systems.datafusion.sqlglot import DataFusion
from flowc.loadplan import Arithmetic

_TIMES, _PLUS = 40, 30
_POWER: Mapping[TokenType, int] = {
    TokenType.STAR: _TIMES, TokenType.SLASH: _TIMES, TokenType.MOD: _TIMES, TokenType.DPIPE: _TIMES,
    TokenType.PLUS: _PLUS, TokenType.DASH: _PLUS,
}  # fmt: skip
"""How strongly an operator binds, in DataFusion's own numbers; `||` binds like `*` there."""

_KINDS = {TokenType.STAR: "multiply", TokenType.PLUS: "add", TokenType.DASH: "subtract"}
_OPEN = {TokenType.L_PAREN: TokenType.R_PAREN, TokenType.L_BRACKET: TokenType.R_BRACKET,
         TokenType.L_BRACE: TokenType.R_BRACE}  # fmt: skip
_LITERALS = frozenset(
    {TokenType.STRING, TokenType.NUMBER, TokenType.HEX_STRING, TokenType.BIT_STRING, TokenType.BYTE_STRING,
     TokenType.RAW_STRING, TokenType.HEREDOC_STRING, TokenType.NATIONAL_STRING, TokenType.UNICODE_STRING}
)  # fmt: skip
_BEFORE_OPERANDS = frozenset({
    "SELECT", "DISTINCT", "ALL", "FROM", "WHERE", "BY", "HAVING", "LIMIT", "OFFSET", "FETCH", "UNION",
    "INTERSECT", "EXCEPT", "JOIN", "ON", "USING", "AS", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IN",
    "IS", "BETWEEN", "LIKE", "ILIKE", "TO", "ESCAPE", "VALUES", "QUALIFY", "WITH", "RECURSIVE", "WINDOW",
    "EXISTS", "ANY", "SOME", "LATERAL", "FOR",
})  # fmt: skip
"""Words that are no part of an operand, and after which one may begin."""

_AFTER_TYPES = frozenset({"WITH", "WITHOUT", "TIME", "ZONE", "PRECISION", "UNSIGNED", "VARYING"})
_UNITS = frozenset({
    "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND",
    "NANOSECOND",
})  # fmt: skip
_SMALL = 9
"""Digits of numbers whose sum and product surely fit."""


def arithmetic(sql: str) -> tuple[Arithmetic, ...]:
    """The computations of a query in DataFusion's dialect, inner ones before those around them."""
    scan = _Scan(sql)
    scan.sequence(None)
    return scan.named()


class _Words(NamedTuple):
    """How a computation is written, whole and without the names of tables, and in which SELECT."""

    select: int
    kind: str
    whole: str
    bare: str


class _Joined:
    """Words as one text, of which any of them that follow each other are cut out without a look at each."""

    def __init__(self, words: list[str]) -> None:
        self._text, self._ends = "".join(words), [0, *accumulate(map(len, words))]

    def part(self, start: int, end: int) -> str:
        """Some of the words."""
        return self._text[self._ends[start] : self._ends[min(end, len(self._ends) - 1)]]


class _Scan:
    """One pass over the tokens of a query, with as much of the grammar as the extent of an operand needs."""

    def __init__(self, sql: str) -> None:
        self._found: list[tuple[_Words, Arithmetic]] = []
        self._sql = sql
        self._tokens: list[Any] = DataFusion().tokenize(sql)
        self._types: list[TokenType] = [token.token_type for token in self._tokens]
        self._words = [*map(_word, self._tokens)]
        texts = [f"{_text(token)} " for token in self._tokens]
        self._whole, self._bare = _Joined(texts), _Joined(self._unqualified(texts))
        self._at = 0
        self._select = self._selects = 0

    def sequence(self, end: TokenType | None) -> None:
        """Everything up to a closing token, which is passed; None is the end of the text."""
        outer = self._select
        while self._at < len(self._tokens) and self._type() is not end:
            if self._starts_operand():
                self._expression(0)
                continue
            if self._word() == "SELECT":
                self._selects += 1
                self._select = self._selects
            self._at += 1
        self._at += 1
        self._select = outer

    def _expression(self, power: int) -> None:
        """Operands joined by operators that bind more strongly than `power`."""
        start = self._at
        self._operand()
        while (strength := _POWER.get(self._type(), 0)) > power:
            operator = self._at
            self._at += 1
            self._expression(strength)
            kind = _KINDS.get(self._tokens[operator].token_type)
            if kind and not self._harmless(kind, start, operator):
                self._note(kind, start, operator)

    def _operand(self) -> None:
        sign = self._at
        if self._type() not in (TokenType.DASH, TokenType.PLUS):
            self._primary()
            return
        self._at += 1
        self._operand()
        number = self._at == sign + 2 and self._tokens[sign + 1].token_type is TokenType.NUMBER
        if self._tokens[sign].token_type is TokenType.DASH and not number:
            self._note("negate", sign, sign)

    def _primary(self) -> None:
        start, kind, word = self._at, self._type(), self._word()
        self._at += 1
        if kind in _OPEN:
            self.sequence(_OPEN[kind])
        elif word == "CASE":
            self.sequence(TokenType.END)
        elif word == "INTERVAL" and self._starts_operand():
            self._primary()
            self._at += self._word().removesuffix("S") in _UNITS
        elif kind is TokenType.DOT or (word and self._type() is TokenType.STRING):
            # .5, or DATE '2024-01-01'.
            self._at += 1
        called = word and self._type() is TokenType.L_PAREN
        if called:
            self._at += 1
            self.sequence(TokenType.R_PAREN)
        closed = self._at
        self._after()
        if called and self._tokens[start].text.lower() == "sum":
            self._sum(start, closed)

    def _after(self) -> None:
        """What follows an operand and belongs to it."""
        while True:
            kind, word = self._type(), self._word()
            following = self._types[self._at + 1] if self._at + 1 < len(self._types) else None
            if kind is TokenType.DOT:
                self._at += 2
                if self._type() is TokenType.L_PAREN:
                    self._clause()
            elif kind is TokenType.L_BRACKET:
                self._at += 1
                self.sequence(TokenType.R_BRACKET)
            elif kind is TokenType.DCOLON:
                self._type_name()
            elif word == "OVER" or (word == "FILTER" and following is TokenType.L_PAREN):
                self._at += 1
                self._clause()
            elif word == "WITHIN" and following is TokenType.VAR:
                self._at += 2
                self._clause()
            elif word in ("IGNORE", "RESPECT"):
                self._at += 2
            elif word == "AT" and following is TokenType.TIME:
                self._at += 3
                self._primary()
            else:
                return

    def _clause(self) -> None:
        """A window's name, or what stands in brackets."""
        grouped = self._type() is TokenType.L_PAREN
        self._at += 1
        if grouped:
            self.sequence(TokenType.R_PAREN)

    def _type_name(self) -> None:
        self._at += 2
        while self._word() in _AFTER_TYPES:
            self._at += 1
        if self._type() is TokenType.L_PAREN:
            self._clause()
        while self._word() in _AFTER_TYPES:
            self._at += 1

    def _sum(self, start: int, closed: int) -> None:
        """A sum() whose bracket ends before `closed`: its one argument, without DISTINCT and ORDER BY."""
        first, last, depth = start + 2, closed - 1, 0
        if self._tokens[first].text.upper() in ("DISTINCT", "ALL"):
            first += 1
        for place in range(first, closed - 1):
            kind = self._tokens[place].token_type
            depth += (kind in _OPEN) - (kind in _OPEN.values())
            if depth == 0 and kind is TokenType.ORDER_BY:
                last = place
        if first < last:
            inner, outer = self._tokens[first].start, self._tokens[last - 1].end + 1
            self._add("sum", start, inner, outer)

    def _harmless(self, kind: str, start: int, operator: int) -> bool:
        """Whether literals alone tell that integers do not overflow here, and floats neither."""
        sides = (self._tokens[start:operator], self._tokens[operator + 1 : self._at])
        numbers = [s[0].text for s in sides if len(s) == 1 and s[0].token_type is TokenType.NUMBER]
        if broken := [number for number in numbers if not number.isdigit()]:
            return kind != "multiply" and all(number.replace(".", "", 1).isdigit() for number in broken)
        spans = any(s[0].token_type is TokenType.INTERVAL for s in sides)
        return spans or (len(numbers) == 2 and all(len(number) <= _SMALL for number in numbers))

    def _note(self, kind: str, start: int, operator: int) -> None:
        token = self._tokens[operator]
        self._add(kind, start, token.start, token.end + 1)

    def _add(self, kind: str, start: int, inner: int, outer: int) -> None:
        """Adds the computation that ends before the current token."""
        tokens = self._tokens[start : self._at]
        number = self._types[start] is TokenType.DOT  # .5, whose dot is no name's
        bare = ". " * number + self._bare.part(start + number, self._at)
        words = _Words(self._select, kind, self._whole.part(start, self._at), bare)
        self._found.append(
            (words, Arithmetic(kind, "", tokens[0].start, inner=inner, outer=outer, end=tokens[-1].end + 1))
        )

    def _unqualified(self, texts: list[str]) -> list[str]:
        """The words, with nothing in place of dots of names and of what stands before them."""
        types = [*self._types, None]
        return ["" if TokenType.DOT in types[i : i + 2] else text for i, text in enumerate(texts)]

    def named(self) -> tuple[Arithmetic, ...]:
        """What was found; the same expression in one SELECT under one name, so that GROUP BY still finds it.

        `t.a + 1` is `a + 1` when the SELECT has no other `x.a + 1`.
        """
        written: dict[tuple[int, str, str], set[str]] = {}
        for words, _ in self._found:
            written.setdefault((words.select, words.kind, words.bare), set()).add(words.whole)
        names: dict[tuple[int, str, str], str] = {}
        made = []
        for words, each in self._found:
            one = len(written[words.select, words.kind, words.bare] - {words.bare}) <= 1
            key = (words.select, words.kind, words.bare if one else words.whole)
            made.append(replace(each, name=names.setdefault(key, f"flowc_{words.kind}_{len(names) + 1}")))
        return tuple(made)

    def _type(self) -> TokenType | None:
        return self._types[self._at] if self._at < len(self._types) else None

    def _word(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _starts_operand(self) -> bool:
        kind, word = self._type(), self._word()
        if word:
            return word not in _BEFORE_OPERANDS and not word.endswith(" BY")
        return kind in _OPEN or kind in _LITERALS or kind in (TokenType.DASH, TokenType.PLUS, TokenType.DOT)


def _word(token: Any) -> str:
    """A token in capitals when it is a word without quotes, and a quote for one with them."""
    kind = token.token_type
    if kind in _LITERALS or kind is TokenType.IDENTIFIER:
        return '"' if kind is TokenType.IDENTIFIER else ""
    text = str(token.text).upper()
    return text if text[0].isalpha() or text[0] == "_" else ""


def _text(token: Any) -> str:
    """A token in the form in which equal ones are equal."""
    exact = token.token_type in _LITERALS or token.token_type is TokenType.IDENTIFIER
    return f"{token.token_type.name} {token.text}" if exact else str(token.text).lower()
