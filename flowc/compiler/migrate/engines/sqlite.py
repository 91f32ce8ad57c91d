"""SQLite: columns come, go and are renamed in place; everything else makes the table anew."""

from __future__ import annotations

from flowc.compiler.migrate import words
from flowc.compiler.migrate.alteration import Alteration, Situation
from flowc.compiler.migrate.rebuild import rebuild
from flowc.compiler.migrate.words import Engine, is_constant
from flowc.migration import Statement


def _add_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    column = alteration.column
    constant = column.default is None or is_constant(column.default)
    if not constant or (not column.nullable and column.default is None):
        return None
    return words.add_column(alteration, situation)


def _drop_column(alteration: Alteration, situation: Situation) -> tuple[Statement, ...] | None:
    name = alteration.column.name
    used = name in situation.live.primary_key or any(name in index.columns for index in situation.live.indexes)
    return None if used else words.drop_column(alteration, situation)


def _rebuild(situation: Situation, alterations: tuple[Alteration, ...]) -> tuple[Statement, ...]:
    """With the old rule of renaming, a view of the table stays as it was written; triggers are made again."""
    old_rule = Statement("PRAGMA legacy_alter_table = ON", "leave views as they are written")
    new_rule = Statement("PRAGMA legacy_alter_table = OFF", "and back")
    triggers = tuple(Statement(sql, "make a trigger again") for sql in situation.live.create_sql)
    return (old_rule, *rebuild(situation, alterations), *triggers, new_rule)


SQLITE = Engine(
    {
        "add_column": _add_column,
        "drop_column": _drop_column,
        "rename_column": words.rename_column,
        "create_index": words.make_index,
        "drop_index": words.drop_index,
    },
    rebuild=_rebuild,
)
