"""DuckDB's live tables, as its own functions tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowc.catalog import Column, Index, Native, Resolved, Table, TableName, names_word, of_view
from flowc.runtime.names import folded, literal, quoted
from flowc.runtime.systems.duckdb.values import index_columns, native, own_name, type_of
from flowc.runtime.systems.shared.generated import generated

Ask = Callable[[str], Sequence[Any]]

_COLLATED = re.compile(
    r"""(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>\w+))\s+VARCHAR\s+COLLATE\s+(?P<collation>[\w.]+)""", re.IGNORECASE
)
_ALIKE = "SELECT current_schema(), schema_name, table_name"
_COLUMN = "column_name, data_type, is_nullable, column_default, comment"
_BINARY = ("binary", "c", "posix")
_ARRAY = re.compile(r"(\[[0-9]*\])+$")
_GENERATED = re.compile(r"\bGENERATED\s+ALWAYS\b|\bCOLLATE\b", re.IGNORECASE)


def read_table(ask: Ask, name: TableName) -> Table | None:
    """The live table, or None; its name is spelled as it was made."""
    rows = ask(f"{_ALIKE}, {_COLUMN} FROM duckdb_columns() WHERE {_alike(name)} ORDER BY column_index")
    found = _meant(rows, name)
    if found is None:
        return None
    columns = _columns(ask, [row[3:] for row in rows if TableName(*row[1:3]) == found])
    return replace(_read(ask, found, columns), name=TableName(name.schema, found.name))


def _read(ask: Ask, name: TableName, columns: tuple[Column, ...]) -> Table:
    tables = ask(f"SELECT comment, estimated_size, sql FROM duckdb_tables() WHERE {_here(name)} AND NOT temporary")
    comment, rows, sql = tables[0] if tables else (None, None, "")
    collated = _collations(sql or "")
    computed = generated(sql) if sql and "GENERATED" in sql else {}
    indexes = ask(
        "SELECT index_name, is_unique, expressions, sql, comment FROM duckdb_indexes() "
        f"WHERE {_here(name)} ORDER BY index_name"
    )
    constraints, keys = _constraints(ask, name)
    return Table(
        name,
        tuple(replace(_computed(c, computed), native=collated.get(c.name, c.native)) for c in columns),
        next((tuple(names) for kind, names in constraints if kind == "PRIMARY KEY"), ()),
        (
            *_indexes(indexes, columns),
            *(Index(tuple(n), True, None, constraint=True) for k, n in constraints if k == "UNIQUE"),
        ),
        comment,
        plain=bool(tables),
        form=None if tables else "a view",
        rows=rows,
        dependents=_dependents(ask, name, [c.name for c in columns]),
        beyond=(*_beyond([kind for kind, _ in constraints], sql or ""), *_tied(indexes, keys)),
    )


def _computed(column: Column, expressions: Mapping[str, str]) -> Column:
    made = expressions.get(column.name)
    return column if made is None else replace(column, default=f"GENERATED ALWAYS AS ({made})")


def _here(name: TableName) -> str:
    """The condition for a table, by its name as it was made."""
    schema = literal(name.schema or "main")
    return (
        f"lower(schema_name) = lower({schema}) AND lower(table_name) = lower({literal(name.name)}) "
        "AND database_name = current_database()"
    )


def resolved(ask: Ask, name: TableName) -> Resolved:
    """The table that a name means: names differ by more than case."""
    found = found_name(ask, name)
    kept = TableName(None if found.schema == "main" else found.schema, found.name)
    return Resolved(TableName(folded(found.schema or ""), folded(found.name)), kept)


def found_name(ask: Ask, name: TableName) -> TableName:
    """The schema and the name as they were made; as they are written where there is no such table."""
    found = _meant(ask(f"{_ALIKE} FROM duckdb_columns() WHERE {_alike(name)} GROUP BY ALL"), name)
    return found or TableName(name.schema or ask("SELECT current_schema()")[0][0], name.name)


def _alike(name: TableName) -> str:
    """The condition for tables of that name in any schema, in letters of any case."""
    return f"database_name = current_database() AND lower(table_name) = lower({literal(name.name)})"


def _meant(rows: Sequence[Any], name: TableName) -> TableName | None:
    """That one of the tables `_alike` that a name means; the name of the database is no schema."""
    found = (TableName(*row[1:3]) for row in rows if folded(row[1]) == folded(name.schema or row[0]))
    return next((own for own in found if folded(own.name) == folded(name.name)), None)


def names(ask: Ask) -> tuple[TableName, ...]:
    """The tables of the database, those in the schema `main` without it."""
    rows = ask(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE NOT internal AND NOT temporary AND database_name = current_database() ORDER BY 1, 2"
    )
    return tuple(TableName(None if schema == "main" else schema, table) for schema, table in rows)


def read_columns(ask: Ask, name: TableName, *, temporary: bool) -> tuple[Column, ...]:
    """The columns of a table or view; none where there is none."""
    where = f"lower(table_name) = lower({literal(name.name)}) AND database_name = 'temp'" if temporary else _here(name)
    rows = ask(f"SELECT {_COLUMN} FROM duckdb_columns() WHERE {where} ORDER BY column_index")
    return _columns(None if temporary else ask, rows)


def _columns(ask: Ask | None, rows: Sequence[Any]) -> tuple[Column, ...]:
    """The columns that were told of; with what other names their types have where somebody can be asked."""
    made = {} if ask is None else _made_types(ask)
    return tuple(
        Column(
            r[0],
            type_of(r[1]),
            bool(r[2]),
            r[3],
            r[4],
            spelled=r[1],
            own=own_name(r[1]),
            named=_names_of(r[1], made),
            native=native(r[1]),
        )
        for r in rows
    )


def _made_types(ask: Ask) -> Mapping[str, list[str]]:
    """The types that were made in the database, by what they stand for: a column is told by that alone."""
    rows = ask(
        "SELECT schema_name, type_name, schema_name = current_schema() FROM duckdb_types() "
        "WHERE NOT internal AND database_name = current_database()"
    )
    whole = [f"{quoted(schema)}.{quoted(name)}" for schema, name, _ in rows]
    found: dict[str, list[str]] = {}
    described = ask(f"DESCRIBE SELECT {', '.join(f'NULL::{name}' for name in whole)}") if whole else ()
    for name, (_, short, own), (_, spelled, *_) in zip(whole, rows, described, strict=True):
        found.setdefault(spelled, []).extend([name, quoted(short)] if own else [name])
    return found


def _names_of(spelled: str, made: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Other names of a type, or of the arrays of one."""
    element = _ARRAY.sub("", spelled)
    return tuple(name + spelled[len(element) :] for name in made.get(element, ()))


def _indexes(rows: Sequence[Any], columns: Sequence[Column]) -> tuple[Index, ...]:
    known = {column.name.lower(): column.name for column in columns}
    return tuple(_index(index, unique, parts, sql, known) for index, unique, parts, sql, _ in rows)


def _index(name: str, unique: bool, expressions: str, sql: str, known: Mapping[str, str]) -> Index:
    """An index; it names columns as its author spelled them."""
    parts = [known.get(part.lower()) for part in index_columns(expressions)]
    beyond = ("an expression",) if None in parts else ()
    return Index(tuple(filter(None, parts)), bool(unique), name, sql=sql.rstrip(";"), beyond=beyond)


def _dependents(ask: Ask, name: TableName, columns: Sequence[str]) -> tuple[str, ...]:
    views = ask("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()")
    return tuple(of_view(f"view {view}", sql, columns) for view, sql in views if names_word(sql or "", name.name))


def _collations(sql: str) -> dict[str, Native]:
    """The columns with another collation than that of bytes, from the statement as DuckDB itself writes it."""
    found = {}
    for match in _COLLATED.finditer(sql):
        if match["collation"].lower() not in _BINARY:
            name = match["bare"] or match["quoted"].replace('""', '"')
            found[name] = Native(collation=".".join(quoted(part) for part in match["collation"].split(".")))
    return found


def _beyond(kinds: Sequence[str], sql: str) -> tuple[str, ...]:
    """What CREATE TABLE of flowc does not write."""
    found = [kind for kind in kinds if kind in ("CHECK", "FOREIGN KEY")]
    found += [" ".join(match[0].upper().split()) for match in _GENERATED.finditer(sql)]
    return tuple(dict.fromkeys(found))


def _constraints(ask: Ask, name: TableName) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """The kind and columns of each of a table's constraints, and the tables with a foreign key to one of its name."""
    refers = f"constraint_type = 'FOREIGN KEY' AND lower(referenced_table) = lower({literal(name.name)})"
    rows = ask(
        f"SELECT {_here(name)}, constraint_type, constraint_column_names, table_name, {refers} "
        f"FROM duckdb_constraints() WHERE database_name = current_database() AND (({_here(name)}) OR ({refers})) "
        "ORDER BY constraint_index"
    )
    own = [(kind, columns) for here, kind, columns, _, _ in rows if here]
    return own, sorted({table for *_, table, refers in rows if refers})


def _tied(indexes: Sequence[Any], keys: Sequence[str]) -> list[str]:
    """What goes with a table that is dropped, or keeps it from that."""
    commented = [row[0] for row in indexes if row[4] is not None]
    return [*(f"the comment of index {index}" for index in commented), *(f"a foreign key of {key}" for key in keys)]
