"""Queries over decimals that an engine keeps as texts: what it would compare by their characters is an error.

SQLite has no type for decimals of more than 15 digits. As texts, '9.00' comes after '10.00', is not equal to 9, and is
added up with 15 digits.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from flowc.compiler.dialects import DIALECTS
from flowc.compiler.sql.scope import Value
from flowc.compiler.tables.ddl import is_decimal_text

_EQUAL = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In)
_RANKING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Ordered, exp.Min, exp.Max, exp.Greatest, exp.Least)
_COMPUTING = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Sum, exp.Avg)


def wrong_with_texts(node: exp.Expression, values: Sequence[Value], engine: str) -> tuple[str, str] | None:
    """What is wrong with a node over `values`, and the mend; None where the engine computes what is meant.

    A column of a table is such a text; of what a query computes, the engine alone knows how it is kept.
    """
    dialect = DIALECTS.get(engine)
    if (
        dialect is None
        or not dialect.compare.decimal_order
        or any(isinstance(v, exp.Collate) for v in node.iter_expressions())
    ):
        return None
    texts = [v.type for v in values if v.stored and is_decimal_text(v.type, dialect)]
    if not texts:
        return None
    kept = f"{engine} keeps `{texts[0]}` as text"
    if isinstance(node, _COMPUTING):
        return f"{kept}, and computes with 15 digits of it", "write CAST(… AS REAL) where 15 digits are enough"
    same = all(v.type == texts[0] for v in values)
    if isinstance(node, _RANKING) or (isinstance(node, _EQUAL) and not same):
        help = f"write `column{dialect.compare.decimal_order}`, and numbers beside it in quotes: '9.50'"
        return f"{kept}, and compares it by its characters", help
    return None
