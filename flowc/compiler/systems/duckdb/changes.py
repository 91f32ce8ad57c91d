"""DuckDB: most of ALTER TABLE, but nothing that an index or a key depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate import statements
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, Facts
from flowc.compiler.migrate.rebuild import rebuild
from flowc.compiler.migrate.refusals import retyped_index
from flowc.compiler.migrate.retype import retype
from flowc.compiler.migrate.statements import Engine, alter, is_constant, one
from flowc.compiler.quote import ident
from flowc.compiler.tables.ddl import spell
from flowc.migration import Rows, Statement
from flowc.types import Kind

_INSIDE = Facts(rows=Rows.INSIDE)
FACTS: Mapping[Act, Facts] = {
    Act.MAKE_SCHEMA: _INSIDE,
    Act.MAKE_TABLE: _INSIDE,
    Act.MAKE_SEQUENCE: _INSIDE,
    Act.DROP_TABLE: _INSIDE,
    Act.RENAME_TABLE: _INSIDE,
    Act.COPY_ROWS: Facts(rows=Rows.WRITTEN),
    Act.ADD_COLUMN: _INSIDE,
    Act.DROP_COLUMN: _INSIDE,
    Act.RENAME_COLUMN: _INSIDE,
    Act.ALTER_TYPE: _INSIDE,
    Act.SET_DEFAULT: _INSIDE,
    Act.DROP_DEFAULT: _INSIDE,
    Act.SET_NOT_NULL: _INSIDE,
    Act.DROP_NOT_NULL: _INSIDE,
    Act.CREATE_INDEX: _INSIDE,
    Act.DROP_INDEX: _INSIDE,
    Act.COMMENT: _INSIDE,
}


def _is_free(situation: Situation, column: str = "") -> bool:
    """Whether no index is on the table, and the column is in no key."""
    return not situation.live.indexes and column not in situation.live.primary_key


def _add_column(alteration: kinds.AddColumn, situation: Situation) -> tuple[Statement, ...] | None:
    """A NOT NULL column cannot join a table in place, whatever it holds, unless a constant fills it."""
    column = alteration.now
    filled = column.default is not None and is_constant(column.default) and _is_free(situation)
    return statements.add_column(alteration, situation) if column.nullable or filled else None


def _alter_type(alteration: kinds.AlterType, situation: Situation) -> tuple[Statement, ...] | None:
    was, now = alteration.was, alteration.now
    if was.default is not None:
        return None
    kind, found = spell(now.type, situation.dialect), retype(was, now, situation)
    # The engine converts rows, too, that were deleted and are not gone from its file yet.
    value = f"CASE WHEN {found.misfit} THEN NULL ELSE {found.value} END" if found.misfit else found.value
    action = f"ALTER COLUMN {ident(was.name)} SET DATA TYPE {kind} USING {value}"
    return one(Act.ALTER_TYPE, situation, alter(situation, action), f"change the type of {was.name}")


def _loses(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[str, ...]:
    """Indexes by expression of columns that go by another name then."""
    renamed = [a.was.name for a in alterations if isinstance(a, kinds.RenameColumn)]
    held = [index for index in situation.live.indexes if index.beyond and any(map(index.names, renamed))]
    return tuple(f"index {index.name}" for index in held)


def _statements(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    match alteration:
        case kinds.AddColumn():
            return _add_column(alteration, situation)
        case kinds.SetDefault():
            return statements.set_default(alteration, situation)
        case kinds.DropDefault():
            return statements.drop_default(alteration, situation)
        case kinds.CreateIndex():
            return statements.make_index(alteration, situation)
        case kinds.DropIndex():
            return statements.drop_index(alteration, situation)
        case kinds.CommentTable():
            return statements.comment_table(alteration, situation)
        case kinds.CommentColumn():
            return statements.comment_column(alteration, situation)
        case kinds.DropColumn() | kinds.RenameColumn() | kinds.AlterType() | kinds.SetNotNull() | kinds.DropNotNull():
            return _of_free_column(alteration, situation) if _is_free(situation, alteration.was.name) else None
        case (
            kinds.AddKey() | kinds.DropKey() | kinds.AlterGeneration() | kinds.AlterPartitions()
            | kinds.DropLeftovers() | kinds.RenameIndex()
        ):  # fmt: skip
            return None
    assert_never(alteration)


def _of_free_column(
    alteration: kinds.DropColumn | kinds.RenameColumn | kinds.AlterType | kinds.SetNotNull | kinds.DropNotNull,
    situation: Situation,
) -> tuple[Statement, ...] | None:
    match alteration:
        case kinds.DropColumn():
            # Indexes are made before columns go, and then hold on to the table.
            return None if situation.wanted.indexes else statements.drop_column(alteration, situation)
        case kinds.RenameColumn():
            return statements.rename_column(alteration, situation)
        case kinds.AlterType():
            return _alter_type(alteration, situation)
        case kinds.SetNotNull():
            return statements.set_not_null(alteration, situation)
        case kinds.DropNotNull():
            return statements.drop_not_null(alteration, situation)
    assert_never(alteration)


def _refuses(alteration: Alteration, situation: Situation) -> str | None:
    """Types that flowc reads as texts become texts or JSON: BIT '101' is the number 5 to the engine."""
    if not isinstance(alteration, kinds.AlterType):
        return None
    own, new = alteration.was.own or "ENUM", alteration.now.type
    if not own.startswith("ENUM") and new.kind not in (Kind.TEXT, Kind.JSON):
        return f"flowc does not know which values of a {own} are values of type {new}: change it by hand"
    return retyped_index(alteration, situation)


ENGINE = Engine(_statements, rebuild=rebuild, loses=_loses, refuses=_refuses)
