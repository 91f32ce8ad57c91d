"""Queries in PostgreSQL's SQL: what their FROM gives, their clauses, and the columns that they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sqlglot import exp

from flowc.catalog import TableName
from flowc.compiler.sql.binding.callrules import CALLS
from flowc.compiler.sql.binding.calls import agree
from flowc.compiler.sql.binding.catalog import UNKNOWN, postgres
from flowc.compiler.sql.binding.expressions import RULES, Expressions, Typed, fold
from flowc.compiler.sql.binding.frame import Fields, Frame, Source
from flowc.compiler.sql.binding.grouping import check_select
from flowc.compiler.sql.binding.resolve import Type, common
from flowc.compiler.sql.binding.text import bare
from flowc.compiler.sql.binding.types import declared
from flowc.compiler.sql.text.sqltext import SqlTree

_RULES: Mapping[type[exp.Expression], Typed] = {**RULES, **CALLS}
_PLAIN = frozenset("NSDBTUV")


class Queries(Expressions):
    """Queries, down to their expressions."""

    grouped: ClassVar[bool] = True
    """A column that is neither grouped nor aggregated is refused."""
    typed: ClassVar[bool] = True
    """Columns have types, by which calls are resolved."""

    @staticmethod
    def functions() -> frozenset[str]:
        """The names of all functions, with those of extensions."""
        return frozenset((*postgres().names, *postgres().extensions))

    @staticmethod
    def has_cast(source: Type, target: Type) -> bool:
        """Whether there is a cast between two types, as far as both are known."""
        return source is None or target is None or postgres().coerces(source, target, "e")

    def check_words(self, parsed: SqlTree) -> None:
        """Reports what neighbouring words alone tell."""

    def check_clauses(self, tree: exp.Expression) -> None:
        """Reports clauses that the engine does not have."""

    @property
    def rules(self) -> Mapping[type[exp.Expression], Typed]:
        return _RULES

    def query(self, node: exp.Expression, outer: Frame | None) -> Fields | None:
        self.ctes.append({})
        try:
            self._with(node, outer)
            return self._query(node, outer)
        finally:
            self.ctes.pop()

    def _query(self, node: exp.Expression, outer: Frame | None) -> Fields | None:
        if isinstance(node, exp.Subquery):
            fields = self.query(node.this, outer)
            self._tail(node, fields, outer)
            return fields
        if isinstance(node, exp.Select):
            return self._select(node, outer)
        if isinstance(node, exp.SetOperation):
            return self._set(node, outer)
        if isinstance(node, exp.Values):
            return self._values(node, outer)
        if isinstance(node, exp.Table):
            return None
        return None

    def _with(self, node: exp.Expression, outer: Frame | None) -> None:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            name = fold(cte.args["alias"].this)
            inner = cte.this
            if with_.args.get("recursive") and isinstance(inner, exp.SetOperation):
                is_set = isinstance(inner.this, exp.SetOperation)
                base = self.query(inner.this, outer) if is_set else self._first(inner.this, outer)
                self.ctes[-1][name] = renamed(base, cte.args.get("alias"))
            self.ctes[-1][name] = renamed(self.query(inner, outer), cte.args.get("alias"))

    # SELECT

    def _select(self, node: exp.Select, outer: Frame | None) -> Fields | None:
        frame = Frame(outer)
        if (from_ := node.args.get("from_")) is not None:
            self._add(from_.this, frame)
        for join in node.args.get("joins") or ():
            self._join(join, frame)
        for lateral in node.args.get("laterals") or ():
            self._add(lateral, frame)
        self.condition(_this(node.args.get("where")), frame, "WHERE")
        fields = self._columns(node, frame)
        self._clauses(node, frame)
        check_select(self.judge, node, frame, grouped=self.grouped)
        return fields

    def _columns(self, node: exp.Select, frame: Frame) -> Fields | None:
        fields: Fields | None = []
        for item in node.expressions:
            found = self._star(item, frame) if _is_star(item) else [(_name(item), self.type(item, frame))]
            if isinstance(item, exp.Alias):
                frame.aliases.setdefault(fold(item.args["alias"]), item.this)
            fields = None if found is None or fields is None else fields + found
            for name, kind in found or ():
                frame.typed.setdefault(name, kind)
        return fields

    def _star(self, node: exp.Expression, frame: Frame) -> Fields | None:
        sources = list(frame.sources.values())
        if isinstance(node, exp.Column):
            one = frame.sources.get(fold(node.args["table"]))
            sources = [one] if one is not None else []
        elif frame.merged:
            return None
        if not sources or any(source.open for source in sources):
            return None
        return [field for source in sources for field in source.fields]

    def _clauses(self, node: exp.Select, frame: Frame) -> None:
        for key in ("group", "windows"):
            for part in _parts(node.args.get(key)):
                self._group_or_window(part, frame)
        self.condition(_this(node.args.get("having")), frame, "HAVING")
        frame.named = True
        for key in ("order", "distinct"):
            for part in _parts(node.args.get(key)):
                self.visit(part, frame)
        self._limits(node, frame)
        frame.named = False

    def _group_or_window(self, part: exp.Expression, frame: Frame) -> None:
        for child in part.iter_expressions():
            name = fold(child.this) if isinstance(child, exp.Column) and isinstance(child.this, exp.Identifier) else ""
            is_alias = name in frame.aliases and not any(s.get(name)[0] for s in frame.sources.values())
            if not is_alias and not isinstance(child, exp.Identifier):
                self.type(child, frame)

    def _limits(self, node: exp.Expression, frame: Frame) -> None:
        for key in ("limit", "offset"):
            part = node.args.get(key)
            value = part.expression if part is not None else None
            kind = self.type(value, frame) if value is not None else None
            if kind not in (None, UNKNOWN) and not self.catalog.coerces(kind, "int8", "a"):
                title = self.catalog.title(str(kind))
                self.judge.refuse(f"{key.upper()} asks a whole number, and this is of type {title}", part)

    def _tail(self, node: exp.Expression, fields: Fields | None, outer: Frame | None) -> None:
        """ORDER BY and LIMIT of what is no SELECT itself."""
        frame = Frame(outer, {"": Source(settled(fields), fields is None, None)})
        for part in _parts(node.args.get("order")):
            self.visit(part, frame)
        self._limits(node, frame)

    # Sets

    def _set(self, node: exp.SetOperation, outer: Frame | None) -> Fields | None:
        branches: list[exp.Expression] = []
        current: exp.Expression = node
        while isinstance(current, exp.SetOperation) and (current is node or current.args.get("with_") is None):
            branches.append(current.expression)
            current = current.this
        branches.append(current)
        found = [self._first(branches.pop(), outer), *(self.query(branch, outer) for branch in reversed(branches))]
        fields = None
        if not node.args.get("by_name") and all(f is not None for f in found):
            fields = self._united(node, [f for f in found if f is not None])
        self._tail(node, fields, outer)
        return fields

    def _first(self, node: exp.Expression, outer: Frame | None) -> Fields | None:
        """The first branch, which a recursive CTE reads and is: looked at once, however many are in each other."""
        if id(node) not in self.firsts:
            self.firsts[id(node)] = self.query(node, outer)
        return self.firsts[id(node)]

    def _united(self, node: exp.SetOperation, found: list[Fields]) -> Fields | None:
        if len({len(fields) for fields in found}) > 1:
            return None  # reported where columns are inferred
        out: Fields = []
        for number, same in enumerate(zip(*found, strict=True), 1):
            kinds = [kind for _, kind in same]
            kind = common(self.catalog, kinds)
            if kind is False:
                titles = " and ".join(dict.fromkeys(self.catalog.title(str(k)) for k in kinds if k != UNKNOWN))
                what = type(node).__name__.upper()
                message = f"column {number} of the {what} is of types {titles}, which have no common type"
                self.judge.refuse(message, node.expression, ["cast it to one type on every side"])
            out.append((same[0][0], kind if isinstance(kind, str) else None))
        return out

    def _values(self, node: exp.Values, outer: Frame | None) -> Fields | None:
        frame = Frame(outer)
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        if len({len(row) for row in rows}) > 1:
            self.judge.refuse("the rows of VALUES must be equally long", node)
            return None
        given = [self.given(list(row), frame) for row in rows]
        columns = [
            agree(self.judge, self.catalog, node, "values of a column", list(c)) for c in zip(*given, strict=True)
        ]
        return [(f"column{i}", kind) for i, kind in enumerate(columns, 1)]

    # FROM

    def _join(self, join: exp.Join, frame: Frame) -> None:
        using = [fold(u if isinstance(u, exp.Identifier) else u.this) for u in join.args.get("using") or ()]
        before = list(frame.sources.values())
        self._add(join.this, frame)
        if (join.method or "").upper() == "NATURAL":
            added = [s for s in frame.sources.values() if s not in before]
            left = {name for s in before for name, _ in s.fields}
            using = [name for s in added for name, _ in s.fields if name in left]
            if any(s.open for s in (*before, *added)):
                using = [name for s in (*before, *added) for name, _ in s.fields]
        frame.merged.update(using)
        self.condition(join.args.get("on"), frame, "ON")

    def _add(self, node: exp.Expression, frame: Frame) -> None:
        if isinstance(node, exp.Paren | exp.Subquery) and isinstance(node.this, exp.Table | exp.Join):
            self._add(node.this, frame)
            source = None
        else:
            source = self._source(node, frame)
        if source is not None:
            key = self._key(node)
            self._check_alias(node, key, frame)
            frame.sources[key if key and key not in frame.sources else f" {len(frame.sources)}"] = source
        for inner in (*(node.args.get("joins") or ()), *(node.args.get("laterals") or ())):
            self._join(inner, frame) if isinstance(inner, exp.Join) else self._add(inner, frame)

    def _check_alias(self, node: exp.Expression, key: str, frame: Frame) -> None:
        alias = node.args.get("alias")
        named = alias.this if isinstance(alias, exp.TableAlias) else None
        if key and key in frame.sources and (named is not None or node.args.get("db") is None):
            helps = [f"give it another name: `… AS {key}_2`"]
            self.judge.refuse(f"`{key}` is the name of two tables of this query", named or node, helps)
        if isinstance(named, exp.Identifier) and not named.args.get("quoted") and key in self.catalog.reserved:
            span = self.judge.parsed.span(named)
            helps = [f'write the rest of the clause, or the name in quotes: `"{key}"`']
            self.judge.reporter.error("sql-syntax", f"`{named.name}` is a word of SQL, not a name", span, helps=helps)

    def _key(self, node: exp.Expression) -> str:
        alias = node.args.get("alias")
        if isinstance(alias, exp.TableAlias) and alias.this is not None:
            return fold(alias.this)
        own = node.this if isinstance(node, exp.Table) else None
        if isinstance(own, exp.Anonymous):
            return bare(str(own.this)).lower()
        return fold(own) if isinstance(own, exp.Identifier) else ""

    def _source(self, node: exp.Expression, frame: Frame) -> Source:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._table(node)
        if isinstance(node, exp.Subquery | exp.Values | exp.Lateral):
            inner = node.this if isinstance(node, exp.Lateral) else node
            if isinstance(inner, exp.Subquery | exp.Values | exp.Select):
                outer = frame if isinstance(node, exp.Lateral) else frame.parent
                fields = renamed(self.query(inner, outer), node.args.get("alias"))
                self.derived(node, fields)
                return Source(settled(fields), fields is None)
            return self._function(inner, node, frame)
        if isinstance(node, exp.Unnest):
            return self._unnest(node, frame)
        return self._function(node.this if isinstance(node, exp.Table) else node, node, frame)

    def derived(self, node: exp.Expression, fields: Fields | None) -> None:
        """Judges a subquery in FROM."""

    def _table(self, node: exp.Table) -> Source:
        name, alias = fold(node.this), node.args.get("alias")
        if node.args.get("db") is None:
            for known in reversed(self.ctes):
                if name in known:
                    fields = renamed(known[name], alias)
                    return Source(settled(fields), fields is None)
        parts = [fold(p) for p in node.parts if isinstance(p, exp.Identifier)]
        relation = self.judge.find(TableName(".".join(parts[:-1]) or None, parts[-1]))
        if relation is None or relation.fields is None or node.args.get("pivots"):
            return Source([], True, None)
        fields = renamed([(f.name, declared(f.type)) for f in relation.fields], alias)
        return Source(fields or [], key=relation.key)

    def _unnest(self, node: exp.Unnest, frame: Frame) -> Source:
        given = self.given(node.expressions, frame)
        kinds: list[Type] = [kind[1:] if kind is not None and kind.startswith("_") else None for _, kind in given]
        for argument, kind in given:
            if kind is not None and self.catalog.category(kind) in "NSDB" and kind != UNKNOWN:
                title = self.catalog.title(kind)
                self.judge.refuse(f"`unnest` takes an array, and this is of type {title}", argument)
        return _called("unnest", kinds, node)

    def _function(self, node: exp.Expression | None, outer: exp.Expression, frame: Frame) -> Source:
        if not isinstance(node, exp.Anonymous):
            if node is not None:
                self.type(node, frame)
            return Source([], True)
        kind = self.type(node, frame)
        plain = kind is not None and self.catalog.category(kind) in (*_PLAIN, "A")
        return _called(bare(str(node.this)).lower(), [kind if plain else None], outer)


def _called(name: str, kinds: list[Type], node: exp.Expression) -> Source:
    """The columns of a function in FROM, which an alias names."""
    alias = node.args.get("alias")
    names = [fold(c if isinstance(c, exp.Identifier) else c.this) for c in alias.columns] if alias is not None else []
    own = fold(alias.this) if alias is not None and alias.this is not None else name
    fields: Fields = [(names[i] if i < len(names) else own, kind) for i, kind in enumerate(kinds)]
    fields += [(extra, None) for extra in names[len(kinds) :]]
    if kinds == [None] and not names:
        return Source([], True)
    return Source(fields, node.args.get("ordinality") is not None or bool(node.args.get("offset")))


def settled(fields: Fields | None) -> Fields:
    """Columns as others read them: a literal without a type is a text."""
    return [(name, "text" if kind == UNKNOWN else kind) for name, kind in fields or ()]


def renamed(fields: Fields | None, alias: exp.Expression | None) -> Fields | None:
    """Columns with the names that an alias gives them."""
    names = alias.columns if isinstance(alias, exp.TableAlias) else []
    if fields is None or not names:
        return fields
    new = [fold(n if isinstance(n, exp.Identifier) else n.this) for n in names]
    return [(new[i] if i < len(new) else name, kind) for i, (name, kind) in enumerate(fields)]


def _this(node: exp.Expression | None) -> exp.Expression | None:
    return node.this if node is not None else None


def _parts(part: object) -> list[exp.Expression]:
    return [p for p in (part if isinstance(part, list) else [part]) if isinstance(p, exp.Expression)]


def _is_star(node: exp.Expression) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def _name(node: exp.Expression) -> str:
    if isinstance(node, exp.Alias):
        return fold(node.args["alias"])
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        return fold(node.this)
    if isinstance(node, exp.Anonymous):
        return bare(str(node.name)).lower()
    if isinstance(node, exp.Cast):
        return _name(node.this)
    return ""
