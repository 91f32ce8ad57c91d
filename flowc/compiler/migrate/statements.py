"""The statements that most engines share, and how an engine's own are put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowc.catalog import Index, Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.migrate import alteration as kinds
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.facts import Act, statement
from flowc.compiler.quote import ident, table, text
from flowc.compiler.tables.ddl import column_definition, create_index, create_table, ensure_sequence
from flowc.migration import Precheck, Statement

_CONSTANT = re.compile(r"^\s*\(*\s*([+-]?[0-9.]+|'([^']|'')*'|NULL|TRUE|FALSE)\s*\)*\s*$", re.IGNORECASE)


def make_table(wanted: Table, dialect: Dialect) -> tuple[Statement, ...]:
    """Creates a table, its indexes and its comments."""
    make = f"make {wanted.name}"
    return tuple(statement(Act.MAKE_TABLE, sql, make, dialect) for sql in create_table(wanted, dialect))


def drop_table(live: Table, dialect: Dialect) -> tuple[Statement, ...]:
    """Drops a table."""
    return (statement(Act.DROP_TABLE, f"DROP TABLE {table(live.name)}", f"drop {live.name}", dialect),)


@dataclass(frozen=True, slots=True)
class Engine:
    """How an engine changes a table that is there.

    `statements` are those of one alteration, None where the engine can only rebuild the table for it. `rebuild` makes
    it anew, `loses` says what it would lose, and `unchanged` asks whether it still is what it was planned from.
    `combine` makes all changes of a table by one statement, in place of `statements`. `refuses` says why an alteration
    cannot be made, `keeps` why a table cannot be dropped, and `tells` what else is to be known of an alteration.
    `limits` say how long a statement may wait (`{lock_ms}`, `{lock_s}`) and run (`{statement_ms}`, `{statement_s}`), 0
    meaning for ever. `create` and `drop` are the statements of whole tables; `notes` are told with each change of a
    kind.
    """

    statements: Callable[[Alteration, Situation], tuple[Statement, ...] | None] = lambda _, __: None
    rebuild: Callable[[Situation, tuple[Alteration, ...]], tuple[Statement, ...]] | None = None
    loses: Callable[[Situation, tuple[Alteration, ...]], tuple[str, ...]] = lambda _, __: ()
    unchanged: Callable[[Situation], tuple[Precheck, ...]] = lambda _: ()
    combine: Callable[[Situation, tuple[Alteration, ...]], tuple[Statement, ...]] | None = None
    refuses: Callable[[Alteration, Situation], str | None] = lambda _, __: None
    keeps: Callable[[Table], str | None] = lambda _: None
    tells: Callable[[Alteration, Situation], tuple[str, ...]] = lambda _, __: ()
    limits: tuple[str, ...] = ()
    create: Callable[[Table, Dialect], tuple[Statement, ...]] = make_table
    drop: Callable[[Table, Dialect], tuple[Statement, ...]] = drop_table
    notes: Mapping[str, str] = field(default_factory=dict)


def is_constant(default: str) -> bool:
    """Whether a default is a plain value, the same for every row."""
    return _CONSTANT.match(default) is not None


def one(act: Act, situation: Situation, sql: str, purpose: str) -> tuple[Statement, ...]:
    """One statement, with what it does on the engine."""
    return (statement(act, sql, purpose, situation.dialect),)


def alter(situation: Situation, action: str) -> str:
    """`ALTER TABLE … action`."""
    return f"ALTER TABLE {table(situation.live.name)} {action}"


def add_column(alteration: kinds.AddColumn, situation: Situation, act: Act = Act.ADD_COLUMN) -> tuple[Statement, ...]:
    """Adds a column with its default and nullability."""
    definition = column_definition(alteration.now, situation.dialect)
    action = alter(situation, f"ADD COLUMN {definition}")
    sequences = ensure_sequence(alteration.now, situation.dialect)
    made = (statement(Act.MAKE_SEQUENCE, sql, "make its sequence", situation.dialect) for sql in sequences)
    return (*made, *one(act, situation, action, f"add {alteration.name}"))


def drop_column(alteration: kinds.DropColumn, situation: Situation) -> tuple[Statement, ...]:
    """Drops a column."""
    name = alteration.name
    return one(Act.DROP_COLUMN, situation, alter(situation, f"DROP COLUMN {ident(name)}"), f"drop {name}")


def rename_column(alteration: kinds.RenameColumn, situation: Situation) -> tuple[Statement, ...]:
    """Renames a column."""
    old, new = alteration.was.name, alteration.name
    action = alter(situation, f"RENAME COLUMN {ident(old)} TO {ident(new)}")
    return one(Act.RENAME_COLUMN, situation, action, f"rename {old}")


def set_default(alteration: kinds.SetDefault, situation: Situation) -> tuple[Statement, ...]:
    """Sets a column's default for rows to come."""
    column = alteration.now
    action = f"ALTER COLUMN {ident(column.name)} SET DEFAULT {column.default}"
    return one(Act.SET_DEFAULT, situation, alter(situation, action), f"set the default of {column.name}")


def drop_default(alteration: kinds.DropDefault, situation: Situation) -> tuple[Statement, ...]:
    """Takes a column's default away."""
    return _of_column(Act.DROP_DEFAULT, "DROP DEFAULT", alteration, situation, "drop the default of")


def set_not_null(alteration: kinds.SetNotNull, situation: Situation) -> tuple[Statement, ...]:
    """Makes a column NOT NULL."""
    return _of_column(Act.SET_NOT_NULL, "SET NOT NULL", alteration, situation, "require")


def drop_not_null(alteration: kinds.DropNotNull, situation: Situation) -> tuple[Statement, ...]:
    """Lets a column be NULL."""
    return _of_column(Act.DROP_NOT_NULL, "DROP NOT NULL", alteration, situation, "allow NULL in")


def _of_column(
    act: Act, action: str, alteration: kinds.ColumnChange, situation: Situation, purpose: str
) -> tuple[Statement, ...]:
    name = alteration.name
    return one(act, situation, alter(situation, f"ALTER COLUMN {ident(name)} {action}"), f"{purpose} {name}")


def make_index(alteration: kinds.CreateIndex, situation: Situation) -> tuple[Statement, ...]:
    """Creates an index."""
    sql = create_index(situation.live.name, alteration.index, situation.dialect)
    return one(Act.CREATE_INDEX, situation, sql, f"index {', '.join(alteration.index.columns)}")


def drop_index(alteration: kinds.DropIndex, situation: Situation) -> tuple[Statement, ...] | None:
    """Drops an index by name; one that a constraint owns goes with the table as it was."""
    if alteration.index.constraint:
        return None
    sql = f"DROP INDEX {index_in_schema(alteration.index, situation)}"
    return one(Act.DROP_INDEX, situation, sql, f"drop index {alteration.index.name}")


def rename_index(alteration: kinds.RenameIndex, situation: Situation) -> tuple[Statement, ...]:
    """Gives an index another name."""
    sql = f"ALTER INDEX {index_in_schema(alteration.index, situation)} RENAME TO {ident(alteration.name)}"
    return one(Act.RENAME_INDEX, situation, sql, f"give the index the name {alteration.name}")


def index_in_schema(index: Index, situation: Situation) -> str:
    """The name of an index that is there, with its schema."""
    schema = situation.live.name.schema
    return f"{ident(schema) + '.' if schema else ''}{ident(index.name or '')}"


def comment_table(alteration: kinds.CommentTable, situation: Situation) -> tuple[Statement, ...]:
    """Comments on the table."""
    words = text(alteration.comment, situation.dialect)
    sql = f"COMMENT ON TABLE {table(situation.live.name)} IS {words}"
    return one(Act.COMMENT, situation, sql, "describe the table")


def comment_column(alteration: kinds.CommentColumn, situation: Situation) -> tuple[Statement, ...]:
    """Comments on a column."""
    name, words = alteration.name, text(alteration.comment or "", situation.dialect)
    sql = f"COMMENT ON COLUMN {table(situation.live.name)}.{ident(name)} IS {words}"
    return one(Act.COMMENT, situation, sql, f"describe {name}")
