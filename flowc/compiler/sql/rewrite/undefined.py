"""What dialects and engines answer where a number is not defined: a division by zero, the root of a negative number.

Each is a fact of the dialect as its makers deliver it (Databricks with ANSI mode, Spark and Hive without). A dialect
that is not in the table is taken to fail, as the SQL standard says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from sqlglot import exp

from flowc.compiler.sql.rewrite.core import Answer, Engine, Pair
from flowc.compiler.sql.rewrite.numbers import EXACT, Number, number_of


@dataclass(frozen=True, slots=True)
class Answers:
    """Those of one dialect: to `/` by kinds of numbers, to remainders and quotients cut to integers, to functions."""

    integers: Answer = Answer.FAILS
    decimals: Answer = Answer.FAILS
    floats: Answer = Answer.FAILS
    whole: Answer = Answer.FAILS
    remainders_of_floats: Answer = Answer.FAILS
    logarithms: Answer = Answer.FAILS
    functions: Answer = Answer.FAILS


_STANDARD = Answers()
_F, _NULL = Answer.FLOAT, Answer.NULL
_JAVA = Answers(floats=_F, remainders_of_floats=_F, logarithms=_F, functions=_F)
_ALL_NULL, _ALL_FLOAT = (Answers(*[answer] * len(fields(Answers))) for answer in (_NULL, _F))
_SPARK = replace(_ALL_NULL, functions=_F)

_ANSWERS: Mapping[str, Answers] = {
    **dict.fromkeys(("trino", "presto", "athena", "dune", "datafusion"), _JAVA),
    **dict.fromkeys(("mysql", "sqlite", "doris", "starrocks"), _ALL_NULL),
    **dict.fromkeys(("spark", "spark2", "hive"), _SPARK),
    "databricks": Answers(logarithms=_NULL, functions=_F),
    "duckdb": replace(_ALL_FLOAT, whole=Answer.FAILS),  # from 2.0
    "clickhouse": replace(_ALL_FLOAT, decimals=Answer.FAILS, whole=Answer.FAILS),
}


def answers(dialect: str) -> Answers:
    """What a dialect answers."""
    return _ANSWERS.get(dialect, _STANDARD)


def kept(answer: Answer, engine: Engine) -> Answer:
    """What is to become of a dialect's answer on an engine: one that cannot be said there is an error, never NULL."""
    return Answer.FAILS if answer is Answer.FLOAT and engine.undefined is Answer.NULL else answer


def by_zero(node: exp.Binary, dialect: str) -> Answer:
    """What a dialect answers to a division by zero; of numbers that may be exact or floats, what exact ones get."""
    kinds, said = {number_of(node.left), number_of(node.right)}, answers(dialect)
    if isinstance(node, exp.IntDiv):
        return said.whole
    if isinstance(node, exp.Mod):
        return said.remainders_of_floats if Number.FLOAT in kinds else said.whole
    if Number.FLOAT in kinds:
        return said.floats
    return said.integers if kinds == {Number.INTEGER} else said.decimals


def engine_by_zero(node: exp.Binary, pair: Pair) -> Answer:
    """What the engine itself answers to a division of that dialect as it is translated."""
    if pair.engine.undefined is not Answer.FLOAT:
        return pair.engine.undefined
    kinds = {number_of(node.left), number_of(node.right)}
    if not isinstance(node, exp.Div):
        unsure = pair.source not in EXACT and None in kinds
        return Answer.FLOAT if unsure or Number.FLOAT in kinds else Answer.FAILS
    exact = {Number.INTEGER} if node.args.get("typed") else set()
    if pair.engine.exact and pair.source in EXACT:
        exact = {Number.INTEGER, Number.DECIMAL}
    return Answer.FAILS if kinds <= exact else Answer.FLOAT
