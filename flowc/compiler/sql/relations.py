"""What a query can read: relations with their fields, and the catalogue that finds them by name.

A relation whose `fields` are None is open: a table that no spec declares, of which nothing is known and about which
nothing is ever reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from sqlglot import exp

from flowc.catalog import Column, TableName
from flowc.compiler.dialects import DIALECTS, dialect_of
from flowc.compiler.ir import Origin
from flowc.source import Span
from flowc.types import UNKNOWN, DataType


@dataclass(frozen=True, slots=True)
class Field:
    """A column in a query, with the columns of tables that it is computed from."""

    name: str
    type: DataType = UNKNOWN
    nullable: bool = True
    origins: frozenset[Origin] = frozenset()
    chosen: bool = False
    """It holds decimals whose digits PostgreSQL chooses by the values."""
    null: bool = False
    """It is NULL in every row, and of no type of its own."""
    wide: bool = False
    """It holds sums of whole numbers, which PostgreSQL divides as decimals."""


@dataclass(frozen=True)
class Relation:
    """Something to select from. `title` says what it is, `span` where it was declared, `note` so in words."""

    fields: tuple[Field, ...] | None
    title: str
    span: Span | None = None
    table: TableName | None = None
    note: str = ""
    inferred: bool = False
    """Its types are what flowc makes of the SQL that fills it, not what somebody declares."""
    key: tuple[str, ...] | None = None
    """The primary key of a table; empty where it has none, None where that is not known."""
    values: tuple[Field, ...] = ()
    """What is known of an open relation: the column that a table function gives, those that are NULL beside a `*`."""

    @staticmethod
    def of_table(name: TableName, columns: Iterable[Column] | None, title: str, span: Span | None = None) -> Relation:
        """A table: its fields originate in itself."""
        if columns is None:
            return Relation(None, title, span, name)
        fields = (Field(c.name, c.type, c.nullable, frozenset((Origin(name, c.name),))) for c in columns)
        return Relation(tuple(fields), title, span, name)

    @cached_property
    def spelled(self) -> Mapping[str, Field]:
        """The first field of each name as it is written."""
        return {f.name: f for f in reversed(self.fields or ())}

    @cached_property
    def lowered(self) -> Mapping[str, Field]:
        """The first field of each name in lower case."""
        return {f.name.lower(): f for f in reversed(self.fields or ())}

    def as_nullable(self) -> Relation:
        """The same on the outer side of a join."""
        if self.fields is None:
            return self
        return replace(self, fields=tuple(replace(f, nullable=True) for f in self.fields))


@dataclass(frozen=True, slots=True)
class Merged:
    """A column that USING or NATURAL makes one, by the names that relations have in FROM."""

    of: frozenset[str]
    shown: tuple[str, ...] | None
    """Those whose first value that is not NULL it is; None where that is not known."""


@dataclass
class Catalogue:
    """The relations of a project, by connection and table name."""

    _relations: dict[tuple[str, str, str], Relation] = field(default_factory=dict)

    def add(self, connection: str, kind: str, name: TableName, relation: Relation) -> None:
        """Makes a relation known; a table written by several pipelines keeps the fields of all."""
        key = table_key(connection, kind, name)
        known = self._relations.get(key)
        self._relations[key] = relation if known is None else _merged(known, relation)

    def declare(self, connection: str, kind: str, name: TableName, relation: Relation) -> None:
        """Makes a declared table known, in place of what is known of it."""
        self._relations[table_key(connection, kind, name)] = relation

    def names(self) -> Iterable[tuple[str, str, str]]:
        """The connection, the schema and the name of every table, as `table_key` has them."""
        return self._relations.keys()

    def find(self, connection: str, kind: str, name: TableName) -> Relation | None:
        """The relation of a table, or None when nothing declares it."""
        return self._relations.get(table_key(connection, kind, name))


def table_key(connection: str, kind: str, name: TableName) -> tuple[str, str, str]:
    """What tells tables apart: the default schema may be written or left out, case counts where the engine says so.

    Tables that are folders have the very names of these.
    """
    dialect = DIALECTS.get(kind)
    if dialect is not None and dialect.attached:
        return connection, name.schema or "", name.name
    default = dialect.names.default_schema if dialect is not None else None
    schema = (name.schema or default or "").lower()
    return connection, schema, name.name if dialect_of(kind).queries.folds else name.name.lower()


def _merged(one: Relation, other: Relation) -> Relation:
    if one.fields is None or other.fields is None:
        return replace(one, fields=None)
    names = {f.name for f in one.fields}
    fields = one.fields + tuple(f for f in other.fields if f.name not in names)
    return replace(one, fields=fields, inferred=one.inferred or other.inferred)


def fold(identifier: exp.Identifier, engine: str) -> str:
    """The key that an identifier is looked up by: what the engine makes of its case."""
    name: str = identifier.name
    if dialect_of(engine).queries.folds and identifier.args.get("quoted"):
        return name
    return name.lower()


def find_field(relation: Relation, key: str, engine: str) -> Field | None:
    """The field of a relation by its key, which `fold` gives."""
    return (relation.spelled if dialect_of(engine).queries.folds else relation.lowered).get(key)


def field_key(name: str, engine: str) -> str:
    """The key of a declared column, to compare with `fold`."""
    return name if dialect_of(engine).queries.folds else name.lower()


def output_name(identifier: exp.Identifier, engine: str) -> str:
    """The name that a result column gets from an alias or column name."""
    name: str = identifier.name
    return name.lower() if dialect_of(engine).queries.folds and not identifier.args.get("quoted") else name


def shown(tables: Iterable[str] | None, name: str) -> exp.Expression:
    """The first value that is not NULL of the columns of a name that tables have."""
    columns = [
        exp.column(exp.to_identifier(name, quoted=True), exp.to_identifier(table, quoted=True))
        for table in tables or ()
    ]
    return columns[0] if len(columns) == 1 else exp.Coalesce(this=columns[0], expressions=columns[1:])
