"""What is known of an expression, from what is known of its parts; every name in it resolved on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from flowc.compiler.dialects import DIALECTS, RUNNER, source_of
from flowc.compiler.ir import Origin
from flowc.compiler.sql.relations import Relation, fold
from flowc.compiler.sql.rewrite.numbers import EXACT, MEANS, POWERS, Number, number_of
from flowc.compiler.sql.types.commontype import DOUBLE, common_type
from flowc.compiler.sql.types.exprtypes import annotate, cast_type, function_type, literal_type, typed_values
from flowc.compiler.sql.types.scope import Resolver, Scope, Value
from flowc.compiler.tables.ddl import is_decimal_text
from flowc.types import UNKNOWN, Kind

Ctes = dict[str, Relation]

_TIMES = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
_AGGREGATES = (exp.Sum, exp.Avg, exp.Min, exp.Max)
_WINDOW_NOT_NULL = (exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile)
_EQUAL = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In)
_RANKING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Ordered, exp.Min, exp.Max, exp.Greatest, exp.Least)
_COMPUTING = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Sum, exp.Avg)


@dataclass
class Expressions(ABC):
    """Values of expressions; `query` gives them the relations of their subqueries."""

    engine: str
    resolver: Resolver
    annotate: bool
    """Leave the types on the nodes, for a translation that depends on them."""
    rows: bool = field(default=False, kw_only=True)
    """Expressions over rows that a load holds, which it makes compare by value itself."""

    @property
    def exact(self) -> bool:
        """Whether flowc's own engine is made to compute the decimals of PostgreSQL."""
        return self.annotate and self.engine == RUNNER and self.resolver.parsed.dialect in EXACT

    @abstractmethod
    def query(self, node: exp.Expression, outer: Scope | None, ctes: Ctes) -> Relation:
        """The relation that a query is."""

    def value(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> Value:
        """What is known of an expression; resolves every name in it."""
        value = self._value(node, scope, ctes)
        if self.annotate:
            annotate(node, value)
        return value

    def _value(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> Value:
        if isinstance(node, exp.Column):
            return self.resolver.value(node, scope)
        if isinstance(node, exp.Literal):
            return Value(literal_type(node), nullable=False)
        if isinstance(node, exp.Alias | exp.Paren | exp.Ordered | exp.Where | exp.Having | exp.Qualify):
            value = self.value(node.this, scope, ctes)
            self._judge(node, [value])
            return value
        if isinstance(node, exp.Query):
            return self._subquery(node, scope, ctes)
        if isinstance(node, exp.Lambda):
            names = frozenset(fold(identifier_of(p), self.engine) for p in node.expressions)
            return self.value(node.this, Scope(self.engine, scope, parameters=names), ctes)
        if isinstance(node, exp.Comprehension):
            inner = Scope(self.engine, scope, parameters=frozenset((node.expression.name.lower(),)))
            self.value(node.this, inner, ctes)
            return self.value(node.args["iterator"], scope, ctes)
        if isinstance(node, exp.Connector):
            return self._chain(node, scope, ctes)
        if isinstance(node, exp.Binary) and isinstance(node.this, exp.Binary):
            return self._left_deep(node, scope, ctes)
        return self._compound(node, scope, ctes)

    def _subquery(self, node: exp.Query, scope: Scope, ctes: Ctes) -> Value:
        relation = self.query(node, scope, ctes)
        if relation.fields is None or len(relation.fields) != 1:
            return Value()
        only = relation.fields[0]
        return Value(only.type, True, only.origins, chosen=only.chosen, null=only.null, wide=only.wide)

    def _chain(self, node: exp.Connector, scope: Scope, ctes: Ctes) -> Value:
        """AND and OR in a loop: a thousand conditions are not a thousand frames."""
        values = [self.value(part, scope, ctes) for part in node.flatten()]
        kind, nullable = function_type(node, values, self.engine)
        return Value(kind, nullable, _joined(values))

    def _left_deep(self, node: exp.Binary, scope: Scope, ctes: Ctes) -> Value:
        """`a + b + c …` leans to the left: from its innermost operator outwards, in a loop."""
        spine: list[exp.Expression] = []
        inner: exp.Expression = node
        while isinstance(inner, exp.Binary) and not isinstance(inner, exp.Connector):
            spine.append(inner)
            inner = inner.this
        value = self.value(inner, scope, ctes)
        for operator in reversed(spine):
            right = self.value(operator.expression, scope, ctes)
            self._judge(operator, [value, right])
            kind, nullable = function_type(operator, [value, right], self.engine)
            value = Value(kind, nullable, value.origins | right.origins)
            if self.annotate:
                annotate(operator, value)
        return value

    def _compound(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> Value:
        if isinstance(node, exp.Case):
            return self._case(node, scope, ctes)
        values = [self.value(child, scope, ctes) for child in _children(node)]
        self._judge(node, values)
        origins = _joined(values)
        if isinstance(node, exp.Cast):
            return Value(cast_type(node.to, self.engine), values[0].nullable or isinstance(node, exp.TryCast), origins)
        if isinstance(node, exp.Coalesce):
            kinds = typed_values([node.this, *node.expressions], values)
            return Value(
                common_type(kinds, self.engine), all(v.nullable for v in values), origins, null=_all_null(values)
            )
        if isinstance(node, exp.Window) and values:
            nullable = values[0].nullable and not isinstance(node.this, _WINDOW_NOT_NULL)
            return Value(values[0].type, nullable, origins)
        if isinstance(node, exp.Filter) and values and values[0].type.kind in _TIMES:
            return Value(values[0].type, True, origins)
        if isinstance(node, exp.Null):
            return Value(UNKNOWN, True, null=True)
        kind, nullable = function_type(node, values, self.engine)
        if self.exact and isinstance(node, (*MEANS, *POWERS)) and kind.kind is not Kind.INTERVAL:
            kind = DOUBLE if number_of(node) is Number.FLOAT else UNKNOWN
        dialect = self.resolver.parsed.dialect
        if isinstance(node, exp.Extract) and self.annotate and source_of(dialect).decimal_parts:
            node.type = exp.DataType.build("decimal")
        if isinstance(node, _AGGREGATES) and values and _is_grouped(node):
            nullable = values[0].nullable
        return Value(kind, nullable, origins, null=isinstance(node, exp.Alias | exp.Paren) and _all_null(values))

    def _judge(self, node: exp.Expression, values: list[Value]) -> None:
        wrong = None if self.rows else _wrong_with_texts(node, values, self.engine)
        if wrong is not None:
            span = self.resolver.parsed.span(node)
            self.resolver.reporter.error("decimal-kept-as-text", wrong[0], span, helps=(wrong[1],))

    def _case(self, node: exp.Case, scope: Scope, ctes: Ctes) -> Value:
        """Each part once: looked at twice, a CASE in a CASE in a CASE would take twice as long at every level."""
        tests = [self.value(node.this, scope, ctes)] if node.this else []
        results: list[exp.Expression] = []
        values: list[Value] = []
        for branch in node.args["ifs"]:
            tests.append(self.value(branch.this, scope, ctes))
            results.append(branch.args["true"])
            values.append(self.value(results[-1], scope, ctes))
        default = node.args.get("default")
        if default is not None:
            results.append(default)
            values.append(self.value(default, scope, ctes))
        known = typed_values(results, values)
        nullable = default is None or any(v.nullable for v in values)
        return Value(common_type(known, self.engine), nullable, _joined([*tests, *values]), null=_all_null(values))

    def visit(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> None:
        """Resolves the names in the parts of a node."""
        for child in _children(node):
            self.value(child, scope, ctes)


def _children(node: exp.Expression) -> list[exp.Expression]:
    """Child expressions that can hold names."""
    return [
        child
        for key, value in node.args.items()
        if key not in ("alias", "to", "unit", "kind")
        for child in (value if isinstance(value, list) else (value,))
        if isinstance(child, exp.Expression) and not isinstance(child, exp.Identifier | exp.Var | exp.DataType)
    ]


def _all_null(values: Iterable[Value]) -> bool:
    return all(value.null for value in values)


def _joined(values: Iterable[Value]) -> frozenset[Origin]:
    return frozenset().union(*(v.origins for v in values))


def identifier_of(node: exp.Expression) -> exp.Identifier:
    """The identifier of a column or a bare name."""
    return (
        node
        if isinstance(node, exp.Identifier)
        else node.this
        if isinstance(node.this, exp.Identifier)
        else exp.to_identifier(node.name)
    )


def _is_grouped(node: exp.Expression) -> bool:
    select = node.parent_select
    return select is not None and select.args.get("group") is not None and not isinstance(node.parent, exp.Filter)


def _wrong_with_texts(node: exp.Expression, values: Sequence[Value], engine: str) -> tuple[str, str] | None:
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
