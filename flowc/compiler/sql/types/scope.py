"""The names that an expression can use: relations in FROM, output names, and the scopes around a subquery."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from flowc.compiler.dialects import dialect_of, source_of
from flowc.compiler.ir import Origin
from flowc.compiler.sql import marks
from flowc.compiler.sql.relations import (
    Field,
    Merged,
    Relation,
    field_key,
    find_field,
    fold,
)
from flowc.compiler.sql.text.sqltext import SqlTree
from flowc.compiler.sql.types.commontype import common_type
from flowc.diagnostics import Note, Reporter, did_you_mean
from flowc.types import UNKNOWN, DataType, Kind

# Names that engines answer although no table has them.
_PSEUDO = frozenset(
    ("ctid", "xmin", "xmax", "tableoid", "rowid", "oid", "_rowid_", "current_user", "session_user", "user",
     "current_catalog", "current_schema", "current_role", "localtime", "localtimestamp", "filename", "default",
     "utc_date", "utc_time", "utc_timestamp")
)  # fmt: skip
_DATE_PARTS = frozenset(
    ("year", "quarter", "month", "week", "day", "dayofweek", "dayofyear", "hour", "minute", "second", "millisecond",
     "microsecond", "isoweek", "isoyear", "isodow", "dow", "doy", "epoch", "century", "decade", "weekday")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression: its type, whether it may be NULL, the columns it is made of."""

    type: DataType = UNKNOWN
    nullable: bool = True
    origins: frozenset[Origin] = frozenset()
    stored: bool = False
    """It is a column of a table, as its engine keeps it."""
    chosen: bool = False
    """A decimal whose digits PostgreSQL chooses by the values."""
    null: bool = False
    """It is NULL in every row, and of no type of its own."""
    wide: bool = False
    """A sum of whole numbers, which PostgreSQL divides as a decimal."""


@dataclass
class Scope:
    """The FROM of one SELECT. `star` is what `*` stands for; None when some relation is open."""

    engine: str
    parent: Scope | None = None
    relations: dict[str, Relation] = field(default_factory=dict)
    star: list[Field] | None = field(default_factory=list)
    merged: dict[str, Merged] = field(default_factory=dict)
    """Columns that USING or NATURAL made one, so that a bare name is not ambiguous."""
    loose: bool = False
    """Nothing is ambiguous: a NATURAL join over an open relation merged unknown columns."""
    aliases: dict[str, Value] = field(default_factory=dict)
    outputs: frozenset[str] = frozenset()
    """The names that one output has each, which ORDER BY takes before a column of that name."""
    aliases_visible: bool = False
    parameters: frozenset[str] = frozenset()

    def outwards(self) -> Iterator[Scope]:
        """This scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def shown(self, key: str) -> tuple[str, ...]:
        """The relations whose first value that is not NULL a column of `*` is; empty where none can be named."""
        if key in self.merged:
            return self.merged[key].shown or ()
        found = [name for name, relation in self.relations.items() if find_field(relation, key, self.engine)]
        return tuple(name for name in found[:1] if is_named(name))

    @property
    def is_open(self) -> bool:
        """Whether a relation here may have columns that are not known."""
        return self.loose or any(r.fields is None for r in self.relations.values())


def is_named(key: str) -> bool:
    """Whether columns can name a relation by this key of a scope."""
    return bool(key) and not key.startswith(" ")


@dataclass
class Resolver:
    """Finds what a column reference means and reports what means nothing."""

    parsed: SqlTree
    engine: str
    reporter: Reporter

    def value(self, column: exp.Column, scope: Scope) -> Value:
        """The column's value. A name that cannot exist is reported once, and its type is unknown."""
        identifier = column.this
        if not isinstance(identifier, exp.Identifier):
            return Value()
        if column.args.get("table") is not None:
            return self._qualified(column, scope)
        return self._bare(column, fold(identifier, self.engine), scope)

    def _bare(self, column: exp.Column, key: str, scope: Scope) -> Value:
        for level in scope.outwards():
            if key in level.parameters:
                return Value()
            found = _candidates(level, key)
            merged = level.merged.get(key)
            if merged is not None:
                marks.MERGED_TABLES.set(column, _visible(merged.shown, scope, level))
            if found:
                owners = (n for n, r in level.relations.items() if find_field(r, key, level.engine))
                marks.OWNERS.set(column, tuple(owners))
                if level is not scope:
                    marks.OUTER.put(column)
                if len(found) > 1 and self._is_ambiguous(column, merged) and not level.loose:
                    self._report_ambiguous(column, [relation for relation, _ in found])
                return _merged(found) if merged is not None else _value_of(*found[0])
            if level.aliases_visible and key in level.aliases:
                return level.aliases[key]
            if (value := _open_value(level.relations.values(), key, self.engine)) is not None:
                return value
            if (row := level.relations.get(key)) is not None:
                known = row.fields is not None
                marks.WHOLE_ROW.set(column, tuple((f.name, f.type.kind) for f in row.fields or ()) if known else None)
                return Value(chosen=any(f.chosen for f in row.fields or ()))
            if level.is_open:
                marks.OPEN.put(column)
                return Value(origins=_open_origins(level, column.name))
        if key not in _PSEUDO and not _is_date_part(column):
            self._report_unknown(column, scope)
        return Value()

    def _is_ambiguous(self, column: exp.Column, merged: Merged | None) -> bool:
        """Whether several relations have a column that no join makes one."""
        if merged is None:
            return True
        return not source_of(self.parsed.dialect).merged_first and not merged.of.issuperset(marks.OWNERS.of(column))

    def _qualified(self, column: exp.Column, scope: Scope) -> Value:
        table, key = fold(column.args["table"], self.engine), fold(column.this, self.engine)
        for level in scope.outwards():
            relation = level.relations.get(table)
            if relation is None:
                continue
            if level is not scope:
                marks.OUTER.put(column)
            found = find_field(relation, key, self.engine)
            if found is not None:
                return _value_of(relation, found)
            if relation.fields is None:
                marks.OPEN.put(column)
                known = _open_value([relation], key, self.engine)
                return known or Value(origins=_origins_of(relation, column.name))
            if key not in _PSEUDO:
                self._report_unknown(column, scope, relation)
            return Value()
        if not self._may_be_part(column, scope):
            self._report_unknown_alias(column, scope)
        return Value(origins=self._holder(column, scope))

    def _holder(self, column: exp.Column, scope: Scope) -> frozenset[Origin]:
        """What the column is made of that holds a part: the first name is its own, or that of its table."""
        first, second = column.parts[0], column.parts[1]
        for level in scope.outwards():
            relation = level.relations.get(fold(first, self.engine))
            if relation is not None:
                held = find_field(relation, fold(second, self.engine), self.engine)
                return held.origins if held else _origins_of(relation, second.name)
            if found := _candidates(level, fold(first, self.engine)):
                return found[0][1].origins
            if level.is_open:
                return _open_origins(level, first.name)
        return frozenset()

    def _may_be_part(self, column: exp.Column, scope: Scope) -> bool:
        """Whether `name.field`, or a longer path, can read a part of a column."""
        first, second, *_ = (fold(part, self.engine) for part in column.parts)
        relations = (level.relations.get(first) for level in scope.outwards())
        of_table = len(column.parts) > 2 and any(r and find_field(r, second, self.engine) for r in relations)
        return of_table or self._may_be_struct(first, scope)

    def _may_be_struct(self, name: str, scope: Scope) -> bool:
        """Whether `name.field` can read a field of a column `name`."""
        for level in scope.outwards():
            if name in level.parameters or (name in level.aliases and dialect_of(self.engine).queries.structs):
                return True
            for _, field_ in _candidates(level, name):
                return field_.type.kind in (Kind.UNKNOWN, Kind.STRUCT, Kind.JSON)
            if level.is_open and dialect_of(self.engine).queries.structs:
                return True
        return False

    def _report_unknown(self, column: exp.Column, scope: Scope, relation: Relation | None = None) -> None:
        name, span = column.name, self.parsed.span(column.this)
        relations = [relation] if relation else [r for level in scope.outwards() for r in level.relations.values()]
        where = relations[0].title if len(relations) == 1 else "any table of this query"
        message = f"column `{name}` does not exist in {where}"
        if not relations:
            message = f"column `{name}` does not exist: the query reads no table"
        helps = self._helps(column, scope, relations)
        notes = [Note(r.note or f"{r.title} is declared here", r.span) for r in relations if r.span is not None]
        self.reporter.error("unknown-column", message, span, notes=notes[:3], helps=helps)

    def _helps(self, column: exp.Column, scope: Scope, relations: Sequence[Relation]) -> tuple[str, ...]:
        key = fold(column.this, self.engine)
        for relation in relations:
            found = relation.lowered.get(key.lower())
            if found is not None and found.name != key:
                shown = found.name if found.name == found.name.lower() else f'"{found.name}"'
                return (f"the column is written `{shown}`; case counts here",)
        if any(key in level.aliases for level in scope.outwards()):
            return (f"`{column.name}` is an output name; repeat its expression, or use a subquery",)
        known = [f.name for r in relations for f in r.fields or ()]
        if column.this.args.get("quoted") and dialect_of(self.engine).queries.quoted_texts:
            return (*did_you_mean(column.name, known), f"a text is written in single quotes: `'{column.name}'`")
        return did_you_mean(column.name, known)

    def _report_ambiguous(self, column: exp.Column, relations: list[Relation]) -> None:
        level_names = [r.title for r in relations[:2]]
        twice = len(set(level_names)) == 1
        where = f"{level_names[0]} is joined more than once" if twice else f"it is in {' and in '.join(level_names)}"
        message = f"column `{column.name}` is ambiguous: {where}"
        helps = [f"write `{_qualifier(column, relations[0])}.{column.name}`"]
        self.reporter.error("ambiguous-column", message, self.parsed.span(column.this), helps=helps)

    def _report_unknown_alias(self, column: exp.Column, scope: Scope) -> None:
        name = column.args["table"].name
        tables = [alias for level in scope.outwards() for alias in level.relations]
        hidden = [
            alias
            for level in scope.outwards()
            for alias, relation in level.relations.items()
            if relation.table is not None and relation.table.name.lower() == name.lower()
        ]
        helps = did_you_mean(name, tables)
        if hidden:
            helps = (f"the table is called `{hidden[0]}` here: write `{hidden[0]}.{column.name}`",)
        elif not helps and tables:
            helps = (f"this query reads `{'`, `'.join(tables[:6])}`",)
        message = f"`{name}` is not a table of this query"
        self.reporter.error("unknown-table-alias", message, self.parsed.span(column.args["table"]), helps=helps)


def _visible(names: tuple[str, ...] | None, scope: Scope, owner: Scope) -> tuple[str, ...] | None:
    """The names of relations of an outer scope, where no relation in between has one of them."""
    for level in scope.outwards():
        if level is owner:
            break
        if any(name in level.relations for name in names or ()):
            return None
    return names


def _candidates(scope: Scope, key: str) -> list[tuple[Relation, Field]]:
    found = ((r, find_field(r, key, scope.engine)) for r in scope.relations.values())
    return [(relation, field_) for relation, field_ in found if field_ is not None]


def _value_of(relation: Relation, field_: Field) -> Value:
    return Value(
        field_.type, field_.nullable, origins=field_.origins, stored=relation.table is not None, chosen=field_.chosen,
        null=field_.null, wide=field_.wide,
    )  # fmt: skip


def _open_value(relations: Iterable[Relation], key: str, engine: str) -> Value | None:
    """What is known of a column of open relations; None for one that none of them is known to have."""
    known = [field_ for relation in relations for field_ in relation.values if field_key(field_.name, engine) == key]
    return Value(known[0].type, origins=known[0].origins, null=known[0].null) if len(known) == 1 else None


def _merged(found: list[tuple[Relation, Field]]) -> Value:
    """A column that a join makes of one of each side: it holds the values of both."""
    value = _value_of(*found[0])
    kind = common_type([field_.type for _, field_ in found])
    return replace(value, type=kind, null=all(field_.null for _, field_ in found))


def _origins_of(relation: Relation, column: str) -> frozenset[Origin]:
    return frozenset((Origin(relation.table, column),)) if relation.table is not None else frozenset()


def _open_origins(scope: Scope, column: str) -> frozenset[Origin]:
    """A bare name can only be traced when a single open relation can hold it."""
    open_ones = [r for r in scope.relations.values() if r.fields is None]
    return _origins_of(open_ones[0], column) if len(open_ones) == 1 else frozenset()


def _is_date_part(column: exp.Column) -> bool:
    of_format = isinstance(column.parent, exp.Anonymous) and column.parent.name.lower() == "get_format"
    known = ("date", "time", "datetime", "timestamp") if of_format else _DATE_PARTS
    return column.name.lower() in known and isinstance(column.parent, exp.Func)


def _qualifier(column: exp.Column, relation: Relation) -> str:
    select = column.find_ancestor(exp.Select)
    for table in select.find_all(exp.Table) if select is not None else ():
        if relation.table is not None and table.name.lower() == relation.table.name.lower():
            return str(table.alias_or_name)
    return relation.table.name if relation.table is not None else relation.title.strip("`").rpartition("`")[2]
