"""SQLite: columns come, go and are renamed in place; everything else makes the table anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from flowc.catalog import Table, counts, names_word
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate import statements
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, Facts, statement
from flowc.compiler.migrate.rebuild import rebuild, rebuilt_table
from flowc.compiler.migrate.refusals import retyped_index
from flowc.compiler.migrate.statements import Engine, is_constant
from flowc.compiler.quote import text
from flowc.compiler.tables.ddl import spell
from flowc.compiler.tables.made import is_stored, way
from flowc.migration import Precheck, Rows, Statement

_INSIDE = Facts(rows=Rows.INSIDE)
FACTS: Mapping[Act, Facts] = {
    Act.MAKE_TABLE: _INSIDE,
    Act.DROP_TABLE: _INSIDE,
    Act.RENAME_TABLE: _INSIDE,
    Act.COPY_ROWS: Facts(rows=Rows.WRITTEN),
    Act.ADD_COLUMN: _INSIDE,
    Act.DROP_COLUMN: _INSIDE,
    Act.RENAME_COLUMN: _INSIDE,
    Act.CREATE_INDEX: _INSIDE,
    Act.DROP_INDEX: _INSIDE,
    Act.CREATE_TRIGGER: _INSIDE,
    Act.SET_PRAGMA: _INSIDE,
}


def _add_column(alteration: kinds.AddColumn, situation: Situation) -> tuple[Statement, ...] | None:
    column = alteration.now
    # SQLite computes a column that is not stored when it is read.
    computed = counts(column.default) and not (column.default or "").endswith("STORED")
    constant = computed or column.default is None or is_constant(column.default)
    if not constant or (not column.nullable and column.default is None):
        return None
    return statements.add_column(alteration, situation)


def _drop_column(alteration: kinds.DropColumn, situation: Situation) -> tuple[Statement, ...] | None:
    name = alteration.name
    used = name in situation.live.primary_key or any(name in index.columns for index in situation.live.indexes)
    return None if used else statements.drop_column(alteration, situation)


def _alter_generation(alteration: kinds.AlterGeneration, situation: Situation) -> tuple[Statement, ...] | None:
    """What is computed when it is read may go and come again."""
    kept = (alteration.was.default, alteration.now.default)
    if any(way(default) != "computed" or is_stored(default) for default in kept):
        return None
    dropped = _drop_column(kinds.DropColumn(alteration.was), situation)
    return (*dropped, *statements.add_column(kinds.AddColumn(alteration.now), situation)) if dropped else None


def _rebuild(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    """With the old rule of renaming, views of the table and foreign keys to it stay as they are written.

    Indexes and triggers are made again from SQLite's own text, and only then are columns renamed: SQLite changes the
    names in all of them itself. Indexes that are new come last, for they have the new names.
    """
    before, dialect = situation.unrenamed, situation.dialect
    kept = tuple(_unrenamed(a, situation) for a in alterations if not isinstance(a, _LATER))
    _, *triggers = situation.live.create_sql or ("",)
    return (
        statement(
            Act.SET_PRAGMA,
            "PRAGMA legacy_alter_table = ON",
            "leave views and foreign keys as they are written",
            dialect,
        ),
        *rebuild(before, kept, _row_id(rebuilt_table(before, kept), before)),
        *(statement(Act.CREATE_TRIGGER, sql, "make a trigger again", dialect) for sql in triggers),
        statement(Act.SET_PRAGMA, "PRAGMA legacy_alter_table = OFF", "and back", dialect),
        *(s for a in alterations if isinstance(a, kinds.RenameColumn) for s in statements.rename_column(a, situation)),
        *(s for a in alterations if isinstance(a, kinds.CreateIndex) for s in statements.make_index(a, situation)),
    )


def _row_id(made: Table, situation: Situation) -> str | None:
    """What the number of a row is called where it is no column of the table: full-text indexes point at rows by it."""
    fold = situation.dialect.names.fold
    taken = {fold(column.name) for column in (*made.columns, *situation.live.columns)}
    key = [column for column in made.columns if column.name in made.primary_key]
    if len(key) == 1 and (key[0].spelled or spell(key[0].type, situation.dialect)).upper() == "INTEGER":
        return None  # the key itself is that number
    return next((name for name in situation.dialect.writes.row_ids if name not in taken), None)


_LATER = (kinds.RenameColumn, kinds.CreateIndex)
"""What is done once the table has been made anew."""


def _unrenamed(alteration: Alteration, situation: Situation) -> Alteration:
    if not isinstance(alteration, kinds.DropIndex):
        return alteration
    columns = tuple(map(situation.old_name, alteration.index.columns))
    return replace(alteration, index=replace(alteration.index, columns=columns))


def _loses(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[str, ...]:
    """Triggers that name a column that goes; SQLite finds out only when one of them runs."""
    gone = [a.name for a in alterations if isinstance(a, kinds.DropColumn)]
    _, *triggers = situation.live.create_sql or ("",)
    bound = [sql for sql in triggers if any(names_word(sql, name) for name in gone)]
    return tuple(" ".join(sql.split()[1:3]).lower() for sql in bound)


def _unchanged(situation: Situation) -> tuple[Precheck, ...]:
    """Nothing has come to the table since: the file's other writers keep out of the transaction, but not before it."""
    live = situation.live
    texts = (*live.create_sql, *(index.sql for index in live.indexes if index.sql))
    known = ", ".join(text(sql, situation.dialect) for sql in texts)
    found = f"tbl_name = {text(live.name.name, situation.dialect)} COLLATE NOCASE AND sql NOT IN ({known})"
    message = "{count} columns, indexes or triggers of the table are not as they were when it was looked at"
    again = "plan and apply once more"
    return (Precheck(f"SELECT count(*) FROM sqlite_master WHERE {found}", message, again, told=False),)


def _statements(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    match alteration:
        case kinds.AddColumn():
            return _add_column(alteration, situation)
        case kinds.DropColumn():
            return _drop_column(alteration, situation)
        case kinds.RenameColumn():
            return statements.rename_column(alteration, situation)
        case kinds.AlterGeneration():
            return _alter_generation(alteration, situation)
        case kinds.CreateIndex():
            return statements.make_index(alteration, situation)
        case kinds.DropIndex():
            return statements.drop_index(alteration, situation)
        case (
            kinds.AlterType() | kinds.SetDefault() | kinds.DropDefault() | kinds.SetNotNull() | kinds.DropNotNull()
            | kinds.CommentColumn() | kinds.AddKey() | kinds.DropKey() | kinds.AlterPartitions() | kinds.CommentTable()
            | kinds.DropLeftovers() | kinds.RenameIndex()
        ):  # fmt: skip
            return None
    assert_never(alteration)


ENGINE = Engine(_statements, rebuild=_rebuild, loses=_loses, unchanged=_unchanged, refuses=retyped_index)
