"""Makes a table anew where an engine cannot change it in place: create, copy, drop, rename, in one transaction."""

from __future__ import annotations

from dataclasses import replace

from flowc.catalog import Column, Index, Table, TableName
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.compare import counts
from flowc.compiler.migrate.retype import retype
from flowc.compiler.quote import ident, idents, table
from flowc.compiler.tables.ddl import comments, create_index, create_table
from flowc.compiler.tables.difference import same_type
from flowc.migration import Statement

NEW = "__flowc_new"
"""Ends the name of the table that takes the old one's place."""


def rebuild(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    """The statements. Columns and indexes that are nobody's of ours are taken along."""
    made = rebuilt_table(situation, alterations)
    name, new = situation.live.name, _new_name(situation.live.name)
    bare = replace(made, name=new, indexes=(), comment=None)
    create = create_table(bare, replace(situation.dialect, comments=False))
    statements = [
        Statement(f"DROP TABLE IF EXISTS {table(new)}", "clear away what an earlier attempt left"),
        *(Statement(sql, "make the table as it will be") for sql in create),
        Statement(_copy(made, new, situation), "copy the rows", rewrites=True, scans=True),
        Statement(f"DROP TABLE {table(name)}", "drop the table as it was"),
        Statement(f"ALTER TABLE {table(new)} RENAME TO {ident(name.name)}", "put the new one in its place"),
    ]
    statements += [Statement(create_index(name, index, situation.dialect), "index it") for index in made.indexes]
    if situation.dialect.comments:
        statements += [Statement(sql, "describe it") for sql in comments(made, situation.dialect)]
    return tuple(statements)


def _new_name(name: TableName) -> TableName:
    return TableName(name.schema, name.name + NEW)


def rebuilt_table(situation: Situation, alterations: tuple[Alteration, ...]) -> Table:
    """The table after all alterations: the wanted columns in live order, and what is left alone."""
    dropped = {a.was.name for a in alterations if a.kind == "drop_column" and a.was}
    columns = [_column(c, situation) for c in situation.live.columns if c.name not in dropped]
    known = {c.name for c in columns}
    columns += [c for c in situation.wanted.columns if c.name not in known]
    wanted = situation.wanted
    keeps = not wanted.primary_key and not any(a.kind == "drop_key" for a in alterations)
    key = situation.renamed_live.primary_key if keeps else wanted.primary_key
    return Table(situation.live.name, tuple(columns), key, _indexes(situation, alterations), wanted.comment)


def _column(live: Column, situation: Situation) -> Column:
    wanted = situation.wanted.column(situation.new_name(live.name))
    if wanted is None:
        return live
    return replace(wanted, default=live.default) if counts(live.default) else wanted


def _indexes(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Index, ...]:
    gone = [a.index for a in alterations if a.kind == "drop_index"]
    lost = {a.was.name for a in alterations if a.kind == "drop_column" and a.was}
    kept = [i for i in situation.renamed_live.indexes if i not in gone and not lost.intersection(i.columns)]
    # A constraint's index has a name that the engine keeps to itself.
    kept = [replace(i, name=None, constraint=False) if i.constraint else i for i in kept]
    return (*kept, *(a.index for a in alterations if a.kind == "create_index" and a.index))


def _copy(made: Table, new: TableName, situation: Situation) -> str:
    pairs = [(column, situation.live.column(situation.old_name(column.name))) for column in made.columns]
    names = idents(column.name for column, was in pairs if was is not None)
    values = ", ".join(kept_value(was, column, situation) for column, was in pairs if was is not None)
    return f"INSERT INTO {table(new)} ({names}) SELECT {values} FROM {table(situation.live.name)}"


def kept_value(was: Column, now: Column, situation: Situation) -> str:
    """A live column as the value of the one that it becomes."""
    if same_type(now.type, was.type, situation.dialect):
        return ident(was.name)
    return retype(was, now, situation).value
