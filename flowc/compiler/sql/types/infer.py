"""Columns, types and nullability of a query, each name resolved against what it can read.

An own resolver instead of sqlglot's qualify: it reports every wrong name with its place, knows which relations are
open, follows columns to their origins on the way, and is several times faster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.dialects import RUNNER, dialect_of, source_of
from flowc.compiler.sql import marks
from flowc.compiler.sql.binding import judge_expression, judge_query
from flowc.compiler.sql.relations import (
    Field,
    Relation,
    field_key,
    fold,
    output_name,
)
from flowc.compiler.sql.rewrite.core import type_of
from flowc.compiler.sql.rewrite.numbers import EXACT, Number, is_wide, number_of
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.types.commontype import common_type
from flowc.compiler.sql.types.exprtypes import annotate
from flowc.compiler.sql.types.inferfrom import Find, Sources, TooManyColumns, renamed
from flowc.compiler.sql.types.infervalue import Ctes, identifier_of
from flowc.compiler.sql.types.outputs import called
from flowc.compiler.sql.types.scope import Resolver, Scope, Value
from flowc.compiler.systems.datafusion.rules.texts import has_chosen_digits
from flowc.diagnostics import Reporter
from flowc.types import UNKNOWN, DataType, Kind

_COLUMN_MAKERS = (exp.Aliases, exp.Explode, exp.Posexplode, exp.Inline, exp.Unnest)
"""Functions in a SELECT list that may make several columns, with names of their own."""
_TEMPORAL = (Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
_LATE_CLAUSES = ("group", "having", "qualify", "order", "windows", "distinct", "sort", "cluster", "distribute")


@dataclass(frozen=True, slots=True)
class Inferred:
    """A query's output (None: unknown) and the tables that it names, as written."""

    fields: tuple[Field, ...] | None
    reads: tuple[TableName, ...]
    nulls: tuple[str, ...] = ()
    """The columns of the output that are NULL in every row, those among them that stand beside an open `*`."""


def infer(parsed: SqlTree, engine: str, find: Find, reporter: Reporter) -> Inferred:
    """Resolves every name of a query and types its output. `find` gives the declared relation of a table."""
    inference = _Inference(engine, Resolver(parsed, engine, reporter), parsed.dialect != engine, parsed, find)
    try:
        relation = inference.query(parsed.tree, None, {})
    except RecursionError:
        reporter.error("sql-too-deep", "the SQL is nested too deeply", parsed.text.span(0, len(parsed.text.text)))
        return Inferred(None, ())
    except TooManyColumns as many:
        helps = ("list the columns that are needed in the place of `*`",)
        reporter.error("sql-too-large", str(many), parsed.span(many.node), helps=helps)
        return Inferred(None, ())
    judge_query(parsed, engine, find, reporter)
    nulls = tuple(f.name for f in relation.fields or relation.values if f.null)
    return Inferred(relation.fields, tuple(inference.reads), nulls)


def check_expression(parsed: SqlTree, engine: str, relation: Relation, reporter: Reporter) -> Value:
    """Resolves the names of an expression over one relation."""
    scope = Scope(engine, relations={"": relation})
    inference = _Inference(
        engine, Resolver(parsed, engine, reporter), parsed.dialect != engine, parsed, lambda _: None, rows=True
    )
    value = inference.value(parsed.tree, scope, {})
    judge_expression(parsed, engine, relation, reporter)
    return value


@dataclass
class _Inference(Sources):
    _bases: dict[int, Relation] = field(default_factory=dict)
    """The first branches of recursive CTEs, which are not looked at a second time."""

    # Queries

    def query(self, node: exp.Expression, outer: Scope | None, ctes: Ctes) -> Relation:
        """The relation that a query is."""
        ctes = self._with_ctes(node, outer, ctes)
        if isinstance(node, exp.Subquery):
            inner = self.query(node.this, outer, ctes)
            self._tail(node, Scope(self.engine, outer, {"": inner}), ctes)
            return renamed(inner, node.args.get("alias"), self.engine)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, outer, ctes)
        if isinstance(node, exp.Select):
            return self._select(node, outer, ctes)
        if isinstance(node, exp.Values):
            return self._values(node, outer, ctes)
        if isinstance(node, exp.Table):
            return self.table(node, Scope(self.engine, outer), ctes)
        return Relation(None, "a query")

    def _with_ctes(self, node: exp.Expression, outer: Scope | None, ctes: Ctes) -> Ctes:
        with_ = node.args.get("with_")
        if with_ is None:
            return ctes
        ctes = dict(ctes)
        for cte in with_.expressions:
            alias = cte.args.get("alias")
            name = fold(alias.this, self.engine) if alias is not None and alias.this else ""
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation):
                ctes[name] = self._named(self._recursive_base(cte.this, outer, ctes), alias)
            ctes[name] = self._named(self.query(cte.this, outer, ctes), alias)
        return ctes

    def _recursive_base(self, union: exp.SetOperation, outer: Scope | None, ctes: Ctes) -> Relation:
        """What a recursive CTE reads as itself: the columns of its first branch, of no certain type."""
        first = _branches(union)[0]
        base = self._bases[id(first)] = self.query(first, outer, ctes)
        if base.fields is None or any(part.args.get("by_name") for part in union.find_all(exp.SetOperation)):
            return replace(base, fields=None)
        return replace(
            base, fields=tuple(replace(f, type=self._kept(f), nullable=True, null=False) for f in base.fields)
        )

    def _kept(self, first: Field) -> DataType:
        """The type of a column of a recursive CTE: PostgreSQL's are those of the first rows, numerics without scale."""
        is_plain = first.type.is_integer or first.type.kind in _TEMPORAL
        return first.type if is_plain and source_of(self.parsed.dialect).keeps_recursive_types else UNKNOWN

    def _named(self, relation: Relation, alias: exp.TableAlias | None) -> Relation:
        if alias is None or not alias.this:
            return relation
        span = self.parsed.span(alias.this)
        return replace(renamed(relation, alias, self.engine), title=f"`{alias.this.name}`", span=span, table=None)

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None, ctes: Ctes) -> Relation:
        branches = [self._branch(branch, outer, ctes) for branch in _branches(node)]
        for branch in branches:
            _note_documents(node, branch.fields)
        combined = Relation(None, "a query")
        if not node.args.get("by_name") and all(b.fields is not None for b in branches):
            combined = self._combined(node, branches)
        scope = Scope(self.engine, outer, {"": combined}, aliases_visible=True)
        self._tail(node, scope, ctes)
        return combined

    def _branch(self, node: exp.Expression, outer: Scope | None, ctes: Ctes) -> Relation:
        return self._bases.pop(id(node)) if id(node) in self._bases else self.query(node, outer, ctes)

    def _combined(self, node: exp.SetOperation, branches: list[Relation]) -> Relation:
        columns = [b.fields or () for b in branches]
        first = columns[0]
        for other in columns[1:]:
            if len(other) != len(first):
                message = f"both sides must have the same number of columns: {len(first)} and {len(other)}"
                self.resolver.reporter.error("unequal-columns", message, self.parsed.span(node.expression))
                return Relation(None, "a query")
        fields = [_union_field(list(same), self.engine) for same in zip(*columns, strict=True)]
        return Relation(tuple(fields), "the query")

    def _values(self, node: exp.Values, outer: Scope | None, ctes: Ctes) -> Relation:
        scope = Scope(self.engine, outer)
        rows = [[self.value(v, scope, ctes) for v in _row(row)] for row in node.expressions]
        width = {len(row) for row in rows}
        if len(width) != 1:
            return Relation(None, "VALUES")
        prefix, start = source_of(self.parsed.dialect).values_names
        fields = [
            Field(
                f"{prefix}{i + start}",
                common_type([v.type for v in c], self.engine),
                any(v.nullable for v in c),
                null=all(v.null for v in c),
            )
            for i, c in enumerate(zip(*rows, strict=True))
        ]
        return renamed(Relation(tuple(fields), "VALUES"), node.args.get("alias"), self.engine)

    # FROM

    def _select(self, node: exp.Select, outer: Scope | None, ctes: Ctes) -> Relation:
        self._check_select(node)
        scope = Scope(self.engine, outer)
        if from_ := node.args.get("from_"):
            self.add(from_.this, scope, ctes)
        for join in node.args.get("joins") or ():
            self.join(join, scope, ctes)
        for lateral in node.args.get("laterals") or ():
            self.add(lateral, scope, ctes)
        fields, nulls = self._projections(node, scope, ctes)
        _note_documents(node, fields)
        if where := node.args.get("where"):
            scope.aliases_visible = dialect_of(self.engine).queries.alias_in_where
            self.value(where, scope, ctes)
        names = Counter(field_key(one.name, self.engine) for one in fields or ())
        scope.outputs = frozenset(name for name, count in names.items() if name and count == 1)
        self._tail(node, scope, ctes)
        return Relation(fields, "the query", values=nulls if fields is None else ())

    def _check_select(self, node: exp.Select) -> None:
        if not node.expressions and not isinstance(node.parent, exp.Exists):
            self.resolver.reporter.error("empty-select", "the SELECT lists no columns", self.parsed.span(node))

    def _tail(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> None:
        """The clauses that may use output names."""
        for clause in _LATE_CLAUSES:
            part = node.args.get(clause)
            scope.aliases_visible = clause != "having" or dialect_of(self.engine).queries.alias_in_having
            for child in part if isinstance(part, list) else (part,):
                if isinstance(child, exp.Order):
                    self._order(child, scope, ctes)
                elif isinstance(child, exp.Expression):
                    self.value(child, scope, ctes)

    def _order(self, order: exp.Order, scope: Scope, ctes: Ctes) -> None:
        """ORDER BY, where a name alone is an output, whatever tables have a column of that name."""
        for key in order.expressions:
            column = key.this.unnest()
            is_name = isinstance(column, exp.Column) and not column.table and isinstance(column.this, exp.Identifier)
            value = scope.aliases.get(fold(column.this, self.engine)) if is_name else None
            if value is None or fold(column.this, self.engine) not in scope.outputs:
                self.value(key, scope, ctes)
                continue
            self._judge(key, [self._of_output(order.parent, column, scope, ctes) or value])
            if self.annotate:
                annotate(column, value)

    def _of_output(self, select: exp.Expression | None, name: exp.Column, scope: Scope, ctes: Ctes) -> Value | None:
        """The value of an output that is a column as it is, which its table may keep in another way than others."""
        items = select.expressions if isinstance(select, exp.Select) else []
        same = (item.unalias() for item in items if item.alias_or_name.lower() == name.name.lower())
        column = next((item for item in same if isinstance(item, exp.Column)), None)
        if column is None:
            return None
        visible, scope.aliases_visible = scope.aliases_visible, False
        found = self.value(column, scope, ctes)
        scope.aliases_visible = visible
        return found

    # SELECT list

    def _projections(
        self, node: exp.Select, scope: Scope, ctes: Ctes
    ) -> tuple[tuple[Field, ...] | None, tuple[Field, ...]]:
        """All fields, where they are known, and those that are NULL."""
        fields: list[Field] | None = []
        nulls: list[Field] = []
        scope.aliases_visible = dialect_of(self.engine).queries.alias_in_select
        for projection in node.expressions:
            found = self._projection(projection, scope, ctes)
            if found is None:
                fields = None
            elif fields is not None:
                fields.extend(found)
                marks.COLUMN_COUNT.set(projection, len(found))
                self.demand_few(projection, len(found), len(fields))
            nulls += (one for one in found or () if one.null)
            for one in found or ():
                if (key := field_key(one.name, self.engine)) not in scope.aliases:
                    value = Value(one.type, one.nullable, one.origins, chosen=one.chosen, null=one.null, wide=one.wide)
                    scope.aliases[key] = value
        return None if fields is None else tuple(fields), tuple(nulls)

    def _projection(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> list[Field] | None:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            return self._star(node, scope, ctes)
        value = self.value(node, scope, ctes)
        if isinstance(node, _COLUMN_MAKERS):
            return None
        chosen = self.annotate and self.engine == RUNNER and has_chosen_digits(node, self.parsed.dialect)
        kind = DataType(Kind.DECIMAL) if self._is_inner_decimal(node, value) else self._inner_real(node) or value.type
        wide = self.exact and is_wide(node.unalias())
        return [Field(
            self._name_of(node), kind, nullable=value.nullable, origins=value.origins, chosen=chosen, null=value.null,
            wide=wide,
        )]  # fmt: skip

    def _is_inner_decimal(self, node: exp.Expression, value: Value) -> bool:
        """Whether a column that only a query around it reads is a decimal by what computes it."""
        if not self.exact or not _is_read(node):
            return False
        quotient = node.unalias()
        if isinstance(quotient, exp.Div) and is_wide(quotient.left, quotient.right):
            return number_of(quotient) is not None
        if value.type != UNKNOWN:
            return False
        return number_of(node.unalias()) is Number.DECIMAL

    def _inner_real(self, node: exp.Expression) -> DataType | None:
        """What a sum of reals is, which is one of these too, where a query around it reads it."""
        total = node.unalias()
        real = isinstance(total, exp.Sum) and type_of(total.this) is exp.DataType.Type.FLOAT
        return DataType(Kind.FLOAT32) if real and self.exact and _is_read(node) else None

    def _name_of(self, node: exp.Expression) -> str:
        """The name of an output column; empty when the engine makes one up.

        What nobody reads but the load gets PostgreSQL's name where it is written, if no other column has that.
        """
        if isinstance(node, exp.Alias):
            return output_name(node.args["alias"], self.engine)
        if dialect_of(self.engine).queries.casts_unnamed:  # `score::numeric` is `score`, of whatever type
            while isinstance(node, exp.Cast | exp.Paren) and isinstance(node.this, exp.Cast | exp.Paren | exp.Column):
                node = node.this
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
            return output_name(node.this, self.engine)
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
            return output_name(node.expression, self.engine)
        if self.parsed.dialect not in EXACT or not dialect_of(self.engine).queries.whole:
            return ""
        name = called(node, self.parsed.text.text)
        marks.OUTPUT_NAME.set(node, name)
        return name if _is_read(node) else ""

    def _star(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> list[Field] | None:
        star = node if isinstance(node, exp.Star) else node.this
        fields = scope.star
        if scope.merged and isinstance(node, exp.Star):
            names = [field_key(one.name, self.engine) for one in fields or ()]
            once = bool(names) and len({*names}) == len(names)
            marks.STAR_COLUMNS.set(node, [(name, scope.shown(name)) for name in names] if once else None)
        if isinstance(node, exp.Column):
            relation = scope.relations.get(fold(node.args["table"], self.engine))
            if relation is None:
                self.resolver.value(exp.Column(this=exp.to_identifier("*"), table=node.args["table"].copy()), scope)
                return None
            fields = None if relation.fields is None else list(relation.fields)
        if star.args.get("rename") or star.args.get("ilike") or fields is None:
            return None
        if not (star.args.get("except_") or star.args.get("replace")):
            return list(fields)
        excluded = {fold(identifier_of(e), self.engine) for e in star.args.get("except_") or ()}
        given = [e for e in star.args.get("replace") or () if isinstance(e, exp.Alias)]
        replaced = {fold(e.args["alias"], self.engine): e.this for e in given}
        out = []
        for one in fields:
            key = field_key(one.name, self.engine)
            if key in replaced:
                value = self.value(replaced[key], scope, ctes)
                out.append(Field(one.name, value.type, value.nullable, value.origins, null=value.null))
            elif key not in excluded:
                out.append(one)
        return out


def _is_read(output: exp.Expression) -> bool:
    """Whether another query reads what one gives."""
    return output.find_ancestor(exp.Subquery, exp.CTE) is not None


def _row(row: exp.Expression) -> list[exp.Expression]:
    return list(row.expressions) if isinstance(row, exp.Tuple) else [row]


def _branches(node: exp.SetOperation) -> list[exp.Expression]:
    """The queries of a chain of set operations, left to right, without recursion on the left."""
    out: list[exp.Expression] = []
    current: exp.Expression = node
    while isinstance(current, exp.SetOperation) and (current is node or not current.args.get("with_")):
        out.append(current.expression)
        current = current.this
    out.append(current)
    return out[::-1]


def _note_documents(node: exp.Query, fields: Iterable[Field] | None) -> None:
    """Leaves on a query which of its columns are JSON, for a translation that compares its rows."""
    if places := {place for place, field in enumerate(fields or (), 1) if _has_json(field.type)}:
        marks.JSON_COLUMNS.set(node, (marks.JSON_COLUMNS.get(node) or frozenset()) | places)


def _has_json(kind: DataType) -> bool:
    """Whether values of a type are documents, or arrays of them."""
    return kind.kind is Kind.JSON or (kind.element is not None and _has_json(kind.element))


def _union_field(same: list[Field], engine: str) -> Field:
    origins = frozenset().union(*(f.origins for f in same))
    return Field(
        same[0].name, common_type([f.type for f in same], engine), nullable=any(f.nullable for f in same),
        origins=origins, chosen=any(f.chosen for f in same), null=all(f.null for f in same),
        wide=any(f.wide for f in same),
    )  # fmt: skip
