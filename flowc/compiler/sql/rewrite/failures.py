"""What fails in the author's dialect, and gives NULL, an infinity or NaN on the engine: made to fail there too.

A division by zero, the root of a negative number, a logarithm of zero: a pipeline that stops in one database must not
replace a table with NULLs in another. Casts are checked where they are said (`sqlite_casts`, `mysql`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from flowc.compiler.sql import marks
from flowc.compiler.sql.rewrite.core import (
    Answer,
    Engine,
    Pair,
    Rewrite,
    Rules,
    Untranslatable,
    build,
    integer_value,
    type_of,
    with_part,
)
from flowc.compiler.sql.rewrite.numbers import EXACT, Number, number_of
from flowc.compiler.sql.rewrite.undefined import answers, by_zero, engine_by_zero, kept

_MOST = 4
_ZERO = "division by zero"


def fails(
    node: exp.Expression, value: exp.Expression, where: str, words: str, engine: Engine, /, **parts: exp.Expression
) -> exp.Expression:
    """A value of a node, or an error where `where` holds, in which `:a` stands for it.

    What AND and OR before the node leave undecided alone is asked for: `d <> 0 AND n / d > 1` fails for no row.
    """
    if (asked := _asked(node)) is not None:
        where, parts = f"({where}) AND COALESCE(:asked, FALSE)", {**parts, "asked": asked}
    if engine.fails is None:
        raise Untranslatable(f"what fails with `{words}`")
    if sum(marks.CHECKED.has(node) for node in value.walk()) >= _MOST:
        raise Untranslatable(f"`{words}` to be looked for in operands so deep: compute some of them in a CTE")
    new = build(engine.fails.format(where, words), engine.name, a=value, **parts)
    kind = type_of(value) or (exp.DataType.Type.BIGINT if number_of(value) is Number.INTEGER else None)
    if kind is not None:
        new.type = exp.DataType.build(kind)
    marks.CHECKED.put(new)
    return new


def _asked(node: exp.Expression) -> exp.Expression | None:
    """The condition under which AND and OR, read from the left, ask for a node; None where it is asked for always."""
    found: list[exp.Expression] = []
    while (around := node.parent) is not None and not isinstance(around, exp.Query):
        if isinstance(around, exp.And | exp.Or) and around.expression is node:
            before = exp.paren(around.this.copy(), copy=False)
            found.append(before if isinstance(around, exp.And) else exp.Not(this=before))
        node = around
    return exp.and_(*found) if found else None


def _divided(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    assert isinstance(node, exp.Binary)
    divisor = node.right
    if is_never_zero(divisor):
        return None
    wanted = kept(by_zero(node, pair.source), pair.engine)
    if wanted is Answer.FLOAT or wanted is engine_by_zero(node, pair):
        return None
    new = node.copy()
    if wanted is Answer.NULL:
        new.set("expression", _null_where(divisor, ":a = 0"))
        new.set("safe", False)
    else:
        new.set("expression", fails(node, divisor, ":a = 0", _ZERO, pair.engine))
    return new


def _null_where(value: exp.Expression, where: str) -> exp.Expression:
    new = build(f"CASE WHEN NOT ({where}) THEN :a END", a=value)
    new.type = value.type
    return new


def is_never_zero(node: exp.Expression) -> bool:
    """Whether a divisor is seen to be another number than zero, or NULL."""
    value = node.unnest()
    if isinstance(value, exp.Cast):
        value = value.this.unnest()
    if isinstance(value, exp.Neg):
        value = value.this.unnest()
    if isinstance(value, exp.Literal):
        return str(value.this).strip("0.+- ") != ""
    return isinstance(value, exp.Nullif) and integer_value(value.expression) == 0


def _of(where: str, words: str, fine: Callable[[float], bool], *, logarithm: bool = False) -> Rewrite:
    """A function of a number for which it is not defined where `where` holds."""

    def rewrite(node: exp.Expression, pair: Pair) -> exp.Expression | None:
        key = "expression" if isinstance(node, exp.Log) and node.args.get("expression") is not None else "this"
        said = answers(pair.source)
        wanted = kept(said.logarithms if logarithm else said.functions, pair.engine)
        own = Answer.FAILS if type(node) in pair.engine.fails_at else pair.engine.undefined
        value = node.args[key].unnest()
        known = isinstance(value, exp.Literal) and not value.is_string and fine(float(value.this))
        if known or wanted in (own, Answer.FLOAT):
            return None
        new, asked = node.copy(), node.args[key]
        nulled = wanted is Answer.NULL
        new.set(key, _null_where(asked, where) if nulled else fails(node, asked, where, words, pair.engine))
        return new

    return rewrite


def _exponent(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """Beyond the numbers that there are, SQLite has the infinity."""
    if answers(pair.source).functions is not Answer.FAILS:
        return None
    vanishes = pair.engine.exact and pair.source in EXACT and number_of(node.this) is not Number.DECIMAL
    return (_out_of_range if vanishes else _too_large)(node, pair)


_out_of_range = _of(
    ":a > 709.782712893384 OR (:a < -745.1332191019412 AND CAST(:a AS DOUBLE) > -1e308)",
    "an exponent out of range",
    lambda v: -745 < v < 709,
)
"""Of floats, PostgreSQL gives none that is zero for its size."""
_too_large = _of(":a > 709.782712893384", "an exponent out of range", lambda v: v < 709)


def _power(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    if kept(answers(pair.source).functions, pair.engine) is not Answer.FAILS or _fails_itself(pair):
        return None
    if (integer_value(node.expression) or -1) >= 0:
        return None
    where = "(:a = 0 AND :e < 0) OR (:a < 0 AND :e <> FLOOR(:e))"
    failing = fails(node, node.this, where, "a power that is no number", pair.engine, e=node.expression)
    return with_part(node, this=failing)


def _fails_itself(pair: Pair) -> bool:
    return pair.engine.undefined is Answer.FAILS


_BEYOND = "ABS(:a) > 1"


def _character(node: exp.Expression, pair: Pair) -> None:
    _never(node, pair, "chr(0)", lambda: integer_value(node.expressions[0]) == 0)


def _part_of_text(node: exp.Expression, pair: Pair) -> None:
    _never(node, pair, "a negative length", lambda: (integer_value(node.args.get("length")) or 0) < 0)


def _bucket(node: exp.Expression, pair: Pair) -> None:
    _never(node, pair, "no width of buckets", lambda: node.args["min_value"] == node.args["max_value"])


def _never(node: exp.Expression, pair: Pair, what: str, when: Callable[[], bool]) -> None:
    if answers(pair.source).functions is Answer.FAILS and not _fails_itself(pair) and when():
        raise Untranslatable(f"{what}, which is an error of {pair.source}")


FAILURES: Rules = {
    exp.Chr: (_character,),
    exp.Substring: (_part_of_text,),
    exp.WidthBucket: (_bucket,),
    **dict.fromkeys((exp.Div, exp.IntDiv, exp.Mod), (_divided,)),
    exp.Sqrt: (_of(":a < 0", "the square root of a negative number", lambda v: True),),
    exp.Ln: (_of(":a <= 0", "the logarithm of zero or less", bool, logarithm=True),),
    exp.Log: (_of(":a <= 0", "the logarithm of zero or less", bool, logarithm=True),),
    exp.Exp: (_exponent,),
    exp.Acos: (_of(_BEYOND, "an arc cosine of more than one", lambda v: v <= 1),),
    exp.Asin: (_of(_BEYOND, "an arc sine of more than one", lambda v: v <= 1),),
    exp.Pow: (_power,),
}


def one_row(node: exp.Expression, pair: Pair) -> exp.Expression | None:
    """A subquery that stands for a value has one row; SQLite takes the first of several."""
    query = node.this
    if pair.source == "sqlite" or not isinstance(query, exp.Select) or isinstance(node.parent, _OF_ROWS):
        return None
    if len(query.expressions) != 1 or any(query.args.get(key) for key in _GIVEN):
        return None
    value = query.expressions[0].unalias()
    if value.find(exp.AggFunc) or query.args.get("from_") is None:
        return None
    several = "CASE WHEN COUNT(*) > 1 THEN FLOWC_FAIL('a subquery gives more than one row', 1) ELSE MAX(:a) END"
    new = node.copy()
    new.this.set("expressions", [build(several, "sqlite", a=value)])
    return new


_GIVEN = ("limit", "group", "distinct", "having", "order", "windows", "qualify")
_OF_ROWS = (exp.From, exp.Join, exp.In, exp.Exists, exp.Any, exp.All, exp.SetOperation, exp.Lateral, exp.CTE, exp.Array)
