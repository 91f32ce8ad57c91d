"""Delta: what the log alone says changes in place; everything else writes the table anew, both by one commit.

No engine runs these statements: they say in SQL what the commit beside them does. Delta keeps no keys, no indexes and
no defaults, so those are the spec's, as they are for loads; a default fills the rows that are there when its column is
added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import assert_never

from flowc.catalog import Column, Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.loads.attach import table_to_be
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate import statements
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, Facts, statement
from flowc.compiler.migrate.rebuild import kept_value, rebuilt_table
from flowc.compiler.migrate.refusals import alike, hindered
from flowc.compiler.migrate.statements import Engine, alter
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import spell
from flowc.migration import CommitKind, Rows, Statement, TableCommit

_AGAIN = "a writer that comes first makes it begin again"
_LOGGED = Facts(apart=True)
FACTS: Mapping[Act, Facts] = {
    Act.MAKE_TABLE: _LOGGED,
    Act.DROP_TABLE: _LOGGED,
    Act.ADD_COLUMN: _LOGGED,
    Act.DROP_NOT_NULL: _LOGGED,
    Act.COMMENT: _LOGGED,
    Act.WRITE_ANEW: Facts(_AGAIN, Rows.WRITTEN, apart=True),
}


def _create(wanted: Table, dialect: Dialect) -> tuple[Statement, ...]:
    made = table_to_be(wanted)
    sql = f"CREATE TABLE {_definition(made, dialect)}"
    commit = TableCommit(CommitKind.CREATE, replace(made, indexes=()), _none_of(made.columns, dialect))
    return (replace(statement(Act.MAKE_TABLE, sql, f"make {wanted.name}", dialect), commit=commit),)


def _definition(made: Table, dialect: Dialect) -> str:
    """What follows CREATE TABLE."""
    lines = ",\n  ".join(_column(column, dialect) for column in made.columns)
    parts = f"\nPARTITIONED BY ({idents(made.partition_by)})" if made.partition_by else ""
    comment = f"\nCOMMENT {text(made.comment, dialect)}" if made.comment else ""
    return f"{table(made.name)} (\n  {lines}\n) USING DELTA{parts}{comment}"


def _column(column: Column, dialect: Dialect) -> str:
    required = "" if column.nullable else " NOT NULL"
    comment = f" COMMENT {text(column.comment, dialect)}" if column.comment else ""
    return f"{ident(column.name)} {spell(column.type, dialect)}{required}{comment}"


def _none_of(columns: tuple[Column, ...], dialect: Dialect) -> str:
    """A query of no rows with the columns in the types that are stored."""
    values = ", ".join(f"CAST(NULL AS {spell(c.type, dialect)}) AS {ident(c.name)}" for c in columns)
    return f"SELECT {values} WHERE 1 = 0"


def _drop(live: Table, dialect: Dialect) -> tuple[Statement, ...]:
    commit = TableCommit(CommitKind.DROP, Table(live.name, ()))
    return tuple(replace(drop, commit=commit) for drop in statements.drop_table(live, dialect))


_ACTS = {
    CommitKind.ADD_COLUMN: Act.ADD_COLUMN,
    CommitKind.DROP_NOT_NULL: Act.DROP_NOT_NULL,
    CommitKind.COMMENT_COLUMN: Act.COMMENT,
}


def _logged(kind: CommitKind, column: Column, situation: Situation, action: str, rows: str = "") -> Statement:
    """A change of one column that only the log says."""
    commit = TableCommit(kind, Table(situation.live.name, (column,)), rows)
    purpose = f"{kind.replace('_', ' ')} {column.name}"
    return replace(statement(_ACTS[kind], alter(situation, action), purpose, situation.dialect), commit=commit)


def _add_column(alteration: kinds.AddColumn, situation: Situation) -> tuple[Statement, ...] | None:
    """The rows that are there hold nothing in it, so it needs no value of its own."""
    column = _added(alteration.now, situation)
    if column.default is not None or not column.nullable:
        return None
    action = f"ADD COLUMNS ({_column(column, situation.dialect)})"
    rows = _none_of((column,), situation.dialect)
    return (_logged(CommitKind.ADD_COLUMN, column, situation, action, rows),)


def _added(column: Column, situation: Situation) -> Column:
    """A column as it joins rows that are there; one of the spec's key may be NULL in them."""
    keyed = column.name in situation.wanted.primary_key and column.default is None
    return replace(column, nullable=True) if keyed else column


def _drop_not_null(alteration: kinds.DropNotNull, situation: Situation) -> tuple[Statement, ...]:
    column = alteration.now
    action = f"ALTER COLUMN {ident(column.name)} DROP NOT NULL"
    return (_logged(CommitKind.DROP_NOT_NULL, column, situation, action),)


def _comment_column(alteration: kinds.CommentColumn, situation: Situation) -> tuple[Statement, ...]:
    column = alteration.now
    action = f"ALTER COLUMN {ident(column.name)} COMMENT {text(column.comment or '', situation.dialect)}"
    return (_logged(CommitKind.COMMENT_COLUMN, column, situation, action),)


def _comment_table(alteration: kinds.CommentTable, situation: Situation) -> tuple[Statement, ...]:
    commit = TableCommit(CommitKind.COMMENT_TABLE, Table(situation.live.name, (), comment=alteration.comment))
    return tuple(replace(comment, commit=commit) for comment in statements.comment_table(alteration, situation))


def _rebuild(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    """One commit with the new rows and what they are, and one for the table's comment, which that cannot carry."""
    made = _rewritten(situation, alterations)
    values = ",\n  ".join(f"{value} AS {ident(name)}" for name, value in _values(made, situation))
    rows = f"SELECT\n  {values}\nFROM {table(situation.live.name)}"
    commit = TableCommit(
        CommitKind.REWRITE, replace(made, comment=None), rows, situation.live.columns, situation.renamed
    )
    sql = f"CREATE OR REPLACE TABLE {_definition(made, situation.dialect)} AS\n{rows}"
    described = (a for a in alterations if isinstance(a, kinds.CommentTable))
    whole = replace(statement(Act.WRITE_ANEW, sql, "write the table anew", situation.dialect), commit=commit)
    return (whole, *(comment for alteration in described for comment in _comment_table(alteration, situation)))


def _rewritten(situation: Situation, alterations: tuple[Alteration, ...]) -> Table:
    found = rebuilt_table(situation, alterations)
    columns = tuple(_kept(column, situation) for column in found.columns)
    partitions = situation.wanted.partition_by
    made = Table(found.name, columns, comment=situation.live.comment, partition_by=partitions)
    return table_to_be(made)


def _kept(column: Column, situation: Situation) -> Column:
    """The column with what the spec leaves open as it was: whether a key may be NULL."""
    was = situation.live.column(situation.old_name(column.name))
    if was is None:
        return _added(column, situation)
    keyed = column.name in situation.wanted.primary_key
    return replace(column, nullable=was.nullable if keyed else column.nullable)


def _values(made: Table, situation: Situation) -> Iterator[tuple[str, str]]:
    """Each column's name, and its value from the table as it was."""
    for column in made.columns:
        was = situation.live.column(situation.old_name(column.name))
        yield column.name, _new(column, situation.dialect) if was is None else kept_value(was, column, situation)


def _new(column: Column, dialect: Dialect) -> str:
    default = "NULL" if column.default is None else dialect.literals.author(column.default)
    # A remark in the author's SQL ends with its line.
    value = f"(\n{default}\n)" if "--" in default else default
    return f"CAST({value} AS {spell(column.type, dialect)})"


def _statements(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    """What the log alone says."""
    match alteration:
        case kinds.AddColumn():
            return _add_column(alteration, situation)
        case kinds.DropNotNull():
            return _drop_not_null(alteration, situation)
        case kinds.CommentColumn():
            return _comment_column(alteration, situation)
        case kinds.CommentTable():
            return _comment_table(alteration, situation)
        case (
            kinds.DropColumn() | kinds.RenameColumn() | kinds.AlterType() | kinds.SetDefault() | kinds.DropDefault()
            | kinds.SetNotNull() | kinds.AlterGeneration() | kinds.AddKey() | kinds.DropKey() | kinds.CreateIndex()
            | kinds.DropIndex() | kinds.RenameIndex() | kinds.AlterPartitions() | kinds.DropLeftovers()
        ):  # fmt: skip
            return None
    assert_never(alteration)


def _refuses(alteration: Alteration, situation: Situation) -> str | None:
    """Conditions on rows stay as they are written, and name columns."""
    match alteration:
        case kinds.DropColumn(was):
            return hindered("drop", was.name, was.bound)
        case kinds.RenameColumn(was):
            return hindered("rename", was.name, was.bound)
        case kinds.AlterType(was, now) if not alike(was.type, now.type):
            return hindered("change the type of", was.name, was.bound)
    return None


_OLD_FILES = "the files of the version before stay until VACUUM, and older versions can be read meanwhile"
ENGINE = Engine(
    _statements,
    rebuild=_rebuild,
    refuses=_refuses,
    create=_create,
    drop=_drop,
    notes={
        "rebuild_table": _OLD_FILES,
        "drop_table": "its folder is deleted, with all its versions and the watermarks of the loads into it",
    },
)
