"""The grammar of CREATE, DROP and what else makes or removes objects."""

from __future__ import annotations

from itertools import pairwise

from flowc.catalog import TableName
from flowc.compiler.migrationlint.columndefs import read_column, read_constraint, read_type, starts_constraint
from flowc.compiler.migrationlint.facts import (
    ColumnDef,
    Constraint,
    CreateDomain,
    CreateIndex,
    CreateTable,
    Drop,
    DropIndex,
    Fact,
    Other,
)
from flowc.compiler.migrationlint.tokens import Cursor, UnreadError, split, word_of, words

_MYSQL = ("mysql", "mariadb")
_SECOND_WORDS = {
    "MATERIALIZED": ("VIEW",), "FOREIGN": ("TABLE", "DATA"), "EVENT": ("TRIGGER",), "USER": ("MAPPING",),
    "TEXT": ("SEARCH",), "ACCESS": ("METHOD",), "OPERATOR": ("CLASS", "FAMILY"),
}  # fmt: skip
_OBJECTS = words(
    "VIEW FUNCTION PROCEDURE TRIGGER TYPE EXTENSION SEQUENCE SCHEMA DATABASE ROLE USER GROUP POLICY RULE"
    " AGGREGATE CAST OPERATOR COLLATION CONVERSION LANGUAGE PUBLICATION SUBSCRIPTION SERVER STATISTICS TABLESPACE"
    " EVENT TEXT ACCESS MATERIALIZED FOREIGN DOMAIN MACRO SECRET TRANSFORM ROUTINE OWNED PACKAGE"
)
_MODIFIERS = (
    "TEMPORARY", "TEMP", "GLOBAL", "LOCAL", "UNLOGGED", "RECURSIVE", "CONSTRAINT", "TRUSTED", "PROCEDURAL", "AGGREGATE",
    "PERSISTENT",
)  # fmt: skip


def read_create(cursor: Cursor) -> list[Fact]:
    """Reads what follows CREATE.

    Raises:
        UnreadError: at what it does not know.
    """
    replace = cursor.take("OR", "REPLACE")
    _skip_definer(cursor)
    temporary = False
    if cursor.at("CONSTRAINT", "TRIGGER"):
        cursor.next()
    while cursor.at_any(_MODIFIERS) and not cursor.at("AGGREGATE"):
        temporary |= cursor.next().text.upper() in ("TEMP", "TEMPORARY")
    if cursor.take("TABLE"):
        return [_create_table(cursor, temporary=temporary)]
    if cursor.at_any(("UNIQUE", "INDEX", "FULLTEXT", "SPATIAL")):
        return [_create_index(cursor)]
    if cursor.take("DOMAIN"):
        return [_create_domain(cursor)]
    if cursor.take("VIRTUAL", "TABLE"):
        cursor.until(frozenset())
        return [Other("create virtual table")]
    return [_create_other(cursor, replace=replace)]


def _skip_definer(cursor: Cursor) -> None:
    """MySQL's ALGORITHM = …, DEFINER = …, SQL SECURITY … before a view or routine."""
    while cursor.dialect in _MYSQL and cursor.at_any(("ALGORITHM", "DEFINER", "SQL")):
        cursor.until(frozenset(("VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "TABLE", "SQL")))
        if cursor.take("SQL"):
            cursor.until(frozenset(("VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "TABLE")))


def _create_other(cursor: Cursor, *, replace: bool) -> Fact:
    kind = object_kind(cursor)
    exists = cursor.take("IF", "NOT", "EXISTS") or replace
    table = name = None
    if kind in ("view", "materialized view", "type"):
        name = cursor.name()
    if kind in ("trigger", "policy", "rule", "statistics"):
        table = _table_after(cursor, "TO" if kind == "rule" else "FROM" if kind == "statistics" else "ON")
    body = cursor.until(frozenset())
    if table is None and not body.tokens:
        raise UnreadError
    return Other(f"create {kind}", table, exists, name)


def _table_after(cursor: Cursor, word: str) -> TableName | None:
    cursor.until(frozenset((word,)))
    return cursor.name() if cursor.take(word) else None


def object_kind(cursor: Cursor) -> str:
    """Reads the kind of an object, as `view` or `materialized view`, in lower case.

    Raises:
        UnreadError: when no known kind comes.
    """
    first = cursor.take_any(*_OBJECTS)
    if not first:
        raise UnreadError
    second = cursor.take_any(*_SECOND_WORDS.get(first, ()))
    if second in ("DATA", "SEARCH"):
        _ = cursor.take_any("WRAPPER", "CONFIGURATION", "DICTIONARY", "PARSER", "TEMPLATE")
    return f"{first} {second}".strip().lower()


def _create_table(cursor: Cursor, *, temporary: bool) -> Fact:
    exists = cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name()
    parent = None
    if cursor.take("PARTITION", "OF"):
        parent = cursor.name()
    typed = parent is None and cursor.take("OF")
    if typed:
        cursor.name()
    listed = cursor.at("(") or typed
    columns, constraints = _table_body(cursor)
    inherits: tuple[TableName, ...] = ()
    if cursor.take("INHERITS"):
        inherits = tuple(part.name() for part in split(cursor.group()))
    tail = cursor.until(frozenset())
    after = [word_of(token) for token in tail.tokens]
    query = "SELECT" in after or ("VALUES" in after and parent is None) or after[:1] == ["AS"]
    if not listed and not query and parent is None and not after:
        raise UnreadError
    partitioned = ("PARTITION", "BY") in pairwise(after)
    return CreateTable(name, columns, constraints, temporary, exists, parent, inherits, partitioned, query)


def _table_body(cursor: Cursor) -> tuple[tuple[ColumnDef, ...], tuple[Constraint, ...]]:
    columns: list[ColumnDef] = []
    constraints: list[Constraint] = []
    inner = cursor.group() if cursor.at("(") else Cursor((), cursor.dialect)
    if inner.at_any(("SELECT", "WITH")):
        return (), ()
    while not inner.done:
        if inner.take("LIKE"):
            inner.until(frozenset((",",)))
        elif starts_constraint(inner) or inner.at("NOT", "NULL"):
            constraints.append(read_constraint(inner))
        elif not _mysql_key(inner):
            columns.append(_column(inner))
        if not inner.take(",") and not inner.done:
            raise UnreadError
    return tuple(columns), tuple(constraints)


def _mysql_key(cursor: Cursor) -> bool:
    if cursor.dialect not in _MYSQL or not cursor.at_any(("KEY", "INDEX", "FULLTEXT", "SPATIAL")):
        return False
    cursor.until(frozenset((",",)))
    return True


def _column(cursor: Cursor) -> ColumnDef:
    """A column; in a partition or a typed table it has no type: `CREATE TABLE p PARTITION OF t (c DEFAULT 1) …`."""
    start = cursor.at_index
    name = cursor.ident()
    if cursor.take("WITH", "OPTIONS"):
        cursor.until(frozenset((",",)))
        return ColumnDef(name, None)
    cursor.at_index = start
    return read_column(cursor)


def _create_index(cursor: Cursor) -> Fact:
    unique = cursor.take("UNIQUE")
    kind = cursor.take_any("FULLTEXT", "SPATIAL")
    cursor.expect("INDEX")
    concurrently = cursor.take("CONCURRENTLY")
    exists = cursor.take("IF", "NOT", "EXISTS")
    name = None if cursor.at("ON") else cursor.name().name
    if cursor.take("USING"):
        cursor.ident()
    cursor.expect("ON")
    only = cursor.take("ONLY")
    table = cursor.name()
    if cursor.take("USING"):
        cursor.ident()
    columns = cursor.names()
    tail = cursor.until(frozenset(("WHERE",)))
    if cursor.take("WHERE") and not cursor.until(frozenset()).tokens:
        raise UnreadError
    if tail.tokens and not tail.at_any(_AFTER_INDEX):
        raise UnreadError
    return CreateIndex(table, name, columns, unique, concurrently, exists, only, kind.lower() or None)


_AFTER_INDEX = words("INCLUDE NULLS WITH TABLESPACE USING ALGORITHM LOCK COMMENT VISIBLE INVISIBLE KEY_BLOCK_SIZE")


def _create_domain(cursor: Cursor) -> Fact:
    name = cursor.name()
    _ = cursor.take("AS")
    read_type(cursor)
    after = [word_of(token) for token in cursor.until(frozenset()).tokens]
    return CreateDomain(name, "CHECK" in after or ("NOT", "NULL") in pairwise(after))


def read_drop(cursor: Cursor) -> list[Fact]:
    """Reads what follows DROP.

    Raises:
        UnreadError: at what it does not know.
    """
    if cursor.take("INDEX"):
        return _drop_index(cursor)
    temporary = cursor.take("TEMPORARY")
    kind = "table" if cursor.take("TABLE") else object_kind(cursor)
    if temporary and kind == "table":
        kind = "temporary table"
    exists = cursor.take("IF", "EXISTS")
    if kind in ("trigger", "policy", "rule"):
        cursor.ident()
        table = cursor.name() if cursor.take("ON") else None
        cursor.until(frozenset())
        return [Other(f"drop {kind}", table, exists)]
    if kind in ("cast", "operator", "operator class", "operator family", "owned", "user mapping", "aggregate"):
        cursor.until(frozenset())
        return [Other(f"drop {kind}", None, exists)]
    return list(_drop_named(cursor, kind, exists=exists))


def _drop_named(cursor: Cursor, kind: str, *, exists: bool) -> list[Fact]:
    names = _dropped_names(cursor)
    cascade = cursor.take_any("CASCADE", "RESTRICT") == "CASCADE"
    if cursor.at("WITH") or cursor.at("(") or cursor.at("FORCE"):
        cursor.until(frozenset())
    if not cursor.done:
        raise UnreadError
    return [Drop(kind, name, exists, cascade) for name in names]


def _dropped_names(cursor: Cursor) -> list[TableName]:
    names: list[TableName] = []
    while not names or cursor.take(","):
        names.append(cursor.name())
        if cursor.at("("):  # a function's arguments
            cursor.group()
    return names


def _drop_index(cursor: Cursor) -> list[Fact]:
    concurrently = cursor.take("CONCURRENTLY")
    exists = cursor.take("IF", "EXISTS")
    names = _dropped_names(cursor)
    table = cursor.name() if cursor.take("ON") else None
    cascade = cursor.take_any("CASCADE", "RESTRICT") == "CASCADE"
    if table is not None and cursor.dialect in _MYSQL:
        cursor.until(frozenset())
    if not cursor.done:
        raise UnreadError
    return [DropIndex(name, concurrently, exists, cascade, table) for name in names]
