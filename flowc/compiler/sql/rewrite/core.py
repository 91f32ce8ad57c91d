"""How rewrites are written and applied.

A rewrite gets one node and returns what takes its place, or None to leave it alone. Nodes are visited from the leaves
up, and what a rewrite returns is not visited again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.expressions import DataType as SqlType

from flowc.compiler.sql import marks
from flowc.compiler.sql.text.sqltext import copied


class Answer(Enum):
    """What a dialect, or an engine, makes of a number that is not defined."""

    FAILS = "an error"
    NULL = "NULL"
    FLOAT = "an infinity or NaN"


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """What an engine has and lacks: all that rules ask of it which other engines share."""

    name: str
    """Also that of its dialect for sqlglot."""
    title: str
    """What messages call it."""
    undefined: Answer
    """What it makes of a number that is not defined; one that says NULL has no infinity and no NaN."""
    first: Sequence[Rules]
    """What it needs to know of the author's own words, before any of it is rewritten."""
    rules: Sequence[Rules]
    """How it spells what the shared rules leave."""
    instead: Mapping[Rewrite, Rewrite | None] = field(default_factory=dict)
    """Its own rules in the place of shared ones; None where it has itself what they rewrite."""
    named: Mapping[str, Named] = field(default_factory=dict)
    """Its own functions in the place of those that sqlglot does not know, by their names."""
    portable: frozenset[str] = frozenset()
    """Functions of it that sqlglot does not model and that mean the same wherever they are."""
    sources: frozenset[str] | None = None
    """The dialects of which its rules know the meaning; None for all."""
    doubt: Callable[[exp.Expression], str | None] = lambda node: None
    """Why a rewritten node, itself and not what is in it, is not known to mean the same; None where it is."""
    finish: Callable[[exp.Expression], None] = lambda tree: None
    """Changes a rewritten tree in place."""
    fails: str | None = None
    """A value that is an error where `{0}` holds, which is told as `{1}`; None where it has none."""
    fails_at: frozenset[type[exp.Expression]] = frozenset()
    """Functions that fail where they are not defined, whatever others do."""
    exact: bool = False
    """It keeps decimals of PostgreSQL exact, and tells what kind a number is where no type does."""
    cuts: bool = False
    """A cast of a fraction to an integer cuts; it rounds on other engines."""
    rounds_away: bool = False
    """A half of a float is rounded away from zero."""
    casts_even: bool = False
    """A half of a float that is cast to an integer goes to the even number."""
    from_end: bool = False
    """A negative position in a text counts from the end."""
    skips_null: bool = False
    """GREATEST and LEAST leave NULL out."""
    joins_numbers: bool = True
    """Numbers are put together as texts are."""
    escapes_like: bool = False
    """A backslash in LIKE escapes by itself."""


@dataclass(frozen=True, slots=True)
class Pair:
    """From which dialect to which engine."""

    source: str
    engine: Engine


class Untranslatable(Exception):
    """A construct that the engine cannot be made to compute. The message says what, in lower case.

    `fix` says how to write it instead, where the engine's own SQL has it no more than flowc has.
    """

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.fix = fix


Rewrite = Callable[[exp.Expression, Pair], exp.Expression | None]
Named = Callable[[list[exp.Expression], Pair], exp.Expression | None]
Test = Callable[[exp.Expression], object]
Rules = Mapping[type[exp.Expression], Sequence[Rewrite]]

NATIVE = "mysql"
"""The dialect whose templates are the engine's SQL already: no rule of MySQL changes their nodes again."""
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
INTEGERS = frozenset((*SqlType.INTEGER_TYPES,))
NAIVE_TIMES = (SqlType.Type.TIMESTAMP, SqlType.Type.TIMESTAMPNTZ, SqlType.Type.DATETIME)
ZONED_TIMES = (SqlType.Type.TIMESTAMPTZ, SqlType.Type.TIMESTAMPLTZ)


@lru_cache(maxsize=1024)
def _template(sql: str, dialect: str) -> exp.Expression:
    tree = sqlglot.parse_one(sql, read=dialect)
    assert isinstance(tree, exp.Expression)
    for node in tree.find_all(exp.Anonymous, exp.Div):
        marks.GENERATED.put(node)
    if dialect == NATIVE:
        for node in tree.walk():
            marks.SETTLED.put(node)
    return tree


def build(sql: str, dialect: str = "postgres", /, **parts: exp.Expression | str | int) -> exp.Expression:
    """An expression from a template: `:name` stands for a part, put in parentheses where it needs them."""
    tree = copied(_template(sql, dialect))
    for mark in list(tree.find_all(exp.Placeholder)):
        part = parts[mark.name]
        node = copied(part) if isinstance(part, exp.Expression) else exp.convert(part)
        node = (
            exp.paren(node, copy=False)
            if isinstance(node, exp.Binary | exp.Unary | exp.Condition) and _loose(node)
            else node
        )
        if mark is tree:
            return node
        mark.replace(node)
    return tree


def _loose(node: exp.Expression) -> bool:
    return isinstance(node, exp.Binary | exp.Not | exp.Neg | exp.Between | exp.In | exp.Is) and not isinstance(
        node, exp.Dot | exp.JSONExtract
    )


def template(sql: str, dialect: str = "postgres", /) -> Rewrite:
    """A rewrite to a template whose `:this`, `:expression` … stand for the node's own parts."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        return build(sql, dialect, **{k: v for k, v in node.args.items() if isinstance(v, exp.Expression)})

    return rewrite


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """A call of a function by its very name."""
    return mark(exp.Anonymous(this=name, expressions=[a.copy() for a in arguments]))


def renamed(name: str) -> Rewrite:
    """A rewrite to a function of the same one or two arguments."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression:
        return call(name, *(node.args[key] for key in ("this", "expression") if node.args.get(key) is not None))

    return rewrite


def of(sources: Container[str], rules: Rules) -> Rules:
    """Rules of what is written in some dialects alone."""

    def within(rule: Rewrite) -> Rewrite:
        return lambda node, pair: rule(node, pair) if pair.source in sources else None

    return {kind: tuple(map(within, each)) for kind, each in rules.items()}


def merged(*tables: Rules) -> Rules:
    """One table, in which the rules of the first come first."""
    kinds = dict.fromkeys(kind for table in tables for kind in table)
    return {kind: tuple(rule for table in tables for rule in table.get(kind, ())) for kind in kinds}


def always(node: exp.Expression) -> bool:
    """The test that every node passes."""
    return True


def refused(what: str, when: Test = always) -> Rewrite:
    """A rewrite that says no, always or where `when` holds for the node."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression | None:
        if when(node):
            raise Untranslatable(what)
        return None

    return rewrite


def mark(node: exp.Expression) -> exp.Expression:
    """Says of a node that it is already in the engine's words."""
    marks.GENERATED.put(node)
    return node


def typed(node: exp.Expression, kind: str | SqlType.Type) -> exp.Expression:
    """The node, whose values are said to be of a type."""
    node.type = SqlType.build(kind)
    return node


def with_part(node: exp.Expression, **parts: object) -> exp.Expression:
    """A copy of the node with other parts."""
    new = node.copy()
    for part, value in parts.items():
        new.set(part, value)
    return new


def type_of(node: exp.Expression | None) -> SqlType.Type | None:
    """The type of a node's values, None when it is not known."""
    if isinstance(node, exp.Paren):
        return type_of(node.this)
    if isinstance(node, exp.Cast):
        return node.to.this if isinstance(node.to.this, SqlType.Type) else None
    if isinstance(node, exp.Literal):
        if node.is_string and node.type is not None and node.type.this in SqlType.TEMPORAL_TYPES:
            return SqlType.Type(node.type.this)
        if node.is_string:
            return SqlType.Type.VARCHAR
        return SqlType.Type.BIGINT if node.is_int else SqlType.Type.DECIMAL
    if isinstance(node, exp.Neg):
        return type_of(node.this)
    kind = node.type if node is not None else None
    known = kind.this if kind is not None and isinstance(kind.this, SqlType.Type) else None
    return None if known in (SqlType.Type.UNKNOWN, SqlType.Type.NULL) else known


def negated(node: exp.Expression, new: exp.Expression) -> exp.Expression:
    """What takes the place of a test: NOT where the test was one, as in `NOT LIKE`."""
    return exp.Not(this=exp.paren(new, copy=False)) if node.args.get("negate") else new


def is_integer(node: exp.Expression | None) -> bool:
    """Whether a node is known to be an integer."""
    return type_of(node) in INTEGERS


def has_interval(node: exp.Expression) -> bool:
    """Whether an operand is an interval."""
    return any(isinstance(node.args[side].unnest(), exp.Interval) for side in ("this", "expression"))


def integer_value(node: exp.Expression | None) -> int | None:
    """The value of an integer literal, with its sign."""
    if isinstance(node, exp.Neg):
        value = integer_value(node.this)
        return None if value is None else -value
    if isinstance(node, exp.Paren):
        return integer_value(node.this)
    if isinstance(node, exp.Literal) and not node.is_string and node.is_int:
        return int(node.this)
    return None


def text_value(node: exp.Expression | None) -> str | None:
    """The value of a text literal."""
    return node.this if isinstance(node, exp.Literal) and node.is_string else None


def unit_of(node: exp.Expression) -> str:
    """A date part's name in upper case, `WEEK` for weeks that start on Monday, `WEEK(SUNDAY)` for the others."""
    unit = node.args.get("unit")
    if isinstance(unit, exp.WeekStart):
        day = unit.name.upper()
        return "WEEK" if day == "MONDAY" else f"WEEK({day})"
    name = (unit.name if unit is not None else "DAY").upper()
    if not name:
        raise Untranslatable("a unit of time that is not a word")
    return UNITS.get(name, name)


PLAIN_WORDS = frozenset(("sign", "trunc", "ltrim", "rtrim", "replace"))
"""Functions that sqlglot does not model and that mean the same wherever they are."""
MATH_WORDS = frozenset(("degrees", "radians", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "ascii", "chr"))
"""The same, which SQLite has otherwise."""

UNITS = {
    "DD": "DAY", "D": "DAY", "DAYS": "DAY", "MM": "MONTH", "MON": "MONTH", "MONTHS": "MONTH", "YY": "YEAR",
    "YYYY": "YEAR", "YEARS": "YEAR", "Q": "QUARTER", "QTR": "QUARTER", "HH": "HOUR", "HOURS": "HOUR", "MI": "MINUTE",
    "MINUTES": "MINUTE", "SS": "SECOND", "SECONDS": "SECOND", "ISOWEEK": "WEEK", "WEEKS": "WEEK", "WK": "WEEK",
    "MILLISECONDS": "MILLISECOND", "MICROSECONDS": "MICROSECOND",
}  # fmt: skip
