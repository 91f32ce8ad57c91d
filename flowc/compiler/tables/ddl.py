"""CREATE statements."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from hashlib import md5

from flowc.catalog import Column, Index, Native, Table, TableName
from flowc.compiler.dialect import Dialect
from flowc.compiler.quote import ident, idents, table, text
from flowc.errors import UsageError
from flowc.types import UNKNOWN, DataType, Kind, parse_type

_LONGEST_NAME = 63
"""Bytes. PostgreSQL cuts longer names, so flowc does not make them."""
ROW = "flowc_row"
"""The column of the row identity, where the engine has none of its own and no other column has that name."""
_MARK = 8
"""Digits of the hash that tells names apart that were cut."""


_NUMBERED = re.compile(r"""nextval\(\s*'((?:[\w$]+|"[^"']+")(?:\.(?:[\w$]+|"[^"']+"))*)'\s*(?:::\s*\w+)?\s*\)""", re.I)
"""The default of a column that a sequence numbers, with the name of that as SQL has it."""


def stored(kind: DataType, dialect: Dialect) -> DataType:
    """The type in which an engine keeps values of `kind`: itself, or a wider one it has."""
    if kind.kind is Kind.ARRAY and kind.element is not None and not dialect.types.native(kind):
        return DataType(Kind.JSON)
    return kind if _spelled(kind, dialect) else dialect.types.widen.get(kind.kind, kind)


def _spelled(kind: DataType, dialect: Dialect) -> str | None:
    return dialect.types.native(kind) or dialect.types.spell.get(kind.kind)


def spell(kind: DataType, dialect: Dialect, name: str = "") -> str:
    """A type in the engine's words; `name` is that of the column, for errors.

    Raises UsageError for one it cannot store.
    """
    spelled = _spelled(stored(kind, dialect), dialect)
    if spelled is None and kind == UNKNOWN:
        column = f"column `{name}`" if name else "a column"
        raise UsageError(
            f"nothing tells the type of {column}, and {dialect.name} makes none without",
            code="unstorable-type",
            help=f"declare it for the source or the table, as `columns: {{ {name or 'id'}: bigint }}` does, or CAST it "
            "in the SQL; of a file without rows, load once there are some",
        )
    if spelled is None:
        raise UsageError(
            f"{dialect.name} cannot store {f'column `{name}`, which is' if name else 'a column'} of type {kind}",
            code="unstorable-type",
            help="CAST the column in the SQL to a type it has, for instance text",
        )
    return spelled


def reported(declared: DataType, dialect: Dialect) -> DataType:
    """The type that a column declared so has, as the engine tells it: with the digits that its word stands for."""
    kept = stored(declared, dialect)
    try:
        read = parse_type((_spelled(kept, dialect) or "").strip('"'))
    except ValueError:
        return kept
    # A spelling may mean another type elsewhere: FLOAT has 4 bytes in one engine and 8 in another.
    return read if read.kind is kept.kind else kept


def too_long(name: str, dialect: Dialect) -> UsageError:
    """The error of a name that is longer than the engine's names."""
    unit = "characters" if dialect.names.in_characters else "bytes"
    return UsageError(
        f"the name `{name}` is longer than the {dialect.names.longest} {unit} that {dialect.name} has for one",
        code="name-too-long",
        help="give it a shorter name",
    )


def cast(x: str, kind: DataType, dialect: Dialect) -> str:
    """The value `x` cast to a type. Raises UsageError for one that the engine cannot store."""
    template = dialect.types.cast.get(stored(kind, dialect).kind)
    return template.format(x=x, places=kind.places) if template else f"CAST({x} AS {spell(kind, dialect)})"


def is_decimal_text(kind: DataType, dialect: Dialect) -> bool:
    """Whether an engine keeps the decimals of a type as texts, so that it compares them by their characters."""
    if not dialect.compare.decimal_order:
        return False
    kept = stored(kind, dialect)
    return kept.kind is Kind.DECIMAL and "TEXT" in spell(kept, dialect)


def spellable(columns: Iterable[Column], dialect: Dialect) -> bool:
    """Whether the engine has words for all the types."""
    return all(_spelled(stored(c.type, dialect), dialect) for c in columns)


def column_definition(column: Column, dialect: Dialect) -> str:
    """A column as CREATE TABLE and ADD COLUMN have it; the type of a live one is in the engine's own words."""
    parts = [ident(column.name), _type_words(column, dialect)]
    made = column.default is not None and column.default.upper().startswith(("GENERATED ", "AUTO_INCREMENT"))
    if column.default is not None and made:
        parts.append(column.default)
    elif column.default is not None:
        default = dialect.literals.author(column.default)
        parts.append(f"DEFAULT (\n{default}\n)" if "--" in default else f"DEFAULT ({default})")
    if not column.nullable:
        parts.append("NOT NULL")
    if dialect.tables.inline_comments and column.comment:
        parts.append(f"COMMENT {text(column.comment, dialect)}")
    return " ".join(parts)


def _type_words(column: Column, dialect: Dialect) -> str:
    return column.spelled if column.spelled is not None else column.own or spell(column.type, dialect, column.name)


def create_schema(name: str, dialect: Dialect) -> str:
    """The statement that creates a schema where it is missing, also for a user who may not create one."""
    schema = ident(name)
    block = dialect.tables.schema_block.format(schema=schema, schema_text=text(schema, dialect))
    return dialect.tables.ensure_schema.format(schema=schema, block=text(block, dialect))


def create_table(wanted: Table, dialect: Dialect, head: str = "CREATE TABLE") -> tuple[str, ...]:
    """The statements that create a table, its indexes and its comments.

    Raises UsageError for a type that the engine cannot store and a name that it would cut.
    """
    for name in (wanted.name.name, *(c.name for c in wanted.columns), *(i.name for i in wanted.indexes if i.name)):
        if dialect.too_long(name):
            raise too_long(name, dialect)
    lines = [column_definition(keyed(_never_null(c, wanted), wanted, dialect), dialect) for c in wanted.columns]
    if wanted.primary_key:
        lines.append(f"PRIMARY KEY ({idents(wanted.primary_key)})")
    lines += [f"UNIQUE ({idents(index.columns)})" for index in wanted.indexes if index.constraint]
    free = [index for index in wanted.indexes if not index.constraint]
    if dialect.tables.inline_indexes:
        lines += [index_clause(wanted, index, dialect) for index in free]
    body = ",\n  ".join(lines)
    statements = [sql for column in wanted.columns for sql in ensure_sequence(column, dialect)]
    statements += [f"{head} {table(wanted.name)} (\n  {body}\n){_options(wanted, dialect)}"]
    if not dialect.tables.inline_indexes:
        statements += [create_index(wanted.name, index, dialect) for index in free]
    if dialect.tables.comments and not dialect.tables.inline_comments:
        statements += comments(wanted, dialect)
    return tuple(statements)


def ensure_sequence(column: Column, dialect: Dialect) -> tuple[str, ...]:
    """The statement that makes the sequence of a default, for an environment that does not have it."""
    found = _NUMBERED.fullmatch((column.default or "").strip())
    if found is None or not dialect.tables.ensure_sequence:
        return ()
    return (dialect.tables.ensure_sequence.format(name=found[1]),)


def _options(wanted: Table, dialect: Dialect) -> str:
    comment = f" COMMENT = {text(wanted.comment, dialect)}" if dialect.tables.inline_comments and wanted.comment else ""
    return dialect.tables.options + comment


def keyed(column: Column, wanted: Table, dialect: Dialect) -> Column:
    """The column as the table has it: in a key, with the length that the engine's keys need."""
    kind = dialect.types.in_keys.get(column.type.kind)
    in_key = any(column.name in key for key in (wanted.primary_key, *(i.columns for i in wanted.indexes if i.unique)))
    return replace(column, type=kind) if kind and in_key and column.type.length is None else column


def keyed_table(wanted: Table, dialect: Dialect) -> Table:
    """The table with its columns as the engine has them, those of keys with a length."""
    return replace(wanted, columns=tuple(keyed(column, wanted, dialect) for column in wanted.columns))


def index_clause(wanted: Table, index: Index, dialect: Dialect) -> str:
    """An index as part of CREATE TABLE or ALTER TABLE: of a live one the engine's own, where that is told."""
    if index.sql is not None:
        return index.sql
    label = ident(index.name or index_name(wanted.name, index.columns))
    parts = [keyed(c, wanted, dialect) for name in index.columns if (c := wanted.column(name))]
    columns = idents(index.columns) if index.unique else ", ".join(_indexed_part(c, dialect) for c in parts)
    return f"{'UNIQUE ' if index.unique else ''}KEY {label} ({columns})"


def _indexed_part(column: Column, dialect: Dialect) -> str:
    limit, kind = dialect.tables.index_length, column.type
    endless = kind.kind in (Kind.TEXT, Kind.BINARY, Kind.UNKNOWN)
    own = column.native.spelled if column.native is not None else None
    whole = own is not None and not any(word in own.lower() for word in ("text", "blob"))
    longer = limit is not None and endless and not whole and (kind.length is None or kind.length > limit)
    return f"{ident(column.name)}({limit})" if longer else ident(column.name)


def _never_null(column: Column, wanted: Table) -> Column:
    """Key columns are never NULL, on SQLite too, where PRIMARY KEY alone allows it."""
    if column.name not in wanted.primary_key or not column.nullable:
        return column
    return replace(column, nullable=False)


def create_index(name: TableName, index: Index, dialect: Dialect) -> str:
    """The statement that creates an index: of a live one the engine's own, where it keeps one."""
    if index.sql is not None:
        return index.sql
    label = index.name or index_name(name, index.columns)
    indexed, on = ident(label), table(name)
    if dialect.names.index_in_schema:
        indexed, on = table(TableName(name.schema, label)), ident(name.name)
    where = f" WHERE {index.where}" if index.where else ""
    return f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {indexed} ON {on} ({idents(index.columns)}){where}"


def index_name(name: TableName, columns: tuple[str, ...]) -> str:
    """The name flowc gives an index that has none."""
    return made_name("_".join((name.name, *columns)), "_idx")


def made_name(stem: str, end: str) -> str:
    """A name that flowc makes, short enough for every engine: a stem that is cut ends with a hash of it all."""
    if len((stem + end).encode()) <= _LONGEST_NAME:
        return stem + end
    mark = md5(stem.encode(), usedforsecurity=False).hexdigest()[:_MARK]
    kept = stem.encode()[: _LONGEST_NAME - len(end) - len(mark) - 1].decode(errors="ignore")
    return f"{kept}_{mark}{end}"


def comments(wanted: Table, dialect: Dialect) -> list[str]:
    """The COMMENT statements of a table and its columns."""
    name = table(wanted.name)
    found = [f"COMMENT ON TABLE {name} IS {text(wanted.comment, dialect)}"] if wanted.comment else []
    found += [
        f"COMMENT ON COLUMN {name}.{ident(c.name)} IS {text(c.comment, dialect)}" for c in wanted.columns if c.comment
    ]
    return found


def create_temporary(
    name: TableName, columns: tuple[Column, ...], dialect: Dialect, index: tuple[Column, ...] = (), row: str = ROW
) -> str:
    """The statement that creates a temporary table for one transaction, with an index where one is asked for."""
    lines = [*(f"{ident(c.name)} {_natively(c, dialect)}" for c in columns), *_own_columns(dialect, row)]
    if index:
        lines.append(f"KEY ({', '.join(_indexed_part(c, dialect) for c in index)})")
    return f"{dialect.temporary.create} {table(name)} ({', '.join(lines)}){dialect.temporary.options}"


def _own_columns(dialect: Dialect, row: str) -> list[str]:
    return [column.format(row=ident(row) if row != ROW else row) for column in dialect.temporary.columns]


def _natively(column: Column, dialect: Dialect) -> str:
    """The type of a column as the table has it from which the column is."""
    native = column.native or Native()
    collation = f" COLLATE {native.collation}" if native.collation else ""
    return (native.spelled or spell(column.type, dialect, column.name)) + collation


def create_temporary_like(name: TableName, query: str, dialect: Dialect, row: str = ROW) -> str:
    """The same for the columns of a query whose types have no words; it stays empty."""
    own = f" ({', '.join(_own_columns(dialect, row))})" if dialect.temporary.columns else ""
    head = f"{dialect.temporary.create} {table(name)}{own}{dialect.temporary.options}"
    return f"{head} AS SELECT * FROM (\n{query}\n) AS q WHERE 1 = 0"
