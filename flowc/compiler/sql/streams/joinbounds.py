"""What the conditions of a join of two streams say: which keys are equal, how near times are, and what else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType

from flowc.compiler.dialects import RUNNER
from flowc.compiler.sql.relations import fold
from flowc.compiler.sql.streams.tablefunctions import unit_length
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.nodes import TIME

LEFT, RIGHT = 0, 1
Owner = Callable[[exp.Column], int | None]
"""Of which side a column is; None for one of neither."""
Clock = Callable[[exp.Column], tuple[int, int] | None]
"""Of a column that is a time, its side, and how many microseconds it is after the event time; None for others."""
_PART = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,6})?) ?([a-z]+)")
_TEXT = re.compile(rf"-?[0-9]{{1,18}}(?:\.[0-9]{{1,6}})?|{_PART.pattern}(?: {_PART.pattern})*")
_CLOCK = re.compile(r"(-?)([0-9]{1,9}):([0-5][0-9])(?::([0-5][0-9](?:\.[0-9]{1,6})?))?")
_CENTURY = 100 * 366 * 86_400 * 10**6
_ORDERS: dict[type[exp.Expression], str] = {
    exp.GTE: ">=", exp.GT: ">", exp.LTE: "<=", exp.LT: "<", exp.EQ: "=",
}  # fmt: skip
_TURNED = {">=": "<=", ">": "<", "<=": ">=", "<": ">", "=": "="}


@dataclass(frozen=True, slots=True)
class Times:
    """A sum in a condition: how often the time of each side is in it, and microseconds."""

    left: int = 0
    right: int = 0
    more: int = 0

    def plus(self, other: Times, sign: int) -> Times:
        """With another sum added, or taken away."""
        return Times(self.left + sign * other.left, self.right + sign * other.right, self.more + sign * other.more)


@dataclass
class Conditions:
    """The conditions of a join, sorted: all of them hold."""

    keys: list[tuple[exp.Expression, exp.Expression]] = field(default_factory=list)
    least: int | None = None
    most: int | None = None
    of_one: tuple[list[exp.Expression], list[exp.Expression]] = field(default_factory=lambda: ([], []))
    """Those of the left side alone, and of the right one."""
    of_both: list[exp.Expression] = field(default_factory=list)
    timed: list[exp.Expression] = field(default_factory=list)
    """Those of both that compare times of other columns, or event times in a way that is not understood."""

    def take(self, node: exp.Expression, owner: Owner, clock: Clock) -> None:
        """Sorts one condition in. Bounds of windows that are equal are keys as well."""
        sides, foreign = sides_of(node, owner), _is_foreign(node, owner)
        pair = _key(node, owner) if not foreign and not _names_time(node) else None
        bounds = _bounds(node, clock) if sides == {LEFT, RIGHT} else None
        if pair is not None:
            self.keys.append(pair)
        for least, most in bounds or ():
            self._bound(least, most)
        if pair is not None or bounds is not None:
            return
        if sides == {LEFT, RIGHT}:
            timed = _names_time(node) or _compares_times(node) or _compares_windows(node, clock)
            (self.timed if timed else self.of_both).append(node)
        elif len(sides) == 1 and not foreign:
            self.of_one[next(iter(sides))].append(node)
        else:
            self.of_both.append(node)

    def _bound(self, least: int | None, most: int | None) -> None:
        self.least = least if self.least is None else self.least if least is None else max(self.least, least)
        self.most = most if self.most is None else self.most if most is None else min(self.most, most)


def conjuncts(node: exp.Expression | None) -> Iterator[exp.Expression]:
    """The conditions of which all have to hold."""
    if isinstance(node, exp.Paren) and isinstance(node.this, exp.And | exp.Paren):
        yield from conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from conjuncts(node.this)
        yield from conjuncts(node.expression)
    elif node is not None:
        yield node


def all_of(nodes: Sequence[exp.Expression]) -> exp.Expression | None:
    """One condition of several; None of none."""
    wrapped = [node if isinstance(node, exp.Column | exp.Paren) else exp.Paren(this=node) for node in nodes]
    return reduce(lambda one, other: exp.And(this=one, expression=other), wrapped) if wrapped else None


def sides_of(node: exp.Expression, owner: Owner) -> set[int]:
    """The sides whose columns an expression has."""
    return {side for column in node.find_all(exp.Column) if (side := owner(column)) is not None}


def _is_foreign(node: exp.Expression, owner: Owner) -> bool:
    """Whether it needs columns of neither side, of a lookup behind them; a subquery has columns of its own."""
    columns = (column for column in node.find_all(exp.Column) if owner(column) is None)
    return any(column.find_ancestor(exp.Query) is node.find_ancestor(exp.Query) for column in columns)


def odd_interval(query: SqlTree) -> str | None:
    """An interval of which the parser may have kept only a part."""
    tokens = Dialect.get_or_raise(query.dialect).tokenize(query.text.text)
    pairs = pairwise(tokens)
    texts = (text for word, text in pairs if word.token_type is TokenType.INTERVAL)
    found = (text.text for text in texts if text.token_type is TokenType.STRING)
    return next((text for text in found if not (_TEXT.fullmatch(_plain(text)) or _CLOCK.fullmatch(_plain(text)))), None)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _names_time(node: exp.Expression) -> bool:
    return any(is_time(column) for column in node.find_all(exp.Column))


def is_time(column: exp.Column) -> bool:
    """Whether a column is called as the event time is."""
    return isinstance(column.this, exp.Identifier) and fold(column.this, RUNNER) == TIME


def _compares_times(node: exp.Expression) -> bool:
    """Whether intervals are part of it."""
    return node.find(exp.Interval) is not None


def _compares_windows(node: exp.Expression, clock: Clock) -> bool:
    """Whether bounds of windows are part of it."""
    return any(clock(column) is not None for column in node.find_all(exp.Column))


def _key(node: exp.Expression, owner: Owner) -> tuple[exp.Expression, exp.Expression] | None:
    """The two sides of an equality, left and right."""
    if isinstance(node, exp.Paren):
        return _key(node.this, owner)
    if not isinstance(node, exp.EQ):
        return None
    one, other = node.this, node.expression
    sides = sides_of(one, owner), sides_of(other, owner)
    if sides == ({LEFT}, {RIGHT}):
        return one, other
    return (other, one) if sides == ({RIGHT}, {LEFT}) else None


def _bounds(node: exp.Expression, clock: Clock) -> list[tuple[int | None, int | None]] | None:
    """How much later the right row is, at least and at most; None where a condition does not say that."""
    if isinstance(node, exp.Paren):
        return _bounds(node.this, clock)
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        parts = [(node.this, ">=", node.args["low"]), (node.this, "<=", node.args["high"])]
    elif type(node) in _ORDERS:
        parts = [(node.this, _ORDERS[type(node)], node.expression)]
    else:
        return None
    found = [_bound(one, order, other, clock) for one, order, other in parts]
    return [each for each in found if each is not None] if None not in found else None


def _bound(
    one: exp.Expression, order: str, other: exp.Expression, clock: Clock
) -> tuple[int | None, int | None] | None:
    left, right = _sum(one, clock), _sum(other, clock)
    if left is None or right is None:
        return None
    both = left.plus(right, -1)
    if (both.left, both.right) == (1, -1):
        order, both = _TURNED[order], Times(-1, 1, -both.more)
    if (both.left, both.right) != (-1, 1):
        return None
    # Times are whole microseconds.
    least = {">=": -both.more, ">": -both.more + 1, "=": -both.more}.get(order)
    most = {"<=": -both.more, "<": -both.more - 1, "=": -both.more}.get(order)
    return least, most


def _sum(node: exp.Expression, clock: Clock) -> Times | None:
    if isinstance(node, exp.Paren):
        return _sum(node.this, clock)
    if isinstance(node, exp.Add | exp.Sub):
        one, other = _sum(node.this, clock), _sum(node.expression, clock)
        return one.plus(other, 1 if isinstance(node, exp.Add) else -1) if one and other else None
    if isinstance(node, exp.Neg):
        one = _sum(node.this, clock)
        return Times().plus(one, -1) if one else None
    if isinstance(node, exp.Column):
        found = clock(node)
        return None if found is None else Times(int(found[0] == LEFT), int(found[0] == RIGHT), found[1])
    length = _length(node)
    return None if length is None else Times(more=length)


def _length(node: exp.Expression) -> int | None:
    """The microseconds of an interval that is written out; None for others, and for months, which have none."""
    if not isinstance(node, exp.Interval) or not isinstance(node.this, exp.Literal):
        return None
    unit = node.args.get("unit")
    if unit is not None and not isinstance(unit, exp.Var):
        return None
    said = _plain(f"{node.this.name} {unit.name}" if unit is not None else node.this.name)
    if clock := _CLOCK.fullmatch(said):
        sign, hours, minutes, seconds = clock.groups()
        length = (Decimal(hours) * 3600 + Decimal(minutes) * 60 + Decimal(seconds or 0)) * 10**6
        return _whole(-length if sign else length)
    if not _TEXT.fullmatch(said) or not (parts := _PART.findall(said)):
        return None
    sizes = [(Decimal(number), unit_length(word)) for number, word in parts]
    if any(size is None for _, size in sizes):
        return None
    return _whole(sum((number * (size or 0) for number, size in sizes), Decimal(0)))


def _whole(length: Decimal) -> int | None:
    return int(length) if length == int(length) and abs(length) <= _CENTURY else None
