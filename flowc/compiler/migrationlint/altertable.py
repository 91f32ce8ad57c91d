"""The grammar of ALTER TABLE: one fact for each action."""

from __future__ import annotations

from collections.abc import Callable

from flowc.catalog import TableName
from flowc.compiler.migrationlint.columndefs import (
    read_column,
    read_constraint,
    read_default,
    read_type,
    starts_constraint,
)
from flowc.compiler.migrationlint.facts import (
    AddColumn,
    AddConstraint,
    AlterType,
    AttachPartition,
    ColumnDef,
    CreateIndex,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNotNull,
    Fact,
    RenameColumn,
    RenameIndex,
    RenameTable,
    SetDefault,
    SetNotNull,
    SetSchema,
    TableOption,
    ValidateConstraint,
)
from flowc.compiler.migrationlint.tokens import Cursor, UnreadError

_MYSQL = ("mysql", "mariadb")
_COMMA = frozenset((",",))
_ALL: frozenset[str] = frozenset()


def read_action(cursor: Cursor, table: TableName) -> list[Fact]:
    """Reads one action of ALTER TABLE, up to a comma or the end. MySQL's CHANGE may be two facts.

    Raises:
        UnreadError: at what it does not know.
    """
    word = cursor.take_any(*_ACTIONS)
    if not word:
        raise UnreadError
    facts = _ACTIONS[word](cursor, table)
    if not cursor.done and not cursor.at(","):
        raise UnreadError
    return facts


def _add(cursor: Cursor, table: TableName) -> list[Fact]:
    if starts_constraint(cursor) or cursor.at("NOT", "NULL"):
        return [AddConstraint(table, read_constraint(cursor))]
    if cursor.dialect in _MYSQL and cursor.at_any(("INDEX", "KEY", "FULLTEXT", "SPATIAL")):
        return [_add_index(cursor, table)]
    if cursor.dialect in _MYSQL and cursor.take("PARTITION"):
        return _option("add partition")(cursor, table)
    _ = cursor.take("COLUMN")
    if_not_exists = cursor.take("IF", "NOT", "EXISTS")
    if cursor.dialect in _MYSQL and cursor.at("("):
        return _add_several(cursor, table)
    column = read_column(cursor)
    return [AddColumn(table, column, if_not_exists, _placed(cursor))]


def _add_several(cursor: Cursor, table: TableName) -> list[Fact]:
    inner, found = cursor.group(), list[Fact]()
    while not inner.done:
        found.append(AddColumn(table, read_column(inner)))
        _ = inner.take(",")
    return found


def _placed(cursor: Cursor) -> bool:
    if cursor.take("FIRST"):
        return True
    if cursor.take("AFTER"):
        cursor.ident()
        return True
    return False


def _add_index(cursor: Cursor, table: TableName) -> Fact:
    kind = cursor.take_any("FULLTEXT", "SPATIAL")
    _ = cursor.take_any("INDEX", "KEY")
    exists = cursor.take("IF", "NOT", "EXISTS")
    name = None if cursor.at("(") or cursor.at("USING") else cursor.ident()
    if cursor.take("USING"):
        cursor.ident()
    columns = cursor.names()
    cursor.until(_COMMA)
    return CreateIndex(table, name, columns, if_not_exists=exists, kind=kind.lower() or None)


def _drop(cursor: Cursor, table: TableName) -> list[Fact]:
    if cursor.take("CONSTRAINT"):
        exists = cursor.take("IF", "EXISTS")
        name = cursor.ident()
        _ = cursor.take_any("CASCADE", "RESTRICT")
        return [DropConstraint(table, name, None, exists)]
    if cursor.dialect in _MYSQL and (found := _drop_mysql(cursor, table)):
        return [found]
    _ = cursor.take("COLUMN")
    exists = cursor.take("IF", "EXISTS")
    name = cursor.ident()
    return [DropColumn(table, name, exists, cursor.take_any("CASCADE", "RESTRICT") == "CASCADE")]


def _drop_mysql(cursor: Cursor, table: TableName) -> Fact | None:
    if cursor.take("PRIMARY", "KEY"):
        return DropConstraint(table, None, "primary key")
    if cursor.take("FOREIGN", "KEY"):
        exists = cursor.take("IF", "EXISTS")
        return DropConstraint(table, cursor.ident(), "foreign key", exists)
    if cursor.take("CHECK"):
        return DropConstraint(table, cursor.ident(), "check")
    if cursor.take("PARTITION"):
        cursor.until(_ALL)
        return TableOption(table, "drop partition")
    if cursor.take_any("INDEX", "KEY"):
        exists = cursor.take("IF", "EXISTS")
        return DropIndex(TableName(None, cursor.ident()), if_exists=exists, table=table)
    return None


def _alter(cursor: Cursor, table: TableName) -> list[Fact]:
    if cursor.take("CONSTRAINT"):
        name = cursor.ident()
        cursor.until(_COMMA)
        return [TableOption(table, "alter constraint", name)]
    if cursor.dialect in _MYSQL and cursor.take("INDEX"):
        name = cursor.ident()
        cursor.next()
        return [TableOption(table, "alter index", name)]
    _ = cursor.take("COLUMN")
    column = cursor.ident()
    return [_alter_column(cursor, table, column)]


def _alter_column(cursor: Cursor, table: TableName, column: str) -> Fact:
    if cursor.take("SET", "DATA", "TYPE") or cursor.take("TYPE"):
        return _alter_type(cursor, table, column)
    if cursor.take("SET", "NOT", "NULL"):
        return SetNotNull(table, column)
    if cursor.take("DROP", "NOT", "NULL"):
        return DropNotNull(table, column)
    if cursor.take("SET", "DEFAULT"):
        return SetDefault(table, column, read_default(cursor))
    if cursor.take("DROP", "DEFAULT"):
        return SetDefault(table, column, None)
    for words, action in _COLUMN_ACTIONS:
        if cursor.take(*words):
            if action == "set column options" and not cursor.at("("):
                raise UnreadError
            cursor.until(_COMMA)
            return TableOption(table, action, column)
    raise UnreadError


_COLUMN_ACTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("SET", "STATISTICS"), "set statistics"),
    (("SET", "STORAGE"), "set storage"),
    (("SET", "COMPRESSION"), "set compression"),
    (("SET", "GENERATED"), "set identity"),
    (("SET", "START"), "set identity"),
    (("SET", "INCREMENT"), "set identity"),
    (("SET", "EXPRESSION"), "set expression"),
    (("SET", "VISIBLE"), "set visible"),
    (("SET", "INVISIBLE"), "set visible"),
    (("SET",), "set column options"),
    (("RESET",), "set column options"),
    (("RESTART",), "set identity"),
    (("ADD", "GENERATED"), "add identity"),
    (("DROP", "IDENTITY"), "drop identity"),
    (("DROP", "EXPRESSION"), "drop expression"),
    (("OPTIONS",), "foreign options"),
)


def _alter_type(cursor: Cursor, table: TableName, column: str) -> Fact:
    kind = read_type(cursor)
    if cursor.take("COLLATE"):
        cursor.name()
    using = cursor.take("USING")
    if using and not cursor.until(_COMMA).tokens:
        raise UnreadError
    return AlterType(table, column, kind, using)


def _modify(cursor: Cursor, table: TableName) -> list[Fact]:
    _ = cursor.take("COLUMN")
    _ = cursor.take("IF", "EXISTS")
    return [_redefined(read_column(cursor), cursor, table)]


def _change(cursor: Cursor, table: TableName) -> list[Fact]:
    _ = cursor.take("COLUMN")
    _ = cursor.take("IF", "EXISTS")
    old = cursor.ident()
    column = read_column(cursor)
    fact = _redefined(column, cursor, table, old)
    return [fact] if column.name == old else [fact, RenameColumn(table, old, column.name)]


def _redefined(column: ColumnDef, cursor: Cursor, table: TableName, old: str | None = None) -> Fact:
    if column.type is None:
        raise UnreadError
    return AlterType(table, old or column.name, column.type, definition=column, placed=_placed(cursor))


def _rename(cursor: Cursor, table: TableName) -> list[Fact]:
    if cursor.take("CONSTRAINT"):
        name = cursor.ident()
        cursor.expect("TO")
        cursor.ident()
        return [TableOption(table, "rename constraint", name)]
    if cursor.take_any("INDEX", "KEY"):
        index = TableName(None, cursor.ident())
        cursor.expect("TO")
        return [RenameIndex(index, cursor.ident())]
    if cursor.take_any("TO", "AS"):
        return [RenameTable(table, cursor.name())]
    _ = cursor.take("COLUMN")
    old = cursor.ident()
    if cursor.done and cursor.dialect in _MYSQL:
        return [RenameTable(table, TableName(None, old))]
    cursor.expect("TO")
    return [RenameColumn(table, old, cursor.ident())]


def _validate(cursor: Cursor, table: TableName) -> list[Fact]:
    cursor.expect("CONSTRAINT")
    return [ValidateConstraint(table, cursor.ident())]


def _attach(cursor: Cursor, table: TableName) -> list[Fact]:
    cursor.expect("PARTITION")
    partition = cursor.name()
    if not cursor.take("DEFAULT"):
        cursor.expect("FOR", "VALUES")
    cursor.until(_COMMA)
    return [AttachPartition(table, partition)]


def _detach(cursor: Cursor, table: TableName) -> list[Fact]:
    cursor.expect("PARTITION")
    partition = cursor.name()
    word = cursor.take_any("CONCURRENTLY", "FINALIZE")
    return [DetachPartition(table, partition, word == "CONCURRENTLY", word == "FINALIZE")]


def _set(cursor: Cursor, table: TableName) -> list[Fact]:
    if cursor.take("SCHEMA"):
        return [SetSchema(table, cursor.ident())]
    if cursor.at("("):
        cursor.group()
        return [TableOption(table, "set options")]
    for words, action in _SETTINGS:
        if cursor.take(*words):
            cursor.until(_COMMA)
            return [TableOption(table, action)]
    raise UnreadError


_SETTINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("LOGGED",), "set logged"),
    (("UNLOGGED",), "set logged"),
    (("TABLESPACE",), "set tablespace"),
    (("ACCESS", "METHOD"), "set access method"),
    (("WITHOUT", "CLUSTER"), "cluster on"),
    (("WITHOUT", "OIDS"), "set without oids"),
)


def _option(action: str) -> Callable[[Cursor, TableName], list[Fact]]:
    def read(cursor: Cursor, table: TableName) -> list[Fact]:
        cursor.until(_COMMA)
        return [TableOption(table, action)]

    return read


def _able(cursor: Cursor, table: TableName) -> list[Fact]:
    """ENABLE and DISABLE."""
    _ = cursor.take_any("ALWAYS", "REPLICA")
    word = cursor.take_any("TRIGGER", "RULE", "ROW", "KEYS")
    if not word:
        raise UnreadError
    cursor.until(_COMMA)
    names = {"TRIGGER": "enable trigger", "RULE": "enable rule", "ROW": "row security", "KEYS": "enable keys"}
    return [TableOption(table, names[word])]


def _force(cursor: Cursor, table: TableName) -> list[Fact]:
    if cursor.done and cursor.dialect in _MYSQL:
        return [TableOption(table, "rebuild")]
    return _option("row security")(cursor, table)


def _inherit(cursor: Cursor, table: TableName) -> list[Fact]:
    return [TableOption(table, "inherit", other=cursor.name())]


def _truncate_partition(cursor: Cursor, table: TableName) -> list[Fact]:
    cursor.expect("PARTITION")
    cursor.until(_ALL)
    return [TableOption(table, "truncate partition")]


def _convert(cursor: Cursor, table: TableName) -> list[Fact]:
    cursor.expect("TO")
    cursor.until(_COMMA)
    return [TableOption(table, "convert charset")]


_ACTIONS: dict[str, Callable[[Cursor, TableName], list[Fact]]] = {
    "ADD": _add,
    "DROP": _drop,
    "ALTER": _alter,
    "MODIFY": _modify,
    "CHANGE": _change,
    "RENAME": _rename,
    "VALIDATE": _validate,
    "ATTACH": _attach,
    "DETACH": _detach,
    "SET": _set,
    "RESET": _option("set options"),
    "ENABLE": _able,
    "DISABLE": _able,
    "FORCE": _force,
    "NO": _option("inherit"),
    "NOT": _option("of type"),
    "OPTIONS": _option("foreign options"),
    "MERGE": _option("merge partitions"),
    "SPLIT": _option("split partition"),
    "INHERIT": _inherit,
    "OWNER": _option("owner to"),
    "CLUSTER": _option("cluster on"),
    "REPLICA": _option("replica identity"),
    "OF": _option("of type"),
    "CONVERT": _convert,
    "ENGINE": _option("rebuild"),
    "ROW_FORMAT": _option("rebuild"),
    "KEY_BLOCK_SIZE": _option("rebuild"),
    "AUTO_INCREMENT": _option("metadata"),
    "COMMENT": _option("metadata"),
    "DEFAULT": _option("metadata"),
    "CHARACTER": _option("metadata"),
    "CHARSET": _option("metadata"),
    "COLLATE": _option("metadata"),
    "PARTITION": _option("copy"),
    "REORGANIZE": _option("copy"),
    "COALESCE": _option("copy"),
    "EXCHANGE": _option("exchange partition"),
    "TRUNCATE": _truncate_partition,
    "ORDER": _option("copy"),
    "ALGORITHM": _option("modifier"),
    "LOCK": _option("modifier"),
}
