"""The statements that most engines share, and how an engine's own are put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowc.catalog import Table
from flowc.compiler.dialect import Dialect
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.quote import ident, idents, table, text
from flowc.compiler.tables.ddl import column_definition, create_index, create_table
from flowc.migration import Precheck, Statement

_CONSTANT = re.compile(r"^\s*\(*\s*([+-]?[0-9.]+|'([^']|'')*'|NULL|TRUE|FALSE)\s*\)*\s*$", re.IGNORECASE)

Words = Callable[[Alteration, Situation], tuple[Statement, ...] | None]
"""The statements of one alteration; None where the engine can only rebuild the table for it."""


def make_table(wanted: Table, dialect: Dialect) -> tuple[Statement, ...]:
    """Creates a table, its indexes and its comments."""
    return tuple(Statement(sql, f"make {wanted.name}") for sql in create_table(wanted, dialect))


def drop_table(live: Table, _: Dialect) -> tuple[Statement, ...]:
    """Drops a table."""
    return (Statement(f"DROP TABLE {table(live.name)}", f"drop {live.name}"),)


@dataclass(frozen=True, slots=True)
class Engine:
    """How an engine changes a table that is there.

    `words` by kind of alteration; a kind that is missing means a rebuild. `together` is False where every statement of
    DDL commits by itself. `rebuild` makes the table anew; `loses` says what it would lose, and `unchanged` asks whether
    the table still is what it was planned from. `combine` makes all changes of a table by one statement, where no word
    of an alteration does. `refuses` says why an alteration cannot be made, `keeps` why a table cannot be dropped, and
    `tells` what else is to be known of an alteration.
    `limits` say how long a statement may wait (`{lock_ms}`, `{lock_s}`) and run (`{statement_ms}`, `{statement_s}`), 0
    meaning for ever. `create` and `drop` are the statements of whole tables; `notes` are told with each change of a
    kind.
    """

    words: Mapping[str, Words]
    together: bool = True
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


def one(sql: str, purpose: str, lock: str | None = None) -> tuple[Statement, ...]:
    """One statement that shares its neighbours' transaction."""
    return (Statement(sql, purpose, lock=lock),)


def alter(situation: Situation, action: str) -> str:
    """`ALTER TABLE … action`."""
    return f"ALTER TABLE {table(situation.live.name)} {action}"


def add_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Adds a column with its default and nullability."""
    definition = column_definition(alteration.column, situation.dialect)
    return one(alter(situation, f"ADD COLUMN {definition}"), f"add {alteration.column.name}")


def drop_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Drops a column."""
    name = alteration.column.name
    return one(alter(situation, f"DROP COLUMN {ident(name)}"), f"drop {name}")


def rename_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Renames a column."""
    assert alteration.was is not None
    old, new = alteration.was.name, alteration.column.name
    return one(alter(situation, f"RENAME COLUMN {ident(old)} TO {ident(new)}"), f"rename {old}")


def set_default(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Sets a column's default for rows to come."""
    column = alteration.column
    action = f"ALTER COLUMN {ident(column.name)} SET DEFAULT {column.default}"
    return one(alter(situation, action), f"set the default of {column.name}")


def column_action(action: str, purpose: str) -> Words:
    """Words for `ALTER COLUMN name action`."""

    def words(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
        name = alteration.column.name
        return one(alter(situation, f"ALTER COLUMN {ident(name)} {action}"), f"{purpose} {name}")

    return words


drop_default = column_action("DROP DEFAULT", "drop the default of")
set_not_null = column_action("SET NOT NULL", "require")
drop_not_null = column_action("DROP NOT NULL", "allow NULL in")


def add_key(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Adds the primary key."""
    return one(alter(situation, f"ADD PRIMARY KEY ({idents(alteration.key)})"), "add the primary key")


def make_index(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Creates an index."""
    assert alteration.index is not None
    sql = create_index(situation.live.name, alteration.index, situation.dialect)
    return one(sql, f"index {', '.join(alteration.index.columns)}")


def drop_index(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    """Drops an index by name; one that a constraint owns goes with the table as it was."""
    assert alteration.index is not None
    if alteration.index.constraint:
        return None
    name = ident(alteration.index.name or "")
    schema = situation.live.name.schema
    return one(f"DROP INDEX {ident(schema) + '.' if schema else ''}{name}", f"drop index {alteration.index.name}")


def comment_table(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Comments on the table."""
    words = text(alteration.comment or "", situation.dialect)
    return one(f"COMMENT ON TABLE {table(situation.live.name)} IS {words}", "describe the table")


def comment_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...]:
    """Comments on a column."""
    name, words = alteration.column.name, text(alteration.comment or "", situation.dialect)
    return one(f"COMMENT ON COLUMN {table(situation.live.name)}.{ident(name)} IS {words}", f"describe {name}")
