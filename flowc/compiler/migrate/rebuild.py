"""Makes a table anew where an engine cannot change it in place: create, copy, drop, rename, in one transaction."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from flowc.catalog import Column, Index, Table, TableName, counts
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.migrate.retype import retype
from flowc.compiler.quote import ident, table
from flowc.compiler.tables.ddl import comments, create_index, create_table, ensure_sequence
from flowc.compiler.tables.difference import same_column
from flowc.migration import Statement

NEW = "__flowc_new"
"""Ends the name of the table that takes the old one's place."""


def rebuild(
    situation: Situation, alterations: tuple[Alteration, ...], row_id: str | None = None
) -> tuple[Statement, ...]:
    """The statements. Columns and indexes that are nobody's of ours are taken along, in the engine's own words.

    `row_id` is what the engine calls the number of a row that the copy keeps.
    """
    made = rebuilt_table(situation, alterations)
    name, new = situation.live.name, _new_name(situation.live.name)
    bare = replace(made, name=new, indexes=tuple(i for i in made.indexes if i.constraint), comment=None)
    indexes = (_index(index, situation) for index in made.indexes if not index.constraint)
    described = comments(made, situation.dialect) if situation.dialect.tables.comments else ()
    rules = replace(situation.dialect.tables, comments=False, ensure_sequence="")
    create = create_table(bare, replace(situation.dialect, tables=rules))
    new_columns = (column for column in made.columns if situation.live.column(situation.old_name(column.name)) is None)
    sequences = (sql for column in new_columns for sql in ensure_sequence(column, situation.dialect))
    steps = [
        *((Act.MAKE_SEQUENCE, sql, "make its sequence") for sql in sequences),
        (Act.DROP_TABLE, f"DROP TABLE IF EXISTS {table(new)}", "clear away what an earlier attempt left"),
        *((Act.MAKE_TABLE, sql, "make the table as it will be") for sql in create),
        (Act.COPY_ROWS, _copy(made, new, situation, row_id), "copy the rows"),
        (Act.DROP_TABLE, f"DROP TABLE {table(name)}", "drop the table as it was"),
        (Act.RENAME_TABLE, f"ALTER TABLE {table(new)} RENAME TO {ident(name.name)}", "put the new one in its place"),
        *((Act.CREATE_INDEX, sql, "index it") for sql in indexes),
        *((Act.COMMENT, sql, "describe it") for sql in described),
    ]
    return tuple(statement(*step, situation.dialect) for step in steps)


def _new_name(name: TableName) -> TableName:
    return TableName(name.schema, name.name + NEW)


def _index(index: Index, situation: Situation) -> str:
    """An index as the engine keeps it, unless that names columns that go by another name then."""
    renamed = {new for _, new in situation.renamed}.intersection(index.columns)
    return create_index(situation.live.name, replace(index, sql=None) if renamed else index, situation.dialect)


def rebuilt_table(situation: Situation, alterations: tuple[Alteration, ...]) -> Table:
    """The table after all alterations: the wanted columns in live order, and what is left alone."""
    dropped = {a.name for a in alterations if isinstance(a, kinds.DropColumn)}
    said = {a.was.name for a in alterations if isinstance(a, kinds.SetDefault | kinds.DropDefault)}
    columns = [_column(c, situation, said) for c in situation.live.columns if c.name not in dropped]
    known = {c.name for c in columns}
    columns += [c for c in situation.wanted.columns if c.name not in known]
    live, wanted = situation.live, situation.wanted
    keeps = not wanted.primary_key and not any(isinstance(a, kinds.DropKey) for a in alterations)
    key = situation.renamed_live.primary_key if keeps else wanted.primary_key
    comment = live.comment if wanted.comment is None else wanted.comment
    return Table(live.name, tuple(columns), key, _indexes(situation, alterations), comment)


def _column(live: Column, situation: Situation, said: Container[str]) -> Column:
    """The column as it will be: what the spec does not say stays, and so does the spelling of a type that stays."""
    wanted = situation.wanted.column(situation.new_name(live.name))
    if wanted is None:
        return live
    return replace(
        wanted,
        default=live.default if counts(live.default) and live.name not in said else wanted.default,
        comment=live.comment if wanted.comment is None else wanted.comment,
        spelled=live.spelled if same_column(wanted, live, situation.dialect) else None,
    )


def _indexes(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Index, ...]:
    gone = [a.index for a in alterations if isinstance(a, kinds.DropIndex)]
    kept = [i for i in situation.renamed_live.indexes if i not in gone]
    return (*kept, *(a.index for a in alterations if isinstance(a, kinds.CreateIndex)))


def _copy(made: Table, new: TableName, situation: Situation, row_id: str | None) -> str:
    pairs = [(column, situation.live.column(situation.old_name(column.name))) for column in made.columns]
    kept = [row_id] if row_id else []
    names = ", ".join([*kept, *(ident(column.name) for column, was in pairs if was is not None)])
    values = ", ".join([*kept, *(kept_value(was, column, situation) for column, was in pairs if was is not None)])
    return f"INSERT INTO {table(new)} ({names}) SELECT {values} FROM {table(situation.live.name)}"


def kept_value(was: Column, now: Column, situation: Situation) -> str:
    """A live column as the value of the one that it becomes."""
    if same_column(now, was, situation.dialect):
        return ident(was.name)
    return retype(was, now, situation).value
