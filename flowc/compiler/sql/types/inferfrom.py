"""What stands in FROM and JOIN, put into the scope of a query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import (
    Field,
    Merged,
    Relation,
    field_key,
    find_field,
    fold,
    output_name,
    shown,
)
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.types.commontype import common_type
from flowc.compiler.sql.types.infervalue import Ctes, Expressions, identifier_of
from flowc.compiler.sql.types.scope import Scope, is_named
from flowc.types import UNKNOWN, DataType, Kind

MAX_COLUMNS = 10_000
"""Of a query; databases have 2,000 at most."""
_MAX_ALL = 1_000_000
"""Columns that stand behind all the `*` and tables of a text."""
_SERIES = "generate_series"
Find = Callable[[TableName], Relation | None]


class TooManyColumns(Exception):
    """A query has more columns than any engine takes; `node` is where."""

    def __init__(self, node: exp.Expression, what: str) -> None:
        super().__init__(what)
        self.node = node


@dataclass
class Sources(Expressions):
    """Relations of FROM and JOIN; `find` gives the declared ones, `reads` collects the tables that are named."""

    parsed: SqlTree
    find: Find
    reads: dict[TableName, None] = field(default_factory=dict)
    columns: int = 0
    """How many were listed so far."""

    def demand_few(self, node: exp.Expression, listed: int, together: int) -> None:
        """Counts columns that a part of a query lists, of so many together; raises TooManyColumns."""
        self.columns += listed
        if together > MAX_COLUMNS:
            raise TooManyColumns(node, f"the query has more than {MAX_COLUMNS:,} columns")
        if self.columns > _MAX_ALL:
            raise TooManyColumns(node, f"the queries of this SQL have more than {_MAX_ALL:,} columns together")

    def join(self, join: exp.Join, scope: Scope, ctes: Ctes) -> None:
        """Puts what JOIN names into the scope, with the columns that it merges and hides."""
        side, before = (join.side or "").upper(), dict(scope.relations)
        using = join.args.get("using") or ()
        if side in ("RIGHT", "FULL"):
            for key, relation in before.items():
                scope.relations[key] = relation.as_nullable()
            scope.star = [replace(f, nullable=True) for f in scope.star] if scope.star is not None else None
        hidden = (join.kind or "").upper() in ("SEMI", "ANTI") or side in ("SEMI", "ANTI")
        star = list(scope.star) if scope.star is not None else None
        names = self._merged_names(join, scope, ctes, using, nullable=side in ("LEFT", "FULL"))
        if hidden:
            scope.star = star
        elif names and star is not None and scope.star is not None:
            scope.star = _merged_star(star, scope.star[len(star) :], names, self.engine)
        if names:
            self._merge(join, scope, names, before, ctes)
        elif (join.method or "").upper() == "NATURAL" and not scope.loose:
            marks.MERGE_CONDITION.set(join, exp.true())
        if on := join.args.get("on"):
            self.value(on, scope, ctes)

    def _merged_names(
        self, join: exp.Join, scope: Scope, ctes: Ctes, using: Iterable[exp.Expression], *, nullable: bool
    ) -> dict[str, None]:
        """Adds the joined relation; returns the columns that USING or NATURAL makes one, in their order."""
        before = list(scope.relations.values())
        added = self.add(join.this, scope, ctes, nullable=nullable)
        names = dict.fromkeys(fold(u if isinstance(u, exp.Identifier) else u.this, self.engine) for u in using)
        if (join.method or "").upper() == "NATURAL":
            if any(r.fields is None for r in (*before, *added)):
                scope.loose, scope.star = True, None
                return {}
            right = {field_key(f.name, self.engine) for r in added for f in r.fields or ()}
            left = dict.fromkeys(field_key(f.name, self.engine) for r in before for f in r.fields or ())
            names = {name: None for name in left if name in right}
        for identifier in using:
            self._check_using(identifier, [before, added])
        merged = (find_field(r, name, self.engine) for name in names for r in (*before, *added))
        if any(f is not None and Kind.JSON in (f.type.kind, f.type.element and f.type.element.kind) for f in merged):
            marks.MERGES_JSON.put(join)
        return names

    def _merge(self, join: exp.Join, scope: Scope, names: Iterable[str], before: Iterable[str], ctes: Ctes) -> None:
        """Says what the columns show that a join makes one, and leaves on it the condition that it stands for."""
        left, right = list(before), [name for name in scope.relations if name not in before]
        plain = len(right) == 1 and not isinstance(join.find_ancestor(exp.Join, exp.Select), exp.Join)
        tests: list[exp.Expression | None] = []
        for name in names:
            one = scope.merged.get(name) or self._holder(name, left, scope)
            other = self._holder(name, right, scope)
            scope.merged[name] = _made_one(one, other, (join.side or "").upper() if plain else None)
            known = plain and one.shown and other.shown
            tests.append(exp.EQ(this=shown(one.shown, name), expression=shown(other.shown, name)) if known else None)
        on = exp.and_(*tests) if all(tests) else None
        marks.MERGE_CONDITION.set(join, on)
        if self.annotate and on is not None:
            self.value(on, scope, ctes)

    def _holder(self, name: str, relations: list[str], scope: Scope) -> Merged:
        """Which of these relations has a column."""
        found = [one for one in relations if find_field(scope.relations[one], name, self.engine)]
        found = found or [one for one in relations if scope.relations[one].fields is None]
        return Merged(frozenset(found), tuple(found) if len(found) == 1 and is_named(found[0]) else None)

    def _check_using(self, identifier: exp.Expression, sides: list[list[Relation]]) -> None:
        name = identifier if isinstance(identifier, exp.Identifier) else identifier.this
        for relations in sides:
            if relations and all(r.fields is not None for r in relations):
                key = fold(name, self.engine)
                if not any(find_field(r, key, self.engine) for r in relations):
                    column = exp.column(name.copy())
                    marks.copy_marks(name, column.this)
                    scope = Scope(self.engine, relations={str(i): r for i, r in enumerate(relations)})
                    self.resolver.value(column, scope)

    def add(self, node: exp.Expression, scope: Scope, ctes: Ctes, *, nullable: bool = False) -> list[Relation]:
        """Puts what FROM or JOIN names into the scope, with the joins inside it."""
        relation = self._relation(node, scope, ctes)
        relation = relation.as_nullable() if nullable else relation
        scope.relations[self._key(node, scope)] = relation
        if relation.fields is None:
            scope.star = None
        elif scope.star is not None:
            scope.star.extend(relation.fields)
            self.demand_few(node, len(relation.fields), 0)
        nested = [*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())]
        for inner in nested:
            if isinstance(inner, exp.Join):
                self.join(inner, scope, ctes)
            else:
                self.add(inner, scope, ctes)
        return list(scope.relations.values()) if nested else [relation]

    def _key(self, node: exp.Expression, scope: Scope) -> str:
        """The name by which columns can name a relation; one that nobody can write where it has none of its own."""
        alias = node.args.get("alias")
        own = node.this if isinstance(node, exp.Table) else None
        own = exp.to_identifier(_SERIES) if isinstance(own, exp.GenerateSeries) else own
        identifier = alias.this if alias is not None and alias.this else own
        key = fold(identifier, self.engine) if isinstance(identifier, exp.Identifier) else ""
        return key if key and key not in scope.relations else f" {len(scope.relations)}"

    def _relation(self, node: exp.Expression, scope: Scope, ctes: Ctes) -> Relation:
        if isinstance(node, exp.Table):
            return self.table(node, scope, ctes)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            return self._parenthesised(node, scope, ctes)
        if isinstance(node, exp.Subquery | exp.Values):
            outer = scope if isinstance(node.parent, exp.Lateral) else scope.parent
            relation = self.query(node, outer, ctes)
            return replace(relation, title=f"`{node.alias}`" if node.alias else relation.title)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            inner = self.query(node.this, scope, ctes)
            return renamed(inner, node.args.get("alias"), self.engine)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.GenerateSeries):
            return self._function(node, _SERIES, self.value(node.this, scope, ctes).type)
        unnest = node.this if isinstance(node, exp.Lateral) else node
        if isinstance(unnest, exp.Unnest) and len(unnest.expressions) == 1:
            element = self.value(unnest.expressions[0], scope, ctes).type.element or UNKNOWN
            return self._function(node, "unnest", element)
        self.visit(node, scope, ctes)
        return Relation(None, "a table function")

    def _function(self, node: exp.Expression, name: str, kind: DataType) -> Relation:
        """A table function, of whose columns the first is known by the name that it is given."""
        alias = node.args.get("alias")
        if (node.args.get("ordinality") or node.args.get("offset")) and not (alias is not None and alias.columns):
            return Relation(None, "a table function")
        named = alias.columns[0] if alias is not None and alias.columns else alias.this if alias is not None else None
        name = fold(identifier_of(named), self.engine) if named is not None else name
        return Relation(None, "a table function", values=(Field(name, kind),))

    def _parenthesised(self, node: exp.Subquery, scope: Scope, ctes: Ctes) -> Relation:
        """`(a JOIN b …)`: its tables are visible outside."""
        self.add(node.this, scope, ctes)
        scope.star = None
        return Relation((), "a join")

    def table(self, node: exp.Table, scope: Scope, ctes: Ctes) -> Relation:
        """A CTE, a declared table or a table function, by its name."""
        if not isinstance(node.this, exp.Identifier):
            if isinstance(node.this, exp.GenerateSeries):
                return self._function(node, _SERIES, self.value(node.this, scope, ctes).type)
            self._arguments(node.this or node, scope, ctes)
            return Relation(None, "a table function")
        if node.args.get("db") is None and (cte := ctes.get(fold(node.this, self.engine))) is not None:
            return renamed(cte, node.args.get("alias"), self.engine)
        name = self._table_name(node)
        self.reads[name] = None
        found = self.find(name) or Relation(None, f"`{name}`", None, name)
        if node.args.get("pivots"):
            return Relation(None, found.title, None, name)
        return renamed(found, node.args.get("alias"), self.engine)

    def _arguments(self, function: exp.Expression, scope: Scope, ctes: Ctes) -> None:
        """The values of the arguments of a table function; `name = value` names a parameter, and no column."""
        function = function.expression if isinstance(function, exp.Dot) else function
        for each in function.iter_expressions():
            if isinstance(each, exp.Identifier | exp.Var | exp.DataType):
                continue
            bare = isinstance(each, exp.EQ) and isinstance(each.this, exp.Column) and not each.this.table
            self.value(each.expression if bare else each, scope, ctes)

    def _table_name(self, node: exp.Table) -> TableName:
        parts = [output_name(p, self.engine) for p in node.parts if isinstance(p, exp.Identifier)]
        return TableName(".".join(parts[:-1]) or None, parts[-1])


def renamed(relation: Relation, alias: exp.TableAlias | None, engine: str) -> Relation:
    """The relation with the column names that an alias gives it."""
    names = alias.columns if isinstance(alias, exp.TableAlias) else []
    if not names:
        return relation
    if relation.fields is None:
        return replace(relation, values=())
    new = [output_name(identifier_of(n), engine) for n in names]
    fields = [replace(f, name=new[i]) if i < len(new) else f for i, f in enumerate(relation.fields)]
    return replace(relation, fields=tuple(fields))


def _made_one(left: Merged, right: Merged, side: str | None) -> Merged:
    """The column that a join makes of one of each side; of no known values where the side of the join is not."""
    both = left.shown + right.shown if left.shown and right.shown else None
    taken = {None: None, "RIGHT": right.shown, "FULL": both}.get(side, left.shown)
    return Merged(left.of | right.of, taken)


def _merged_star(left: list[Field], right: list[Field], names: dict[str, None], engine: str) -> list[Field]:
    others = {field_key(f.name, engine): f.type for f in right}
    order = {name: place for place, name in enumerate(names)}
    merged = [
        replace(f, type=common_type([f.type, others.get(key, f.type)]))
        for f in sorted(left, key=lambda f: order.get(field_key(f.name, engine), len(order)))
        if (key := field_key(f.name, engine)) in names
    ]
    rest = [f for f in (*left, *right) if field_key(f.name, engine) not in names]
    return [*merged, *rest]
