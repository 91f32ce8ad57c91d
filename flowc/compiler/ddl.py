"""CREATE statements."""

from __future__ import annotations

from collections.abc import Iterable

from flowc.catalog import Column, Index, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.errors import UsageError
from flowc.types import DataType, Kind

_LONGEST_NAME = 63
"""PostgreSQL cuts longer names, so flowc does not make them."""


def stored(kind: DataType, dialect: Dialect) -> DataType:
    """The type in which an engine keeps values of `kind`: itself, or a wider one it has."""
    if kind.kind is Kind.ARRAY and kind.element is not None and not dialect.native(kind):
        return DataType(Kind.JSON)
    return kind if _spelled(kind, dialect) else dialect.widen.get(kind.kind, kind)


def _spelled(kind: DataType, dialect: Dialect) -> str | None:
    return dialect.native(kind) or dialect.spell.get(kind.kind)


def spell(kind: DataType, dialect: Dialect) -> str:
    """A type in the engine's words.

    Raises UsageError for one it cannot store.
    """
    spelled = _spelled(stored(kind, dialect), dialect)
    if spelled is None:
        raise UsageError(
            f"{dialect.name} cannot store a column of type {kind}",
            code="unstorable-type",
            help="CAST the column in the SQL to a type it has, for instance text",
        )
    return spelled


def spellable(columns: Iterable[Column], dialect: Dialect) -> bool:
    """Whether the engine has words for all the types."""
    return all(_spelled(stored(c.type, dialect), dialect) for c in columns)


def column_definition(column: Column, dialect: Dialect) -> str:
    """A column as CREATE TABLE and ADD COLUMN have it."""
    parts = [ident(column.name), spell(column.type, dialect)]
    if column.default is not None:
        parts.append(f"DEFAULT (\n{column.default}\n)" if "--" in column.default else f"DEFAULT ({column.default})")
    if not column.nullable:
        parts.append("NOT NULL")
    return " ".join(parts)


def create_schema(name: str, dialect: Dialect) -> str:
    """The statement that creates a schema where it is missing, also for a user who may not create one."""
    schema = ident(name)
    block = dialect.schema_block.format(schema=schema, text=text(schema, dialect))
    return dialect.ensure_schema.format(schema=schema, block=text(block, dialect))


def create_table(wanted: Table, dialect: Dialect) -> tuple[str, ...]:
    """The statements that create a table, its indexes and its comments."""
    lines = [column_definition(_keyed(c, wanted), dialect) for c in wanted.columns]
    if wanted.primary_key:
        lines.append(f"PRIMARY KEY ({idents(wanted.primary_key)})")
    body = ",\n  ".join(lines)
    statements = [f"CREATE TABLE {table(wanted.name)} (\n  {body}\n)"]
    statements += [create_index(wanted.name, index, dialect) for index in wanted.indexes]
    if dialect.comments:
        statements += comments(wanted, dialect)
    return tuple(statements)


def _keyed(column: Column, wanted: Table) -> Column:
    """Key columns are never NULL, on SQLite too, where PRIMARY KEY alone allows it."""
    if column.name not in wanted.primary_key or not column.nullable:
        return column
    return Column(column.name, column.type, False, column.default, column.comment)


def create_index(name: TableName, index: Index, dialect: Dialect) -> str:
    """The statement that creates an index."""
    label = index.name or index_name(name, index.columns)
    indexed, on = ident(label), table(name)
    if dialect.index_in_schema:
        indexed, on = table(TableName(name.schema, label)), ident(name.name)
    where = f" WHERE {index.where}" if index.where else ""
    return f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {indexed} ON {on} ({idents(index.columns)}){where}"


def index_name(name: TableName, columns: tuple[str, ...]) -> str:
    """The name flowc gives an index that has none."""
    return "_".join((name.name, *columns))[: _LONGEST_NAME - len("_idx")] + "_idx"


def comments(wanted: Table, dialect: Dialect) -> list[str]:
    """The COMMENT statements of a table and its columns."""
    name = table(wanted.name)
    found = [f"COMMENT ON TABLE {name} IS {text(wanted.comment, dialect)}"] if wanted.comment else []
    found += [
        f"COMMENT ON COLUMN {name}.{ident(c.name)} IS {text(c.comment, dialect)}" for c in wanted.columns if c.comment
    ]
    return found


def create_temporary(name: TableName, columns: tuple[Column, ...], dialect: Dialect) -> str:
    """The statement that creates a temporary table for one transaction."""
    body = ", ".join(f"{ident(c.name)} {spell(c.type, dialect)}" for c in columns)
    return f"{dialect.temporary} {table(name)} ({body}){dialect.temporary_options}"


def create_temporary_like(name: TableName, query: str, dialect: Dialect) -> str:
    """The same for the columns of a query whose types have no words; it stays empty."""
    return (
        f"{dialect.temporary} {table(name)}{dialect.temporary_options} AS SELECT * FROM (\n{query}\n) AS q WHERE 1 = 0"
    )
