"""SQL that people wrote over decimals that an engine keeps as texts: it compares them by value, or is refused.

SQLite has no type for decimals of more than 15 digits. As texts, '9.00' is greater than '10.00' and than every number.
So what is compared with one becomes a text too, and the texts are compared by a collation that knows numbers. Sums and
products of them would be computed with 15 digits, which only their author can want.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from flowc.catalog import Column
from flowc.compiler.dialect import Dialect
from flowc.compiler.tables.ddl import is_decimal_text
from flowc.errors import UsageError

_COMPARING = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.Between, exp.In,
    exp.Nullif,
)  # fmt: skip
_COMPUTING = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Sum, exp.Avg, exp.Min, exp.Max,
    exp.Greatest, exp.Least, exp.Pow, exp.Sqrt, exp.Ceil, exp.Floor, exp.Sign,
)  # fmt: skip
_CHOOSING = (exp.Coalesce, exp.Case, exp.If, exp.Paren, exp.Nullif, exp.Tuple)
_HINTS = ("LIKELY", "UNLIKELY", "LIKELIHOOD")
"""Functions of SQLite that give their first argument back."""


def by_value(sql: str, columns: Iterable[Column], dialect: Dialect, *, what: str, order: bool = False) -> str:
    """A condition or value over such columns, or with `order` the terms of an ORDER BY; as it is where none has one.

    `what` names it in messages. Raises UsageError for a computation with them.
    """
    names = frozenset(c.name.lower() for c in columns if is_decimal_text(c.type, dialect))
    if not names or not any(name in sql.lower() for name in names):
        return sql
    query = f"SELECT 1 ORDER BY {sql}" if order else f"SELECT {sql}\n"
    found = _Found(names, dialect, what)
    try:
        tree = sqlglot.parse_one(query, read=dialect.sqlglot)
    except SqlglotError:
        raise found.refused(sql) from None
    if not any(found.is_one(node) for node in tree.find_all(exp.Column)):
        return sql
    for node in list(tree.walk()):
        found.judge(node)
    parts = tree.args["order"].expressions if order else tree.expressions
    return ", ".join(part.sql(dialect=dialect.sqlglot) for part in parts)


class _Found:
    """The columns of one expression that hold decimals as texts, and what becomes of the nodes above them."""

    def __init__(self, names: frozenset[str], dialect: Dialect, what: str) -> None:
        self._names, self._dialect, self._what = names, dialect, what

    def is_one(self, node: exp.Expression | None) -> bool:
        """Whether a node's value is such a text."""
        if isinstance(node, exp.Column):
            return node.name.lower() in self._names
        if isinstance(node, exp.Case):
            given = [branch.args["true"] for branch in node.args["ifs"]]
            return any(self.is_one(value) for value in (*given, node.args.get("default")))
        if isinstance(node, exp.If):
            return self.is_one(node.args.get("true")) or self.is_one(node.args.get("false"))
        if isinstance(node, exp.Subquery | exp.Select):
            return any(self.is_one(value.unalias()) for value in node.selects)
        hint = isinstance(node, exp.Anonymous) and node.name.upper() in _HINTS
        if node is None or not (hint or isinstance(node, _CHOOSING)):
            return False
        return any(self.is_one(value) for value in node.iter_expressions())

    def judge(self, node: exp.Expression) -> None:
        """Makes one node compare by value. Raises UsageError where it computes."""
        if isinstance(node, exp.Ordered) and self.is_one(node.this):
            self._rank(node.this)
        elif isinstance(node, _COMPARING):
            self._compare(node)
        elif (isinstance(node, exp.Case) and self.is_one(node.this)) or (
            isinstance(node, _COMPUTING) and any(self.is_one(part) for part in node.iter_expressions())
        ):
            raise self.refused(node.sql(dialect=self._dialect.sqlglot))

    def _compare(self, node: exp.Expression) -> None:
        parts = list(node.iter_expressions())
        if any(isinstance(part, exp.Tuple | exp.Query) and self._has_one(part) for part in parts):
            raise self.refused(node.sql(dialect=self._dialect.sqlglot))
        if not any(self.is_one(part) for part in parts) or isinstance(node.args.get("expression"), exp.Null):
            return
        if node.args.get("query") or any(isinstance(part, exp.Query | exp.Tuple) for part in parts):
            raise self.refused(node.sql(dialect=self._dialect.sqlglot))
        for part in parts:
            self._make_operand(part)
        if isinstance(node, exp.In) and isinstance(node.this, exp.Literal):
            self._rank(node.this)  # what stands at its left decides how IN compares

    def _has_one(self, node: exp.Expression) -> bool:
        return any(self.is_one(column) for column in node.find_all(exp.Column))

    def _make_operand(self, node: exp.Expression) -> None:
        inner = node.unnest()
        number = inner.this.unnest() if isinstance(inner, exp.Neg) else inner
        if isinstance(number, exp.Literal):
            node.replace(exp.Literal.string(("" if number is inner else "-") + number.this))
        elif not isinstance(inner, exp.Null):
            self._rank(node)

    def _rank(self, node: exp.Expression) -> None:
        """Makes a value a text with the collation. In its place, so that what is within is still judged."""
        ranked = exp.Collate(expression=exp.Var(this=self._dialect.compare.decimal_order.split()[-1]))
        node.replace(ranked)
        if not isinstance(node, exp.Column) or not self.is_one(node):
            node = exp.Anonymous(this="flowc_number_text", expressions=[node])
        ranked.set("this", node)

    def refused(self, written: str) -> UsageError:
        """The error of SQL whose meaning would be that of texts."""
        return UsageError(
            f"{self._what} computes `{written}` with a decimal that {self._dialect.name} keeps as text",
            code="decimal-kept-as-text",
            help="write CAST(… AS REAL) around the column where 15 digits are enough, or give it at most 15 digits",
        )
